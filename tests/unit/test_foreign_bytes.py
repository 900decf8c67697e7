"""No bytes that others wrote bring a decoder down; `tests/fuzz/run.py` throws a million at each."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz.decoders import FAMILIES, outcome
from fuzz.mutation import Mutator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from models.faces.pictures import MAX_SCANS, PictureRefused, decode_jpeg, read_picture
from streams.errors import BadMessage, SettingsInvalid
from streams.messages import emotion_event, landmarks_message
from streams.settings import Settings
from streams.store import camera_track_store, connection, neutral_face_store
from streams.store.camera_track_store import CameraTracks, TrackRecord

ROOT = Path(__file__).parents[2]
NO_TEXT = b"\x82\xa6schema\xb2mien.landmarks/1\xa9camera_id\xa2\xff\xff"
NESTED = {"json": b'{"x":' + b"[" * 100_000, "msgpack": b"\x81\xa1x" + b"\x91" * 100_000}


@pytest.mark.parametrize("name", FAMILIES)
def test_good_bytes_are_good(name: str) -> None:
    family = FAMILIES[name]

    assert any(outcome(family, seed) == "accepted" for seed in family.seeds)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), noise=st.binary(max_size=200))
def test_bad_bytes_are_refused_in_our_words(name: str, seed: int, noise: bytes) -> None:
    family = FAMILIES[name]

    assert outcome(family, noise)
    assert outcome(family, Mutator(seed, family.words).of(family.seeds))


def test_a_crash_is_seen() -> None:
    def crash(_data: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        outcome(FAMILIES["frames"]._replace(decode=crash), b"")


def test_the_same_seed_makes_the_same_bytes() -> None:
    seeds = FAMILIES["emotions"].seeds
    one, same, other = Mutator(1), Mutator(1), Mutator(2)

    assert [one.of(seeds) for _ in range(20)] == [same.of(seeds) for _ in range(20)]
    assert [one.of(seeds) for _ in range(20)] != [other.of(seeds) for _ in range(20)]


def test_the_runner_says_what_it_did(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/fuzz/run.py"), "frames", "--inputs", "3000"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("frames: 3000 inputs in ")
    assert list(tmp_path.iterdir()) == []


# What fuzzing found, each by itself.


@pytest.mark.parametrize("value", [NO_TEXT, NESTED["msgpack"]], ids=["no text", "nested"])
def test_landmarks_of_no_text_or_endless_nesting_are_bad_messages(value: bytes) -> None:
    with pytest.raises(BadMessage):
        landmarks_message.decode(value)


@pytest.mark.parametrize("value", [b'{"event_id":"\xf5"}', NESTED["json"]], ids=["no text", "nested"])
def test_events_of_no_text_or_endless_nesting_are_bad_messages(value: bytes) -> None:
    with pytest.raises(BadMessage):
        emotion_event.decode(value)


@pytest.mark.parametrize(
    "time", ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
def test_events_of_a_time_that_no_frame_can_have_are_bad_messages(time: str) -> None:
    (value,) = FAMILIES["emotions"].seeds
    now = json.loads(value)["captured_at"].encode()

    with pytest.raises(BadMessage, match="1970"):
        emotion_event.decode(value.replace(now, time.encode()))


def test_what_redis_has_of_no_text_is_left_out() -> None:
    tracks = FAMILIES["camera-tracks"].seeds[0].replace(b"lobby", b"\xff\xfe\xfd\xfc\xfb", 1)
    face = FAMILIES["neutral-faces"].seeds[0].replace(b"three", b"\xff\xfe\xfd\xfc\xfb", 1)

    assert camera_track_store._decoded(tracks) is None
    assert neutral_face_store._decoded(face) is None


@pytest.mark.parametrize("far", [1e300, 1e8, -1e8, float("nan"), float("inf")])
def test_tracks_beyond_any_picture_are_left_out(far: float) -> None:
    """They would fail in every frame of the camera, as its tracker kept them."""
    track = TrackRecord("a:b", (9.0, 9.0, 8.0, 0.1), (1.0, 1.0, 9.0, far), (0.0, 0.0, 0.0), 7)
    value = camera_track_store._encoder.encode(CameraTracks(7, (track,)))

    assert camera_track_store._decoded(value) is None


def bomb(scans: int, width: int = 1024, height: int = 1024) -> bytes:
    """A small progressive JPEG that has its last scan many times."""
    data = io.BytesIO()
    grey = np.full((height, width, 3), 128, np.uint8)
    Image.fromarray(grey).save(data, "JPEG", progressive=True, quality=10)
    jpeg = data.getvalue()
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * scans + b"\xff\xd9"


def test_a_jpeg_of_a_thousand_scans_is_refused_before_it_costs_seconds(tmp_path: Path) -> None:
    jpeg = bomb(1000)
    (tmp_path / "bomb.jpg").write_bytes(jpeg)
    with pytest.raises(PictureRefused, match="scans"):
        decode_jpeg(jpeg, max_bytes=10**7, max_pixels=10**7)
    with pytest.raises(PictureRefused, match="scans"):
        read_picture(tmp_path / "bomb.jpg", max_pixels=10**7)

    assert bomb(0).count(b"\xff\xda") <= MAX_SCANS
    assert decode_jpeg(bomb(0), max_bytes=10**7, max_pixels=10**7).shape == (1024, 1024, 3)


async def test_an_odd_option_in_the_redis_url_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_REDIS_URL"):
        async with connection.client(Settings(redis_url="redis://localhost/0?retry=x"), timeout_s=1):
            pass


def test_odd_exif_says_nothing_on_stderr() -> None:
    """The tests make errors of warnings; a camera would print one for each frame."""
    for seed in range(300):
        outcome(FAMILIES["jpeg-headers"], Mutator(seed).of(FAMILIES["jpeg-headers"].seeds[-1:]))


def test_settings_that_are_no_text_can_be_shown() -> None:
    assert outcome(FAMILIES["settings"], b"MODEL_PATH=/\xff\xfe") == "accepted"
