"""The row `truth` of `mien bench`: what is told of cameras, rightly or for nothing, and what it costs."""

import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from models.faces.jpeg_passthrough import JpegLimits
from models.staged.camera_scenes import PLACES
from streams.settings import Settings
from workers.bench.camera_rows import CODECS, write_video
from workers.camera.sources import Source, open_source
from workers.camera.video_picture import Shot, VideoJpegs, VideoPicture, luma
from workers.figures.timing import Comparison, Finding, alternate
from workers.truth import picture_measures, scene
from workers.truth.false_alarms import trials
from workers.truth.small_grey import WIDTH_PX, small_grey
from workers.truth.truth_watch import LOOK_EVERY_S, LOOK_SELDOM_S

FPS: Final = 10
SENT_WIDTH_PX: Final = 1280
JPEG_QUALITY: Final = 85
SIZES_PX: Final = {"640x480": (640, 480), "1080p": (1920, 1080)}
TUNED: Final = range(PLACES)
"""Places at which the thresholds were chosen."""
OTHERS: Final = range(PLACES, 2 * PLACES)
STEP_S: Final = 3.0


def truth(settings: Settings, seconds: float) -> list[Comparison | Finding]:
    """The CPU of a look beside that of a camera's frames, then the trials; these take minutes."""
    measured: list[Comparison | Finding] = []
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        for (codec, form), (name, size_px) in itertools.product(CODECS.items(), SIZES_PX.items()):
            path = write_video(Path(folder, f"{name}.{form[2]}"), *form[:2], size_px)
            limits = JpegLimits(settings.max_frame_bytes, settings.max_frame_pixels, SENT_WIDTH_PX)
            source = open_source(str(path), loop=True, max_pixels=settings.max_frame_pixels, ready=limits)
            measured.append(Finding("truth", "what looking costs", f"{codec} {name}", _cost(source, seconds)))
            source.close()
    return measured + trial_findings(TUNED, "chosen at") + trial_findings(OTHERS, "never seen before")


def trial_findings(places: Sequence[int], which: str, step_s: float = STEP_S) -> list[Comparison | Finding]:
    """One line for each happening, at these places."""
    return [
        Finding(
            "truth",
            f"{len(places)} places that the thresholds were {which}",
            f"{trial.happening.name}: {trial.happening.state}",
            {"right": trial.right, "of": trial.cameras, "told": trial.told or "nothing"},
        )
        for trial in trials(places, step_s)
    ]


def _cost(source: Source, seconds: float) -> dict[str, float]:
    jpegs = VideoJpegs()
    shots: list[Shot] = []

    def frame() -> None:
        shot = source.read()
        if shot is None:
            raise OSError("the video has ended")
        shots[:] = [shot]
        if isinstance(shot, VideoPicture):
            jpegs.encode(shot, SENT_WIDTH_PX, JPEG_QUALITY)

    frame()
    costs = alternate({"frame": frame, "look": _look_at(shots)}, seconds)
    frame_ms, look_ms = (float(np.median([c.cpu_ms for c in costs[name]])) for name in ("frame", "look"))
    interval_s = LOOK_EVERY_S if isinstance(shots[0], VideoPicture) else LOOK_SELDOM_S
    return {
        "frame CPU ms": frame_ms,
        "look CPU ms": look_ms,
        "a look each s": interval_s,
        f"% of a camera's CPU at {FPS} fps": 100 * look_ms / interval_s / (FPS * frame_ms),
        "% of a core": look_ms / interval_s / 10,
    }


def _look_at(shots: Sequence[Shot]) -> Callable[[], None]:
    def look() -> None:
        grey = small_grey(luma(shots[0], WIDTH_PX))
        picture_measures.measure(grey)
        scene.describe(grey)

    return look
