import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.emotion.classifier import Classifier
from models.emotion.operating_points import OperatingPoint, to_json
from models.emotion.probabilities import softmax
from models.faces.landmark_set import LandmarkSet
from models.release.onnx_export import export, read_network, to_onnx
from models.samples.dataset import EMOTIONS
from models.training import network
from models.training.network import Network
from models.training.trained_model import OwnHead, TrainedModel

POINTS = LandmarkSet("tiny", np.array([1, 33, 61, 263, 291], dtype=np.int32))


def a_model(seed: int = 0) -> TrainedModel:
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32)

    own = Network(weights(15, 9), weights(9), weights(9, 8), weights(8), radius=3.0, reach=5.0)
    net = network.with_twins(own, POINTS.mirror)
    at = {
        "accurate": OperatingPoint(np.zeros(8, np.float32), 0.4),
        "balanced": OperatingPoint(weights(8), 0.3),
    }
    return TrainedModel("mien-tiny", net, POINTS, EMOTIONS, weights(5, 3), at, ("some", "data"), 11)


def with_own_head(model: TrainedModel, seed: int = 7) -> TrainedModel:
    """The model, and another's network for own neutral faces."""
    at = {
        "own": OperatingPoint(np.eye(8, dtype=np.float32)[0], 0.2),
        "watchful": OperatingPoint(np.zeros(8, np.float32), 0.1),
    }
    return replace(model, own=OwnHead(a_model(seed).network, at))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-30, 1e-4, 0.1, 1.0, 50.0, 1e6]))
def test_graph_computes_what_the_network_does(tmp_path: Path, seed: int, size: float) -> None:
    model = a_model(seed)
    rng = np.random.default_rng(seed + 1)
    baseline = rng.normal(0, 1, (6, 5, 3)).astype(np.float32)
    points = (baseline + rng.normal(0, size, (6, 5, 3))).astype(np.float32)
    classifier = Classifier.load(export(model, tmp_path))
    result = classifier.classify(points, baseline)

    difference = points - baseline
    logits = network.logits(model.network, difference)
    expected = network.integrated_gradients(model.network, difference, logits.argmax(axis=1))
    np.testing.assert_allclose(
        result.probabilities, network.probabilities(model.network, difference), atol=1e-5
    )
    np.testing.assert_array_equal(result.target, logits.argmax(axis=1))
    np.testing.assert_allclose(result.attributions, expected.attributions, atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(result.score_change, expected.score_change, atol=1e-5)
    assert result.completeness_error.max() < 1e-5


def test_a_bias_lets_another_emotion_win_and_that_one_is_explained(tmp_path: Path) -> None:
    model, rng = a_model(), np.random.default_rng(1)
    points = rng.normal(0, 1, (6, 5, 3)).astype(np.float32)
    difference = points - model.population_baseline
    classifier = Classifier.load(export(model, tmp_path))
    bias = np.where(np.arange(8) == 5, 100, 0).astype(np.float32)
    result = classifier.classify(points, bias=bias)

    assert (result.target == 5).all()
    assert (network.logits(model.network, difference).argmax(axis=1) != 5).any()
    np.testing.assert_allclose(result.probabilities[:, 5], 1)
    expected = network.integrated_gradients(model.network, difference, np.full(6, 5))
    np.testing.assert_allclose(result.attributions, expected.attributions, atol=1e-5)
    np.testing.assert_allclose(result.score_change, expected.score_change, atol=1e-5)
    for left_out, zero in zip(
        classifier.classify(points), classifier.classify(points, bias=0 * bias), strict=True
    ):
        np.testing.assert_array_equal(left_out, zero)


def test_twins_take_half_the_room_and_know_no_left_from_right(tmp_path: Path) -> None:
    model, rng = a_model(), np.random.default_rng(1)
    classifier = Classifier.load(export(model, tmp_path))
    points, baseline = rng.normal(0, 1, (2, 6, 5, 3)).astype(np.float32)
    flip = np.array([-1, 1, 1], np.float32)
    one = classifier.classify(points, baseline)
    other = classifier.classify(points[:, POINTS.mirror] * flip, baseline[:, POINTS.mirror] * flip)
    np.testing.assert_array_equal(one.target, other.target)
    np.testing.assert_allclose(other.probabilities, one.probabilities, atol=1e-6)
    np.testing.assert_allclose(other.attributions[:, POINTS.mirror], one.attributions, atol=1e-6)

    stored = {w.name: w.dims for w in onnx.load(tmp_path / "mien-tiny.onnx").graph.initializer}
    assert (stored["w1_even_half"], stored["w1_odd_half"]) == (
        [9, 9],
        [9, 9],
    )  # 3 points on a side or between
    assert network.has_twins(read_network(tmp_path / "mien-tiny.onnx"), POINTS.mirror)


def test_a_network_without_twins_is_refused(tmp_path: Path) -> None:
    net = a_model().network
    with pytest.raises(ValueError, match="lack their mirror twins"):
        export(replace(a_model(), network=net._replace(b1=np.arange(18, dtype=np.float32))), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_weights_come_back_as_they_were(tmp_path: Path) -> None:
    model = a_model()
    again = read_network(export(model, tmp_path))
    for name, weights in model.network._replace(w1=again.w1, b2=again.b2)._asdict().items():
        np.testing.assert_allclose(getattr(again, name), weights, rtol=1e-7 if name == "reach" else 0)
    np.testing.assert_allclose(again.w1, model.network.w1, atol=1e-6)  # kept as its even and odd part
    np.testing.assert_allclose(again.b2, model.network.b2, atol=1e-6)  # kept as the logits at the baseline
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], [])), tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"other\.onnx has no weights of the name 'left'"):
        read_network(tmp_path / "other.onnx")


