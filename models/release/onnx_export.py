"""The artifact: one ONNX file that classifies and explains.

The graph is `models.training.network` written in ONNX operators, with the path integral inside. The inference
needs nothing else: names, landmark set, baseline and operating points are in the file's metadata. A second
network, for faces compared with their subject's own neutral face, is the other branch of an If: of a call,
one of the two is computed, and the first one's nodes are the same with and without the second.
"""

import base64
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.arrays import F32
from models.emotion import operating_points
from models.faces.landmark_set import LandmarkSet
from models.training.network import TINY, Network, has_twins, mirrored
from models.training.trained_model import TrainedModel

LANDMARK_SET_FILE: Final = "landmark_set.json"
_SELECTOR: Final = "own"  # the input that chooses the network
_OWN: Final = "own."  # begins the names of what belongs to the second network
_BY_NETWORK: Final = (
    *("w1_even_half", "w1_odd_half", "b1_half", "radius_half", "radius_half_by_reach", "bend_closing"),
    *("w2", "w2_by_class", "hidden_at_baseline", "logits_at_baseline"),
)
_OPSET: Final = 17
_IR_VERSION: Final = 8  # the one that belongs to opset 17


def export(trained: TrainedModel, directory: Path) -> Path:
    """Write `<name>.onnx` and `landmark_set.json` into `directory`, and return the path of the former.

    The same model always gives the same bytes. A new file takes the place of an old one in one step.
    Raises OSError when the directory is missing or cannot be written.
    """
    path = directory / f"{trained.name}.onnx"
    try:
        for target, content in (
            (path, to_onnx(trained)),
            (directory / LANDMARK_SET_FILE, f"{trained.landmark_set.to_json()}\n".encode()),
        ):
            partial = target.with_name(f".{target.name}.partial")
            partial.write_bytes(content)
            partial.replace(target)
    except OSError as exc:
        raise OSError(
            exc.errno, f"cannot write the model into {directory}: {exc.strerror}; choose another directory"
        ) from exc
    return path


def to_onnx(trained: TrainedModel) -> bytes:
    """The ONNX file's content.

    Inputs: points, float32 [B, K, 3]; baseline, the same, or one for all, [1, K, 3]; bias, float32 [C],
    which is added to the logits and may be left out; and own, bool [], whether the baselines are the
    subjects' own, which may be left out and is there when the model has a network for that. Outputs:
    probabilities [B, C], attributions [B, K], score_change [B], completeness_error [B], target int64 [B]
    (`models.training.network` has their meaning).
    Raises ValueError for a network without mirror twins.
    """
    networks = [trained.network, *([trained.own.network] if trained.own else [])]
    if not all(has_twins(network, trained.landmark_set.mirror) for network in networks):
        raise ValueError("the network's units lack their mirror twins (training/network.py:with_twins)")
    points, classes = len(trained.landmark_set), len(trained.emotions)
    inputs = [
        _value("points", "B", points, 3),
        _value("baseline", "B or 1", points, 3),
        _value("bias", classes),
    ]
    outputs = [
        _value("probabilities", "B", classes),
        _value("attributions", "B", points),
        _value("score_change", "B"),
        _value("completeness_error", "B"),
        helper.make_tensor_value_info("target", TensorProto.INT64, ["B"]),
    ]
    constants = _constants(trained)
    nodes = _nodes()
    if trained.own:
        inputs.append(helper.make_tensor_value_info(_SELECTOR, TensorProto.BOOL, []))
        theirs = _of_network(trained.own.network, trained.landmark_set)
        constants |= {_OWN + name: array for name, array in theirs.items()}
        constants[_SELECTOR] = np.array(False)
        nodes = [_either(outputs, theirs)]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            trained.name,
            inputs,
            outputs,
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="mien",
    )
    helper.set_model_props(model, _metadata(trained))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def read_network(path: Path, *, own: bool = False) -> Network:
    """The weights in an ONNX file; with `own` those for own neutral faces. Raises OSError, or ValueError when
    the file is not one of `export`'s or has no such network."""
    weights = {w.name: numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer}
    if own:
        if _OWN + _BY_NETWORK[0] not in weights:
            raise ValueError(f"{path} has no network for own neutral faces")
        weights |= {name: weights[_OWN + name] for name in _BY_NETWORK}
    try:
        w1 = _whole(weights)
        b1, radius = (2 * weights[name] for name in ("b1_half", "radius_half"))
        by_reach = float(weights["radius_half_by_reach"])
        w2 = weights["w2"]
        b2 = weights["logits_at_baseline"] - weights["hidden_at_baseline"] @ w2
        return Network(w1, b1, w2, b2, float(radius), float(radius) / 2 / by_reach if by_reach else np.inf)
    except KeyError as exc:
        raise ValueError(f"{path} has no weights of the name {exc}: `mien export` did not write it") from exc


