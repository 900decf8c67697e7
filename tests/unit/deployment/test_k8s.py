"""The manifests of each overlay keep to Kubernetes' schemas, our settings and verbs, and what pods may do."""

import os
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import manifests
import pytest
import typer.main
import yaml
from manifests import OVERLAYS, ROOT, SERVERS, STAGES, WORKERS, of_kind, ours, overlay, pod

from streams.settings import Settings, file_variable, secrets
from workers import cli
from workers.alerts import rule_file
from workers.stages import consumer_loop, faust_reader, stage

CUSTOM = {
    *("ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule"),
    *("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser"),
}
"""Kinds of KEDA, the Prometheus operator and Strimzi, for which there is no schema here: tests know them."""
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
every_overlay = pytest.mark.parametrize("name", OVERLAYS)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MIEN_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("version", ["1.32", kubernetes_validate.latest_version()])
@every_overlay
def test_objects_keep_to_the_strict_schemas(name: str, version: str) -> None:
    checked = [one for one in overlay(name) if one["kind"] not in CUSTOM]
    assert len(checked) > 20
    for one in checked:
        kubernetes_validate.validate(one, version, strict=True)


@every_overlay
def test_every_overlay_runs_every_stage_the_cameras_and_the_probe(name: str) -> None:
    more = {"local": {"topics"}, "production": {"live"}}
    assert set(ours(overlay(name))) == WORKERS | more[name]


@every_overlay
def test_all_is_in_the_one_namespace_which_refuses_pods_with_rights(name: str) -> None:
    (namespace,) = of_kind(overlay(name), "Namespace").values()
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    others = [one["metadata"] for one in overlay(name) if one["kind"] != "Namespace"]
    assert {metadata["namespace"] for metadata in others} == {namespace["metadata"]["name"]}


def test_base_and_components_know_no_namespace() -> None:
    assert [one for one in manifests.render(manifests.K8S / "base") if "namespace" in one["metadata"]] == []


@every_overlay
def test_the_config_map_is_a_valid_set_of_settings(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Pydantic ignores environment variables that it does not know: a misspelt one would do nothing.
    known = {f"MIEN_{field.upper()}" for field in Settings.model_fields} | set(map(file_variable, secrets()))
    found = manifests.environment(overlay(name))
    assert set(found) <= known
    loaded = manifests.settings(overlay(name), monkeypatch, tmp_path)
    assert loaded.kafka_bootstrap_servers == found["MIEN_KAFKA_BOOTSTRAP_SERVERS"]
    assert {"MIEN_REDIS_URL", "MIEN_REDIS_URL_FILE"} & set(found)  # classify and state want it
    assert loaded.metrics_host == "0.0.0.0"  # noqa: S104
    assert loaded.allow_plaintext == (name == "local")


@every_overlay
def test_settings_are_in_the_config_map_and_secrets_in_files(name: str) -> None:
    (config,) = (c for c in of_kind(overlay(name), "ConfigMap") if c.startswith("mien-settings-"))
    for what, container in manifests.containers(ours(overlay(name))):
        assert container["envFrom"] == [{"configMapRef": {"name": config}}], what
        assert "secretKeyRef" not in str(container), what
    assert of_kind(overlay(name), "Secret") == {}
    passwords = {f"MIEN_{field.upper()}" for field in secrets()} - {"MIEN_REDIS_URL"}
    assert not passwords & set(manifests.environment(overlay(name)))
    assert "@" not in manifests.environment(overlay(name)).get("MIEN_REDIS_URL", "")


@every_overlay
def test_every_container_runs_a_verb_of_the_command_line(name: str) -> None:
    verbs = typer.main.get_command(cli.app)
    for what, workload in ours(overlay(name)).items():
        (container,) = pod(workload)["containers"]
        assert "initContainers" not in pod(workload)
        assert "command" not in container, what  # the image's entry point
        env = {e["name"]: e.get("value", "0") for e in container.get("env", ())}
        verb, *options = container["args"]
        for variable, value in env.items():
            options = [option.replace(f"$({variable})", value) for option in options]
        assert (verb, container["name"]) == (what, what)
        command = verbs.get_command(None, verb)  # type: ignore[attr-defined]
        assert command is not None, f"{what}: no verb {verb}"
        if verb == "cameras":  # which runs by default
            command = command.get_command(None, "run")
        command.make_context(verb, options)  # raises if an option does not exist or lacks


@every_overlay
def test_no_container_has_a_privilege(name: str) -> None:
    for what, workload in manifests.workloads(overlay(name)).items():
        spec = pod(workload)
        assert spec["automountServiceAccountToken"] is False, what
        assert spec["enableServiceLinks"] is False, what  # KAFKA_PORT=tcp://… is a setting to Kafka's image
        assert spec["serviceAccountName"] in of_kind(overlay(name), "ServiceAccount"), what
        assert spec["securityContext"]["runAsNonRoot"] is True, what
        assert spec["securityContext"]["runAsUser"] >= (100 if what in SERVERS else 10_000), what
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, what
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), what
        kinds = {kind for volume in spec.get("volumes", ()) for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "configMap", "secret", "projected"}, what
    for what, container in manifests.containers(manifests.workloads(overlay(name))):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, what
        assert security["capabilities"] == {"drop": ["ALL"]}, what
        assert security.get("readOnlyRootFilesystem") is (None if what == "kafka/kafka" else True), what
        written = [m["mountPath"] for m in container.get("volumeMounts", ()) if not m.get("readOnly")]
        expected = {"redis/redis": ["/data"], "kafka/kafka": []}
        assert written == expected.get(what, ["/tmp"]), what  # noqa: S108


