"""A photo of a face, warped so that its mesh moves: what an expression would look like on this person.

The displacement of the mesh's points is spread over the picture piece by piece, linear in each triangle
between points; rings around the face hold still. The picture is looked up backwards through that field. Where
a mouth opens there is nothing to be seen in the photo: it is painted dark, with teeth if asked for.

What it cannot do: skin does not fold and light does not move, nothing appears from behind a turned nose.
"""

from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from models.arrays import F32, Picture
from models.faces.engine import EYE_CORNERS

FACE_PX: Final = 90.0
"""Between the outer corners of the eyes: photos with a larger face are made smaller."""
UPPER_INNER_LIP: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
"""From corner to corner; as the next."""
LOWER_INNER_LIP: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)

_RINGS: Final = (1.6, 2.1)  # sizes over that of the face's outline
_MARGIN: Final = 2.3  # size of what is kept of the photo
_SMOOTHED: Final = 0.012  # blur of the field, in distances between the eyes
_INVERSE_STEPS: Final = 6
_OPENS_FROM: Final = 0.025  # growth of the gap between the lips, in distances between the eyes
_DARK: Final = np.array([44.0, 20.0, 20.0])
_TEETH: Final = np.array([214.0, 205.0, 192.0])
_TEETH_HEIGHT: Final = 0.09  # in distances between the eyes
_TEETH_SHARE: Final = 0.5  # of the gap at most


class WarpablePhoto(NamedTuple):
    """The part of a photo around its face, with everything that all warps of it share."""

    picture_rgb: Picture
    """uint8 ``[H, W, 3]``."""
    landmarks_px: F32
    """[468, 3] in this part."""
    corners: NDArray[np.int64]
    """[H, W, 3]: between which three points (the mesh's, then the rings') each pixel lies."""
    shares: F32
    """[H, W, 3] of each corner; all zero outside of the rings."""


