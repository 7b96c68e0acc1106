"""Networks learn by gradients, so an activation has to be differentiable.

"If the activation function isn't differentiable, we cannot propagate gradients and train the network effectively." That
is too strong: ReLU has no derivative at 0 and is what most networks use, and the hard step has one everywhere but at 0
and cannot be trained at all. What it takes is a slope that is of use almost everywhere, and some value at the kink.

First, the gradients of everything built in are checked. Then the kink: how often is it met, and does it matter which
slope is taken there? Then the loss, which sits behind the activation and can undo its slope or make up for it. Last,
the update W ← W - η ∂L/∂W itself, on a network small enough to be followed by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

import minnet as mn
from minnet.checks import gradient_error
from minnet.gains import recommended
from minnet.initializers import Initializer
from minnet.lab import plots
from minnet.lab.claims import Effort, Full, Out, Part, Quick, Section, execute, present
from minnet.lab.compare import compare, mlp
from minnet.lab.datasets import DATASETS
from minnet.lab.drawing import INK, Picture
from minnet.lab.heads import Head, Measured, accuracy, tuned
from minnet.lab.pictures import WIDTH
from minnet.lab.probes import walk
from minnet.lab.statistics import SAME, mean_interval, mean_intervals, share_interval, stated
from minnet.lab.summary import resolution
from minnet.lab.tracing import Trace, trace
from minnet.lab.verdicts import Ends, Statement, above, below, exact, law
from minnet.settings import Array

MOONS = DATASETS["moons"]
STEP = resolution(MOONS)  # of an accuracy: one test point
LAYERS: tuple[tuple[mn.Layer, int], ...] = (
    (mn.Dense(3, 2), 3),
    (mn.Residual(mn.Network(mn.Dense(3, 4), mn.Tanh(), mn.Dense(4, 3))), 3),
    (mn.LayerNorm(3), 3),
    (mn.BatchNorm(3), 3),
    (mn.Dropout(0.4), 3),
    (mn.Softmax(), 3),
    (mn.LogSoftmax(), 3),
    (mn.PReLU(3), 3),
    (mn.LearnedSwish(3), 3),
    (mn.Maxout(3, 2), 3),
)


def gradient_check(how: Effort, activations: tuple[mn.Activation, ...] = mn.CATALOGUE) -> Part:
    """Every activation in a network, and every other layer, against differences of the output."""
    errors = {}
    for act in activations:
        network = mn.Network(mn.Dense(3, 5, recommended(act)), act, mn.Dense(5, 2))
        errors[repr(act)] = _largest_error(network, 3, how.pick(1, 3, 20))
    for layer, n_in in LAYERS:
        errors[repr(layer).replace("Network", "")] = _largest_error(layer, n_in, how.pick(1, 3, 20))
    worst = max(errors, key=lambda name: errors[name])
    figure = Figure(figsize=(WIDTH, 0.17 * len(errors) + 0.8), layout="constrained")
    ax = figure.subplots()
    shown = {name: max(error, 1e-17) for name, error in errors.items()}
    ax.plot(list(shown.values()), range(len(shown)), "o", color=plots.COLOURS[0], markersize=4)
    ax.axvline(1e-8, color=plots.COLOURS[1], linestyle="--")
    ax.text(1e-8, -1, "limit ", ha="right", va="center", color=plots.COLOURS[1], fontsize=8)
    ax.set_yticks(range(len(shown)), [name if len(name) < 40 else f"{name[:39]}…" for name in shown], fontsize=6.5)
    ax.set(
        xscale="log",
        xlim=(5e-18, 1e-6),
        xticks=(1e-16, 1e-12, 1e-8),
        ylim=(len(shown) - 0.5, -1.6),
        xlabel="error, as a share of the gradient's norm",
    )
    ax.grid(axis="y", linewidth=0.3)
    return Part(
        "The gradients are right",
        "the gradient of every built-in is within 1e-8 of its norm of what small steps say, away from kinks",
        f"the largest error of {len(errors)} activations and layers is {errors[worst]:.1e}, of {worst}",
        judge_gradients(errors),
        pictures=[
            Picture(
                "check",
                "The gradient check of everything built in",
                f"Largest error by any parameter or input, over {how.pick(1, 3, 20)} random points each, of the way "
                "back against extrapolated differences in float64 (entries on a kink are left out). Drawn at 1e-17: "
                "exactly 0. An activation stands between two Dense layers.",
                f"Dot plot of {len(errors)} gradient errors, all far below the limit of 1e-8.",
                figure,
            )
        ],
    )


def judge_gradients(errors: Mapping[str, float]) -> list[Statement]:
    """By activation or layer: the largest error, as a share of the gradient's norm."""
    return [law(exact(all(error <= 1e-8 for error in errors.values()), tried=len(errors) > 0))]