def test_artifact_carries_all_that_inference_needs(tmp_path: Path) -> None:
    model = a_model()
    path = export(model, tmp_path)
    classifier = Classifier.load(path)
    assert path == tmp_path / "mien-tiny.onnx"
    assert (classifier.name, classifier.emotions, classifier.min_confidence) == ("mien-tiny", EMOTIONS, 0.4)
    assert to_json(classifier.operating_points) == to_json(model.operating_points)
    assert (classifier.trained_on, classifier.split_seed) == (("some", "data"), 11)
    assert classifier.landmark_set == POINTS
    assert LandmarkSet.load(tmp_path / "landmark_set.json") == POINTS
    np.testing.assert_array_equal(classifier.population_baseline, model.population_baseline)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["landmark_set.json", "mien-tiny.onnx"]


def test_same_model_same_bytes() -> None:
    assert to_onnx(a_model()) == to_onnx(a_model())
    assert to_onnx(a_model()) != to_onnx(a_model(seed=1))


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot write the model into .*nowhere"):
        export(a_model(), tmp_path / "nowhere")


def test_read_only_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write into a read-only directory, so there the refusal is made by hand."""
    if os.geteuid() == 0:

        def refuse(path: Path, _: bytes) -> int:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "write_bytes", refuse)
    tmp_path.chmod(0o555)
    with pytest.raises(PermissionError, match=r"cannot write the model into .*: Permission denied; choose"):
        export(a_model(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_file_holds_two_networks_and_the_rows_own_baselines_choose(tmp_path: Path) -> None:
    model = with_own_head(a_model())
    (tmp_path / "one").mkdir()
    alone, both = (
        Classifier.load(export(one, folder))
        for one, folder in ((a_model(), tmp_path / "one"), (model, tmp_path))
    )
    assert not alone.knows_own_neutral_faces
    assert both.knows_own_neutral_faces
    assert model.own is not None
    assert to_json(both.own_operating_points) == to_json(model.own.operating_points)
    rng = np.random.default_rng(3)
    points, baseline = rng.normal(0, 1, (2, 6, 5, 3)).astype(np.float32)
    bias, own_bias = rng.normal(0, 1, (2, 8)).astype(np.float32)

    nobodys = both.classify(points, baseline, bias)
    for one, other in zip(alone.classify(points, baseline, bias), nobodys, strict=True):
        np.testing.assert_array_equal(one, other)  # bit for bit
    own = np.array([True, False, True, True, False, False])
    mixed = both.classify(points, baseline, bias, own=own, own_bias=own_bias)
    for rows, net, at in ((own, model.own.network, own_bias), (~own, model.network, bias)):
        difference = points[rows] - baseline[rows]
        logits = network.logits(net, difference) + at
        expected = network.integrated_gradients(net, difference, logits.argmax(axis=1))
        np.testing.assert_array_equal(mixed.target[rows], logits.argmax(axis=1))
        np.testing.assert_allclose(mixed.probabilities[rows], softmax(logits), atol=1e-5)
        np.testing.assert_allclose(mixed.attributions[rows], expected.attributions, atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(mixed.score_change[rows], expected.score_change, atol=1e-5)
    assert mixed.completeness_error.max() < 1e-5
    all_own = both.classify(points, baseline, bias, own=np.ones(6, np.bool_), own_bias=own_bias)
    np.testing.assert_allclose(all_own.probabilities[own], mixed.probabilities[own], atol=1e-6)
    one_network = alone.classify(points, baseline, bias, own=own, own_bias=own_bias)
    np.testing.assert_array_equal(one_network.probabilities, nobodys.probabilities)
    with pytest.raises(ValueError, match=r"own must have shape \[6\], not \[5\]"):
        both.classify(points, baseline, own=own[:5] | True)


def test_both_networks_come_back_from_the_file(tmp_path: Path) -> None:
    model = with_own_head(a_model())
    assert model.own is not None
    path = export(model, tmp_path)
    for own, expected in ((False, model.network), (True, model.own.network)):
        again = read_network(path, own=own)
        for name, weights in expected._asdict().items():
            np.testing.assert_allclose(getattr(again, name), weights, atol=1e-6, rtol=1e-6)
    assert to_onnx(model) == to_onnx(with_own_head(a_model()))
    with pytest.raises(ValueError, match="no network for own neutral faces"):
        read_network(export(a_model(), tmp_path), own=True)


def test_a_second_network_without_twins_is_refused(tmp_path: Path) -> None:
    model = with_own_head(a_model())
    assert model.own is not None
    net = model.own.network._replace(b1=np.arange(18, dtype=np.float32))
    with pytest.raises(ValueError, match="lack their mirror twins"):
        export(replace(model, own=replace(model.own, network=net)), tmp_path)
