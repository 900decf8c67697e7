import os
from pathlib import Path

import numpy as np
import pytest

from models import network
from models.classifier import Classifier
from models.dataset import EMOTIONS
from models.export import export, to_onnx
from models.landmark_set import LandmarkSet
from models.network import Network
from models.train import TrainedModel

POINTS = LandmarkSet("tiny", np.array([1, 33, 61, 263, 291], dtype=np.int32))


def a_model(seed: int = 0, radius: float = 3.0) -> TrainedModel:
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32)

    net = Network(weights(15, 9), weights(9), weights(9, 7), weights(7), weights(7, 8), weights(8), radius)
    return TrainedModel("mien-tiny", net, POINTS, EMOTIONS, weights(5, 3), 0.4, ("some", "data"))


@pytest.mark.parametrize("size", [0.1, 1.0, 50.0])
def test_graph_computes_what_the_network_does(tmp_path: Path, size: float) -> None:
    model = a_model()
    rng = np.random.default_rng(1)
    baseline = rng.normal(0, 1, (6, 5, 3)).astype(np.float32)
    difference = rng.normal(0, size, (6, 5, 3)).astype(np.float32)
    classifier = Classifier.load(export(model, tmp_path))
    result = classifier.classify(baseline + difference, baseline)

    logits = network.logits(model.network, difference)
    expected = network.integrated_gradients(model.network, difference, logits.argmax(axis=1))
    np.testing.assert_allclose(
        result.probabilities, network.probabilities(model.network, difference), atol=1e-5
    )
    np.testing.assert_array_equal(result.target, logits.argmax(axis=1))
    np.testing.assert_allclose(result.attributions, expected.attributions, atol=1e-4)
    np.testing.assert_allclose(result.score_change, expected.score_change, atol=1e-4)
    assert result.completeness_error.max() < 1e-4


def test_artifact_carries_all_that_inference_needs(tmp_path: Path) -> None:
    model = a_model()
    path = export(model, tmp_path)
    classifier = Classifier.load(path)
    assert path == tmp_path / "mien-tiny.onnx"
    assert (classifier.name, classifier.emotions, classifier.min_confidence) == ("mien-tiny", EMOTIONS, 0.4)
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
