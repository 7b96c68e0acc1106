"""How figures become files and parts of a page: inline SVG whose colours follow the reader's light or dark scheme."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, NullFormatter

import minnet.lab.plots as plots
from minnet.files import replace_file
from minnet.settings import Array

INK = "#1b1f24"
# What a drawn colour is called in the page's style sheet, which has one value for light and one for dark.
VARIABLES = {colour.lower(): f"var(--c{i})" for i, colour in enumerate(plots.COLOURS)} | {
    INK: "var(--ink)",
    "#ffffff": "var(--paper)",
    "#404040": "var(--ink)",
    "#666666": "var(--muted)",
    "#b2b2b2": "var(--faint)",
}
DRAWING: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
    **{f"axes.{part}": INK for part in ("edgecolor", "labelcolor")},
    "text.parse_math": False,  # names are a user's: a $ in them is a dollar
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "minnet",  # the same figure gives the same file
}


class Picture(NamedTuple):
    """A figure of the page: `key` is its name, `alt` says in words what it shows."""

    key: str
    title: str
    caption: str
    alt: str
    figure: Figure


def panels(rows: int = 1, columns: int = 1, *, height: float = 3.1) -> tuple[Figure, Any]:
    """A figure, `height` inches high and as wide as a phone shows in a legible size, and the axes of its panels."""
    figure = Figure(figsize=(4.8, height), layout="constrained")
    return figure, figure.subplots(rows, columns)


def powers(ax: Axes, ticks: Sequence[float] | Array, axis: str = "x") -> None:
    """A logarithmic axis with these ticks, written out; the other figures between them are left unsaid."""
    which = ax.xaxis if axis == "x" else ax.yaxis
    ax.set(**{f"{axis}scale": "log"})
    which.set_ticks(list(ticks), labels=[f"{tick:g}" if tick < 1 else f"{tick:,.0f}" for tick in ticks])
    which.set_minor_formatter("")
    if axis == "x":
        ax.tick_params(axis="x", which="minor", length=0)


def page_templates() -> Environment:
    """The templates of minnet's pages; whatever is filled in is escaped."""
    loader = PackageLoader("minnet.lab", "")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write each file, and its folder if it is not there yet."""
    for file, content in contents.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, content)


def saved(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure as "svg" or "png"; the same figure gives the same bytes."""
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):  # it writes powers as formulas
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    target = io.BytesIO()
    metadata: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type")) if kind == "svg" else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name may be in any script; the browser has the letters
        figure.savefig(target, format=kind, dpi=200, metadata=metadata)
    figure.set_layout_engine("none")  # laid out now: a second file need not do it again
    return target.getvalue()


def inline(svg: str, *, key: str, alt: str) -> Markup:
    """An SVG file as part of the page: as wide as its place, ids of its own, colours from the style sheet."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))  # other ids may be there twice: one image, two panels
    svg = re.sub(r'\s+id="([^"]+)"', lambda found: found.group() if found[1] in used else "", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{key}-", svg)
    svg = re.sub(r'style="[^"]*"', lambda style: _with_variables(style.group()), svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # it would hold for the whole page
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1))


def _with_variables(style: str) -> str:
    style = re.sub(r"font(-family)?: [^;\"]*?'DejaVu Sans'[^;\"]*",
                   lambda font: re.sub(r"'DejaVu Sans'.*", "system-ui, sans-serif", font.group()), style)  # fmt: skip
    return re.sub(r"#[0-9a-f]{6}", lambda colour: VARIABLES.get(colour.group(), colour.group()), style)
