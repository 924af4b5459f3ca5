"""Lines in a picture for the manual, as SVG that needs no script and looks the same each time it is made."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pygal
from pygal.style import Style

# It leaves a finder of modules behind that Python 3.11 warns of, whenever any module is not found.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]

_SCRIPT = re.compile(r"<script.*?</script>", re.S)  # pygal's settings, for a page that would redraw the picture
_COLORS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#57606a")
_FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"
_STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#1f2328",
    foreground_strong="#1f2328",
    foreground_subtle="#59636e",
    guide_stroke_color="#d1d9e0",
    major_guide_stroke_color="#b7bfc8",
    colors=_COLORS,
    font_family=_FONT,
    title_font_size=18,
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=13,
)


def draw(
    path: Path,
    *,
    title: str,
    unit: str,
    places: Sequence[str],
    below: str,
    lines: Mapping[str, Sequence[float | None]],
    logarithmic: bool = False,
) -> None:
    """Draw lines over named places, evenly spaced; None leaves a gap. On a logarithmic scale, so does what is not above 0."""
    chart = pygal.Line(
        style=_STYLE,
        width=860,
        height=400 + 24 * math.ceil(len(lines) / 3),
        js=(),
        show_dots=len(places) < 40,
        dots_size=3.5,
        stroke_style={"width": 2},
        logarithmic=logarithmic,
        legend_at_bottom=True,
        legend_at_bottom_columns=min(len(lines), 3),
        truncate_legend=-1,
        truncate_label=-1,
        margin=24,
        margin_bottom=24 * math.ceil(len(lines) / 3),  # the library forgets lower lines of the legend
        show_y_guides=True,
        value_formatter=lambda value: f"{value:,.10g}",
    )
    chart.uuid = path.stem
    chart.title, chart.y_title, chart.x_title = title, unit, below
    chart.x_labels = list(places)
    if len(places) >= 40:
        chart.x_labels_major_count, chart.show_minor_x_labels = 7, False
    shown = [value for values in lines.values() for value in values if value is not None and value > 0]
    if logarithmic and shown:
        chart.y_labels = _marks(min(shown), max(shown))
    else:
        chart.include_x_axis = True  # from zero: what looks flat is flat
    for name, values in lines.items():
        chart.add(name, [None if value is None or (logarithmic and value <= 0) else value for value in values])
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = chart.render(disable_xml_declaration=True)
    path.write_text(_SCRIPT.sub("", drawn).strip() + "\n", encoding="utf-8")


def _marks(low: float, high: float) -> Iterable[float]:
    """Round values that enclose these."""
    steps = (1, 2, 5) if high / low < 1000 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [float(f"{step}e{power}") for power in powers for step in steps]
    first = max((mark for mark in marks if mark <= low), default=marks[0])
    last = min((mark for mark in marks if mark >= high), default=marks[-1])
    return [mark for mark in marks if first <= mark <= last]
