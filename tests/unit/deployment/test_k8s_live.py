"""`mien live` in the overlay that has it: who reaches it, what it is given, and the Secret it asks for."""

from typing import Any

import manifests
from manifests import STAGES, WORKERS, of_kind, ours, overlay, selects

from streams.settings import Settings, file_variable

OBJECTS = overlay("production")
LIVE: dict[str, Any] = ours(OBJECTS)["live"]
(CONTAINER,) = manifests.pod(LIVE)["containers"]
LABELS = manifests.pod_labels(OBJECTS)["live"]


def test_it_listens_for_others_and_so_has_an_access_file_and_a_secret() -> None:
    found = {one["name"]: one["value"] for one in CONTAINER["env"]}
    (mounted,) = (one for one in CONTAINER["volumeMounts"] if one["name"] == "live")
    assert found == {
        "MIEN_LIVE_HOST": "0.0.0.0",  # noqa: S104
        "MIEN_LIVE_ACCESS_FILE": f"{mounted['mountPath']}/access.yaml",
        file_variable("live_secret"): f"{mounted['mountPath']}/secret",
    }
    assert mounted["readOnly"] is True
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports["http"] == Settings.model_fields["live_port"].default


def test_each_of_its_secrets_is_its_own() -> None:
    volumes = {one["name"]: one for one in manifests.pod(LIVE)["volumes"]}
    assert volumes["live"]["secret"] == {"secretName": "mien-live-access"}
    assert volumes["redis"]["secret"] == {"secretName": "mien-redis-live"}
    kafka = [one["secret"]["name"] for one in volumes["kafka"]["projected"]["sources"]]
    assert kafka == ["mien-cluster-ca-cert", "mien-live"]
    assert "mien-live" in of_kind(OBJECTS, "KafkaUser")


def test_a_proxy_alone_may_ask_it() -> None:
    policy = of_kind(OBJECTS, "NetworkPolicy")["live"]["spec"]
    assert manifests.selected(OBJECTS, policy["podSelector"]) == {"live"}
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]
    assert selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": "ingress-nginx"})
    assert not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": "mien"})


def test_it_reaches_what_the_stages_reach_and_prometheus_reads_it() -> None:
    policies = of_kind(OBJECTS, "NetworkPolicy")
    for name in ("nothing-else", "names", "to-kafka", "to-redis", "metrics"):
        assert manifests.selected(OBJECTS, policies[name]["spec"]["podSelector"]) >= {*WORKERS, "live"}
    (redis,) = policies["redis"]["spec"]["ingress"]
    assert selects(redis["from"][0]["podSelector"], LABELS)
    assert not selects(policies["to-cameras"]["spec"]["podSelector"], LABELS)


def test_nothing_scales_it_by_lag_since_each_reads_all() -> None:
    assert set(of_kind(OBJECTS, "ScaledObject")) == set(STAGES)
    assert LIVE["spec"]["replicas"] == 2
