"""How small a frame may be decoded, when the crops of its faces are known before it is.

Decoding a JPEG costs as much as the landmark network. A large face needs no full resolution (the network sees
192 px of it), nor does a search for faces that are not small.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.arrays import Picture
from models.faces.engine import CROP_PX, DetectedFace, Detection, FaceEngine, Roi, Tile

SEARCH_FACE_PX: Final = 20
"""So wide is the smallest face that the detector surely finds, in its input: it needs no more pixels."""


def shrink_for(rois: Sequence[Roi], search_face_px: float | None) -> int:
    """How many px of the frame, across and down, may be one px of the picture: 1, 2 or 4.

    So that every crop has at least one px for each px of the network's input, and the smallest face that is
    searched for, `search_face_px` wide, as many as the detector sees; None if nothing is searched. With
    neither it is 1.
    """
    room = [roi.size_px / CROP_PX for roi in rois]
    if search_face_px is not None:
        room.append(search_face_px / SEARCH_FACE_PX)
    return next((n for n in (4, 2) if room and min(room) >= n), 1)


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
        return face._replace(
            landmarks_px=face.landmarks_px * np.float32(self._shrink) + shift_px,
            box_xyxy_px=face.box_xyxy_px * np.float32(self._shrink) + np.float32(self._shift_px),
        )
