"""An activation decides whether a unit fires, and how strongly.

"ReLU outputs 0 for negative inputs: don't fire. Positive inputs: pass the signal forward." That is how it is told, with
a light bulb as the picture: the activation is its switch. Taken literally, it is a claim about functions that are
exactly 0 over a whole stretch, and most activations are not: a sigmoid unit is dim, never off.

Where units do fire or not, which are on, and where? For how many inputs, at the start and after training? Does a unit
that fires more often matter more? And why is the one activation that does nothing but switch, the hard step, the one
that backpropagation cannot train?
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

import minnet as mn
from minnet.lab import plots
from minnet.lab.claims import Effort, Full, Out, Part, Quick, execute, present
from minnet.lab.compare import compare, mlp
from minnet.lab.datasets import DATASETS, Split
from minnet.lab.drawing import INK, Picture
from minnet.lab.pictures import WIDTH
from minnet.lab.probes import signals, walk
from minnet.lab.statistics import mean_interval, stated
from minnet.lab.summary import resolution
from minnet.lab.verdicts import FAILS, HOLDS, Answer, Statement, above, below, exact, law, within
from minnet.settings import Array

MOONS = DATASETS["moons"]
STEP = resolution(MOONS)  # of an accuracy: one test point
EPOCHS, BATCH_SIZE = 200, 32
FRESH = 1000  # the first of the seeds of networks that only silencing looks at
LIGHT = LinearSegmentedColormap.from_list("light", ["#dbe9f6", plots.COLOURS[0]]).with_extremes(bad="white")
BULB = LinearSegmentedColormap.from_list("bulb", ["#d0d0d0", "#ffe46b"])


class Trained(NamedTuple):
    """Networks of one activation at its own best rate, on fresh seeds: start and end are (K, P)."""

    network: mn.Network
    rate: float
    start: Array
    end: Array
    split: Split

    @property
    def hidden(self) -> list[int]:
        """The numbers of the hidden Dense layers; the activation is the layer behind each."""
        return list(range(0, len(self.network.layers) - 1, 2))


@lru_cache(maxsize=8)
def trained(how: Effort) -> dict[str, Trained]:
    """2-16-16-2 networks on moons by the protocol of a fair comparison, trained again to keep every theta."""
    found = compare(["relu", "sigmoid", "softplus"], MOONS, initialisers=["recommended"], seeds=how.pick(3, 10, 30))
    first, last = found.manifest["seeds"]["test"]
    seeds = list(range(first, last + 1))
    networks = {name: network for name, (network, _, _) in found.examples.items()}
    return {name: _trained(network, float(found.table.rate[name]), seeds) for name, network in networks.items()}


def _trained(network: mn.Network, rate: float, seeds: list[int]) -> Trained:
    split = MOONS.splits(seeds)
    run = mn.train(network, mn.softmax_cross_entropy, mn.SGD(rate), split.x, split.y,
                   epochs=EPOCHS, batch_size=BATCH_SIZE, seed=seeds)  # fmt: skip
    return Trained(network, rate, network.init_theta(seeds), run.theta, split)


def switches(how: Effort) -> Part:
    """One unit's output as its input is turned up, for every activation of the catalogue."""
    off = {repr(act): has_off(act) for act in mn.CATALOGUE}
    lowest = {kind: _last_zero(mn.Sigmoid(), kind) for kind in (np.float32, np.float64)}
    figure = Figure(figsize=(WIDTH, 6.4), layout="constrained")
    axes = figure.subplots(6, 4, sharex=True).ravel()
    z = np.linspace(-4, 4, 801)
    for ax, act in zip(axes, mn.CATALOGUE, strict=False):
        fast = isinstance(act, mn.Sine)
        y = act(z / 10 if fast else z)
        ax.imshow(np.abs(y)[None] / np.abs(y).max(), extent=(-4, 4, 0, 1), transform=ax.get_xaxis_transform(),
                  aspect="auto", cmap=BULB, vmin=0, vmax=1, zorder=0)  # fmt: skip
        ax.plot(z, y, color=INK, linewidth=1)
        title = repr(act).replace("approximate=", "") + (" of z/10" if fast else "")
        ax.set_title(title, fontsize=7, color=plots.COLOURS[1] if off[repr(act)] else INK)
        ax.set(yticks=[0], xticks=[-4, 0, 4], xlim=(-4, 4))
        ax.tick_params(labelsize=7)
    axes[-1].set_axis_off()
    figure.supxlabel("z, the input as it is turned up", fontsize=8)
    switched = [name for name, is_off in off.items() if is_off]
    return Part(
        "The light bulb and its switch",
        "an activation has an off: an interval of inputs over which its output is exactly 0",
        f"{len(switched)} of the {len(off)} activations of the catalogue have one: {', '.join(switched)}. "
        f"The sigmoid is 0 only by underflow: below z = {lowest[np.float32]:.0f} in float32, {lowest[np.float64]:.0f} "
        "in float64",
        judge_switches(off),
        pictures=[
            Picture(
                "bulbs",
                "One unit's output as its input is turned up",
                "The line is the activation; the yellow is the light of the bulb, |output| as a share of its "
                "largest for -4 ≤ z ≤ 4, and grey is dark. Orange titles: exactly 0 over a stretch, so the unit can be "
                f"off ({len(switched)} of {len(off)}). A linear unit (Identity) only dims in proportion. No seeds: "
                "these are the functions.",
                f"Small multiples of {len(off)} activations over their input. Can be off: {', '.join(switched)}.",
                figure,
            )
        ],
    )