@every_overlay
def test_every_container_says_what_it_needs(name: str) -> None:
    for what, container in manifests.containers(manifests.workloads(overlay(name))):
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), what
        assert set(container["resources"]["limits"]) == {"memory"}, what  # throttling makes frames late
        image, _, tag = container["image"].rpartition(":")
        assert image, f"{what}: {container['image']} has no tag"
        assert tag not in ("", "latest"), what


@every_overlay
def test_servers_are_those_of_compose(name: str) -> None:
    found = {
        what.partition("/")[0]: container
        for what, container in manifests.containers(manifests.workloads(overlay(name)))
        if what.partition("/")[0] in SERVERS
    }
    assert set(found) == (SERVERS if name == "local" else {"redis"})
    for what, container in found.items():
        assert container["image"] == COMPOSE[what]["image"]
    assert found["redis"]["args"][: len(COMPOSE["redis"]["command"])] == COMPOSE["redis"]["command"]
    if name == "local":
        env = {e["name"]: e["value"] for e in found["kafka"]["env"]}
        compose = COMPOSE["kafka"]["environment"]
        own = {variable for variable in env if "LISTENER" in variable and "NAME" not in variable}
        assert {variable: env[variable] for variable in set(env) - own} == {
            variable: compose[variable] for variable in set(compose) - own
        }


@every_overlay
def test_every_worker_is_probed_where_it_serves(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = manifests.settings(overlay(name), monkeypatch, tmp_path).metrics_port
    found = {w: one for w, one in ours(overlay(name)).items() if w in WORKERS}
    for what, container in manifests.containers(found):
        assert container["ports"] == [{"name": "metrics", "containerPort": port}], what
        probed = {p: container[f"{p}Probe"]["httpGet"] for p in ("startup", "liveness", "readiness")}
        assert probed == {
            "startup": {"path": "/healthz", "port": "metrics"},
            "liveness": {"path": "/healthz", "port": "metrics"},
            "readiness": {"path": "/readyz", "port": "metrics"},
        }, what


@every_overlay
def test_workers_have_the_time_to_end_what_they_have_in_hand(name: str) -> None:
    leaving_s = max(consumer_loop.LEAVE_TIMEOUT_S, faust_reader.LEAVE_TIMEOUT_S)
    for what in STAGES:
        granted_s = pod(ours(overlay(name))[what])["terminationGracePeriodSeconds"]
        assert granted_s >= 2 * (leaving_s + stage.STOP_TIMEOUT_S), what
        assert COMPOSE[what]["stop_grace_period"] == f"{granted_s}s"


@every_overlay
def test_alerts_read_rules_that_can_be_used_and_see_when_they_change(name: str, tmp_path: Path) -> None:
    (container,) = pod(ours(overlay(name))["alerts"])["containers"]
    data = of_kind(overlay(name), "ConfigMap")["mien-alert-rules"]["data"]
    assert mounted_whole(ours(overlay(name))["alerts"], "mien-alert-rules") == "/etc/mien"
    assert container["env"] == [{"name": "MIEN_ALERTS_PATH", "value": "/etc/mien/alerts.yaml"}]
    path = tmp_path / "alerts.yaml"
    path.write_text(data["alerts.yaml"])
    assert rule_file.read(path).rules
    of_the_docs = (ROOT / "docs" / "alerts" / "alerts.yaml").read_text()
    assert path.read_text().partition("\n")[2] == of_the_docs.partition("\n")[2]


def mounted_whole(workload: dict[str, Any], config_map: str) -> str:
    """Where a ConfigMap is; never by a ``subPath``, of which a change is never seen."""
    (volume,) = (v for v in pod(workload)["volumes"] if v.get("configMap") == {"name": config_map})
    (container,) = pod(workload)["containers"]
    (mount,) = (m for m in container["volumeMounts"] if m["name"] == volume["name"])
    assert set(mount) == {"name", "mountPath", "readOnly"}
    path: str = mount["mountPath"]
    return path
