from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import warped_file
from numpy.typing import NDArray

from models.faces.canonical import CANONICAL
from models.faces.landmark_set import ALL, LandmarkSet
from models.samples.dataset import EMOTIONS, NO_MAJORITY, join, load, synthetic_people
from models.samples.expression_sampler import SHAPES
from models.samples.landmark_files import read
from models.samples.own_neutral import means_of_others
from models.samples.synthetic_faces import RECIPES

VOTE_CLASSES = [*EMOTIONS, "unknown", "NF"]


def meshes(count: int) -> dict[str, NDArray[Any]]:
    """Canonical faces of different sizes, places and slight deformations, stored as the real files are."""
    rng = np.random.default_rng(count)
    pixels = 80 * (CANONICAL + rng.normal(0, 0.01, (count, 468, 3))) + rng.uniform(50, 400, (count, 1, 3))
    offset = pixels.mean(axis=1)
    scale = np.full(count, 0.005)
    q = np.round((pixels - offset[:, None]) / scale[:, None, None]).astype(np.int16)
    return {"q": q, "scale": scale.astype(np.float32), "offset": offset.astype(np.float32)}


def save_votes(path: Path, votes: list[dict[str, int]], split: list[str]) -> Path:
    table = [[vote.get(name, 0) for name in VOTE_CLASSES] for vote in votes]
    np.savez(
        path, **meshes(len(votes)), votes=np.array(table, np.int8), split=split, vote_classes=VOTE_CLASSES
    )
    return path


def save_labels(path: Path, label: list[str], subject: list[int] | list[str]) -> Path:
    np.savez(path, **meshes(len(label)), label=label, subject=np.array(subject))
    return path


def save_shapes(path: Path) -> Path:
    actions = sorted({action for recipes in RECIPES.values() for recipe in recipes for action in recipe})
    expr = np.random.default_rng(0).normal(0, 0.05, (len(actions), 468, 3)).astype(np.float32)
    np.savez(path, expr=expr, base=CANONICAL * np.array([9, -9, -9]), expr_names=actions)
    return path


def test_votes_become_soft_labels(tmp_path: Path) -> None:
    path = save_votes(
        tmp_path / "votes.npz",
        [
            {"happiness": 7, "neutral": 3},
            {"anger": 4, "fear": 4, "unknown": 2},
            {"sadness": 6, "NF": 4},
            {"NF": 6, "sadness": 4},  # not a face: left out
        ],
        ["train", "train", "validation", "train"],
    )
    samples = load([path])
    assert len(samples) == 3
    assert samples.sources == ("votes",)
    named = [dict(zip(EMOTIONS, row, strict=True)) for row in samples.probabilities.tolist()]
    assert named[0]["happiness"] == pytest.approx(0.7)
    assert named[0]["neutral"] == pytest.approx(0.3)
    assert named[1]["anger"] == named[1]["fear"] == pytest.approx(0.5)
    assert named[2]["sadness"] == 1
    assert samples.label.tolist() == [EMOTIONS.index("happiness"), NO_MAJORITY, EMOTIONS.index("sadness")]
    assert samples.validation.tolist() == [False, False, True]


def test_points_are_aligned(tmp_path: Path) -> None:
    path = save_votes(tmp_path / "votes.npz", [{"neutral": 1}] * 3, ["train"] * 3)
    points = load([path]).points
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, np.broadcast_to(CANONICAL, points.shape), atol=0.06)
    np.testing.assert_allclose(points.mean(axis=1), 0, atol=1e-5)


