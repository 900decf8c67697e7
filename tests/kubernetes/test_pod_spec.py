"""What a pod asks for becomes environment, command and files."""

import base64
from typing import Any

import pytest
from agent import pod_spec
from agent.pod_spec import CannotStart
from agent.volumes import references
from hypothesis import given
from hypothesis import strategies as st

OBJECTS = {
    ("configmaps", "settings"): {
        "kind": "ConfigMap",
        "data": {"A": "1", "B": "2"},
        "binaryData": {"C": base64.b64encode(b"\xff").decode()},
    },
    ("configmaps", "more"): {"kind": "ConfigMap", "data": {"A": "more"}},
    ("secrets", "word"): {"kind": "Secret", "data": {"W": base64.b64encode(b"hush").decode()}},
}
POD = {
    "metadata": {"name": "p", "namespace": "n", "labels": {"app": "x", "apps.kubernetes.io/pod-index": "3"}},
    "spec": {"nodeName": "node-1"},
    "status": {"podIP": "127.20.1.1"},
}


def lookup(kind: str, name: str) -> dict[str, Any] | None:
    return OBJECTS.get((kind, name))


def value_from(**source: Any) -> dict[str, Any]:
    return {"env": [{"name": "V", "valueFrom": source}]}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param({}, {"IMAGE": "i"}, id="image"),
        pytest.param({"env": [{"name": "IMAGE", "value": "c"}]}, {"IMAGE": "c"}, id="container-wins"),
        pytest.param({"env": [{"name": "V"}]}, {"IMAGE": "i", "V": ""}, id="no-value"),
        pytest.param(
            {
                "envFrom": [
                    {"configMapRef": {"name": "more"}},
                    {"secretRef": {"name": "word"}, "prefix": "S_"},
                ]
            },
            {"IMAGE": "i", "A": "more", "S_W": "hush"},
            id="env-from",
        ),
        pytest.param(
            {"envFrom": [{"secretRef": {"name": "none", "optional": True}}]}, {"IMAGE": "i"}, id="optional"
        ),
        pytest.param(
            value_from(secretKeyRef={"name": "word", "key": "W"}),
            {"IMAGE": "i", "V": "hush"},
            id="secret-key",
        ),
        pytest.param(
            value_from(configMapKeyRef={"name": "more", "key": "Z", "optional": True}),
            {"IMAGE": "i"},
            id="optional-key",
        ),
        pytest.param(
            value_from(fieldRef={"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}),
            {"IMAGE": "i", "V": "3"},
            id="label",
        ),
        pytest.param(
            value_from(fieldRef={"fieldPath": "status.podIP"}), {"IMAGE": "i", "V": "127.20.1.1"}, id="ip"
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "a"}, {"name": "V", "value": "$(A)$(IMAGE)"}]},
            {"IMAGE": "i", "A": "a", "V": "ai"},
            id="expanded",
        ),
    ],
)
def test_environment(container: dict[str, Any], expected: dict[str, str]) -> None:
    assert pod_spec.environment(container, POD, lookup, {"IMAGE": "i"}) == expected


@pytest.mark.parametrize(
    ("container", "message"),
    [
        pytest.param(
            {"envFrom": [{"configMapRef": {"name": "none"}}]}, 'configmap "none" not found', id="map"
        ),
        pytest.param(
            value_from(secretKeyRef={"name": "none", "key": "W"}), 'secret "none" not found', id="secret"
        ),
        pytest.param(value_from(secretKeyRef={"name": "word", "key": "Z"}), "couldn't find key Z", id="key"),
    ],
)
def test_what_is_missing_is_said(container: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotStart, match=message):
        pod_spec.environment(container, POD, lookup, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$(A)/x", "1/x", id="known"),
        pytest.param("$(Z)", "$(Z)", id="unknown"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$$$(A)", "$1", id="escaped-and-known"),
        pytest.param("$A ${A} $(A", "$A ${A} $(A", id="not-a-reference"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert pod_spec.expand(text, {"A": "1"}) == expected


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_text_without_references_stays(text: str) -> None:
    assert pod_spec.expand(text, {"A": "1"}) == text


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        pytest.param({"args": ["--x"]}, ["mien", "--x"], id="entrypoint"),
        pytest.param({"command": ["sh", "-c"], "args": ["$(A)"]}, ["sh", "-c", "1"], id="command"),
    ],
)
def test_command(container: dict[str, Any], expected: list[str]) -> None:
    assert pod_spec.command({"image": "mien", **container}, {"A": "1"}, ["mien"]) == expected


def test_an_image_that_runs_nothing_is_refused() -> None:
    with pytest.raises(CannotStart, match="image other runs nothing here"):
        pod_spec.command({"image": "other"}, {}, [])


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        pytest.param({"emptyDir": {}}, None, id="empty"),
        pytest.param(
            {"configMap": {"name": "settings"}}, {"A": b"1", "B": b"2", "C": b"\xff"}, id="config-map"
        ),
        pytest.param(
            {"configMap": {"name": "settings", "items": [{"key": "B", "path": "x/b"}]}},
            {"x/b": b"2"},
            id="items",
        ),
        pytest.param({"secret": {"secretName": "word"}}, {"W": b"hush"}, id="secret"),
        pytest.param({"secret": {"secretName": "none", "optional": True}}, {}, id="optional"),
        pytest.param(
            {
                "projected": {
                    "sources": [
                        {"configMap": {"name": "more"}},
                        {"secret": {"name": "word"}},
                        {
                            "downwardAPI": {
                                "items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]
                            }
                        },
                        {"serviceAccountToken": {"path": "token"}},
                    ]
                }
            },
            {"A": b"more", "W": b"hush", "l": b'app="x"\napps.kubernetes.io/pod-index="3"'},
            id="projected",
        ),
    ],
)
def test_files(volume: dict[str, Any], expected: dict[str, bytes] | None) -> None:
    assert pod_spec.files(volume, POD, lookup) == expected


def test_a_key_that_is_missing_in_a_volume_is_said() -> None:
    volume = {"configMap": {"name": "more", "items": [{"key": "Z", "path": "z"}]}}

    with pytest.raises(CannotStart, match="non-existent config key: Z"):
        pod_spec.files(volume, POD, lookup)


def test_restarts_come_later_and_later() -> None:
    waits_s = [pod_spec.back_off_s(restart, 10.0) for restart in range(1, 9)]

    assert waits_s == [0, 10, 20, 40, 80, 160, 300, 300]


def test_references_finds_every_config_map_and_secret() -> None:
    spec = {
        "containers": [
            {
                "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
                "env": [{"name": "c", "valueFrom": {"secretKeyRef": {"name": "c", "key": "x"}}}],
            }
        ],
        "volumes": [
            {"name": "v", "secret": {"secretName": "d"}},
            {
                "name": "w",
                "projected": {"sources": [{"configMap": {"name": "e"}}, {"secret": {"name": "f"}}]},
            },
        ],
    }

    assert references(spec) == {
        ("configmaps", "a"),
        ("secrets", "b"),
        ("secrets", "c"),
        ("secrets", "d"),
        ("configmaps", "e"),
        ("secrets", "f"),
    }
