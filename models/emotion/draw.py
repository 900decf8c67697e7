"""A face with its explanation drawn on it: which points spoke for the emotion, which against it.

Every landmark is a dot: warm where it speaks for the emotion, cool where it speaks against it, larger and
stronger the more it counts, faint where it does not matter. A panel beside the face says it in words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.arrays import Picture

Color: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[float, float, float, float]

FOR_COLOR: Color = (255, 106, 20)
AGAINST_COLOR: Color = (30, 136, 255)
NO_MATTER_COLOR: Color = (235, 235, 235)

FACE_WIDTH_PX = 320
"""A smaller face is scaled up towards this width first, so that dots do not hide it …"""
MAX_UPSCALED_SIDE_PX = 1280
"""… but no picture is scaled up beyond this side."""

OVERSAMPLING = 3
"""Dots and panels are drawn this much larger and scaled down, for smooth edges."""


@dataclass(frozen=True)
class AnnotatedFace:
    """A face and what to say about it."""

    landmarks_px: NDArray[np.float32]
    """``[K, 2]`` or ``[K, 3]``: x, y (and z, not drawn) in px of the picture."""
    attributions: NDArray[np.float32]
    """``[K]``, signed: above zero speaks for the emotion. Only their proportions matter."""
    box_xyxy_px: NDArray[np.float32]
    """``[4]``."""
    label: str
    """The headline, such as "Happiness 93 %"."""
    detail: str = ""
    """The explanation in a sentence or a few lines; wrapped as needed."""

    def __post_init__(self) -> None:
        points = len(self.landmarks_px)
        if self.landmarks_px.ndim != 2 or self.landmarks_px.shape[1] not in (2, 3):
            raise ValueError(f"landmarks_px must be [K, 2] or [K, 3], not {self.landmarks_px.shape}")
        if self.attributions.shape != (points,):
            raise ValueError(
                f"attributions must be [{points}], one a landmark, not {self.attributions.shape}"
            )
        if self.box_xyxy_px.shape != (4,):
            raise ValueError(f"box_xyxy_px must be [4], not {self.box_xyxy_px.shape}")


def annotate(picture_rgb: Picture, faces: Sequence[AnnotatedFace]) -> Picture:
    """Draws the faces' explanations on a copy of a picture (uint8 ``[H, W, 3]``), enlarged if small."""
    scale = _upscaling(picture_rgb, faces)
    height, width = picture_rgb.shape[:2]
    size = (round(width * scale), round(height * scale))
    canvas = (
        picture_rgb.copy() if scale == 1 else cv2.resize(picture_rgb, size, interpolation=cv2.INTER_CUBIC)
    )
    for face in faces:
        canvas = _draw_dots(np.asarray(canvas, dtype=np.uint8), face, scale)

    image = Image.fromarray(np.asarray(canvas, dtype=np.uint8)).convert("RGBA")
    occupied: list[Box] = [_scaled_box(face, scale) for face in faces]
    for face in faces:
        occupied.append(_draw_panel(image, face, _scaled_box(face, scale), occupied))
    return np.array(image.convert("RGB"))


def attribution_color(strength: float) -> Color:
    """Diverging colour scale: -1 is cool (against), 0 light grey, 1 warm (for)."""
    end = FOR_COLOR if strength > 0 else AGAINST_COLOR
    share = min(1.0, abs(strength)) ** 0.5
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(NO_MATTER_COLOR, end, strict=True))
    return red, green, blue


def _upscaling(picture_rgb: Picture, faces: Sequence[AnnotatedFace]) -> float:
    widths = [float(face.box_xyxy_px[2] - face.box_xyxy_px[0]) for face in faces]
    if not widths or min(widths) <= 0:
        return 1.0
    return max(1.0, min(FACE_WIDTH_PX / min(widths), MAX_UPSCALED_SIDE_PX / max(picture_rgb.shape[:2])))


def _scaled_box(face: AnnotatedFace, scale: float) -> Box:
    x0, y0, x1, y1 = (face.box_xyxy_px * scale).tolist()
    return x0, y0, x1, y1


