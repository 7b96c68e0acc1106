"""The figures of the experiment on universal approximation."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from minnet.lab.approximation import Built
from minnet.lab.drawing import Picture, panels, powers
from minnet.lab.pieces import linear_pieces
from minnet.lab.plots import Line, bands, styles
from minnet.lab.targets import Target
from minnet.settings import Array


def _errors(ax: Axes, units: Sequence[int] | Array, least: float) -> None:
    powers(ax, units)
    powers(ax, [10.0**e for e in range(int(np.floor(np.log10(max(least, 1e-16)))), 2)], "y")
    ax.set(xlabel="hidden units", ylabel="largest error")


def constructions(f: Target, shown: Mapping[str, Built], units: Array, errors: Mapping[str, Array]) -> Picture:
    """What the constructed networks draw with eight units, and how their errors fall."""
    figure, (above, below) = panels(2, height=5.6)
    x = f.grid(2001)
    above.plot(x, f.f(x), color="0.7", linewidth=4, label=f.name)
    for (name, style), (network, theta) in zip(styles(shown).items(), shown.values(), strict=True):
        above.plot(x, network(theta, x[:, None])[:, 0], **style | {"marker": ""}, label=name)
        below.plot(units, errors[name], **style, label=name, markersize=4)
    _errors(below, units, min(float(e.min()) for e in errors.values()))
    below.set_ylim(top=2 * max(float(e.max()) for e in errors.values()))
    above.set(xlabel="x", title="Eight hidden units, no training")
    below.set_title("Twice the units: less and less error")
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return Picture(
        "constructed",
        f"{f.name} by networks whose weights were written down",
        f"Above: {f.name}, the polygon of 8 ReLU units and the staircase of 8 steep sigmoids. Below: the largest error "
        f"of either with {units[0]} to {units[-1]} units; both axes are logarithmic. Nothing here is random.",
        f"Two networks near {f.name}; their errors fall as straight lines against the number of hidden units.",
        figure,
    )


def floor_of_squares(
    f: Target, seen: Array, widths: Sequence[int], errors: Mapping[str, Sequence[float]], floor: float
) -> Picture:
    """The best that trained units that square do, beside the floor for all of them and what ReLU units do."""
    figure, (above, below) = panels(2, height=5.4)
    x = f.grid(len(seen))
    looks = styles(errors)
    above.plot(x, f.f(x), color="0.7", linewidth=4)
    above.plot(x, seen, **next(iter(looks.values())) | {"marker": ""})
    above.set(xlabel="x", title=f"{widths[-1]} units that square, trained on {f.name}")
    for name, of in errors.items():
        below.plot(widths, of, **looks[name], label=name, markersize=5)
    _errors(below, widths, min(map(min, errors.values())))
    below.set_ylim(top=3 * max(map(max, errors.values())))
    if floor > 0:
        below.axhline(floor, color="0.4", linewidth=3, alpha=0.4, label=f"floor: {floor:.3f}")
    below.set_title("Wider does not help them")
    below.legend(frameon=False, loc="lower left")
    return Picture(
        "floor",
        "Units that square are not linear, and approximate next to nothing",
        f"Above: {f.name} (grey), and what a trained network of {widths[-1]} units that square makes of it; every "
        "such network is a parabola or a straight line. Below: the nearest that any trained one came, the floor that "
        "is proved for all of them at every width, and a polygon of as many ReLU units.",
        "The error of units that square stays on a floor at every width; that of ReLU units falls.",
        figure,
    )


def gaps(f: Target, widths: Sequence[int], polygons: Sequence[float], lines: Mapping[str, Line], seeds: int) -> Picture:
    """The errors (log10 in `lines`) of trained networks above those of the constructed one."""
    figure, ax = panels()
    drawn = {f"trained: {name}": Line(line.x, *(10**part for part in line[1:])) for name, line in lines.items()}
    bands(drawn, ax=ax)
    ax.plot(widths, polygons, color="0.25", linestyle=":", marker="v", markersize=5, label="constructed")
    high = ax.get_ylim()[1]
    _errors(ax, widths, min(polygons))
    ax.set(ylim=(min(polygons) / 3, max(high, 1)), title="The better network is there, and is not found")
    ax.legend(frameon=False, loc="lower left")
    return Picture(
        "gap",
        "Trained beside constructed, at equal width",
        f"{f.name} by one hidden layer of ReLU units: the polygon that was written down, and what training reaches: "
        f"the geometric mean over {seeds} fresh seeds with its 95 % t interval. Adam's learning rate was chosen on "
        "other seeds. Both axes are logarithmic.",
        "The constructed network's error falls faster with the width than those of the trained ones.",
        figure,
    )


def tents(composed: Callable[[int], Built], times: Sequence[int], pieces: Sequence[int]) -> Picture:
    """The tent map composed once, twice and four times; its pieces beside those of one hidden layer."""
    figure, (above, below) = panels(2, height=5.4)
    for (k, style), shift in zip(styles(map(str, (1, 2, 4))).items(), (2.8, 1.4, 0), strict=True):
        network, theta = composed(int(k))
        ends = [float(piece.low) for piece in linear_pieces(network, theta, low=0.0, high=1.0)] + [1.0]
        above.plot(ends, network(theta, np.array(ends)[:, None])[:, 0] + shift, color=style["color"])
        above.annotate(f"{2 * int(k)} units, {len(ends) - 1} pieces", (0.5, shift + 1.08), ha="center")
    above.set(xlabel="x", yticks=[], ylim=(-0.1, 4.3), title="The tent map composed 1, 2 and 4 times")
    units, looks = [2 * k for k in times], styles(("depth", "width"))
    below.plot(units, pieces, **looks["depth"], markersize=4, label="depth: the tent map, N/2 times")
    below.plot(units, [n + 1 for n in units], **looks["width"], markersize=4, label="width: the most of one layer")
    powers(below, [4**e for e in range(1, 7)], "y")
    below.set(xlabel="units N", ylabel="linear pieces", title="Depth doubles, width adds one", xticks=units[1::2],
              ylim=(1, 16 * pieces[-1]))  # fmt: skip
    below.legend(frameon=False, loc="upper left")
    return Picture(
        "tent",
        "What depth can do",
        "Above: the tent map composed with itself; every two units more fold it once more. Below: linear pieces "
        "against the number of units, on a logarithmic axis: 2^(N/2) for the tent map, counted exactly, and N + 1, the "
        "most that one hidden layer of N units can have.",
        "Zigzags of 2, 4 and 16 pieces; depth gives a straight line on a logarithmic axis, width lies far below.",
        figure,
    )


def random_pieces(neurons: Sequence[int], lines: Mapping[str, Line], seeds: int, each: int) -> Picture:
    """Pieces against neurons, at random and trained, below the tent map's."""
    figure, ax = panels()
    bands(lines, ax=ax)
    ax.plot(neurons, neurons, color="0.4", linewidth=4, alpha=0.3, label="as many as neurons")
    n = np.linspace(2, 2 * np.log2(4 * neurons[-1]), 50)
    ax.plot(n, 2.0 ** (n / 2), color="0.25", linestyle=":", label="the tent map composed")
    ax.set(xlabel="neurons", ylabel="linear pieces along a line", title="Networks as they are hardly fold",
           ylim=(0, 1.8 * neurons[-1]))  # fmt: skip
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return Picture(
        "random",
        "What depth does in networks as they are",
        f"ReLU networks of 16 units a layer on the spirals, 1 layer to {neurons[-1] // 16}: pieces along lines through "
        f"two training points, counted exactly, before and after training; means over {seeds} seeds of {each} lines "
        "each, with 95 % t intervals. Dotted: what the tent map makes of as many neurons.",
        "Pieces grow about as neurons do, after training somewhat faster; those of the tent map shoot up.",
        figure,
    )
