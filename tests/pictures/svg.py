"""A terminal's pictures as one SVG that moves by CSS alone. Where nothing moves, the last picture is seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _EDGE, _HEAD = 8.43, 18, 14, 34  #: of a letter, a line, the margin and the title bar
_STEP_S = 0.4  #: changes that are nearer than this are seen as one
_LONGEST_S = 1.2  #: nobody wants to watch a picture in which nothing changes
_REST_S = 8.0
_COLOURS = {
    "default": "d0d7de",
    "black": "484f58",
    "red": "ff7b72",
    "green": "56d364",
    "brown": "e3b341",
    "blue": "79c0ff",
    "magenta": "d2a8ff",
    "cyan": "76e3ea",
    "white": "f0f6fc",
}


class Cell(NamedTuple):
    """One letter."""

    letter: str
    colour: str = "default"
    bold: bool = False


Frame = tuple[float, list[list[Cell]]]
"""When it was seen, in seconds, and its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row that looked the same from one moment to another."""

    row: int
    cells: tuple[Cell, ...]
    begun: float
    ended: float


def thinned(frames: Sequence[Frame]) -> list[Frame]:
    """The pictures that differ, not nearer to each other than a step and not farther than anybody would wait."""
    kept: list[Frame] = []
    now = last = 0.0
    for at, rows in frames:
        if kept and rows == kept[-1][1]:
            continue
        if kept and at - last < _STEP_S:
            kept[-1] = (kept[-1][0], rows)
            continue
        now += min(at - last, _LONGEST_S) if kept else 0.0
        last = at
        kept.append((now, rows))
    return kept


def drawn(frames: Sequence[Frame], title: str) -> str:
    """Draw them."""
    pictures = thinned(frames)
    whole = pictures[-1][0] + _REST_S
    rows, columns = len(pictures[0][1]), len(pictures[0][1][0])
    width, height = columns * _WIDTH + 2 * _EDGE, rows * _HEIGHT + _HEAD + _EDGE
    moves: dict[tuple[float, float], str] = {}
    body = [_text(line, moves, whole) for line in _lines(pictures, whole)]
    css = [
        "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d0d7de}",
        f".m{{animation:{whole:.1f}s step-end infinite}}.h{{visibility:hidden}}.b{{font-weight:bold}}",
        *(f".{name[:3]}{{fill:#{colour}}}" for name, colour in _COLOURS.items() if name != "default"),
        *(_keyframes(name, *span, whole) for span, name in moves.items()),
        "@media(prefers-reduced-motion:reduce){.m{animation:none}}",
    ]
    dots = "".join(
        f'<circle cx="{20 + 20 * n}" cy="17" r="6" fill="#{colour}"/>'
        for n, colour in enumerate(("ff5f57", "febc2e", "28c840"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{''.join(css)}</style>",
            f'<rect width="100%" height="100%" rx="9" fill="#161b22"/>{dots}',
            *body,
            "</svg>\n",
        ]
    )


def words(frame: Frame) -> str:
    """What a picture says."""
    return "\n".join("".join(cell.letter for cell in row).rstrip() for row in frame[1]).rstrip()


def _lines(pictures: Sequence[Frame], whole: float) -> list[Line]:
    lines = []
    for row in range(len(pictures[0][1])):
        seen = [(at, tuple(rows[row])) for at, rows in pictures]
        runs = [(cells, next(group)[0]) for cells, group in groupby(seen, key=lambda one: one[1])]
        ends = [begun for _, begun in runs[1:]] + [whole]
        lines += [
            Line(row=row, cells=cells, begun=begun, ended=ended)
            for (cells, begun), ended in zip(runs, ends, strict=True)
            if any(cell.letter.strip() for cell in cells)
        ]
    return lines


def _text(line: Line, moves: dict[tuple[float, float], str], whole: float) -> str:
    y = _HEAD + (line.row + 1) * _HEIGHT - 5
    spans, column = [], 0
    for (colour, bold), group in groupby(line.cells, key=lambda cell: (cell.colour, cell.bold)):
        letters = "".join(cell.letter for cell in group)
        kind = " ".join(filter(None, (colour[:3] if colour in _COLOURS and colour != "default" else "", "b" * bold)))
        looks = f' class="{kind}"' if kind else ""
        for body in re.finditer(r"\S+( \S+)*", letters):  # each where it belongs, whatever letters the viewer has
            x, length = _EDGE + (column + body.start()) * _WIDTH, len(body[0]) * _WIDTH
            spans.append(f'<tspan x="{x:.1f}" textLength="{length:.1f}"{looks}>{escape(body[0])}</tspan>')
        column += len(letters)
    moving = ""
    if (line.begun, line.ended) != (0.0, whole):
        name = moves.setdefault((line.begun, line.ended), f"k{len(moves)}")
        moving = f' class="m{" h" if line.ended < whole else ""}" style="animation-name:{name}"'
    return f'<text y="{y}"{moving}>{"".join(spans)}</text>'


def _keyframes(name: str, begun: float, ended: float, whole: float) -> str:
    steps = [] if begun == 0 else ["0%{visibility:hidden}"]
    steps.append(f"{100 * begun / whole:.2f}%{{visibility:visible}}")
    if ended < whole:
        steps.append(f"{100 * ended / whole:.2f}%{{visibility:hidden}}")
    return f"@keyframes {name}{{{''.join(steps)}}}"
