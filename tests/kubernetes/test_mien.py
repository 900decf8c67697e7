"""Mien's stages as pods: with real Kafka and Redis they get ready, see a face, scale, and leave in order."""

import json
from typing import Any

import made_up_pods
import pytest
from cluster import Cluster
from made_up_pods import Resource, deployment, pod

from streams.local.kafka_server import KafkaServer

pytestmark = pytest.mark.kubernetes
STAGES = ("landmarks", "classify", "state")
TMP = {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}  # noqa: S108
IN_POD: dict[str, Any] = {
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    # The user is the image's.
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}


@pytest.fixture
def settings(cluster: Cluster, namespace: str, kafka: KafkaServer, redis_url: str) -> str:
    """The name of a ConfigMap with which Mien's commands find this test's topics."""
    data = {
        "MIEN_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "MIEN_REDIS_URL": redis_url,
        "MIEN_TOPIC_PREFIX": namespace,
        "MIEN_TOPIC_PARTITIONS": "2",
    }
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}
    cluster.apply(made, namespace=namespace)
    return "settings"


def mien(*arguments: str, settings: str, name: str = "main", **more: Any) -> Resource:
    return {
        "name": name,
        "image": "mien:0.1.0",
        "args": [*arguments],
        "envFrom": [{"configMapRef": {"name": settings}}],
        "securityContext": made_up_pods.SECURITY,
        **TMP,
        **more,
    }


def stage(name: str, settings: str) -> Resource:
    def probe(path: str) -> Resource:
        return {"httpGet": {"path": path, "port": 9100}, "periodSeconds": 2, "timeoutSeconds": 5}

    probes = {
        "startupProbe": probe("/healthz") | {"failureThreshold": 60},
        "readinessProbe": probe("/readyz"),
        "livenessProbe": probe("/healthz"),
    }
    topics = mien("topics", "--only-create", settings=settings, name="topics")
    return deployment(
        name, mien(name, settings=settings, **probes), replicas=1, initContainers=[topics], **IN_POD
    )


def test_the_stages_see_a_face_scale_and_leave_in_order(
    cluster: Cluster, namespace: str, settings: str
) -> None:
    cluster.apply(*(stage(name, settings) for name in STAGES), namespace=namespace)
    for name in STAGES:
        cluster.kubectl(
            "rollout", "status", f"deployment/{name}", "--timeout=180s", f"--namespace={namespace}"
        )

    camera = mien("camera", "--camera", "a", "--source", "demo:calm", settings=settings)
    cluster.apply(pod("camera", camera, **IN_POD), namespace=namespace)
    looks = "until mien subjects --json | grep -q a:; do sleep 1; done; mien subjects --json"
    look = mien(settings=settings) | {"command": ["sh", "-c", looks]}
    cluster.apply(pod("look", look, **IN_POD), namespace=namespace)
    cluster.eventually(
        lambda: cluster.get("pod", "look", f"--namespace={namespace}")["status"].get("phase") == "Succeeded",
        "a subject is in Redis",
    )
    seen = json.loads(cluster.container_log(namespace, "look", "main").splitlines()[-1])
    assert seen[0]["subject_id"].startswith("a:")

    cluster.kubectl("scale", "deployment/landmarks", "--replicas=2", f"--namespace={namespace}")
    both = cluster.eventually(
        lambda: len(found := cluster.ready_pods(namespace, "app=landmarks")) == 2 and found, "two are ready"
    )
    cluster.kubectl("scale", "deployment/landmarks", "--replicas=0", f"--namespace={namespace}")

    names = {one["metadata"]["name"] for one in both}
    cluster.eventually(lambda: names <= cluster.exit_codes(namespace).keys(), "both have ended")
    assert [cluster.exit_codes(namespace)[name] for name in names] == [{"main": 0}] * 2