def _metadata(trained: TrainedModel) -> dict[str, str]:
    baseline = trained.population_baseline.astype("<f4").tobytes()
    return {
        "mien.name": trained.name,
        "mien.emotions": json.dumps(trained.emotions),
        "mien.landmark_set": trained.landmark_set.to_json(),
        "mien.population_baseline": base64.b64encode(baseline).decode("ascii"),  # little-endian float32
        "mien.min_confidence": repr(trained.min_confidence),
        "mien.operating_points": operating_points.to_json(trained.operating_points),
        **(
            {"mien.own_operating_points": operating_points.to_json(trained.own.operating_points)}
            if trained.own
            else {}
        ),
        "mien.trained_on": json.dumps(trained.trained_on),
        "mien.split_seed": str(trained.split_seed),
    }


def _constants(trained: TrainedModel) -> dict[str, NDArray[Any]]:
    """What the graph holds, but for a second network's weights."""
    points = len(trained.landmark_set)
    more: dict[str, NDArray[Any]] = {
        "bias": np.zeros(len(trained.emotions), np.float32),
        "tiny": np.array(TINY, np.float32),
        "one": np.array(1.0, np.float32),
        "flat_shape": np.array([-1, 3 * points]),
        "axis1": np.array([1]),
        "axis2": np.array([2]),
    }
    return _places(trained.landmark_set) | _of_network(trained.network, trained.landmark_set) | more


def _of_network(net: Network, landmark_set: LandmarkSet) -> dict[str, NDArray[Any]]:
    """A network's weights. All of the first layer is halved (exactly, in float32): tanh wants p/2."""
    start = np.tanh(net.b1 / 2)
    even, odd = _halves(net, landmark_set)
    weights = {
        "w1_even_half": even,
        "w1_odd_half": odd,
        "b1_half": net.b1 / 2,
        "radius_half": np.array(net.radius / 2),
        "radius_half_by_reach": np.array(net.radius / 2 / net.reach),
        "bend_closing": net.b1 / 2 * start,
        "w2": net.w2,
        "w2_by_class": net.w2.T,
        "hidden_at_baseline": net.b1 / 2 * (1 + start),
        "logits_at_baseline": net.b1 / 2 * (1 + start) @ net.w2 + net.b2,
    }
    return {name: np.asarray(weights[name], np.float32) for name in _BY_NETWORK}


def _places(landmark_set: LandmarkSet) -> dict[str, NDArray[Any]]:
    """Where the points of the two sides are: left ones and those on the midline, and their mirrored twins."""
    left, mirror = _left(landmark_set), landmark_set.mirror
    alone = mirror[left] == left
    place = np.empty(len(mirror), np.int64)
    place[mirror[left]] = len(left) + np.arange(len(left))
    place[left] = np.arange(len(left))
    return {
        "mirroring": np.where(alone[:, None], 0, np.array([-1, 1, 1])).astype(np.float32),
        "left": left.astype(np.int64),
        "right": mirror[left].astype(np.int64),
        "place": place,
        "side_shape": np.array([-1, 3 * len(left)]),
        "sides_shape": np.array([-1, 2 * len(left), 3]),
    }


def _left(landmark_set: LandmarkSet) -> NDArray[np.int64]:
    return np.flatnonzero(np.arange(len(landmark_set)) <= landmark_set.mirror)


