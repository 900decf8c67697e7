"""The face engine on MediaPipe 0.10.21. The only file that imports mediapipe.

Two networks from the mediapipe wheel (Apache-2.0): the full-range detector (faces from about 1/12 of the
picture's width) and the 468-point face landmark network. MediaPipe's own FaceMesh is not used: its detector
is the short-range one, which misses a 60 px face in 640x480, and it keeps one stream's state in itself.
The landmark network is driven by a small graph of our own instead, on the same crop that FaceMesh makes,
so the landmarks are FaceMesh's.
"""

import contextlib
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from mediapipe.python import solution_base
from mediapipe.python.solutions import face_detection, face_mesh
from numpy.typing import NDArray

from models.faces import ROI_MARGIN, DetectedFace, Picture, Roi, box_xyxy_px

CROP_PX = 192
"""Side of the landmark network's input; smaller faces are scaled up to it, larger ones down."""

MIN_PRESENCE = 0.5
"""Below this the crop shows no face (FaceMesh's own default)."""

MIN_DETECTION_SCORE = 0.5

# The inner part of mediapipe/modules/face_landmark/face_landmark_front_cpu.binarypb, without detection,
# tracking and projection: a 192x192 crop in, 468x3 numbers and the presence score out.
_MESH_GRAPH = """
input_stream: "crop"
output_stream: "points"
output_stream: "presence"
num_threads: 1
node {
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:crop"
  output_stream: "TENSORS:crop_tensor"
  options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
    output_tensor_width: 192 output_tensor_height: 192 output_tensor_float_range { min: 0 max: 1 }
  } }
}
node {
  calculator: "InferenceCalculator"
  input_stream: "TENSORS:crop_tensor"
  output_stream: "TENSORS:output_tensors"
  options { [mediapipe.InferenceCalculatorOptions.ext] {
    model_path: "mediapipe/modules/face_landmark/face_landmark.tflite"
    delegate { xnnpack { num_threads: 1 } }
  } }
}
node {
  calculator: "SplitTensorVectorCalculator"
  input_stream: "output_tensors"
  output_stream: "points_tensor"
  output_stream: "presence_tensor"
  options { [mediapipe.SplitVectorCalculatorOptions.ext] {
    ranges { begin: 0 end: 1 } ranges { begin: 1 end: 2 }
  } }
}
node {
  calculator: "TensorsToFloatsCalculator"
  input_stream: "TENSORS:points_tensor"
  output_stream: "FLOATS:points"
}
node {
  calculator: "TensorsToFloatsCalculator"
  input_stream: "TENSORS:presence_tensor"
  output_stream: "FLOAT:presence"
  options { [mediapipe.TensorsToFloatsCalculatorOptions.ext] { activation: SIGMOID } }
}
"""


class MediaPipeEngine:
    """A `FaceEngine`: full-range detection, and the mesh on given crops.

    Not thread-safe. Close it at the end, or use it in a ``with`` block.
    """

    def __init__(self) -> None:
        with _native_stderr_held_back():
            self._detector: Any = face_detection.FaceDetection(
                min_detection_confidence=MIN_DETECTION_SCORE, model_selection=1
            )
            self._mesh: Any = solution_base.SolutionBase(
                graph_config=_MESH_GRAPH,
                stream_type_hints={"crop": solution_base.PacketDataType.IMAGE_FRAME},
            )
            # The first run loads the networks (and prints about it), so it is done here.
            blank = np.zeros((CROP_PX, CROP_PX, 3), dtype=np.uint8)
            self.detect(blank)
            self.mesh(blank, [Roi(CROP_PX / 2, CROP_PX / 2, CROP_PX, 0.0)])

    def detect(self, picture_rgb: Picture) -> list[Roi]:
        """Crops around the faces of a picture (uint8 ``[H, W, 3]``), the largest first."""
        height, width = picture_rgb.shape[:2]
        detections = self._detector.process(np.ascontiguousarray(picture_rgb)).detections or []
        rois = [_roi_of_detection(detection.location_data, width, height) for detection in detections]
        return sorted(rois, key=lambda roi: roi.size_px, reverse=True)

    def mesh(self, picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
        """The face in each crop, in the order of ``rois``; None where the network sees none."""
        return [self._mesh_one(picture_rgb, roi) for roi in rois]

    def _mesh_one(self, picture_rgb: Picture, roi: Roi) -> DetectedFace | None:
        to_picture = _crop_to_picture(roi)
        crop = cv2.warpAffine(
            picture_rgb,
            to_picture,
            (CROP_PX, CROP_PX),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        output = self._mesh.process({"crop": crop})
        if output.presence < MIN_PRESENCE:
            return None
        points = np.array(output.points, dtype=np.float64).reshape(468, 3)
        xy = points[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        z = points[:, 2:] * (roi.size_px / CROP_PX)
        landmarks_px = np.concatenate([xy, z], axis=1).astype(np.float32)
        return DetectedFace(landmarks_px, box_xyxy_px(landmarks_px), float(output.presence))

    def close(self) -> None:
        """Frees both networks."""
        self._detector.close()
        self._mesh.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _roi_of_detection(location: Any, width: int, height: int) -> Roi:
    """MediaPipe's FaceDetectionFrontDetectionToRoi: the box, squared, × 1.5, turned with the eyes."""
    box = location.relative_bounding_box
    right_eye, left_eye = location.relative_keypoints[:2]
    return Roi(
        center_x_px=(box.xmin + box.width / 2) * width,
        center_y_px=(box.ymin + box.height / 2) * height,
        size_px=ROI_MARGIN * max(box.width * width, box.height * height),
        rotation_rad=math.atan2((left_eye.y - right_eye.y) * height, (left_eye.x - right_eye.x) * width),
    )


def _crop_to_picture(roi: Roi) -> NDArray[np.float64]:
    """Affine ``[2, 3]`` from crop pixels to picture pixels."""
    scale = roi.size_px / CROP_PX
    cos, sin = scale * math.cos(roi.rotation_rad), scale * math.sin(roi.rotation_rad)
    linear = np.array([[cos, -sin], [sin, cos]])
    shift = np.array([roi.center_x_px, roi.center_y_px]) - linear @ np.full(2, CROP_PX / 2)
    return np.concatenate([linear, shift[:, None]], axis=1)


@contextlib.contextmanager
def _native_stderr_held_back() -> Iterator[None]:
    """Holds back what native code writes to file descriptor 2; shows it only if the block fails.

    The libraries inside mediapipe log noise on start, and no environment variable or call stops them.
    Another thread's stderr is held back too, so make the engine before other threads write.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


class FaceMeshReference:
    """MediaPipe's own FaceMesh, plainly used: what `mien bench` holds the engine against. For nothing else.

    Source: https://ai.google.dev/edge/mediapipe (legacy solutions, Face Mesh), `FaceMesh.process`.
    """

    def __init__(self, first_rgb: Picture, *, max_faces: int = 1, video: bool = True) -> None:
        self.how = f"{'video mode' if video else 'static mode'}, max_num_faces={max_faces}"
        with _native_stderr_held_back():
            self._mesh: Any = face_mesh.FaceMesh(static_image_mode=not video, max_num_faces=max_faces)
            self.process(first_rgb)  # loads the networks, and prints about the first face

    def process(self, picture_rgb: Picture) -> list[Any]:
        """MediaPipe's NormalizedLandmarkList of each face in a picture, uint8 ``[H, W, 3]``."""
        return list(self._mesh.process(picture_rgb).multi_face_landmarks or [])

    def close(self) -> None:
        """Frees the networks."""
        self._mesh.close()
