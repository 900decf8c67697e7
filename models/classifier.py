"""The classifier as the workers use it: ONNX Runtime on an artifact of `models.export`."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.landmark_set import LandmarkSet

F32 = NDArray[np.float32]

SHIPPED: Final = Path(__file__).with_name("artifacts") / "mien-128.onnx"
_OUTPUTS: Final = ("probabilities", "target", "attributions", "score_change", "completeness_error")


class Classification(NamedTuple):
    """What the network says of B faces, and why. K points, C emotions."""

    probabilities: F32  # [B, C]
    target: NDArray[np.int64]  # [B]: the emotion of the greatest probability, which the rest explains
    attributions: F32  # [B, K]: Integrated Gradients of its logit, signed, by landmark
    score_change: F32  # [B]: its logit at the points minus at the baseline
    completeness_error: F32  # [B]: |sum of the attributions - score_change|


@dataclass(frozen=True, eq=False)
class Classifier:
    """One loaded artifact. Safe to call from several threads."""

    name: str
    version: str  # the first 12 hex digits of the file's sha256
    landmark_set: LandmarkSet
    emotions: tuple[str, ...]
    population_baseline: F32  # [K, 3]: the mean neutral face
    min_confidence: float  # an answer below this is not to be given
    _session: onnxruntime.InferenceSession

    @classmethod
    def load(cls, path: Path = SHIPPED, threads: int = 1) -> Self:
        """Load an artifact; `threads` are ONNX Runtime's for one call.

        Raises FileNotFoundError or another OSError when there is no such file to read, and ValueError when it
        is damaged or not a Mien model.
        """
        content = path.read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised; it need not also be on stderr
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # ONNX Runtime's own exceptions share no other base
            raise ValueError(f"{path} cannot be loaded as an ONNX model, it may be damaged: {exc}") from exc
        try:
            fields = _read_metadata(session.get_modelmeta().custom_metadata_map)
            _check_interface(session, fields["landmark_set"], fields["emotions"])
        except (KeyError, ValueError, TypeError) as exc:
            raise ValueError(
                f"{path} is an ONNX model, but not one that `mien export` wrote: {exc!r}"
            ) from exc
        return cls(version=hashlib.sha256(content).hexdigest()[:12], _session=session, **fields)

    def classify(self, points: F32, baseline: F32 | None = None) -> Classification:
        """Classify B faces and explain each answer.

        `points` and `baseline` are [B, K, 3] in the canonical face frame; without a baseline, the mean
        neutral face of the population is every subject's. Raises ValueError for another shape and for values
        that are not finite.
        """
        shape = (len(points), len(self.landmark_set), 3)
        points = _checked("points", points, shape)
        if baseline is None:
            baseline = np.broadcast_to(self.population_baseline, shape)
        baseline = _checked("baseline", baseline, shape)
        if not len(points):
            return self._nothing()
        return Classification(*self._session.run(_OUTPUTS, {"points": points, "baseline": baseline}))

    def _nothing(self) -> Classification:
        one = np.empty(0, np.float32)
        return Classification(
            np.empty((0, len(self.emotions)), np.float32),
            np.empty(0, np.int64),
            np.empty((0, len(self.landmark_set)), np.float32),
            one,
            one,
        )


def _checked(name: str, value: F32, shape: tuple[int, int, int]) -> F32:
    value = np.ascontiguousarray(value, dtype=np.float32)
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {list(shape)}, not {list(value.shape)}")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} holds values that are not finite")
    return value


def _read_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    landmark_set = LandmarkSet.from_json(metadata["mien.landmark_set"])
    baseline = np.frombuffer(base64.b64decode(metadata["mien.population_baseline"]), dtype="<f4")
    return {
        "name": metadata["mien.name"],
        "landmark_set": landmark_set,
        "emotions": tuple(json.loads(metadata["mien.emotions"])),
        "population_baseline": baseline.reshape(len(landmark_set), 3).astype(np.float32),
        "min_confidence": float(metadata["mien.min_confidence"]),
    }


def _check_interface(
    session: onnxruntime.InferenceSession, landmark_set: LandmarkSet, emotions: tuple[str, ...]
) -> None:
    shapes = {value.name: value.shape[1:] for value in (*session.get_inputs(), *session.get_outputs())}
    k = len(landmark_set)
    expected = {
        "points": [k, 3],
        "baseline": [k, 3],
        "probabilities": [len(emotions)],
        "attributions": [k],
        "score_change": [],
        "completeness_error": [],
        "target": [],
    }
    if shapes != expected:
        raise ValueError(f"its inputs and outputs are {shapes}, not {expected}")
