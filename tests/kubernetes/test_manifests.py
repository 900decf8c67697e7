"""All overlays before a real API server: it takes every object, strictly, and refuses an error in each kind.

Nothing of it is kept (``--dry-run=server``). Pods are tried apart, since pod security looks at them alone.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import manifests
import pytest
from cluster import Cluster
from control.build import CRDS
from control.plane import KubectlFailed

pytestmark = pytest.mark.kubernetes

OBJECTS = {
    (one["kind"], one["metadata"]["name"], name): one
    for name in manifests.OVERLAYS
    for one in manifests.overlay(name)
}
NAMESPACE = "mien"

Change = tuple[tuple[str | int, ...], Any]
"""A path in an object, and what is put there; None takes away what is there."""

WRONG: dict[str, tuple[Change, str]] = {
    "ConfigMap": ((("data", "MIEN_TOPIC_PARTITIONS"), 8), "expected string"),
    "Deployment": ((("spec", "selector", "matchLabels"), {"a": "b"}), "`selector` does not match template"),
    "Job": ((("spec", "template", "spec", "restartPolicy"), "Always"), 'valid values: "OnFailure", "Never"'),
    "Kafka": ((("spec", "kafka", "listeners", 0, "port"), 80), "greater than or equal to 9092"),
    "KafkaNodePool": ((("spec", "roles"), ["worker"]), "Unsupported value"),
    "KafkaTopic": ((("spec", "partitions"), 0), "greater than or equal to 1"),
    "KafkaUser": ((("spec", "authentication", "type"), "password"), "Unsupported value"),
    "Namespace": ((("metadata", "name"), "Mien"), "Invalid value"),
    "NetworkPolicy": ((("spec", "policyTypes"), ["Both"]), "Unsupported value"),
    "PodDisruptionBudget": ((("spec", "maxUnavailable"), "one"), "Invalid value"),
    "PodMonitor": ((("spec", "podMetricsEndpoints", 0, "interval"), "often"), "should match"),
    "PrometheusRule": ((("spec", "groups", 0, "rules", 0, "expr"), None), "Required value"),
    "ScaledObject": ((("spec", "maxReplicaCount"), "eight"), "expected numeric"),
    "Service": ((("spec", "ports", 0, "port"), 70_000), "between 1 and 65535"),
    "ServiceAccount": ((("automountServiceAccountToken",), "no"), "expected boolean"),
    "StatefulSet": ((("spec", "podManagementPolicy"), "AllAtOnce"), "Invalid value"),
    "TriggerAuthentication": ((("spec", "secretTargetRef", 0, "key"), None), "Required value"),
}
NO_POD: list[tuple[Change, str]] = [
    ((("containers", 0, "securityContext", "allowPrivilegeEscalation"), None), "allowPrivilegeEscalation"),
    ((("containers", 0, "securityContext", "capabilities"), None), "unrestricted capabilities"),
    ((("securityContext", "runAsNonRoot"), None), "runAsNonRoot"),
    ((("securityContext", "seccompProfile"), None), "seccompProfile"),
    ((("hostNetwork",), True), "host namespaces"),
]
"""What would make a pod one that the restricted level refuses."""


def pods() -> Iterator[Any]:
    for name in manifests.OVERLAYS:
        for what, workload in manifests.workloads(manifests.overlay(name)).items():
            template = workload["spec"]["template"]
            metadata = {"name": what, "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
            yield pytest.param(pod, id=f"{name}-{what}")


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Cluster:
    """It knows all kinds, and the namespace with what its pods ask for before they are admitted."""
    cluster.kubectl("apply", "--server-side", "--recursive", f"--filename={CRDS.resolve()}")
    known = ("wait", "--for=condition=Established", "--all", "customresourcedefinitions", "--timeout=60s")
    cluster.kubectl(*known)
    for kind in ("Namespace", "ServiceAccount"):
        cluster.apply(OBJECTS[kind, NAMESPACE, "local"], namespace="")
    return cluster


def try_out(server: Cluster, one: dict[str, Any]) -> str:
    """What the server would do with an object. Raises KubectlFailed with its reason, where it refuses it."""
    flags = ("--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
    return server.kubectl("apply", *flags, stdin=json.dumps(one))


def changed(one: dict[str, Any], change: Change) -> dict[str, Any]:
    path, value = change
    wrong: Any = copy.deepcopy(one)
    place = wrong
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return dict(wrong)


def of_kind(kind: str) -> dict[str, Any]:
    """The first; of ConfigMaps that of the settings."""
    return next(
        one
        for (k, name, _), one in OBJECTS.items()
        if k == kind and (k != "ConfigMap" or name.startswith("mien-settings"))
    )


@pytest.mark.parametrize("name", manifests.OVERLAYS)
def test_every_object_of_an_overlay_is_taken(server: Cluster, name: str) -> None:
    for one in manifests.overlay(name):
        assert "serverside-applied" in try_out(server, one), f"{one['kind']} {one['metadata']['name']}"


@pytest.mark.parametrize("pod", list(pods()))
def test_its_pods_are_admitted_under_the_restricted_level(server: Cluster, pod: dict[str, Any]) -> None:
    assert "serverside-applied" in try_out(server, pod)


def test_there_is_an_error_for_every_kind() -> None:
    assert set(WRONG) == {kind for kind, _, _ in OBJECTS}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_value_is_refused(server: Cluster, kind: str) -> None:
    change, reason = WRONG[kind]

    with pytest.raises(KubectlFailed) as caught:
        try_out(server, changed(of_kind(kind), change))

    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", WRONG)
def test_a_misspelt_field_is_refused(server: Cluster, kind: str) -> None:
    place = ("spec", "misspelt") if "spec" in of_kind(kind) else ("misspelt",)

    with pytest.raises(KubectlFailed) as caught:
        try_out(server, changed(of_kind(kind), (place, "x")))

    assert "misspelt: field not declared in schema" in str(caught.value)


@pytest.mark.parametrize(("change", "reason"), NO_POD, ids=lambda one: one if isinstance(one, str) else "")
def test_a_pod_with_a_right_too_many_is_not_admitted(server: Cluster, change: Change, reason: str) -> None:
    (pod,) = (one.values[0] for one in pods() if one.id == "production-landmarks")
    assert isinstance(pod, dict)

    with pytest.raises(KubectlFailed) as caught:
        try_out(server, pod | {"spec": changed(pod["spec"], change)})

    assert "violates PodSecurity" in str(caught.value)
    assert reason in str(caught.value)


def test_it_is_all_tried_with_the_definitions_of_the_operators() -> None:
    assert {path.name for path in Path(CRDS).iterdir()} == {"keda", "prometheus-operator", "strimzi"}
