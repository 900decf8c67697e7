"""Who may talk to whom: each policy selects the right pods, and all together let nothing else through."""

from typing import Any

import manifests
import pytest
from manifests import OVERLAYS, SERVERS, WORKERS, of_kind, ours, overlay, pod_labels, selects

LOCAL = overlay("local")
POLICIES = of_kind(LOCAL, "NetworkPolicy")
OURS = set(ours(LOCAL))
APART = {"kubernetes.io/metadata.name": "mien"}
"""The labels of our own namespace."""


def spec(name: str) -> dict[str, Any]:
    found: dict[str, Any] = POLICIES[name]["spec"]
    return found


def about(name: str) -> set[str]:
    return manifests.selected(LOCAL, spec(name)["podSelector"])


def lets_in(peers: list[dict[str, Any]], labels: dict[str, str], namespace: dict[str, str]) -> bool:
    """Whether one of a rule's peers is a pod with these labels in a namespace with those."""
    return any(
        "ipBlock" not in peer
        and selects(peer.get("podSelector", {}), labels)
        and (
            selects(peer["namespaceSelector"], namespace)
            if "namespaceSelector" in peer
            else namespace == APART
        )
        for peer in peers
    )


def allowed(source: str, target: str, port: str | int) -> bool:
    """Whether a pod may open a connection to another one of the overlay, both sides' policies considered."""
    labels = pod_labels(LOCAL)
    ports = {p["name"]: p["containerPort"] for p in container(target).get("ports", ())}
    number = ports.get(str(port), port)

    def agrees(direction: str, peer: str, own: str, other: str) -> bool:
        rules = [
            policy["spec"].get(direction.lower(), [])
            for policy in POLICIES.values()
            if direction in policy["spec"]["policyTypes"]
            and selects(policy["spec"]["podSelector"], labels[own])
        ]
        return not rules or any(
            lets_in(rule[peer], labels[other], APART)
            and any(ports.get(str(p["port"]), p["port"]) == number for p in rule["ports"])
            for of_one in rules
            for rule in of_one
        )

    return agrees("Egress", "to", source, target) and agrees("Ingress", "from", target, source)


def container(name: str) -> dict[str, Any]:
    (found,) = manifests.pod(manifests.workloads(LOCAL)[name])["containers"]
    one: dict[str, Any] = found
    return one


@pytest.mark.parametrize(
    ("policy", "pods"),
    [
        ("nothing-else", OURS | {"redis"}),
        ("names", OURS),
        ("to-kafka", OURS),
        ("to-redis", WORKERS),
        ("to-cameras", {"cameras"}),
        ("metrics", WORKERS),
        ("redis", {"redis"}),
    ],
)
def test_each_policy_is_about_the_right_pods_and_only_them(policy: str, pods: set[str]) -> None:
    assert about(policy) == pods


def test_every_policy_is_in_that_table_and_every_overlay_has_them() -> None:
    assert len(POLICIES) == 7
    for name in OVERLAYS:
        found = of_kind(overlay(name), "NetworkPolicy")
        assert {policy: found[policy] for policy in POLICIES} == POLICIES
        assert set(found) - set(POLICIES) == ({"live"} if name == "production" else set())


def test_nothing_goes_in_or_out_by_default() -> None:
    assert set(spec("nothing-else")) == {"podSelector", "policyTypes"}
    assert spec("nothing-else")["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("source", sorted(OURS | SERVERS))
def test_who_may_reach_what(source: str) -> None:
    assert allowed(source, "kafka", "kafka") == (source in OURS or source == "kafka")
    assert allowed(source, "redis", "redis") == (source in WORKERS)
    reached = {other for other in OURS if allowed(source, other, 9100)}
    assert reached == set()  # metrics are for Prometheus; stages meet in Kafka


@pytest.mark.parametrize(
    ("labels", "namespace", "enters"),
    [
        ({"app.kubernetes.io/name": "prometheus"}, "monitoring", True),
        ({"app.kubernetes.io/name": "grafana"}, "monitoring", False),
        ({"app.kubernetes.io/name": "prometheus"}, "elsewhere", False),
        ({"app.kubernetes.io/name": "mien", "app.kubernetes.io/component": "state"}, "mien", False),
    ],
)
def test_prometheus_alone_reads_metrics(labels: dict[str, str], namespace: str, enters: bool) -> None:
    (rule,) = spec("metrics")["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": "metrics"}]
    assert lets_in(rule["from"], labels, {"kubernetes.io/metadata.name": namespace}) is enters


def test_the_dns_alone_is_asked_for_names() -> None:
    (rule,) = spec("names")["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
    system = {"kubernetes.io/metadata.name": "kube-system"}
    assert lets_in(rule["to"], {"k8s-app": "kube-dns"}, system)
    assert not lets_in(rule["to"], {"k8s-app": "other"}, system)
    assert not lets_in(rule["to"], {"k8s-app": "kube-dns"}, APART)


def test_cameras_alone_leave_the_cluster_and_not_for_its_metadata() -> None:
    leaving = {
        name
        for name in POLICIES
        for rule in spec(name).get("egress", ())
        for peer in rule["to"]
        if "ipBlock" in peer
    }
    assert leaving == {"to-cameras"}
    (rule,) = spec("to-cameras")["egress"]
    networks = {peer["ipBlock"]["cidr"] for peer in rule["to"]}
    assert networks == {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}  # and so not 169.254.169.254


@pytest.mark.parametrize(
    ("labels", "namespace", "enters"),
    [
        ({"app.kubernetes.io/name": "mien"}, "mien", True),
        ({"app": "keda-operator"}, "keda", True),
        ({"app": "keda-operator"}, "mien", False),
        ({"app.kubernetes.io/name": "redis"}, "mien", False),
        ({"app.kubernetes.io/name": "mien"}, "elsewhere", False),
    ],
)
def test_strimzis_kafka_lets_us_in_and_keda(labels: dict[str, str], namespace: str, enters: bool) -> None:
    (kafka,) = of_kind(overlay("production"), "Kafka").values()
    (listener,) = kafka["spec"]["kafka"]["listeners"]
    peers = listener["networkPolicyPeers"]
    assert lets_in(peers, labels, {"kubernetes.io/metadata.name": namespace}) is enters
    assert listener["port"] in [port["port"] for port in spec("to-kafka")["egress"][0]["ports"]]