def _halves(net: Network, landmark_set: LandmarkSet) -> tuple[F32, F32]:
    """The first layer for the even and the odd part of a face: half as many numbers, thanks to the twins.

    With l the points that are on the left or on the midline and r the mirrored right ones, 0 for those on the
    midline, l + r is even: it stays when the face is mirrored. l - r is odd: it changes its sign.
    """
    left, mirror = _left(landmark_set), landmark_set.mirror
    by_point = net.w1[:, : len(net.b1) // 2].reshape(len(mirror), 3, -1)
    sign = np.array([-1, 1, 1], np.float32)
    of_left, of_right = by_point[left], by_point[mirror[left]] * sign[:, None]
    even, odd = ((w / 4).reshape(3 * len(left), -1) for w in (of_left + of_right, of_left - of_right))
    return even, odd


def _either(outputs: list[onnx.ValueInfoProto], theirs: Collection[str]) -> onnx.NodeProto:
    """One network or the other. `theirs` are the names that a network has for itself."""
    branches = {}
    for branch, begin in (("then_branch", _OWN), ("else_branch", "population.")):
        nodes = _nodes()
        made = {name for node in nodes for name in node.output}
        begins = dict.fromkeys(made, begin) | (dict.fromkeys(theirs, _OWN) if begin == _OWN else {})
        for node in nodes:
            for names in (node.input, node.output):
                names[:] = [begins.get(name, "") + name for name in names]
        given = [onnx.ValueInfoProto.FromString(output.SerializeToString()) for output in outputs]
        for output in given:
            output.name = begin + output.name
        branches[branch] = helper.make_graph(nodes, branch, [], given)
    return helper.make_node("If", [_SELECTOR], [output.name for output in outputs], **branches)


def _whole(weights: dict[str, NDArray[Any]]) -> F32:
    """The first layer [3K, H] that `_halves` took apart."""
    left, right = weights["left"], weights["right"]
    even, odd = (2 * weights[name].reshape(len(left), 3, -1) for name in ("w1_even_half", "w1_odd_half"))
    own = np.empty((len(weights["place"]), 3, even.shape[2]), np.float32)
    own[right] = (even - odd) * np.array([[-1], [1], [1]], np.float32)
    own[left] = even + odd
    mirror = np.empty(len(own), np.int32)
    mirror[left], mirror[right] = right, left
    w1 = own.reshape(3 * len(own), -1)
    return np.concatenate([w1, mirrored(w1, mirror)], axis=1)


def _nodes() -> list[onnx.NodeProto]:
    nodes: list[onnx.NodeProto] = []

    def op(kind: str, inputs: str, output: str, **attributes: object) -> None:
        nodes.append(helper.make_node(kind, inputs.split(), [output], **attributes))

    # u = p/2: the halved first layer of the difference, shortened where it is longer than any real one.
    op("Sub", "points baseline", "difference")
    op("Reshape", "difference flat_shape", "flat")
    op("Gather", "difference left", "left_side", axis=1)
    op("Gather", "difference right", "right_side_as_it_is", axis=1)
    op("Mul", "right_side_as_it_is mirroring", "right_side")
    op("Add", "left_side right_side", "even_by_point")
    op("Sub", "left_side right_side", "odd_by_point")
    op("Reshape", "even_by_point side_shape", "even")
    op("Reshape", "odd_by_point side_shape", "odd")
    op("Gemm", "even w1_even_half", "u_even")
    op("Gemm", "odd w1_odd_half", "u_odd")
    op("Add", "u_even u_odd", "u_own")
    op("Sub", "u_even u_odd", "u_twin")
    op("Concat", "u_own u_twin", "u_long", axis=1)
    op("ReduceL2", "u_long", "norm", axes=[1], keepdims=1)
    op("ReduceL2", "flat", "length", axes=[1], keepdims=1)
    op("Mul", "length radius_half_by_reach", "norm_for_length")
    op("Max", "norm norm_for_length radius_half", "norm_at_least")
    op("Div", "radius_half norm_at_least", "shorten")
    op("Mul", "u_long shorten", "u")

    # Forward. silu(p + b) = (p + b)/2 · (1 + tanh((p + b)/2))
    op("Add", "u b1_half", "x")
    op("Tanh", "x", "end")
    op("Add", "end one", "gate_twice")
    op("Mul", "x gate_twice", "hidden")
    op("Sub", "hidden hidden_at_baseline", "hidden_change")
    op("Gemm", "hidden_change w2", "change")
    op("Add", "logits_at_baseline bias", "start")
    op("Add", "change start", "logits")
    op("Softmax", "logits", "probabilities", axis=1)
    op("ArgMax", "logits", "target_column", axis=1, keepdims=1)
    op("Squeeze", "target_column axis1", "target")

    # Twice the mean slope on the path from the baseline to the points, as in `network.mean_slope`.
    op("Abs", "u", "u_positive")
    op("Max", "u_positive tiny", "u_not_zero")
    op("Tanh", "u_not_zero", "u_tanh")
    op("Div", "u_tanh u_not_zero", "u_flatness")
    op("Mul", "end bend_closing", "closing")
    op("Sub", "b1_half closing", "bend")
    op("Mul", "bend u_flatness", "bend_mean")
    op("Add", "gate_twice bend_mean", "slope_twice")

    # Backward, from the winning class's logit, through the same halved first layer.
    op("Gather", "w2_by_class target", "seed", axis=0)
    op("Mul", "seed shorten", "seed_short")
    op("Mul", "slope_twice seed_short", "back")
    nodes.append(helper.make_node("Split", ["back"], ["back_own", "back_twin"], axis=1))
    op("Add", "back_own back_twin", "back_even")
    op("Sub", "back_own back_twin", "back_odd")
    op("Gemm", "back_even w1_even_half", "gradient_even", transB=1)
    op("Gemm", "back_odd w1_odd_half", "gradient_odd", transB=1)
    op("Add", "gradient_even gradient_odd", "gradient_left")
    op("Sub", "gradient_even gradient_odd", "gradient_right")
    op("Concat", "gradient_left gradient_right", "gradient", axis=1)
    op("Reshape", "gradient sides_shape", "gradient_by_point")
    op("Concat", "left_side right_side", "sides", axis=1)
    op("Mul", "gradient_by_point sides", "by_side_and_axis")
    op("ReduceSum", "by_side_and_axis axis2", "by_side", keepdims=0)
    op("Gather", "by_side place", "attributions", axis=1)

    # Completeness: the attributions must add up to the change of the logit.
    op("GatherElements", "change target_column", "change_chosen", axis=1)
    op("Squeeze", "change_chosen axis1", "score_change")
    op("ReduceSum", "attributions axis1", "attributed", keepdims=0)
    op("Sub", "attributed score_change", "incompleteness")
    op("Abs", "incompleteness", "completeness_error")
    return nodes


def _value(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
