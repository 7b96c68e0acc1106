"""A sigmoid network cannot be deep, because its gradient vanishes.

The gradient does vanish, as the activation's own numbers predict, but the sigmoid as such is not the cause: it is its
slope of ¼ and its off-centre output, with weights made for neither. Started as the tanh network that it can be
written as, tanh(x) = 2σ(2x) - 1, a sigmoid network trains at depth 20 by plain gradient descent. Two more tales are put
to the test on the way: that ‖dW‖ shows a vanishing gradient, and that dead ReLU units are harm.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import typer
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter
from scipy import stats

from minnet import (
    GELU,
    SGD,
    Activation,
    Adam,
    Constant,
    Dense,
    LayerNorm,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    VarianceScaling,
    glorot_uniform,
    he_normal,
    mse,
    softmax_cross_entropy,
    tanh_equivalent,
    train,
)
from minnet.initializers import Initializer
from minnet.lab.claims import Effort, Full, Out, Part, Quick, Section, present
from minnet.lab.compare import ADAPTIVE_RATES, mlp
from minnet.lab.datasets import DATASETS
from minnet.lab.drawing import Picture
from minnet.lab.gradients import Gradient, gradients
from minnet.lab.mean_field import mean_field
from minnet.lab.plots import styles
from minnet.lab.probes import signals, walk
from minnet.lab.statistics import mean_interval, share_interval, stated
from minnet.lab.summary import resolution
from minnet.lab.tuned import Case, tuned
from minnet.lab.verdicts import (
    HOLDS,
    UNDECIDED,
    Statement,
    above,
    below,
    every,
    exact,
    law,
    within,
)
from minnet.lab.work import Store
from minnet.settings import Array

MOONS = DATASETS["moons"]
STEP = resolution(MOONS)  # of an accuracy: one test point
WIDTH = 16
TRAINS = 0.93  # test accuracy on moons, where the best straight line has .88 and tuned shallow networks .96
SGD_RATES = tuple(float(f"{10.0**e:.2g}") for e in np.arange(-3, 1.75, 0.5))  # 0.001 to 32
POWER = StrMethodFormatter("{x:.0e}")
ADAM_RATES = (*ADAPTIVE_RATES, 0.32)  # 0.0001 to 0.32


def centred(network: Network, theta: Array) -> Array:
    """Half of the way to tanh: after each sigmoid the biases are lowered by ½ Σ W, as if its output were σ - ½."""
    theta = theta.copy()
    groups = network.unpack(theta)
    for i, layer in enumerate(network.layers[:-1]):
        if isinstance(layer, Sigmoid):
            W, b = groups[i + 1]
            b -= W.sum(axis=-2, keepdims=True) / 2
    return theta


def residual(act: Activation, depth: int) -> Network:
    """Every hidden layer but the first is x + f(W x + b)."""
    blocks = [Residual(Network(Dense(WIDTH, WIDTH), act)) for _ in range(depth - 1)]
    return Network(Dense(2, WIDTH), act, *blocks, Dense(WIDTH, 2))


def normalised(act: Activation, depth: int) -> Network:
    """LayerNorm before every activation."""
    sizes = [2, *[WIDTH] * depth]
    layers = [part for a, b in pairwise(sizes) for part in (Dense(a, b), LayerNorm(b), act)]
    return Network(*layers, Dense(WIDTH, 2))


def plain(act: Activation, init: Initializer, depth: int) -> Network:
    return mlp(act, 2, (WIDTH,) * depth, 2, init)


Start = Callable[[Network, Array], Array]
# Name: how a network of some depth is made, and how it starts where no initializer says it.
NETWORKS: dict[str, tuple[Callable[[int], Network], Start | None]] = {
    "sigmoid, Glorot": (partial(plain, Sigmoid(), glorot_uniform), None),
    "sigmoid, He": (partial(plain, Sigmoid(), he_normal), None),
    "sigmoid, 4 × Glorot": (partial(plain, Sigmoid(), Sigmoid.weight_init), None),
    "sigmoid, Glorot, centred": (partial(plain, Sigmoid(), glorot_uniform), centred),
    "sigmoid, as tanh": (partial(plain, Sigmoid(), glorot_uniform), tanh_equivalent),
    "sigmoid, Glorot, Residual": (partial(residual, Sigmoid()), None),
    "sigmoid, Glorot, LayerNorm": (partial(normalised, Sigmoid()), None),
    "tanh, Glorot": (partial(plain, Tanh(), glorot_uniform), None),
    "tanh, He": (partial(plain, Tanh(), he_normal), None),
    "ReLU, Glorot": (partial(plain, ReLU(), glorot_uniform), None),
    "ReLU, He": (partial(plain, ReLU(), he_normal), None),
    "ReLU, Glorot, Residual": (partial(residual, ReLU()), None),
    "ReLU, Glorot, LayerNorm": (partial(normalised, ReLU()), None),
    "GELU, Glorot": (partial(plain, GELU(), glorot_uniform), None),
    "GELU, He": (partial(plain, GELU(), he_normal), None),
}
DEFAULT, MENDED = "sigmoid, Glorot", "sigmoid, as tanh"
# What stands on either side of the headline's figure, and what it is called there.
SIGMOID = {DEFAULT: "default (Glorot)", MENDED: "starts as tanh", "sigmoid, 4 × Glorot": "only slope mended",
           "sigmoid, He": "He", "sigmoid, Glorot, centred": "only centred"}  # fmt: skip
OTHERS = {"tanh, Glorot": "tanh", "ReLU, He": "ReLU, He", "GELU, He": "GELU, He", "ReLU, Glorot": "ReLU, Glorot",
          "sigmoid, Glorot, Residual": "sigmoid, Residual",
          "sigmoid, Glorot, LayerNorm": "sigmoid, LayerNorm"}  # fmt: skip
FEW = ("sigmoid, Glorot", "sigmoid, as tanh", "sigmoid, Glorot, Residual", "sigmoid, Glorot, LayerNorm", "tanh, Glorot",
       "ReLU, He")  # fmt: skip


def trained(how: Effort, out: Path) -> pd.DataFrame:
    """One row a run, see `tuned`; with the columns network, depth and optimizer."""
    names = how.pick(FEW[:2], FEW, tuple(NETWORKS))
    depths = how.pick((1, 6, 20), (1, 3, 6, 20), (1, 2, 3, 4, 6, 10, 20))
    methods = {"SGD": (SGD(1.0), SGD_RATES[2:9] if how < Effort.FULL else SGD_RATES), "Adam": (Adam(1.0), ADAM_RATES)}
    keys = {}
    for name, depth, method in product(names, depths, methods):
        make, start = NETWORKS[name]
        if method == "SGD" or how == Effort.FULL:
            keys[f"{name}|{depth}|{method}"] = Case(make(depth), *methods[method], start)
    tuning, test = how.pick((2, 5), (5, 10), (10, 20))
    runs = tuned(keys, MOONS, tuning=range(tuning), test=range(100, 100 + test),
                 store=Store(out / "trained"), progress=True)  # fmt: skip
    told = runs.condition.str.split("|", expand=True)
    return runs.assign(network=told[0], depth=told[1].astype(int), optimizer=told[2])


def shares(how: Effort, out: Path) -> Part:
    """(c) The share of seeds that train, each network at its own best rate, over depth, start and optimizer."""
    runs = trained(how, out)
    told = counted(runs)
    default, mended = (told.loc["SGD", name, 20] for name in (DEFAULT, MENDED))
    tuning = runs[(runs.phase == "tuning") & (runs.network == DEFAULT) & (runs.depth >= 6) & (runs.optimizer == "SGD")]
    lines = []
    for method in _methods(told):
        group = told.loc[[method]]
        depths = group.index.unique("depth")
        lines += [f"{method}: seeds that train, of {int(group.n.iloc[0])}, and the learning rate chosen"]
        lines += [f"{'depth':28}" + "".join(f"{depth:>12}" for depth in depths)]
        for name, row in group.groupby(level=1, sort=False):
            lines.append(f"{name:28}" + "".join(f"{f'{r.trains:.0f} at {r.rate:.2g}':>12}" for r in row.itertuples()))
        lines.append("")
    causes = ""
    if how == Effort.FULL:
        slope, centre = ([told.trains["SGD", f"sigmoid, {name}", depth] for depth in (10, 20)]
                         for name in ("4 × Glorot", "Glorot, centred"))  # fmt: skip
        causes = f"; with the slope alone mended {slope[1]:.0f} (at depth 10: {slope[0]:.0f}), with the output alone "
        causes += f"centred {centre[1]:.0f} ({centre[0]:.0f})"
    reached = int((tuning.test_score >= TRAINS).sum())
    seeds, rates = tuning.seed.nunique(), tuning.rate.nunique()
    caption = (
        f"Test accuracy of at least {TRAINS:.0%} on moons; {WIDTH} units a layer, 200 epochs; each at the best of "
        f"{rates} learning rates (Adam: {len(ADAM_RATES)}) by the mean validation accuracy of {seeds} other seeds. "
        f"Whiskers: Wilson's 95 % interval, {int(default.n)} seeds."
    )
    alt = "Seeds that train, by depth: from its default start sigmoid falls to none at 6 layers; started as tanh not."
    return Part(
        "The start, not the sigmoid",
        "at depth 20, by plain SGD, sigmoid networks that start as tanh networks train in most seeds, and those "
        "from the default start do not",
        f"{mended.trains:.0f} of {mended.n:.0f} seeds reach {TRAINS:.0%} (Wilson 95 %: {mended.low:.0%} to "
        f"{mended.high:.0%}), mean accuracy {mended.score:.1%}; from the default start {default.trains:.0f} of "
        f"{default.n:.0f} ({default.low:.0%} to {default.high:.0%}), {default.score:.1%}{causes}. From depth 6 on "
        f"{reached} of {len(tuning)} tuning runs from the default start reach it, at {rates} rates from "
        f"{tuning.rate.min():g} to {tuning.rate.max():g}",
        judge_starts((int(mended.trains), int(mended.n)), (int(default.trains), int(default.n))),
        details="\n".join(lines).rstrip(),
        pictures=[Picture("trains", "Share of seeds that train", caption, alt, headline(told))],
    )


def judge_starts(mended: tuple[int, int], default: tuple[int, int]) -> list[Statement]:
    """How many of how many seeds train: is it most of them, and is it not?"""
    return [
        Statement(above(share_interval(*mended), 1 / 2), "for the start as tanh"),
        Statement(below(share_interval(*default), 1 / 2), "for the default start"),
    ]


def counted(runs: pd.DataFrame) -> pd.DataFrame:
    """By optimizer, network and depth: how many of n test seeds train, Wilson's interval, mean score, chosen rate."""
    rows = {}
    for key, group in runs[runs.phase == "test"].groupby(["optimizer", "network", "depth"], sort=False):
        k, n = int((group.test_score >= TRAINS).sum()), len(group)
        low, high = share_interval(k, n)
        rows[key] = {"trains": k, "n": n, "low": low, "high": high, "score": group.test_score.mean(),
                     "rate": group.rate.iloc[0]}  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis(["optimizer", "network", "depth"]).sort_index()