def judge_switches(off: dict[str, bool]) -> list[Statement]:
    """By activation: whether it is off over a stretch. Those that are not are dimmers."""
    groups: dict[Answer, list[str]] = {HOLDS: [n for n in off if off[n]], FAILS: [n for n in off if not off[n]]}
    return [Statement(answer, f"for {len(names)} of {len(off)}") for answer, names in groups.items() if names]


def has_off(act: mn.Activation) -> bool:
    """Whether the output is exactly 0 over a stretch, and not only rounded to 0: then float32 would do so earlier."""
    z = np.arange(-30 * 64, 30 * 64 + 1) / 64
    single, double = act(z.astype(np.float32)) == 0, act(z) == 0
    return bool((double[1:] & double[:-1]).any() and (single == double).all())


def _last_zero(act: mn.Activation, kind: Any) -> float:
    """The highest z < 0 at which the output is exactly 0 in this dtype, by halving."""
    low, high = -2000.0, 0.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if act(np.array([middle], kind))[0] == 0 else (low, middle)
    return low


def never_off(how: Effort) -> Part:
    """How often is a unit of a trained network exactly 0?"""
    zero = {name: zero_shares(this) for name, this in trained(how).items()}
    units = sum(layer.n_out for layer in _dense(trained(how)["relu"]))
    count = zero["relu"].size
    return Part(
        "Firing or not",
        "ReLU units are exactly 0 for more than 1 % of the inputs, on average; sigmoid and softplus units for none",
        "share of outputs of hidden units that are exactly 0, after training: "
        + "; ".join(f"{name} {stated(shares, '.1%', bounds=(0, 1))}" for name, shares in zero.items())
        + f" (mean and 95 % interval over {count} fresh seeds, {units} units, {len(MOONS.test[1])} test points each)",
        judge_never_off(zero),
        pictures=[firing_map(trained(how))],
    )


def judge_never_off(zero: dict[str, Array]) -> list[Statement]:
    """By activation: the share of the hidden outputs that are exactly 0, a number a seed."""
    laws = [law(exact(not zero[name].any()), f"for {name}") for name in ("sigmoid", "softplus")]
    return [Statement(above(mean_interval(zero["relu"], bounds=(0, 1))[1:], 0.01), "for ReLU"), *laws]


