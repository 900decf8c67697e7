"""What is true of a camera: the contract with whoever reads ``mien.cameras``."""

from datetime import UTC, datetime, timedelta

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import BadMessage
from streams.messages import camera_truth, schemas
from streams.messages.camera_truth import CAMERA_STATES, CameraTruth
from streams.messages.frame_message import MAX_TIME_US
from streams.settings import Settings

AT = datetime(2026, 1, 5, 12, 0, 4, tzinfo=UTC)
DARK = CameraTruth(
    "lobby-1", 1_764_000_000_000_000, AT, "dark", AT - timedelta(seconds=9), {"brightness": 2.5}
)


def test_it_comes_back_as_it_was_and_follows_its_schema() -> None:
    key, value, headers = camera_truth.encode(DARK)
    schema = schemas.documents(Settings.model_construct())["camera.schema.json"]

    assert key == b"lobby-1"
    assert camera_truth.decode(value) == DARK
    jsonschema.Draft202012Validator(schema).validate(msgspec.json.decode(value))
    assert dict(headers)["ce_type"] == b"mien.camera.v1"
    assert dict(headers)["ce_time"] == b"2026-01-05T12:00:04Z"
    assert dict(headers)["ce_source"] == b"/cameras/lobby-1"


def test_the_fields_and_states_are_the_contract() -> None:
    fields = [field.name for field in msgspec.structs.fields(CameraTruth)]

    assert fields == ["camera_id", "run", "at", "state", "since", "measures"]
    assert CAMERA_STATES == ("ok", "frozen", "dark", "covered", "blurred", "moved", "lost", "clock-off")


def test_its_channel_says_that_the_newest_of_a_camera_is_kept() -> None:
    channel = schemas.documents(Settings.model_construct())["asyncapi.json"]["channels"]["cameras"]

    assert channel["address"] == "mien.cameras"
    assert channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["compact", "delete"]
    assert channel["messages"]["message"]["payload"] == {"$ref": "./camera.schema.json"}


def test_ids_are_the_same_for_ever_and_differ_by_camera_run_and_time() -> None:
    replace = msgspec.structs.replace
    others = [replace(DARK, camera_id="b"), replace(DARK, run=2), replace(DARK, at=AT + timedelta(seconds=1))]

    assert camera_truth.event_id(DARK) == "505c19ca-8840-5071-b648-67cf6b1d3b2a"
    assert len({camera_truth.event_id(one) for one in [DARK, *others]}) == 4


@given(
    st.sampled_from(CAMERA_STATES),
    st.integers(0, MAX_TIME_US),
    st.dictionaries(st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False), max_size=5),
)
def test_every_truth_comes_back(
    state: camera_truth.CameraState, at_us: int, measures: dict[str, float]
) -> None:
    truth = CameraTruth("a", 0, camera_truth.time_of(at_us), state, camera_truth.time_of(0), measures)

    assert camera_truth.decode(camera_truth.encode(truth)[1]) == truth
    assert camera_truth.time_us(truth.at) == at_us


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"junk",
        b"{}",
        b'{"x":' + b"[" * 100_000,
        b'"\xff',
        camera_truth.encode(DARK)[1].replace(b'"dark"', b'"sad"'),
        camera_truth.encode(DARK)[1].replace(b"2026-01-05", b"1969-01-05"),
        camera_truth.encode(DARK)[1].replace(b"lobby-1", b"a b"),
    ],
)
def test_what_is_no_truth(value: bytes | None) -> None:
    with pytest.raises(BadMessage, match="Not the truth of a camera"):
        camera_truth.decode(value)