def _largest_error(layer: mn.Layer, n_in: int, points: int) -> float:
    rng = np.random.default_rng(0)
    return max(
        gradient_error(layer, rng.standard_normal((6, n_in)), seed=seed, training=True) for seed in range(points)
    )


def differentiable(how: Effort) -> Part:
    """Is it differentiability that training needs?"""
    parts = {SMOOTH: mn.Tanh(), KINK: mn.ReLU(), FLAT: mn.Step()}
    seeds = how.pick(3, 10, 30)
    found = compare(parts, MOONS, initialisers=["recommended"], seeds=seeds)
    table, ceiling = found.table, MOONS.ceiling or 0.0
    pair = found.pairs.iloc[0]
    return Part(
        "Is it differentiability that training needs?",
        f"a network learns more than the best straight line ({ceiling:.1%}) if its activation is differentiable, else "
        "not",
        "; ".join(f"{name} {row.score:.1%} [{row.low:.1%}, {row.high:.1%}]" for name, row in table.iterrows())
        + f" (test accuracy on moons at each one's own best rate, {seeds} fresh seeds); tanh minus ReLU "
        f"{100 * pair.difference:.1f} points [{100 * pair.low:.1f}, {100 * pair.high:.1f}]",
        judge_differentiable({name: (table.low[name] - ceiling, table.high[name] - ceiling) for name in parts}),
    )


SMOOTH, KINK, FLAT = "tanh (smooth)", "ReLU (a kink)", "hard step (flat)"


def judge_differentiable(gaps: Mapping[str, Ends]) -> list[Statement]:
    """By activation: the interval of accuracy less that of the best straight line, which the smooth one is to pass."""
    return [Statement((above if name == SMOOTH else below)(ends, 0), f"for {name}") for name, ends in gaps.items()]


@dataclass(frozen=True, repr=False)
class Kink(mn.Activation):
    """ReLU with a slope of one's choice at 0. `met` takes down at each step in which replicas some z was exactly 0."""

    at_zero: float
    met: list[Array] | None = field(default=None, compare=False)
    weight_init: ClassVar[Initializer] = mn.he_normal

    def __call__(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def derivative(self, x: Array) -> Array:
        zero = x == 0
        if self.met is not None:
            self.met.append(zero.any(axis=(-2, -1)))
        return np.where(zero, x.dtype.type(self.at_zero), np.sign(np.maximum(x, 0)))


SLOPES = (0.0, 0.5, 1.0)


def exact_zeros(how: Effort, bias: float = 0.0) -> Part:
    """How often does an input land exactly on the kink?"""
    count, widths = how.pick(20_000, 100_000, 1_000_000), range(1, 9)
    rows = [(width, *zero_shares(width, count, bias)) for width in widths]
    off = [abs(second - 2.0**-w) / np.sqrt(2.0**-w * (1 - 2.0**-w) / count) for w, _, second in rows]
    table = [f"{'width':>7}{'layer 1':>12}{'layer 2':>12}{'2^-w':>12}"]
    table += [f"{w:>7}{first:>12.6f}{second:>12.6f}{2.0**-w:>12.6f}" for w, first, second in rows]
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    ax = figure.subplots()
    ax.plot(widths, [2.0**-w for w in widths], "--", color=plots.COLOURS[1], label="predicted, 2^-w")
    error = [4 * np.sqrt(2.0**-w * (1 - 2.0**-w) / count) for w in widths]
    ax.errorbar(widths, [second for *_, second in rows], error, fmt="o", color=plots.COLOURS[0], capsize=3,
                label="measured in layer 2")  # fmt: skip
    ax.set(yscale="log", xlabel="width w", ylabel="share of inputs to ReLU\nthat are exactly 0")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=False)
    return Part(
        "How often the kink is met",
        "with zero biases the share of exactly-zero pre-activations is 0 in layer 1 and 2^-w in layer 2 of width w "
        "(within 4 standard errors)",
        f"layer 1: {max(first for _, first, _ in rows):g} at most; layer 2 at width 2: {rows[1][2]:.4f} for 0.25, at "
        f"width 8: {rows[7][2]:.5f} for {2.0**-8:.5f}; at most {max(off):.1f} standard errors off over widths 1 to 8 "
        f"({count:,} random networks each, one input each)",
        judge_exact_zeros([first for _, first, _ in rows], off),
        details="\n".join(table),
        pictures=[
            Picture(
                "zeros",
                "How often a pre-activation of layer 2 is exactly 0",
                f"{count:,} random ReLU networks for each width (He's weights, zero biases, float32), one normal input "
                "each; bars: 4 standard errors. All w units of layer 1 are off with probability 2^-w, and then nothing "
                "but the bias is left.",
                "The measured shares lie on the line 2^-w from width 1 to 8.",
                figure,
            )
        ],
    )