def prepare(photo_rgb: Picture, landmarks_px: F32) -> WarpablePhoto:
    """Cuts the face of ``landmarks_px`` [468, 3] out of a photo (uint8 ``[H, W, 3]``), with room around it.

    Beyond the photo's border its edge goes on. Raises ValueError for a face without size.
    """
    eyes_px = _eyes_px(landmarks_px)
    if not eyes_px > 1:
        raise ValueError(f"the corners of the eyes are {eyes_px:.1f} px apart: no face to warp")
    zoom = min(1.0, FACE_PX / eyes_px)
    outline = landmarks_px[cv2.convexHull(landmarks_px[:, :2].astype(np.float32), returnPoints=False).ravel()]
    middle = outline[:, :2].mean(0)
    half = _MARGIN * np.abs(outline[:, :2] - middle).max()
    side = int(np.ceil(2 * half * zoom))
    small: NDArray[Any] = photo_rgb
    if zoom < 1:
        small = cv2.resize(photo_rgb, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    shift = np.array([[1, 0, zoom * (half - middle[0])], [0, 1, zoom * (half - middle[1])]])
    part = cv2.warpAffine(small, shift, (side, side), borderMode=cv2.BORDER_REPLICATE)
    mesh = landmarks_px.astype(np.float64) * zoom
    mesh[:, :2] += shift[:, 2]
    corners, shares = _triangles(mesh[:, :2], side)
    return WarpablePhoto(np.asarray(part, np.uint8), mesh.astype(np.float32), corners, shares)


def warp(photo: WarpablePhoto, moves_px: F32, *, teeth: bool) -> Picture:
    """The photo with its mesh's points moved by ``moves_px`` [468, 2]; uint8, as large as the part is."""
    eyes_px = _eyes_px(photo.landmarks_px)
    still = np.zeros((int(photo.corners.max()) + 1 - len(moves_px), 2), np.float32)
    moves = np.concatenate([moves_px.astype(np.float32), still])
    field = (moves[photo.corners] * photo.shares[..., None]).sum(2)
    field = cv2.GaussianBlur(field, (0, 0), max(_SMOOTHED * eyes_px, 0.3))
    height, width = field.shape[:2]
    at = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    back = np.zeros_like(field)
    for _ in range(_INVERSE_STEPS):
        back = -_look_up(field, at + back)
    picture = _look_up(photo.picture_rgb, at + back)
    return _with_mouth(picture, photo.landmarks_px[:, :2], moves_px, eyes_px, teeth=teeth)


def _eyes_px(landmarks_px: F32) -> float:
    right, left = landmarks_px[list(EYE_CORNERS), :2]
    return float(np.linalg.norm(right - left))


def _look_up(picture: NDArray[Any], at_px: F32) -> NDArray[Any]:
    """Bilinear values of a picture [H, W, C] at positions [h, w, 2]."""
    empty = np.empty(0, np.float32)  # the second map: at_px already holds x and y
    return np.asarray(cv2.remap(picture, at_px, empty, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _triangles(points_px: NDArray[np.float64], side: int) -> tuple[NDArray[np.int64], F32]:
    """Corners and shares [side, side, 3] of each pixel, for points [468, 2] and the rings around them."""
    outline = points_px[cv2.convexHull(points_px.astype(np.float32), returnPoints=False).ravel()]
    middle = outline.mean(0)
    rings = [middle + size * (outline - middle) for size in _RINGS]
    mesh = Delaunay(np.concatenate([points_px, *rings]))
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2).astype(np.float64)
    found = mesh.find_simplex(at)
    inside = found >= 0
    transform = mesh.transform[found]
    two = np.einsum("nij,nj->ni", transform[:, :2], at - transform[:, 2])
    shares = np.concatenate([two, 1 - two.sum(1, keepdims=True)], 1)
    shares = np.where(inside[:, None] & np.isfinite(shares).all(1, keepdims=True), shares, 0)
    corners = np.where(inside[:, None], mesh.simplices[found], len(mesh.points) - 1)
    return corners.reshape(side, side, 3).astype(np.int64), shares.reshape(side, side, 3).astype(np.float32)


def _with_mouth(
    picture: NDArray[Any], before_px: F32, moves_px: F32, eyes_px: float, *, teeth: bool
) -> Picture:
    """Paints what shows between lips that part more than they did in the photo."""
    upper, lower = list(UPPER_INNER_LIP), list(LOWER_INNER_LIP)
    after_px = before_px + moves_px
    gap_px = np.linalg.norm(after_px[lower] - after_px[upper], axis=1).max()
    opened_px = gap_px - np.linalg.norm(before_px[lower] - before_px[upper], axis=1).max()
    painted = picture.astype(np.float64)
    if opened_px > _OPENS_FROM * eyes_px:
        soft_px = max(0.006 * eyes_px, 0.4)
        mouth = np.concatenate([after_px[upper], after_px[lower][::-1]])
        behind = np.broadcast_to(_DARK, painted.shape)
        if teeth:
            height_px = min(_TEETH_HEIGHT * eyes_px, _TEETH_SHARE * gap_px)
            down = (after_px[lower] - after_px[upper]) / max(gap_px, 1e-6) * height_px
            row = np.concatenate([after_px[upper], (after_px[upper] + down)[::-1]])
            light = min(1.0, float(painted.mean()) / 128 + 0.3)
            mask = _filled(row, painted.shape[:2], soft_px)
            behind = behind + mask * (_TEETH * light - behind)
        mask = _filled(mouth, painted.shape[:2], soft_px)
        painted += mask * (behind - painted)
    return np.clip(np.rint(painted), 0, 255).astype(np.uint8)


def _filled(polygon_px: NDArray[Any], shape: tuple[int, ...], soft_px: float) -> NDArray[np.float64]:
    """[H, W, 1]: 1 inside of the polygon, 0 outside, with a soft edge."""
    mask = np.zeros(shape, np.float32)
    corners = np.rint(np.asarray(polygon_px, np.float64) * 16).astype(np.int32)  # in sixteenths: shift
    cv2.fillPoly(mask, [corners], (1.0,), shift=4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft_px), np.float64)[..., None]
