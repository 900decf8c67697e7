"""The network for own neutral faces, on made-up warped people."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import samples_of, warped_file
from msgspec.structs import replace as with_fields

from models.emotion.operating_points import to_json
from models.faces.canonical import CANONICAL, MIRROR
from models.faces.landmark_set import LandmarkSet
from models.samples.dataset import Samples, join, load
from models.samples.own_neutral import own_neutral_faces
from models.training import network
from models.training.own_head import OwnHeadConfig, can_train, train_own_head
from models.training.trained_model import OwnHead
from models.training.training_recipe import TrainConfig, train

POINTS = LandmarkSet("some", np.union1d(np.arange(1, 468, 20), MIRROR[np.arange(1, 468, 20)]))
QUICK = OwnHeadConfig(
    rows=300, even_modes=20, odd_modes=15, hidden=32, steps=300, batch=128, folds=2, learning_rate=1e-2
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return load([warped_file(tmp_path_factory.mktemp("known") / "warped.npz", 40)], POINTS)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return load([warped_file(tmp_path_factory.mktemp("strangers") / "other.npz", 30, seed=5)], POINTS)


def fitted(config: OwnHeadConfig, samples: Samples, seed: int = 0) -> OwnHead:
    return train_own_head(config, samples, 0.85, seed, lambda *_: None)


@pytest.fixture(scope="module")
def head(known: Samples) -> OwnHead:
    return fitted(QUICK, known)


def test_strangers_are_told_by_how_they_differ_from_their_own_neutral_face(
    head: OwnHead, strangers: Samples
) -> None:
    own, has_own = own_neutral_faces(strangers)
    assert has_own.all()
    logits = network.logits(head.network, strangers.points - own)
    right = logits.argmax(axis=1) == strangers.label
    assert np.mean([right[strangers.label == emotion].mean() for emotion in range(8)]) > 0.7


def test_at_its_points_hardly_any_resting_face_is_named_otherwise(head: OwnHead, strangers: Samples) -> None:
    own, _ = own_neutral_faces(strangers)
    logits = network.logits(head.network, strangers.points - own)
    quiet = (strangers.label == 0) & (strangers.tag == "")
    named = {
        name: float(((logits + point.bias)[quiet].argmax(axis=1) != 0).mean())
        for name, point in head.operating_points.items()
    }
    assert list(named) == ["own", "watchful"]
    assert named["own"] <= named["watchful"] <= 0.1
    assert named["own"] <= 0.03
    assert not head.operating_points["own"].bias[1:].any()


def test_a_face_and_its_mirror_image_get_the_same_answer(head: OwnHead) -> None:
    assert network.has_twins(head.network, POINTS.mirror)


def test_the_same_again(known: Samples) -> None:
    short = with_fields(QUICK, steps=1)
    once, again, other = (fitted(short, known, seed) for seed in (0, 0, 1))
    for first, second in zip(once.network, again.network, strict=True):
        np.testing.assert_array_equal(first, second)
    assert to_json(once.operating_points) == to_json(again.operating_points)
    assert (once.network.w1 != other.network.w1).any()


def test_the_traces_of_a_turned_head_are_noise_to_it(known: Samples) -> None:
    """Which are read off the photos at rest: here every face has one as its head is turned."""
    rng = np.random.default_rng(0)
    trace = rng.normal(0, 0.05, (len(POINTS), 3)).astype(np.float32)
    yaw_deg = rng.uniform(-20, 20, len(known)).astype(np.float32)
    turned = replace(
        known,
        points=known.points + yaw_deg[:, None, None] / 20 * trace,
        yaw_pitch_deg=np.stack([yaw_deg, np.zeros_like(yaw_deg)], axis=1),
    )
    without, with_turns = (
        fitted(with_fields(QUICK, turn_noise_deg=deg), turned).network for deg in (0.0, 20.0)
    )
    assert not np.array_equal(without.w1, with_turns.w1)


def test_real_faces_are_learnt_from_too(known: Samples) -> None:
    """Those of strangers, and photos of people whose other photos there are."""
    rng = np.random.default_rng(0)
    label = np.tile(np.arange(8), 60).astype(np.int32)
    faces = CANONICAL[POINTS.indices] + rng.normal(0, 0.02, (480, len(POINTS), 3))
    faces[label == 1, :3, 1] -= 0.1
    subject = np.where(np.arange(480) < 240, -1, np.arange(480) // 8).astype(np.int32)
    subject[240:][label[240:] == 0] -= 1 - np.arange(30).astype(np.int32) % 2  # some have two neutral ones
    real = samples_of(faces, label, landmark_set=POINTS, subject=subject)
    short = with_fields(QUICK, steps=20)
    assert (fitted(short, join([real, known])).network.w1 != fitted(short, known).network.w1).any()


def test_what_cannot_be_trained_on(known: Samples) -> None:
    assert can_train(known)
    assert not can_train(known.only(known.label != 7))
    assert not can_train(known.only(np.zeros(len(known), np.bool_)))
    assert not can_train(replace(known, kinds=("real",)))
    with pytest.raises(ValueError, match="2 persons are too few for 3 folds"):
        fitted(with_fields(QUICK, folds=3), known.only(known.subject < 2))


def test_the_population_network_never_sees_a_warped_photo(known: Samples) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 200).astype(np.int32)
    points = CANONICAL[POINTS.indices] + rng.normal(0, 0.02, (200, len(POINTS), 3))
    real = samples_of(points, label, landmark_set=POINTS, validation=np.arange(200) % 5 == 0)
    config = TrainConfig(
        landmarks=len(POINTS),
        steps=20,
        batch=64,
        even_modes=8,
        odd_modes=4,
        hidden=8,
        own_head=with_fields(QUICK, steps=20),
    )
    reported: list[tuple[int, int]] = []
    alone, both = train(config, real), train(config, join([real, known]), lambda *e: reported.append(e[:2]))
    for one, other in zip(alone.network, both.network, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(alone.population_baseline, both.population_baseline)
    assert to_json(alone.operating_points) == to_json(both.operating_points)
    assert alone.own is None
    assert both.own is not None
    assert both.trained_on == ("made-up", "warped")
    assert reported == [(20, 80), (40, 80), (60, 80), (80, 80)]  # the network, two folds, the own head


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 0}, "at least 1"),
        ({"folds": 1}, "at least 2 folds"),
        ({"warped": 0.0}, "that of warped photos not 0"),
        ({"blends": -1.0}, "must not be negative"),
        ({"false_alarms": 1.0}, "shares must lie in"),
        ({"speech_share": 0.7, "blink_share": 0.4}, "add up"),
        ({"white_noise": 0.0}, "noise must be positive"),
    ],
)
def test_settings_that_make_no_sense(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OwnHeadConfig(**fields)
