from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import samples_of
from msgspec.structs import replace as with_fields

from models.emotion.operating_points import to_json
from models.faces.canonical import CANONICAL, MIRROR, REGION
from models.faces.landmark_set import ALL, LandmarkSet
from models.samples.dataset import EMOTIONS, NO_MAJORITY, Samples
from models.samples.own_neutral import own_neutral_faces
from models.training import network
from models.training.training_recipe import (
    Teaching,
    TrainConfig,
    TrainedModel,
    informed_importance,
    landmark_importance,
    train,
)

SHIPPED_CONFIG = Path(__file__).parents[4] / "models" / "artifacts" / "train.toml"
QUICK = TrainConfig(steps=200, batch=128, even_modes=20, odd_modes=10, hidden=32, landmarks=8)
TAUGHT = with_fields(
    QUICK,
    landmarks=16,
    selection="informed",
    teaching=Teaching(count=2, steps=100, hidden=(16, 8), blends=500),
)


def samples(seed: int = 0, count: int = 600) -> Samples:
    """Neutral faces, smiles (mouth corners up) and surprise (chin down), with noise everywhere."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, count).astype(np.int32)
    points = CANONICAL + rng.normal(0, 0.01, (count, 468, 3)).astype(np.float32)
    for emotion, region, down in ((1, "mouth corner", -0.1), (2, "chin", 0.1)):
        moving = np.array([name.startswith(region) for name in REGION])
        points[np.ix_(label == emotion, moving, [1])] += down
    return samples_of(points, label, validation=np.arange(count) % 5 == 0)


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


def test_points_that_were_chosen_before_are_not_chosen_again() -> None:
    points = tuple(FEW.landmark_set.indices.tolist())
    steps: list[int] = []
    config = with_fields(QUICK, steps=2, landmarks=len(points), points=points)
    model = train(config, SAMPLES, lambda _, all_steps, __: steps.append(all_steps))
    assert tuple(model.landmark_set.indices.tolist()) == points
    assert model.landmark_set.name == f"ig{len(points)}"
    assert set(steps) == {2}  # one network, none to choose by


def test_baseline_is_the_mean_neutral_face_of_the_training_part(trained: TrainedModel) -> None:
    neutral = (SAMPLES.label == 0) & ~SAMPLES.validation
    mean = SAMPLES.points[neutral].mean(axis=0)
    both = np.stack([mean, mean[MIRROR] * np.float32([-1, 1, 1])])  # and of their mirror images
    expected = trained.landmark_set.take(both).mean(axis=0)
    np.testing.assert_allclose(trained.population_baseline, expected, atol=1e-6)


def test_logits_are_centred_and_the_radius_lets_real_faces_be(trained: TrainedModel) -> None:
    difference = trained.landmark_set.take(SAMPLES.points) - trained.population_baseline
    logits = network.logits(trained.network, difference)
    np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-4)
    unclipped = network.logits(trained.network._replace(radius=1e9, reach=1e9), difference)
    assert (logits == unclipped).all(axis=1).mean() > 0.99
    assert (network.logits(trained.network, 100 * difference) != 100 * logits).any()


def test_a_mirrored_face_gets_the_same_answer(trained: TrainedModel) -> None:
    points = trained.landmark_set.take(SAMPLES.points)
    mirrored = trained.landmark_set.take(SAMPLES.points[:, MIRROR] * np.float32([-1, 1, 1]))
    one, other = (
        network.probabilities(trained.network, p - trained.population_baseline) for p in (points, mirrored)
    )
    np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("teaching", [Teaching(), Teaching(count=1, steps=1, hidden=(4,), blends=50)])
def test_training_is_deterministic(teaching: Teaching) -> None:
    once, again, other = (
        train(with_fields(QUICK, steps=1, seed=seed, teaching=teaching), FEW) for seed in (0, 0, 1)
    )
    for first, second in zip(once.network, again.network, strict=True):
        np.testing.assert_array_equal(first, second)
    assert to_json(once.operating_points) == to_json(again.operating_points)
    assert (once.network.w1 != other.network.w1).any()


def test_a_student_of_teachers_learns_and_its_points_are_those_that_tell_most() -> None:
    reported: list[tuple[int, int]] = []
    taught = train(TAUGHT, SAMPLES, lambda step, steps, _: reported.append((step, steps)))
    assert accuracy(taught, samples(seed=1)) > 0.97
    assert taught.landmark_set.name == "informed16"
    regions = {REGION[i] for i in taught.landmark_set.indices}
    assert "chin" in regions
    assert any(region.startswith("mouth corner") for region in regions)
    assert reported == [(step, 600) for step in range(100, 601, 100)]  # two teachers, two students


def test_own_neutral_faces_are_learnt_from_too() -> None:
    """Everyone's resting face is another: only the change from one's own tells the smile."""
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(100), 4).astype(np.int32)
    label = np.tile([0, 0, 1, 1], 100).astype(np.int32)
    points = np.repeat(CANONICAL[None], 400, axis=0) + rng.normal(0, 0.001, (400, 468, 3))
    corners = [61, 291]
    points[:, corners, 1] += np.repeat(rng.normal(0, 0.1, 100), 4)[:, None] - 0.08 * (label == 1)[:, None]
    people = samples_of(points, label, validation=subject % 5 == 0, subject=subject).take(
        LandmarkSet("mine", np.array([1, 33, 61, 105, 152, 263, 291, 334]))
    )
    model = train(QUICK, people)
    own, known = own_neutral_faces(people)
    assert known.all()
    with_own, without = (
        (network.logits(model.network, people.points - neutral).argmax(axis=1) == people.label).mean()
        for neutral in (own, model.population_baseline)
    )
    assert with_own > 0.8 > without + 0.05


def test_one_file_can_calibrate() -> None:
    source = (np.arange(len(FEW)) % 2).astype(np.int32)
    wrong = FEW.validation & (source == 1)  # the other file's held-out labels: to believe them is to doubt
    label = np.where(wrong, 3, FEW.label).astype(np.int32)
    both = replace(FEW, source=source, sources=("one", "other"), kinds=("real", "real"), label=label)
    everyone, one = (train(with_fields(QUICK, calibrate_on=name), both) for name in ("", "one"))
    assert (everyone.network.w1 == one.network.w1).all()
    assert np.abs(everyone.network.w2).max() < 0.9 * np.abs(one.network.w2).max()
    with pytest.raises(ValueError, match="calibrate_on names 'third'"):
        train(with_fields(QUICK, calibrate_on="third"), both)
    none_left = replace(both, validation=both.validation & (source == 0))
    with pytest.raises(ValueError, match="calibrate_on names 'other', which has no held-out face"):
        train(with_fields(QUICK, calibrate_on="other"), none_left)


def test_a_configuration_for_other_data_says_nothing_of_missing_files() -> None:
    config = TrainConfig(source_weights={"a": 0.5, "b": 2.0}, calibrate_on="b")
    assert config.for_sources(["a"]) == TrainConfig(source_weights={"a": 0.5})
    assert config.for_sources(["a", "b"]) == config


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


def test_informed_importance_looks_at_training_faces_only(trained: TrainedModel) -> None:
    rng = np.random.default_rng(0)
    w1, b1, w2, b2 = (
        rng.normal(0, size, shape).astype(np.float32)
        for size, shape in ((1, (1404, 4)), (1, 4), (1, (4, 8)), (1, 8))
    )
    every = replace(
        trained,
        network=network.Network(w1, b1, w2, b2, 100.0),
        landmark_set=ALL,
        population_baseline=CANONICAL,
    )
    spoilt = SAMPLES.points.copy()
    spoilt[SAMPLES.validation] += 1
    before, after = (
        informed_importance(every, replace(SAMPLES, points=points), 4) for points in (SAMPLES.points, spoilt)
    )
    np.testing.assert_array_equal(before, after)
    assert np.ptp(before) > 0


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
        kinds=("real", "real"),
    )
    model = train(with_fields(QUICK, source_weights={"false": 0.0}, calibrate_on="true"), both)
    assert accuracy(model, SAMPLES) > 0.97
    with pytest.raises(ValueError, match=r"source_weights names \['other'\]"):
        train(with_fields(QUICK, source_weights={"other": 1.0}), both)
    with pytest.raises(ValueError, match="all training faces the weight 0"):
        train(with_fields(QUICK, source_weights={"true": 0.0, "false": 0.0}), both)


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
        ("synthetic_share = 1.0", r"\[0, 1\)"),
        ("white_noise = -0.1", "must not be negative"),
        ("own_weight = -1.0", "weights must not be negative"),
        ("[source_weights]\na = -1.0", "weights must not be negative"),
        ("expected_noise = 0.0", "expected_noise must be positive"),
        ("landmarks = 0", "1 to 468, not 0"),
        ("landmarks = 469", "1 to 468, not 469"),
        ("min_precision = 85", r"must lie in \[0, 1\]"),
        ("balanced_min_accuracy = -0.1", r"must lie in \[0, 1\]"),
        ("[teaching]\ncount = -1", "must not be negative"),
        ("[teaching]\nhidden = [64, 0]", "at least 1"),
        ("[teaching]\nblends = 5", "blends need teachers"),
        ("[teaching]\ncuont = 5", "unknown field `cuont`"),
        ("landmarks = 2\npoints = [1]", "points names 1 points, landmarks asks for 2"),
        ("not toml", "Invalid|Expected"),
        ("name = 'é'", "codec can't decode"),
    ],
)
def test_bad_configuration(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=rf"bad\.toml: .*({message})"):
        TrainConfig.load(tmp_path / "bad.toml")


def test_missing_configuration(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TrainConfig.load(tmp_path / "none.toml")
