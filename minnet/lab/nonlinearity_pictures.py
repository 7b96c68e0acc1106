"""The figures of the experiment on non-linearity."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minnet.lab.comparison import Comparison
from minnet.lab.drawing import Picture, panels, powers
from minnet.lab.plots import COLOURS, MARKERS, decision_boundary, styles
from minnet.settings import Array


def collapse(rows: Sequence[Sequence[Any]], seeds: int) -> Picture:
    """How far stack and product are apart, in units of the rounding bound, against the depth."""
    figure, ax = panels()
    depths = [row[0] for row in rows]
    looks = styles(("linear layers only", "ReLU between them"))
    for (name, style), column, start in zip(looks.items(), (4, 5), (0, 1), strict=True):
        ax.plot(depths[start:], [max(row[column], 1e-3) for row in rows[start:]], **style, markersize=5, label=name)
    ax.axhline(1, color="0.4", linewidth=3, alpha=0.4, label="what rounding can do")
    powers(ax, depths)
    powers(ax, [10.0**e for e in range(-2, 8, 2)], "y")
    ax.set(xlabel="layers", ylabel="difference / rounding bound", ylim=(3e-4, 1e8),
           title="A stack of linear layers is one")  # fmt: skip
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return Picture(
        "collapse",
        "A stack of linear layers is one linear map",
        "The largest difference between a trained stack and the product of its matrices, on 2,000 test points of moons "
        f"and {seeds} seeds, as a multiple of what rounding can do (running error bound). Below 1 the two are the same "
        "function. With ReLU between the same matrices they are not. Both axes are logarithmic; a difference of 0 is "
        "drawn at the bottom.",
        "Linear stacks stay below the bound at every depth; with ReLU between the layers the difference is far above.",
        figure,
    )


def straight_lines(margins: Mapping[str, Array], seeds: int) -> Picture:
    """Every linear-only network as a point, beside the best straight line of its data set."""
    figure, ax = panels()
    rng = np.random.default_rng(0)
    for row, (name, style) in enumerate(styles(margins).items()):
        points = 100 * margins[name]
        height = row + rng.uniform(-0.3, 0.3, len(points))
        ax.plot(points, height, style["marker"], color=style["color"], markersize=2.5,
                markeredgewidth=0, alpha=0.6, rasterized=True)  # fmt: skip
    ax.axvline(0, color="0.25", linewidth=1.2)
    ax.set_title("the best straight line", loc="right")
    ax.axvspan(0, 6, color="0.4", alpha=0.12, linewidth=0)
    ax.annotate("nobody", (3, len(margins) / 2 - 0.5), ha="center", va="center", rotation=90)
    ax.set(yticks=range(len(margins)), yticklabels=margins, xlabel="test accuracy, points from the best straight line",
           ylim=(len(margins) - 0.5, -0.5), xlim=(-45, 6))  # fmt: skip
    count = sum(map(len, margins.values()))
    return Picture(
        "ceiling",
        f"{count:,} networks without activation functions, and the best straight line",
        f"Each point is a trained linear-only network (1 to 5 layers, 2 or 16 wide, four rates, {seeds} seeds), "
        "scored on the test points whose best half-plane was computed exactly; up and down within a row means nothing.",
        "Four rows of points, all to the left of a line that stands for the best straight line.",
        figure,
    )


def boundaries(found: Mapping[str, Comparison]) -> Picture:
    """Where the networks of a first test seed say which class: linear-only left, ReLU right."""
    figure, axes = panels(len(found), 2, height=8.8)
    for row, (name, result) in enumerate(found.items()):
        for column, who in enumerate(("identity", "relu")):
            ax = decision_boundary(*result.examples[who], ax=axes[row, column])
            ax.set_title(f"{'ReLU' if column else 'linear-only'}: {result.table.score[who]:.1%}")
        axes[row, 0].set_ylabel(name)
    seeds = next(iter(found.values())).manifest["seeds"]["test"]
    return Picture(
        "boundaries",
        "One straight line, or bent ones",
        "The first fresh seed of each network at its own best learning rate, with 600 of 2,000 test points; 16 hidden "
        "units, on the spirals 2 × 16. Above each: mean test accuracy over "
        f"{seeds[1] - seeds[0] + 1} fresh seeds. The best straight line has "
        f"{', '.join(f'{result.data.ceiling:.1%} on {name}' for name, result in found.items())}.",
        "Left, every plane is halved by a straight line; right, the boundaries follow the classes.",
        figure,
    )


def corners(points: Array, labels: Array, hidden: Array) -> Picture:
    """The four corners as they are, and as two ReLU units see them."""
    figure, (above, below) = panels(2, height=5.0)
    for ax, at in ((above, points), (below, hidden)):
        for label in (0, 1):
            here = at[labels == label]
            ax.plot(here[:, 0], here[:, 1], MARKERS[label], color=COLOURS[label], markersize=11, label=f"XOR = {label}")
        ax.set(xlim=(-0.6, 2.6), ylim=(-0.6, 1.6), yticks=(0, 1), aspect="equal")
    across = np.array([-0.6, 2.6])
    above.plot(across, 0.5 - across, color="0.25", linestyle="--")
    above.set(xlabel="x1", ylabel="x2", xlim=(-0.6, 2.6), xticks=(0, 1), title="Every line leaves a corner wrong")
    below.plot(across, across / 2 - 0.25, color="0.25", linestyle="--")
    below.set(
        xlabel="h1 = relu(x1 + x2)",
        ylabel="h2 = relu(x1 + x2 - 1)",
        xticks=(0, 1, 2),
        title="After two ReLU units a line is enough",
    )
    below.annotate("two corners in one place", hidden[labels == 1][0], (-30, -18), textcoords="offset points")
    above.legend(frameon=False, loc="center right")
    return Picture(
        "witness",
        "XOR's four corners, before and after two ReLU units",
        "Above: the corners of the square with their labels, and one of the best straight lines: three of four right. "
        "Below: the same corners as the two hidden units see them; the line is y = h1 - 2 h2 = ½.",
        "Above, no line parts the labels; below, the two corners labelled 1 lie on one point and a line parts them.",
        figure,
    )


def features(found: Comparison) -> Picture:
    """The linear-only network without and with squares."""
    figure, axes = panels(1, 2, height=2.9)
    for ax, (name, example) in zip(axes, found.examples.items(), strict=True):
        decision_boundary(*example, ax=ax).set(title=f"{name}: {found.table.score[name]:.1%}", aspect="equal")
    return Picture(
        "features",
        "The same linear network, with x1² and x2² as features",
        "The first fresh seed of each at its own best learning rate, with 600 of 2,000 test points; above each, "
        "the mean test accuracy over all fresh seeds. A straight line in all four features is an ellipse in the plane.",
        "Left a straight boundary through both circles, right an ellipse between them.",
        figure,
    )
