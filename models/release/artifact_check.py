"""Do an artifact, its landmark set, model card and reference belong together, and is its graph right?"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.arrays import F32
from models.emotion import model_reference
from models.emotion.classifier import Classification, Classifier
from models.emotion.probabilities import softmax
from models.faces.canonical import CANONICAL
from models.faces.landmark_set import LandmarkSet
from models.release import model_card
from models.release.onnx_export import LANDMARK_SET_FILE, read_network
from models.training import network

COMPLETE: Final = 1e-4  # the greatest completeness error that is allowed
_AGREED: Final = 1e-4  # the greatest difference of graph and reference: of probabilities, and of the
# attributions relative to the greatest one


class Check(msgspec.Struct, frozen=True):
    """One thing looked at."""

    name: str
    passed: bool
    detail: str  # what was found, or what is wrong


def check(path: Path) -> list[Check]:
    """Looks at the ONNX file, and at the landmark set, the model card and the reference beside it.

    Raises OSError when the ONNX file cannot be read. All else that is wrong is a check that did not pass; of
    a file that cannot be loaded nothing more is checked.
    """
    try:
        classifier = Classifier.load(path)
    except ValueError as exc:
        return [Check("model", False, str(exc))]
    steps: dict[str, Callable[[Path, Classifier], str]] = {
        "landmark set": _landmark_set,
        "card": _card,
        "figures": _figures,
        "reference": _reference,
        "graph": _graph,
        "completeness": _completeness,
    }
    return [
        Check("model", True, f"{classifier.name} {classifier.version}, metadata complete"),
        *(_look(name, step, path, classifier) for name, step in steps.items()),
    ]


def faces(classifier: Classifier, w1: F32) -> F32:
    """Fixed faces [B, K, 3]: the neutral one, others, and meshes broken in ways that are hard to explain.

    MediaPipe's own face, random ones, and ones that move in directions that the network hardly sees; each
    also exaggerated up to a million times.
    """
    neutral = classifier.population_baseline
    random = np.random.default_rng(0).normal(0, 0.01, (16, *neutral.shape))
    unseen = np.linalg.svd(w1.astype(np.float64))[0].T[::-8].reshape(-1, *neutral.shape)
    others = np.concatenate([[CANONICAL[classifier.landmark_set.indices] - neutral], random, unseen])
    points: F32 = neutral + np.concatenate([[0 * neutral], *(size * others for size in (1, 10, 1e3, 1e6))])
    return points.astype(np.float32)


def _look(name: str, step: Callable[[Path, Classifier], str], path: Path, classifier: Classifier) -> Check:
    try:
        return Check(name, True, step(path, classifier))
    except (OSError, ValueError) as exc:
        return Check(name, False, str(exc))


def _landmark_set(path: Path, classifier: Classifier) -> str:
    beside = LandmarkSet.load(path.with_name(LANDMARK_SET_FILE))
    if beside != classifier.landmark_set:
        raise ValueError(f"{LANDMARK_SET_FILE} is {beside.id}, the model's is {classifier.landmark_set.id}")
    return beside.id


def _card(path: Path, classifier: Classifier) -> str:
    stated, true = model_card.read(_card_text(path)), model_card.facts(classifier)
    if not stated:
        raise ValueError(f"{model_card.FILE} has no rows about the artifact: `mien export` writes them")
    wrong = [
        f"{name} is {stated.get(name, 'missing')}, not {true[name]}"
        for name in true
        if stated.get(name) != true[name]
    ]
    if wrong:
        raise ValueError(f"{model_card.FILE}: {'; '.join(wrong)}")
    return f"{model_card.FILE} is about this file"


def _figures(path: Path, classifier: Classifier) -> str:
    text = model_card.figures(_card_text(path))
    if classifier.version not in text:
        raise ValueError(
            f"the figures in {model_card.FILE} are not said to be of version {classifier.version}: "
            "measure them with `mien evaluate`, and name the version under '## Figures'"
        )
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    points = [*classifier.operating_points, *classifier.own_operating_points]
    if missing := [name for name in points if name not in rows]:
        raise ValueError(f"no row of the figures in {model_card.FILE} names {', '.join(missing)}")
    return f"of this version, for {', '.join(points)}"


def _reference(path: Path, classifier: Classifier) -> str:
    try:
        reference = model_reference.load(path.with_name(model_reference.FILE), classifier)
    except FileNotFoundError as exc:
        raise ValueError(f"there is no {model_reference.FILE}: `mien export --reference` writes it") from exc
    data_sets = [part.data_set for part in (reference.population, reference.subject) if part]
    return f"of this version, from {', '.join(data_sets)}"


def _graph(path: Path, classifier: Classifier) -> str:
    greatest = 0.0
    for own in _networks(classifier):
        net = read_network(path, own=own)
        points = faces(classifier, net.w1)
        difference = points - classifier.population_baseline
        at = classifier.own_operating_points if own else classifier.operating_points
        for name, point in at.items():
            result = _classify(classifier, points, point.bias, own=own)
            probabilities = softmax(network.logits(net, difference) + point.bias)
            expected = network.integrated_gradients(net, difference, result.target)
            scale = max(1.0, float(np.abs(expected.attributions).max()))
            gaps = (
                np.abs(result.probabilities - probabilities).max(),
                np.abs(result.attributions - expected.attributions).max() / scale,
                np.abs(result.score_change - expected.score_change).max() / scale,
            )
            greatest = max(greatest, *map(float, gaps))
            if not greatest <= _AGREED:
                raise ValueError(
                    f"at {name} the graph differs by {greatest:.1e} from the network with its weights"
                )
    return f"the network{'s' * classifier.knows_own_neutral_faces} of its weights, to {greatest:.1e}"


def _completeness(path: Path, classifier: Classifier) -> str:
    none = np.zeros(len(classifier.emotions), np.float32)
    error = max(
        float(
            _classify(
                classifier, faces(classifier, read_network(path, own=own).w1), none, own=own
            ).completeness_error.max()
        )
        for own in _networks(classifier)
    )
    if not error <= COMPLETE:
        raise ValueError(
            f"attributions miss the change of the logit by {error:.1e}; {COMPLETE:.0e} is allowed"
        )
    return f"error {error:.1e} at most"


def _networks(classifier: Classifier) -> tuple[bool, ...]:
    """Which networks there are: whether each is the one for own neutral faces."""
    return (False, True) if classifier.knows_own_neutral_faces else (False,)


def _classify(classifier: Classifier, points: F32, bias: F32, *, own: bool) -> Classification:
    baseline = np.broadcast_to(classifier.population_baseline, points.shape)
    return classifier.classify(points, baseline, bias, own=np.full(len(points), own), own_bias=bias)


def _card_text(path: Path) -> str:
    return path.with_name(model_card.FILE).read_text(encoding="utf-8")