def judge_exact_zeros(first: Sequence[float], off: Sequence[float]) -> list[Statement]:
    """By width: the share of exact zeros in layer 1, and by how many standard errors that of layer 2 is off 2^-w."""
    none = exact(all(share == 0 for share in first), tried=len(first) > 0)
    return [law(none, "in layer 1"), law(exact(all(by <= 4 for by in off), tried=len(off) > 0), "in layer 2")]


def zero_shares(width: int, count: int, bias: float = 0.0) -> tuple[float, float]:
    """Share of pre-activations that are exactly 0 in layers 1 and 2 of `count` random networks, one input each."""
    rng = np.random.default_rng([width, 7])
    network = mlp(mn.ReLU(), 2, [width, width], 2)
    W1, W2 = (mn.he_normal(rng, (count, n, width)).astype(np.float32) for n in (2, width))
    x = rng.standard_normal((count, 1, 2)).astype(np.float32)
    b = np.full((count, 1, width), bias, np.float32)
    z1, _ = network.layers[0].forward([W1, b], x)
    z2, _ = network.layers[2].forward([W2, b], np.maximum(z1, 0))
    return float((z1 == 0).mean()), float((z2 == 0).mean())


def slope_at_the_kink(how: Effort) -> Part:
    """Train the same networks with relu′(0) = 0, ½ and 1."""
    seeds, rows, outcomes = how.pick(10, 40, 200), [], {}
    for name, hidden in (("wide, 16-16", [16, 16]), ("narrow and deep, six layers of 3", [3] * 6)):
        thetas, met = trained_with_slopes(hidden, seeds, how.pick(20, 50, 200))
        same = np.array([all(_same_bits(thetas[0][k], theta[k]) for theta in thetas[1:]) for k in range(seeds)])
        rows.append(
            (name, float(met.mean()), float((~same).mean()), float((~same[met]).mean()) if met.any() else np.nan)
        )
        outcomes[name] = met, ~same
    differing = rows[1][2]
    names = {f"relu′(0) = {slope:g}": Kink(slope) for slope in SLOPES}
    found = compare(names, MOONS, hidden=[3] * 6, initialisers=["recommended"], seeds=how.pick(3, 10, 30),
                    epochs=how.pick(50, 200, 200), rates=(0.032, 0.1, 0.32), widen=True)  # fmt: skip
    pairs = found.pairs
    told = "; ".join(f"{name} {row.score:.1%} [{row.low:.1%}, {row.high:.1%}]" for name, row in found.table.iterrows())
    detected = pairs[pairs.verdict != SAME]
    table = [f"{'network':>34}{'met an exact 0':>16}{'ended differently':>19}{'of those that met one':>23}"]
    table += [f"{n:>34}{a:>16.1%}{b:>19.1%}" + (f"{c:>23.1%}" if a else f"{'none did':>23}") for n, a, b, c in rows]
    return Part(
        "The slope at the kink",
        "relu′(0) = 0, ½ and 1 train bit-identically where no pre-activation is ever exactly 0, and differently in "
        "most narrow deep networks",
        f"wide networks: {rows[0][1]:.0%} of {seeds} seeds met an exact 0 and {rows[0][2]:.0%} ended differently; "
        f"narrow deep ones: {rows[1][1]:.0%} and {differing:.0%}. Test accuracy of these at each one's own best rate: "
        f"{told}; " + (f"{len(detected)} of 3 differences detected" if len(detected) else SAME),
        judge_slopes(*outcomes.values()),
        details="\n".join(table),
    )


