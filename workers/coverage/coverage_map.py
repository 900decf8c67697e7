"""A camera's coverage as a picture: each cell coloured by how many of its faces could be read."""

import io
import textwrap
from typing import Final, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from workers.coverage.coverage_report import Coverage, headline

WIDTH_PX: Final = 1120
_MARGIN_PX: Final = 20
_TEXT_PX: Final = 16
_LINE_PX: Final = 24
_SIGNS_A_LINE: Final = 132

Color: TypeAlias = tuple[int, int, int]
_UNREAD: Final[Color] = (213, 94, 0)
_READ: Final[Color] = (0, 114, 178)
_EMPTY: Final[Color] = (236, 237, 240)
_INK: Final[Color] = (34, 34, 44)
_WHITE: Final[Color] = (255, 255, 255)
_LEGEND: Final = (
    (_READ, "all faces read"),
    (_UNREAD, "none read"),
    (_EMPTY, "no face seen"),
)


def coverage_map(found: Coverage) -> bytes:
    """The map as a PNG file: in the shape of the camera's picture, with the sentences below it."""
    inner_px = WIDTH_PX - 2 * _MARGIN_PX
    aspect = found.picture.height_px / found.picture.width_px if found.picture else found.rows / found.columns
    map_px = round(inner_px * min(max(aspect, 0.25), 2.0))
    lines = [
        line
        for number, problem in enumerate(found.problems, start=1)
        for line in textwrap.wrap(f"{number}. {problem.advice}", _SIGNS_A_LINE, subsequent_indent="    ")
    ]
    top_px = _MARGIN_PX + _LINE_PX
    height_px = top_px + map_px + (len(lines) + 2) * _LINE_PX + _MARGIN_PX
    image = Image.new("RGB", (WIDTH_PX, height_px), _WHITE)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(_TEXT_PX)
    draw.text((_MARGIN_PX, _MARGIN_PX - 4), headline(found), _INK, font)
    _draw_cells(draw, found, (_MARGIN_PX, top_px, inner_px, map_px))
    y_px = top_px + map_px + _LINE_PX // 3
    x_px: float = _MARGIN_PX
    for color, meaning in _LEGEND:
        draw.rectangle((x_px, y_px + 2, x_px + _TEXT_PX, y_px + 2 + _TEXT_PX), color)
        draw.text((x_px + _LINE_PX, y_px), meaning, _INK, font)
        x_px += font.getlength(meaning) + 2.5 * _LINE_PX
    for number, line in enumerate(lines):
        draw.text((_MARGIN_PX, y_px + (number + 1.5) * _LINE_PX), line, _INK, font)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _draw_cells(draw: ImageDraw.ImageDraw, found: Coverage, where_px: tuple[int, int, int, int]) -> None:
    """Draws the grid into left, top, width and height."""
    left, top, width, height = where_px
    draw.rectangle((left, top, left + width, top + height), _EMPTY)
    small = ImageFont.load_default(_TEXT_PX - 3)
    for cell in found.cells:
        x0, x1 = (left + width * column / found.columns for column in (cell.column, cell.column + 1))
        y0, y1 = (top + height * row / found.rows for row in (cell.row, cell.row + 1))
        share = cell.read / cell.faces
        draw.rectangle((x0 + 1, y0 + 1, x1 - 1, y1 - 1), _mixed(_UNREAD, _READ, share))
        label = f"{int(share * 100)} %\nof {short(cell.faces)}"
        draw.multiline_text(((x0 + x1) / 2, (y0 + y1) / 2), label, _WHITE, small, anchor="mm", align="center")


def _mixed(a: Color, b: Color, share: float) -> Color:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def short(count: int) -> str:
    """A count in at most four signs: 950, 12k, 3M."""
    for step, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= step:
            return f"{count // step}{sign}"
    return str(count)