def test_validation_is_disjoint_in_subjects(tmp_path: Path) -> None:
    subject = [i // 3 for i in range(120)]
    path = save_labels(tmp_path / "labels.npz", ["neutral"] * 120, subject)
    validation = load([path]).validation
    by_person = validation.reshape(40, 3)
    assert (by_person.all(axis=1) == by_person.any(axis=1)).all()
    assert by_person[:, 0].sum() == 4
    np.testing.assert_array_equal(load([path]).validation, validation)
    assert (load([path], seed=1).validation != validation).any()


def test_one_judge_is_not_trusted_wholly(tmp_path: Path) -> None:
    samples = load([save_labels(tmp_path / "labels.npz", ["fear", "neutral"], [0, 1])])
    assert samples.label.tolist() == [EMOTIONS.index("fear"), 0]
    np.testing.assert_allclose(samples.probabilities.max(axis=1), 0.9125)
    np.testing.assert_allclose(samples.probabilities.sum(axis=1), 1, rtol=1e-6)


def test_expression_shapes_are_posed_on_training_faces(tmp_path: Path) -> None:
    votes = save_votes(tmp_path / "votes.npz", [{"neutral": 1}] * 90, ["train"] * 80 + ["validation"] * 10)
    samples = load([save_shapes(tmp_path / "shapes.npz"), votes], synthetic_share=0.2)
    assert samples.sources == ("votes", "shapes")
    synthetic = samples.source == 1
    assert synthetic.sum() == 20  # a fifth of all 100 training faces
    assert not samples.validation[synthetic].any()
    assert set(samples.label[synthetic]) == set(range(8))
    with pytest.raises(ValueError, match="at least one file of labelled faces"):
        load([tmp_path / "shapes.npz"])


def test_people_are_numbered_through_all_files(tmp_path: Path) -> None:
    first = save_labels(tmp_path / "first.npz", ["neutral"] * 4, [7, -1, 7, 3])
    second = save_labels(tmp_path / "second.npz", ["neutral"] * 3, ["ann", "", "bob"])
    votes = save_votes(tmp_path / "votes.npz", [{"neutral": 1}] * 2, ["train"] * 2)
    samples = load([first, votes, second])
    assert samples.subject.dtype == np.int32
    assert samples.subject.tolist() == [1, -1, 1, 0, -1, -1, 2, -1, 3]


def test_faces_of_unknown_people_are_split_one_by_one(tmp_path: Path) -> None:
    validation = load([save_labels(tmp_path / "labels.npz", ["fear"] * 100, [-1] * 100)]).validation
    assert validation.sum() == 10


def test_synthetic_people_have_their_own_neutral_face(tmp_path: Path) -> None:
    labels = save_labels(tmp_path / "labels.npz", ["neutral"] * 100, [i // 2 for i in range(100)])
    samples = load([save_shapes(tmp_path / "shapes.npz"), labels], synthetic_share=0.2)
    synthetic = samples.source == 1
    assert synthetic.sum() == 22
    assert not set(samples.subject[synthetic]) & set(samples.subject[~synthetic])
    assert (means_of_others(samples)[1] > 0).all()


def test_held_out_synthetic_people_start_from_held_out_faces(tmp_path: Path) -> None:
    labels = save_labels(tmp_path / "labels.npz", ["neutral"] * 100, [i // 2 for i in range(100)])
    real = load([labels])
    shapes = read(save_shapes(tmp_path / "shapes.npz"))
    still = {**shapes, "expr": np.zeros_like(shapes["expr"])}  # what is left is who it is
    people = synthetic_people("posed", still, [real], 180, held_out=True, seed=0)
    assert people.validation.all()
    assert np.bincount(people.subject).tolist() == [9] * 20
    for person in range(20):
        mean = people.points[people.subject == person].mean(axis=0)
        distance = np.square(real.points - mean).sum(axis=(1, 2))
        assert real.validation[distance.argmin()]
    both = join([real, people])
    assert both.sources == ("labels", "posed")
    assert (both.source == 1).sum() == 180
    assert both.subject[100:].min() == 50


def test_a_broken_file_of_shapes_is_named(tmp_path: Path) -> None:
    labels = save_labels(tmp_path / "labels.npz", ["neutral"] * 20, [-1] * 20)
    np.savez(tmp_path / "bad.npz", expr=np.zeros((1, 468, 3)), base=CANONICAL)
    with pytest.raises(ValueError, match=r"bad\.npz: the array 'expr_names' is missing"):
        load([labels, tmp_path / "bad.npz"])
    np.savez(tmp_path / "few.npz", expr=np.zeros((1, 468, 3)), base=CANONICAL, expr_names=["jawOpen"])
    with pytest.raises(ValueError, match=r"few\.npz: .*lacks"):
        load([labels, tmp_path / "few.npz"], synthetic_share=0.5)


def test_no_share_no_synthetic_people(tmp_path: Path) -> None:
    votes = save_votes(tmp_path / "votes.npz", [{"neutral": 1}] * 9, ["train"] * 9)
    samples = load([votes, save_shapes(tmp_path / "shapes.npz")], synthetic_share=0)
    assert len(samples) == 9
    assert samples.sources == ("votes", "shapes")


def test_a_folder_is_read_as_it_is_told(tmp_path: Path) -> None:
    save_labels(tmp_path / "labels.npz", ["fear"], ["ann"])
    (tmp_path / "pictures").mkdir()
    samples = load([tmp_path / "pictures"], read_folder=lambda folder: read(folder.parent / "labels.npz"))
    assert samples.sources == ("pictures",)
    assert samples.label.tolist() == [EMOTIONS.index("fear")]
    with pytest.raises(ValueError, match="a folder of pictures"):
        load([tmp_path / "pictures"])


def test_a_landmark_set_is_taken(tmp_path: Path) -> None:
    path = save_votes(tmp_path / "votes.npz", [{"neutral": 1}] * 2, ["train"] * 2)
    few = LandmarkSet("few", np.array([1, 61, 291]))
    samples, every = load([path], few), load([path])
    assert every.landmark_set == ALL
    assert samples.landmark_set == few
    np.testing.assert_array_equal(samples.points, every.points[:, [1, 61, 291]])
    with pytest.raises(ValueError, match="load all points"):
        samples.take(few)


def test_no_files() -> None:
    with pytest.raises(ValueError, match="at least one"):
        load([])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load([tmp_path / "none.npz"])


@pytest.mark.parametrize("content", [b"", b"some text", b"PK\x03\x04 and no more"])
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.npz: not an \.npz file"):
        load([tmp_path / "bad.npz"])


def test_a_single_array(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"one\.npy: not an \.npz file"):
        load([tmp_path / "one.npy"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(1)}, "no known kind"),
        ({"label": np.array(["fear"])}, "'q' is missing"),
        (meshes(1) | {"label": np.array(["joy"]), "subject": np.array([0])}, "unknown label 'joy'"),
        (meshes(2) | {"label": np.array(["fear"]), "subject": np.array([0])}, "2 faces, 1 labels"),
        (meshes(1) | {"label": np.array(["fear"])}, "'subject' is missing"),
        (
            {"q": np.zeros((1, 478, 3)), "scale": np.ones(1), "offset": np.zeros((1, 3)), "label": ["fear"]},
            "q must",
        ),
        (meshes(1) | {"scale": np.ones(2), "label": np.array(["fear"])}, "do not fit q"),
        (
            meshes(1) | {"votes": np.ones((1, 1)), "vote_classes": ["joy"], "split": ["train"]},
            "a column for each emotion",
        ),
        (meshes(1) | {"q": np.zeros((1, 468, 3)), "label": ["fear"], "subject": [0]}, "coincide"),
    ],
)
def test_inconsistent_files(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=rf"bad\.npz: .*{message}"):
        load([tmp_path / "bad.npz"])


def test_synthetic_share_must_be_a_share(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        load([tmp_path / "none.npz"], synthetic_share=1.0)


def test_warped_photos_are_a_kind_of_their_own_and_none_is_held_out(tmp_path: Path) -> None:
    labels = save_labels(tmp_path / "labels.npz", ["neutral", "anger"] * 20, list(range(40)))
    paths = [warped_file(tmp_path / "warped.npz", 5), labels, save_shapes(tmp_path / "shapes.npz")]
    samples = load(paths, synthetic_share=0.5)
    assert samples.sources == ("warped", "labels", "shapes")
    assert samples.kinds == ("warped", "real", "synthetic")
    warped = samples.only(samples.of_kind("warped"))
    assert len(warped) == 5 * 22
    assert not warped.validation.any()
    assert warped.tag[:8].tolist() == ["", "", "", "", "speech", "speech", "speech", "blink"]
    jaw = warped.shape_weights[:, SHAPES.index("jawOpen")]
    assert (jaw[warped.tag == "speech"] >= 0.09).all()  # whatever the order in the file
    others = samples.only(samples.of_kind("real", "synthetic"))
    assert (others.tag == "").all()
    assert not others.shape_weights.any()
    assert len(samples.only(samples.of_kind("synthetic"))) == 36  # as many as real training faces


def test_a_file_of_warped_photos_names_its_shapes(tmp_path: Path) -> None:
    arrays = dict(np.load(warped_file(tmp_path / "warped.npz", 2)))
    np.savez(tmp_path / "few.npz", **arrays | {"weights": arrays["weights"][:, 1:]})
    with pytest.raises(ValueError, match=r"few\.npz: expected weights \[44, 57\], not \[44, 56\]"):
        load([tmp_path / "few.npz"])
    np.savez(
        tmp_path / "other.npz",
        **arrays | {"weights": arrays["weights"][:, 1:], "weight_names": arrays["weight_names"][1:]},
    )
    with pytest.raises(ValueError, match=r"other\.npz: the weights lack the shape 'noseSneer_R'"):
        load([tmp_path / "other.npz"])
