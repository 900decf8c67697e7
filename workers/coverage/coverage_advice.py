"""What to do about a region where faces cannot be read, as a sentence with the figures behind it."""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from streams.messages.landmarks_message import PictureSize
from workers.coverage.problem_regions import Region

INTER_OCULAR_M: Final = 0.09
"""Between the outer corners of the eyes, as ``models.faces.quality`` measures: of men 93 mm (standard
deviation 6), of women 88 (4), in Normative Findings for Periocular Anthropometric Measurements, BioMed
Research International 2013, 821428. So distances are right to about a tenth. (63 mm lie between the pupils.)
"""
READABLE_SHARE: Final = 0.9
"""Advice is such that so many of the region's small faces become large enough."""
_WIDTH_STEP_PX: Final = 16


class View(NamedTuple):
    """What is known of a camera beside its counts."""

    min_inter_ocular_px: float
    """Smaller faces abstain."""
    picture: PictureSize | None
    fov_deg: float | None = None
    """The camera's horizontal field of view; with it distances are told in metres."""


class Advice(NamedTuple):
    """A sentence or two, and how many times larger faces must become; None where size is not the trouble."""

    text: str
    enlarge: float | None = None


def advise(region: Region, view: View) -> Advice:
    """What is wrong in a region, and what helps."""
    return _ADVICE.get(region.reason, _unknown)(region, view)


def _small(region: Region, view: View) -> Advice:
    need_px = view.min_inter_ocular_px
    sizes_px = {int(detail): count for detail, count in region.details.items() if detail.isdigit()}
    if not sizes_px:
        return Advice(f"{_faces(region, 'are too small')}. Bring the camera nearer, or send larger pictures.")
    typical_px, least_px = share_below(sizes_px, 0.5), max(1, share_below(sizes_px, 1 - READABLE_SHARE))
    what = _faces(region, f"are {typical_px} px across the eyes and need {need_px:g} px")
    enlarge = need_px / least_px
    if enlarge <= 1:  # the limit was another one when they were counted
        return Advice(f"{what}. With MIEN_MIN_INTER_OCULAR_PX as it is set here they are large enough.", 1.0)
    how = _how_to_enlarge(enlarge, least_px, view)
    return Advice(
        f"{what}. {READABLE_SHARE:.0%} of them would be read at {enlarge:.1f} times the size: {how}.", enlarge
    )


def _how_to_enlarge(enlarge: float, seen_px: int, view: View) -> str:
    """By larger pictures as far as the camera has them, for the rest by less distance."""
    picture = view.picture
    if picture is None or picture.full_width_px <= picture.width_px:
        return _nearer(enlarge, seen_px, view)
    wanted_px = math.ceil(picture.width_px * enlarge / _WIDTH_STEP_PX) * _WIDTH_STEP_PX
    if wanted_px <= picture.full_width_px:
        return f"set --width {wanted_px}, the camera's own picture is {picture.full_width_px} px wide"
    rest = enlarge * picture.width_px / picture.full_width_px
    if rest <= 1:  # the step alone led beyond it
        return f"set --width {picture.full_width_px}, all that the camera has"
    nearer = _nearer(rest, seen_px, view, by_width=picture.full_width_px / picture.width_px)
    return f"set --width {picture.full_width_px}, all that the camera has, and {nearer}"


def _nearer(enlarge: float, seen_px: int, view: View, by_width: float = 1.0) -> str:
    lens = f"or give it a lens of {enlarge:.1f} times the focal length"
    if view.fov_deg is None or view.picture is None:
        return f"bring the camera to {1 / enlarge:.0%} of its distance, {lens}"
    far_m = distance_m(seen_px, view.picture.width_px, view.fov_deg)
    near_m = distance_m(view.min_inter_ocular_px / by_width, view.picture.width_px, view.fov_deg)
    return f"bring the camera from about {far_m:.1f} m to {near_m:.1f} m, {lens}"


def _turned(region: Region, _view: View) -> Advice:
    ways = {way: count for way, count in region.details.items() if way in _WAYS}
    if not ways:
        return Advice(f"{_faces(region, 'are turned away')}. Mount the camera where people look.")
    way = max(sorted(ways), key=ways.__getitem__)
    looks, helps = _WAYS[way]
    share = ways[way] / sum(ways.values())
    return Advice(f"{_faces(region, 'are turned away')}; {share:.0%} of them look {looks}. {helps}.")


_WAYS: Final = {
    "left": ("to the left of the picture", "Move the camera to that side, towards where they look"),
    "right": ("to the right of the picture", "Move the camera to that side, towards where they look"),
    "down": ("down", "Mount the camera lower, or hang what they look at beside it"),
    "up": ("up", "Mount the camera higher, or hang what they look at beside it"),
}


def _blurred(region: Region, _view: View) -> Advice:
    return Advice(
        f"{_faces(region, 'are blurred')}. Give them more light, so that the camera can expose for a shorter "
        "time; if standing people are blurred too, see to its focus."
    )


def _cut_off(region: Region, _view: View) -> Advice:
    edges = {edge: count for edge, count in region.details.items() if edge in _TURN}
    if not edges:
        return Advice(f"{_faces(region, 'are cut off')}. Turn the camera so that they are whole.")
    edge = max(sorted(edges), key=edges.__getitem__)
    what = _faces(region, f"are cut off by the {edge} edge of the picture")
    return Advice(f"{what}. Turn the camera {_TURN[edge]}, or give it a wider lens.")


_TURN: Final = {"left": "to the left", "right": "to the right", "top": "up", "bottom": "down"}


def _unknown(region: Region, _view: View) -> Advice:
    return Advice(f"{_faces(region, f'could not be read: {region.reason}')}.")


_ADVICE: Final[Mapping[str, Callable[[Region, View], Advice]]] = {
    "small-face": _small,
    "extreme-pose": _turned,
    "blurred": _blurred,
    "partial-face": _cut_off,
}
KNOWN_REASONS: Final = frozenset(_ADVICE)


def _faces(region: Region, state: str) -> str:
    """The subject of every sentence: which faces, and how many of those seen there."""
    return f"Faces {region.where} {state} ({region.unread} of {region.faces})"


def share_below(counts: Mapping[int, int], share: float) -> int:
    """The value that this share of all values does not exceed."""
    left = share * sum(counts.values())
    for value, count in sorted(counts.items()):
        left -= count
        if left <= 0:
            return value
    return max(counts)


def distance_m(inter_ocular_px: float, width_px: int, fov_deg: float) -> float:
    """How far a face is that looks into the camera, by the distance of the outer corners of its eyes."""
    focal_px = width_px / 2 / math.tan(math.radians(fov_deg) / 2)
    return INTER_OCULAR_M * focal_px / inter_ocular_px