def zero_shares(this: Trained) -> Array:
    """Share of the hidden units' outputs that are exactly 0 over the test points, one number a seed: (K,)."""
    found = signals(this.network, this.end, this.split.x_test)
    return np.mean([found[layer + 1].zero for layer in this.hidden], axis=0)


def _dense(this: Trained) -> list[mn.Dense]:
    layers = [this.network.layers[i] for i in this.hidden]
    return [layer for layer in layers if isinstance(layer, mn.Dense)]


def firing_map(networks: dict[str, Trained]) -> Picture:
    """Where on the plane each unit of one ReLU and one sigmoid network is on, and how strongly."""
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    grid = np.linspace(-2.6, 2.6, 90)
    points = np.column_stack([part.ravel() for part in np.meshgrid(grid, grid)])
    halves: Any = figure.subfigures(2, 1)
    for part, name in zip(halves, ("relu", "sigmoid"), strict=True):
        this = networks[name]
        part.suptitle({"relu": "ReLU: white is off", "sigmoid": "sigmoid: never white, so never off"}[name], fontsize=9)
        axes = part.subplots(4, 8, gridspec_kw={"wspace": 0.02, "hspace": 0.02})
        visits = walk(this.network, this.end[0], points)
        score = np.diff(visits[-1].y).reshape(90, 90)
        outputs = np.hstack([visits[layer + 1].y for layer in this.hidden])
        for ax, unit in zip(axes.flat, outputs.T, strict=True):
            strength = np.ma.masked_equal(unit, 0).reshape(90, 90)
            ax.imshow(strength, origin="lower", extent=(-2.6, 2.6, -2.6, 2.6), cmap=LIGHT, vmin=0,
                      vmax=max(float(unit.max()), 1e-9), interpolation="nearest")  # fmt: skip
            ax.contour(grid, grid, score, [0], colors="#404040", linewidths=0.6)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, linewidth=0.4)
        for row, text in ((0, "layer 1"), (2, "layer 2")):
            axes[row, 0].set_ylabel(text, fontsize=7, loc="bottom")
    return Picture(
        "map",
        "Where each unit is on",
        "Each square is the plane of the moons as one unit of a trained 2-16-16-2 network sees it (first fresh seed, "
        "each activation at its own best rate); the darker, the stronger it fires, as a share of its own largest "
        "output; white: exactly 0. The thin line is the boundary between the classes that all units draw together. A "
        "ReLU unit of layer 1 is on at one side of a straight line, one of layer 2 in a region bounded by several.",
        "64 small maps of the plane, one a hidden unit. Those of ReLU have white regions, those of the sigmoid none.",
        figure,
    )


