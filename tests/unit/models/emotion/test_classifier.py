from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.emotion.classifier import SHIPPED, Classifier
from models.faces.canonical import MIRROR
from models.faces.landmark_set import LandmarkSet
from models.release.onnx_export import read_network
from models.samples.dataset import EMOTIONS

SHIPPED_CLASSIFIER = Classifier.load()
seeds = st.integers(0, 2**32 - 1)


def faces(seed: int, count: int = 4, spread: float = 0.02) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, spread, (count, 128, 3))
    return (SHIPPED_CLASSIFIER.population_baseline + noise).astype(np.float32)


def test_shipped_artifact() -> None:
    classifier = SHIPPED_CLASSIFIER
    assert classifier.name == "mien-128"
    assert len(classifier.version) == 12
    assert classifier.landmark_set == LandmarkSet.load()
    assert classifier.emotions == EMOTIONS
    assert classifier.population_baseline.shape == (128, 3)
    assert 0 < classifier.min_confidence < 0.9
    assert SHIPPED.stat().st_size < 2_000_000


def test_shipped_baseline_is_a_symmetric_face_classified_as_neutral() -> None:
    baseline, indices = SHIPPED_CLASSIFIER.population_baseline, SHIPPED_CLASSIFIER.landmark_set.indices
    twins = np.searchsorted(indices, MIRROR[indices])
    np.testing.assert_allclose(baseline[twins] * [-1, 1, 1], baseline, atol=0.02)
    result = SHIPPED_CLASSIFIER.classify(baseline[None])
    assert EMOTIONS[result.target[0]] == "neutral"
    np.testing.assert_allclose(result.attributions, 0, atol=1e-6)
    np.testing.assert_allclose(result.score_change, 0, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from([0.0, 1e-4, 0.01, 0.1, 10.0, 1e4, 1e8]))
def test_completeness_on_any_input(seed: int, spread: float) -> None:
    result = SHIPPED_CLASSIFIER.classify(faces(seed, spread=spread), faces(seed + 1))
    assert result.completeness_error.max() < 1e-4
    np.testing.assert_allclose(result.attributions.sum(axis=1), result.score_change, atol=1e-4)
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(result.target, result.probabilities.argmax(axis=1))


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(1, 1e6))
def test_completeness_on_exaggerated_faces(seed: int, factor: float) -> None:
    """Stretched, sheared and bent heads, which the network sees little of for their size."""
    baseline, rng = SHIPPED_CLASSIFIER.population_baseline, np.random.default_rng(seed)
    products = (baseline[:, :, None] * baseline[:, None]).reshape(-1, 9)
    stretch, bend = rng.normal(0, 0.1, (4, 3, 3)), rng.normal(0, 0.1, (4, 9, 3))
    difference = baseline @ stretch + products @ bend
    result = SHIPPED_CLASSIFIER.classify((baseline + factor * difference).astype(np.float32))
    assert result.completeness_error.max() < 1e-4


@pytest.mark.parametrize("length", [0.1, 1.0, 100.0, 1e4, 1e8])
def test_completeness_in_directions_that_the_network_does_not_see(length: float) -> None:
    """Their product with the first layer is what rounding left of numbers that cancel."""
    baseline, w1 = SHIPPED_CLASSIFIER.population_baseline, read_network(SHIPPED).w1.astype(np.float64)
    directions, strength, _ = np.linalg.svd(w1)
    unseen = directions.T[strength < 1e-6 * strength[0]].reshape(-1, *baseline.shape)
    assert len(unseen)
    result = SHIPPED_CLASSIFIER.classify((baseline + length * unseen).astype(np.float32))
    assert result.completeness_error.max() < 1e-4
    assert np.abs(result.score_change).max() < 0.1


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_face_gets_the_same_answer_alone_and_in_a_batch(seed: int) -> None:
    batch = faces(seed, count=5)
    together, alone = SHIPPED_CLASSIFIER.classify(batch), SHIPPED_CLASSIFIER.classify(batch[3:4])
    for one, many in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[0], many[3], rtol=1e-3, atol=1e-3)


def test_the_population_is_the_baseline_unless_another_is_given() -> None:
    points = faces(0)
    population = np.broadcast_to(SHIPPED_CLASSIFIER.population_baseline, points.shape)
    default, explicit, own = (
        SHIPPED_CLASSIFIER.classify(points),
        SHIPPED_CLASSIFIER.classify(points, population),
        SHIPPED_CLASSIFIER.classify(points, points),
    )
    np.testing.assert_array_equal(default.attributions, explicit.attributions)
    np.testing.assert_array_equal(own.attributions, 0)


