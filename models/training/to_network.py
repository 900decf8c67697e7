"""Turns fitted layers on shape modes into a network on landmarks."""

from typing import Final

import numpy as np

from models.arrays import F32
from models.faces.landmark_set import LandmarkSet
from models.training import network
from models.training.network import Network
from models.training.network_fitting import Layers
from models.training.shape_modes import ShapeModes

# Radius and reach of the network: so much more than what this part of the training faces stays below.
_ROOM: Final = 1.25
_REAL: Final = 0.999


def to_network(layers: Layers, modes: ShapeModes, shift: F32, chosen: LandmarkSet) -> Network:
    """The network of one hidden layer, with twins; everything linear goes into its first layer.

    `shift` [C] is given back to the logits, and they are centred, which softmax does not notice.
    """
    (w1, b1), (w2, b2) = [(np.asarray(w), np.asarray(b)) for w, b in layers]
    b2 = b2 + shift
    own = Network(
        modes.basis @ w1,
        b1 + modes.offset @ w1,
        w2 - w2.mean(axis=1, keepdims=True),
        b2 - b2.mean(),
        np.inf,
    )
    return network.with_twins(own, chosen.mirror)


def within_reach(net: Network, difference: F32) -> Network:
    """The network with the radius and the reach of these differences [N, K, 3], and some room."""
    flat = difference.reshape(len(difference), -1)
    reach, radius = (_ROOM * np.quantile(np.linalg.norm(x, axis=1), _REAL) for x in (flat, flat @ net.w1))
    return net._replace(radius=float(radius), reach=float(reach))
