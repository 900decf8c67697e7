"""What scales, by what, and how far: names and numbers follow the overlay's settings."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import manifests
import pytest
import yaml
from manifests import STAGES, of_kind, ours, overlay

from streams import metrics
from workers.monitoring.prometheus_rules import STAGES as WATCHED

BEFORE = {"landmarks": "camera", "classify": "landmarks", "state": "classify", "alerts": "classify"}
SCALED = of_kind(overlay("production"), "ScaledObject")


def trigger(scaled: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = (one for one in scaled["spec"]["triggers"] if one["type"] == kind)
    assert all(isinstance(value, str) for value in found["metadata"].values())
    return found


def check(objects: tuple[manifests.Object, ...], monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Groups, topics, the most workers and the namespace are those of these objects' own settings."""
    loaded = manifests.settings(objects, monkeypatch, folder)
    (namespace,) = of_kind(objects, "Namespace")
    scaled = of_kind(objects, "ScaledObject")
    assert set(scaled) == set(STAGES)
    for stage, reads in STAGES.items():
        spec = scaled[stage]["spec"]
        topic = getattr(loaded.topics, reads)
        assert spec["scaleTargetRef"] == {"name": stage}
        assert 1 == spec["minReplicaCount"] < spec["maxReplicaCount"] == topic.partitions
        assert "replicas" not in ours(objects)[stage]["spec"]  # an apply would undo KEDA
        lag = trigger(scaled[stage], "kafka")["metadata"]
        assert lag["bootstrapServersFromEnv"] in manifests.environment(objects)
        assert (lag["consumerGroup"], lag["topic"]) == (loaded.group(stage), topic.name)
        query = trigger(scaled[stage], "prometheus")["metadata"]["query"]
        assert re.findall(r'namespace="([^"]*)"', query) == [namespace] * 4
        assert re.findall(r'stage="([^"]*)"', query) == [stage, stage, BEFORE[stage], BEFORE[stage]]


def test_names_and_numbers_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check(overlay("production"), monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("prefix", "components"), [("lobby", ["keda"]), ("a-b.c_d", ["keda"]), ("mien", ["keda", "strimzi"])]
)
def test_they_follow_when_an_overlay_has_others(
    prefix: str, components: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "k8s"  # kustomize takes relative paths only
    folder.symlink_to(manifests.K8S)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "namespace.yaml").write_text((manifests.K8S / "overlays/local/namespace.yaml").read_text())
    overlay_of_others = {
        "namespace": "other-place",
        "resources": ["namespace.yaml", "../k8s/base"],
        "components": [f"../k8s/components/{component}" for component in components],
        "configMapGenerator": [
            {
                "name": "mien-settings",
                "behavior": "merge",
                "literals": [
                    f"MIEN_TOPIC_PREFIX={prefix}",
                    "MIEN_TOPIC_PARTITIONS=24",
                    "MIEN_KAFKA_BOOTSTRAP_SERVERS=localhost:9092",
                    "MIEN_REDIS_URL=redis://localhost:6379/0",
                ],
            }
        ],
        "transformers": ["../k8s/names"],
    }
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(overlay_of_others))
    objects = manifests.render(mine)
    check(objects, monkeypatch, tmp_path)
    made = {
        one["spec"]["topicName"]: one["spec"]["partitions"] for one in of_kind(objects, "KafkaTopic").values()
    }
    wanted = manifests.settings(objects, monkeypatch, tmp_path).topics
    assert made == ({topic.name: topic.partitions for topic in wanted} if "strimzi" in components else {})


def test_lag_is_counted_as_the_stages_read() -> None:
    for scaled in SCALED.values():
        lag = trigger(scaled, "kafka")["metadata"]
        assert lag["offsetResetPolicy"] == "earliest"  # as the stages do
        assert lag["limitToPartitionsWithLag"] == "true"
        assert int(lag["lagThreshold"]) > 0
        assert tuple(map(int, lag["version"].split("."))) >= (2, 1, 0)  # Kafka 4 speaks nothing older


def test_age_is_asked_of_a_metric_that_each_of_these_stages_has() -> None:
    assert set(SCALED) == set(WATCHED)
    for scaled in SCALED.values():
        found = trigger(scaled, "prometheus")
        assert found["metricType"] == "Value"  # an age is not a sum over the workers
        assert 0 < float(found["metadata"]["threshold"]) <= 1
        name = metrics.frame_age_seconds.describe()[0].name
        named = set(re.findall(r"mien_\w+", found["metadata"]["query"]))
        assert named == {f"{name}_sum", f"{name}_count"}


@pytest.mark.parametrize("stage", STAGES)
def test_scaling_is_in_steps_and_slow_on_the_way_down(stage: str) -> None:
    spec = SCALED[stage]["spec"]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": stage},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": stage},
            "maxReplicas": spec["maxReplicaCount"],
            "behavior": behavior,
        },
    }
    kubernetes_validate.validate(autoscaler, kubernetes_validate.latest_version(), strict=True)
    assert behavior["scaleUp"]["policies"] == [{"type": "Pods", "value": 2, "periodSeconds": 60}]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 600
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


def test_keda_signs_in_with_the_certificate_of_a_user_of_its_own() -> None:
    (login,) = of_kind(overlay("production"), "TriggerAuthentication").values()
    keys = {ref["parameter"]: (ref["name"], ref["key"]) for ref in login["spec"]["secretTargetRef"]}
    assert keys == {
        "ca": ("mien-cluster-ca-cert", "ca.crt"),
        "cert": ("mien-keda", "user.crt"),
        "key": ("mien-keda", "user.key"),
    }
    assert "mien-keda" in of_kind(overlay("production"), "KafkaUser")
    for scaled in SCALED.values():
        found = trigger(scaled, "kafka")
        assert found["authenticationRef"] == {"name": login["metadata"]["name"]}
        assert found["metadata"]["tls"] == "enable"
