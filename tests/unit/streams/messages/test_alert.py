"""Alerts: the contract with whoever reads ``mien.alerts``."""

from datetime import UTC, datetime

import jsonschema
import msgspec
import pytest

from streams.errors import BadMessage
from streams.messages import alert, schemas
from streams.messages.alert import Alert, AlertEvidence
from streams.settings import Settings

AT = datetime(2026, 1, 5, 12, 0, 4, tzinfo=UTC)
FIRED = Alert(
    alert_id=alert.alert_id("distress", "lobby-1:7k3f", 1_764_000_000_000_000),
    rule="distress",
    severity="warning",
    state="firing",
    camera_id="lobby-1",
    subject_id="lobby-1:7k3f",
    started_at=AT,
    at=AT,
    summary="Fear for 4 s (0.82), own neutral face.",
    value=0.82,
    threshold=0.6,
    labels={"team": "desk"},
    evidence=AlertEvidence(["e1"], 0.91, 0.82, "fear", "subject", {"brows": 0.6}, ["brow raised"], "…", "ok"),
)


def test_it_comes_back_as_it_was_and_follows_its_schema() -> None:
    key, value, headers = alert.encode(FIRED)
    schema = schemas.documents(Settings.model_construct())["alert.schema.json"]

    assert key == b"distress/lobby-1:7k3f"
    assert alert.decode(value) == FIRED
    jsonschema.Draft202012Validator(schema).validate(msgspec.json.decode(value))
    assert dict(headers)["ce_type"] == b"mien.alert.v1"
    assert dict(headers)["ce_time"] == b"2026-01-05T12:00:04Z"


def test_an_alert_of_a_camera_has_its_key() -> None:
    assert alert.encode(msgspec.structs.replace(FIRED, subject_id=None))[0] == b"distress/lobby-1"


def test_ids_are_the_same_for_ever_and_differ_by_what_they_are_made_of() -> None:
    assert FIRED.alert_id == "ea8373bc-028b-5271-823a-ac94adad3a1e"
    ids = {alert.alert_id("a", "b", 1), alert.alert_id("a", "b", 2), alert.alert_id("a", "c", 1)}
    assert len(ids | {alert.alert_id("b", "b", 1)}) == 4
    resolved = msgspec.structs.replace(FIRED, state="resolved")
    assert alert.message_id(resolved) != alert.message_id(FIRED)


@pytest.mark.parametrize(
    "value", [None, b"", b"junk", b"{}", b'{"alert_id": 1}', b'{"x":' + b"[" * 100_000, b'"\xff']
)
def test_what_is_no_alert(value: bytes | None) -> None:
    with pytest.raises(BadMessage, match="Not an alert"):
        alert.decode(value)
