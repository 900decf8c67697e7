"""Many cameras for a long time through one process's stage: does memory grow, do threads and open files?"""

import time
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

import numpy as np

from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import encode_jpeg
from models.staged import scenes
from streams.settings import Settings
from workers import model_loading
from workers.bench.scene_runs import JPEG_QUALITY, StageCamera
from workers.figures.process_figures import open_file_count, rss_mib, thread_count
from workers.figures.timing import Finding
from workers.stages.landmarks import Faces

CAMERAS: Final = 20
PASSING_CAMERAS: Final = 2
"""So many of the cameras go for good after a while, and others come in their place."""
CAMERA_LASTS_FRAMES: Final = 500
SIZE_PX: Final = (320, 240)
FACES: Final = (0, 1, 2, 4)
"""Faces of the four loops of pictures that the cameras show, each from another place on."""
SAMPLES: Final = 200


def soak(settings: Settings, frames: int) -> Finding:
    """`frames` of each of 20 cameras through `Faces.of`, one frame of each in turn, as fast as it goes.

    The cameras share four loops of 4 s (320x240, 0 to 4 faces), encoded once; in each loop the picture is
    empty for 1 s, so faces come and go. Memory is this process's resident set; its slope is the least-squares
    line through the samples of the second half.
    """
    loops = [_loop(faces, seed) for seed, faces in enumerate(FACES)]
    taken: list[tuple[int, float]] = []
    with LiteRtEngine() as engine:
        stage = Faces(engine, model_loading.load_landmark_set(settings), settings)
        cameras = [StageCamera(stage, f"soak-{number}") for number in range(CAMERAS)]
        names = count(CAMERAS)
        _round(cameras, loops, 0)
        threads, files = thread_count(), open_file_count()
        started_s, cpu_started_s = time.perf_counter(), time.process_time()
        every = max(1, frames // SAMPLES)
        found = 0
        for index in range(1, frames + 1):
            if index % CAMERA_LASTS_FRAMES == 0:
                for place in range(PASSING_CAMERAS):
                    cameras[place] = StageCamera(stage, f"soak-{next(names)}", since=index)
            found += _round(cameras, loops, index)
            if index % every == 0 or index == frames:
                taken.append((index * CAMERAS, rss_mib()))
        figures: dict[str, Any] = {
            "frames": frames * CAMERAS,
            "faces": found,
            "seconds": time.perf_counter() - started_s,
            "cpu_seconds": time.process_time() - cpu_started_s,
            "rss_mib_first": taken[0][1],
            "rss_mib_half": taken[len(taken) // 2][1],
            "rss_mib_last": taken[-1][1],
            "slope_mib_per_100k_frames": slope(taken[len(taken) // 2 :]) * 100_000,
            "threads_first": threads,
            "threads_last": thread_count(),
            "open_files_first": files,
            "open_files_last": open_file_count(),
        }
    return Finding("landmarks", "soak", f"{CAMERAS} cameras × {frames} frames, 320x240", figures)


def _loop(faces: int, seed: int) -> list[bytes]:
    """3 s with faces, 1 s without any."""
    scene = scenes.standing(faces, 48, SIZE_PX, seconds=3, seed=seed)
    empty = scenes.standing(0, 48, SIZE_PX, seconds=1, seed=seed)
    return [encode_jpeg(f.picture_rgb, JPEG_QUALITY) for s in (scene, empty) for f in s.frames()]


def _round(cameras: Sequence[StageCamera], loops: Sequence[Sequence[bytes]], index: int) -> int:
    """One frame of each camera; returns the faces found."""
    found = 0
    for number, camera in enumerate(cameras):
        loop = loops[number % len(loops)]
        found += len(camera.see(loop[(index + 7 * number) % len(loop)], SIZE_PX))
    return found


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """The slope of the least-squares line through (x, y); 0 for fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    x, y = np.array(samples, np.float64).T
    x = x - x.mean()
    return float(x @ (y - y.mean()) / (x @ x))
