"""With activation functions a network can approximate any continuous function: one exists, but is it found?

The universal approximation theorem says that one hidden layer is enough. Its network is written down here rather than
trained, and the error falls with the number of units just as the mathematics says (a). The theorem needs more than a
bend: units that square their input are non-linear too, and fail at every width (b). And it says nothing of learning:
networks trained from random weights stay behind the one that was written down (c). Depth can do far more than width:
composed with itself, a map of two units doubles its linear pieces (d). But networks as they start at random, and as
training leaves them, have about as many pieces as neurons (Hanin & Rolnick 2019): little of that is used (e).

Parts a to c take any function of one variable: --function "sin(x) + abs(x)", or --data my.csv with columns x and y.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure

import minnet as mn
from minnet.lab.approximation import (
    Built,
    alternation,
    best_polynomial,
    interpolant,
    least_largest,
    log_slope,
    staircase,
)
from minnet.lab.claims import Effort, Full, Out, Part, Quick, execute, present, table
from minnet.lab.datasets import dataset
from minnet.lab.drawing import Picture
from minnet.lab.pieces import linear_pieces, tent
from minnet.lab.plots import Line, bands, styles
from minnet.lab.statistics import mean_interval
from minnet.lab.targets import SINE, Target, target
from minnet.randomness import generator
from minnet.settings import Array

RATES = (0.001, 0.003, 0.01, 0.03)  # for Adam
WIDE = mn.VarianceScaling(1.0, "in", "uniform")  # for the biases of units with one input: kinks all over [-1, 1]
Construction = Callable[[Array, Array], Built]


def constructed(
    how: Effort, f: Target = SINE, polygon: Construction = interpolant, stairs: Construction = staircase
) -> Part:
    """A hidden layer of ReLU units that draws a polygon through the function; one of steep sigmoids that climbs it."""
    units, between = 2 ** np.arange(4, how.pick(8, 10, 11)), 32
    made = {"ReLU polygon": polygon, "sigmoid staircase": stairs}
    errors = {
        name: np.array([f.sup_error(build(*f.knots(n)), f.grid(between * n + 1)) for n in units])
        for name, build in made.items()
    }
    varies = np.array([f.variation(n, between) for n in units])
    slopes = {name: log_slope(units, e) for name, e in errors.items()}
    rounding = 1e-12 * units * f.span[1]
    holds = all(bool((e <= varies + rounding).all()) for e in errors.values())
    predicted = "neither is further off than the function varies from one knot to the next"
    measured = "; ".join(f"{name}: {e[0]:.2g} with {units[0]} units, {e[-1]:.2g} with {units[-1]}, log-log slope "
                         f"{slopes[name]:.3f}" for name, e in errors.items())  # fmt: skip
    if f is SINE:
        ratio = errors["ReLU polygon"] / ((2 * np.pi / units) ** 2 / 8)
        predicted = (
            "the polygon's largest error is at most h²/8 and falls with slope -2 ± 0.02, the staircase's -1 ± 0.02"
        )
        measured += f". The polygon's is {ratio.min():.4f} to {ratio.max():.6f} of h²/8"
        near = [abs(slopes[name] - slope) <= 0.02 for name, slope in zip(made, (-2, -1), strict=True)]
        holds &= bool(ratio.max() <= 1 + 1e-9) and all(near)
    if f.points is not None:
        missed = f.sup_error(polygon(f.points, f.f(f.points)), f.points)
        measured += (
            f". The polygon with a knot at each of the {len(f.points)} points misses none by more than {missed:.1g}"
        )
        holds &= missed <= 1e-9 * f.span[1]
    details = table(["units", *made, "f varies by"], zip(units, *errors.values(), varies, strict=True))
    picture = _constructions(f, {name: build(*f.knots(8)) for name, build in made.items()}, units, errors)
    return Part("Constructed, not trained", predicted, measured, holds, law=True, details=details, pictures=[picture])


def quadratic(how: Effort, f: Target = SINE, activation: mn.Layer = mn.Elementwise(np.square)) -> Part:
    """Units that square: the network is a polynomial of degree 2 at every width, and no better than the best of them."""
    x = f.grid(1001)
    best = best_polynomial(x, f.f(x), 2)
    floor, proved = float(np.abs(best - f.f(x)).max()), alternation(best - f.f(x), 2)
    widths, nearest, count = (2, 8, 32, 128), [], 0
    for n in widths:
        network = _network(n, activation)
        trained = [_by_adam(network, f, RATES, range(how.pick(3, 10, 30)), how.pick(60, 150, 400))]
        trained += [least_largest(network, *f.scaled(f.grid(257)), seed=seed)[None] for seed in range(3)]
        errors = np.concatenate([f.learned_error(network, theta, x) for theta in trained])
        nearest.append(float(errors.min()))
        count += len(errors)
    polygons = [f.sup_error(interpolant(*f.knots(n)), x) for n in widths]
    holds = floor - proved <= 1e-6 * f.span[1] and min(nearest) >= proved - 1e-9 * f.span[1]
    predicted = (
        f"none goes below {floor:.6g}, the floor found by linear programming, and alternating errors prove that floor"
    )
    measured = f"proved: {proved:.6g}; the nearest of {count} trained networks came to {min(nearest):.6g}"
    measured += f"; a polygon of {widths[-1]} ReLU units is within {polygons[-1]:.2g}"
    details = table(("units", "nearest of the squares", "ReLU polygon"), zip(widths, nearest, polygons, strict=True))
    seen = f.learned(network, trained[-1][0], x)
    picture = _floor(f, x, seen, widths, {"trained units that square": nearest, "ReLU polygon": polygons}, proved)
    return Part("A bend is not enough: units that square", predicted, measured, holds, law=True, details=details,
                pictures=[picture])  # fmt: skip


def learned(how: Effort, f: Target = SINE) -> Part:
    """One hidden layer of ReLU units from random weights, beside the polygon that the same layer could draw."""
    widths, seeds = how.pick((8, 32), (8, 16, 32, 64), (8, 16, 32, 64, 128)), how.pick(4, 10, 20)
    epochs, test, fresh = how.pick(100, 300, 1000), f.grid(4001), range(seeds, 2 * seeds)
    polygons = [f.sup_error(interpolant(*f.knots(n)), test) for n in widths]
    scores: dict[str, list[Array]] = {"Adam": [], "L-BFGS": []}
    for n in widths:
        network = _network(n, mn.ReLU())
        tried = f.learned_error(network, _by_adam(network, f, RATES, range(seeds), epochs), f.grid(1024))
        best = RATES[int(np.log10(tried).reshape(len(RATES), seeds).mean(axis=1).argmin())]
        scores["Adam"].append(f.learned_error(network, _by_adam(network, f, [best], fresh, epochs), test))
        run = mn.lbfgs(network, mn.mse, *f.scaled(f.grid(257)), seed=fresh, iterations=how.pick(200, 500, 2000))
        scores["L-BFGS"].append(f.learned_error(network, run.theta, test))
    gaps = {
        name: [mean_interval(np.log10(s / p)) for s, p in zip(of, polygons, strict=True)] for name, of in scores.items()
    }
    level = [
        f"{name} with {n}" for name, gap in gaps.items() for n, (_, low, _) in zip(widths, gap, strict=True) if low <= 0
    ]
    holds = all(gap[-1][1] > 0 for gap in gaps.values())
    measured = "; ".join(f"{name}: a gap of {_interval(gap[0])} decades with {widths[0]} units, {_interval(gap[-1])} with "
                         f"{widths[-1]}" for name, gap in gaps.items())  # fmt: skip
    rows = [
        (n, p, *(_interval(gap[i]) for gap in gaps.values()))
        for i, (n, p) in enumerate(zip(widths, polygons, strict=True))
    ]
    details = table(("units", "constructed", *(f"{name}, decades above" for name in gaps)), rows)
    lines = {name: _line(widths, [np.log10(s) for s in of]) for name, of in scores.items()}
    return Part(
        "Existence is not learnability",
        "at equal width, training ends with a larger error than the construction, at the latest with the widest layer",
        f"{measured} (mean and 95 % t interval over {seeds} fresh seeds)",
        holds,
        half=f"no gap is shown for {', '.join(level)} units" if level else "",
        details=details,
        pictures=[_gaps(f, widths, polygons, lines, seeds)],
    )


def depth(how: Effort, composed: Callable[[int], Built] = tent) -> Part:
    """The tent map composed k times, two units each time, beside one hidden layer of as many units."""
    times = range(1, how.pick(8, 11, 13))
    pieces = [len(linear_pieces(*composed(k), low=0.0, high=1.0)) for k in times]
    widths = [n for n in (2, 4, 8, 16, 32, 64) for _ in range(how.pick(5, 20, 100))]
    shallow = []
    for seed, n in enumerate(widths):
        network = _network(n, mn.ReLU())
        shallow.append(len(linear_pieces(network, network.init_theta(seed))))
    holds = pieces == [2**k for k in times] and all(m <= n + 1 for m, n in zip(shallow, widths, strict=True))
    most = max(m - n for m, n in zip(shallow, widths, strict=True))
    measured = f"{', '.join(map(str, pieces))} for k = 1 to {times[-1]}, counted in whole numbers; "
    measured += f"one hidden layer: at most N {most:+d} in {len(widths)} random ones of 2 to 64 units"
    return Part(
        "Depth: the tent map folds and folds again",
        "composed k times it takes 2k units and has exactly 2^k pieces on [0, 1]; one hidden layer of N units has at most N + 1",
        measured,
        holds,
        law=True,
        pictures=[_tents(composed, times, pieces)],
    )


def random_networks(how: Effort) -> Part:
    """Deep ReLU networks of 16 units a layer on the spirals, biases random too: pieces along lines through the data."""
    depths, seeds, lines = how.pick((1, 4), (1, 2, 4, 6), (1, 2, 4, 6, 8)), range(how.pick(3, 6, 20)), how.pick(2, 4, 8)
    split = dataset("spirals").splits(seeds)
    found: dict[str, list[Array]] = {"at the start": [], "after training": []}
    scores = []
    for d in depths:
        hidden = [
            part for i in range(d) for part in (mn.Dense(16 if i else 2, 16, mn.he_normal, mn.glorot_normal), mn.ReLU())
        ]
        network = mn.Network(*hidden, mn.Dense(16, 2))
        run = mn.train(network, mn.softmax_cross_entropy, mn.SGD(0.1), split.x, split.y, epochs=how.pick(50, 200, 200),
                       batch_size=32, seed=seeds)  # fmt: skip
        scores.append(float((run(split.x_test).argmax(axis=-1) == split.y_test).mean()))
        for name, thetas in zip(found, (network.init_theta(seeds), run.theta), strict=True):
            found[name].append(np.array([np.mean([len(linear_pieces(network, theta, a, b - a)) for a, b in _pairs(x, seed, lines)])
                                         for theta, x, seed in zip(thetas, split.x, seeds, strict=True)]))  # fmt: skip
    neurons = [16 * d for d in depths]
    shares = {name: [mean_interval(c / n) for c, n in zip(of, neurons, strict=True)] for name, of in found.items()}
    holds = all(0.5 <= share[0] <= 2 for of in shares.values() for share in of)
    measured = "; ".join(f"{name} {_interval(of[0])} pieces a neuron at depth {depths[0]}, {_interval(of[-1])} at depth {depths[-1]}"
                         for name, of in shares.items())  # fmt: skip
    rows = [(d, n, *(float(of[i].mean()) for of in found.values()), f"{scores[i]:.1%}", f"2^{n // 2}")
            for i, (d, n) in enumerate(zip(depths, neurons, strict=True))]  # fmt: skip
    details = table(("depth", "neurons", *found, "test accuracy", "tent of as many"), rows)
    return Part(
        "But random networks, and trained ones, hardly fold",
        "between half as many and twice as many pieces as neurons along a line, at every depth, before and after training",
        f"{measured} (mean and 95 % t interval over {len(seeds)} seeds, {lines} lines each)",
        holds,
        details=details,
        pictures=[_random(neurons, {name: _line(neurons, of) for name, of in found.items()}, len(seeds), lines)],
    )


def _network(units: int, activation: mn.Layer) -> mn.Network:
    return mn.Network(mn.Dense(1, units, mn.he_normal, WIDE), activation, mn.Dense(units, 1))


def _by_adam(network: mn.Network, f: Target, rates: Sequence[float], seeds: range, epochs: int) -> Array:
    """theta (rates × seeds, P), trained on 257 points."""
    each = mn.Adam(tuple(np.repeat(rates, len(seeds)).tolist()))
    u, v = f.scaled(f.grid(257))
    return mn.train(network, mn.mse, each, u, v, epochs=epochs, batch_size=32, seed=np.tile(seeds, len(rates))).theta


def _pairs(x: Array, seed: int, count: int) -> Iterable[Array]:
    """Pairs of different points, to draw lines through."""
    rng = generator(seed, "noise")
    return (x[rng.choice(len(x), 2, replace=False)] for _ in range(count))


def _interval(found: tuple[float, float, float]) -> str:
    mean, low, high = found
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def _line(x: Sequence[float], values: Sequence[Array]) -> Line:
    return Line(np.array(x, float), *np.array([mean_interval(v) for v in values]).T)


def _figure(columns: int = 2) -> tuple[Figure, Any]:
    figure = Figure(figsize=(3.6 * columns, 3.1), layout="constrained")
    return figure, figure.subplots(1, columns)


def _constructions(f: Target, shown: Mapping[str, Built], units: Array, errors: Mapping[str, Array]) -> Picture:
    figure, (left, right) = _figure()
    x = f.grid(2001)
    left.plot(x, f.f(x), color="0.7", linewidth=4, label=f.name)
    for (name, style), (network, theta) in zip(styles(shown).items(), shown.values(), strict=True):
        left.plot(x, network(theta, x[:, None])[:, 0], **style | {"marker": ""}, label=f"{name}, 8 units")
        right.loglog(units, errors[name], **style, label=name, markersize=4)
    left.set(xlabel="x", title="Eight hidden units, no training")
    right.set(xlabel="hidden units", ylabel="largest error", title="Twice the units: a quarter, or half, of the error")
    left.legend(frameon=False, fontsize=7.5)
    right.legend(frameon=False)
    return Picture(
        "constructed", f"{f.name} by networks that were written down",
        f"Left: {f.name}, the polygon of 8 ReLU units and the stairs of 8 steep sigmoids. Right: the largest error at "
        f"{units[0]} to {units[-1]} units, both axes logarithmic. Nothing is random here.",
        f"Two curves near {f.name}, and two falling straight lines: errors against the number of hidden units.", figure,
    )  # fmt: skip


def _floor(
    f: Target, x: Array, seen: Array, widths: Sequence[int], errors: Mapping[str, Sequence[float]], floor: float
) -> Picture:
    figure, (left, right) = _figure()
    left.plot(x, f.f(x), color="0.7", linewidth=4, label=f.name)
    square, polygon = styles(errors).values()
    left.plot(x, seen, **square | {"marker": ""}, label=f"{widths[-1]} units that square, trained")
    left.set(xlabel="x", title="What units that square make of it")
    for (name, of), style in zip(errors.items(), (square, polygon), strict=True):
        right.loglog(widths, of, **style, label=name)
    if floor > 0:
        right.axhline(floor, color="0.25", linewidth=0.8)
        right.annotate("floor of all of degree 2", (widths[0], floor), (0, -10), textcoords="offset points")
    right.set(xlabel="hidden units", ylabel="largest error", title="Wider does not help them")
    left.legend(frameon=False, fontsize=7.5, loc="upper left")
    right.legend(frameon=False, loc="lower left")
    return Picture(
        "floor", "Units that square their input are non-linear, and not universal",
        f"Left: {f.name}, and a trained network of {widths[-1]} units that square: a parabola, like every such network. "
        f"Right: the nearest that any trained one came at {widths[0]} to {widths[-1]} units, the floor that is proved for "
        "all, and a polygon of ReLU units.",
        "The error of squaring units stays at a floor at every width; that of ReLU units falls.", figure,
    )  # fmt: skip


def _gaps(
    f: Target, widths: Sequence[int], polygons: Sequence[float], lines: Mapping[str, Line], seeds: int
) -> Picture:
    figure, ax = _figure(1)
    bands(
        {name: Line(*(10**part if i else part for i, part in enumerate(line))) for name, line in lines.items()}, ax=ax
    )
    ax.plot(widths, polygons, color="0.2", linestyle=":", marker="v", markersize=4)
    ends = {
        "constructed": polygons[-1],
        **{f"trained, {name}": 10 ** float(line.mean[-1]) for name, line in lines.items()},
    }
    for name, y in ends.items():
        ax.annotate(name, (widths[-1], y), (-4, 6), textcoords="offset points", ha="right")
    ax.set(xscale="log", yscale="log", xlabel="hidden units", ylabel="largest error", xticks=widths, xticklabels=widths,
           title="The better network is there, and not found")  # fmt: skip
    ax.minorticks_off()
    return Picture(
        "gap", "Trained beside constructed, at equal width",
        f"{f.name} by one hidden layer of ReLU units: the polygon that was written down, and the geometric mean over {seeds} "
        "fresh seeds of what training reaches, with its 95 % t interval. Adam's learning rate was chosen on other seeds.",
        "The error of the constructed network falls faster with the width than that of trained ones.", figure,
    )  # fmt: skip


def _tents(composed: Callable[[int], Built], times: Sequence[int], pieces: Sequence[int]) -> Picture:
    figure, (left, right) = _figure()
    for (k, style), shift in zip(styles((1, 2, 4)).items(), (2.4, 1.2, 0), strict=True):
        ends = [float(piece.low) for piece in linear_pieces(*composed(k), low=0.0, high=1.0)] + [1.0]
        network, theta = composed(k)
        left.plot(
            ends, network(theta, np.array(ends)[:, None])[:, 0] + shift, **style | {"marker": "", "linestyle": "-"}
        )
        left.annotate(f"{2 * k} units: {len(ends) - 1} pieces", (0, 1.03 + shift), color=style["color"])
    left.set(xlabel="x", yticks=[], title="The tent map composed 1, 2 and 4 times")
    units = [2 * k for k in times]
    both = styles(("depth", "width"))
    right.semilogy(units, pieces, **both["depth"], markersize=4, label="tent map composed: 2^(N/2)")
    right.semilogy(
        units, [n + 1 for n in units], **both["width"], markersize=4, label="one hidden layer: at most N + 1"
    )
    right.set(xlabel="units N", ylabel="linear pieces", title="Depth doubles, width adds one")
    right.legend(frameon=False)
    return Picture(
        "tent", "What depth can do",
        "Left: the tent map composed with itself, drawn above each other; every two units more fold it once more. Right: "
        "linear pieces against the number of units, the vertical axis logarithmic; all counted exactly.",
        "Zigzags of 2, 4 and 16 pieces; the count grows as a straight line on a logarithmic axis.", figure,
    )  # fmt: skip


def _random(neurons: Sequence[int], lines: Mapping[str, Line], seeds: int, each: int) -> Picture:
    figure, ax = _figure(1)
    bands(lines, ax=ax)
    for name, line in lines.items():
        ax.lines[list(lines).index(name)].set_label(name)
    ax.plot(neurons, neurons, color="0.5", linewidth=0.8, label="as many pieces as neurons")
    n = np.arange(2, 2 * int(np.log2(2.2 * neurons[-1])) + 1, 2)
    ax.plot(n, 2.0 ** (n / 2), color="0.2", linestyle=":", label="the tent map composed")
    ax.set(xlabel="neurons", ylabel="linear pieces along a line", title="Depth could fold; random and trained networks hardly do",
           ylim=(0, 2 * neurons[-1]))  # fmt: skip
    ax.legend(frameon=False, loc="lower right")
    return Picture(
        "random", "What depth does in networks as they are",
        f"ReLU networks of 16 units a layer on the spirals, 1 layer to {neurons[-1] // 16}: pieces along lines through two "
        f"training points, counted exactly, before and after training; means over {seeds} seeds of {each} lines each, "
        "with 95 % t intervals. Dotted: what the tent map makes of as many neurons.",
        "Pieces grow in proportion to neurons, while those of the tent map shoot up.", figure,
    )  # fmt: skip


def main(
    function: Annotated[str | None, typer.Option(help='a formula in x, such as "sin(x) + abs(x)"')] = None,
    data: Annotated[Path | None, typer.Option(help="a CSV file with columns x and y")] = None,
    low: Annotated[float, typer.Option(help="where x begins")] = SINE.low,
    high: Annotated[float, typer.Option(help="where x ends")] = SINE.high,
    full: Full = False,
    quick: Quick = False,
    out: Out = Path("results"),
) -> None:
    """Measure what the universal approximation theorem promises, and what it does not."""
    try:
        f = target(function, data, low, high)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    sections = [partial(section, f=f) for section in (constructed, quadratic, learned)]
    present("universal_approximation", __doc__, [*sections, depth, random_networks], out, full=full, quick=quick)


if __name__ == "__main__":
    execute(main)
