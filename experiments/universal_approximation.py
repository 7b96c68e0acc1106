"""With activation functions a network can approximate any continuous function: one exists, but is it found?

The universal approximation theorem says that one hidden layer is enough. Its network is written down here rather than
trained, and the error falls with the number of units just as the mathematics says (a). The theorem needs more than a
bend: units that square their input are non-linear too, and fail at every width (b). And it says nothing of learning:
networks trained from random weights stay behind the one that was written down (c). Depth can do far more than width:
composed with itself, a map of two units doubles its linear pieces (d). But networks as they start at random, and as
training leaves them, have about as many pieces as neurons (Hanin & Rolnick 2019): little of that is used (e).

Parts a to c take any function of one variable: --function "sin(x) + abs(x)", or --data my.csv with columns x and y.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import minnet as mn
import minnet.lab.universal_pictures as draw
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
from minnet.lab.pieces import linear_pieces, tent
from minnet.lab.plots import Line
from minnet.lab.statistics import mean_interval
from minnet.lab.targets import SINE, Target, target
from minnet.lab.verdicts import Ends, Statement, above, exact, law, within
from minnet.randomness import generator
from minnet.settings import Array

Construction = Callable[[Array, Array], Built]
SQUARE = mn.Elementwise(np.square)
RATES = (0.001, 0.003, 0.01, 0.03)  # Adam's
WIDE = mn.VarianceScaling(1.0, "in", "uniform")  # biases of units with one input: kinks all over [-1, 1]


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
    slopes = [log_slope(units, e) for e in errors.values()]
    allowed = varies + f.rounding(units, (f.high - f.low) / units)
    statements = [judge_error(e, allowed, f"for the {name}") for name, e in errors.items()]
    predicted = "neither is further off than the function varies from one knot to the next"
    measured = "; ".join(
        f"{name}: {e[0]:.2g} with {units[0]} units, {e[-1]:.2g} with {units[-1]}, log-log slope {slope:.3f}"
        for (name, e), slope in zip(errors.items(), slopes, strict=True)
    )
    if f is SINE:
        ratio = errors["ReLU polygon"] / ((2 * np.pi / units) ** 2 / 8)
        predicted = "largest error of the polygon at most h²/8, log-log slope -2 ± 0.02; of the staircase -1 ± 0.02"
        measured += f"; the polygon's is {ratio.min():.4f} to {ratio.max():.6f} of h²/8"
        statements += judge_sine(float(ratio.max()), *slopes)
    if f.points is not None:
        missed = f.sup_error(polygon(f.points, f.f(f.points)), f.points)
        measured += (
            f"; with a knot at each of the {len(f.points)} points the polygon misses none by more than {missed:.1g}"
        )
        allowed = f.rounding(len(f.points), np.diff(f.points).min())
        statements.append(judge_error(np.array([missed]), allowed, "at the points"))
    return Part(
        "Constructed, not trained",
        predicted,
        measured,
        statements,
        details=table(["units", *made, "f varies by"], zip(units, *errors.values(), varies, strict=True)),
        pictures=[draw.constructions(f, {name: build(*f.knots(8)) for name, build in made.items()}, units, errors)],
    )


def judge_error(errors: Array, allowed: Array, about: str) -> Statement:
    """Largest errors, and how large each may be."""
    return law(exact(bool((errors <= allowed).all())), about)


def judge_sine(ratio: float, polygon: float, stairs: float) -> list[Statement]:
    """The polygon's largest error over h²/8, and the log-log slopes of both."""
    slopes = abs(polygon + 2) <= 0.02 and abs(stairs + 1) <= 0.02
    return [law(exact(ratio <= 1 + 1e-9), "for h²/8"), law(exact(slopes), "for the slopes")]


def quadratic(
    how: Effort, f: Target = SINE, activation: mn.Layer = SQUARE, widths: Sequence[int] = (2, 8, 32, 128)
) -> Part:
    """Units that square: at every width the network is a polynomial of degree 2, no better than the best of these."""
    x = f.grid(1001)
    best = best_polynomial(x, f.f(x), 2)
    floor, proved = float(np.abs(best - f.f(x)).max()), alternation(best - f.f(x), 2)
    seen, count = best, 0
    errors: dict[str, list[float]] = {"units that square": [], "ReLU polygon": []}
    for n in widths:
        network = _network(n, activation)
        trained = [_by_adam(network, f, RATES, range(how.pick(3, 10, 30)), how.pick(60, 150, 400))]
        trained += [least_largest(network, *f.scaled(f.grid(257)), seed=seed)[None] for seed in range(3)]
        found = np.concatenate([f.learned_error(network, theta, x) for theta in trained])
        errors["units that square"].append(float(found.min()))
        errors["ReLU polygon"].append(f.sup_error(interpolant(*f.knots(n)), x))
        seen, count = f.learned(network, trained[-1][0], x), count + len(found)
    nearest = min(errors["units that square"])
    return Part(
        "A bend is not enough: units that square",
        f"none gets below {floor:.6g}, the floor by linear programming; the alternating signs of its error prove that",
        f"proved: {proved:.6g}; the nearest of {count} trained networks came to {nearest:.6g}; "
        f"{widths[-1]} ReLU units get to {errors['ReLU polygon'][-1]:.2g}",
        judge_floor(floor / f.span[1], proved / f.span[1], nearest / f.span[1]),
        details=table(("units", "nearest that square", "ReLU polygon"), zip(widths, *errors.values(), strict=True)),
        pictures=[draw.floor_of_squares(f, seen, widths, errors, proved)],
    )