def half_of_the_inputs(how: Effort, network: mn.Network | None = None) -> Part:
    """A random unit points either way with the same chance. What does training make of it?"""
    network = network or mlp(mn.ReLU(), 2, [16] * 6, 2)
    seeds = list(range(how.pick(300, 1000, 5000)))
    depth = range(1, len(network.layers), 2)
    on = _on_shares(network, network.init_theta(seeds), MOONS.split(0).x, depth)  # a list of (K, units)
    means = [layer.mean(axis=-1) for layer in on]
    off_by = [abs(m.mean() - 0.5) / (m.std(ddof=1) / np.sqrt(len(m))) for m in means]
    this = trained(how)["relu"]
    layers = [i + 1 for i in this.hidden]
    after = _on_shares(this.network, this.end, this.split.x_test, layers)
    shares = np.mean([layer.mean(axis=-1) for layer in after], axis=0)
    dead = np.mean([(layer == 0).mean(axis=-1) for layer in after], axis=0)
    table = [f"{'layer':>10}{'on at the start':>26}{'std of the units':>18}{'never on':>10}{'always on':>11}"]
    for i, layer in enumerate(on, 1):
        table.append(f"{i:>10}{stated(means[i - 1], '.1%', bounds=(0, 1)):>26}{layer.std():>18.3f}"
                     f"{(layer == 0).mean():>10.1%}{(layer == 1).mean():>11.1%}")  # fmt: skip
    for i, layer in enumerate(after, 1):
        table.append(f"{f'{i}, trained':>10}{stated(layer.mean(axis=-1), '.1%', bounds=(0, 1)):>26}{layer.std():>18.3f}"
                     f"{(layer == 0).mean():>10.1%}{(layer == 1).mean():>11.1%}")  # fmt: skip
    return Part(
        "On for half of the inputs",
        "by symmetry a ReLU unit is on for half of the inputs at the start, in every layer (the mean, within 4 "
        "standard errors); so are single units (1 in 20 at most is on for none or for all), and so is the "
        "mean after training (45 to 55 %)",
        f"{min(m.mean() for m in means):.2%} to {max(m.mean() for m in means):.2%} over {len(on)} layers of 16 units, "
        f"{len(seeds)} seeds: at most {max(off_by):.1f} standard errors from ½; after training (2-16-16-2, best rate) "
        f"{stated(shares, '.1%', bounds=(0, 1))} over {len(shares)} seeds, and "
        f"{stated(dead, '.1%', bounds=(0, 1))} of the units are never on. At the start "
        f"{(on[-1] == 0).mean():.0%} of the units of layer {len(on)} are on for no input and "
        f"{(on[-1] == 1).mean():.0%} for all",
        judge_half(means, on[-1], shares),
        details="\n".join(table),
        pictures=[_shares_figure(on, after, len(seeds))],
    )


def judge_half(means: list[Array], last: Array, trained: Array) -> list[Statement]:
    """Share of inputs: of each layer (K,) and of the last one's units (K, units) at the start; of all trained (K,).

    The law is of the mean. Of single units at most one in twenty is to be on for no input or for all.
    """
    near = [abs(m.mean() - 0.5) <= 4 * m.std(ddof=1) / np.sqrt(len(m)) for m in means]
    extreme = ((last == 0) | (last == 1)).mean(axis=-1)
    return [
        law(exact(all(near)), "for the mean at the start"),
        Statement(within(mean_interval(trained, bounds=(0, 1))[1:], 0.45, 0.55), "for the mean after training"),
        Statement(below(mean_interval(extreme, bounds=(0, 1))[1:], 0.05), "for single units of the last layer"),
    ]


def _on_shares(network: mn.Network, theta: Array, x: Array, layers: Any) -> list[Array]:
    """For each of these layers the share of the inputs for which each unit is not 0: (K, units)."""
    visits = walk(network, theta, x)
    return [(visits[i].y != 0).mean(axis=-2) for i in layers]


def _shares_figure(on: list[Array], after: list[Array], seeds: int) -> Picture:
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    ax = figure.subplots()
    places = [*range(1, len(on) + 1), *(len(on) + 1.6 + i for i in range(len(after)))]
    bins = np.linspace(0, 1, 26)
    for place, layer, colour in zip(places, on + after, [plots.COLOURS[0]] * len(on) + [plots.COLOURS[1]] * 9,
                                    strict=False):  # fmt: skip
        density, _ = np.histogram(layer, bins)
        ax.barh((bins[1:] + bins[:-1]) / 2, 0.85 * density / density.max(), 0.034, left=place - 0.4, color=colour)
        ax.plot([place - 0.45, place + 0.45], [layer.mean()] * 2, color=INK, linewidth=1.2)
    ax.axhline(0.5, color="0.4", linewidth=0.8, linestyle=(0, (4, 3)))
    labels = [str(i + 1) for i in range(len(on))] + [str(i + 1) for i in range(len(after))]
    ax.set_xticks(places, labels)
    ax.set(xlabel="hidden layer: at the start, trained", ylabel="share of inputs a unit is on for", ylim=(-0.02, 1.02))
    return Picture(
        "shares",
        "For how many inputs a ReLU unit is on",
        f"How often units are on, by layer: each sideways histogram is one layer of 16 units. Blue: at the start, "
        f"{seeds} seeds of a network of {len(on)} hidden layers (He's weights, zero biases, 300 moons points). Orange: "
        f"trained, {len(after[0])} seeds of 2-16-16-2 at the best rate, test points. Bars across: means; dashed: one "
        "half. At the start the mean is ½, but the deeper the layer, the more units are on for all inputs or for none.",
        "Sideways histograms of the share of inputs for which units are on, which spread to 0 and 1 with depth.",
        figure,
    )


