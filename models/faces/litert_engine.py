"""The face engine: MediaPipe's networks driven directly by LiteRT. The only file that imports ai_edge_litert.

Two networks, which come inside the mediapipe wheel (``models.wheel_files``; mediapipe is not imported): the
full-range face detector (faces from about a ninth of the picture's width) and the 468-point face landmark
network. Crop, rotation and un-projection are those of MediaPipe's face_landmark_front graph, so the landmarks
are those of its FaceMesh (`models.judging.facemesh_reference`).
"""

import math
from collections.abc import Sequence
from typing import Any, Final, Self

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from models import wheel_files
from models.arrays import Picture
from models.faces import detector
from models.faces.engine import CROP_PX, DetectedFace, Detection, Roi, Tile, box_xyxy_px
from models.faces.quality import sharpness
from models.native_stderr import native_stderr_held_back
from models.wheel_files import FACE_DETECTOR, FACE_MESH, WheelFile

MIN_PRESENCE: Final = 0.5
"""Below this the crop shows no face (FaceMesh's own default)."""

MIN_DETECTION_SCORE: Final = 0.5
"""MediaPipe's graph wants 0.6, whatever it is told; here the mesh has the last word."""

_UNIT: Final = np.float32(1 / 255)


class LiteRtEngine:
    """A `FaceEngine`: full-range detection, and the mesh on given crops, on one core.

    Not thread-safe. Close it at the end, or use it in a ``with`` block.

    Raises:
        FileNotFoundError: the networks are nowhere (``models.wheel_files``).
        ValueError: what is there are other networks.
    """

    def __init__(self) -> None:
        with native_stderr_held_back():
            self._detector, self._mesh = _Network(FACE_DETECTOR), _Network(FACE_MESH)
            # The first run prepares the weights (and prints about it), so it is done here.
            blank = np.zeros((CROP_PX, CROP_PX, 3), dtype=np.uint8)
            self.detect(blank)
            self.mesh(blank, [Roi(CROP_PX / 2, CROP_PX / 2, CROP_PX, 0.0)])

    def detect(self, picture_rgb: Picture, tile_xyxy_px: Tile | None = None) -> list[Detection]:
        """The faces of a picture (uint8 ``[H, W, 3]``) or of one rectangle of it, best score first.

        Raises ValueError for a rectangle that lies outside the picture.
        """
        placing = detector.letterbox(picture_rgb, tile_xyxy_px, self._detector.input())
        boxes, logits = self._detector.run()
        return detector.detections(
            boxes.reshape(-1, 16), logits.reshape(-1), placing, min_score=MIN_DETECTION_SCORE
        )

    def mesh(self, picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
        """The face in each crop, in the order of ``rois``; None where the network sees none."""
        return [self._mesh_one(picture_rgb, roi) for roi in rois]

    def _mesh_one(self, picture_rgb: Picture, roi: Roi) -> DetectedFace | None:
        a, b, x_px, y_px = _crop_to_picture(roi)
        crop: Picture = cv2.warpAffine(  # type: ignore[assignment]
            picture_rgb,
            np.array([[a, -b, x_px], [b, a, y_px]]),
            (CROP_PX, CROP_PX),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        np.multiply(crop, _UNIT, out=self._mesh.input())
        flat_points, presence_logit = self._mesh.run()
        presence = 1 / (1 + math.exp(-presence_logit.item()))
        if presence < MIN_PRESENCE:
            return None
        # z has the crop's scale too, and no direction.
        to_picture = np.array([[a, b, 0], [-b, a, 0], [0, 0, roi.size_px / CROP_PX]], dtype=np.float32)
        points = flat_points.reshape(468, 3)
        landmarks_px = points @ to_picture + np.array([x_px, y_px, 0], dtype=np.float32)
        return DetectedFace(
            landmarks_px, box_xyxy_px(landmarks_px), presence, sharpness(crop, box_xyxy_px(points))
        )

    def close(self) -> None:
        """Frees both networks."""
        del self._detector, self._mesh

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class _Network:
    """One tflite file with one input and two outputs."""

    def __init__(self, file: WheelFile) -> None:
        self._interpreter: Any = Interpreter(model_path=str(wheel_files.find(file)), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = (i["index"] for i in self._interpreter.get_input_details())
        self._outputs = [o["index"] for o in self._interpreter.get_output_details()]

    def input(self) -> NDArray[np.float32]:
        """The network's own memory, ``[H, W, 3]``: fill it, and let go of it before `run`."""
        tensor: NDArray[np.float32] = self._interpreter.tensor(self._input)()[0]
        return tensor

    def run(self) -> list[NDArray[np.float32]]:
        """Copies of the outputs."""
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output) for output in self._outputs]


def _crop_to_picture(roi: Roi) -> tuple[float, float, float, float]:
    """a, b, x, y of the map from crop to picture, in px: (u, v) lies at (a u - b v + x, b u + a v + y)."""
    scale, half = roi.size_px / CROP_PX, CROP_PX / 2
    a, b = scale * math.cos(roi.rotation_rad), scale * math.sin(roi.rotation_rad)
    return a, b, roi.center_x_px - half * (a - b), roi.center_y_px - half * (a + b)
