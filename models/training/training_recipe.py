"""Training: from labelled landmarks to a network that can be exported.

    faces → differences from a neutral face → shape modes → teachers → students → calibration

1. A face is seen as its difference from the population's neutral face, and, where the data has the subject's
   own, as the difference from that too: both are rows of the training.
2. Teachers, an ensemble on the shape modes of all points, learn the labels.
3. A student, one wide layer on all points, learns labels and teachers' answers, also on blends of faces that
   have no label.
4. The points are chosen by what moves its answers, and a student on these points is trained likewise.
5. Where there are warped photos, a second network on the same points learns to tell how a face differs from
   its subject's own neutral face (`models.training.own_head`). The others never see a warped photo.

Landmark noise is added throughout.

All that comes before the student's layer is linear and folds into it. Training is deterministic for one
machine, configuration and data.
"""

from collections.abc import Sequence
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from models.arrays import F32
from models.faces.canonical import POINTS
from models.faces.landmark_set import ALL, LandmarkSet, select
from models.samples import landmark_noise
from models.samples.dataset import EMOTIONS, NO_MAJORITY, Samples
from models.samples.own_neutral import own_neutral_faces
from models.training import landmark_selection, network, network_fitting, operating_point_choice, teachers
from models.training.calibration import vector_scaling
from models.training.network_fitting import Layers, Material, Schedule
from models.training.network_fitting import Progress as Progress
from models.training.own_head import OwnHeadConfig as OwnHeadConfig
from models.training.own_head import can_train, train_own_head
from models.training.shape_modes import (
    ShapeModes,
    Spread,
    features,
    noise_of_features,
    seen_through,
    shape_modes,
    spread,
)
from models.training.to_network import to_network, within_reach
from models.training.trained_model import TrainedModel as TrainedModel

_CHUNK = 4096  # blends made at a time, to bound memory


