"""What `--source` names, or does not."""

from pathlib import Path

import pytest

from streams.errors import SettingsInvalid, SourceNotFound
from streams.settings import Settings
from workers.camera.source_choice import chosen_source
from workers.camera.sources import open_source, webcam_device

MAX_PIXELS = 640 * 480


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("/no/such/video.mp4", "does not exist"),
        ("", "does not exist"),
        ("demo:juggling", "juggling.*smile"),
        ("977", "webcam 977 cannot be opened"),
        ("/dev/video977", "webcam 977 cannot be opened"),
        ("gopher://host/x", "addresses start with"),
    ],
)
def test_a_source_that_does_not_exist_says_what_would(spec: str, words: str) -> None:
    with pytest.raises(SourceNotFound, match=words):
        open_source(spec, max_pixels=MAX_PIXELS)


def test_an_address_without_its_scheme_is_refused_without_its_password() -> None:
    with pytest.raises(SourceNotFound, match="does not exist") as told:
        open_source("admin:hunter2@10.0.0.7/ch1", max_pixels=MAX_PIXELS)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("spec", "device"),
    [
        ("0", "/dev/video0"),
        ("/dev/video12", "/dev/video12"),
        ("rtsp://host/video0", None),
        ("demo:calm", None),
    ],
)
def test_a_webcam_by_its_number_or_its_device(spec: str, device: str | None) -> None:
    assert webcam_device(spec) == (Path(device) if device else None)


def test_a_link_to_a_webcam_is_followed(tmp_path: Path) -> None:
    """Those in /dev/v4l/by-id stay the same when devices are numbered anew."""
    link = tmp_path / "usb-Maker_Camera-video-index0"
    link.symlink_to("/dev/video977")

    with pytest.raises(SourceNotFound, match="webcam 977 cannot be opened"):
        open_source(str(link), max_pixels=MAX_PIXELS)


def test_an_address_whose_password_ends_too_early_says_how_to_write_it() -> None:
    with pytest.raises(SettingsInvalid, match="@ as %40, / as %2F, # as %23") as refused:
        chosen_source(Settings(), "rtsp://admin:p@ss/w#rd@10.0.0.7/ch1", None)

    assert "ss/w" not in str(refused.value)
