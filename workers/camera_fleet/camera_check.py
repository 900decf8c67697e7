"""`mien cameras check`: looks at each camera of a file for some seconds, and says what it is."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from models.arrays import Picture
from models.faces.engine import FaceEngine, find_faces
from models.faces.jpeg_passthrough import Jpeg, JpegLimits
from models.faces.pictures import PictureRefused, decode_jpeg
from streams.errors import BadPicture, MienError, SettingsInvalid, SourceLost
from streams.redact_url import redact_url
from streams.settings import Settings
from workers import model_loading
from workers.camera.picture_changes import PictureChanges
from workers.camera.sources import Source, open_source
from workers.camera.video_picture import Shot, VideoPicture, luma
from workers.camera.video_stream import check_hardware
from workers.camera_fleet.camera_list import Camera
from workers.truth import picture_measures
from workers.truth.small_grey import WIDTH_PX, small_grey
from workers.truth.truth_judge import seems

TOGETHER: Final = 4
"""Cameras that are looked at at once."""
LOOK_EVERY_S: Final = 0.5
"""How often a picture is searched for faces and measured; all are counted."""


class Look(msgspec.Struct):
    """What a camera is. What could not be told is None; ``error`` says why."""

    camera_id: str
    group: str | None
    source: str | None = None
    """As messages may show it."""
    size_px: tuple[int, int] | None = None
    codec: str | None = None
    fps: float | None = None
    """Measured; of a file, its own."""
    pictures: int = 0
    refused: int = 0
    """Pictures that were not whole, or too large."""
    faces: int | None = None
    """The most that one picture showed."""
    truth: str | None = None
    """What its last picture looks like: ok, dark, covered, blurred; or frozen, if all were the same."""
    error: str | None = None


class Faces:
    """Counts faces, for several threads: they take turns."""

    def __init__(self, engine: FaceEngine, settings: Settings) -> None:
        self._engine = engine
        self._max = settings.max_faces
        self._lock = threading.Lock()

    def count(self, picture_rgb: Picture) -> int:
        with self._lock:
            return len(find_faces(self._engine, picture_rgb, max_faces=self._max))


def chosen(cameras: Sequence[Camera], patterns: Sequence[str]) -> list[Camera]:
    """The cameras that one of the patterns means; without any, those that are enabled.

    Raises:
        SettingsInvalid: if a pattern means none.
    """
    for pattern in patterns:
        if not any(camera.is_called(pattern) for camera in cameras):
            raise SettingsInvalid(f"--only {pattern} means no camera of the file, and no group")
    return [
        camera
        for camera in cameras
        if (any(camera.is_called(pattern) for pattern in patterns) if patterns else camera.enabled)
    ]


def run(settings: Settings, cameras: Sequence[Camera], seconds: float) -> list[Look]:
    """Looks at the cameras, a few at once, each for so long after it was opened.

    Raises:
        ModelUnusable: if the networks that find faces are nowhere.
    """
    with model_loading.open_engine() as engine, ThreadPoolExecutor(TOGETHER) as threads:
        faces = Faces(engine, settings)
        return list(threads.map(lambda camera: look_at(camera, settings, seconds, faces), cameras))


def look_at(camera: Camera, settings: Settings, seconds: float, faces: Faces) -> Look:
    """Opens the camera as `mien camera` would, and reads it for so long."""
    look = Look(camera.id, camera.group)
    try:
        spec = camera.read_source()
        look.source = redact_url(spec)
        if camera.hardware is not None:
            check_hardware(camera.hardware)
        source = open_source(
            spec,
            fps=camera.fps,
            keyframes=camera.keyframes,
            hardware=camera.hardware,
            max_pixels=settings.max_frame_pixels,
            ready=JpegLimits(settings.max_frame_bytes, settings.max_frame_pixels, camera.width),
        )
        with closing(source):
            _read(source, look, settings, seconds, faces)
    except MienError as exc:
        look.error = str(exc)
    return look


def refuse_unread(looks: Sequence[Look]) -> None:
    """Raises SourceLost if a camera cannot be read."""
    unread = [look.camera_id for look in looks if look.error is not None]
    if unread:
        raise SourceLost(f"{len(unread)} of {len(looks)} cameras cannot be read: {', '.join(unread)}")


def show(looks: Sequence[Look], console: Console) -> None:
    """Prints a line for each camera, and below them what is wrong."""
    table = Table("camera", "group", "source", "size", "codec", "fps", "faces", "truth")
    for look in looks:
        size = "×".join(map(str, look.size_px)) if look.size_px else ""
        fps = "" if look.fps is None else f"{look.fps:.1f}"
        faces = "" if look.faces is None else str(look.faces)
        told = (look.group, look.source, size, look.codec, fps, faces, look.truth)
        table.add_row(look.camera_id, *(one or "" for one in told))
    console.print(table)
    for look in looks:
        if look.refused:
            console.print(f"{look.camera_id}: {look.refused} pictures refused", soft_wrap=True)
        if look.error is not None:
            console.print(f"{look.camera_id}: {look.error}", soft_wrap=True)


def _read(source: Source, look: Look, settings: Settings, seconds: float, faces: Faces) -> None:
    """Fills the look in.

    Raises:
        SourceLost: if the camera stops giving pictures, or gives none that can be used.
    """
    began_s = time.monotonic()
    changes, first_s, last_s, looked_s = PictureChanges(), None, began_s, -LOOK_EVERY_S
    why = "it gave no picture"
    while (now_s := time.monotonic()) - began_s < seconds:
        try:
            shot = source.read()
        except BadPicture as exc:
            look.refused, why = look.refused + 1, str(exc)
            continue
        if shot is None:
            break
        last_s = time.monotonic()
        first_s = last_s if first_s is None else first_s
        look.pictures += 1
        changes.see(shot, last_s)
        if now_s - looked_s >= LOOK_EVERY_S:
            looked_s = now_s
            try:
                _look_closer(shot, look, settings, faces)
            except PictureRefused as exc:
                look.refused, why = look.refused + 1, str(exc)
    look.codec = source.codec
    look.fps = source.fps
    if source.live and first_s is not None:
        look.fps = (look.pictures - 1) / (last_s - first_s) if last_s > first_s else None
        if look.pictures > 2 and changes.unchanged_s(last_s) >= last_s - first_s:
            look.truth = "frozen"
    if look.size_px is None:
        raise SourceLost(f"In {seconds:g} s {why}")


def _look_closer(shot: Shot, look: Look, settings: Settings, faces: Faces) -> None:
    picture = _rgb(shot, settings)
    look.size_px = (picture.shape[1], picture.shape[0])
    look.faces = max(look.faces or 0, faces.count(picture))
    look.truth = seems(picture_measures.measure(small_grey(luma(shot, WIDTH_PX))))


def _rgb(shot: Shot, settings: Settings) -> Picture:
    if isinstance(shot, VideoPicture):
        return shot.rgb()
    if isinstance(shot, Jpeg):
        return decode_jpeg(
            shot.data, max_bytes=settings.max_frame_bytes, max_pixels=settings.max_frame_pixels
        )
    return shot
