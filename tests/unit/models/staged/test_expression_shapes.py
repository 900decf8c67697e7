"""Making the portrait's expression shapes from a face model."""

from pathlib import Path

import numpy as np
import pytest

from models.faces.canonical import CANONICAL
from models.staged.expression_scripts import EXPRESSIONS
from models.staged.expression_shapes import PHOTO_SMILE, RECIPES, build_shapes
from models.staged.head_warp import LOWER_LIP, SHAPES_PATH, UPPER_LIP, load_shapes

NAMES = sorted({name for recipe in (PHOTO_SMILE, *RECIPES.values()) for name in recipe})
WHOLE = ("jawOpen", "mouthFunnel", "mouthShrugLower")  # have no left and right


def _face_model(path: Path, names: list[str]) -> Path:
    """A face model in which every shape lowers (y is up) its half of the face, or all, by 0.01 units."""
    parts = [part for n in names for part in ((n,) if n in WHOLE else (f"{n}_L", f"{n}_R"))]
    shapes = np.zeros((len(parts), 468, 3))
    for part, shape in zip(parts, shapes, strict=True):
        left, right = part.endswith("_L"), part.endswith("_R")
        shape[(CANONICAL[:, 0] >= 0) & (not right) | (CANONICAL[:, 0] < 0) & (not left), 1] = -0.01
    np.savez(path, base=CANONICAL * [1, -1, -1], expr=shapes, expr_names=np.array(parts))
    return path


def test_shapes_are_scaled_and_turned_into_the_portrait(tmp_path: Path) -> None:
    out = tmp_path / "shapes.npz"
    build_shapes(_face_model(tmp_path / "model.npz", NAMES), out)
    made, shipped = load_shapes(out), load_shapes()
    assert np.array_equal(made.landmarks_px, shipped.landmarks_px)
    assert set(made.displacements_px) == set(EXPRESSIONS)
    # Every shape lowers the brow (105, on the right) alike, so only the sum of the weights counts.
    unit_px = np.linalg.norm(made.landmarks_px[33] - made.landmarks_px[263])
    for name, recipe in RECIPES.items():
        wanted_px = 0.01 * sum(recipe.values()) * unit_px
        assert made.displacements_px[name][105, 1] == pytest.approx(wanted_px, rel=0.25)


@pytest.mark.parametrize("made", [True, False], ids=["made", "shipped"])
def test_at_rest_the_lips_meet(made: bool, tmp_path: Path) -> None:
    path = SHAPES_PATH
    if made:
        path = tmp_path / "shapes.npz"
        build_shapes(_face_model(tmp_path / "model.npz", NAMES), path)
    rest_px = load_shapes(path).rest_px
    assert rest_px[list(UPPER_LIP[0])] == pytest.approx(rest_px[list(LOWER_LIP[0])], abs=1e-3)
    assert (rest_px[list(LOWER_LIP[-1])] - rest_px[list(UPPER_LIP[-1])])[:, 1].min() > 0


def test_a_face_model_without_a_shape_is_refused(tmp_path: Path) -> None:
    model = _face_model(tmp_path / "model.npz", [n for n in NAMES if n != "browDown"])
    with pytest.raises(ValueError, match=r"model.npz: no expression shape 'browDown_L'"):
        build_shapes(model, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
