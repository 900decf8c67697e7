"""How much of a frame must be decoded, when the crops of its faces are known before it is.

Decoding a JPEG costs as much as the landmark network. A large face needs no full resolution (the network sees
192 px of it), nor does a search for faces that are not small. Where nothing is searched, nothing below the
last face is looked at.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from models.faces import CROP_PX, DetectedFace, Detection, FaceEngine, Picture, Roi, Tile

SEARCH_FACE_PX: Final = 20
"""So wide is the smallest face that the detector surely finds, in its input: it needs no more pixels."""

_MARGIN_PX: Final = 16
"""Rows more than the crops reach down, since near its last row a cut picture has other colours …"""
_MARGIN: Final = 0.1
"""… and this share of the crop's size, for a face that has moved."""


class View(NamedTuple):
    """What `pictures.decode_jpeg` is asked for."""

    shrink: int = 1
    """So many px of the frame are one px of the picture, across and down: 1, 2 or 4."""
    rows_px: int | None = None
    """So many of the frame's rows, from the top; None for all."""


WHOLE: Final = View()


def view_of(rois: Sequence[Roi], search_face_px: float | None = None) -> View:
    """The least of a frame that shows every crop with at least one px for each px of the network's input.

    `search_face_px` is the smallest face that is searched for in this frame, which needs all rows; None if
    nothing is searched. With neither it is the whole frame.
    """
    if not rois and search_face_px is None:
        return WHOLE
    room = [roi.size_px / CROP_PX for roi in rois]
    if search_face_px is not None:
        room.append(search_face_px / SEARCH_FACE_PX)
    shrink = next((n for n in (4, 2) if min(room) >= n), 1)
    if search_face_px is not None:
        return View(shrink)
    return View(shrink, max(1, math.ceil(max(map(_lowest_y_px, rois)) + _MARGIN_PX)))


def _lowest_y_px(roi: Roi) -> float:
    turned = abs(math.cos(roi.rotation_rad)) + abs(math.sin(roi.rotation_rad))
    return roi.center_y_px + roi.size_px * (turned / 2 + _MARGIN)


class ShrunkEngine:
    """A `FaceEngine` for a picture that was decoded smaller: it takes and gives px of the frame."""

    def __init__(self, engine: FaceEngine, shrink: int) -> None:
        self._engine = engine
        self._shrink = shrink
        # A px of the picture lies in the middle of the square of px it stands for.
        self._shift_px = (shrink - 1) / 2

    def detect(self, picture_rgb: Picture, tile_xyxy_px: Tile | None = None) -> list[Detection]:
        """As `FaceEngine.detect`; the tile's edges are rounded to px of the picture."""
        n = self._shrink
        if tile_xyxy_px is not None:
            x0, y0, x1, y1 = tile_xyxy_px
            tile_xyxy_px = (x0 // n, y0 // n, -(-x1 // n), -(-y1 // n))
        return [
            Detection(self._roi_in_frame(roi), box_xyxy_px * n + np.float32(self._shift_px), score)
            for roi, box_xyxy_px, score in self._engine.detect(picture_rgb, tile_xyxy_px)
        ]

    def mesh(self, picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
        """As `FaceEngine.mesh`."""
        faces = self._engine.mesh(picture_rgb, [self._roi_in_picture(roi) for roi in rois])
        return [None if face is None else self._face_in_frame(face) for face in faces]

    def _roi_in_picture(self, roi: Roi) -> Roi:
        n, shift_px = self._shrink, self._shift_px
        return Roi(
            (roi.center_x_px - shift_px) / n,
            (roi.center_y_px - shift_px) / n,
            roi.size_px / n,
            roi.rotation_rad,
        )

    def _roi_in_frame(self, roi: Roi) -> Roi:
        n, shift_px = self._shrink, self._shift_px
        return Roi(
            roi.center_x_px * n + shift_px, roi.center_y_px * n + shift_px, roi.size_px * n, roi.rotation_rad
        )

    def _face_in_frame(self, face: DetectedFace) -> DetectedFace:
        shift_px = np.array([self._shift_px, self._shift_px, 0], dtype=np.float32)
        return DetectedFace(
            face.landmarks_px * np.float32(self._shrink) + shift_px,
            face.box_xyxy_px * np.float32(self._shrink) + np.float32(self._shift_px),
            face.presence,
        )
