"""Limits found in made trials where they are known, and the reading of a real face."""

from collections.abc import Iterator
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from models.arrays import Picture
from models.emotion.classifier import Classifier
from models.faces.litert_engine import LiteRtEngine
from models.judging import plots, quality_limits
from models.judging.quality_limits import (
    Degradation,
    Evidence,
    Reading,
    Subject,
    Trial,
    breaking_point,
    isotonic,
)

PORTRAIT: Picture = np.ascontiguousarray(data.astronaut()[:256, 80:380])
NO_POINTS = np.zeros((468, 3), np.float32)


def reading(
    emotion: int = 1,
    confidence: float = 0.9,
    sharpness: float = 0.1,
    shift: float = 0.0,
    yaw_deg: float = 0.0,
) -> Reading:
    points = NO_POINTS + np.array([shift, 0, 0], np.float32)
    return Reading(emotion, confidence, points, np.ones(4, np.float32), 100.0, sharpness, yaw_deg, 0.0)


def subject(of: Reading) -> Subject:
    return Subject("made", PORTRAIT, NO_POINTS, np.zeros(4, np.float32), of)


def made_evidence(breaks_at: float, *, subjects: int = 20, seed: int = 0) -> Evidence:
    """Qualities 0 to 1; below `breaks_at` half of the answers change, above it none."""
    rng = np.random.default_rng(seed)
    quality = rng.random(subjects * 40)
    same = (quality >= breaks_at) | (rng.random(len(quality)) < 0.5)
    return Evidence(quality, same, np.arange(len(quality)) % subjects)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_isotonic_rises_and_keeps_the_mean(values: list[float]) -> None:
    fit = isotonic(np.array(values))
    assert (np.diff(fit) >= -1e-12).all()
    assert fit.mean() == pytest.approx(np.mean(values))
    if values == sorted(values):
        assert fit == pytest.approx(values)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12), st.integers(0, 1000))
def test_no_rising_sequence_is_closer(values: list[float], seed: int) -> None:
    other = np.sort(np.random.default_rng(seed).random(len(values)))
    fit = isotonic(np.array(values))
    assert np.square(fit - values).sum() <= np.square(other - values).sum() + 1e-9


@pytest.mark.parametrize("breaks_at", [0.2, 0.5, 0.8])
def test_the_limit_is_where_answers_begin_to_change(breaks_at: float) -> None:
    found = quality_limits.limit("sharpness", made_evidence(breaks_at), 0.9)
    assert found is not None
    assert found.breaks == "inside"
    assert found.value is not None
    assert found.value == pytest.approx(breaks_at, abs=0.05)
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.1
    assert found.worst_measured < 0.01


def test_of_an_angle_the_larger_is_the_worse() -> None:
    quality, same, who = made_evidence(0.4)
    found = quality_limits.limit("yaw_deg", Evidence(50 - 50 * quality, same, who), 0.9)
    assert found is not None
    assert found.value == pytest.approx(30, abs=2.5)
    assert found.worst_measured == pytest.approx(50, abs=0.5)
    assert found.best_measured == pytest.approx(0, abs=0.5)


def test_a_stricter_share_never_gives_a_laxer_limit() -> None:
    quality = np.linspace(0, 1, 400)
    same = np.random.default_rng(1).random(400) < quality
    points = [breaking_point(quality, same, share) for share in (0.3, 0.5, 0.7, 0.9)]
    assert points == sorted(points)


def test_what_never_breaks_and_what_always_does_have_no_limit() -> None:
    quality, who = np.linspace(0.1, 1, 50), np.arange(50) % 5
    never = quality_limits.limit("sharpness", Evidence(quality, np.ones(50, bool), who), 0.9)
    always = quality_limits.limit("sharpness", Evidence(quality, np.zeros(50, bool), who), 0.9)
    assert never is not None
    assert (never.breaks, never.value) == ("nowhere", None)
    assert always is not None
    assert (always.breaks, always.value) == ("everywhere", None)
    assert always.low == always.high == 1.0
    assert quality_limits.limit("sharpness", Evidence(quality[:0], np.ones(0, bool), who[:0]), 0.9) is None


BLURS = (
    Degradation("blur", "px", (1.0, 2.0), lambda s, _level, _number: s.picture, "sharpness"),
    Degradation("other", "px", (1.0,), lambda s, _level, _number: s.picture),
)


def test_evidence_is_of_given_answers_for_that_measure() -> None:
    chosen = [subject(reading()), subject(reading(emotion=2))]
    done = [
        Trial(0, "blur", 1.0, reading(sharpness=0.05)),
        Trial(1, "blur", 1.0, reading(sharpness=0.04)),  # another emotion than before
        Trial(0, "blur", 2.0, reading(confidence=0.3)),  # not given
        Trial(1, "blur", 2.0, None),  # not found
        Trial(0, "other", 1.0, reading()),  # decides nothing
    ]
    found = quality_limits.evidence("sharpness", chosen, done, 0.5, BLURS)
    assert found.quality.tolist() == [0.05, 0.04]
    assert found.same.tolist() == [True, False]
    assert found.subject.tolist() == [0, 1]
    assert len(quality_limits.evidence("yaw_deg", chosen, done, 0.5, BLURS).quality) == 0


