"""cameras.yaml: what is wrong is said with line and column, all at once; what is right is taken as meant."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from made_up_addresses import FORMS, SECRETS, WORD

from streams.errors import FileInvalid, MienError, SettingsInvalid, SourceNotFound
from workers.camera_fleet import camera_list
from workers.camera_fleet.camera_list import PRIORITIES, Camera, priority_of_frames

ROOT = Path(__file__).parents[4]
GOOD = """\
defaults:
  fps: 5
  group: shop
cameras:
  - id: lobby
    source: rtsp://10.0.0.5/stream
  - id: door
    source_file: door.txt
    fps: 12.5
    priority: high
    keyframes: true
  - id: yard
    source_env: YARD_CAMERA
    enabled: false
  - {id: webcam, source: 0, group: desk, priority: 0, hardware: cuda, width: 640, quality: 70, repeat: true}
"""


def error_of(call: Callable[[], object]) -> str:
    """What it says where it refuses; nothing where it does not."""
    try:
        call()
    except MienError as exc:
        return str(exc)
    return ""


def camera(text: str) -> Camera:
    (found,) = camera_list.parse(f"cameras:\n  - {{id: one, {text}}}", "c.yaml")
    return found


def test_what_is_written_is_what_holds() -> None:
    lobby, door, yard, webcam = camera_list.parse(GOOD, "c.yaml")

    assert (lobby.fps, lobby.group, lobby.priority, lobby.width, lobby.enabled) == (5, "shop", 5, 1280, True)
    assert (door.fps, door.priority, door.keyframes, door.source) == (12.5, 8, True, None)
    assert (yard.enabled, yard.source_env) == (False, "YARD_CAMERA")
    assert (webcam.source, webcam.group, webcam.priority, webcam.hardware) == ("0", "desk", 0, "cuda")
    assert (webcam.width, webcam.quality, webcam.repeat) == (640, 70, True)


@pytest.mark.parametrize(
    ("number", "word"), [(0, "low"), (3, "low"), (4, "normal"), (6, "normal"), (7, "high"), (9, "high")]
)
def test_frames_tell_three_priorities_apart(number: int, word: str) -> None:
    assert priority_of_frames(number) == word


@pytest.mark.parametrize("word", list(PRIORITIES))
def test_a_word_stays_what_it_was(word: str) -> None:
    assert priority_of_frames(PRIORITIES[word]) == word


def test_the_order_of_lines_and_words_for_the_same_make_no_other_camera() -> None:
    assert camera("source: demo:calm, fps: 5, priority: low") == camera(
        "priority: 2, fps: 5.0, source: demo:calm"
    )
    assert camera("source: demo:calm") != camera("source: demo:calm, fps: 5")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("fps: 5", "fps: 0", "c.yaml:2:3: defaults.fps: input should be greater than or equal to 0.1"),
        ("fps: 5", "id: all", "c.yaml:2:3: defaults.id: there is no such option"),
        ("fps: 12.5", "fps: fast", "c.yaml:9:5: cameras[1].fps: input should be a valid number"),
        ("fps: 12.5", "fpss: 12", "c.yaml:9:5: cameras[1].fpss: there is no such option"),
        ("fps: 12.5", "fps: .inf", "c.yaml:9:5: cameras[1].fps"),
        ("priority: high", "priority: urgent", "c.yaml:10:5: cameras[1].priority: a priority is one of low"),
        ("priority: high", "priority: 10", "cameras[1].priority: a priority is one of low, normal, high, or"),
        ("priority: high", "priority: true", "c.yaml:10:5: cameras[1].priority: a priority is one of"),
        ("keyframes: true", "keyframes: yes", "c.yaml:11:5: cameras[1].keyframes: input should be a valid"),
        ("id: yard", "id: door", "c.yaml:12:5: cameras[2].id: a second camera is called door"),
        ("id: yard", "id: the yard", "cameras[2].id: camera id 'the yard' is not 1 to 63 letters"),
        ("id: yard", "id: mien-probe", "mien-probe is the camera of `mien probe`"),
        ("  - id: yard\n    source_env", "  - source_env", "c.yaml:12:5: cameras[2].id: this is missing"),
        ("YARD_CAMERA", "$YARD", "c.yaml:13:5: cameras[2].source_env: '$YARD' does not match"),
        (
            "    source_env: YARD_CAMERA\n",
            "",
            "c.yaml:12:5: cameras[2]: a camera needs one of source, source_file",
        ),
        ("    source_env", "    source: a.mp4\n    source_env", "cameras[2]: a camera needs one of source"),
        ("rtsp://10.0.0.5/stream", "''", "c.yaml:6:5: cameras[0].source: it is empty"),
        ("rtsp://10.0.0.5", "rtsp://a:b@10.0.0.5", "c.yaml:6:5: cameras[0].source: an address with user and"),
        ("rtsp://10.0.0.5/stream", "${CAM}", "c.yaml:6:5: cameras[0].source: variables are not filled in"),
        ("cameras:", "cameras: {}\nmore:", "c.yaml:4:1: cameras: input should be a valid list"),
        ("cameras:", "camera:", "c.yaml:1:1: cameras: this is missing"),
        ("group: shop", "group: the shop", "c.yaml:3:3: defaults.group: 'the shop' does not match"),
        ("fps: 5", "width: 63.5", "c.yaml:2:3: defaults.width: input should be a valid integer"),
        ("cameras:\n", "cameras:\n  - lobby\n", "c.yaml:5:5: cameras[0]: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(FileInvalid) as caught:
        camera_list.parse(GOOD.replace(old, new, 1), "c.yaml")

    assert said in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(FileInvalid) as caught:
        camera_list.parse(GOOD.replace("12.5", "fast").replace("high", "urgent"), "c.yaml")

    assert len(str(caught.value).splitlines()) == 2


def test_a_file_may_have_no_cameras_yet() -> None:
    assert camera_list.parse("cameras: []", "c.yaml") == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="cannot be read"):
        camera_list.read(tmp_path / "none.yaml")


def test_the_example_can_be_used() -> None:
    assert len(camera_list.read(ROOT / "docs/cameras.yaml")) == 5


def test_sources_by_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "door.txt").write_text("rtsp://ann:pw@10.0.0.6/stream\n")
    monkeypatch.setenv("DOOR", "rtsp://ann:pw@10.0.0.7/stream")

    assert camera("source: demo:calm").read_source() == "demo:calm"
    by_file = camera(f"source_file: {tmp_path / 'door.txt'}")
    assert by_file.read_source() == "rtsp://ann:pw@10.0.0.6/stream"
    assert camera("source_env: DOOR").read_source() == "rtsp://ann:pw@10.0.0.7/stream"
    before = by_file.source_stamp
    assert before == by_file.source_stamp
    (tmp_path / "door.txt").write_text("rtsp://ann:another@10.0.0.6/stream\n")
    assert before != by_file.source_stamp


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source_env: NOT_SET", "camera one: source_env names the variable NOT_SET, which is not set"),
        ("source_file: none.txt", "camera one: source_file names a file that does not exist"),
    ],
)
def test_references_that_lead_nowhere(text: str, said: str) -> None:
    found = camera(text)
    with pytest.raises(SettingsInvalid, match=said):
        found.read_source()


@pytest.mark.parametrize("pattern", ["lobby", "lob*", "sh?p", "*"])
def test_a_camera_is_called_by_its_id_or_its_group(pattern: str) -> None:
    lobby, *_, webcam = camera_list.parse(GOOD, "c.yaml")

    assert lobby.is_called(pattern)
    assert webcam.is_called(pattern) is (pattern == "*")


@pytest.mark.parametrize("field", ["source", "source_file", "source_env", "id", "group", "hardware"])
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=5)
@given(secret=SECRETS)
def test_no_error_tells_the_secret_of_an_address_wherever_it_stands(
    form: str, field: str, secret: str
) -> None:
    address = form.replace("{}", secret)
    if "://" not in address:
        return
    quoted = "'" + address.replace("'", "''") + "'"
    entries = {"id": "one", "source": "demo:calm"} | {field: quoted}
    text = "cameras:\n  - {" + ", ".join(f"{name}: {value}" for name, value in entries.items()) + "}\n"

    assert WORD not in error_of(lambda: [found.read_source() for found in camera_list.parse(text, "c.yaml")])
