"""Training: from labelled landmarks to a network that can be exported.

The points, minus the mean neutral face, are projected on a mirror-symmetric shape PCA, so that mirroring
a face is a change of sign of the odd modes; mode i is divided by σ_i^whitening. All of that is linear and
folds into the first layer afterwards. Training is deterministic for one machine, configuration and data.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import msgspec
import numpy as np
import optax
from numpy.typing import NDArray

from models import network, operating_points
from models.calibration import temperature
from models.canonical import POINTS
from models.dataset import EMOTIONS, NO_MAJORITY, Samples
from models.landmark_set import select
from models.network import Network
from models.shape_modes import ShapeModes, features, shape_modes
from models.trained_model import TrainedModel as TrainedModel

F32 = NDArray[np.float32]
Progress = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the mean training loss since the last call."""

_REPORT_STEPS = 100
# Radius and reach of the network: so much more than what this part of the training faces stays below.
_ROOM, _REAL = 1.25, 0.999


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `mien train` can be told. The shipped model's is models/artifacts/train.toml."""

    name: str = "mien-128"
    landmarks: int = 128  # how many of the 468 points to keep
    steps: int = 5000
    batch: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    even_modes: int = 160
    odd_modes: int = 100
    whitening: float = 0.8
    hidden: int = 1024
    dropout: float = 0.1
    noise: float = 0.0007  # of the landmarks, in inter-ocular distances
    prior_shift: float = 0.0  # τ of the logit adjustment: 0 for accuracy, 1 for balanced accuracy
    synthetic_share: float = 0.1
    source_weights: dict[str, float] = {}  # how much a file's faces count, by its name; 1 unless given
    min_precision: float = 0.85  # of the answers the model does not abstain from, on validation
    balanced_min_accuracy: float = 0.8  # what the operating point "balanced" keeps of it, on validation
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.hidden, self.even_modes, self.odd_modes) < 1:
            raise ValueError("steps, batch, hidden units and modes must be at least 1")
        if not 0 <= self.dropout < 1 or self.noise < 0 or not 0 <= self.synthetic_share < 1:
            raise ValueError("dropout and synthetic_share must lie in [0, 1), noise must not be negative")

    @classmethod
    def load(cls, path: Path) -> "TrainConfig":
        """Read a TOML file. Raises FileNotFoundError, or ValueError that names the wrong field."""
        try:
            return msgspec.toml.decode(path.read_bytes(), type=cls)
        except msgspec.MsgspecError as exc:
            raise ValueError(f"{path}: {exc}") from exc


def train(config: TrainConfig, samples: Samples, progress: Progress | None = None) -> TrainedModel:
    """Fit a network to the training part of `samples`; calibrate it on the validation part.

    When the samples have all 468 points and the configuration wants fewer, a first network is fitted to all
    of them and the points that matter most to it are kept. Raises ValueError when a part is empty, or no
    training face is neutral.
    """
    report = progress or (lambda *_: None)
    wanted = min(config.landmarks, POINTS)
    if len(samples.landmark_set) == wanted:
        return _train(config, samples, report)
    every = _train(config, samples, lambda step, steps, loss: report(step, 2 * steps, loss))
    chosen = select(f"ig{wanted}", landmark_importance(every, samples), wanted)
    return _train(
        config, samples.take(chosen), lambda step, steps, loss: report(steps + step, 2 * steps, loss)
    )


