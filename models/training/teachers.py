"""Teachers: an ensemble on all points, whose answers the shipped network learns (jax).

G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015; J. Ba, R. Caruana, "Do
Deep Nets Really Need to be Deep?", NIPS 2014: one wide layer can learn what it could not have found itself.
"""

from collections.abc import Sequence
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np

from models.arrays import F32
from models.training.network_fitting import Layers, plain

_CHUNK: Final = 1024


def answers(teachers: Sequence[Layers], inputs: F32, shift: F32) -> F32:
    """Their mean answer, shares [N, C], to features [N, M]; `shift` [C] is what they were fitted with."""
    one = jax.jit(
        lambda x: jax.nn.softmax(jnp.stack([plain(layers, x) for layers in teachers]).mean(axis=0) + shift)
    )
    return np.concatenate([np.asarray(one(part)) for part in _chunks(inputs)])


def blended(rng: np.random.Generator, difference: F32, weights: F32, count: int) -> F32:
    """`count` faces between two faces, at most half-way: material for the teachers to answer.

    `difference` [N, K, 3] are the faces, `weights` [N] how often each is drawn.
    """
    one, other = rng.choice(len(difference), (2, count), p=weights / weights.sum(dtype=np.float64))
    share = rng.uniform(0, 0.5, (count, 1, 1)).astype(np.float32)
    faces: F32 = difference[one] * (1 - share) + difference[other] * share
    return faces


def _chunks(inputs: F32) -> list[F32]:
    return [inputs[start : start + _CHUNK] for start in range(0, len(inputs), _CHUNK)]