def judge_floor(floor: float, proved: float, nearest: float) -> list[Statement]:
    """The floor by linear programming, its proof, and the nearest trained network, as shares of the function's span."""
    same, above_it = abs(floor - proved) <= 1e-6, nearest >= proved - 1e-9
    return [law(exact(same), "for the proof"), law(exact(above_it), "for trained networks")]


def learned(how: Effort, f: Target = SINE) -> Part:
    """One hidden layer of ReLU units from random weights, beside the polygon that the same layer could draw."""
    widths, seeds = how.pick((8, 32), (8, 16, 32, 64), (8, 16, 32, 64, 128)), how.pick(4, 10, 20)
    epochs, test, fresh = how.pick(100, 300, 1000), f.grid(4001), range(seeds, 2 * seeds)
    polygons = [f.sup_error(interpolant(*f.good_knots(n)), test) for n in widths]
    logs: dict[str, list[Array]] = {"Adam": [], "L-BFGS": []}
    for n in widths:
        network = _network(n, mn.ReLU())
        tried = f.learned_error(network, _by_adam(network, f, RATES, range(seeds), epochs), f.grid(1024))
        best = RATES[int(np.log10(tried).reshape(len(RATES), seeds).mean(axis=1).argmin())]
        adam = _by_adam(network, f, [best], fresh, epochs)
        run = mn.lbfgs(network, mn.mse, *f.scaled(f.grid(257)), seed=fresh, iterations=how.pick(200, 500, 2000))
        for of, theta in zip(logs.values(), (adam, run.theta), strict=True):
            of.append(np.log10(f.learned_error(network, theta, test)))
    gaps = {k: [mean_interval(a - np.log10(p)) for a, p in zip(of, polygons, strict=True)] for k, of in logs.items()}
    ends = (
        f"{k} {_interval(of[0])} decades with {widths[0]} units, {_interval(of[-1])} with {widths[-1]}"
        for k, of in gaps.items()
    )
    told = [[_interval(gap) for gap in of] for of in gaps.values()]
    return Part(
        "Existence is not learnability",
        "training ends above the error of the construction of equal width, at every width",
        f"above it by: {'; '.join(ends)} (mean and 95 % t interval, {seeds} fresh seeds)",
        judge_learned(
            {f"{k} with {n} units": gap[1:] for k, of in gaps.items() for n, gap in zip(widths, of, strict=True)}
        ),
        details=table(
            ("units", "constructed", *(f"{k}, decades above" for k in gaps)), zip(widths, polygons, *told, strict=True)
        ),
        pictures=[draw.gaps(f, widths, polygons, {k: _line(widths, of) for k, of in logs.items()}, seeds)],
    )


def judge_learned(gaps: Mapping[str, Ends]) -> list[Statement]:
    """By method and width: the interval of the decades by which training ends above the construction."""
    return [Statement(above(ends, 0), f"for {name}") for name, ends in gaps.items()]


def depth(how: Effort, composed: Callable[[int], Built] = tent) -> Part:
    """The tent map composed k times, two units each time, beside one hidden layer of as many units."""
    times = range(1, how.pick(8, 11, 13))
    pieces = [len(linear_pieces(*composed(k), low=0.0, high=1.0)) for k in times]
    widths = [n for n in (2, 4, 8, 16, 32, 64) for _ in range(how.pick(5, 20, 100))]
    shallow = [_network(n, mn.ReLU()) for n in widths]
    most = max(len(linear_pieces(net, net.init_theta(seed))) - widths[seed] for seed, net in enumerate(shallow))
    return Part(
        "Depth: the tent map folds, and folds again",
        "composed k times, of 2k units, it has exactly 2^k pieces on [0, 1]; one hidden layer of N units at most N + 1",
        f"{', '.join(map(str, pieces))} for k = 1 to {times[-1]}, counted in whole numbers; one hidden layer of 2 to "
        f"{widths[-1]} units, {len(widths)} random ones: at most N {'+' if most >= 0 else '-'} {abs(most)}",
        judge_depth(pieces, most),
        pictures=[draw.tents(composed, times, pieces)],
    )