def test_a_bias_is_added_to_the_logits() -> None:
    points, bias = faces(0), np.linspace(-2, 2, 8).astype(np.float32)
    plain, biased = SHIPPED_CLASSIFIER.classify(points), SHIPPED_CLASSIFIER.classify(points, bias=bias)
    expected = plain.probabilities * np.exp(bias)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(biased.probabilities, expected, atol=1e-5)
    same = plain.target == biased.target
    np.testing.assert_allclose(biased.score_change[same], plain.score_change[same], atol=1e-5)


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (np.zeros(7), r"bias must have shape \[8\], not \[7\]"),
        (np.full(8, np.nan), "bias holds values that are not"),
    ],
)
def test_a_bias_of_another_kind_is_refused(bias: NDArray[np.float32], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SHIPPED_CLASSIFIER.classify(faces(0), bias=bias)


def test_the_shipped_operating_points() -> None:
    points = SHIPPED_CLASSIFIER.operating_points
    assert list(points) == ["accurate", "balanced"]
    assert (points["accurate"].bias == 0).all()
    assert SHIPPED_CLASSIFIER.min_confidence == points["accurate"].min_confidence
    assert (
        points["balanced"].bias[EMOTIONS.index("fear")] > points["balanced"].bias[EMOTIONS.index("neutral")]
    )
    assert set(SHIPPED_CLASSIFIER.trained_on) >= {"ferplus"}


def test_no_faces() -> None:
    result = SHIPPED_CLASSIFIER.classify(np.empty((0, 128, 3), np.float32))
    assert [field.shape for field in result] == [(0, 8), (0,), (0, 128), (0,), (0,)]
    assert result.target.dtype == np.int64


@pytest.mark.parametrize("shape", [(128, 3), (1, 468, 3), (1, 128, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"points must have shape \[\d+, 128, 3\]"):
        SHIPPED_CLASSIFIER.classify(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="baseline must have shape"):
        SHIPPED_CLASSIFIER.classify(faces(0), np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e10])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    points = faces(0)
    points[2, 5, 1] = value
    with pytest.raises(ValueError, match="points holds values that are not finite"):
        SHIPPED_CLASSIFIER.classify(points)
    with pytest.raises(ValueError, match="baseline holds values that are not finite"):
        SHIPPED_CLASSIFIER.classify(faces(0), points)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        Classifier.load(tmp_path / "none.onnx")


@pytest.mark.parametrize("keep", [0, 100, 50_000])
def test_damaged_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(SHIPPED.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"damaged\.onnx") as caught:
        Classifier.load(path)
    assert caught.value.__cause__ is not None


def save_changed(path: Path, **metadata: str | None) -> Path:
    """The shipped model with other metadata; None leaves the entry out."""
    model = onnx.load(SHIPPED)
    kept = {p.key: p.value for p in model.metadata_props} | {f"mien.{k}": v for k, v in metadata.items()}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: value for key, value in kept.items() if value is not None})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("emotions", '["neutral"]'),
        ("emotions", "neutral"),
        ("landmark_set", LandmarkSet("few", np.array([1])).to_json()),
        ("population_baseline", "AAAA"),
        ("operating_points", "{}"),
        ("operating_points", '{"accurate": {"bias": [0, 0], "min_confidence": 0.5}}'),
        ("trained_on", None),
        ("split_seed", "much"),
    ],
)
def test_foreign_model(tmp_path: Path, field: str, value: str | None) -> None:
    with pytest.raises(ValueError, match=r"foreign\.onnx is an ONNX model, but not one"):
        Classifier.load(save_changed(tmp_path / "foreign.onnx", **{field: value}))


@pytest.mark.parametrize("field", ["operating_points", "split_seed"])
def test_an_older_model_must_be_exported_again(tmp_path: Path, field: str) -> None:
    path = save_changed(tmp_path / "old.onnx", **{field: None})
    with pytest.raises(
        ValueError, match=rf"old\.onnx is of an older version, without mien\.{field}: export it again"
    ):
        Classifier.load(path)


def test_version_follows_the_content(tmp_path: Path) -> None:
    other = Classifier.load(save_changed(tmp_path / "other.onnx", name="other"))
    assert other.name == "other"
    assert other.version != SHIPPED_CLASSIFIER.version