def headline(told: pd.DataFrame) -> Figure:
    """A row an optimizer; sigmoid's starts on the left, other activations and remedies on the right."""
    methods, depths = _methods(told), list(told.index.unique("depth"))
    sides = {"Sigmoid, by how it starts": SIGMOID, "Other activations; sigmoid with the usual remedies": OTHERS}
    sides = {title: names for title, names in sides.items() if set(names) & set(told.index.unique("network"))}
    fig, axes = plt.subplots(len(methods), len(sides), figsize=(5.5 * len(sides), 0.5 + 2.9 * len(methods)),
                             layout="constrained", sharey=True, squeeze=False)  # fmt: skip
    for (method, row), (title, names) in product(zip(methods, axes, strict=True), sides.items()):
        ax = row[list(sides).index(title)]
        shown = [name for name in names if name in told.index.unique("network")]
        ends = {}
        for i, (name, style) in enumerate(styles(shown).items()):
            mine, told_by_it = told.loc[method, name], name in (DEFAULT, MENDED)
            share, at = mine.trains / mine.n, np.arange(len(depths)) + 0.07 * (i - (len(shown) - 1) / 2)
            ax.vlines(at, mine.low, mine.high, color=style["color"], linewidth=0.8, alpha=0.5)
            ax.plot(at, share, linewidth=2.6 if told_by_it else 1.2, markersize=6 if told_by_it else 4, clip_on=False,
                    zorder=3 if told_by_it else 2, **style)  # fmt: skip
            ends[names[name]] = float(share.iloc[-1]), style["color"], "bold" if told_by_it else "normal"
        _label(ax, len(depths) - 0.65, ends)
        ax.set(xlim=(-0.4, len(depths) + 1.35), xticks=range(len(depths)), ylim=(-0.03, 1.03), xticklabels=depths)
        ax.spines["bottom"].set_bounds(0, len(depths) - 1)
        ax.set_title(f"{title} ({'plain SGD' if method == 'SGD' else method})", loc="left", fontweight="bold")
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        ax.annotate("hidden layers", (len(depths) - 0.65, -0.03), (0, -10), textcoords="offset points", va="center")
    for row in axes:
        row[0].set_ylabel("seeds that train")
    return fig