class Teaching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The teachers, and what the student learns from them."""

    count: int = 0  # none: the student learns from the labels alone
    steps: int = 4000
    hidden: tuple[int, ...] = (256, 128)
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    white_noise: float = 0.0006  # as the student's, see below
    share: float = 0.8  # of a labelled face's target that is the teachers' answer
    blends: int = 0  # faces between two faces that only teachers answer; together they count as the others


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `mien train` can be told. The shipped model's is models/artifacts/train.toml."""

    name: str = "mien-128"
    landmarks: int = 128  # how many of the 468 points to keep
    selection: Literal["ig", "informed"] = "ig"  # `landmark_importance` or `informed_importance`
    points: tuple[int, ...] = ()  # as they were chosen once, by `selection`; none: choose them
    even_modes: int = 160
    odd_modes: int = 100
    whitening: float = 0.8
    expected_noise: float = 0.0004  # of the points the modes are estimated from, in inter-ocular distances
    white_noise: float = 0.0005  # added to the landmarks in training, in inter-ocular distances
    smooth_noise: float = 0.0005  # likewise, see `models.samples.landmark_noise`
    steps: int = 5000
    batch: int = 512
    learning_rate: float = 8e-3
    weight_decay: float = 0.0
    hidden: int = 512  # units, each with a mirror twin
    prior_shift: float = 0.3  # τ of the logit adjustment while fitting; the answers get it back
    teaching: Teaching = Teaching()
    synthetic_share: float = 0.1
    own_weight: float = 1.0  # of a face against its subject's own neutral; against the population's it is 1
    source_weights: dict[str, float] = {}  # how much a file's faces count, by its name; 1 unless given
    calibrate_on: str = ""  # the file whose held-out faces calibrate; all files' unless given
    min_precision: float = 0.85  # of the answers the model does not abstain from, on validation
    balanced_min_accuracy: float = 0.8  # what the operating point "balanced" keeps of it, on validation
    own_head: OwnHeadConfig | None = OwnHeadConfig()  # none: one network for both baselines
    seed: int = 0

    def alone(self) -> "TrainConfig":
        """The same without teachers, a second network and points: quick, for comparing landmark sets."""
        return replace(self, teaching=Teaching(), own_head=None, points=())

    def for_sources(self, sources: Sequence[str]) -> "TrainConfig":
        """The same for other data: what it says of files that are not there is left out."""
        return replace(
            self,
            source_weights={name: w for name, w in self.source_weights.items() if name in sources},
            calibrate_on=self.calibrate_on if self.calibrate_on in sources else "",
        )

    def __post_init__(self) -> None:
        teaching = self.teaching
        counts = (self.steps, self.batch, self.hidden, self.even_modes, self.odd_modes, teaching.steps)
        if min(*counts, *teaching.hidden) < 1:
            raise ValueError("steps, batch, hidden units and modes must be at least 1")
        if not 1 <= self.landmarks <= POINTS:
            raise ValueError(f"landmarks must lie in 1 to {POINTS}, not {self.landmarks}")
        if self.points and len(self.points) != self.landmarks:
            raise ValueError(f"points names {len(self.points)} points, landmarks asks for {self.landmarks}")
        if not 0 <= self.synthetic_share < 1 or not 0 <= teaching.share <= 1:
            raise ValueError("synthetic_share must lie in [0, 1), the teachers' share in [0, 1]")
        if not 0 <= self.min_precision <= 1 or not 0 <= self.balanced_min_accuracy <= 1:
            raise ValueError("min_precision and balanced_min_accuracy must lie in [0, 1]")
        if min(self.white_noise, self.smooth_noise, teaching.white_noise) < 0:
            raise ValueError("noise must not be negative")
        if self.expected_noise <= 0:
            raise ValueError("expected_noise must be positive: points without noise tell too much")
        if min((self.own_weight, *self.source_weights.values())) < 0:
            raise ValueError("weights must not be negative")
        if min(teaching.count, teaching.blends) < 0:
            raise ValueError("the numbers of teachers and blends must not be negative")
        if teaching.blends and not teaching.count:
            raise ValueError("blends need teachers: set teaching.count")

    @classmethod
    def load(cls, path: Path) -> "TrainConfig":
        """Read a TOML file. Raises FileNotFoundError, or ValueError that names the wrong field."""
        try:
            return msgspec.toml.decode(path.read_bytes(), type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise ValueError(f"{path}: {exc}") from exc


class _Rows(NamedTuple):
    """What is learnt from: faces of the training part, some of them twice, against two neutral faces."""

    difference: F32  # [R, K, 3]
    labels: F32  # [R, C]
    weights: F32  # [R]


class _Space(NamedTuple):
    """The shape modes of all points there are, and what they were made from."""

    landmark_set: LandmarkSet
    faces: Spread
    modes: ShapeModes


def train(config: TrainConfig, samples: Samples, progress: Progress | None = None) -> TrainedModel:
    """Fit a network to the training part of `samples`; calibrate it on the validation part. Where there are
    warped photos, likewise one for faces whose own neutral face is known.

    Raises ValueError when a part is empty, no training face is neutral or none has weight, or the
    configuration names a file that is not there.
    """
    everyone, samples = samples, samples.only(~samples.of_kind("warped"))
    _check(config, samples)
    own_head = config.own_head if can_train(everyone) else None
    steps = own_head.steps * (own_head.folds + 1) if own_head else 0
    clock = _Clock(config, len(samples.landmark_set), steps, progress or (lambda *_: None))
    trained = _train_population(config, samples, clock)
    if own_head is None:
        return trained
    points = np.searchsorted(everyone.landmark_set.indices, trained.landmark_set.indices)
    seen = replace_fields(everyone, points=everyone.points[:, points], landmark_set=trained.landmark_set)
    own = train_own_head(own_head, seen, config.min_precision, config.seed, clock.progress)
    return replace_fields(trained, own=own)


def _train_population(config: TrainConfig, samples: Samples, clock: "_Clock") -> TrainedModel:
    """Fit, choose points and calibrate the network for the population's neutral face."""
    baseline = _population_baseline(samples)
    rows = _rows(config, samples, baseline)
    faces = spread(samples.points[~samples.validation] - baseline, samples.landmark_set.mirror)
    modes = shape_modes(
        faces, samples.landmark_set.mirror, config.even_modes, config.odd_modes, config.whitening
    )
    space = _Space(samples.landmark_set, faces, modes)
    staff = _teachers(config, space, rows, clock)
    if len(samples.landmark_set) == min(config.landmarks, POINTS):
        return _student(config, samples, baseline, space, rows, staff, samples.landmark_set, clock)
    if config.points:
        chosen = LandmarkSet(f"{config.selection}{config.landmarks}", np.array(config.points))
        return _student(config, samples, baseline, space, rows, staff, chosen, clock)
    every = _student(config, samples, baseline, space, rows, staff, ALL, clock)
    if config.selection == "ig":
        importance = landmark_importance(every, samples)
    else:
        importance = informed_importance(every, samples, config.landmarks)
    chosen = select(f"{config.selection}{config.landmarks}", importance, config.landmarks)
    return _student(config, samples, baseline, space, rows, staff, chosen, clock)


def landmark_importance(model: TrainedModel, samples: Samples, faces: int = 8192) -> F32:
    """Mean absolute Integrated Gradient of each landmark [K], for the winning class, over training faces.

    Of many, every nth: at least `faces`, and fewer than twice as many. Validation faces are never looked at.
    """
    points = samples.points[~samples.validation]
    difference = points[:: max(1, len(points) // faces)] - model.population_baseline
    total = np.zeros(len(model.landmark_set))
    for start in range(0, len(difference), 512):
        part = difference[start : start + 512]
        target = network.logits(model.network, part).argmax(axis=1)
        total += np.abs(network.integrated_gradients(model.network, part, target).attributions).sum(axis=0)
    return (total / len(difference)).astype(np.float32)


def informed_importance(model: TrainedModel, samples: Samples, count: int, faces: int = 2048) -> F32:
    """An importance [468] that falls in the order in which the points tell most of what moves the answers of
    `model`, a model of all points (`landmark_selection.informed`). Training faces only; of many, every nth
    is asked: at least `faces`, and fewer than twice as many.
    """
    difference = samples.points[~samples.validation] - model.population_baseline
    directions = landmark_selection.sensitivity(
        model.network, difference[:: max(1, len(difference) // faces)]
    )
    return landmark_selection.informed(
        spread(difference, samples.landmark_set.mirror).covariance, directions, count
    )


class _Clock:
    """One count of the steps of all networks of a training."""

    def __init__(self, config: TrainConfig, points: int, more_steps: int, report: Progress) -> None:
        students = 2 if points > config.landmarks and not config.points else 1
        self._steps = config.teaching.count * config.teaching.steps + students * config.steps + more_steps
        self._done = 0
        self._report = report

    def progress(self, step: int, steps: int, loss: float) -> None:
        self._report(self._done + step, self._steps, loss)
        if step == steps:
            self._done += steps


def _check(config: TrainConfig, samples: Samples) -> None:
    if samples.validation.all() or not _calibrates(config, samples).any():
        raise ValueError("training needs faces in both parts, training and validation")
    if not (~samples.validation & (samples.label == EMOTIONS.index("neutral"))).any():
        raise ValueError("training needs neutral faces: their mean is the baseline")
    unknown = set(config.source_weights) - set(samples.sources)
    if unknown:
        raise ValueError(f"source_weights names {sorted(unknown)}, the data is {list(samples.sources)}")


def _calibrates(config: TrainConfig, samples: Samples) -> NDArray[np.bool_]:
    """[N]: held-out faces with a label, of the file that calibrates."""
    held_out: NDArray[np.bool_] = samples.validation & (samples.label != NO_MAJORITY)
    if config.calibrate_on:
        if config.calibrate_on not in samples.sources:
            raise ValueError(
                f"calibrate_on names {config.calibrate_on!r}, the data is {list(samples.sources)}"
            )
        held_out &= samples.source == samples.sources.index(config.calibrate_on)
        if not held_out.any():
            raise ValueError(f"calibrate_on names {config.calibrate_on!r}, which has no held-out face")
    return held_out


def _population_baseline(samples: Samples) -> F32:
    """[K, 3]: the mean of neutral training faces and their mirror images."""
    neutral = ~samples.validation & (samples.label == EMOTIONS.index("neutral"))
    mean = samples.points[neutral].mean(axis=0)
    baseline: F32 = (mean + mean[samples.landmark_set.mirror] * np.array([-1, 1, 1], np.float32)) / 2
    return baseline


def _rows(config: TrainConfig, samples: Samples, baseline: F32) -> _Rows:
    fit = ~samples.validation
    own, known = own_neutral_faces(samples, baseline)
    twice = fit & known
    by_source = np.array([config.source_weights.get(name, 1.0) for name in samples.sources], np.float32)
    weights = by_source[samples.source]
    if not weights[fit].any():
        raise ValueError("source_weights gives all training faces the weight 0")
    return _Rows(
        np.concatenate([samples.points[fit] - baseline, samples.points[twice] - own[twice]]),
        np.concatenate([samples.probabilities[fit], samples.probabilities[twice]]),
        np.concatenate([weights[fit], config.own_weight * weights[twice]]),
    )


def _shift(config: TrainConfig, targets: F32, weights: F32) -> F32:
    """[C]: τ · log prior."""
    prior = np.maximum(_prior(targets, weights), 1e-6)
    shift: F32 = (config.prior_shift * np.log(prior)).astype(np.float32)
    return shift


def _prior(targets: F32, weights: F32) -> F32:
    """[C]: the share of each class."""
    share: F32 = (targets * weights[:, None]).sum(axis=0) / weights.sum()
    return share


def _teachers(config: TrainConfig, space: _Space, rows: _Rows, clock: _Clock) -> list[Layers]:
    teaching = config.teaching
    white = landmark_noise.covariance(space.landmark_set, teaching.white_noise, 0.0)
    material = Material(
        features(space.modes, rows.difference),
        rows.labels,
        rows.weights,
        space.modes.sign,
        noise_of_features(space.modes, white),
        _shift(config, rows.labels, rows.weights),
    )
    return [
        network_fitting.fit(
            network_fitting.plain,
            teaching.hidden,
            material,
            Schedule(
                teaching.steps,
                config.batch,
                teaching.learning_rate,
                teaching.weight_decay,
                config.seed + 1 + number,
            ),
            clock.progress,
        )
        for number in range(teaching.count)
    ]


def _student(
    config: TrainConfig,
    samples: Samples,
    baseline: F32,
    space: _Space,
    rows: _Rows,
    staff: list[Layers],
    chosen: LandmarkSet,
    clock: _Clock,
) -> TrainedModel:
    points = np.searchsorted(space.landmark_set.indices, chosen.indices)
    modes = seen_through(space.modes, space.faces, space.landmark_set, chosen, config.expected_noise)
    material = _material(config, space, rows, staff, modes, points)
    noise = landmark_noise.covariance(chosen, config.white_noise, config.smooth_noise)
    layers = network_fitting.fit(
        network_fitting.twins(modes.sign),
        [config.hidden],
        material._replace(noise=noise_of_features(modes, noise)),
        Schedule(config.steps, config.batch, config.learning_rate, config.weight_decay, config.seed),
        clock.progress,
    )
    net = to_network(layers, modes, material.shift, chosen)
    net = within_reach(net, rows.difference[:, points])

    calibrating = _calibrates(config, samples)
    unseen, truth = samples.points[calibrating][:, points] - baseline[points], samples.label[calibrating]
    scale, bias = vector_scaling(network.logits(net, unseen), truth)
    net = net._replace(w2=net.w2 * scale, b2=net.b2 * scale + bias - bias.mean())
    prior = _prior(rows.labels, rows.weights)
    return TrainedModel(
        config.name,
        net,
        chosen,
        EMOTIONS,
        baseline[points],
        operating_point_choice.choose(
            network.logits(net, unseen), truth, prior, config.min_precision, config.balanced_min_accuracy
        ),
        samples.sources,
        config.seed,
    )


def _material(
    config: TrainConfig,
    space: _Space,
    rows: _Rows,
    staff: list[Layers],
    modes: ShapeModes,
    points: NDArray[np.int64],
) -> Material:
    """What the student learns, but for the noise; `modes` are those of the chosen `points`."""
    inputs, targets, weights = features(modes, rows.difference[:, points]), rows.labels, rows.weights
    if staff:
        shift = _shift(config, rows.labels, rows.weights)
        taught = teachers.answers(staff, features(space.modes, rows.difference), shift)
        targets = config.teaching.share * taught + (1 - config.teaching.share) * targets
        seen, told = [inputs], [targets]
        rng = np.random.default_rng(config.seed)
        for start in range(0, config.teaching.blends, _CHUNK):
            count = min(_CHUNK, config.teaching.blends - start)
            faces = teachers.blended(rng, rows.difference, rows.weights, count)
            seen.append(features(modes, faces[:, points]))
            told.append(teachers.answers(staff, features(space.modes, faces), shift))
        inputs, targets = np.concatenate(seen), np.concatenate(told)
        each = weights.sum() / max(1, config.teaching.blends)
        weights = np.concatenate([weights, np.full(config.teaching.blends, each, np.float32)])
    return Material(
        inputs,
        targets.astype(np.float32),
        weights,
        modes.sign,
        np.zeros((len(modes.sign), len(modes.sign)), np.float32),
        _shift(config, targets, weights),
    )
