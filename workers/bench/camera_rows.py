"""The row `camera` of `mien bench`: from a video to JPEGs, Mien's reader beside OpenCV's."""

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal, cast

import av
import cv2
import msgspec
import numpy as np
from av.video.stream import VideoStream

from models.arrays import Picture
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from streams.settings import Settings
from workers.figures.timing import Comparison, Finding, Side, alternate
from workers.video_readers.live_camera import CAMERA_FPS, VIDEO_FPS
from workers.video_readers.mien_camera import SENT_WIDTH_PX, MienCamera
from workers.video_readers.opencv_camera import OpenCvCamera

SIZES_PX: Final = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080)}
CODECS: Final = {"H.264": ("libx264", "yuv420p", "mp4"), "MJPEG": ("mjpeg", "yuvj420p", "avi")}
VIDEO_FRAMES: Final = 50


def camera(settings: Settings, seconds: float) -> list[Comparison | Finding]:
    """CPU of each frame by size and codec; then what one 1080p camera takes."""
    measured: list[Comparison | Finding] = []
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        for (codec, form), (name, size_px) in itertools.product(CODECS.items(), SIZES_PX.items()):
            path = write_video(Path(folder, f"{name}.{form[2]}"), *form[:2], size_px)
            mien, opencv = MienCamera(path, settings), OpenCvCamera(path)
            costs = alternate(
                {"mien": mien.jpeg, "opencv": opencv.jpeg},
                seconds,
            )
            mien.close()
            measured.append(
                Comparison.of(
                    "camera",
                    f"{codec} {name}, each frame to a JPEG of at most {SENT_WIDTH_PX} px",
                    Side.of("workers.camera (PyAV)", costs["mien"]),
                    Side.of("cv2.VideoCapture, through RGB", costs["opencv"]),
                )
            )
            if name == "1080p":
                measured += [live_camera(reader, codec, path) for reader in ("mien", "opencv")]
    return measured


def live_camera(reader: Literal["mien", "opencv"], codec: str, path: Path) -> Finding:
    """Runs one camera in a process of its own; what it holds, and how much of a core it takes."""
    ran = subprocess.run(
        [sys.executable, "-m", "workers.video_readers.live_camera", reader, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    return Finding(
        "camera",
        f"one 1080p camera, {CAMERA_FPS} of {VIDEO_FPS} frames a second, in MiB and % of a core",
        f"{codec}, {reader}",
        msgspec.json.decode(ran.stdout, type=dict[str, float]),
    )


def write_video(path: Path, codec: str, pixels: str, size_px: tuple[int, int]) -> Path:
    """Two seconds of the demo's face, with the noise of a sensor."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(-4, 5, (size_px[1], size_px[0], 3), np.int16) for _ in range(4)]
    animation = Animation(find_script("calm"), VIDEO_FPS, (640, 480), 1)
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=VIDEO_FPS))
        stream.width, stream.height = size_px
        stream.pix_fmt = pixels
        stream.options = {"preset": "veryfast", "g": str(VIDEO_FPS)} if codec == "libx264" else {}
        for number in range(VIDEO_FRAMES):
            face: Picture = np.asarray(cv2.resize(animation.frame(number), size_px), np.uint8)
            noisy = np.clip(face + noise[number % 4], 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        container.mux(stream.encode())
    return path
