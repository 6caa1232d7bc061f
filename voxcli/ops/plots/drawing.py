"""Drawings of lines, boxes, dots, words and pictures: as SVG, and as pixels without one."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from voxcli.errors import DataError, printable

if TYPE_CHECKING:
    from PIL import Image

TONES = {"ink": "#1d2129", "soft": "#5d6470", "line": "#dfe3e9", "paper": "#ffffff", "accent": "#2459c4"}
"""Colours by name. A page has them as variables, which differ in the dark."""
_FINE = 3
"""Lines are drawn so many times as wide, and made smaller, which smooths them."""
_LARGEST = 100_000_000
"""Pixels of a picture; of a tenth, lines are smoothed."""


@dataclass(frozen=True)
class Line:
    """A line through points. colour: a tone's name or #rrggbb."""

    points: Sequence[tuple[float, float]]
    colour: str = "line"
    width: float = 1.0


@dataclass(frozen=True)
class Box:
    """A filled box. title: what is shown where the mouse is on it."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    title: str = ""


@dataclass(frozen=True)
class Dot:
    """A disc. title: what is shown where the mouse is on it."""

    x: float
    y: float
    radius: float
    colour: str
    title: str = ""


@dataclass(frozen=True)
class Text:
    """One line of text on a baseline. anchor: start, middle or end."""

    x: float
    y: float
    text: str
    size: float = 12.0
    colour: str = "ink"
    anchor: str = "start"
    bold: bool = False


@dataclass(frozen=True)
class Shot:
    """A picture uint8 [H, W, 3], drawn in a box of its own proportions."""

    x: float
    y: float
    width: float
    height: float
    pixels: np.ndarray
    title: str = ""


@dataclass(frozen=True)
class SubDrawing:
    """A drawing in another one."""

    x: float
    y: float
    drawing: Drawing


Mark = Line | Box | Dot | Text | Shot | SubDrawing


@dataclass(frozen=True)
class Drawing:
    """Marks in a frame of width x height; x to the right, y down. title: what it shows."""

    width: float
    height: float
    title: str
    marks: Sequence[Mark] = field(default_factory=list)


def svg(drawing: Drawing, themed: bool = False) -> str:
    """The element of a drawing. themed: tones are variables of the page around it, else colours of their own on white.

    >>> svg(Drawing(4, 3, "dot", [Dot(1, 2, 0.5, "#102030")])).count("<circle")
    1
    """
    size = f'viewBox="0 0 {drawing.width:g} {drawing.height:g}"'
    if not themed:
        size += f' width="{drawing.width:g}" height="{drawing.height:g}"'
    paper = [] if themed else [f'<rect width="100%" height="100%" fill="{TONES["paper"]}"/>']
    about = f'font-family="system-ui, sans-serif" role="img" aria-label="{_text(drawing.title)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {about}>'
    return "\n".join([head, *paper, *(_element(mark, themed) for mark in drawing.marks), "</svg>"])


def _element(mark: Mark, themed: bool) -> str:
    if isinstance(mark, SubDrawing):
        inner = "\n".join(_element(each, themed) for each in mark.drawing.marks)
        return f'<g transform="translate({mark.x:g} {mark.y:g})">\n{inner}\n</g>'
    if isinstance(mark, Shot):
        data = io.BytesIO()
        _image(mark.pixels).save(data, "PNG", optimize=True)
        source = base64.b64encode(data.getvalue()).decode()
        place = f'x="{mark.x:g}" y="{mark.y:g}" width="{mark.width:g}" height="{mark.height:g}"'
        return f'<image {place} href="data:image/png;base64,{source}">{_title(mark.title)}</image>'
    if isinstance(mark, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
        how = f'fill="none" stroke-width="{mark.width:g}" stroke-linejoin="round"'
        return f'<polyline points="{points}" {how} {_ink("stroke", mark.colour, themed)}/>'
    ink = _ink("fill", mark.colour, themed)
    if isinstance(mark, Box):
        place = f'x="{mark.x:.1f}" y="{mark.y:.1f}" width="{mark.width:.1f}" height="{mark.height:.1f}"'
        return f"<rect {place} {ink}>{_title(mark.title)}</rect>"
    if isinstance(mark, Dot):
        return f'<circle cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{mark.radius:g}" {ink}>{_title(mark.title)}</circle>'
    more = (f' text-anchor="{mark.anchor}"' if mark.anchor != "start" else "") + (' font-weight="600"' if mark.bold else "")
    return f'<text x="{mark.x:.1f}" y="{mark.y:.1f}" font-size="{mark.size:g}"{more} {ink}>{_text(mark.text)}</text>'


def _ink(what: str, colour: str, themed: bool) -> str:
    return f'style="{what}:var(--{colour})"' if themed and colour in TONES else f'{what}="{TONES.get(colour, colour)}"'


def _title(text: str) -> str:
    return f"<title>{_text(text)}</title>" if text else ""


def _text(text: str) -> str:
    return escape(printable(text))


def pixels(drawing: Drawing, scale: float = 1.0) -> np.ndarray:
    """The drawing on white, uint8 [H, W, 3], `scale` pixels for each of its units. Raises DataError for a picture that no one can look at.

    >>> pixels(Drawing(4, 3, "box", [Box(0, 0, 4, 3, "#102030")]))[1, 1].tolist()
    [16, 32, 48]
    """
    from PIL import Image

    size = max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale))
    if size[0] * size[1] > _LARGEST:
        raise DataError("The sheet is too large for a picture.", expected=f"at most {_LARGEST:,} pixels", actual=f"{size[0]}x{size[1]}",
                        hint="Write a page, -o FILE.html, or ask for less by --size.")  # fmt: skip
    finer = _FINE if size[0] * size[1] <= _LARGEST / 10 else 1
    fine = Image.new("RGB", (size[0] * finer, size[1] * finer), TONES["paper"])
    _draw(fine, drawing, (0.0, 0.0), scale * finer, words=False)
    sheet = fine.resize(size, Image.Resampling.BOX)
    _draw(sheet, drawing, (0.0, 0.0), scale, words=True)
    return np.asarray(sheet)


def _draw(sheet: Image.Image, drawing: Drawing, origin: tuple[float, float], scale: float, words: bool) -> None:
    """Draw the words and pictures of a drawing, or all else, which is drawn finer."""
    from PIL import Image, ImageDraw, ImageFont

    draw = ImageDraw.Draw(sheet)
    for mark in drawing.marks:
        if isinstance(mark, Line):
            if not words:
                points = [((x + origin[0]) * scale, (y + origin[1]) * scale) for x, y in mark.points]
                draw.line(points, TONES.get(mark.colour, mark.colour), max(1, round(mark.width * scale)), joint="curve")
            continue
        x, y = (mark.x + origin[0]) * scale, (mark.y + origin[1]) * scale
        if isinstance(mark, SubDrawing):
            _draw(sheet, mark.drawing, (mark.x + origin[0], mark.y + origin[1]), scale, words)
        elif isinstance(mark, Text):
            if words:
                font = ImageFont.load_default(mark.size * scale)
                anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.anchor]
                draw.text((x, y), printable(mark.text), TONES.get(mark.colour, mark.colour), font, anchor)
        elif isinstance(mark, Shot):
            if words:
                size = max(1, round(mark.width * scale)), max(1, round(mark.height * scale))
                larger = size[0] > mark.pixels.shape[1]
                method = Image.Resampling.NEAREST if larger else Image.Resampling.BOX
                sheet.paste(_image(mark.pixels).resize(size, method), (round(x), round(y)))
        elif words:
            continue
        elif isinstance(mark, Box):
            if mark.width > 0 and mark.height > 0:
                ends = x + max(mark.width * scale - 1, 0), y + max(mark.height * scale - 1, 0)
                draw.rectangle((x, y, *ends), TONES.get(mark.colour, mark.colour))
        else:
            r = mark.radius * scale
            draw.ellipse((x - r, y - r, x + r, y + r), TONES.get(mark.colour, mark.colour))


def _image(rgb: np.ndarray) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(rgb))


def hexed(colour: Sequence[float]) -> str:
    """RGB 0..255 as #rrggbb.

    >>> hexed((40, 100, 220))
    '#2864dc'
    """
    r, g, b = (int(round(each)) for each in colour)
    return f"#{r:02x}{g:02x}{b:02x}"