def _methods(told: pd.DataFrame) -> list[str]:
    return [method for method in ("SGD", "Adam") if method in told.index.unique("optimizer")]


def _label(ax: Any, x: float, ends: dict[str, tuple[float, str, str]]) -> None:
    """Each line's name beside its end; names too close to one another are moved apart, within [0, 1]."""
    order, gap = sorted(ends, key=lambda name: ends[name][0]), 0.075
    heights = np.array([ends[name][0] for name in order])
    steps = gap * np.arange(len(order))
    heights = np.maximum.accumulate(heights - steps) + steps  # up, until each is a gap above the one below it
    heights = np.minimum(heights, 1 - steps[::-1])
    for name, height in zip(order, heights, strict=True):
        _, colour, weight = ends[name]
        ax.annotate(
            name, (x, height), color=colour, fontweight=weight, va="center", fontsize=8.5, annotation_clip=False
        )


def geometric(values: Iterable[Any]) -> float:
    return float(np.exp(np.mean(np.log(list(values)))))


def by_layer(how: Effort) -> Part:
    """(a) Which of four numbers tells that a gradient vanishes?"""
    depth, width, seeds = 50, 64, how.pick(10, 30, 100)
    split = MOONS.split(0)
    starts = {"sigmoid, Glorot": (Sigmoid(), glorot_uniform), "tanh, Glorot": (Tanh(), glorot_uniform),
              "ReLU, Glorot": (ReLU(), glorot_uniform), "ReLU, He": (ReLU(), he_normal)}  # fmt: skip
    found: dict[str, tuple[Gradient, ...]] = {}
    for name, (act, init) in starts.items():
        network = mlp(act, 2, (width,) * depth, 2, init)
        theta = network.init_theta(range(seeds), np.float64)
        found[name] = gradients(network, theta, split.x, split.y, loss=softmax_cross_entropy)
    lines = [f"{'first over last layer':24}{'δ':>10}{'‖dW‖':>10}{'‖dW‖/‖W‖':>11}{'spread of a':>13}"]
    for name, g in found.items():
        ends = [geometric(getattr(g[0], q) / getattr(g[-1], q)) for q in ("delta", "dW", "relative")]
        ends.append(geometric(g[0].spread / g[-2].spread))
        lines.append(f"{name:24}{ends[0]:>10.1e}{ends[1]:>10.1e}{ends[2]:>11.1e}{ends[3]:>13.1e}")
    relu = found["ReLU, Glorot"]
    dW, delta = relu[0].dW / relu[-1].dW, relu[0].delta
    level = within_ten(dW)
    share = share_interval(int(level.sum()), len(level))
    panels = {"delta": "δ: ‖δ_l‖ / ‖δ_L‖", "dW": "‖dW_l‖", "relative": "‖dW_l‖ / ‖W_l‖", "spread": "spread of a_l"}
    fig, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained", sharex=True)
    for ax, (quantity, title) in zip(axes, panels.items(), strict=True):
        for name, style in styles(found).items():
            values = [geometric(getattr(g, quantity)) for g in found[name]]
            ax.plot(range(1, len(values) + 1), values, label=name, markevery=10, markersize=4, linewidth=1.4, **style)
        ax.set(yscale="log", title=title, xlabel="layer", xticks=[1, 10, 20, 30, 40, 50])
        ax.yaxis.set_major_formatter(POWER)
    fig.legend(*axes[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=len(found))
    caption = f"{depth} hidden layers of {width}, before training; geometric means over {seeds} seeds."
    alt = "Four panels over the layers: δ falls by eight orders for ReLU with Glorot weights, where ‖dW‖ stays level."
    return Part(
        "Measure the right thing",
        "for ReLU with Glorot weights at depth 50, ‖dW₁‖ is ‖dW_L‖ within a factor of 10 in most networks, while "
        "δ₁/δ_L < 1e-6 in most",
        f"‖dW₁‖/‖dW_L‖ = {geometric(dW):.2g} ({dW.min():.2g} to {dW.max():.2g} over {seeds} seeds), within a factor of "
        f"10 in {level.sum()} of them (Wilson 95 %: {share[0]:.0%} to {share[1]:.0%}), "
        f"δ₁/δ_L = {geometric(delta):.1e} ({delta.min():.1e} to {delta.max():.1e})",
        judge_by_layer(dW, delta),
        details="\n".join(lines),
        pictures=[Picture("by_layer", "Four numbers by layer", caption, alt, fig)],
    )


def within_ten(ratio: Array) -> Array:
    return (ratio > 0.1) & (ratio < 10)


def judge_by_layer(dW: Array, delta: Array) -> list[Statement]:
    """By seed: ‖dW₁‖ over ‖dW_L‖, and δ₁ over δ_L; judged by shares of networks, since these differ widely."""
    shares = {"for ‖dW‖": within_ten(dW), "for δ": delta < 1e-6}
    return [Statement(above(share_interval(int(of.sum()), len(of)), 1 / 2), name) for name, of in shares.items()]


def predicted(how: Effort) -> Part:
    """(b) E[f²] and E[f′²] tell signal and gradient of every layer before anything is run."""
    depth, width, seeds = 20, how.pick(256, 256, 512), how.pick(3, 12, 20)
    normal = VarianceScaling(float(width), "in", "normal")  # N(0, 1)
    names = {"Glorot": glorot_uniform, "He": he_normal} | how.pick({}, {"N(0, 1)": normal}, {"N(0, 1)": normal})
    lines = [f"{'measured / predicted':18}{'signal':>22}{'gradient':>22}   predicted δ₁/δ_L   magnified"]
    drawn, by_seed, magnified = {}, {}, {}
    for act, (name, init) in product((Sigmoid(), Tanh(), ReLU(), GELU()), names.items()):
        network = mlp(act, width, (width,) * depth, width, init)
        expected = mean_field(network)
        z, delta = np.array([_measured(network, seed) for seed in range(seeds)]).swapaxes(0, 1)
        ratios = [np.exp(np.log(m / e).mean(axis=1)) for m, e in ((z, np.sqrt(expected.z)), (delta, expected.delta))]
        told = "".join(f"{geometric(r):>8.2f} ({r.min():.2f}-{r.max():.2f})".rjust(22) for r in ratios)
        # By how much the signal at the top grows with the input's, in logarithms: so errors on the way are magnified.
        title = f"{type(act).__name__}, {name}"
        magnified[title] = np.log(mean_field(network, 1.01).z[-1] / expected.z[-1]) / np.log(1.01)
        lines.append(f"{title:18}{told}   {expected.delta[0]:>16.1e}{magnified[title]:>12.1f}")
        if init is not normal:
            drawn[title], by_seed[title] = (delta, expected.delta), ratios
    statements = judge_predicted(by_seed)
    worst = max(by_seed, key=lambda title: max(abs(np.log(r).mean()) for r in by_seed[title]))
    other = mlp(ReLU(), width, (width,) * depth, width, he_normal)
    _, squared = np.array([_measured(other, seed, mse) for seed in range(seeds)]).swapaxes(0, 1)
    off = geometric((squared / mean_field(other).delta).ravel())
    lines.append(f"With squared error, whose δ_L = z_L - t depends on the weights, ReLU, He has {off:.2f}.")
    fig, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
    for name, style in styles(dict.fromkeys(name.split(",")[0] for name in drawn)).items():
        for init, dash, fill in (("Glorot", "-", "full"), ("He", "--", "none")):
            delta, line = drawn[f"{name}, {init}"]
            layers, colour = np.arange(1, len(line) + 1), style["color"]
            ax.plot(layers, line, color=colour, linestyle=dash, linewidth=1.2)
            ax.plot(layers, np.exp(np.log(delta).mean(axis=0)), color=colour, marker=style["marker"], fillstyle=fill,
                    linestyle="", markersize=4.5, label=f"{name}, {init}")  # fmt: skip
    ax.set(yscale="log", xlabel="layer", ylabel="‖δ_l‖ / ‖δ_L‖", xticks=[1, 5, 10, 15, 20])
    ax.yaxis.set_major_formatter(POWER)
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    caption = f"Lines: predicted. Marks: measured, width {width}, geometric mean over {seeds} seeds."
    alt = (
        "Measured gradients by layer lie on the predicted lines, from 1 down to 1e-12 for sigmoid with Glorot weights."
    )
    return Part(
        "The activation's own E[f²] and E[f′²] predict it",
        f"at depth {depth} and width {width}, measured over predicted (geometric mean over layers) lies within "
        f"[{LEAST:g}, {MOST:g}] for four activations × {{Glorot, He}}, for signal and gradient",
        f"{[of.answer for of in statements].count(HOLDS)} of {len(drawn)} are shown to lie within it (95 % t intervals "
        f"of the mean logarithm, {seeds} seeds); the furthest off is {worst}, signal {_ratio(by_seed[worst][0])} and "
        f"gradient {_ratio(by_seed[worst][1])}: there 1 % more variance in the input makes {magnified[worst]:.1f} % "
        "more at the top" + (", so that what samples and seeds differ by is magnified" if magnified[worst] > 2 else ""),
        statements,
        details="\n".join(lines),
        pictures=[Picture("prediction", "The gradient by layer, predicted and measured", caption, alt, fig)],
    )


LEAST, MOST = 0.8, 1.25  # measured over predicted


def judge_predicted(ratios: Mapping[str, Sequence[Array]]) -> list[Statement]:
    """By network: measured over predicted, a number a seed, for the signal and for the gradient. None is exempt."""
    ends = {title: [mean_interval(np.log(r))[1:] for r in both] for title, both in ratios.items()}
    lie = {title: every(within(one, np.log(LEAST), np.log(MOST)) for one in both) for title, both in ends.items()}
    return [Statement(answer, f"for {title.replace(',', ' with')}") for title, answer in lie.items()]


def _ratio(by_seed: Array) -> str:
    return f"{geometric(by_seed):.2f} [{', '.join(f'{np.exp(end):.2f}' for end in mean_interval(np.log(by_seed))[1:])}]"


def _measured(network: Network, seed: int, loss: Any = softmax_cross_entropy) -> tuple[Array, Array]:
    """Root mean square of z and δ_l/δ_L by layer, from normal inputs and random targets, in float64."""
    rng = np.random.default_rng(seed)
    width = network.layers[0].parameters[0].shape[0]
    x = rng.standard_normal((width, width))
    target = rng.standard_normal((width, width)) if loss is mse else rng.integers(width, size=width)
    visits = [v for v in walk(network, network.init_theta(seed, np.float64), x, target, loss=loss) if v.params]
    z, delta = (np.array([np.linalg.norm(np.asarray(getattr(v, at))) for v in visits]) for at in ("y", "dy"))
    return z / width, delta / delta[-1]


def born_dead(how: Effort) -> Part:
    """(d) The chance that a ReLU network passes nothing on of one input."""
    networks = 20_000
    cases = ((1, 3), (2, 4), (2, 10), (3, 10), (4, 30), (5, 50))
    rng, rows = np.random.default_rng(0), []
    for width, depth in cases:
        network = Network(*[Dense(width, width, he_normal), ReLU()] * depth)
        dead = 0
        for _ in range(10):
            some = [p.init(rng, (networks // 10, *p.shape)).reshape(networks // 10, -1) for p in network.parameters]
            out = network(np.concatenate(some, axis=1), rng.standard_normal((networks // 10, 1, width)))
            dead += int((out == 0).all(axis=(-2, -1)).sum())
        law = 1 - (1 - 2.0**-width) ** depth
        test = stats.binomtest(dead, networks, law)
        rows.append((width, depth, law, dead / networks, *test.proportion_ci(method="wilson"), test.pvalue))
    lines = ["width  depth     law  simulated    95 % interval        p"]
    lines += [f"{w:>5}{d:>7}{law:>8.4f}{s:>11.4f}{a:>10.4f}-{b:.4f}{p:>9.2f}" for w, d, law, s, a, b, p in rows]
    fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
    depths = np.arange(1, 101)
    for name, style in styles(map(str, range(1, 6))).items():
        width = int(name)
        ax.plot(depths, 1 - (1 - 2.0**-width) ** depths, color=style["color"], linestyle=style["linestyle"],
                label=f"width {width}")  # fmt: skip
        for _, d, _, share, a, b, _ in (row for row in rows if row[0] == width):
            ax.errorbar(
                d, share, [[share - a], [b - share]], color=style["color"], marker=style["marker"], markersize=6
            )
    ax.set(xscale="log", xlabel="depth", ylabel="chance to be born dead")
    ax.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    ax.set_xticks([], minor=True)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(frameon=False, fontsize=8)
    caption = f"Lines: 1 - (1 - 2^-w)^L. Marks: {networks:,} networks each; the Wilson intervals are smaller than them."
    return Part(
        "Born dead: one input, zero biases",
        "a ReLU network of width w and depth L passes nothing on with probability 1 - (1 - 2^-w)^L",
        f"{len(rows)} pairs (w, L), {networks:,} networks each: the largest difference is "
        f"{max(abs(row[3] - row[2]) for row in rows):.4f}; the smallest p (exact binomial test) is "
        f"{min(row[-1] for row in rows):.2f}",
        judge_born_dead([row[-1] for row in rows]),
        details="\n".join(lines),
        pictures=[Picture("born_dead", "Born dead", caption, "Simulated shares lie on the law's curves.", fig)],
    )


def judge_born_dead(p: Sequence[float]) -> list[Statement]:
    """The p of an exact test for each pair (w, L); there is one false alarm in a million programs."""
    return [law(exact(all(each > 1e-6 / len(p) for each in p), tried=len(p) > 0))]


def dead_units(how: Effort) -> Part:
    """(e) Is the count of dead units the harm?"""
    seeds = how.pick(3, 10, 20)
    rates = (0.03, 0.1, 0.32, 1.0, 1.5, 2.0, 3.2)
    biases = (0.0, -1.0, -2.0, -3.0)
    rows = [("2-16-16-2", rate, 0.0, *_dead((16, 16), rate, 0.0, seeds)) for rate in rates]
    rows += [("2-64-2", 0.5, bias, *_dead((64,), 0.5, bias, seeds)) for bias in biases]
    lines = ["network     rate  first bias   dead units   accuracy   95 % interval   seeds with a layer all dead"]
    for name, rate, bias, dead, scores, whole in rows:
        mean, low, high = mean_interval(scores, bounds=(0, 1), resolution=STEP)
        lines.append(f"{name:10}{rate:>6g}{bias:>12g}{dead.mean():>13.0%}{mean:>11.1%}{low:>10.1%} to {high:.1%}"
                     f"{whole.sum():>12} of {seeds}")  # fmt: skip
    pairs = [_fewest_and_most(of) for of in (rows[len(rates) :], rows[: len(rates)])]
    measured = []
    for fewest, most in pairs:
        gap = stated(100 * (most[4] - fewest[4]), "+.1f", bounds=(-100, 100), resolution=100 * STEP)
        measured.append(
            f"{_setting(most)} ({most[5].sum()} of {seeds} seeds with a layer all dead); {_setting(fewest)}; paired "
            f"difference in points {gap}"
        )
    fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
    looks = styles(["2-16-16-2", "2-64-2"])
    for name, told in (("2-16-16-2", "learning rate 0.03 to 3.2"), ("2-64-2", "biases start at 0 to -3")):
        mine = [row for row in rows if row[0] == name]
        dead, scores, whole = (np.concatenate([row[i] for row in mine]) for i in (3, 4, 5))
        style = looks[name]
        ax.plot(
            dead[~whole], scores[~whole], style["marker"], color=style["color"], markersize=4, label=f"{name}, {told}"
        )
        ax.plot(dead[whole], scores[whole], style["marker"], color=style["color"], markersize=5, fillstyle="none",
                label="a layer all dead" if whole.any() else None)  # fmt: skip
    ax.set(xlabel="dead units after training", ylabel="test accuracy")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    ax.legend(frameon=False, fontsize=8, loc="lower left")
    caption = f"One mark a seed, {seeds} seeds a setting, moons, plain SGD. Dead: no gradient on any training point."
    alt = "Networks with two thirds of their units dead score as well as those with none; at high rates accuracy falls."
    return Part(
        "Dead units: the harm, not the count",
        "with more than half of its units dead a network scores at most one point less than with the fewest dead: a "
        "wide one whose units are dead from the start, and a narrow one whose units die at high learning rates",
        f"{'. '.join(measured)} (95 % t intervals)",
        judge_dead_units(*[[(row[3], row[4]) for row in pair] for pair in pairs]),
        details="\n".join(lines),
        pictures=[Picture("dead_units", "Dead units and accuracy", caption, alt, fig)],
    )


def _fewest_and_most(rows: Sequence[Any]) -> tuple[Any, Any]:
    """The settings with the fewest dead units, and with the most."""
    order = sorted(rows, key=lambda row: float(row[3].mean()))
    return order[0], order[-1]


def _setting(row: Any) -> str:
    name, rate, bias, dead, scores, _ = row
    return f"{name}, rate {rate:g}, first bias {bias:g}: {dead.mean():.0%} dead, accuracy {scores.mean():.1%}"


def judge_dead_units(wide: Sequence[tuple[Array, Array]], narrow: Sequence[tuple[Array, Array]]) -> list[Statement]:
    """Of each network, where the fewest of its units are dead and where the most: by seed, dead share and accuracy."""
    found = []
    for name, ((_, before), (dead, after)) in (("for the wide network", wide), ("for the narrow network", narrow)):
        # Else there is nothing to see of the harm they do.
        occurs = above(mean_interval(dead, bounds=(0, 1))[1:], 1 / 2) == HOLDS
        gap = mean_interval(after - before, bounds=(-1, 1), resolution=STEP)[1:]
        found.append(Statement(above(gap, -0.01) if occurs else UNDECIDED, name))
    return found


def _dead(hidden: tuple[int, ...], rate: float, bias: float, seeds: int) -> tuple[Array, Array, Array]:
    """Of each seed: share of dead units, test accuracy, and whether a whole layer is dead; on moons."""
    split = MOONS.splits(range(seeds))
    layers = list(mlp(ReLU(), 2, hidden, 2).layers)
    layers[0] = Dense(2, hidden[0], he_normal, Constant(bias))
    network = Network(*layers)
    run = train(network, softmax_cross_entropy, SGD(rate), split.x, split.y, epochs=200, batch_size=32,
                seed=range(seeds))  # fmt: skip
    stuck = [s.stuck for s in signals(network, run.theta, split.x) if s.layer == "ReLU()"]
    scores = (run(split.x_test).argmax(axis=-1) == split.y_test).mean(axis=-1)
    return np.average(stuck, axis=0, weights=hidden), scores, np.max(stuck, axis=0) == 1


def main(full: Full = False, quick: Quick = False, out: Out = Path("results")) -> None:
    """Run all parts; what was trained is kept in OUT/trained, so that a run that was killed goes on where it was."""
    sections: list[Section] = [by_layer, predicted, partial(shares, out=out), born_dead, dead_units]
    present("vanishing_gradients", __doc__, sections, out, full=full, quick=quick)


if __name__ == "__main__":
    typer.run(main)
