"""Pictures of a comparison. Each takes the axes to draw on and returns them; colours, dashes and markers all differ."""

from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from minnet.lab.datasets import Split
from minnet.lab.statistics import ANY, SAME, Bounds, mean_interval
from minnet.network import Network
from minnet.pairing import squeezes
from minnet.settings import Array

# Okabe & Ito 2008: told apart with every kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
MARKERS = "osD^vPX"


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """One colour, dash and marker for each name."""
    looks = zip(cycle(COLOURS), cycle(DASHES), cycle(MARKERS), strict=False)
    return {n: {"color": c, "linestyle": d, "marker": m} for n, (c, d, m) in zip(names, looks, strict=False)}


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots()[1]


def decision_boundary(network: Network, theta: Array, split: Split, ax: Axes | None = None) -> Axes:
    """Where a trained network says which class (2-D data), and the test points, one colour and marker a class.

    One output is that of class 1: from 0 on as a logit, from ½ on where the network ends in a Sigmoid or its like.
    """
    ax = _axes(ax)
    points = split.x_test[:600]
    labels = split.y_test[:600]
    low, high = points.min(axis=0) - 0.3, points.max(axis=0) + 0.3
    across, up = np.meshgrid(np.linspace(low[0], high[0], 300), np.linspace(low[1], high[1], 300))
    outputs = network(theta, np.column_stack([across.ravel(), up.ravel()]))
    one = outputs.shape[-1] == 1
    said = outputs[:, 0] > (0.5 if squeezes(network, 1) else 0) if one else outputs.argmax(axis=-1)
    said, classes = said.reshape(across.shape), int(split.y_test.max()) + 1
    ax.pcolormesh(across, up, said, cmap=ListedColormap(COLOURS[:classes]), alpha=0.25, vmin=0, vmax=classes - 1,
                  shading="auto", linewidth=0, rasterized=True)  # fmt: skip
    for label in range(classes):
        here = points[labels == label]
        ax.scatter(here[:, 0], here[:, 1], s=9, color=COLOURS[label], marker=MARKERS[label], linewidths=0)
    ax.set(xticks=[], yticks=[], xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return ax


class Line(NamedTuple):
    """A mean over seeds and the ends of its 95 % t interval, each (n,), at x (n,); NaN where there is one seed only."""

    x: Array
    mean: Array
    low: Array
    high: Array


def line(scores: pd.DataFrame, *, bounds: Bounds = ANY, resolution: float = 0.0) -> Line:
    """The Line of scores: a row an x, a column a seed. `bounds` and `resolution` as in mean_interval."""
    kept = (row[np.isfinite(row)] for row in scores.to_numpy(float))
    rows = [mean_interval(row, bounds=bounds, resolution=resolution) for row in kept]
    return Line(scores.index.to_numpy(float), *np.array(rows).reshape(-1, 3).T)


def bands(lines: Mapping[str, Line], chosen: Mapping[str, float] | None = None, ax: Axes | None = None) -> Axes:
    """Each mean as a line, labelled for a legend, its interval as a band; a ring around the point at x = chosen."""
    ax = _axes(ax)
    for name, style in styles(lines).items():
        _band(ax, lines[name], {**style, "label": name}, (chosen or {}).get(name))
    return ax


def band_among(lines: Mapping[str, Line], name: str, chosen: float | None = None, ax: Axes | None = None) -> Axes:
    """One of many lines in colour, the others thin and grey behind it: a panel of small multiples."""
    ax = _axes(ax)
    for other in lines.values():
        ax.plot(other.x, other.mean, color="0.7", linewidth=0.6)
    _band(ax, lines[name], {"color": COLOURS[0], "markevery": 10**6}, chosen)
    return ax


def _band(ax: Axes, line: Line, style: Mapping[str, Any], chosen: float | None) -> None:
    ax.plot(line.x, line.mean, **{"markevery": max(1, len(line.x) // 8), "markersize": 4, "linewidth": 1.4, **style})
    ax.fill_between(line.x, line.low, line.high, color=style["color"], alpha=0.2, linewidth=0)
    at = line.x == chosen
    ax.plot(line.x[at], line.mean[at], "o", markersize=10, fillstyle="none", color=style["color"])


def forest(pairs: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Mean differences with their intervals, a row a pair; filled where a difference was detected, hollow where not."""
    ax = _axes(ax)
    for row, pair in enumerate(pairs.itertuples()):
        found = pair.verdict != SAME
        colour = COLOURS[0] if found else "0.4"
        ax.plot([pair.low, pair.high], [row, row], color=colour, linewidth=1.6 if found else 1.0)
        ax.plot(pair.difference, row, "s" if found else "o", color=colour, markersize=5,
                markerfacecolor=colour if found else "white")  # fmt: skip
    ax.axvline(0, color="0.25", linewidth=0.8)
    ax.set(yticks=range(len(pairs)), yticklabels=[f"{pair.a}\n− {pair.b}" for pair in pairs.itertuples()])
    ax.set_ylim(len(pairs) - 0.5, -0.5)
    return ax
