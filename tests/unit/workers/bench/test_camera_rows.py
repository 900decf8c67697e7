"""The two readers that `mien bench camera` compares do the same work."""

from pathlib import Path

import numpy as np
import pytest
from made_up_videos import shades, write_video

from models.arrays import Picture
from models.faces.pictures import decode_jpeg
from streams.settings import Settings
from workers.bench import camera_rows
from workers.video_readers import live_camera
from workers.video_readers.live_camera import CAMERA_FPS, VIDEO_FPS
from workers.video_readers.mien_camera import MienCamera
from workers.video_readers.opencv_camera import OpenCvCamera


def decoded(jpeg: bytes) -> Picture:
    return decode_jpeg(jpeg, max_bytes=2**22, max_pixels=2**22)


@pytest.mark.parametrize(("codec", "name"), [("libx264", "v.mp4"), ("mjpeg", "v.avi")])
@pytest.mark.parametrize("width", [64, 1920])
def test_both_give_the_same_pictures_for_ever(tmp_path: Path, codec: str, name: str, width: int) -> None:
    path = write_video(tmp_path / name, shades(4, width, 48), codec=codec)
    mien, opencv = MienCamera(path, Settings()), OpenCvCamera(path)

    for number in range(10):
        if number == 5:
            mien.skip()
            opencv.skip()
        ours, theirs = decoded(mien.jpeg()), decoded(opencv.jpeg())
        assert ours.shape == theirs.shape == (48 if width == 64 else 32, min(width, 1280), 3)
        assert np.abs(ours.astype(int) - theirs).mean() < 3
    mien.close()


def test_what_a_camera_takes_is_that_of_its_second_half() -> None:
    told: list[str] = []
    took = live_camera.run_live(lambda: told.append("jpeg"), lambda: told.append("skip"), 0.4)

    assert len(told) == round(0.4 * VIDEO_FPS)
    assert told.count("jpeg") == pytest.approx(0.4 * CAMERA_FPS, abs=1)
    assert took["private"] <= took["pss"] <= took["rss"]
    assert took["cpu_percent"] >= 0


def test_a_reader_runs_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "v.mp4", shades(4))
    monkeypatch.setattr(camera_rows.subprocess, "run", lambda arguments, **_: Ran(arguments))

    finding = camera_rows.live_camera("opencv", "H.264", path)

    assert finding.case == "H.264, opencv"
    assert finding.figures == {"rss": 1.0}


class Ran:
    """Stands for the process."""

    stdout = '{"rss": 1.0}'

    def __init__(self, arguments: list[str]) -> None:
        assert arguments[1:4] == ["-m", live_camera.__name__, "opencv"]
