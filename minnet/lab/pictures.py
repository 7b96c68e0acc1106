"""The figures of a report, each with its caption and the same in words for who cannot see it."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import minnet.lab.plots as plots
from minnet.lab.comparison import Comparison
from minnet.lab.drawing import Picture
from minnet.lab.statistics import SAME
from minnet.lab.summary import bounds, limit, quoted, resolution

WIDTH = 4.6  # inches: at a phone's width the text of a figure is then about as large as it is drawn
MANY = 7  # conditions in one figure, which is as many as there are colours; more get a panel each
MANY_PAIRS = 30  # in the page; of more, those with the best condition are shown


def is_share(comparison: Comparison) -> bool:
    """Whether a score is an accuracy, and not R²."""
    return comparison.data.task == "classification"


def shared_rates(comparison: Comparison) -> dict[str, float]:
    """The learning rate by condition that all share; an adaptive optimizer's is another than gradient descent's."""
    table = comparison.table
    return dict(table.shared_rate) if "shared_rate" in table else dict.fromkeys(table.index, comparison.shared_rate)


def shown_pairs(comparison: Comparison) -> pd.DataFrame:
    """The pairs that a page has room for."""
    pairs = comparison.pairs
    if len(pairs) <= MANY_PAIRS:
        return pairs
    return pairs[(pairs.a == comparison.best) | (pairs.b == comparison.best)]


def pictures(comparison: Comparison) -> Iterator[Picture]:
    """The figures of the page, drawn as they are asked for."""
    table, share = comparison.table, is_share(comparison)
    score = "accuracy" if share else "R²"
    seeds = {phase: group.seed.nunique() for phase, group in comparison.runs.groupby("phase")}
    if share and comparison.examples and next(iter(comparison.examples.values()))[2].x.shape[-1] == 2:
        yield _boundaries(comparison)
    tuning = comparison.runs[comparison.runs.phase == "tuning"]
    within, step = bounds(comparison.data), resolution(comparison.data)
    lines = {
        name: plots.line(
            tuning[tuning.condition == name].pivot(index="rate", columns="seed", values="validation_score"),
            bounds=within,
        )
        for name in table.index
    }
    best = table.rate.to_dict()
    shared = sorted(set(shared_rates(comparison).values()))
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
    curves = {
        name: plots.line(curve, bounds=within, resolution=step)
        for name, curve in comparison.curves.items()
        if not curve.empty
    }
    ceiling, limit_name = limit(comparison.data)
    figure = _lines_figure(curves, {}, "epoch", f"test {score}", (ceiling, limit_name), lambda ax: None)
    last = ", ".join(f"{name} {quoted(comparison.data, line.mean[-1])}" for name, line in curves.items())
    yield Picture(
        "curves",
        "Learning curves",
        f"Mean test {score} of {seeds['test']} fresh seeds, each condition at its own best rate; band: 95 % t interval "
        f"of the mean on these test points; dashed: {limit_name}, {quoted(comparison.data, ceiling)}. The curves "
        "decide nothing.",
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
    pairs = shown_pairs(comparison)
    found = int((pairs.verdict != SAME).sum())
    figure = Figure(figsize=(WIDTH, 0.8 + 0.4 * len(pairs)), layout="constrained")
    scale = 100 if is_share(comparison) else 1
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
        f"First minus second, mean over {seeds} paired seeds with its 95 % interval on these test points. Blue "
        f"square: detected{' on new points too' * is_share(comparison)}, after Holm's correction over all pairs; "
        f"hollow: no detectable difference.{only}",
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
        # R² has no lower end, and a failed run would squeeze the rest.
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
