"""From logits to probabilities and back, and what a bias on the logits makes of them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32

_LEAST_PROBABILITY: Final = 1e-30  # what a probability that float32 rounded to 0 counts as in a logarithm


def softmax(z: F32) -> F32:
    """Probabilities [B, C] of logits [B, C]."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p: F32 = e / e.sum(axis=1, keepdims=True)
    return p


def log_odds(probabilities: F32) -> F32:
    """The logits [N, C] that softmax made these probabilities of, shifted so that each row adds up to 0."""
    z = np.log(np.maximum(probabilities, _LEAST_PROBABILITY), dtype=np.float32)
    centred: F32 = z - z.mean(axis=1, keepdims=True)
    return centred


def with_bias(probabilities: F32, bias: F32) -> F32:
    """The probabilities [N, C] after a bias [C] is added to the logits; -inf rules a class out."""
    return softmax(log_odds(probabilities) + bias)


def only(present: NDArray[np.bool_]) -> F32:
    """The bias [C] that rules out the classes which are not present [C]."""
    return np.where(present, 0, -np.inf).astype(np.float32)


def even_prior_bias(probabilities: F32, present: NDArray[np.bool_]) -> F32:
    """The bias [C] that makes the classes present [C] equally likely beforehand, and rules out the others.

    The mean over the faces' probabilities [N, C] counts as the prior and is divided by: the correction of
    M. Saerens, P. Latinne and C. Decaestecker (Neural Computation 14, 2002) to an even prior. Labels only
    tell which classes there are.
    """
    prior = with_bias(probabilities, only(present)).mean(axis=0, dtype=np.float64)
    bias = np.where(present, -np.log(np.maximum(prior, _LEAST_PROBABILITY)), -np.inf)
    return bias.astype(np.float32)
