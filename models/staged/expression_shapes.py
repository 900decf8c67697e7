"""Makes `expression_shapes.npz`, the shapes that `models.staged.portrait` moves the portrait with.

Needed only to change the demo's expressions, not to run it:

    from models.staged.expression_shapes import build_shapes
    build_shapes(Path("ict-facekit.npz"), SHAPES_PATH)

The portrait's mesh, `landmarks_px` in the file, was measured once with mediapipe 0.10.21: FaceMesh
(`static_image_mode`, no refinement) on five crops of `skimage.data.astronaut()`, enlarged with
`cv2.INTER_CUBIC`, and the mean of the five in px of the portrait. The crops are squares (x, y, side, factor):
(100, 20, 250, 3), (120, 30, 210, 3), (80, 0, 300, 2.5), (110, 40, 200, 4) and (60, 0, 340, 2); they differ
by 0.2 px (standard deviation, mean over the points).

Expressions are mixtures of the FACS-based shapes of ICT-FaceKit (https://github.com/ICT-VGL/ICT-FaceKit,
MIT licence, © 2020 USC ICT) at MediaPipe's 468 points, turned and scaled into the portrait.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.arrays import F64
from models.faces.align import align
from models.staged.expression_scripts import EXPRESSIONS
from models.staged.head_warp import INNER_CORNERS, LOWER_LIP, UPPER_LIP, load_shapes

RECIPES: Final[dict[str, dict[str, float]]] = {
    "surprise": {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.9, "jawOpen": 0.7, "mouthFunnel": 0.4},
    "sadness": {
        "browInnerUp": 1.0,
        "browDown": 0.4,
        "eyeSquint": 0.8,
        "eyeBlink": 0.2,
        "mouthFrown": 2.0,
        "mouthShrugLower": 0.5,
    },
    "anger": {
        "browDown": 2.0,
        "noseSneer": 1.0,
        "eyeSquint": 0.7,
        "jawOpen": 0.5,
        "mouthStretch": 0.4,
        "mouthLowerDown": 0.6,
        "mouthUpperUp": 0.4,
        "mouthFrown": 2.0,
        "mouthFunnel": 0.2,
    },
}
"""Weight of each ICT shape, on both sides of the face: the muscles of the emotion (FACS), as strong as
still looks human. Anger shouts, as most of it does in FERPlus; the first model took a grim closed mouth for
neutral. Sadness is what people call a sad face (inner brows up, corners down, chin raised), which that model
does not see."""

PHOTO_SMILE: Final[dict[str, float]] = {
    "mouthSmile": 0.9,
    "mouthUpperUp": 0.4,
    "mouthStretch": 0.3,
    "mouthDimple": 0.3,
    "noseSneer": 0.15,
    "browInnerUp": 0.4,
    "eyeWide": 0.25,
    "mouthFrown": -0.8,
}
"""What the portrait's smile is made of: a bounded least-squares fit of identity and expression to its mesh
gave the first four at 0.6 of these; raised by eye until the face at rest looks at rest. Lowering the
corners (`mouthFrown`) is part of it, because the fit takes a smiling mouth for its natural shape."""

_LIP_PARTING = 0.55  # share of the gap between the photographed lips that the upper lip closes
_LIP_FULLNESS_PX = 0.9  # a smile thins the lips; at rest their outer edge is this much further out


def build_shapes(ict_path: Path, out: Path, landmarks_px: NDArray[np.float32] | None = None) -> None:
    """Write the shapes to `out`.

    `ict_path`: .npz with `base` [468, 3], `expr` [M, 468, 3] (y up, z to the camera) and `expr_names` [M].
    `landmarks_px` [468, 3]: the portrait's mesh; by default the one in the present file.
    Raises OSError when a file cannot be read or written, ValueError when a shape is missing.
    """
    landmarks_px = load_shapes().landmarks_px if landmarks_px is None else landmarks_px
    photo_px = landmarks_px[:, :2].astype(np.float64)
    alignment = align(landmarks_px[None])
    with np.load(ict_path) as z:
        ict: dict[str, Any] = {name: z[name] for name in ("base", "expr", "expr_names")}
    axes = np.array([1, -1, -1])
    unit = np.linalg.norm(ict["base"][33] - ict["base"][263])
    to_picture = alignment.rotation[0].T * alignment.scale[0] / unit

    shape_of = dict(zip(ict["expr_names"].tolist(), ict["expr"] * axes, strict=True))

    def mix(recipe: dict[str, float]) -> F64:
        total = np.zeros((468, 3))
        for name, weight in recipe.items():
            for part in (name,) if name in shape_of else (f"{name}_L", f"{name}_R"):
                if part not in shape_of:
                    raise ValueError(f"{ict_path}: no expression shape {part!r}")
                total += weight * shape_of[part]
        return _smooth_along_lips(np.asarray((total @ to_picture)[:, :2]), photo_px)

    rest_px = _close_mouth(photo_px - mix(PHOTO_SMILE))
    displacements = {"happiness": photo_px - rest_px} | {
        name: mix(recipe) for name, recipe in RECIPES.items()
    }
    np.savez_compressed(
        out,
        landmarks_px=landmarks_px.astype(np.float32),
        expressions=np.array(EXPRESSIONS),
        displacements_px=np.stack([displacements[e] for e in EXPRESSIONS]).astype(np.float32),
    )


def _smooth_along_lips(displacement: F64, points: F64) -> F64:
    """Keep what is smooth along each row of lip points: the picture is coarse and a kink would show."""
    smooth = displacement.copy()
    for row in (*UPPER_LIP, *LOWER_LIP):
        ends = [INNER_CORNERS[0], *row, INNER_CORNERS[1]]
        for axis in (0, 1):
            cubic = np.polyfit(points[ends, 0], displacement[ends, axis], 4)
            smooth[list(row), axis] = np.polyval(cubic, points[list(row), 0])
    return smooth


def _close_mouth(points: F64) -> F64:
    """Bring the inner edges of the lips together on one smooth line, and the rest of the lips with them."""
    closed = points.copy()
    upper, lower = points[list(UPPER_LIP[0])], points[list(LOWER_LIP[0])]
    meeting = upper + _LIP_PARTING * (lower - upper)
    line = np.concatenate([points[[INNER_CORNERS[0]]], meeting, points[[INNER_CORNERS[1]]]])
    meeting[:, 1] = np.polyval(np.polyfit(line[:, 0], line[:, 1], 2), meeting[:, 0])
    middle = np.sin(np.linspace(0, np.pi, len(meeting) + 2)[1:-1])
    for rows, edge, outwards in ((UPPER_LIP, upper, -1), (LOWER_LIP, lower, 1)):
        for i, row in enumerate(rows):
            closed[list(row)] += meeting - edge
            closed[list(row), 1] += outwards * _LIP_FULLNESS_PX * middle * i / (len(rows) - 1)
    return closed
