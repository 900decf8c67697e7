"""How far an engine's landmarks lie from those of a reference on the same pictures.

The pictures are the demo's portrait in many guises: size, place, tilt, expression, light, focus
and JPEG quality all vary. Each is shown to both as a still camera would, a few times in a row, so that both
read the face on a crop made from landmarks.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

import cv2
import numpy as np

from models.arrays import Picture
from models.faces.align import align
from models.faces.engine import FaceEngine, Landmarks, Roi, find_faces
from models.faces.head_pose import pose_deg
from models.faces.pictures import decode_jpeg, encode_jpeg
from models.faces.quality import inter_ocular_px
from models.judging.degrade import out_of_focus
from models.staged.expression_scripts import EXPRESSIONS
from models.staged.portrait import Head

SIZE_PX: Final = (640, 480)
LOOKS: Final = 8
"""So often is each picture shown: the crop is made from the look before, and settles slowly."""

_HEAD_ZOOM: Final = 2.0
_FACE_WIDTH: Final = 0.42  # of the head's picture
_NO_LIMIT: Final = 10**9


class Reference(Protocol):
    """MediaPipe's FaceMesh in video mode (`models.judging.facemesh_reference`), or a stand-in."""

    def landmarks_px(self, picture_rgb: Picture) -> list[Landmarks]:
        """float32 ``[468, 3]`` of each face of the next frame."""
        ...


class Difference(NamedTuple):
    """Between two readings of one face."""

    distance: float
    """Mean distance of the 468 points, in inter-ocular distances, z included."""
    pose_deg: float
    """The largest of the differences of yaw, pitch and roll."""


class Agreement(NamedTuple):
    """Of an engine with a reference, over many pictures."""

    pictures: int
    missed_by_engine: int
    """Faces that the reference alone found …"""
    missed_by_reference: int
    """… and the engine alone."""
    same_crop: list[Difference]
    """The engine on the crop that the reference used."""
    own_crop: list[Difference]
    """The engine on the crop that it made itself."""


def agreement(engine: FaceEngine, reference: Reference, pictures: Iterable[Picture]) -> Agreement:
    """Shows each picture to both. The pictures must hold one face each, or none."""
    count = missed_by_engine = missed_by_reference = 0
    same_crop, own_crop = [], []
    for picture in pictures:
        count += 1
        ours, theirs = _settled(engine, picture), _settled_reference(reference, picture)
        if theirs is None:
            missed_by_reference += ours is not None
            continue
        before, last = theirs
        (again,) = engine.mesh(picture, [Roi.around(before)])
        if again is not None:
            same_crop.append(difference(last, again.landmarks_px))
        if ours is None:
            missed_by_engine += 1
        else:
            own_crop.append(difference(last, ours))
    return Agreement(count, missed_by_engine, missed_by_reference, same_crop, own_crop)


def difference(one_px: Landmarks, other_px: Landmarks) -> Difference:
    """Of two readings float32 ``[468, 3]`` of one face; the first gives the inter-ocular distance."""
    distance = float(np.linalg.norm(one_px - other_px, axis=1).mean()) / inter_ocular_px(one_px)
    one, other = pose_deg(align(np.stack([one_px, other_px])).rotation)
    turns = np.abs(one - other)
    return Difference(distance, float(np.minimum(turns, 360 - turns).max()))


def varied(count: int, seed: int = 0) -> Iterator[Picture]:
    """So many pictures of 640x480 px of the portrait; the same seed gives the same ones.

    The face is 90 to 330 px wide, tilted by up to 45°, shows up to two expressions at once, is 0.35 to 1.5
    times as bright, at times out of focus, and went through JPEG of quality 30 to 95.
    """
    rng = np.random.default_rng(seed)
    head = Head(_HEAD_ZOOM)
    for _ in range(count):
        expressions = rng.choice(EXPRESSIONS, 2, replace=False)
        shown = head.draw(
            {str(e): float(i) for e, i in zip(expressions, rng.uniform(0, 0.7, 2), strict=True)}
        )
        face_px = rng.uniform(90, 330)
        picture = _placed(shown, face_px, rng.uniform(-45, 45), rng)
        noise = rng.uniform(0, 4) * rng.standard_normal(picture.shape, dtype=np.float32)
        light = (picture * np.float32(rng.uniform(0.35, 1.5)) + noise).clip(0, 255)
        blur_px = max(0.0, rng.uniform(-2, 2) * face_px / 200)  # half of the pictures are sharp
        picture = out_of_focus(light.astype(np.uint8), blur_px)
        data = encode_jpeg(picture, int(rng.integers(30, 96)))
        yield decode_jpeg(data, max_bytes=_NO_LIMIT, max_pixels=_NO_LIMIT)


def _placed(head_rgb: Picture, face_px: float, tilt_deg: float, rng: np.random.Generator) -> Picture:
    """The head somewhere in a picture, its face so wide."""
    height, width = head_rgb.shape[:2]
    scale = face_px / (_FACE_WIDTH * width)
    to_picture = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), tilt_deg, scale), np.float64)
    free = np.maximum(np.array(SIZE_PX) / 2 - 0.75 * face_px, 0)
    to_picture[:, 2] += np.array(SIZE_PX) / 2 + rng.uniform(-1, 1, 2) * free - (width / 2, height / 2)
    if scale < 1:  # no pixel is passed over
        head_rgb = out_of_focus(head_rgb, 0.4 / scale)
    return np.asarray(
        cv2.warpAffine(head_rgb, to_picture, SIZE_PX, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _settled(engine: FaceEngine, picture_rgb: Picture) -> Landmarks | None:
    """The engine's landmarks after so many looks, or None if it finds no face."""
    faces = find_faces(engine, picture_rgb, max_faces=1)
    for _ in range(LOOKS - 2):  # `find_faces` has looked twice
        if not faces:
            return None
        (face,) = engine.mesh(picture_rgb, [Roi.around(faces[0].landmarks_px)])
        faces = [] if face is None else [face]
    return faces[0].landmarks_px if faces else None


def _settled_reference(reference: Reference, picture_rgb: Picture) -> tuple[Landmarks, Landmarks] | None:
    """The reference's landmarks of the last two looks, or None if it finds no face."""
    while reference.landmarks_px(np.zeros_like(picture_rgb)):
        pass  # it still follows the face of the picture before
    looks = [reference.landmarks_px(picture_rgb) for _ in range(LOOKS)]
    return (looks[-2][0], looks[-1][0]) if looks[-1] and looks[-2] else None
