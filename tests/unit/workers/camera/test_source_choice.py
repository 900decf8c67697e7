"""Where a camera's source is named, and which addresses are refused before anybody looks them up."""

from pathlib import Path

import pytest

from streams.errors import SettingsInvalid
from streams.settings import Settings
from workers.camera.source_choice import chosen_source

ADDRESS = "rtsp://admin:hunter2@cam.local/ch1"


def test_an_option_goes_before_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_text(ADDRESS + "\n")
    with_setting = Settings(camera_source="demo:calm")

    assert chosen_source(with_setting, "0", None) == "0"
    assert chosen_source(with_setting, None, file) == ADDRESS
    assert chosen_source(with_setting, None, None) == "demo:calm"
    assert chosen_source(Settings(), None, None) is None


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:hunt@er2@cam.local/ch1",
        "rtsp://admin:hunt/er2@cam.local/ch1",
        "rtsp://admin:hunt#er2@cam.local/ch1",
        "rtsp://admin:hunt?er2@cam.local/ch1",
        "rtsp://admin:hunt er2@cam.local/ch1",
    ],
)
def test_a_password_that_ends_too_early_is_refused_without_its_text(tmp_path: Path, address: str) -> None:
    file = tmp_path / "source"
    file.write_text(address)
    for source, source_file, setting in ((address, None, None), (None, file, None), (None, None, address)):
        with pytest.raises(SettingsInvalid, match="Percent-encode") as told:
            chosen_source(Settings(camera_source=setting), source, source_file)
        assert "hunt" not in str(told.value)
        assert "er2" not in str(told.value)


@pytest.mark.parametrize(
    "address", ["rtsp://admin:hunt%40er2@cam/ch1", "/data/me@home.mp4", "0", "demo:calm"]
)
def test_what_can_be_read_in_one_way_is_taken(address: str) -> None:
    assert chosen_source(Settings(), address, None) == address


def test_a_missing_file_is_named_by_its_option() -> None:
    with pytest.raises(SettingsInvalid, match="--source-file names a file that does not exist") as told:
        chosen_source(Settings(), None, Path(ADDRESS))
    assert "hunter2" not in str(told.value)
