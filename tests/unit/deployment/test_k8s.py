"""The manifests, rendered as `kubectl apply -k` would, keep to Kubernetes' schemas and to our settings."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import typer.main
import yaml

from streams.settings import Settings
from workers import cli
from workers.alerts import rule_file

ROOT = Path(__file__).parents[3]
STAGES = {"landmarks": "frames", "classify": "landmarks", "state": "emotions", "alerts": "emotions"}
OVERLAYS = ["base", "example"]
RULES = "mien-alert-rules"
"""The ConfigMap that the stage of alerts reads its rules from."""
CUSTOM = {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule"}
"""Kinds of KEDA and the Prometheus operator, for which there is no schema here: tests below know them."""


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MIEN_")]:
        monkeypatch.delenv(name)


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"{name} is not installed")
    assert path is not None
    return path


@cache
def render(overlay: str) -> tuple[dict[str, Any], ...]:
    done = subprocess.run(
        [tool("kubectl"), "kustomize", ROOT / "k8s" / overlay], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, kind: str) -> dict[str, dict[str, Any]]:
    return {r["metadata"]["name"]: r for r in render(overlay) if r["kind"] == kind}


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def containers(overlay: str, *, init: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, deployment in of_kind(overlay, "Deployment").items():
        for container in pod(deployment)["containers"]:
            yield f"{name}/{container['name']}", container
        for container in pod(deployment)["initContainers"] if init else ():
            yield f"{name}/{container['name']}", container


def environment(overlay: str) -> dict[str, str]:
    (config,) = (config for name, config in of_kind(overlay, "ConfigMap").items() if name != RULES)
    data: dict[str, str] = config["data"]
    return data


def settings(overlay: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in environment(overlay).items():
        monkeypatch.setenv(name, value)
    if environment(overlay).get("MIEN_KAFKA_SECURITY_PROTOCOL", "").startswith("SASL"):  # from the Secret
        monkeypatch.setenv("MIEN_KAFKA_SASL_USERNAME", "u")
        monkeypatch.setenv("MIEN_KAFKA_SASL_PASSWORD", "p")
    return Settings()


@pytest.mark.parametrize("version", ["1.32", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_objects_keep_to_the_strict_schemas(overlay: str, version: str) -> None:
    for resource in render(overlay):
        if resource["kind"] not in CUSTOM:
            kubernetes_validate.validate(resource, version, strict=True)


def test_base_deploys_every_stage_and_two_demo_cameras_in_any_namespace() -> None:
    assert set(of_kind("base", "Deployment")) == {*STAGES, "probe", "camera-demo-1", "camera-demo-2"}
    assert not [r["metadata"]["name"] for r in render("base") if "namespace" in r["metadata"]]


def test_example_has_its_own_camera_in_place_of_the_demo_ones() -> None:
    assert set(of_kind("example", "Deployment")) == {*STAGES, "probe", "camera-lobby"}
    (camera,) = pod(of_kind("example", "Deployment")["camera-lobby"])["containers"]
    env = {e["name"]: e for e in camera["env"]}
    assert env["CAMERA_ID"] == {"name": "CAMERA_ID", "value": "lobby"}
    assert env["MIEN_CAMERA_SOURCE"] == {
        "name": "MIEN_CAMERA_SOURCE",
        "valueFrom": {"secretKeyRef": {"name": "camera-lobby", "key": "source"}},
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_config_map_is_a_valid_set_of_settings(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pydantic ignores environment variables that it does not know: a misspelt one would do nothing.
    fields = {f"MIEN_{name.upper()}" for name in Settings.model_fields}
    assert set(environment(overlay)) <= fields
    loaded = settings(overlay, monkeypatch)
    assert loaded.kafka_bootstrap_servers == environment(overlay)["MIEN_KAFKA_BOOTSTRAP_SERVERS"]
    assert loaded.redis_url == environment(overlay)["MIEN_REDIS_URL"]  # classify and state want it


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_gets_the_settings_and_may_get_credentials_of_its_own(overlay: str) -> None:
    (config,) = set(of_kind(overlay, "ConfigMap")) - {RULES}
    for name, container in containers(overlay, init=True):
        assert container["envFrom"] == [
            {"configMapRef": {"name": config}},
            {"secretRef": {"name": "mien-credentials", "optional": True}},
            {"secretRef": {"name": f"mien-credentials-{container['args'][0]}", "optional": True}},
        ], name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_source_is_an_argument_and_metrics_are_served_beyond_the_pod(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, container in containers(overlay, init=True):
        assert not [arg for arg in container["args"] if "SOURCE" in arg.upper()], name
    assert settings(overlay, monkeypatch).metrics_host == "0.0.0.0"  # noqa: S104


def test_the_example_is_encrypted_beyond_each_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not settings("example", monkeypatch).allow_plaintext
    assert settings("base", monkeypatch).allow_plaintext


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_runs_a_verb_of_the_command_line(overlay: str) -> None:
    verbs = typer.main.get_command(cli.app)
    for name, container in containers(overlay, init=True):
        assert "command" not in container, name  # the image's entry point
        env = {e["name"]: e.get("value", "rtsp://from.a.secret/") for e in container.get("env", ())}
        verb, *options = (env[arg[2:-1]] if arg.startswith("$(") else arg for arg in container["args"])
        command = verbs.get_command(None, verb)  # type: ignore[attr-defined]
        assert command is not None, f"{name}: no verb {verb}"
        command.make_context(verb, options)  # raises if an option does not exist or lacks
    for name, deployment in of_kind(overlay, "Deployment").items():
        (main,) = pod(deployment)["containers"]
        assert main["args"][0] == name.partition("-")[0]
        assert [c["args"] for c in pod(deployment)["initContainers"]] == [["topics", "--only-create"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_container_has_a_privilege(overlay: str) -> None:
    for name, deployment in of_kind(overlay, "Deployment").items():
        spec = pod(deployment)
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["serviceAccountName"] in of_kind(overlay, "ServiceAccount"), name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] >= 10_000, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        volumes = [volume for volume in spec["volumes"] if volume["name"] != "rules"]
        assert all(set(volume) == {"name", "emptyDir"} for volume in volumes), name
        assert len(spec["volumes"]) - len(volumes) == (name == "alerts")
    for name, container in containers(overlay, init=True):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        written = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert written == ["/tmp"], name  # noqa: S108


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_alerts_read_rules_that_can_be_used_and_see_when_they_change(overlay: str, tmp_path: Path) -> None:
    spec = pod(of_kind(overlay, "Deployment")["alerts"])
    (container,) = spec["containers"]
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "rules")
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "rules")
    assert volume["configMap"]["name"] == RULES
    assert "subPath" not in mount  # such a file is never read again
    (name,) = of_kind(overlay, "ConfigMap")[RULES]["data"]
    assert container["env"] == [{"name": "MIEN_ALERTS_PATH", "value": f"{mount['mountPath']}/{name}"}]
    path = tmp_path / name
    path.write_text(of_kind(overlay, "ConfigMap")[RULES]["data"][name])
    assert rule_file.read(path).rules
    assert (
        path.read_text().partition("\n")[2]
        == (ROOT / "docs" / "alerts" / "alerts.yaml").read_text().partition("\n")[2]
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_says_what_it_needs(overlay: str) -> None:
    for name, container in containers(overlay, init=True):
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert "memory" in container["resources"]["limits"], name
        image, _, tag = container["image"].rpartition(":")
        assert image, f"{name}: {container['image']} has no tag"
        assert tag not in ("", "latest"), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_probed_where_it_serves(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = settings(overlay, monkeypatch).metrics_port
    for name, container in containers(overlay, init=False):
        assert container["ports"] == [{"name": "metrics", "containerPort": port}], name
        probed = {
            probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")
        }
        assert probed == {
            "startup": {"path": "/healthz", "port": "metrics"},
            "liveness": {"path": "/healthz", "port": "metrics"},
            "readiness": {"path": "/readyz", "port": "metrics"},
        }, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_stages_scale_by_the_lag_of_their_own_group_up_to_the_partitions(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = settings(overlay, monkeypatch)
    scaled = of_kind(overlay, "ScaledObject")
    assert set(scaled) == set(STAGES)
    for stage, reads in STAGES.items():
        spec = scaled[stage]["spec"]
        topic = getattr(loaded.topics, reads)
        assert spec["scaleTargetRef"] == {"name": stage}
        assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= topic.partitions
        assert "replicas" not in of_kind(overlay, "Deployment")[stage]["spec"]  # an apply would undo KEDA
        (trigger,) = spec["triggers"]
        assert trigger["type"] == "kafka"
        metadata = trigger["metadata"]
        assert all(isinstance(value, str) for value in metadata.values()), stage
        assert metadata["bootstrapServersFromEnv"] == "MIEN_KAFKA_BOOTSTRAP_SERVERS"
        assert metadata["bootstrapServersFromEnv"] in environment(overlay)
        assert metadata["consumerGroup"] == f"{loaded.topic_prefix}-{stage}"
        assert metadata["topic"] == topic.name
        assert metadata["offsetResetPolicy"] == "earliest"  # as the stages do
        assert int(metadata["lagThreshold"]) > 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_scaling_down_is_slow(overlay: str) -> None:
    for name, scaled in of_kind(overlay, "ScaledObject").items():
        behavior = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        autoscaler = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "maxReplicas": scaled["spec"]["maxReplicaCount"],
                "behavior": behavior,
            },
        }
        kubernetes_validate.validate(autoscaler, kubernetes_validate.latest_version(), strict=True)
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300, name
        assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}], name


def test_keda_signs_in_with_the_same_secret_as_the_stages() -> None:
    (login,) = of_kind("example", "TriggerAuthentication").values()
    keys = {ref["parameter"]: (ref["name"], ref["key"]) for ref in login["spec"]["secretTargetRef"]}
    assert keys == {
        "username": ("mien-credentials", "MIEN_KAFKA_SASL_USERNAME"),
        "password": ("mien-credentials", "MIEN_KAFKA_SASL_PASSWORD"),
    }
    for scaled in of_kind("example", "ScaledObject").values():
        (trigger,) = scaled["spec"]["triggers"]
        assert trigger["authenticationRef"] == {"name": login["metadata"]["name"]}
        assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("scram_sha512", "enable")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_camera_never_runs_twice(overlay: str) -> None:
    cameras = [d for n, d in of_kind(overlay, "Deployment").items() if n.startswith("camera-")]
    assert cameras
    for camera in cameras:
        assert camera["spec"]["replicas"] == 1
        assert camera["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_find_their_own_pods_and_no_others(overlay: str) -> None:
    labels = {
        name: deployment["spec"]["template"]["metadata"]["labels"]
        for name, deployment in of_kind(overlay, "Deployment").items()
    }

    def selected(selector: dict[str, Any]) -> set[str]:
        assert set(selector) == {"matchLabels"}
        return {name for name, has in labels.items() if selector["matchLabels"].items() <= has.items()}

    for name, deployment in of_kind(overlay, "Deployment").items():
        assert selected(deployment["spec"]["selector"]) == {name}
        for spread in pod(deployment).get("topologySpreadConstraints", ()):
            assert selected(spread["labelSelector"]) == {name}
    budgets = of_kind(overlay, "PodDisruptionBudget")
    assert set(budgets) == set(STAGES)
    for name, budget in budgets.items():
        assert selected(budget["spec"]["selector"]) == {name}
        assert budget["spec"]["maxUnavailable"] == 1

    (monitor,) = of_kind(overlay, "PodMonitor").values()
    assert selected(monitor["spec"]["selector"]) == set(labels)
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == "metrics"
    assert {has[monitor["spec"]["jobLabel"]] for has in labels.values()} == {"mien"}  # the alerts' job
    (relabeling,) = endpoint["relabelings"]
    assert relabeling["targetLabel"] == "component"
    assert relabeling["sourceLabels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_component"]
    assert {has["app.kubernetes.io/component"] for has in labels.values()} == {*STAGES, "camera", "probe"}