def judge_slopes(wide: tuple[Array, Array], narrow: tuple[Array, Array]) -> list[Statement]:
    """Of each kind of network, by seed: whether it met an exact 0, and whether its slopes ended differently."""
    without = np.concatenate([differs[~met] for met, differs in (wide, narrow)])
    same = law(exact(not without.any(), tried=len(without) > 0), "where no exact 0 is met")
    most = above(share_interval(int(narrow[1].sum()), len(narrow[1])), 0.5)
    return [same, Statement(most, "in narrow deep networks")]


def trained_with_slopes(hidden: list[int], seeds: int, epochs: int) -> tuple[list[Array], Array]:
    """For each slope at 0 the trained theta (K, P), and which seeds met an exact 0 on the way, (K,)."""
    split, every, thetas = MOONS.splits(range(seeds)), np.zeros(seeds, bool), []
    for slope in SLOPES:
        act = Kink(slope, met=[])
        run = mn.train(mlp(act, 2, hidden, 2), mn.softmax_cross_entropy, mn.SGD(0.1), split.x, split.y, epochs=epochs,
                       batch_size=32, seed=range(seeds))  # fmt: skip
        assert not run.diverged.any()
        thetas.append(run.theta)
        every |= np.any(act.met or [every], axis=0)
    return thetas, every