def test_a_level_is_summed_up() -> None:
    chosen = [subject(reading())] * 4
    done = [
        Trial(0, "blur", 1.0, reading(confidence=0.8, shift=0.1, yaw_deg=-4)),
        Trial(1, "blur", 1.0, reading(confidence=0.7, shift=0.3, yaw_deg=4)),
        Trial(2, "blur", 1.0, reading(emotion=0, confidence=0.4, shift=0.2, yaw_deg=4)),
        Trial(3, "blur", 1.0, None),
    ]
    (row,) = quality_limits.summarise(chosen, done, 0.5, BLURS)
    assert astuple(row)[:5] == ("blur", 1.0, "px", 4, 0.75)
    assert row.same == pytest.approx(2 / 3)
    assert row.given == pytest.approx(2 / 3)
    assert row.same_given == 1.0
    assert row.confidence_change == pytest.approx(-0.8 / 3)
    assert row.displacement == pytest.approx(0.2)
    assert row.yaw_deg == 4.0


def test_a_level_where_no_face_was_found() -> None:
    (row,) = quality_limits.summarise([subject(reading())], [Trial(0, "blur", 1.0, None)], 0.5, BLURS)
    assert row.found == 0
    assert astuple(row)[5:] == (None,) * 9


def test_the_plot_is_a_picture() -> None:
    found = made_evidence(0.5)
    one = quality_limits.limit("sharpness", found, 0.9)
    assert one is not None
    assert plots.limits({"sharpness": found}, [one], 0.9).startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as made:
        yield made


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load()


@pytest.fixture(scope="module")
def portrait(engine: LiteRtEngine, classifier: Classifier) -> Subject:
    (found,) = quality_limits.subjects(engine, classifier, PORTRAIT, "astronaut")
    return found


def test_a_large_face_is_brought_to_the_reference_size(
    engine: LiteRtEngine, classifier: Classifier, portrait: Subject
) -> None:
    assert classifier.emotions[portrait.reading.emotion] == "happiness"
    assert portrait.reading.inter_ocular_px < quality_limits.REFERENCE_PX * 1.05
    large = PORTRAIT.repeat(3, axis=0).repeat(3, axis=1)
    (reduced,) = quality_limits.subjects(engine, classifier, large, "astronaut")
    assert reduced.reading.inter_ocular_px == pytest.approx(quality_limits.REFERENCE_PX, rel=0.03)
    assert reduced.picture.shape[0] < large.shape[0]


def test_a_small_face_is_no_reference(engine: LiteRtEngine, classifier: Classifier) -> None:
    small = np.ascontiguousarray(PORTRAIT[::3, ::3])
    assert quality_limits.subjects(engine, classifier, small, "astronaut") == []


def test_only_the_face_at_that_place_is_read(
    engine: LiteRtEngine, classifier: Classifier, portrait: Subject
) -> None:
    beside = portrait.box_xyxy_px + np.float32(10_000)
    assert quality_limits.read(engine, classifier, portrait.picture, beside) is None


def test_trials_measure_what_was_done(
    engine: LiteRtEngine, classifier: Classifier, portrait: Subject
) -> None:
    chosen = [d for d in quality_limits.DEGRADATIONS if d.name in ("small", "out of focus", "turned aside")]
    done = {
        (t.degradation, t.level): t.reading
        for t in quality_limits.trials(engine, classifier, [portrait], chosen)
    }

    small, sharp, blurred = done["small", 24], done["out of focus", 0.01], done["out of focus", 0.06]
    aside, other_side = done["turned aside", 30], done["turned aside", -30]
    assert small is not None
    assert small.inter_ocular_px == pytest.approx(24, rel=0.08)
    assert sharp is not None
    assert blurred is not None
    assert blurred.sharpness < 0.5 * sharp.sharpness
    assert aside is not None
    assert other_side is not None
    assert aside.yaw_deg > 12
    assert other_side.yaw_deg < -12


def test_a_turned_reference_is_not_turned_again(
    engine: LiteRtEngine, classifier: Classifier, portrait: Subject
) -> None:
    turned = portrait._replace(reading=portrait.reading._replace(yaw_deg=-25.0))
    aside = [d for d in quality_limits.DEGRADATIONS if d.name == "turned aside"]
    assert list(quality_limits.trials(engine, classifier, [turned], aside)) == []


def test_jpeg_against_jpeg(engine: LiteRtEngine, classifier: Classifier, portrait: Subject) -> None:
    alike = quality_limits.compare_jpeg(engine, classifier, [portrait], None, 0.5, (90, 90))
    assert astuple(alike)[:5] == ("as they are", 1, 4, 1.0, 1.0)
    assert alike.attribution_pearson == pytest.approx(1)
    assert alike.displacement == 0

    apart = quality_limits.compare_jpeg(engine, classifier, [portrait], 40, 0.5)
    assert apart.faces_at == "40 px"
    assert apart.same == 1.0
    assert apart.attribution_pearson is not None
    assert 0.8 < apart.attribution_pearson < 0.9999
    assert apart.displacement is not None
    assert 0 < apart.displacement < 0.02
