"""A comparison as one self-contained HTML page, with its figures and numbers as files beside it.

The page asks nothing of the network: figures are inline SVG whose colours follow the reader's light or dark scheme.
"""

import io
import json
import os
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import minnet.lab.plots as plots
from minnet.lab.comparison import Comparison
from minnet.lab.summary import limit

WIDTH = 4.6  # inches: at a phone's width the text of a figure is then about as large as it is drawn
MANY = 7  # conditions in one figure, which is as many as there are colours; more get a panel each
MANY_PAIRS = 30  # in the page; of more, those with the best condition are shown
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


def write_report(comparison: Comparison, path: str | os.PathLike[str]) -> list[Path]:
    """Write the page to `path` (say results/moons.html), its figures and numbers beside it; return all paths.

    Beside it: moons_<figure>.png and .svg, moons_runs.csv, moons_table.csv, moons_pairs.csv, moons_table.json and
    moons_manifest.json.
    """
    page = Path(path)
    page.parent.mkdir(parents=True, exist_ok=True)
    contents: dict[Path, bytes] = {}

    def beside(suffix: str, content: bytes | str) -> None:
        contents[page.with_name(f"{page.stem}_{suffix}")] = content if isinstance(content, bytes) else content.encode()

    figures = []
    with rc_context(DRAWING):
        for picture in _pictures(comparison):
            svg, png = (_saved(picture.figure, kind) for kind in ("svg", "png"))
            beside(f"{picture.key}.svg", svg)
            beside(f"{picture.key}.png", png)
            figures.append({**picture._asdict(), "svg": _inline(svg.decode(), picture)})
    for name in ("runs", "table", "pairs"):
        beside(f"{name}.csv", getattr(comparison, name).to_csv(index=name == "table"))
    beside("table.json", comparison.table.to_json(orient="index", indent=2))
    beside("manifest.json", json.dumps(comparison.manifest, indent=2))
    template = _environment(comparison).from_string(
        files("minnet.lab").joinpath("report.html.jinja").read_text("utf-8")
    )
    html = template.render(_facts(comparison), figures={figure["key"]: figure for figure in figures},
                           files=[other.name for other in contents])  # fmt: skip
    contents = {page: html.encode(), **contents}
    for file, content in contents.items():
        draft = file.with_name(f".{file.name}.{os.getpid()}")  # so that nobody reads half of a file
        draft.write_bytes(content)
        draft.replace(file)
    return list(contents)


def _environment(comparison: Comparison) -> Environment:
    """How a number is written in the page. Everything else that comes from a user is escaped."""
    share = _is_share(comparison)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

    def number(show: Callable[[float], str]) -> Callable[[float], str]:
        return lambda value: "–" if value is None or np.isnan(value) else show(value).replace("-", "−")

    environment.filters.update(
        score=number(lambda value: _score(comparison, value)),
        difference=number(lambda value: f"{100 * value:+.1f}" if share else f"{value:+.3f}"),
        percent=number(lambda value: f"{value:.0%}"),
        plain=number(lambda value: f"{value:.3g}"),
        p=number(lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}"),
    )
    return environment


def _is_share(comparison: Comparison) -> bool:
    return getattr(comparison.data, "task", "classification") == "classification"


def _score(comparison: Comparison, value: float) -> str:
    return f"{value:.1%}" if _is_share(comparison) else f"{value:.3f}"