def _same_bits(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


def loss_and_slope(how: Effort, loss: mn.Loss = mn.binary_cross_entropy) -> Part:
    """How much gradient reaches a sigmoid unit that is surely wrong? It depends on the loss behind it."""
    sigma, half_of = mn.Sigmoid()(np.array([-10.0]))[0], 0.5  # minnet's mse has no ½ in front
    unit = mn.Network(mn.Dense(1, 1))
    with_sigmoid = mn.Network(mn.Dense(1, 1), mn.Sigmoid())
    theta, x, y = np.array([1.0, -10.0]), [[0.0]], [[1.0]]
    cross = float(walk(unit, theta, x, y, loss=loss)[0].grads[1].item())  # by the bias, which is that by z
    squared = half_of * float(walk(with_sigmoid, theta, x, y)[0].grads[1].item())
    ratio, predicted = cross / squared, 1 / (sigma * (1 - sigma))
    seeds = how.pick(3, 10, 30)
    found = tuned(heads(), MOONS, score=accuracy, seeds=seeds, epochs=how.pick(50, 200, 200))
    table = [f"{'each at its own best rate':>37}{'rate':>7}{'test accuracy at the end':>27}"
             f"{'epochs to pass the line':>25}{'at rate 0.1':>13}"]  # fmt: skip
    for name, one in found.items():
        ends = stated(one.curve[-1], ".1%", bounds=(0, 1), resolution=STEP)
        epochs = stated(passed(one), ".0f", bounds=(0, np.inf), resolution=1)
        table.append(f"{name:>37}{one.rate:>7g}{ends:>27}{epochs:>25}"
                     f"{one.scores[one.rates.index(0.1)]:>13.1%}")  # fmt: skip
    late = [found[f"{name}, started at z = -10"] for name in ("cross-entropy", "squared error")]
    ahead = late[0].curve[-1] - late[1].curve[-1]
    ahead_by = stated(100 * ahead, ".1f", bounds=(-100, 100), resolution=100 * STEP)
    waits = passed(late[1]) - passed(late[0])
    return Part(
        "The loss matters as much as the activation",
        f"at z = -10, y = 1 cross-entropy's gradient is 1/(σ(1-σ)) = {predicted:,.0f} times that of ½(σ - y)²; "
        "networks that start there pass the best straight line later with squared error, and end over a point behind",
        f"{cross:.6f} and {squared:.3e}: {ratio:,.0f} times (relative difference {abs(ratio / predicted - 1):.0e}). "
        "Networks that start at z = -10, each at its own best rate: squared error takes "
        f"{stated(waits, '.0f', resolution=1)} epochs longer to pass the best straight line, and at the end "
        f"cross-entropy's test accuracy is {ahead_by} points higher ({seeds} paired fresh seeds)",
        judge_losses(ratio / predicted, waits, ahead),
        details="\n".join([*table, "At rate 0.1: mean validation accuracy of the tuning seeds."]),
        pictures=[_loss_figure(found, seeds)],
    )


def judge_losses(ratio: float, waits: Array, ahead: Array) -> list[Statement]:
    """The ratio of gradients over the predicted one; by seed, epochs lost by squared error, and accuracy at the end."""
    at_the_end = mean_interval(ahead, bounds=(-1, 1), resolution=STEP)[1:]
    return [
        law(exact(abs(ratio - 1) < 1e-9), "for the gradient"),
        Statement(above(mean_interval(waits, resolution=1)[1:], 0), "for the epochs it takes"),
        Statement(above(at_the_end, 0.01), "for the accuracy at the end"),
    ]


def passed(one: Measured) -> Array:
    """The epoch at which each seed's test accuracy first passed the best straight line; the last one if never: (K,)."""
    above = one.curve > (MOONS.ceiling or 0)
    return np.where(above.any(axis=0), one.epoch[above.argmax(axis=0)], one.epoch[-1]).astype(float)


def heads() -> dict[str, Head]:
    """Sigmoid outputs under both losses; started as usual, and started surely wrong for one of the classes."""
    hidden = mn.Dense(2, 16), mn.Tanh(), mn.Dense(16, 16), mn.Tanh(), mn.Dense(16, 1)
    found: dict[str, Head] = {}
    for how, bias in (("", 0.0), (", started at z = -10", -10.0)):
        cross = Head(mn.Network(*hidden), mn.binary_cross_entropy, mn.Sigmoid(), bias=bias)
        square = Head(mn.Network(*hidden, mn.Sigmoid()), mn.mse, mn.Identity(), bias=bias)
        found |= {f"cross-entropy{how}": cross, f"squared error{how}": square}
    return found


def _loss_figure(found: dict[str, Measured], seeds: int) -> Picture:
    figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, 1)
    z = np.linspace(-12, 4, 400)
    s = mn.Sigmoid()
    for name, gradient in (("cross-entropy", s(-z)), ("squared error", s(-z) * s.derivative(z))):
        look = {key: value for key, value in LOOKS[name].items() if key != "marker"}
        top.plot(z, gradient, label=name, **look)
    top.axvline(-10, color="0.5", linewidth=0.7)
    top.set(yscale="log", xlabel="z of an output whose target is 1", ylabel="size of the gradient by z", ylim=(1e-6, 3))
    top.yaxis.set_major_formatter("{x:g}")
    top.legend(frameon=False)
    for name, one in found.items():
        mean, low, high = mean_intervals(one.curve, bounds=(0, 1), resolution=STEP)
        look = LOOKS[name.partition(",")[0]]
        late = "started" in name
        bottom.plot(one.epoch, mean, **{**look, "marker": "o" if late else None, "markersize": 3},
                    label=f" {name} (rate {one.rate:g})")  # fmt: skip
        bottom.fill_between(one.epoch, low, high, color=look["color"], alpha=0.2, linewidth=0)
    bottom.axhline(MOONS.ceiling or 0, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    bottom.set(xscale="log", xlabel="epoch", ylabel="test accuracy")
    bottom.xaxis.set_major_formatter("{x:g}")
    figure.legend(*bottom.get_legend_handles_labels(), loc="outside lower center", frameon=False, handlelength=4)
    return Picture(
        "losses",
        "What the loss does to the gradient, and to learning",
        "Above: the gradient that reaches z of a sigmoid output that should be 1. Where the output is surely wrong, on "
        "the left, squared error sends next to nothing back. Below: mean test accuracy of 2-16-16-1 tanh networks on "
        f"moons with a sigmoid output, {seeds} fresh seeds, each at its own best rate; band: 95 % t interval; dots: "
        "the last bias began at -10; dotted: the best straight line.",
        "Gradients of two losses over z, and learning curves under both.",
        figure,
    )


LOOKS = plots.styles(["cross-entropy", "squared error"])
BY_HAND = mn.Network(mn.Dense(2, 2), mn.ReLU(), mn.Dense(2, 1))
MAZUR = mn.Network(mn.Dense(2, 2), mn.Sigmoid(), mn.Dense(2, 2), mn.Sigmoid())
# What M. Mazur's A Step by Step Backpropagation Example (2015) prints, to its last digit.
PUBLISHED = {
    "net h1": "0.3775",
    "out h1": "0.593269992",
    "out h2": "0.596884378",
    "net o1": "1.105905967",
    "out o1": "0.75136507",
    "out o2": "0.772928465",
    "E total": "0.298371109",
    "∂E/∂w5": "0.082167041",
    "∂E/∂w1": "0.000438568",
    "w5+": "0.35891648",
    "w6+": "0.408666186",
    "w7+": "0.511301270",
    "w8+": "0.561370121",
    "w1+": "0.149780716",
    "w2+": "0.19956143",
    "w3+": "0.24975114",
    "w4+": "0.29950229",
}


def by_hand(how: Effort, network: mn.Network = MAZUR) -> Part:
    """Follow the update W ← W - η ∂L/∂W number by number."""
    shown = trace(BY_HAND, np.array([1, -1 / 2, 1 / 2, 1, 0, 1 / 4, 1, 2, 0]), [1, 1 / 2], [1], rate=1 / 10)
    later = trace(BY_HAND, shown.after, [1, 1 / 2], [1])
    theta = np.array([0.15, 0.25, 0.20, 0.30, 0.35, 0.35, 0.40, 0.50, 0.45, 0.55, 0.60, 0.60])
    found = printed_numbers(trace(network, theta, [0.05, 0.10], [0.01, 0.99], rate=0.5))
    agree = [name for name, text in PUBLISHED.items() if abs(found[name] - float(text)) <= _last_digit(text)]
    run = mn.train(BY_HAND, mn.mse, mn.SGD(0.1), shown.x[None], shown.target[None], epochs=1, batch_size=1, seed=0,
                   start=shown.theta)  # fmt: skip
    apart = float(abs(run.theta - shown.after).max())
    return Part(
        "W ← W - η ∂L/∂W, by hand",
        "the numbers of a published example come out, to one unit of the last digit printed there, and training takes "
        "the very step that is worked out below",
        f"{len(agree)} of {len(PUBLISHED)} published numbers agree (Mazur 2015); one step of training and the step by "
        f"hand differ by {apart:.1g}; the loss goes from {shown.value:.4f} to {later.value:.4f}",
        judge_by_hand(len(PUBLISHED) - len(agree), apart),
        details=str(shown),
    )


def judge_by_hand(missed: int, apart: float) -> list[Statement]:
    """How many published numbers do not come out, and how far a step of training is from the step by hand."""
    return [law(exact(missed == 0), "for the published numbers"), law(exact(apart < 1e-14), "for the step")]


def printed_numbers(traced: Trace) -> dict[str, float]:
    """By the names of the published example, whose w3 leads from input 1 to unit 2."""
    one, two, three, four = traced.visits
    w = traced.after
    named = {
        "net h1": one.y[0, 0],
        "out h1": two.y[0, 0],
        "out h2": two.y[0, 1],
        "net o1": three.y[0, 0],
        "out o1": four.y[0, 0],
        "out o2": four.y[0, 1],
        "E total": traced.value,
        "∂E/∂w5": three.grads[0][0, 0],
        "∂E/∂w1": one.grads[0][0, 0],
        **{f"w{i}+": w[k] for i, k in zip((1, 3, 2, 4, 5, 7, 6, 8), (0, 1, 2, 3, 6, 7, 8, 9), strict=True)},
    }
    return {name: float(value) for name, value in named.items()}


def _last_digit(text: str) -> float:
    """One unit of the last digit printed: the published example cuts off some numbers and rounds others."""
    return 10.0 ** -len(text.partition(".")[2])


def main(full: Full = False, quick: Quick = False, out: Out = Path("results")) -> None:
    """Measure all parts and write what was found."""
    sections: list[Section] = [gradient_check, exact_zeros, loss_and_slope, by_hand, slope_at_the_kink, differentiable]
    present("gradient_learning", __doc__, sections, out, full=full, quick=quick)


if __name__ == "__main__":
    execute(main)
