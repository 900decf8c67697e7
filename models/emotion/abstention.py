"""When to say "I don't know": the face is cut off, small, turned or blurred, or the model too unsure."""

from typing import Literal, NamedTuple

Reason = Literal["low-confidence", "small-face", "extreme-pose", "blurred", "partial-face"]


class Limits(NamedTuple):
    """The model brings its own least confidence; `mien limits` measures the limits of the picture."""

    min_confidence: float
    min_inter_ocular_px: float
    max_yaw_deg: float
    max_pitch_deg: float
    min_sharpness: float
    min_visible: float = 0.0


def reason(
    limits: Limits,
    *,
    confidence: float,
    inter_ocular_px: float,
    yaw_deg: float,
    pitch_deg: float,
    sharpness: float,
    visible: float = 1.0,
) -> Reason | None:
    """Why no emotion is named, or None. A fault of the picture is told before a doubt of the model.

    Of the faults, that a part is missing comes first: the others are measured on a mesh that is made up then.
    """
    if visible < limits.min_visible:
        return "partial-face"
    if inter_ocular_px < limits.min_inter_ocular_px:
        return "small-face"
    if abs(yaw_deg) > limits.max_yaw_deg or abs(pitch_deg) > limits.max_pitch_deg:
        return "extreme-pose"
    if sharpness < limits.min_sharpness:
        return "blurred"
    if confidence < limits.min_confidence:
        return "low-confidence"
    return None