def silenced(how: Effort) -> Part:
    """Set each unit to 0 in turn: how much accuracy goes, and is it more where the unit fires more often?"""
    shares, lost = silencing(more_seeds(trained(how)["relu"], how.pick(30, 120, 240)))
    whole = rank_correlations(np.concatenate(shares, axis=-1), np.concatenate(lost, axis=-1))
    each = [rank_correlations(s, c) for s, c in zip(shares, lost, strict=True)]
    alive = [_alive(s, c) for s, c in zip(np.concatenate(shares, axis=-1), np.concatenate(lost, axis=-1), strict=True)]
    points = np.concatenate(lost, axis=-1)
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    for i, ax in enumerate(figure.subplots(1, len(shares), sharey=True)):
        ax.plot(shares[i], 100 * lost[i], ".", color=plots.COLOURS[i], markersize=3, alpha=0.6)
        ax.set_title(f"layer {i + 1}: rank correlation {each[i].mean():.2f}")
        ax.axhline(0, color="0.5", linewidth=0.6)
    figure.supxlabel("share of the test points the unit is on for", fontsize=9)
    figure.supylabel("accuracy lost without it, points", fontsize=9)
    return Part(
        "Silencing each unit in turn",
        "a unit that fires more often matters more: within each layer the rank correlation of firing share and "
        "accuracy lost is above 0",
        "Spearman's rank correlation within "
        + ", ".join(f"layer {i} {_correlation(found)}" for i, found in enumerate(each, 1))
        + f"; over all {points.shape[-1]} units of a network {_correlation(whole)}, among those that fire at all "
        f"{_correlation(np.array(alive))} (mean and 95 % interval over "
        f"{len(whole)} seeds); silencing one unit costs {100 * np.median(points):.2f} points in the median and "
        f"{stated(100 * points.max(axis=-1), '.1f', bounds=(-100, 100), resolution=100 * STEP)} for the "
        "unit that costs most",
        judge_silenced(each),
        pictures=[
            Picture(
                "silenced",
                "What a unit's silence costs, over how often it fires",
                f"A point a hidden unit of {len(whole)} trained ReLU networks (2-16-16-2 on moons, fresh seeds, best "
                "rate): test accuracy lost when its output is set to 0. The correlations are Spearman's, the mean over "
                f"the networks. Half of the units cost less than {100 * np.median(points):.1f} points, the dearest one "
                f"of each network {100 * points.max(axis=-1).mean():.0f} on average.",
                "Two scatter plots of accuracy lost over firing share, one a layer.",
                figure,
            )
        ],
    )


def judge_silenced(correlations: list[Array]) -> list[Statement]:
    """By layer: the rank correlation of each network, (K,). Layers may differ, so each is judged by itself."""
    return [
        Statement(above(mean_interval(found, bounds=(-1, 1))[1:], 0), f"in layer {i}")
        for i, found in enumerate(correlations, 1)
    ]


def _correlation(found: Array) -> str:
    return stated(found, ".2f", bounds=(-1, 1))


def more_seeds(this: Trained, count: int) -> Trained:
    """As many networks as that at the same rate, from seeds that took no part in choosing it."""
    seeds = list(range(FRESH, FRESH + count))
    return _trained(this.network, this.rate, seeds)


