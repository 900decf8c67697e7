"""The classifier as the workers use it: ONNX Runtime on an artifact of `models.release.onnx_export`."""

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

from models.arrays import F32
from models.emotion import operating_points
from models.emotion.operating_points import ACCURATE, OWN, OperatingPoint
from models.faces.landmark_set import LandmarkSet

SHIPPED: Final = Path(__file__).parents[1] / "artifacts" / "mien-128.onnx"
_ADDED_LATER: Final = {"mien.operating_points", "mien.split_seed"}
_FARTHEST: Final = 1e9  # in inter-ocular distances; beyond, products overflow
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
    operating_points: dict[str, OperatingPoint]
    own_operating_points: dict[str, OperatingPoint]
    """Of the network for own neutral faces; empty where the artifact has none, and one network does both."""
    trained_on: tuple[str, ...]  # names of the training files
    split_seed: int  # which of their faces were held out
    _session: onnxruntime.InferenceSession

    @property
    def min_confidence(self) -> float:
        """An answer below this is not to be given, at the operating point `accurate`."""
        return self.operating_points[ACCURATE].min_confidence

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
        # Not packed, both products with the first layer read one copy of it: for one face, that is the cost.
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.log_severity_level = 4  # what goes wrong is raised; it need not also be on stderr
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # ONNX Runtime's own exceptions share no other base
            raise ValueError(f"{path} cannot be loaded as an ONNX model, it may be damaged: {exc}") from exc
        metadata = session.get_modelmeta().custom_metadata_map
        if "mien.name" in metadata and (missing := _ADDED_LATER - metadata.keys()):
            raise ValueError(
                f"{path} is of an older version, without {', '.join(sorted(missing))}: export it again"
            )
        try:
            fields = _read_metadata(metadata)
            _check_interface(session, fields["landmark_set"], fields["emotions"])
        except (KeyError, ValueError, TypeError) as exc:
            raise ValueError(
                f"{path} is an ONNX model, but not one that `mien export` wrote: {exc!r}"
            ) from exc
        return cls(version=hashlib.sha256(content).hexdigest()[:12], _session=session, **fields)

    @property
    def knows_own_neutral_faces(self) -> bool:
        """Whether the artifact has a network for faces that are compared with the subject's own."""
        return bool(self.own_operating_points)

    def classify(
        self,
        points: F32,
        baseline: F32 | None = None,
        bias: F32 | None = None,
        *,
        own: NDArray[np.bool_] | None = None,
        own_bias: F32 | None = None,
    ) -> Classification:
        """Classify B faces and explain each answer.

        `points` and `baseline` are [B, K, 3] in the canonical face frame; without a baseline, the mean
        neutral face of the population is every subject's. `bias` [C], such as an operating point's, is added
        to the logits: it may let another emotion win, and cancels out of the change of its logit.

        `own` [B] says which baselines are the subject's own, from the same recording: where the artifact has
        a network for these it answers, with `own_bias` [C] in place of `bias`. Raises ValueError for another
        shape and for values that are not finite, or that no picture can give.
        """
        shape = (len(points), len(self.landmark_set), 3)
        points = _checked("points", points, shape)
        if baseline is None:
            baseline = self.population_baseline[None]
        else:
            baseline = _checked("baseline", baseline, shape)
        if not len(points):
            return self._nothing()
        inputs = {"points": points, "baseline": baseline}
        if own is None or not self.knows_own_neutral_faces or not np.any(own):
            return self._run(inputs, bias)
        if np.shape(own) != (len(points),):
            raise ValueError(f"own must have shape [{len(points)}], not {list(np.shape(own))}")
        if np.all(own):
            return self._run(inputs, own_bias, own=True)
        parts = []
        for mine, at in ((False, bias), (True, own_bias)):
            rows = np.flatnonzero(np.equal(own, mine))
            of_rows = {name: value[rows] if len(value) > 1 else value for name, value in inputs.items()}
            parts.append((rows, self._run(of_rows, at, own=mine)))
        order = np.argsort(np.concatenate([rows for rows, _ in parts]))
        columns = zip(*(result for _, result in parts), strict=True)
        return Classification(*(np.concatenate(column)[order] for column in columns))

    def _run(self, inputs: Mapping[str, F32], bias: F32 | None, own: bool = False) -> Classification:
        given: dict[str, NDArray[Any]] = dict(inputs)
        if bias is not None:
            given["bias"] = _checked("bias", bias, (len(self.emotions),))
        if own:
            given["own"] = np.array(True)
        return Classification(*self._session.run(_OUTPUTS, given))

    def _nothing(self) -> Classification:
        one = np.empty(0, np.float32)
        return Classification(
            np.empty((0, len(self.emotions)), np.float32),
            np.empty(0, np.int64),
            np.empty((0, len(self.landmark_set)), np.float32),
            one,
            one,
        )


def _checked(name: str, value: F32, shape: tuple[int, ...]) -> F32:
    value = np.ascontiguousarray(value, dtype=np.float32)
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {list(shape)}, not {list(value.shape)}")
    if not (np.abs(value) <= _FARTHEST).all():
        raise ValueError(f"{name} holds values that are not finite, or beyond ±{_FARTHEST:.0e}")
    return value


def _read_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    landmark_set = LandmarkSet.from_json(metadata["mien.landmark_set"])
    baseline = np.frombuffer(base64.b64decode(metadata["mien.population_baseline"]), dtype="<f4")
    emotions = tuple(json.loads(metadata["mien.emotions"]))
    return {
        "name": metadata["mien.name"],
        "landmark_set": landmark_set,
        "emotions": emotions,
        "population_baseline": baseline.reshape(len(landmark_set), 3).astype(np.float32),
        "operating_points": operating_points.from_json(metadata["mien.operating_points"], len(emotions)),
        "own_operating_points": operating_points.from_json(own_points, len(emotions), needed=OWN)
        if (own_points := metadata.get("mien.own_operating_points"))
        else {},
        "trained_on": tuple(json.loads(metadata["mien.trained_on"])),
        "split_seed": int(metadata["mien.split_seed"]),
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
