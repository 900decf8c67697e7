"""What people say of alerts: the contract with whoever reads ``mien.verdicts``."""

from datetime import UTC, datetime, timedelta

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import BadMessage
from streams.messages import schemas, verdict
from streams.messages.emotion_event import time_of
from streams.messages.frame_message import MAX_TIME_US
from streams.messages.verdict import VERDICTS, Verdict
from streams.settings import Settings

AT = datetime(2026, 1, 5, 12, 0, 4, tzinfo=UTC)
REJECTED = Verdict("5d1f6a0c-1", "rejected", "anna", AT, "a yawn", "fear-at-desk", "lobby-1", "fear")


def test_it_comes_back_as_it_was_and_follows_its_schema() -> None:
    key, value, headers = verdict.encode(REJECTED)
    schema = schemas.documents(Settings.model_construct())["verdict.schema.json"]

    assert key == b"5d1f6a0c-1"
    assert verdict.decode(value) == REJECTED
    jsonschema.Draft202012Validator(schema).validate(msgspec.json.decode(value))
    assert dict(headers)["ce_type"] == b"mien.verdict.v1"
    assert dict(headers)["ce_subject"] == key


def test_what_the_contract_names_is_enough() -> None:
    value = b'{"alert_id":"a","verdict":"unsure","by":"ben","at":"2026-01-05T12:00:04Z","note":""}'

    assert verdict.decode(value) == Verdict("a", "unsure", "ben", AT)
    assert VERDICTS == ("confirmed", "rejected", "unsure")


def test_ids_are_the_same_for_ever_and_differ_by_alert_person_and_time() -> None:
    replace = msgspec.structs.replace
    others = [
        replace(REJECTED, alert_id="b"),
        replace(REJECTED, by="ben"),
        replace(REJECTED, at=AT + timedelta(1)),
    ]

    assert verdict.event_id(REJECTED) == verdict.event_id(replace(REJECTED, note="another"))
    assert len({verdict.event_id(one) for one in [REJECTED, *others]}) == 4


@given(st.sampled_from(VERDICTS), st.integers(0, MAX_TIME_US), st.text(max_size=50))
def test_every_verdict_comes_back(word: verdict.VerdictWord, at_us: int, note: str) -> None:
    said = Verdict("a", word, "anna", time_of(at_us), note)

    assert verdict.decode(verdict.encode(said)[1]) == said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"rejected", b"maybe"),
        (b'"anna"', b'"a b"'),
        (b'"lobby-1"', b'"a b"'),
        (b"2026-01-05", b"1969-01-05"),
        (b"a yawn", b"y" * 1001),
        (b"{", b"["),
    ],
)
def test_what_is_no_verdict(old: bytes, new: bytes) -> None:
    value = verdict.encode(REJECTED)[1]
    assert old in value
    with pytest.raises(BadMessage, match="Not a verdict"):
        verdict.decode(value.replace(old, new))
