"""A camera that hangs sends what it sent before."""

import av
import numpy as np
import pytest

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg
from models.faces.pictures import encode_jpeg
from workers.camera.picture_changes import REMEMBERED, PictureChanges, fingerprint
from workers.camera.video_picture import Shot, VideoPicture

RNG = np.random.default_rng(0)


def noise() -> Picture:
    return RNG.integers(0, 255, (48, 64, 3), np.uint8)


def as_jpeg(picture: Picture) -> Shot:
    return Jpeg(encode_jpeg(picture), (64, 48))


def as_video(picture: Picture) -> Shot:
    return VideoPicture(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p"))


@pytest.mark.parametrize("kind", [as_jpeg, as_video, np.copy])
def test_seconds_since_the_last_new_picture(kind: type) -> None:
    changes, still = PictureChanges(), noise()
    assert changes.unchanged_s(5.0) == 0
    changes.see(kind(noise()), 10.0)
    for now_s in (11.0, 12.0, 13.0):
        changes.see(kind(still), now_s)

    assert changes.unchanged_s(14.0) == 3.0
    changes.see(kind(noise()), 15.0)
    assert changes.unchanged_s(15.0) == 0


def test_a_recording_in_place_of_a_camera_is_seen_from_its_second_round_on() -> None:
    changes = PictureChanges()
    recorded = [noise() for _ in range(20)]
    for n in range(200):
        changes.see(recorded[n % 20], n / 10)

    assert changes.unchanged_s(20.0) == pytest.approx(18.1)


def test_only_so_many_are_remembered() -> None:
    changes, first = PictureChanges(), noise()
    changes.see(first, 0.0)
    for _ in range(REMEMBERED):
        changes.see(noise(), 1.0)
    changes.see(first, 2.0)

    assert changes.unchanged_s(2.0) == 0


def test_a_jpeg_whose_header_has_the_time_is_the_same_picture() -> None:
    jpeg = encode_jpeg(noise())
    comment = b"\xff\xfe\x00\x0a12:00:01"
    later = jpeg[:2] + comment + jpeg[2:]

    assert later != jpeg
    assert fingerprint(Jpeg(later, (64, 48))) == fingerprint(Jpeg(jpeg, (64, 48)))
