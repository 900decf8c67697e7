"""Draws of expression weights follow the tables of action units."""

import numpy as np
import pytest

from models.samples.dataset import EMOTIONS
from models.samples.expression_sampler import ACTION_UNITS, ONE_SIDED, SHAPES, VARIANTS, sample_weights


def drawn(emotion: str, count: int = 2000) -> dict[str, np.ndarray]:
    weights = sample_weights(emotion, count, np.random.default_rng(0))
    assert weights.shape == (count, len(SHAPES))
    assert weights.dtype == np.float32
    assert weights.min() >= 0
    return dict(zip(SHAPES, weights.T, strict=True))


def test_each_emotion_has_variants_of_known_units_and_shapes() -> None:
    assert {*VARIANTS, "neutral"} == set(EMOTIONS)
    for variants in VARIANTS.values():
        assert sum(variant.share for variant in variants) == pytest.approx(1)
        for variant in variants:
            for unit in (*variant.always, *variant.sometimes):
                for shape in ACTION_UNITS[unit.removesuffix(ONE_SIDED)].shapes:
                    assert shape in SHAPES or {shape + "_L", shape + "_R"} <= set(SHAPES)


def test_units_are_shown_as_often_as_the_table_says() -> None:
    disgust = drawn("disgust")
    assert (disgust["noseSneer_L"] > 0.15).mean() == pytest.approx(0.75 + 0.25 * 0.3, abs=0.1)
    assert (drawn("happiness")["mouthSmile_R"] > 0.15).mean() > 0.9
    assert (drawn("happiness")["mouthFrown_R"] > 0.15).mean() == 0


def test_sides_are_alike_but_for_one_sided_units() -> None:
    smile = drawn("happiness")
    assert np.corrcoef(smile["mouthSmile_L"], smile["mouthSmile_R"])[0, 1] > 0.8
    contempt = drawn("contempt")
    assert contempt["mouthDimple_L"].mean() > 3 * contempt["mouthDimple_R"].mean()


def test_a_neutral_face_is_hardly_active_and_eyes_look_ahead() -> None:
    neutral = drawn("neutral")
    assert max(weights.max() for weights in neutral.values()) <= 0.15
    assert not any(w.any() for name, w in neutral.items() if name.startswith(("eyeLook", "Pupil")))


def test_strength_and_seed() -> None:
    weak, strong = (sample_weights("fear", 300, np.random.default_rng(1), s, s).sum() for s in (0.3, 1.0))
    assert strong > 2 * weak
    one, again = (sample_weights("fear", 5, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    with pytest.raises(KeyError, match="boredom"):
        sample_weights("boredom", 1, np.random.default_rng(0))
