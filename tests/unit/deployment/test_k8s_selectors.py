"""Workloads, services and budgets select their own pods and no others."""

import manifests
import pytest
import yaml
from manifests import OVERLAYS, STAGES, of_kind, ours, overlay, selects


@pytest.mark.parametrize("name", OVERLAYS)
def test_workloads_find_their_own_pods_and_no_others(name: str) -> None:
    for what, workload in manifests.workloads(overlay(name)).items():
        if workload["kind"] == "Job":  # the controller gives it a selector
            continue
        assert manifests.selected(overlay(name), workload["spec"]["selector"]) == {what}
        for spread in manifests.pod(workload).get("topologySpreadConstraints", ()):
            assert manifests.selected(overlay(name), spread["labelSelector"]) == {what}
    for what in STAGES:
        spreads = manifests.pod(ours(overlay(name))[what])["topologySpreadConstraints"]
        keys = [spread["topologyKey"] for spread in spreads]
        assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_services_lead_to_the_pods_of_their_name_by_a_port_that_these_have(name: str) -> None:
    found = of_kind(overlay(name), "Service")
    assert set(found) == {"cameras", "redis", "kafka" if name == "local" else "live"}
    for what, service in found.items():
        assert manifests.selected(overlay(name), {"matchLabels": service["spec"]["selector"]}) == {what}
        (container,) = manifests.pod(manifests.workloads(overlay(name))[what])["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        expected = {"http": 80} if what == "live" else ports  # its metrics are for Prometheus, pod by pod
        assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == expected


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_drained_node_takes_one_worker_of_a_stage_at_a_time(name: str) -> None:
    budgets = of_kind(overlay(name), "PodDisruptionBudget")
    assert set(budgets) == {*STAGES, "cameras"} | ({"live"} if name == "production" else set())
    for what, budget in budgets.items():
        assert manifests.selected(overlay(name), budget["spec"]["selector"]) == {what}
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize(
    ("selector", "labels", "takes"),
    [
        ("{}", "{}", True),
        ("{matchLabels: {a: x}}", "{a: x, b: y}", True),
        ("{matchLabels: {a: x, b: z}}", "{a: x, b: y}", False),
        ("{matchExpressions: [{key: a, operator: In, values: [x, y]}]}", "{a: y}", True),
        ("{matchExpressions: [{key: a, operator: In, values: [x, y]}]}", "{b: y}", False),
        ("{matchExpressions: [{key: a, operator: NotIn, values: [x]}]}", "{}", True),
        ("{matchExpressions: [{key: a, operator: NotIn, values: [x]}]}", "{a: x}", False),
        ("{matchExpressions: [{key: a, operator: Exists}]}", "{a: x}", True),
        ("{matchExpressions: [{key: a, operator: Exists}]}", "{}", False),
        ("{matchExpressions: [{key: a, operator: DoesNotExist}]}", "{a: x}", False),
        ("{matchLabels: {a: x}, matchExpressions: [{key: b, operator: Exists}]}", "{a: x}", False),
    ],
)
def test_selectors_take_in_what_kubernetes_says(selector: str, labels: str, takes: bool) -> None:
    assert selects(yaml.safe_load(selector), yaml.safe_load(labels)) is takes
