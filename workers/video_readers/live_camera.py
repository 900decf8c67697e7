"""One camera in a process of its own: `python -m workers.video_readers.live_camera mien|opencv FILE`.

It imports no more than its reader needs, since its memory is what is measured.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from workers.camera.pace import Thinning
from workers.figures.process_figures import memory_mib

VIDEO_FPS: Final = 25
CAMERA_FPS: Final = 10
RUN_S: Final = 8.0
"""How long it runs; memory and CPU are those of its second half."""


def run_live(jpeg: Callable[[], object], skip: Callable[[], object], run_s: float) -> dict[str, float]:
    """Takes frames as a camera gives them, some to JPEGs; memory and CPU of this process at the end."""
    thinning, began_s = Thinning(CAMERA_FPS), time.monotonic()
    frames = round(run_s * VIDEO_FPS)
    cpu_from_s = 0.0
    for frame in range(frames):
        time.sleep(max(0.0, began_s + frame / VIDEO_FPS - time.monotonic()))
        if frame == frames // 2:
            cpu_from_s = time.process_time()
        (jpeg if thinning.takes(frame / VIDEO_FPS) else skip)()
    # Of the video's seconds, not of the clock's: on a busy machine the camera may not keep up.
    video_s = (frames - frames // 2) / VIDEO_FPS
    cpu_percent = 100 * (time.process_time() - cpu_from_s) / video_s
    return {**memory_mib(pid="self"), "cpu_percent": round(cpu_percent, 1)}


def main(reader: str, path: Path) -> None:
    """Runs Mien's or OpenCV's reader, and prints what it took as JSON."""
    if reader == "mien":
        from streams.settings import Settings
        from workers.video_readers.mien_camera import MienCamera

        mien = MienCamera(path, Settings())
        told = run_live(mien.jpeg, mien.skip, RUN_S)
    else:
        from workers.video_readers.opencv_camera import OpenCvCamera

        opencv = OpenCvCamera(path)
        told = run_live(opencv.jpeg, opencv.skip, RUN_S)
    print(msgspec.json.encode(told).decode())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
