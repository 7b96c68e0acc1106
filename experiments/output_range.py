"""An activation controls the range of the output: sigmoid [0, 1], tanh [-1, 1], softmax [0, 1] with sum 1.

In mathematics these ranges are open: no z makes a sigmoid 1. In floating point they are closed, and reached early.
Softmax keeps its promise only if it is computed with care. And a bounded output is not yet a probability: what makes it
one is the loss that it is trained with. So three heads are compared on the same task: one without any bound, a tanh
and a sigmoid, by how often they leave [0, 1] and by how far what they say can be trusted.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import minnet as mn
from minnet.findings import GRID
from minnet.lab import plots
from minnet.lab.claims import Effort, Full, Out, Part, Quick, Section, execute, present
from minnet.lab.datasets import DATASETS
from minnet.lab.drawing import Picture
from minnet.lab.heads import Head, Measured, accuracy, brier, log_loss, tuned
from minnet.lab.pictures import WIDTH
from minnet.lab.statistics import SAME, all_pairs, mean_interval, mean_intervals, stated
from minnet.lab.summary import resolution
from minnet.lab.verdicts import FAILS, HOLDS, UNDECIDED, Statement, above, exact, law
from minnet.settings import Array

MOONS = DATASETS["moons"]
STEP = resolution(MOONS)  # of an accuracy: one test point
BOUNDED: dict[str, tuple[mn.Activation, float, float]] = {
    "sigmoid": (mn.Sigmoid(), 0.0, 1.0),
    "tanh": (mn.Tanh(), -1.0, 1.0),
    "softsign": (mn.Softsign(), -1.0, 1.0),
}


def ranges(how: Effort, bounded: dict[str, tuple[mn.Activation, float, float]] = BOUNDED) -> Part:
    """The whole float line, sent through the activations that are called bounded."""
    rows, inside, closed = [], True, []
    for name, (act, low, high) in bounded.items():
        for kind in (np.float32, np.float64):
            z = floats(kind)
            y = act(z)
            inside &= bool(((y >= low) & (y <= high)).all())
            first = first_reached(act, kind, high)
            closed.append(first is not None)
            rows.append((name, np.dtype(kind).name, y.min(), y.max(), first))
    table = [f"{'':>10}{'dtype':>9}{'lowest':>9}{'highest':>9}   exactly the bound from"]
    table += [f"{name:>10}{kind:>9}{low:>9.4g}{high:>9.4g}   " + (f"z = {first:.4f}" if first else "no float on")
              for name, kind, low, high, first in rows]  # fmt: skip
    at = {kind: first for name, kind, _, _, first in rows if name == "sigmoid"}
    return Part(
        "The range over all floats",
        "no output leaves the closed interval; the open one of mathematics is closed in floats: σ is exactly 1 from "
        "about z = 37 in float64 and 17 in float32",
        f"σ is exactly 1 from z = {at.get('float64') or np.nan:.4f} in float64 and {at.get('float32') or np.nan:.4f} "
        f"in float32; over {len(floats(np.float32)):,} float32 and {len(floats(np.float64)):,} float64 numbers, "
        f"infinities among them, {'none leaves' if inside else 'some leave'} its interval",
        judge_ranges(inside, all(closed), at),
        details="\n".join(table),
        pictures=[_range_figure()],
    )


def judge_ranges(inside: bool, closed: bool, reached: Mapping[str, float | None]) -> list[Statement]:
    """Whether none leaves its interval and all reach its ends; by dtype, the z from which σ is exactly 1."""
    at_37, at_17 = 36 < (reached.get("float64") or 0) < 38, 16 < (reached.get("float32") or 0) < 18
    return [
        law(exact(inside), "for the closed interval"),
        law(exact(closed), "for its ends"),
        law(exact(at_37 and at_17), "for where σ is 1"),
    ]


def floats(kind: Any) -> Array:
    """Numbers from all over the float line of this dtype, from -inf to inf: every exponent, and densely around 0."""
    info = np.finfo(kind)
    with np.errstate(over="ignore"):
        near = np.concatenate([GRID, np.linspace(-40, 40, 200_001)]).astype(kind)
    exponents = np.arange(int(info.minexp) - int(info.nmant), int(info.maxexp))
    powers = np.ldexp(np.ones(1, kind), exponents[:, None]) * np.linspace(1, 2, 33, endpoint=False, dtype=kind)
    ends = np.array([np.inf, info.max, info.tiny, info.smallest_subnormal, 0], kind)
    both = np.concatenate([near, powers.ravel(), ends])
    return np.concatenate([both, -both])


def first_reached(act: mn.Activation, kind: Any, bound: float) -> float | None:
    """The lowest z > 0 at which act(z) is its bound to the last bit, by halving; None if no float reaches it."""
    low, high = np.zeros(1, kind), np.full(1, np.finfo(kind).max, kind)
    if act(high)[0] != bound:
        return None
    while True:
        middle = low / 2 + high / 2
        if middle[0] in (low[0], high[0]):
            return float(high[0])
        low, high = (low, middle) if act(middle)[0] == bound else (middle, high)


def _range_figure() -> Picture:
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    ax = figure.subplots()
    looks = plots.styles(["float32", "float64"])
    for kind, end in ((np.float32, 20), (np.float64, 42)):
        z = np.linspace(0, end, 800).astype(kind)
        gap = (1 - mn.Sigmoid()(z)).astype(float)
        name = np.dtype(kind).name
        look = {key: value for key, value in looks[name].items() if key != "marker"}
        ax.plot(z[gap > 0], gap[gap > 0], label=name, **look)
        first = first_reached(mn.Sigmoid(), kind, 1.0) or np.nan
        ax.axvline(first, linewidth=0.8, **look)
        ax.text(first, 0.3, f" exactly 1\n from {first:.2f}", fontsize=8, color=look["color"], va="center")
    ax.set(yscale="log", xlabel="z", ylabel="1 - σ(z), as computed", xlim=(0, 47), ylim=(1e-17, 3))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=False, loc="lower left")
    return Picture(
        "closed",
        "Where the sigmoid becomes exactly 1",
        "What is left to 1 goes down in steps of the float format, and then is nothing: from there on the open "
        "interval (0, 1) is closed. No seeds: this is the function.",
        "The distance of the sigmoid from 1 over z, which ends at 16.6 in float32 and at 36.7 in float64.",
        figure,
    )


def textbook_softmax(x: Array) -> Array:
    """exp(xᵢ) / Σⱼ exp(xⱼ) as it is written, which overflows."""
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def minnet_softmax(x: Array) -> Array:
    return mn.Softmax().forward([], x)[0]


def softmax_sums(how: Effort, softmax: Callable[[Array], Array] = minnet_softmax) -> Part:
    """Do the rows sum to 1, however large the logits?"""
    rng, rows, worst = np.random.default_rng(0), how.pick(1000, 10_000, 100_000), 0.0
    table = [f"{'dtype':>9}{'logits up to':>14}{'rows off by, in eps':>21}{'textbook: rows that are NaN':>29}"]
    for kind in (np.float32, np.float64):
        for size in (1, 1e1, 1e2, 1e3, 1e4):
            x = rng.uniform(-size, size, (rows, 10)).astype(kind)
            with np.errstate(all="ignore"):
                p, textbook = softmax(x), textbook_softmax(x)
            off = np.abs(p.astype(float).sum(axis=-1) - 1).max() / np.finfo(kind).eps
            valid = bool(((p >= 0) & (p <= 1)).all())
            worst = max(worst, off if valid else np.inf)
            nan = np.isnan(textbook).any(axis=-1).mean()
            table.append(f"{np.dtype(kind).name:>9}{size:>14g}{off:>21.1f}{nan:>29.1%}")
    with np.errstate(all="ignore"):
        broken = bool(np.isnan(textbook_softmax(np.array([1e4, 0.0]))).any())
    return Part(
        "Softmax sums to 1",
        "rows sum to 1 within 8 eps for logits up to 10,000, all between 0 and 1, where the textbook formula gives NaN",
        f"off by at most {worst:.1f} eps over {rows:,} rows of 10 at each size, in float32 and float64; the textbook "
        f"formula {'gives' if broken else 'does not give'} NaN at (10000, 0)",
        judge_sums(worst, broken),
        details="\n".join(table),
    )


def judge_sums(worst: float, broken: bool) -> list[Statement]:
    """By how many eps a row is off 1 at most, and whether the textbook formula overflows."""
    return [law(exact(worst <= 8), "for the sums"), law(exact(broken), "for the textbook formula")]


def clip(y: Array) -> Array:
    return np.clip(y, 0, 1)


def centred(y: Array) -> Array:
    return (1 + y) / 2


def heads() -> dict[str, Head]:
    """The same 2-16-16-1 tanh network with three last steps, each with the loss it is usually trained with."""
    hidden = mn.Dense(2, 16), mn.Tanh(), mn.Dense(16, 16), mn.Tanh(), mn.Dense(16, 1)
    return {
        "linear": Head(mn.Network(*hidden), mn.mse, clip),
        "tanh": Head(mn.Network(*hidden, mn.Tanh()), mn.mse, centred, low=-1.0),
        "sigmoid": Head(mn.Network(*hidden), mn.binary_cross_entropy, mn.Sigmoid()),
    }


TRIED: dict[Effort, dict[str, Measured]] = {}


def trained(how: Effort) -> dict[str, Measured]:
    """The three heads, each at the rate of the lowest Brier score on validation data."""
    if how not in TRIED:
        TRIED[how] = tuned(heads(), MOONS, score=_calibrated, seeds=how.pick(4, 16, 60), epochs=how.pick(60, 200, 200))
    return TRIED[how]


def _calibrated(p: Array, y: Array) -> Array:
    return -brier(p, y)


def unbounded_head(how: Effort) -> Part:
    """A linear head is free to say 1.2."""
    head = trained(how)["linear"]
    linear = head.outputs[~head.diverged]
    outside = ((linear < 0) | (linear > 1)).mean(axis=-1)
    far = np.maximum(-linear, linear - 1).max(axis=-1)
    return Part(
        "A head without a bound leaves [0, 1]",
        "a linear head trained by squared error leaves [0, 1] on more than one point in a hundred",
        f"it leaves [0, 1] on {stated(outside, '.1%', bounds=(0, 1), resolution=STEP)} of {linear.shape[-1]} test "
        f"points, by up to {stated(far, '.2f', bounds=(0, np.inf))} (mean and 95 % interval, {len(linear)} fresh "
        f"seeds; {head.diverged.sum()} more diverged)",
        judge_unbounded(outside),
        pictures=[_outputs_figure(trained(how), float(outside.mean()))],
    )


def judge_unbounded(outside: Array) -> list[Statement]:
    """By seed: the share of test points on which the linear head leaves [0, 1]."""
    return [Statement(above(mean_interval(outside, bounds=(0, 1), resolution=STEP)[1:], 0.01))]


def _outputs_figure(found: dict[str, Measured], outside: float) -> Picture:
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    bins = np.linspace(-0.6, 1.6, 89)
    for ax, (name, look) in zip(figure.subplots(3, 1, sharex=True), plots.styles(found).items(), strict=True):
        tested = found[name]
        said = (tested.outputs if name == "linear" else tested.probabilities)[~tested.diverged]
        ax.axvspan(0, 1, color="0.93", zorder=0)
        ax.hist(said.ravel(), bins, color=look["color"], weights=np.full(said.size, 1 / said.size))
        ax.set(yscale="log", ylim=(1e-4, 1), xlim=(-0.6, 1.6))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_title(f"{name}{', as it is' if name == 'linear' else ''}", loc="left", fontsize=8)
    figure.supxlabel("output, as a probability of class 1", fontsize=9)
    figure.supylabel("share of the test points", fontsize=9)
    return Picture(
        "outputs",
        "What three heads put out",
        f"Outputs for the test points of moons, {len(said)} fresh seeds together, each head at its own best rate; "
        f"grey: what can be a probability. The linear head leaves it on {outside:.0%} of the points; tanh, (1 + y)/2, "
        "and sigmoid cannot.",
        "Histograms of outputs. That of the linear head reaches below 0 and above 1, the others do not.",
        figure,
    )


FLOOR = 1e-3


def reliability(p: Array, y: Array, bins: int = 10) -> tuple[Array, Array, Array]:
    """By tenths of what was said: how often it was said, its mean, and how often it was so. p, y (N,) -> (bins,)."""
    which = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins).astype(float)
    with np.errstate(invalid="ignore"):
        return count, np.bincount(which, p, bins) / count, np.bincount(which, y, bins) / count


def calibration_error(p: Array, y: Array) -> float:
    """Mean |said - so| over the points, by tenths: the expected calibration error (Naeini et al. 2015)."""
    count, said, so = reliability(p, y)
    return float(np.nansum(count * abs(said - so)) / count.sum())


def what_a_head_is_for(how: Effort) -> Part:
    """How good are the three as probabilities?"""
    y, found = MOONS.test[1].astype(float), trained(how)
    measures: dict[str, dict[str, Array]] = {
        "log-loss": {n: log_loss(np.clip(t.probabilities, FLOOR, 1 - FLOOR), y) for n, t in found.items()},
        "Brier score": {n: brier(t.probabilities, y) for n, t in found.items()},
        "calibration error": {
            n: np.array([calibration_error(p, y) for p in t.probabilities]) for n, t in found.items()
        },
        "accuracy": {n: accuracy(t.probabilities, y) for n, t in found.items()},
    }
    infinite = {name: np.isinf(log_loss(t.probabilities, y)).mean() for name, t in found.items()}
    table = [
        f"{'':>10}{'rate':>7}" + "".join(f"{name:>26}" for name in measures) + f"{'seeds of infinite log-loss':>28}"
    ]
    for name, tested in found.items():
        columns = "".join(f"{_stated(measure, of[name]):>26}" for measure, of in measures.items())
        table.append(f"{name:>10}{tested.rate:>7g}{columns}{infinite[name]:>19.0%}{tested.diverged.mean():>10.0%}")
    pairs = {
        name: all_pairs(pd.DataFrame(measures[name]), lower_is_better=True) for name in ("log-loss", "Brier score")
    }
    shown = [
        (f"{measure} of {row.a} minus sigmoid", row)
        for measure, of in pairs.items()
        for row in of.itertuples()
        if row.b == "sigmoid"
    ]
    return Part(
        "What a head is for",
        "a sigmoid trained by cross-entropy gives better probabilities than a linear head (clipped) or a tanh, (1 + "
        "y)/2, trained by squared error: lower log-loss and lower Brier score",
        "; ".join(f"{name} {row.difference:.4f} [{row.low:.4f}, {row.high:.4f}]" for name, row in shown)
        + f" (mean paired difference and 95 % interval, {len(found['sigmoid'].outputs)} fresh seeds; log-loss with "
        f"probabilities kept within [{FLOOR}, {1 - FLOOR}]: without, it is infinite in {infinite['linear']:.0%} of the "
        "seeds for the linear head)",
        judge_heads(pairs),
        details="\n".join(table),
        pictures=[_reliability_figure(found, y)],
    )


def _stated(measure: str, values: Array) -> str:
    most = np.inf if measure == "log-loss" else 1
    step = STEP if measure == "accuracy" else 0
    return stated(values, ".4f", bounds=(0, most), resolution=step)


def judge_heads(pairs: Mapping[str, pd.DataFrame]) -> list[Statement]:
    """By measure: all pairs of heads (statistics.all_pairs). Is the sigmoid better than each other head?"""
    found = []
    for measure, of in pairs.items():
        for row in of[of.b == "sigmoid"].itertuples():
            answer = UNDECIDED if row.verdict == SAME else HOLDS if row.verdict == "sigmoid better" else FAILS
            found.append(Statement(answer, f"against {row.a} by {measure}"))
    return found


def _reliability_figure(found: dict[str, Measured], y: Array) -> Picture:
    figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    panels = figure.subplots(2, 3, sharex=True, sharey="row", height_ratios=[2, 1])
    for column, (name, look) in enumerate(plots.styles(found).items()):
        upper, lower = panels[:, column]
        p = found[name].probabilities
        count, said, so = np.array([reliability(one, y) for one in p]).swapaxes(0, 1)
        shown = (count >= 10).all(axis=0)  # bins with too few points in some seed say nothing
        mean, low, high = mean_intervals(so.T[shown], bounds=(0, 1))
        upper.plot([0, 1], [0, 1], color="0.5", linewidth=0.8, linestyle=(0, (4, 3)))
        upper.errorbar(said.mean(axis=0)[shown], mean, [mean - low, high - mean], color=look["color"], linewidth=1,
                       linestyle="none", marker=look["marker"], markersize=4, capsize=2)  # fmt: skip
        lower.hist(p.ravel(), np.linspace(0, 1, 21), color=look["color"], weights=np.full(p.size, 1 / p.size))
        upper.set_title(name)
        lower.set(yscale="log", ylim=(1e-3, 1), xticks=[0, 0.5, 1])
        lower.yaxis.set_major_formatter("{x:g}")
    panels[0, 0].set_ylabel("was so")
    panels[1, 0].set_ylabel("said how often")
    figure.supxlabel("probability said", fontsize=9)
    errors = {name: np.mean([calibration_error(p, y) for p in tested.probabilities]) for name, tested in found.items()}
    told = ", ".join(f"{name} {error:.3f}" for name, error in errors.items())
    return Picture(
        "reliability",
        "What was said, and what was so",
        "Above: of the test points for which a head says a probability of class 1 in some tenth, the share that are of "
        f"class 1; on the dashed line it can be trusted. Mean of {len(p)} fresh seeds and its 95 % t interval; tenths "
        "with fewer than 10 of the points in some seed are left out. Below: share of the points for which it says so. "
        f"The mean distance from the line (expected calibration error): {told}. Linear is clipped to [0, 1], tanh is "
        "(1 + y)/2.",
        f"Reliability diagrams of three heads. Expected calibration error: {told}.",
        figure,
    )


def main(full: Full = False, quick: Quick = False, out: Out = Path("results")) -> None:
    """Measure all parts and write what was found."""
    sections: list[Section] = [ranges, softmax_sums, unbounded_head, what_a_head_is_for]
    present("output_range", __doc__, sections, out, full=full, quick=quick)


if __name__ == "__main__":
    execute(main)