def _facts(comparison: Comparison) -> dict[str, Any]:
    """What the template is filled with."""
    runs, data = comparison.runs, comparison.data
    tuning, test = runs[runs.phase == "tuning"], runs[runs.phase == "test"]
    split = next(iter(comparison.examples.values()))[2]
    return {
        "data": data,
        "notes": getattr(data, "notes", ()),
        "share": _is_share(comparison),
        "verdict": comparison.verdict(),
        "table": [(name, _window(row), row) for name, row in comparison.table.iterrows()],
        "pairs": list(_shown_pairs(comparison).itertuples()),
        "hidden_pairs": len(comparison.pairs) - len(_shown_pairs(comparison)),
        "shared_rates": _shared_rates(comparison),
        "failures": list(_failures(comparison)),
        "tuning_seeds": tuning.seed.nunique(),
        "test_seeds": test.seed.nunique(),
        "grids": sorted({tuple(sorted(mine.rate.unique())) for _, mine in tuning.groupby("condition")}),
        "rows": [len(split.x), len(split.x_val), len(split.x_test)],
        "n_in": split.x.shape[-1],
        "manifest": [entry for entry in _flat(comparison.manifest) if entry[0] != "command"],
        "command": comparison.manifest.get("command"),
    }


def _shared_rates(comparison: Comparison) -> dict[str, float]:
    """The learning rate by condition that all share; an adaptive optimizer's is another than gradient descent's."""
    table = comparison.table
    return dict(table.shared_rate) if "shared_rate" in table else dict.fromkeys(table.index, comparison.shared_rate)


def _window(row: pd.Series) -> str:
    """The window of good learning rates, by its ends if they are known."""
    width = f"{row.window:.2g} decade{'' if row.window == 1 else 's'}"
    if "window_low" not in row:
        return width
    low, high = f"{row.window_low:.3g}", f"{row.window_high:.3g}"
    return f"{low} to {high} ({width})" if low != high else f"{low} only"


def _shown_pairs(comparison: Comparison) -> pd.DataFrame:
    pairs = comparison.pairs
    if len(pairs) <= MANY_PAIRS:
        return pairs
    best = comparison.table.score.idxmax()
    return pairs[(pairs.a == best) | (pairs.b == best)]