def judge_depth(pieces: Sequence[int], most: int) -> list[Statement]:
    """Pieces of the tent map composed 1, 2, ... times, and those of one hidden layer, less its units, at most."""
    doubled = list(pieces) == [2**k for k in range(1, len(pieces) + 1)]
    return [law(exact(doubled, tried=len(pieces) > 0), "for the tent map"), law(exact(most <= 1), "for one layer")]


def random_networks(how: Effort) -> Part:
    """Deep ReLU networks on the spirals, biases random too: pieces along lines through the data, counted exactly."""
    depths, seeds, lines = how.pick((1, 4), (1, 2, 4, 6), (1, 2, 4, 6, 8)), how.pick(3, 6, 20), how.pick(2, 4, 8)
    split, neurons = dataset("spirals").splits(range(seeds)), [16 * d for d in depths]
    counts: dict[str, list[Array]] = {"at the start": [], "after training": []}
    accuracies = []
    for d in depths:
        layers = [mn.Dense(16 if i else 2, 16, mn.he_normal, mn.glorot_normal) for i in range(d)]
        network = mn.Network(*(part for layer in layers for part in (layer, mn.ReLU())), mn.Dense(16, 2))
        run = mn.train(network, mn.softmax_cross_entropy, mn.SGD(0.1), split.x, split.y,
                       epochs=how.pick(50, 200, 200), batch_size=32, seed=range(seeds))  # fmt: skip
        accuracies.append(f"{(run(split.x_test).argmax(axis=-1) == split.y_test).mean():.1%}")
        for of, thetas in zip(counts.values(), (network.init_theta(range(seeds)), run.theta), strict=True):
            each = (
                np.mean([len(linear_pieces(network, theta, a, b - a)) for a, b in _pairs(split.x[seed], seed, lines)])
                for seed, theta in enumerate(thetas)
            )
            of.append(np.array(list(each)))
    shares = {
        k: [mean_interval(c / n, bounds=(0, np.inf)) for c, n in zip(of, neurons, strict=True)]
        for k, of in counts.items()
    }
    ends = (
        f"{k} {_interval(of[0])} times as many at depth {depths[0]}, {_interval(of[-1])} at depth {depths[-1]}"
        for k, of in shares.items()
    )
    means = [[float(c.mean()) for c in of] for of in counts.values()]
    tents = [f"2^{n // 2}" for n in neurons]
    return Part(
        "But networks as they are hardly fold",
        "at every depth, before and after training: between half and twice as many pieces along a line as neurons",
        f"{'; '.join(ends)} (mean and 95 % t interval, {seeds} seeds of {lines} lines each)",
        judge_pieces(
            {f"{k} at depth {d}": share[1:] for k, of in shares.items() for d, share in zip(depths, of, strict=True)}
        ),
        details=table(
            ("depth", "neurons", *counts, "trained accuracy", "tent map"),
            zip(depths, neurons, *means, accuracies, tents, strict=True),
        ),
        pictures=[draw.random_pieces(neurons, {k: _line(neurons, of) for k, of in counts.items()}, seeds, lines)],
    )


def judge_pieces(shares: Mapping[str, Ends]) -> list[Statement]:
    """By time and depth: the interval of the pieces along a line over the number of neurons."""
    return [Statement(within(ends, 0.5, 2), name) for name, ends in shares.items()]


def _network(units: int, activation: mn.Layer) -> mn.Network:
    return mn.Network(mn.Dense(1, units, mn.he_normal, WIDE), activation, mn.Dense(units, 1))


def _by_adam(network: mn.Network, f: Target, rates: Sequence[float], seeds: range, epochs: int) -> Array:
    """theta (rates × seeds, P), trained on 257 points."""
    each = mn.Adam(tuple(np.repeat(rates, len(seeds)).tolist()))
    u, v = f.scaled(f.grid(257))
    return mn.train(network, mn.mse, each, u, v, epochs=epochs, batch_size=32, seed=np.tile(seeds, len(rates))).theta


def _pairs(x: Array, seed: int, count: int) -> Iterator[Array]:
    """Two different points each, to draw a line through."""
    rng = generator(seed, "noise")
    return (x[rng.choice(len(x), 2, replace=False)] for _ in range(count))


def _interval(found: tuple[float, float, float]) -> str:
    mean, low, high = found
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def _line(x: Sequence[float], values: Sequence[Array]) -> Line:
    return Line(np.array(x, float), *np.array([mean_interval(v) for v in values]).T)


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
