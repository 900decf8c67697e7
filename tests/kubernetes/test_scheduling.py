"""Deployments on several nodes: scaling, rolling updates, drained nodes and disruption budgets."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cluster import Cluster
from control.plane import KubectlFailed
from made_up_pods import deployment, server

pytestmark = pytest.mark.kubernetes


@contextmanager
def watched(look: Callable[[], int]) -> Iterator[list[int]]:
    """What ``look`` answers again and again while the block runs."""
    seen, done = [look()], threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            seen.append(look())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def rolled_out(cluster: Cluster, namespace: str, name: str, timeout_s: int = 120) -> None:
    """Raises KubectlFailed when it is not in time."""
    cluster.kubectl(
        "rollout", "status", f"deployment/{name}", f"--timeout={timeout_s}s", f"--namespace={namespace}"
    )


@contextmanager
def drained(cluster: Cluster, namespace: str, node: str, timeout_s: int) -> Iterator[None]:
    """Only this namespace's pods; the node takes pods again afterwards."""
    only = f"--pod-selector=app,test={namespace}"
    try:
        cluster.kubectl("drain", node, only, f"--timeout={timeout_s}s")
        yield
    finally:
        cluster.kubectl("uncordon", node)


def budget(name: str, min_available: int) -> dict[str, Any]:
    spec = {"minAvailable": min_available, "selector": {"matchLabels": {"app": name}}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": spec,
    }


def marked(made: dict[str, Any], namespace: str) -> dict[str, Any]:
    """With a label that tells its pods from those of other tests."""
    made["spec"]["template"]["metadata"]["labels"] |= {"test": namespace}
    return made


def test_a_deployment_spreads_over_the_nodes_and_scales(cluster: Cluster, namespace: str) -> None:
    cluster.apply(deployment("web", server(), replicas=3), namespace=namespace)
    rolled_out(cluster, namespace, "web")
    assert {one["spec"]["nodeName"] for one in cluster.ready_pods(namespace)} == set(cluster.nodes)
    assert len({one["status"]["podIP"] for one in cluster.ready_pods(namespace)}) == 3

    for replicas in (5, 1):
        cluster.kubectl("scale", "deployment/web", f"--replicas={replicas}", f"--namespace={namespace}")
        cluster.eventually(
            lambda replicas=replicas: (
                len(cluster.ready_pods(namespace)) == replicas == len(cluster.pods(namespace))
            ),
            f"there are {replicas}",
        )


def test_a_rolling_update_never_has_fewer_ready(cluster: Cluster, namespace: str) -> None:
    cluster.apply(deployment("web", server({"RELEASE": "1"}), replicas=3), namespace=namespace)
    rolled_out(cluster, namespace, "web")
    old = {one["metadata"]["name"] for one in cluster.ready_pods(namespace)}

    with watched(lambda: len(cluster.ready_pods(namespace))) as ready:
        cluster.apply(deployment("web", server({"RELEASE": "2"}), replicas=3), namespace=namespace)
        rolled_out(cluster, namespace, "web")

    assert min(ready) >= 3
    assert not old & {one["metadata"]["name"] for one in cluster.pods(namespace)}


def test_a_release_that_is_never_ready_stops_the_rollout(cluster: Cluster, namespace: str) -> None:
    cluster.apply(deployment("web", server(), replicas=2), namespace=namespace)
    rolled_out(cluster, namespace, "web")
    old = {one["metadata"]["name"] for one in cluster.ready_pods(namespace)}

    cluster.apply(deployment("web", server({"NEVER_READY": "1"}), replicas=2), namespace=namespace)
    with pytest.raises(KubectlFailed):
        rolled_out(cluster, namespace, "web", timeout_s=10)

    assert {one["metadata"]["name"] for one in cluster.ready_pods(namespace)} == old
    assert len(cluster.pods(namespace)) == 3


def test_a_drained_node_moves_its_pods_one_after_the_other(cluster: Cluster, namespace: str) -> None:
    made = marked(deployment("web", server(), replicas=3), namespace)
    cluster.apply(made, budget("web", 2), namespace=namespace)
    rolled_out(cluster, namespace, "web")
    node = cluster.nodes[0]

    with (
        watched(lambda: len(cluster.ready_pods(namespace))) as ready,
        drained(cluster, namespace, node, timeout_s=60),
    ):
        rolled_out(cluster, namespace, "web")
        assert node not in {one["spec"]["nodeName"] for one in cluster.pods(namespace)}

    assert min(ready) >= 2


def test_a_budget_holds_against_a_drain(cluster: Cluster, namespace: str) -> None:
    made = marked(deployment("web", server(), replicas=1), namespace)
    cluster.apply(made, budget("web", 1), namespace=namespace)
    rolled_out(cluster, namespace, "web")
    (one,) = cluster.ready_pods(namespace)

    with (
        pytest.raises(KubectlFailed) as caught,
        drained(cluster, namespace, one["spec"]["nodeName"], timeout_s=8),
    ):
        pass

    assert "would violate the pod's disruption budget" in str(caught.value)
    assert [pod["metadata"]["uid"] for pod in cluster.ready_pods(namespace)] == [one["metadata"]["uid"]]