def _failures(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Condition and what went wrong with it: in the test at its own best rate, and at which rates when tuning."""
    runs, (ceiling, name) = comparison.runs, limit(comparison.data)
    for condition, row in comparison.table.iterrows():
        mine = runs[runs.condition == condition]
        own = mine[(mine.phase == "test") & (mine.rate == row.rate)]
        low = own[~own.diverged & (own.test_score <= ceiling + 0.01)]
        if len(low):
            worst = f"seed {low.seed[low.test_score.idxmin()]}, has {_score(comparison, low.test_score.min())}"
            least = f"{name} ({_score(comparison, ceiling)}) plus one point"
            yield str(condition), f"{len(low)} of {len(own)} test seeds did no better than {least}; the worst, {worst}"
        for phase, group in mine.groupby("phase"):
            lost = group[group.diverged]
            if len(lost):
                counts = group.groupby("rate").diverged.agg(["sum", "size"]).query("sum > 0")
                where = ", ".join(f"{n} of {size} at learning rate {rate:g}" for rate, n, size in counts.itertuples())
                why = str(lost.iloc[0].get("message") or "").rpartition(": ")[2]
                yield str(condition), f"{phase} runs diverged: {where}{f'. In one of them, {why}' if why else ''}"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and texts."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _pictures(comparison: Comparison) -> Iterator[Picture]:
    """The figures of the page, drawn as they are asked for."""
    table, share = comparison.table, _is_share(comparison)
    score = "accuracy" if share else "R²"
    seeds = {phase: group.seed.nunique() for phase, group in comparison.runs.groupby("phase")}
    if share and comparison.examples and next(iter(comparison.examples.values()))[2].x.shape[-1] == 2:
        yield _boundaries(comparison)
    tuning = comparison.runs[comparison.runs.phase == "tuning"]
    lines = {
        name: plots.line(
            tuning[tuning.condition == name].pivot(index="rate", columns="seed", values="validation_score")
        )
        for name in table.index
    }
    best = table.rate.to_dict()
    shared = sorted(set(_shared_rates(comparison).values()))
    figure = _lines_figure(lines, best, "learning rate", f"validation {score}", None, lambda ax: [
        ax.axvline(rate, color="0.4", linewidth=0.8, linestyle=(0, (1, 2))) for rate in shared])  # fmt: skip
    chosen = ", ".join(f"{name} {rate:g}" for name, rate in best.items())
    yield Picture(
        "rates",
        "Score over learning rate",
        f"Mean validation {score} of {seeds['tuning']} tuning seeds; band: its 95 % t interval; ring: the rate chosen; "
        f"dotted: the shared rate, {' or '.join(f'{rate:g}' for rate in shared)}.",
        f"Line chart of validation {score} over the learning rate. Chosen rates: {chosen}.",
        figure,
    )
    curves = {name: plots.line(curve) for name, curve in comparison.curves.items() if not curve.empty}
    ceiling, limit_name = limit(comparison.data)
    figure = _lines_figure(curves, {}, "epoch", f"test {score}", (ceiling, limit_name), lambda ax: None)
    last = ", ".join(f"{name} {_score(comparison, line.mean[-1])}" for name, line in curves.items())
    yield Picture(
        "curves",
        "Learning curves",
        f"Mean test {score} of {seeds['test']} fresh seeds, each condition at its own best rate; band: 95 % t interval "
        f"of the mean; dashed: {limit_name}, {_score(comparison, ceiling)}. The curves decide nothing.",
        f"Line chart of test {score} over the epochs. At the end: {last}.",
        figure,
    )
    if len(comparison.pairs):
        yield _forest(comparison, score, seeds["test"])


def _boundaries(comparison: Comparison) -> Picture:
    examples = comparison.examples
    figure, axes = _grid(len(examples), height=WIDTH / 2 + 0.2)
    told = []
    for ax, (name, (network, theta, split)) in zip(axes, examples.items(), strict=True):
        plots.decision_boundary(network, theta, split, ax)
        right = float((network(theta, split.x_test).argmax(axis=-1) == split.y_test).mean())
        told.append(f"{name} {right:.1%}")
        ax.set_title(f"{_short(name)}\n{right:.1%}")
        ax.spines[:].set_visible(False)
    line = "" if comparison.data.ceiling is None else f" The best straight line has {comparison.data.ceiling:.1%}."
    return Picture(
        "boundaries",
        "Decision boundaries",
        f"What the network of the first fresh seed says at each place, over the test points.{line}",
        f"Maps of the plane by predicted class, one a condition. Test accuracy: {', '.join(told)}.",
        figure,
    )


def _forest(comparison: Comparison, score: str, seeds: int) -> Picture:
    pairs = _shown_pairs(comparison)
    found = int((pairs.verdict != "no detectable difference").sum())
    figure = Figure(figsize=(WIDTH, 0.8 + 0.4 * len(pairs)), layout="constrained")
    scale = 100 if _is_share(comparison) else 1
    shown = pairs.assign(a=pairs.a.map(_brief), b=pairs.b.map(_brief),
                         **{column: scale * pairs[column] for column in ("difference", "low", "high")})  # fmt: skip
    ax = plots.forest(shown, figure.subplots())
    ax.tick_params(axis="y", labelsize=8)
    figure.supxlabel(f"difference in test {score}{', points' if scale == 100 else ''}", fontsize=9)
    only = (
        f" Of {len(comparison.pairs)} pairs, those with the best are shown."
        if len(pairs) < len(comparison.pairs)
        else ""
    )
    return Picture(
        "pairs",
        "Pairwise differences",
        f"First minus second, mean over {seeds} paired seeds with its 95 % interval. Blue square: detected after "
        f"Holm's correction over all pairs; hollow: no detectable difference.{only}",
        f"Forest plot of {len(pairs)} pairwise differences, {found} of them detected. The table below has the numbers.",
        figure,
    )


def _lines_figure(
    lines: Mapping[str, plots.Line],
    chosen: Mapping[str, float],
    xlabel: str,
    ylabel: str,
    level: tuple[float, str] | None,
    decorate: Callable[[Axes], Any],
) -> Figure:
    """All lines on the same axes with a legend below; where they are too many to tell apart, a panel for each."""
    if len(lines) > MANY:
        figure, axes = _grid(len(lines), height=1.4, share=True)
        for ax, name in zip(axes, lines, strict=True):
            plots.band_among(lines, name, chosen.get(name), ax).set_title(_short(name))
        figure.supxlabel(xlabel, fontsize=9)
        figure.supylabel(ylabel, fontsize=9)
    else:
        figure = Figure(figsize=(WIDTH, 3.4 + 0.2 * (len(lines) // 2)), layout="constrained")
        axes = [plots.bands(lines, chosen, figure.subplots())]
        axes[0].set(xlabel=xlabel, ylabel=ylabel)
        looks = plots.styles(lines)
        # Matplotlib 3.9 leaves a label that begins with an underscore out of the legend, so each begins with a space.
        handles = [axes[0].plot([], [], label=f" {_short(name)}", markersize=4, **looks[name])[0] for name in lines]
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, handlelength=3)
    for ax in axes:
        decorate(ax)
        if level:
            ax.axhline(level[0], color="0.25", linewidth=0.9, linestyle=(0, (4, 3)))
        else:
            ax.set_xscale("log")
            low, high = ax.get_xlim()
            ax.xaxis.set_major_formatter("{x:g}")
            # Within a decade there may be no major tick to label.
            ax.xaxis.set_minor_formatter("" if high > 10 * low else "{x:g}")
        low, high = ax.get_ylim()
        # R² has no lower end, and a failed run would squeeze the rest; an interval may reach beyond what can be.
        ax.set_ylim(max(low, -0.25 if "R²" in ylabel else 0), min(high, 1.02))
    return figure


def _grid(count: int, *, height: float, share: bool = False) -> tuple[Figure, list[Axes]]:
    """Two panels a row, each `height` inches high."""
    rows = -(-count // 2)
    figure = Figure(figsize=(WIDTH, height * rows + 0.3), layout="constrained")
    axes = list(figure.subplots(rows, 2, squeeze=False, sharex=share, sharey=share).flat)
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, axes[:count]


def _short(name: object) -> str:
    """A name as a figure shows it: on two lines if need be, and no longer."""
    return textwrap.fill(" ".join(str(name).split()), 28, max_lines=2, placeholder=" …")


def _brief(name: object) -> str:
    """A name on one line, its middle left out where it is long: names that begin alike differ at their end."""
    text = " ".join(str(name).split())
    return text if len(text) <= 28 else f"{text[:14]}…{text[-13:]}"


def _saved(figure: Figure, kind: str) -> bytes:
    target = io.BytesIO()
    metadata: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type")) if kind == "svg" else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name may be in any script; the browser has the letters
        figure.savefig(target, format=kind, dpi=200, metadata=metadata)
    figure.set_layout_engine("none")  # laid out now: a second file need not do it again
    return target.getvalue()


def _inline(svg: str, picture: Picture) -> Markup:
    """An SVG file as part of the page: as wide as its place, ids of its own, colours from the style sheet."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))  # other ids may be there twice: one image, two panels
    svg = re.sub(r'\s+id="([^"]+)"', lambda found: found.group() if found[1] in used else "", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{picture.key}-", svg)
    svg = re.sub(r'style="[^"]*"', lambda style: _with_variables(style.group()), svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # it would hold for the whole page
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(picture.alt)}"', 1))


def _with_variables(style: str) -> str:
    style = re.sub(r"font(-family)?: [^;\"]*?'DejaVu Sans'[^;\"]*",
                   lambda font: re.sub(r"'DejaVu Sans'.*", "system-ui, sans-serif", font.group()), style)  # fmt: skip
    return re.sub(r"#[0-9a-f]{6}", lambda colour: VARIABLES.get(colour.group(), colour.group()), style)
