"""What a face is to the pipeline, and what an engine that finds faces must do.

`FaceEngine` is the interface: `litert_engine.LiteRtEngine` is the real one, tests bring a fake.
Coordinates are pixels of the picture, x right, y down; z is scaled like x, smaller is nearer the camera.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.arrays import Picture
from models.faces.canonical import LEFT_EYE_OUTER, RIGHT_EYE_OUTER

Landmarks: TypeAlias = NDArray[np.float32]
Tile: TypeAlias = tuple[int, int, int, int]
"""A rectangle of a picture: x0, y0, x1, y1 in px; x1 and y1 are the first that do not belong to it."""

EYE_CORNERS = (RIGHT_EYE_OUTER, LEFT_EYE_OUTER)
"""The outer eye corners, the subject's right and left, among MediaPipe's 468 points."""

ROI_MARGIN = 1.5
"""Side of the crop over the longer side of the face's box, as in MediaPipe's face_landmark_front graph."""

CROP_PX = 192
"""Side of the landmark network's input; smaller crops are scaled up to it, larger ones down."""

REFINEMENTS_MAX = 4
"""So often a face found by the detector goes through the mesh once more than twice; upright ones never do."""
FITS_SIZES, FITS_RAD, FITS_GROWTH = 0.015, math.radians(3), 0.03
"""A crop whose face asks for one no further away than this, in its sizes, in angle and in size, fits."""

SAME_FACE_IOU = 0.4
"""Two meshes whose boxes overlap more than this show one face."""


class Roi(NamedTuple):
    """A square crop, turned so that the eyes lie level in it."""

    center_x_px: float
    center_y_px: float
    size_px: float
    rotation_rad: float

    @classmethod
    def around(cls, landmarks_px: Landmarks) -> "Roi":
        """The crop for the next frame from a face's landmarks ``[468, 3]`` in this one."""
        x0, y0, x1, y1 = box_xyxy_px(landmarks_px).tolist()
        eye_x, eye_y = (landmarks_px[EYE_CORNERS[1], :2] - landmarks_px[EYE_CORNERS[0], :2]).tolist()
        return cls((x0 + x1) / 2, (y0 + y1) / 2, ROI_MARGIN * max(x1 - x0, y1 - y0), math.atan2(eye_y, eye_x))


class Detection(NamedTuple):
    """Where the detector sees a face; whether it is one, the mesh says."""

    roi: Roi
    """The crop for the mesh."""
    box_xyxy_px: NDArray[np.float32]
    """float32 ``[4]``: brows to mouth, ear to ear. It may reach over the picture's border."""
    score: float
    """The detector's belief, 0 to 1."""


class DetectedFace(NamedTuple):
    """One face in one picture."""

    landmarks_px: Landmarks
    """float32 ``[468, 3]``."""
    box_xyxy_px: NDArray[np.float32]
    """float32 ``[4]``: the landmarks' bounding box. It may reach over the picture's border."""
    presence: float
    """The mesh network's own belief that its crop shows a face, 0 to 1."""
    sharpness: float
    """Of the face in that crop (`quality.sharpness`)."""


class FaceEngine(Protocol):
    """Finds faces. It keeps nothing between calls, so one engine serves any number of cameras.

    It need not be thread-safe: call one engine from one thread at a time.
    """

    def detect(self, picture_rgb: Picture, tile_xyxy_px: Tile | None = None) -> list[Detection]:
        """The faces of a picture (uint8 ``[H, W, 3]``) or of one rectangle of it, best score first.

        The slow step. Rois and boxes are in px of the whole picture. In a smaller rectangle, smaller faces
        are found. Raises ValueError for a rectangle outside the picture.
        """
        ...

    def mesh(self, picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
        """The face in each crop, in the order of ``rois``; None where the crop shows none."""
        ...


def find_faces(
    engine: FaceEngine,
    picture_rgb: Picture,
    *,
    known: Sequence[DetectedFace] = (),
    max_faces: int = 8,
    tiles_xyxy_px: Sequence[Tile | None] = (None,),
) -> list[DetectedFace]:
    """Up to ``max_faces`` faces of a picture, found without its past; faces in ``known`` are left out.

    Looks at each tile in turn (None is the whole picture), and there at the largest face first.
    """
    found: list[DetectedFace] = []
    for tile in tiles_xyxy_px:
        if len(found) == max_faces:
            break
        rois = [detection.roi for detection in engine.detect(picture_rgb, tile)]
        for roi in sorted(rois, key=lambda roi: roi.size_px, reverse=True):
            if len(found) == max_faces:
                break
            if any(_inside(roi, face) for face in (*known, *found)):
                continue
            face = mesh_detected(engine, picture_rgb, roi)
            if face is not None and not any(same_face(face, other) for other in (*known, *found)):
                found.append(face)
    return found


def mesh_detected(engine: FaceEngine, picture_rgb: Picture, roi: Roi) -> DetectedFace | None:
    """The face in a detector's crop, or None.

    Such a crop fits less well than one made from landmarks, so the face goes through the mesh twice, and
    again until the crop fits: a still picture then gets the same landmarks as a frame of a video, also of a
    face that is tilted far.
    """
    (face,) = engine.mesh(picture_rgb, [roi])
    for _ in range(1 + REFINEMENTS_MAX):
        if face is None:
            return None
        roi = Roi.around(face.landmarks_px)
        (face,) = engine.mesh(picture_rgb, [roi])
        if face is None or _fits(roi, Roi.around(face.landmarks_px)):
            break
    return face


def _fits(roi: Roi, wanted: Roi) -> bool:
    """Whether a crop is about the one that the landmarks found in it ask for."""
    off_px = math.hypot(wanted.center_x_px - roi.center_x_px, wanted.center_y_px - roi.center_y_px)
    turn_rad = math.remainder(wanted.rotation_rad - roi.rotation_rad, 2 * math.pi)
    growth = abs(math.log(wanted.size_px / roi.size_px)) if wanted.size_px > 0 else math.inf
    return off_px <= FITS_SIZES * roi.size_px and abs(turn_rad) <= FITS_RAD and growth <= FITS_GROWTH


def box_xyxy_px(landmarks_px: Landmarks) -> NDArray[np.float32]:
    """Bounding box float32 ``[4]`` (x0, y0, x1, y1) of landmarks ``[K, 3]``."""
    xy = np.ascontiguousarray(landmarks_px[:, :2].T, dtype=np.float32)  # rows are much faster than columns
    return np.concatenate([xy.min(axis=1), xy.max(axis=1)])


def iou(a_xyxy: NDArray[np.float32], b_xyxy: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    a, b = a_xyxy.tolist(), b_xyxy.tolist()
    overlap = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union if union > 0 else 0.0


def same_face(a: DetectedFace, b: DetectedFace) -> bool:
    """Whether two meshes of one picture ended on one face."""
    return iou(a.box_xyxy_px, b.box_xyxy_px) > SAME_FACE_IOU


def _inside(roi: Roi, face: DetectedFace) -> bool:
    """Whether a detection's centre falls into a known face, so that the mesh need not run to tell."""
    x0, y0, x1, y1 = face.box_xyxy_px.tolist()
    return bool(x0 < roi.center_x_px < x1 and y0 < roi.center_y_px < y1)