def landmark_importance(model: TrainedModel, samples: Samples, faces: int = 8192) -> F32:
    """Mean absolute Integrated Gradient of each landmark [K], for the winning class, over training faces.

    At most `faces` of them, evenly spaced. Validation faces are never looked at.
    """
    points = samples.points[~samples.validation]
    difference = points[:: max(1, len(points) // faces)] - model.population_baseline
    total = np.zeros(len(model.landmark_set))
    for start in range(0, len(difference), 512):
        part = difference[start : start + 512]
        target = network.logits(model.network, part).argmax(axis=1)
        total += np.abs(network.integrated_gradients(model.network, part, target).attributions).sum(axis=0)
    return (total / len(difference)).astype(np.float32)


def _train(config: TrainConfig, samples: Samples, report: Progress) -> TrainedModel:
    fit, held_out = ~samples.validation, samples.validation & (samples.label != NO_MAJORITY)
    neutral = fit & (samples.label == EMOTIONS.index("neutral"))
    if not fit.any() or not held_out.any():
        raise ValueError("training needs faces in both parts, training and validation")
    if not neutral.any():
        raise ValueError("training needs neutral faces: their mean is the baseline")
    baseline: F32 = samples.points[neutral].mean(axis=0)
    difference = samples.points[fit] - baseline
    modes = shape_modes(
        difference, samples.landmark_set.mirror, config.even_modes, config.odd_modes, config.whitening
    )
    weights = _weights(config, samples)[fit]
    prior = (samples.probabilities[fit] * weights[:, None]).sum(axis=0) / weights.sum()
    parameters = _optimise(
        config, modes, features(modes, difference), samples.probabilities[fit], weights, prior, report
    )
    net = _fold(parameters, modes)
    flat = difference.reshape(len(difference), -1)
    reach, radius = (_ROOM * np.quantile(np.linalg.norm(x, axis=1), _REAL) for x in (flat, flat @ net.w1))
    net = net._replace(radius=float(radius), reach=float(reach))

    unseen, truth = samples.points[held_out] - baseline, samples.label[held_out]
    heat = temperature(network.logits(net, unseen), truth)
    net = net._replace(w2=net.w2 / heat, b2=net.b2 / heat)
    points = operating_points.choose(
        network.logits(net, unseen), truth, prior, config.min_precision, config.balanced_min_accuracy
    )
    return TrainedModel(
        config.name, net, samples.landmark_set, EMOTIONS, baseline, points, samples.sources, config.seed
    )


def _weights(config: TrainConfig, samples: Samples) -> F32:
    unknown = set(config.source_weights) - set(samples.sources)
    if unknown:
        raise ValueError(f"source_weights names {sorted(unknown)}, the data is {list(samples.sources)}")
    by_source = np.array([config.source_weights.get(name, 1.0) for name in samples.sources], np.float32)
    return by_source[samples.source]


def _optimise(
    config: TrainConfig,
    modes: ShapeModes,
    inputs: F32,
    probabilities: F32,
    weights: F32,
    prior: F32,
    progress: Progress,
) -> dict[str, F32]:
    shift = jnp.asarray(config.prior_shift * np.log(np.maximum(prior, 1e-6)))
    x, y, cumulative = jnp.asarray(inputs), jnp.asarray(probabilities), jnp.asarray(np.cumsum(weights))
    noise, sign = jnp.asarray(config.noise * modes.scale), jnp.asarray(modes.sign)
    optimiser = optax.adamw(
        optax.warmup_cosine_decay_schedule(
            0.0, config.learning_rate, config.steps // 20 + 1, config.steps + 1
        ),
        weight_decay=config.weight_decay,
    )

    def loss(parameters: dict[str, jax.Array], key: jax.Array) -> jax.Array:
        pick, flip, jitter, drop = jax.random.split(key, 4)
        uniform = jax.random.uniform(pick, (config.batch,)) * cumulative[-1]
        chosen = jnp.minimum(jnp.searchsorted(cumulative, uniform), len(x) - 1)
        mirrored = jax.random.bernoulli(flip, 0.5, (config.batch, 1))
        batch = x[chosen] * jnp.where(mirrored, sign, 1.0)
        batch += noise * jax.random.normal(jitter, batch.shape)
        h = jax.nn.silu(batch @ parameters["w1"] + parameters["b1"])
        h *= jax.random.bernoulli(drop, 1 - config.dropout, h.shape) / (1 - config.dropout)
        z = h @ parameters["w2"] + parameters["b2"] + shift
        return -(y[chosen] * jax.nn.log_softmax(z)).sum(axis=1).mean()

    @jax.jit
    def run(state: tuple[dict[str, jax.Array], optax.OptState], keys: jax.Array) -> tuple[object, jax.Array]:
        def step(
            state: tuple[dict[str, jax.Array], optax.OptState], key: jax.Array
        ) -> tuple[tuple[dict[str, jax.Array], optax.OptState], jax.Array]:
            parameters, memory = state
            value, gradient = jax.value_and_grad(loss)(parameters, key)
            updates, memory = optimiser.update(gradient, memory, parameters)
            return (optax.apply_updates(parameters, updates), memory), value

        new, values = jax.lax.scan(step, state, keys)
        return new, values.mean()

    start, *_ = keys = jax.random.split(jax.random.key(config.seed), config.steps + 1)
    parameters = _initial(start, [inputs.shape[1], config.hidden, probabilities.shape[1]])
    state = (parameters, optimiser.init(parameters))
    for done in range(0, config.steps, _REPORT_STEPS):
        state, value = run(state, keys[1 + done : 1 + done + _REPORT_STEPS])
        progress(min(done + _REPORT_STEPS, config.steps), config.steps, float(value))
    return {name: np.asarray(value) for name, value in state[0].items()}


def _initial(key: jax.Array, sizes: list[int]) -> dict[str, jax.Array]:
    """He et al. (2015) for the weights, zero for the biases."""
    parameters = {}
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
        key, own = jax.random.split(key)
        parameters[f"w{layer}"] = jax.random.normal(own, (fan_in, fan_out)) * np.sqrt(2 / fan_in)
        parameters[f"b{layer}"] = jnp.zeros(fan_out)
    return parameters


def _fold(parameters: dict[str, F32], modes: ShapeModes) -> Network:
    """The modes go into the first layer; the logits are centred, which softmax does not notice."""
    w1 = modes.basis @ parameters["w1"]
    w2, b2 = parameters["w2"], parameters["b2"]
    return Network(
        w1,
        parameters["b1"] - modes.centre @ w1,
        w2 - w2.mean(axis=1, keepdims=True),
        b2 - b2.mean(),
        np.inf,
    )
