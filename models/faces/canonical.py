"""The canonical face: the frame in which all landmarks are compared.

The points are MediaPipe's canonical face model (`canonical_face_model.obj`, Apache-2.0), turned to the
picture's axes: x right, y down, z away from the camera, so that a frontal face has rotation = identity.
Centred on the mean of the points; the unit is the distance of the outer eye corners.
Left and right are the subject's own: the right eye lies at x < 0.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

POINTS: Final = 468
RIGHT_EYE_OUTER: Final = 33
LEFT_EYE_OUTER: Final = 263

_REGIONS: dict[str, tuple[str, bool, str]] = {
    # name: (coarse region, has a side, the points of the subject's right half and of the midline)
    "mouth corner": (
        "mouth",
        True,
        "57 61 62 76 78",
    ),
    "upper lip": (
        "mouth",
        False,
        "0 11 12 13 37 38 39 40 41 42 72 73 74 80 81 82 92 164 165 167 183 184 185 186 191",
    ),
    "lower lip": (
        "mouth",
        False,
        "14 15 16 17 18 43 77 83 84 85 86 87 88 89 90 91 95 96 106 146 178 179 180 181 182",
    ),
    "cheek": (
        "cheeks",
        True,
        "35 36 50 93 100 101 111 116 117 118 119 120 121 123 137 142 147 177 187 192 203 205 206 207 "
        "212 213 216 227 234",
    ),
    "eye corner, outer": (
        "eyes",
        True,
        "33 130",
    ),
    "eye corner, inner": (
        "eyes",
        True,
        "133 243 244",
    ),
    "eyelid, upper": (
        "eyes",
        True,
        "27 28 29 30 56 113 157 158 159 160 161 173 189 190 221 222 223 224 225 246 247",
    ),
    "eyelid, lower": (
        "eyes",
        True,
        "7 22 23 24 25 26 31 110 112 144 145 153 154 155 163 226 228 229 230 231 232 233",
    ),
    "brow": (
        "brows",
        True,
        "46 52 53 55 63 65 66 70 105 107 124",
    ),
    "between the brows": (
        "brows",
        False,
        "8 9 193",
    ),
    "nose": (
        "nose",
        False,
        "1 2 3 4 5 6 19 20 44 45 47 48 49 51 59 60 64 75 79 94 97 98 99 102 114 115 122 125 126 128 "
        "129 131 134 141 166 168 174 188 195 196 197 198 209 217 218 219 220 235 236 237 238 239 240 "
        "241 242 245",
    ),
    "jaw": (
        "jaw",
        True,
        "58 132 135 136 138 149 150 169 170 172 210 214 215",
    ),
    "chin": (
        "jaw",
        False,
        "32 140 148 152 171 175 176 194 199 200 201 202 204 208 211",
    ),
    "forehead": (
        "forehead",
        False,
        "10 21 54 67 68 69 71 103 104 108 109 151",
    ),
    "temple": (
        "forehead",
        True,
        "34 127 139 143 156 162",
    ),
}


def _load_points() -> NDArray[np.float32]:
    with np.load(Path(__file__).with_name("canonical_face.npz"), allow_pickle=False) as stored:
        points: NDArray[np.float32] = stored["points"]
    points.setflags(write=False)
    return points


def _find_mirror(points: NDArray[np.float32]) -> NDArray[np.int32]:
    """For each point the nearest one to its mirror image; the canonical face is exactly symmetric."""
    distance = np.linalg.norm(points[:, None] * np.array([-1, 1, 1]) - points[None], axis=-1)
    mirror: NDArray[np.int32] = distance.argmin(axis=1).astype(np.int32)
    mirror.setflags(write=False)
    return mirror


def _name_points() -> tuple[tuple[str, ...], tuple[str, ...]]:
    fine, coarse = [""] * POINTS, [""] * POINTS
    for name, (region, sided, right_half) in _REGIONS.items():
        for right in map(int, right_half.split()):
            left = int(MIRROR[right])
            fine[left] = f"{name}, left" if sided else name
            fine[right] = f"{name}, right" if sided else name
            coarse[left] = coarse[right] = region
    return tuple(fine), tuple(coarse)


CANONICAL: Final = _load_points()
"""float32 [468, 3]: the canonical face."""

MIRROR: Final = _find_mirror(CANONICAL)
"""int32 [468]: the mirror twin of each point; a point on the midline is its own."""

_NAMES = _name_points()

REGION: Final = _NAMES[0]
"""The region of each of the 468 points, such as "mouth corner, right"."""

COARSE_REGION: Final = _NAMES[1]
"""The coarse region of each of the 468 points, such as "mouth"."""

COARSE_REGIONS: Final = tuple(dict.fromkeys(coarse for coarse, _, _ in _REGIONS.values()))
"""mouth, cheeks, eyes, brows, nose, jaw, forehead."""
