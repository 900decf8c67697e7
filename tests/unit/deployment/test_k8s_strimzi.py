"""Kafka by Strimzi, and Redis by TLS: topics, users and rights are the settings' and those of `mien acls`."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import manifests
import pytest
import yaml
from manifests import WORKERS, of_kind, ours, overlay, pod

from streams.settings import Settings
from workers.upkeep import acls, strimzi

PRODUCTION = overlay("production")
USERS = {name: f"mien-{'camera' if name == 'cameras' else name}" for name in WORKERS}
"""Each workload's user of Kafka and of Redis."""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    return manifests.settings(PRODUCTION, monkeypatch, tmp_path)


def test_topics_and_users_are_what_make_strimzi_writes(settings: Settings) -> None:
    path = manifests.K8S / "components" / "strimzi" / "topics-and-users.yaml"
    assert path.read_text() == strimzi.text(settings), "`make strimzi`"


def test_topics_are_those_of_the_settings(settings: Settings) -> None:
    found = {one["spec"]["topicName"]: one["spec"] for one in of_kind(PRODUCTION, "KafkaTopic").values()}
    assert set(found) == {topic.name for topic in settings.topics}
    for topic in settings.topics:
        spec = found[topic.name]
        assert (spec["partitions"], spec["replicas"]) == (topic.partitions, topic.replication)
        assert spec["config"] == topic.config()
        assert spec["config"]["min.insync.replicas"] == "2"


def test_each_user_may_do_what_mien_acls_says_and_no_more(settings: Settings) -> None:
    found = {
        (
            user,
            acl["resource"]["type"],
            acl["resource"]["name"],
            acl["resource"]["patternType"].replace("prefix", "prefixed"),
            tuple(acl["operations"]),
        )
        for user, one in of_kind(PRODUCTION, "KafkaUser").items()
        for acl in one["spec"]["authorization"]["acls"]
    }
    wanted = {tuple(right) for right in acls.rights(settings).kafka if right.user != "mien-topics"}
    assert found == wanted
    assert not any("Create" in operations for *_, operations in found)


def test_the_broker_invents_no_topic_and_keeps_two_copies_at_least() -> None:
    (kafka,) = of_kind(PRODUCTION, "Kafka").values()
    (pool,) = of_kind(PRODUCTION, "KafkaNodePool").values()
    config = kafka["spec"]["kafka"]["config"]
    assert config["auto.create.topics.enable"] is False
    assert config["min.insync.replicas"] == 2 < pool["spec"]["replicas"] == 3
    assert config["log.retention.check.interval.ms"] < Settings.model_fields["frames_retention_ms"].default
    assert kafka["spec"]["kafka"]["authorization"] == {"type": "simple"}
    assert all(listener["tls"] for listener in kafka["spec"]["kafka"]["listeners"])
    cluster = {kafka["metadata"]["name"]}
    labelled = of_kind(PRODUCTION, "KafkaNodePool", "KafkaTopic", "KafkaUser").values()
    assert (
        {one["metadata"]["labels"]["strimzi.io/cluster"] for one in labelled} == cluster == {strimzi.CLUSTER}
    )


def mounted(workload: dict[str, Any], folder: str) -> dict[str, Any]:
    (container,) = pod(workload)["containers"]
    (mount,) = (one for one in container["volumeMounts"] if one["mountPath"] == folder)
    assert mount["readOnly"] is True
    (volume,) = (one for one in pod(workload)["volumes"] if one["name"] == mount["name"])
    found: dict[str, Any] = volume
    return found


@pytest.mark.parametrize("name", sorted(WORKERS))
def test_each_pod_has_its_own_certificate_and_nobody_elses(name: str) -> None:
    sources = mounted(ours(PRODUCTION)[name], "/run/secrets/kafka")["projected"]["sources"]
    assert {source["secret"]["name"] for source in sources} == {"mien-cluster-ca-cert", USERS[name]}
    assert USERS[name] in of_kind(PRODUCTION, "KafkaUser")  # Strimzi's Secret has its name
    assert not any(source["secret"].get("optional") for source in sources)
    files = {f"/run/secrets/kafka/{item['path']}" for source in sources for item in source["secret"]["items"]}
    environment = manifests.environment(PRODUCTION)
    assert files == {environment[f"MIEN_KAFKA_SSL_{what}_FILE"] for what in ("CA", "CERT", "KEY")}


@pytest.mark.parametrize("name", sorted(WORKERS))
def test_each_pod_has_an_address_of_redis_of_its_own(name: str) -> None:
    secret = f"mien-redis-{USERS[name].removeprefix('mien-')}"
    assert mounted(ours(PRODUCTION)[name], "/run/secrets/redis")["secret"] == {"secretName": secret}
    assert manifests.environment(PRODUCTION)["MIEN_REDIS_URL_FILE"] == "/run/secrets/redis/url"


def test_redis_takes_tls_and_named_users_alone() -> None:
    (container,) = pod(of_kind(PRODUCTION, "Deployment")["redis"])["containers"]
    args = container["args"][1:]
    options = dict(zip(args[::2], args[1::2], strict=True))
    assert options["--port"] == "0"
    assert options["--tls-port"] == "6379"
    assert options["--aclfile"] == "/run/secrets/redis/users.acl"
    assert {volume["name"] for volume in pod(of_kind(PRODUCTION, "Deployment")["redis"])["volumes"]} == {
        "data",
        "secrets",
    }


def test_the_secrets_of_redis_are_made_for_every_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    script = manifests.K8S / "overlays" / "production" / "make-redis-secrets"
    made = tmp_path / "made"
    done = subprocess.run([script, made], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    secrets = {
        one["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in one["data"].items()}
        for one in yaml.safe_load_all((made / "secrets.yaml").read_text())
        if one
    }
    assert {path.stat().st_mode & 0o077 for path in (made, *made.iterdir())} == {0}
    assert set(secrets["mien-redis"]) == {"tls.crt", "tls.key", "ca.crt", "users.acl"}
    for user in USERS.values():
        data = secrets[f"mien-redis-{user.removeprefix('mien-')}"]
        assert set(data) == {"url", "ca.crt"}
        password = re.fullmatch(
            rf"rediss://{user}:([0-9a-f]{{48}})@redis:6379/0\?ssl_ca_certs=/run/secrets/redis/ca.crt\n",
            data["url"],
        )
        assert password
        hashed = hashlib.sha256(password[1].encode()).hexdigest()
        assert f"user {user} reset on #{hashed} " in secrets["mien-redis"]["users.acl"]
        assert password[1] not in done.stderr + secrets["mien-redis"]["users.acl"]
    assert secrets["mien-redis"]["users.acl"].startswith("user default off\n")
