"""Fully connected networks on shape modes, and how they are fitted (jax)."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from models.arrays import F32

Layers = list[tuple[jax.Array, jax.Array]]
Forward = Callable[[Layers, jax.Array], jax.Array]
Progress = Callable[[int, int, float], None]
"""Called with the step, the number of steps and the mean training loss since the last call."""

_REPORT_STEPS = 100


class Material(NamedTuple):
    """What a network is fitted to: N rows of M features, and the shares of C classes."""

    inputs: F32  # [N, M]
    targets: F32  # [N, C], each row sums to 1
    weights: F32  # [N]: how often a row is drawn, relative to the others
    sign: F32  # [M]: what mirroring a face multiplies its features by
    noise: F32  # [M, M]: what standard normal numbers are multiplied by to become the noise of the features
    shift: F32  # [C]: added to the logits while fitting (A. Menon et al., "Long-tail learning via logit
    # adjustment", ICLR 2021)


class Schedule(NamedTuple):
    """How a network is fitted."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    seed: int


def plain(layers: Layers, x: jax.Array) -> jax.Array:
    """Logits [B, C] of features [B, M]; SiLU between the layers."""
    *hidden, (w, b) = layers
    for w_hidden, b_hidden in hidden:
        x = jax.nn.silu(x @ w_hidden + b_hidden)
    return x @ w + b


def twins(sign: F32) -> Forward:
    """One hidden layer whose units come with a twin that sees the mirrored face: a face and its mirror image
    get the same logits. The even modes come first, see `models.training.shape_modes`."""
    even = int((sign > 0).sum())

    def forward(layers: Layers, x: jax.Array) -> jax.Array:
        (w1, b1), (w2, b2) = layers
        of_even = x[:, :even] @ w1[:even] + b1
        of_odd = x[:, even:] @ w1[even:]
        return (jax.nn.silu(of_even + of_odd) + jax.nn.silu(of_even - of_odd)) @ w2 + b2

    return forward


def fit(
    forward: Forward,
    hidden: Sequence[int],
    material: Material,
    schedule: Schedule,
    progress: Progress = lambda _step, _steps, _loss: None,
) -> Layers:
    """Minimise the cross-entropy by AdamW with a warm-up and a cosine decay.

    Each row of a batch is drawn anew, mirrored or not, and gets noise. The same arguments give the same
    layers on one machine.
    """
    x, y, shift, sign, noise = (
        jnp.asarray(value)
        for value in (material.inputs, material.targets, material.shift, material.sign, material.noise)
    )
    cumulative = jnp.asarray(np.cumsum(material.weights))
    steps = schedule.steps
    rate = optax.warmup_cosine_decay_schedule(0.0, schedule.learning_rate, steps // 20 + 1, steps + 1)
    optimiser = optax.adamw(rate, weight_decay=schedule.weight_decay)

    def loss(layers: Layers, key: jax.Array) -> jax.Array:
        pick, flip, jitter = jax.random.split(key, 3)
        uniform = jax.random.uniform(pick, (schedule.batch,)) * cumulative[-1]
        chosen = jnp.minimum(jnp.searchsorted(cumulative, uniform), len(x) - 1)
        mirrored = jax.random.bernoulli(flip, 0.5, (schedule.batch, 1))
        batch = x[chosen] * jnp.where(mirrored, sign, 1.0)
        batch += jax.random.normal(jitter, batch.shape) @ noise
        return -(y[chosen] * jax.nn.log_softmax(forward(layers, batch) + shift)).sum(axis=1).mean()

    @jax.jit
    def run(state: tuple[Layers, optax.OptState], keys: jax.Array) -> tuple[object, jax.Array]:
        def step(
            state: tuple[Layers, optax.OptState], key: jax.Array
        ) -> tuple[tuple[Layers, optax.OptState], jax.Array]:
            layers, memory = state
            value, gradient = jax.value_and_grad(loss)(layers, key)
            updates, memory = optimiser.update(gradient, memory, layers)
            return (optax.apply_updates(layers, updates), memory), value

        new, values = jax.lax.scan(step, state, keys)
        return new, values.mean()

    start, *_ = keys = jax.random.split(jax.random.key(schedule.seed), steps + 1)
    layers = _initial(start, [material.inputs.shape[1], *hidden, material.targets.shape[1]])
    state = (layers, optimiser.init(layers))
    for done in range(0, steps, _REPORT_STEPS):
        state, value = run(state, keys[1 + done : 1 + done + _REPORT_STEPS])
        progress(min(done + _REPORT_STEPS, steps), steps, float(value))
    return state[0]


def _initial(key: jax.Array, sizes: list[int]) -> Layers:
    """He et al. (2015) for the weights, zero for the biases."""
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        key, own = jax.random.split(key)
        layers.append((jax.random.normal(own, (fan_in, fan_out)) * np.sqrt(2 / fan_in), jnp.zeros(fan_out)))
    return layers
