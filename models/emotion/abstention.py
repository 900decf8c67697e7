"""When to say "I don't know": the face is too small, turned too far, too blurred, or the model too unsure."""

from typing import Literal, NamedTuple

Reason = Literal["low-confidence", "small-face", "extreme-pose", "blurred"]


class Limits(NamedTuple):
    """The model brings its own least confidence; `mien limits` measures the limits of the picture."""

    min_confidence: float
    min_inter_ocular_px: float
    max_yaw_deg: float
    max_pitch_deg: float
    min_sharpness: float


def reason(
    limits: Limits,
    *,
    confidence: float,
    inter_ocular_px: float,
    yaw_deg: float,
    pitch_deg: float,
    sharpness: float,
) -> Reason | None:
    """Why no emotion is named, or None. A fault of the picture is told before a doubt of the model."""
    if inter_ocular_px < limits.min_inter_ocular_px:
        return "small-face"
    if abs(yaw_deg) > limits.max_yaw_deg or abs(pitch_deg) > limits.max_pitch_deg:
        return "extreme-pose"
    if sharpness < limits.min_sharpness:
        return "blurred"
    if confidence < limits.min_confidence:
        return "low-confidence"
    return None
