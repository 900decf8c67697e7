"""The control plane of the tests is Kubernetes' own, and refuses what a cluster would refuse."""

from typing import Any

import made_up_pods
import pytest
from cluster import Cluster
from control.plane import KubectlFailed

pytestmark = pytest.mark.kubernetes


def test_it_is_the_release_that_we_pin(cluster: Cluster) -> None:
    assert '"gitVersion": "v1.36.' in cluster.kubectl("get", "--raw", "/version")


def test_all_nodes_are_ready_and_hold_leases(cluster: Cluster) -> None:
    leases = cluster.get("leases", "--namespace=kube-node-lease")["items"]

    assert {lease["metadata"]["name"] for lease in leases} == set(cluster.nodes)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        pytest.param({"securityContext": {"privileged": True}}, "PodSecurity", id="privileged"),
        pytest.param({"securityContext": {}}, "PodSecurity", id="no-security-context"),
        pytest.param({"imagePullPolice": "Always"}, "unknown field", id="unknown-field"),
        pytest.param({"ports": [{"containerPort": 70_000}]}, "between 1 and 65535", id="port"),
    ],
)
def test_a_wrong_pod_is_refused(
    cluster: Cluster, namespace: str, change: dict[str, Any], refused: str
) -> None:
    wrong = made_up_pods.pod("wrong", {**made_up_pods.shell("true"), **change})

    with pytest.raises(KubectlFailed) as caught:
        cluster.apply(wrong, namespace=namespace)

    assert refused in str(caught.value)


def test_a_node_may_not_read_secrets_that_none_of_its_pods_uses(cluster: Cluster, namespace: str) -> None:
    node = cluster.folder / "kubeconfigs" / cluster.nodes[0]
    cluster.kubectl("create", "secret", "generic", "other", "--from-literal=a=b", f"--namespace={namespace}")

    with pytest.raises(KubectlFailed) as caught:
        cluster.kubectl("get", "secret", "other", f"--namespace={namespace}", f"--kubeconfig={node}")

    assert "no relationship found" in str(caught.value)
