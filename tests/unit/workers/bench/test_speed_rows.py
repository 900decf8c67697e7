"""What Mien is timed beside does the same work: the reference network, Captum's loop, FaceMesh."""

from pathlib import Path

import numpy as np
import pytest

from models.emotion.classifier import SHIPPED, Classifier
from models.release.onnx_export import export, read_network
from models.training import network
from models.training.network import Network
from models.training.trained_model import TrainedModel
from streams.settings import Settings
from workers.bench import speed_rows


@pytest.fixture(scope="module")
def small() -> tuple[Network, np.ndarray]:
    """A random network of 6 points and 4 classes with a radius that no face reaches, and 5 faces."""
    rng = np.random.default_rng(0)
    shapes = ((18, 12), (12,), (12, 4), (4,))
    weights = [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]
    return Network(*weights, radius=1e6), rng.normal(0, 0.5, (5, 6, 3)).astype(np.float32)


def test_the_reference_gradient_is_the_slope_of_the_logit(small: tuple[Network, np.ndarray]) -> None:
    net, faces = small
    target = np.array([0, 1, 2, 3, 0])
    logits, gradient = speed_rows.forward_and_back(net, faces.reshape(5, -1), target)
    gradient = gradient.reshape(faces.shape)
    np.testing.assert_allclose(logits, network.logits(net, faces), atol=1e-6)
    step = np.zeros_like(faces)
    step[:, 2, 1] = 1e-2
    slope = (network.logits(net, faces + step) - network.logits(net, faces - step)) / 2e-2
    np.testing.assert_allclose(gradient[:, 2, 1], slope[np.arange(5), target], atol=1e-3)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("rule", "tolerance"), [("gausslegendre", 1e-5), ("riemann_middle", 5e-3)])
def test_the_captum_loop_gives_the_attributions_of_our_integral(
    small: tuple[Network, np.ndarray], rule: str, tolerance: float, at_once: bool
) -> None:
    net, faces = small
    target, attributions = speed_rows.captum_loop(net, faces, rule=rule, at_once=at_once)
    assert target.tolist() == network.logits(net, faces).argmax(axis=1).tolist()
    expected = network.integrated_gradients(net, faces, target).attributions
    np.testing.assert_allclose(attributions, expected, atol=tolerance)
    assert np.abs(expected).max() > 0.1


def test_the_numpy_network_is_the_shipped_one() -> None:
    shipped = Classifier.load()
    rng = np.random.default_rng(1)
    # Small enough to stay inside the radius, which the reference leaves out.
    difference = rng.normal(0, 0.001, (3, *shipped.population_baseline.shape)).astype(np.float32)
    expected = shipped.classify(shipped.population_baseline + difference)
    net = read_network(SHIPPED)
    np.testing.assert_allclose(network.probabilities(net, difference), expected.probabilities, atol=1e-4)
    _, attributions = speed_rows.captum_loop(net, difference)
    np.testing.assert_allclose(attributions, expected.attributions, atol=1e-3)


def test_all_points_are_timed_in_a_network_of_the_trained_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[TrainedModel] = []

    def keep(model: TrainedModel, folder: Path) -> Path:
        written.append(model)
        return export(model, folder)

    monkeypatch.setattr(speed_rows, "export", keep)
    every = speed_rows.with_all_points(Classifier.load(), hidden=32)
    assert len(every.landmark_set) == 468
    assert len(written[0].network.b1) == 32
    assert network.has_twins(written[0].network, every.landmark_set.mirror)


def test_mesh_compares_both_on_the_same_frames_and_says_what_they_found() -> None:
    compared = {row.case: row for row in speed_rows.mesh(Settings(), 0.01)}
    found = {
        case: (c.mien.details["faces_per_frame"], c.library.details["faces_per_frame"])
        for case, c in compared.items()
    }
    assert found == {
        "1 face, tracked": (1, 1),
        "1 face, looking out for more": (1, 1),
        "1 face, detected each time": (1, 1),
        "2 faces, tracked": (2, 2),
        "no face": (0, 0),
    }
