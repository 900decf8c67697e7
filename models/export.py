"""The artifact: one ONNX file that classifies and explains.

The graph is `models.network` written in ONNX operators, with the path integral inside. The inference
needs nothing else: names, landmark set, baseline and threshold are in the file's metadata.
"""

import base64
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.network import PATH_POINTS, gauss_legendre
from models.train import TrainedModel

F32 = NDArray[np.float32]

LANDMARK_SET_FILE: Final = "landmark_set.json"
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

    Inputs: points, baseline, float32 [B, K, 3]. Outputs: probabilities [B, C], attributions [B, K],
    score_change [B], completeness_error [B], target int64 [B] (see `models.network` for their meaning).
    """
    points, classes = len(trained.landmark_set), len(trained.emotions)
    model = helper.make_model(
        helper.make_graph(
            _nodes(),
            trained.name,
            [_value("points", "B", points, 3), _value("baseline", "B", points, 3)],
            [
                _value("probabilities", "B", classes),
                _value("attributions", "B", points),
                _value("score_change", "B"),
                _value("completeness_error", "B"),
                helper.make_tensor_value_info("target", TensorProto.INT64, ["B"]),
            ],
            [numpy_helper.from_array(array, name) for name, array in _constants(trained).items()],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="mien",
    )
    helper.set_model_props(model, _metadata(trained))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _metadata(trained: TrainedModel) -> dict[str, str]:
    baseline = trained.population_baseline.astype("<f4").tobytes()
    return {
        "mien.name": trained.name,
        "mien.emotions": json.dumps(trained.emotions),
        "mien.landmark_set": trained.landmark_set.to_json(),
        "mien.population_baseline": base64.b64encode(baseline).decode("ascii"),  # little-endian float32
        "mien.min_confidence": repr(trained.min_confidence),
        "mien.trained_on": json.dumps(trained.trained_on),
    }


def _constants(trained: TrainedModel) -> dict[str, NDArray[Any]]:
    net, (alphas, weights) = trained.network, gauss_legendre()
    f32 = {
        "w1": net.w1,
        "b1": net.b1,
        "w2": net.w2,
        "b2": net.b2,
        "w3": net.w3,
        "b3": net.b3,
        "radius": np.array(net.radius),
        "tiny": np.array(1e-12),
        "one": np.array(1.0),
        # The path's points, then its two ends, which count nothing in the integral.
        "alphas": np.concatenate([alphas, [0.0, 1.0]])[None, :, None],
        "weights": np.concatenate([weights, [0.0, 0.0]])[None, :, None],
        "off_on": np.array([0.0, 1.0]),
    }
    i64: dict[str, object] = {
        "flat_shape": [-1, 3 * len(trained.landmark_set)],
        "points_shape": [-1, len(trained.landmark_set), 3],
        "start": PATH_POINTS,
        "end": PATH_POINTS + 1,
        "axis1": [1],
        "axis2": [2],
        "classes": len(trained.emotions),
    }
    constants: dict[str, NDArray[Any]] = {name: np.asarray(value, np.float32) for name, value in f32.items()}
    return constants | {name: np.asarray(value, np.int64) for name, value in i64.items()}


def _nodes() -> list[onnx.NodeProto]:
    nodes: list[onnx.NodeProto] = []

    def op(kind: str, inputs: str, output: str, **attributes: object) -> None:
        nodes.append(helper.make_node(kind, inputs.split(), [output], **attributes))

    def silu(x: str) -> None:
        """`x_value` and `x_slope`: x · sigmoid(x) and its derivative."""
        op("Sigmoid", x, f"{x}_gate")
        op("Mul", f"{x} {x}_gate", f"{x}_value")
        op("Sub", f"one {x}_gate", f"{x}_closed")
        op("Mul", f"{x}_value {x}_closed", f"{x}_bend")
        op("Add", f"{x}_gate {x}_bend", f"{x}_slope")

    # The difference [B, 3K], shortened where it is longer than any real one.
    op("Sub", "points baseline", "difference")
    op("Reshape", "difference flat_shape", "flat")
    op("MatMul", "flat w1", "projected")
    op("ReduceL2", "projected", "norm", axes=[1], keepdims=1)
    op("Max", "norm tiny", "norm_or_tiny")
    op("Div", "radius norm_or_tiny", "room")
    op("Min", "room one", "shorten")
    op("Mul", "flat shorten", "flat_short")
    op("Mul", "projected shorten", "projected_short")

    # Forward, at all points of the path at once: [B, path, H]. The first layer is linear along the path.
    op("Unsqueeze", "projected_short axis1", "projected_path")
    op("Mul", "projected_path alphas", "scaled")
    op("Add", "scaled b1", "z1")
    silu("z1")
    op("MatMul", "z1_value w2", "z2_unbiased")
    op("Add", "z2_unbiased b2", "z2")
    silu("z2")
    op("MatMul", "z2_value w3", "z3_unbiased")
    op("Add", "z3_unbiased b3", "logits_path")
    op("Gather", "logits_path start", "logits_start", axis=1)
    op("Gather", "logits_path end", "logits_end", axis=1)
    op("Softmax", "logits_end", "probabilities", axis=1)
    op("ArgMax", "logits_end", "target", axis=1, keepdims=0)
    op("OneHot", "target classes off_on", "chosen", axis=-1)

    # Backward, from the winning class's logit. The sum over the path comes before the last product.
    op("Transpose", "w3", "w3_t", perm=[1, 0])
    op("Transpose", "w2", "w2_t", perm=[1, 0])
    op("Transpose", "w1", "w1_t", perm=[1, 0])
    op("MatMul", "chosen w3_t", "seed")
    op("Unsqueeze", "seed axis1", "seed_path")
    op("Mul", "seed_path z2_slope", "back2")
    op("MatMul", "back2 w2_t", "back1_unsloped")
    op("Mul", "back1_unsloped z1_slope", "back1")
    op("Mul", "back1 weights", "back1_weighted")
    op("ReduceSum", "back1_weighted axis1", "back1_integral", keepdims=0)
    op("MatMul", "back1_integral w1_t", "gradient")
    op("Mul", "gradient flat_short", "by_coordinate")
    op("Reshape", "by_coordinate points_shape", "by_point_and_axis")
    op("ReduceSum", "by_point_and_axis axis2", "attributions", keepdims=0)

    # Completeness: the attributions must add up to the change of the logit.
    op("Sub", "logits_end logits_start", "change")
    op("Mul", "change chosen", "change_chosen")
    op("ReduceSum", "change_chosen axis1", "score_change", keepdims=0)
    op("ReduceSum", "attributions axis1", "attributed", keepdims=0)
    op("Sub", "attributed score_change", "incompleteness")
    op("Abs", "incompleteness", "completeness_error")
    return nodes


def _value(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