def silencing(this: Trained) -> tuple[list[Array], list[Array]]:
    """Firing share, and test accuracy lost without the unit: a list of (K, units), one a hidden layer."""
    x, y = this.split.x_test, this.split.y_test
    visits = walk(this.network, this.end, x)
    right = _accuracy(this.network, this.end, x, y)
    shares, lost = [], []
    for layer in this.hidden:
        activation = layer + 1
        shares.append((visits[activation].y != 0).mean(axis=-2))
        costs = []
        for unit in range(shares[-1].shape[-1]):
            without = this.end.copy()
            this.network.unpack(without)[activation + 1][0][:, unit, :] = 0  # nobody listens to it any more
            costs.append(right - _accuracy(this.network, without, x, y))
        lost.append(np.stack(costs, axis=-1))
    return shares, lost


def _accuracy(network: mn.Network, theta: Array, x: Array, y: Array) -> Array:
    return (network(theta, x).argmax(axis=-1) == y).mean(axis=-1)


def rank_correlations(a: Array, b: Array) -> Array:
    """Spearman's, row by row: a, b (K, units) -> (K,); 0 where one of them does not vary."""
    return np.array([_spearman(one, two) for one, two in zip(a, b, strict=True)])


def _spearman(a: Array, b: Array) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def _alive(share: Array, cost: Array) -> float:
    return _spearman(share[share > 0], cost[share > 0])


def hard_step(how: Effort, activation: mn.Activation | None = None) -> Part:
    """The activation that does nothing but switch has slope 0, and nothing is sent back through it."""
    network = mlp(activation or mn.Step(), 2, [16, 16], 2, mn.he_normal)
    seeds, rates = list(range(how.pick(3, 10, 30))), (0.01, 0.1, 1.0, 10.0)
    split = MOONS.splits(seeds * len(rates))
    run = mn.train(network, mn.softmax_cross_entropy, mn.SGD(tuple(np.repeat(rates, len(seeds)).tolist())),
                   split.x, split.y, epochs=how.pick(50, EPOCHS, EPOCHS), batch_size=BATCH_SIZE,
                   seed=seeds * len(rates))  # fmt: skip
    before = network.init_theta(seeds * len(rates))
    hidden = slice(0, network.slices[-1].start)
    moved = (before[:, hidden].view(np.uint32) != run.theta[:, hidden].view(np.uint32)).sum()
    learned = (before[:, network.slices[-1]] != run.theta[:, network.slices[-1]]).any(axis=-1).all()
    scores = [_accuracy(network, run.theta, x, y).reshape(len(rates), -1) for x, y in (split[2:4], split[4:])]
    best, accuracy = int(scores[0].mean(axis=-1).argmax()), scores[1]  # chosen on validation data
    return Part(
        "The hard switch cannot be trained",
        "the hidden weights of a network with hard steps are bit for bit the same before and after training",
        f"{moved} of {hidden.stop * len(before)} hidden weights and biases moved by a bit, in {len(seeds)} seeds at "
        f"each of the rates {', '.join(f'{rate:g}' for rate in rates)}; the output layer "
        f"{'did' if learned else 'did not'} learn, from random features: test accuracy "
        f"{stated(accuracy[best], '.1%', bounds=(0, 1), resolution=STEP)} at the best rate "
        f"({rates[best]:g}), the best line {MOONS.ceiling:.1%}",
        judge_hard_step(int(moved), bool(learned)),
    )


def judge_hard_step(moved: int, learned: bool) -> list[Statement]:
    """How many hidden weights moved; if the output layer did not learn either, nothing was tried."""
    return [law(exact(moved == 0, tried=moved > 0 or learned))]


def main(full: Full = False, quick: Quick = False, out: Out = Path("results")) -> None:
    """Measure all parts and write what was found."""
    sections = [switches, never_off, half_of_the_inputs, silenced, hard_step]
    present("firing", __doc__, sections, out, full=full, quick=quick)


if __name__ == "__main__":
    execute(main)
