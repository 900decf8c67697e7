"""MediaPipe 0.10.21's own FaceMesh and FaceDetection: what tests and `mien bench` hold the engine against.

The only file that imports mediapipe, and for nothing else: no stage runs them.
Source: https://ai.google.dev/edge/mediapipe (legacy solutions, Face Mesh and Face Detection).
"""

from typing import Any, Self

import numpy as np
from mediapipe.python.solutions import face_detection, face_mesh

from models.arrays import Picture
from models.faces.engine import Landmarks
from models.native_stderr import native_stderr_held_back


class FaceMeshReference:
    """`FaceMesh`, plainly used. Close it at the end, or use it in a ``with`` block."""

    def __init__(self, first_rgb: Picture, *, max_faces: int = 1, video: bool = True) -> None:
        self.how = f"{'video mode' if video else 'static mode'}, max_num_faces={max_faces}"
        with native_stderr_held_back():
            self._mesh: Any = face_mesh.FaceMesh(static_image_mode=not video, max_num_faces=max_faces)
            self.process(first_rgb)  # loads the networks, and prints about the first face

    def process(self, picture_rgb: Picture) -> list[Any]:
        """MediaPipe's NormalizedLandmarkList of each face in a picture, uint8 ``[H, W, 3]``."""
        return list(self._mesh.process(picture_rgb).multi_face_landmarks or [])

    def landmarks_px(self, picture_rgb: Picture) -> list[Landmarks]:
        """float32 ``[468, 3]`` of each face, in px of the picture, z scaled like x."""
        height, width = picture_rgb.shape[:2]
        return [
            np.array([(p.x * width, p.y * height, p.z * width) for p in face.landmark], dtype=np.float32)
            for face in self.process(picture_rgb)
        ]

    def close(self) -> None:
        """Frees the networks."""
        self._mesh.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class FaceDetectionReference:
    """`FaceDetection` with the full-range network. Close it at the end, or use it in a ``with`` block."""

    def __init__(self, *, min_score: float = 0.5) -> None:
        with native_stderr_held_back():
            self._detector: Any = face_detection.FaceDetection(
                min_detection_confidence=min_score, model_selection=1
            )
            self.detect(np.zeros((192, 192, 3), dtype=np.uint8))  # loads the network, and prints about it

    def detect(self, picture_rgb: Picture) -> list[tuple[float, tuple[float, float, float, float]]]:
        """Score and box (x0, y0, x1, y1, in px) of each face of a picture, best score first."""
        height, width = picture_rgb.shape[:2]
        found = []
        for detection in self._detector.process(np.ascontiguousarray(picture_rgb)).detections or []:
            box = detection.location_data.relative_bounding_box
            x0, y0 = box.xmin * width, box.ymin * height
            xyxy_px = (x0, y0, x0 + box.width * width, y0 + box.height * height)
            found.append((float(detection.score[0]), xyxy_px))
        return sorted(found, reverse=True)

    def close(self) -> None:
        """Frees the network."""
        self._detector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
