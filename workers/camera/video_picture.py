"""A picture of a video as the decoder left it, and the JPEG that is made of it.

A decoder gives luma and half-size chroma, and a JPEG holds the same. So a picture on its way from a video to
Kafka is scaled and encoded as it is; RGB, at three times the cost, is made only where somebody asks for it.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg
from models.faces.pictures import Plane, decode_small_grey, encode_jpeg_planes

_JPEG_PIXELS = "yuvj420p"
"""FFmpeg's name for what a JPEG holds: luma over the full range, chroma of half the width and height."""

SCALER_THREADS: Final = 1
"""If it is not told, FFmpeg starts one for each core; but cameras are many, and share the cores as it is."""


class VideoPicture(NamedTuple):
    """A decoded picture; ``quarter_turns`` counter-clockwise make it upright."""

    frame: VideoFrame
    quarter_turns: int = 0

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        width, height = self.frame.width, self.frame.height
        return (height, width) if self.quarter_turns % 2 else (width, height)

    def rgb(self) -> Picture:
        """The upright picture as uint8 [H, W, 3]."""
        rgb = np.rot90(self.frame.to_ndarray(format="rgb24"), self.quarter_turns)
        return np.ascontiguousarray(rgb, np.uint8)

    def first_plane(self) -> Plane:
        """The decoder's first plane, which for cameras is luma; not upright."""
        return _pixels(self.frame.planes[0])


Shot: TypeAlias = Picture | Jpeg | VideoPicture
"""What a source gives: pixels in RGB, a JPEG that goes as it is, or a video's picture."""


def luma(shot: Shot, width_px: int) -> Plane:
    """A picture's grey levels from 0 to 255, not upright; scaled down, but to no less than this width.

    Raises:
        PictureRefused: a JPEG is broken.
    """
    if isinstance(shot, Jpeg):
        return decode_small_grey(shot.data, width_px)
    if isinstance(shot, VideoPicture):
        width, height = shot.frame.width, shot.frame.height
        small = (min(width, width_px), max(1, height * min(width, width_px) // width))
        # Whatever its pixels are like, and whether their black is 0 or 16.
        grey = shot.frame.reformat(*small, format="gray", interpolation="AREA", threads=SCALER_THREADS)
        return _pixels(grey.planes[0])
    return np.asarray(shot[:, :, 1], np.uint8)  # green is most of it


class VideoJpegs:
    """Makes JPEGs of a video's pictures. For one thread at a time: it keeps the scaler between pictures."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def encode(self, picture: VideoPicture, width_px: int, quality: int) -> Jpeg:
        """Encodes the upright picture, scaled down to ``width_px`` if it is wider."""
        width, height = picture.size_px
        if width > width_px:
            width, height = width_px, max(1, round(height * width_px / width))
        turned = picture.quarter_turns % 2
        frame = self._scaler.reformat(
            picture.frame,
            width=height if turned else width,
            height=width if turned else height,
            format=_JPEG_PIXELS,
            interpolation="AREA",
            threads=SCALER_THREADS,
        )
        planes = [np.rot90(_pixels(plane), picture.quarter_turns) for plane in frame.planes]
        return Jpeg(encode_jpeg_planes(planes, quality), (width, height))


def _pixels(plane: VideoPlane) -> Plane:
    """A plane without the padding at the end of its rows."""
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.asarray(rows[:, : plane.width], np.uint8)
