"""`mien strimzi`: topics, and users with their rights, as objects that Strimzi's operators make them from.

Topics are those of the settings, rights those of `mien acls`. With certificates of Strimzi a user of Kafka is
``CN=`` and the KafkaUser's name; Strimzi writes its rights so by itself.
"""

import re
from typing import Any, Final

import yaml

from streams.errors import SettingsInvalid
from streams.settings import Settings
from streams.topics import Topic
from workers.upkeep import acls

API_VERSION: Final = "kafka.strimzi.io/v1"
CLUSTER: Final = "mien"
"""The name of the Kafka object: k8s/components/strimzi/kafka.yaml."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_HEADER: Final = """\
# Written by `make strimzi` from the settings and the rights of `mien acls`; a test holds them equal.
"""


def text(settings: Settings) -> str:
    """All topics and users, as one file.

    Raises:
        SettingsInvalid: if no object of Kubernetes can have a name with this prefix.
    """
    return _HEADER + yaml.safe_dump_all(documents(settings), sort_keys=False, width=120)


def documents(settings: Settings) -> list[dict[str, Any]]:
    """The same as mappings."""
    if not _NAME.fullmatch(settings.topic_prefix):
        raise SettingsInvalid(
            f"MIEN_TOPIC_PREFIX={settings.topic_prefix} cannot begin names in Kubernetes: take lower-case "
            "letters, digits, . and -"
        )
    return [
        *(_topic(settings, topic) for topic in settings.topics),
        *_users(settings),
    ]


def _topic(settings: Settings, topic: Topic) -> dict[str, Any]:
    spec = {
        "topicName": topic.name,
        "partitions": topic.partitions,
        "replicas": topic.replication,
        "config": topic.config(),
    }
    return _object("KafkaTopic", topic.name.removeprefix(f"{settings.topic_prefix}."), spec)


def _users(settings: Settings) -> list[dict[str, Any]]:
    rights = acls.rights(settings).kafka
    # Topics are the operator's here, so nobody else needs to make them.
    users = sorted({right.user for right in rights} - {settings.group("topics")})
    return [
        _object(
            "KafkaUser",
            user,
            {
                "authentication": {"type": "tls"},
                "authorization": {
                    "type": "simple",
                    "acls": [_acl(right) for right in rights if right.user == user],
                },
            },
        )
        for user in users
    ]


def _acl(right: acls.KafkaRight) -> dict[str, Any]:
    pattern = {"literal": "literal", "prefixed": "prefix"}[right.pattern]
    return {
        "resource": {"type": right.resource, "name": right.name, "patternType": pattern},
        "operations": list(right.operations),
    }


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"strimzi.io/cluster": CLUSTER}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
