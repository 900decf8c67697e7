"""Warped photos: what moves in the picture is what the weights say, and the mesh sees it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.arrays import F32
from models.faces.align import align
from models.faces.canonical import CANONICAL
from models.faces.litert_engine import LiteRtEngine
from models.samples import dataset, photo_warp, warped_photos
from models.samples.expression_sampler import SHAPES
from models.samples.landmark_files import unpack
from models.samples.picture_folders import mesh_of
from models.samples.warped_photos import find_photos, load_shapes, make
from models.staged.portrait import Head

UPPER_LIP, LOWER_LIP, CORNERS, BROWS = 13, 14, (61, 291), (66, 296, 105, 334)


def made_up_shapes() -> F32:
    """Three shapes that move what their names say, smoothly; the others move nothing. [57, 468, 3]."""
    shapes = np.zeros((len(SHAPES), 468, 3), np.float32)

    def bump(points: tuple[int, ...], move: tuple[float, float, float], reach: float) -> F32:
        near = [np.exp(-(np.linalg.norm(CANONICAL - CANONICAL[p], axis=1) ** 2) / reach**2) for p in points]
        return np.asarray(np.max(near, axis=0)[:, None] * np.array(move), np.float32)

    place = {name: i for i, name in enumerate(SHAPES)}
    below = CANONICAL[:, 1] > (CANONICAL[UPPER_LIP, 1] + CANONICAL[LOWER_LIP, 1]) / 2
    shapes[place["jawOpen"]] = bump((LOWER_LIP, 152), (0, 0.3, 0), 0.4) * below[:, None]
    for side, corner in zip("RL", CORNERS, strict=True):
        shapes[place[f"mouthSmile_{side}"]] = bump((corner,), (0, -0.15, 0), 0.2)
    for side, brow in zip("RLRL", BROWS, strict=True):
        shapes[place[f"browInnerUp_{side}"]] += bump((brow,), (0, -0.08, 0), 0.15)
    return shapes


def weights(**actions: float) -> F32:
    return np.array(
        [actions.get(name.removesuffix("_L").removesuffix("_R"), 0.0) for name in SHAPES], np.float32
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(Head(1.2).draw({})).save(folder / "ann.png")
    (folder / "ben").mkdir()
    (folder / "ben" / "1.jpg").write_bytes(b"no picture")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "cem.png")
    return folder


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as engine:
        yield engine


@pytest.fixture(scope="module")
def made(photos: Path, engine: LiteRtEngine) -> warped_photos.Warped:
    return make(find_photos(photos), made_up_shapes(), engine, max_pixels=10**7, seed=3)


def test_what_the_mesh_sees_moves_as_the_weights_say(photos: Path, engine: LiteRtEngine) -> None:
    picture = np.array(Image.open(photos / "ann.png"))
    landmarks_px = mesh_of(picture, engine)
    assert landmarks_px is not None
    photo = photo_warp.prepare(picture, landmarks_px)
    rotation = align(photo.landmarks_px[None])
    to_picture = rotation.rotation[0].T * rotation.scale[0]

    def seen(**actions: float) -> F32:
        moves = np.einsum("e,epx->px", weights(**actions), made_up_shapes()) @ to_picture
        mesh = mesh_of(photo_warp.warp(photo, moves[:, :2].astype(np.float32), teeth=True), engine)
        assert mesh is not None
        return np.asarray(align(mesh[None]).points[0])

    rest = seen()
    assert np.sqrt(np.square(rest - align(landmarks_px[None]).points[0]).sum(-1).mean()) < 0.01
    opened = seen(jawOpen=1.0) - rest
    assert opened[LOWER_LIP, 1] - opened[UPPER_LIP, 1] > 0.1
    smiles = [(seen(mouthSmile=weight) - rest)[list(CORNERS), 1].mean() for weight in (0.3, 0.6, 1.0)]
    assert 0 > smiles[0] > smiles[1] > smiles[2]
    assert (seen(browInnerUp=1.0) - rest)[list(BROWS), 1].mean() < -0.02


def test_an_opening_mouth_is_dark_below_its_teeth_and_the_surroundings_hold_still(
    photos: Path, engine: LiteRtEngine
) -> None:
    picture = np.array(Image.open(photos / "ann.png"))
    landmarks_px = mesh_of(picture, engine)
    assert landmarks_px is not None
    photo = photo_warp.prepare(picture, landmarks_px)
    moves = np.zeros((468, 2), np.float32)
    lower = sorted(set(photo_warp.LOWER_INNER_LIP) - set(photo_warp.UPPER_INNER_LIP))
    moves[lower, 1] = 12
    still = photo_warp.warp(photo, np.zeros_like(moves), teeth=False)
    assert np.array_equal(still, photo.picture_rgb)
    with_teeth, without = (photo_warp.warp(photo, moves, teeth=teeth) for teeth in (True, False))

    x, y = np.rint(photo.landmarks_px[LOWER_LIP, :2]).astype(int)
    assert without[y + 8, x].max() < 90
    assert with_teeth[y + 2, x].astype(int).sum() > without[y + 2, x].astype(int).sum() + 150
    side = len(still)
    border = np.ones((side, side), bool)
    border[side // 8 : -side // 8, side // 8 : -side // 8] = False
    assert np.array_equal(without[border], still[border])


def test_a_person_shows_everything_and_training_reads_it(made: warped_photos.Warped, tmp_path: Path) -> None:
    arrays = made.arrays
    assert made.lost == 0
    assert {path.name: why for path, why in made.left_out} == {"1.jpg": "not-a-picture", "cem.png": "no face"}
    assert arrays["tag"].tolist() == [""] * 4 + ["speech"] * 3 + ["blink"] + [""] * 14
    assert arrays["label"].tolist() == ["neutral"] * 8 + [e for e in warped_photos.EXPRESSIONS for _ in "12"]
    assert set(arrays["subject"]) == {"ann"}
    assert arrays["weights"].shape == (22, 57)
    assert arrays["weights"].dtype == np.float16
    assert arrays["weight_names"].tolist() == list(SHAPES)
    np.savez(tmp_path / "warped.npz", **arrays)
    samples = dataset.load([tmp_path / "warped.npz"])
    assert len(samples) == 22
    assert np.bincount(samples.label).tolist() == [8, 2, 2, 2, 2, 2, 2, 2]

    jaw = arrays["weights"][:, SHAPES.index("jawOpen")].astype(float)
    gap = samples.points[:, LOWER_LIP, 1] - samples.points[:, UPPER_LIP, 1]
    assert np.corrcoef(jaw, gap)[0, 1] > 0.6


def test_the_same_seed_makes_the_same_faces_whoever_else_is_there(
    made: warped_photos.Warped, photos: Path, engine: LiteRtEngine
) -> None:
    alone = {"ann": [photos / "ann.png"]}
    again = make(alone, made_up_shapes(), engine, max_pixels=10**7, seed=3)
    assert all(np.array_equal(made.arrays[name], again.arrays[name]) for name in made.arrays)
    assert np.isfinite(unpack(again.arrays)).all()
    rng = np.random.default_rng
    assert not np.array_equal(warped_photos.draw(rng(1))[9].weights, warped_photos.draw(rng(2))[9].weights)


def test_speech_moves_the_mouth_and_a_blink_the_lids() -> None:
    rows = [row for seed in range(50) for row in warped_photos.draw(np.random.default_rng(seed))]
    for row in rows:
        moved = {name for name, weight in zip(SHAPES, row.weights, strict=True) if weight > 0.2}
        if row.tag == "blink":
            assert {"eyeBlink_L", "eyeBlink_R"} <= moved <= {
                "eyeBlink_L", "eyeBlink_R", "eyeLookDown_L", "eyeLookDown_R",
            }  # fmt: skip
        elif row.tag == "speech":
            assert all(name.startswith(("mouth", "jaw")) for name in moved)
        elif row.label == "neutral":
            assert not moved


def test_folders_without_photos_are_told(tmp_path: Path, photos: Path) -> None:
    assert list(find_photos(photos)) == ["ann", "ben", "cem"]
    with pytest.raises(FileNotFoundError):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no photos .*PERSON\.jpg"):
        find_photos(tmp_path)
    (tmp_path / "ann.png").touch()
    (tmp_path / "ann.jpg").touch()
    with pytest.raises(ValueError, match="another photo or folder of 'ann'"):
        find_photos(tmp_path)


def test_shapes_come_in_our_order_and_missing_ones_are_told(tmp_path: Path) -> None:
    names = list(SHAPES)[::-1]
    base = CANONICAL * np.float32(10) * np.array([1, -1, -1], np.float32)
    expr = np.zeros((57, 468, 3), np.float32)
    expr[names.index("jawOpen"), :, 1] = -1
    np.savez(tmp_path / "ict.npz", expr=expr, expr_names=names, base=base)
    shapes = load_shapes(tmp_path / "ict.npz")
    assert shapes[SHAPES.index("jawOpen"), :, 1] == pytest.approx(0.1, rel=0.01)
    assert np.count_nonzero(np.abs(shapes).sum((1, 2))) == 1

    np.savez(tmp_path / "few.npz", expr=expr[:50], expr_names=names[:50], base=base)
    with pytest.raises(ValueError, match=r"few\.npz: the file of expression shapes lacks .*PupilDilate_L"):
        load_shapes(tmp_path / "few.npz")
    np.savez(tmp_path / "other.npz", q=expr)
    with pytest.raises(ValueError, match=r"other\.npz: base, expr, expr_names missing"):
        load_shapes(tmp_path / "other.npz")