def _draw_dots(canvas: Picture, face: AnnotatedFace, scale: float) -> Picture:
    largest = float(np.abs(face.attributions).max(initial=0.0))
    strengths = face.attributions / largest if largest > 0 else np.zeros_like(face.attributions)
    x0, y0, x1, y1 = _scaled_box(face, scale)
    unit_px = max(1.0, (x1 - x0) / 90)
    margin_px = 4 * unit_px
    left, top = round(x0 - margin_px), round(y0 - margin_px)
    width, height = round(x1 + margin_px) - left, round(y1 + margin_px) - top

    layer = Image.new("RGBA", (width * OVERSAMPLING, height * OVERSAMPLING))
    draw = ImageDraw.Draw(layer)
    for k in np.argsort(np.abs(strengths)):  # the strongest on top
        strength = float(strengths[k])
        x, y = ((face.landmarks_px[k, :2] * scale - (left, top)) * OVERSAMPLING).tolist()
        draw.circle(
            (x, y),
            OVERSAMPLING * unit_px * (0.75 + 1.7 * abs(strength) ** 0.5),
            fill=(*attribution_color(strength), 225),
            outline=(20, 20, 20, 170),
            width=max(1, round(OVERSAMPLING * 0.25 * unit_px)),
        )
    image = Image.fromarray(canvas).convert("RGBA")
    _composite(image, layer, (left, top))
    return np.array(image.convert("RGB"))


def _composite(image: Image.Image, layer: Image.Image, corner: tuple[int, int]) -> None:
    """Lays an oversampled layer on the image at ``corner``, cutting off what sticks out."""
    # Pillow smooths only when it scales down, so everything is drawn large.
    smooth = layer.resize(
        (math.ceil(layer.width / OVERSAMPLING), math.ceil(layer.height / OVERSAMPLING)), Image.Resampling.BOX
    )
    board = Image.new("RGBA", image.size)
    board.paste(smooth, corner)
    image.alpha_composite(board)


def _draw_panel(image: Image.Image, face: AnnotatedFace, face_box: Box, occupied: Sequence[Box]) -> Box:
    """Writes the label and the detail on a dark translucent panel near the face; returns the panel's box."""
    text_px = OVERSAMPLING * max(11, round(max(image.size) / 58))  # all lengths here are oversampled
    small, large = ImageFont.load_default(text_px), ImageFont.load_default(text_px * 1.5)
    pad, line_px, dot = text_px * 0.8, text_px * 1.35, text_px * 0.35
    wrap_px = min(image.width * OVERSAMPLING - 4 * pad, text_px * 17)
    lines = [line for paragraph in face.detail.splitlines() for line in _wrap(paragraph, small, wrap_px)]
    legend = [("speaks for it", FOR_COLOR), ("speaks against it", AGAINST_COLOR)]
    steps = [small.getlength(text) + 6 * dot for text, _ in legend]

    widths = [large.getlength(face.label), sum(steps) - 3 * dot, *(small.getlength(line) for line in lines)]
    width = math.ceil(max(widths) + 2 * pad)
    height = math.ceil(text_px * 2.1 + line_px * (len(lines) + 1.3) + 1.4 * pad)
    layer = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(layer)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), radius=pad * 0.7, fill=(16, 18, 24, 195))
    draw.text((pad, pad * 0.8), face.label, font=large, fill=(255, 255, 255, 255))
    y = pad * 0.8 + text_px * 2.1
    for line in lines:
        draw.text((pad, y), line, font=small, fill=(228, 230, 235, 255))
        y += line_px
    x, y = pad + dot, y + 0.3 * line_px
    for (text, color), step in zip(legend, steps, strict=True):
        draw.circle((x, y + text_px * 0.6), dot, fill=(*color, 255))
        draw.text((x + 2 * dot, y), text, font=small, fill=(190, 194, 202, 255))
        x += step

    size = (width / OVERSAMPLING, height / OVERSAMPLING)
    left, top = _place(face_box, size, image.size, occupied)
    _composite(image, layer, (round(left), round(top)))
    return (left, top, left + size[0], top + size[1])


def _place(
    face: Box, size: tuple[float, float], canvas: tuple[int, int], occupied: Sequence[Box]
) -> tuple[float, float]:
    """Where to put a panel: right, left, below or above the face, whichever covers least."""
    x0, y0, x1, y1 = face
    width, height = size
    gap = 0.25 * (x1 - x0)  # room for hair and ears, which the mesh does not cover
    middle_x, middle_y = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    wanted = [
        (x1 + gap, middle_y),
        (x0 - gap - width, middle_y),
        (middle_x, y1 + gap),
        (middle_x, y0 - gap - height),
    ]

    def inside(x: float, y: float) -> tuple[float, float]:
        return (
            max(0.0, min(x, canvas[0] - width)),
            max(0.0, min(y, canvas[1] - height)),
        )

    def covered(corner: tuple[float, float]) -> float:
        x, y = corner
        return sum(
            max(0.0, min(x + width, b[2]) - max(x, b[0])) * max(0.0, min(y + height, b[3]) - max(y, b[1]))
            for b in occupied
        )

    return min((inside(x, y) for x, y in wanted), key=covered)


def _wrap(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width_px: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width_px:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines
