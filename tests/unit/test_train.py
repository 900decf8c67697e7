from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace as with_fields

from models import network
from models.canonical import CANONICAL, MIRROR, REGION
from models.dataset import EMOTIONS, NO_MAJORITY, Samples
from models.landmark_set import ALL, LandmarkSet
from models.operating_points import to_json
from models.train import TrainConfig, TrainedModel, landmark_importance, train

SHIPPED_CONFIG = Path(__file__).parents[2] / "models" / "artifacts" / "train.toml"
QUICK = TrainConfig(steps=200, batch=128, even_modes=20, odd_modes=10, hidden=64, landmarks=8)


def samples(seed: int = 0, count: int = 600) -> Samples:
    """Neutral faces, smiles (mouth corners up) and surprise (chin down), with noise everywhere."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, count).astype(np.int32)
    points = CANONICAL + rng.normal(0, 0.01, (count, 468, 3)).astype(np.float32)
    for emotion, region, down in ((1, "mouth corner", -0.1), (2, "chin", 0.1)):
        moving = np.array([name.startswith(region) for name in REGION])
        points[np.ix_(label == emotion, moving, [1])] += down
    return Samples(
        points.astype(np.float32),
        np.eye(8, dtype=np.float32)[label],
        label,
        np.arange(count) % 5 == 0,
        np.full(count, -1, np.int32),
        np.zeros(count, np.int32),
        ("made-up",),
        ALL,
    )


SAMPLES = samples()
FEW = SAMPLES.take(LandmarkSet("mine", np.array([1, 33, 61, 105, 152, 263, 291, 334])))  # trains fast


PROGRESS: list[tuple[int, int, float]] = []


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return train(with_fields(QUICK, landmarks=16), SAMPLES, lambda *event: PROGRESS.append(event))


def accuracy(model: TrainedModel, unseen: Samples) -> float:
    difference = model.landmark_set.take(unseen.points) - model.population_baseline
    return float((network.logits(model.network, difference).argmax(axis=1) == unseen.label).mean())


def test_learns_and_chooses_the_points_that_matter(trained: TrainedModel) -> None:
    assert accuracy(trained, samples(seed=1)) > 0.97
    chosen = {REGION[i] for i in trained.landmark_set.indices}
    assert trained.landmark_set.name == "ig16"
    assert len(trained.landmark_set) == 16
    assert chosen <= {"mouth corner, right", "mouth corner, left", "chin"}


def test_baseline_is_the_mean_neutral_face_of_the_training_part(trained: TrainedModel) -> None:
    neutral = (SAMPLES.label == 0) & ~SAMPLES.validation
    expected = trained.landmark_set.take(SAMPLES.points[neutral]).mean(axis=0)
    np.testing.assert_allclose(trained.population_baseline, expected, atol=1e-6)


def test_logits_are_centred_and_the_radius_lets_real_faces_be(trained: TrainedModel) -> None:
    difference = trained.landmark_set.take(SAMPLES.points) - trained.population_baseline
    logits = network.logits(trained.network, difference)
    np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-4)
    unclipped = network.logits(trained.network._replace(radius=1e9, reach=1e9), difference)
    assert (logits == unclipped).all(axis=1).mean() > 0.99
    assert (network.logits(trained.network, 100 * difference) != 100 * logits).any()


def test_a_mirrored_face_gets_nearly_the_same_answer(trained: TrainedModel) -> None:
    points = trained.landmark_set.take(SAMPLES.points)
    mirrored = trained.landmark_set.take(SAMPLES.points[:, MIRROR] * np.float32([-1, 1, 1]))
    one, other = (
        network.probabilities(trained.network, p - trained.population_baseline) for p in (points, mirrored)
    )
    assert np.abs(one - other).mean() < 0.05


def test_training_is_deterministic() -> None:
    once, again, other = (train(with_fields(QUICK, steps=1, seed=seed), FEW) for seed in (0, 0, 1))
    for first, second in zip(once.network, again.network, strict=True):
        np.testing.assert_array_equal(first, second)
    assert to_json(once.operating_points) == to_json(again.operating_points)
    assert (once.network.w1 != other.network.w1).any()


def test_given_points_are_not_chosen_again() -> None:
    reported: list[tuple[int, int]] = []
    model = train(with_fields(QUICK, steps=60), FEW, lambda step, steps, _: reported.append((step, steps)))
    assert model.landmark_set == FEW.landmark_set
    assert reported == [(60, 60)]


@pytest.mark.usefixtures("trained")
def test_progress_counts_both_trainings() -> None:
    assert [event[:2] for event in PROGRESS] == [(100, 400), (200, 400), (300, 400), (400, 400)]
    losses = [loss for _, _, loss in PROGRESS]
    assert losses[1] < losses[0] < 3
    assert 0 < losses[3] < losses[2]


def test_importance_looks_at_training_faces_only(trained: TrainedModel) -> None:
    few = SAMPLES.take(trained.landmark_set)
    spoilt = few.points.copy()
    spoilt[few.validation] += 1
    before, after = (
        landmark_importance(trained, replace(few, points=points)) for points in (few.points, spoilt)
    )
    np.testing.assert_array_equal(before, after)
    assert (before > 0).all()


def test_source_weights_decide_what_is_learnt() -> None:
    """Two files disagree about the same faces: the one that counts is believed."""
    source = (np.arange(len(FEW)) % 2).astype(np.int32)
    lies = np.where(source == 1, 3, FEW.label).astype(np.int32)
    both = replace(
        FEW,
        label=lies,
        probabilities=np.eye(8, dtype=np.float32)[lies],
        source=source,
        sources=("true", "false"),
    )
    model = train(with_fields(QUICK, source_weights={"false": 0.0}), both)
    assert accuracy(model, SAMPLES) > 0.97
    with pytest.raises(ValueError, match=r"source_weights names \['other'\]"):
        train(with_fields(QUICK, source_weights={"other": 1.0}), both)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: replace(s, validation=np.ones(len(s), np.bool_)), "faces in both parts"),
        (lambda s: replace(s, validation=np.zeros(len(s), np.bool_)), "faces in both parts"),
        (lambda s: replace(s, label=np.full(len(s), NO_MAJORITY, np.int32)), "faces in both parts"),
        (lambda s: replace(s, label=np.ones(len(s), np.int32)), "neutral faces"),
    ],
)
def test_unusable_samples(spoil: Callable[[Samples], Samples], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(QUICK, spoil(SAMPLES))


def test_shipped_configuration_is_readable_and_says_what_the_artifact_is() -> None:
    config = TrainConfig.load(SHIPPED_CONFIG)
    assert (config.name, config.landmarks) == ("mien-128", 128)
    assert len(EMOTIONS) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = 'many'", r"Expected `int`, got `str` - at `\$\.steps`"),
        ("stepz = 3", "unknown field `stepz`"),
        ("steps = 0", "at least 1"),
        ("dropout = 1.0", r"\[0, 1\)"),
        ("not toml", "Invalid|Expected"),
    ],
)
def test_bad_configuration(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"bad\.toml: .*({message})"):
        TrainConfig.load(tmp_path / "bad.toml")


def test_missing_configuration(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TrainConfig.load(tmp_path / "none.toml")
