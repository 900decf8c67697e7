"""Mien's way from a video to JPEGs, as `mien camera` goes it."""

from pathlib import Path
from typing import Final

from models.faces.jpeg_passthrough import Jpeg, JpegLimits
from models.faces.pictures import encode_jpeg, fit_width
from streams.settings import Settings
from workers.camera.sources import open_source
from workers.camera.video_picture import Shot, VideoJpegs, VideoPicture

SENT_WIDTH_PX: Final = 1280
JPEG_QUALITY: Final = 85
"""What `mien camera` does without options."""


class MienCamera:
    """Mien's reader and encoder on a video file, for ever."""

    def __init__(self, path: Path, settings: Settings) -> None:
        limits = JpegLimits(settings.max_frame_bytes, settings.max_frame_pixels, SENT_WIDTH_PX)
        self._source = open_source(str(path), loop=True, max_pixels=settings.max_frame_pixels, ready=limits)
        self._jpegs = VideoJpegs()

    def jpeg(self) -> bytes:
        """The next frame as a JPEG of at most SENT_WIDTH_PX."""
        return self._encode(self._next())

    def skip(self) -> None:
        """Reads a frame that is not wanted."""
        self._next()

    def close(self) -> None:
        self._source.close()

    def _next(self) -> Shot:
        shot = self._source.read()
        if shot is None:
            raise OSError("the video has ended")
        return shot

    def _encode(self, shot: Shot) -> bytes:
        if isinstance(shot, Jpeg):
            return shot.data
        if isinstance(shot, VideoPicture):
            return self._jpegs.encode(shot, SENT_WIDTH_PX, JPEG_QUALITY).data
        return encode_jpeg(fit_width(shot, SENT_WIDTH_PX), JPEG_QUALITY)
