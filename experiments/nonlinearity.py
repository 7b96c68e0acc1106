"""Without activation functions a network of any depth is one linear map: it draws one straight line.

A trained stack of linear layers is the product of its matrices, up to a rounding error that can be bounded (a). So none
of a thousand of them does better than the best straight line, which is computed too, exactly, on the very points they
are scored on; networks with sixteen ReLU units pass it by far, and so do sigmoid and tanh on the spirals, once each has
the learning rate that serves it (b). The smallest case is XOR's four corners: two ReLU units with whole numbers for
weights solve it, a straight line gets at most three of four (c). And the bend need not sit in a unit: given the squares
of the inputs as features, the linear network solves the circles (d).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linprog

import minnet as mn
import minnet.lab.nonlinearity_pictures as draw
from minnet.lab.claims import Effort, Full, Out, Part, Quick, execute, present, table
from minnet.lab.collapse import composed, rounding_bound, running_bound
from minnet.lab.compare import Comparison, compare
from minnet.lab.datasets import Dataset, Toy, dataset
from minnet.lab.half_plane import best_half_plane
from minnet.lab.statistics import mean_interval
from minnet.lab.summary import bounds, resolution
from minnet.lab.verdicts import Ends, Statement, above, below, exact, law
from minnet.settings import Array

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
XOR = np.array([0, 1, 1, 0])
BENT = ("moons", "circles", "xor", "spirals")  # what no straight line can part
RELU = mn.ReLU()


def collapse(how: Effort, between: mn.Layer | None = None, depths: Sequence[int] = (1, 2, 5, 10, 20, 50)) -> Part:
    """Trained stacks of up to 50 linear layers beside the product of their matrices; the same with ReLU between."""
    seeds = range(how.pick(3, 10, 50))
    split = dataset("moons").splits(seeds)
    x = split.x_test.astype(np.float32)
    rows: list[Any] = []
    for depth in depths:
        network = _stack(depth, 16, between)
        run = mn.train(network, mn.softmax_cross_entropy, mn.SGD(0.1 / depth), split.x, split.y,
                       epochs=how.pick(20, 60, 60), batch_size=32, seed=seeds)  # fmt: skip
        W, b = composed(network, run.theta)
        line = x @ W + b
        apart = np.abs(run(x) - line)
        rounding, running = (bound(network, run.theta, x) for bound in (rounding_bound, running_bound))
        bent = np.abs(_stack(depth, 16, RELU)(run.theta, x) - line)
        accuracy = f"{(run(x).argmax(axis=-1) == split.y_test).mean():.1%}"
        shares = (float((apart / rounding).max()), float((apart / running).max()), float((bent / running).max()))
        rows.append((depth, accuracy, float(apart.max() / np.abs(line).max()), *shares))
    of_rounding, of_running = (max(row[i] for row in rows) for i in (3, 4))
    return Part(
        "Collapse: a stack of linear layers is one",
        "stack and product of matrices differ by at most Σ(nᵢ + 1)·eps·(…(|x||W₁| + |b₁|)|W₂| + …), at every depth",
        f"at most {of_rounding:.2g} of that bound, and {of_running:.2g} of one that does not grow with the depth, in "
        f"{len(depths) * len(seeds)} trained stacks of 1 to {depths[-1]} layers on {x.shape[-2]:,} points each; with "
        f"ReLU between the same matrices at least {min(row[5] for row in rows[1:]):,.0f} times the latter",
        judge_collapse([share for row in rows for share in row[3:5]]),
        details=table(
            ("layers", "accuracy", "difference / output", "of the bound", "of the sharper bound", "same, with ReLU"),
            rows,
        ),
        pictures=[draw.collapse(rows, len(seeds))],
    )


def judge_collapse(shares: Sequence[float]) -> list[Statement]:
    """Differences between stack and product of matrices, as shares of their bounds."""
    return [law(exact(all(share <= 1 for share in shares), tried=len(shares) > 0))]


def ceiling(how: Effort) -> list[Part]:
    """What a straight line can do is known exactly; who passes it?"""
    return [straight_lines(how), bent(how), barely(how)]


def straight_lines(how: Effort, between: mn.Layer | None = None, data: Sequence[str] = BENT) -> Part:
    """Linear-only networks of many shapes, scored where the best straight line is known: training and test points."""
    shapes = [(1, 2), *product((2, 3, 5), (2, 16))]
    rates, seeds = (0.003, 0.03, 0.1, 0.3), range(how.pick(10, 10, 50))
    count, passing, rows, margins = 0, 0, [], {}
    for name in data:
        split = dataset(name).splits(seeds)
        x, y, x_test, y_test = (np.concatenate([part] * len(rates)) for part in (*split[:2], *split[4:]))
        line = round((dataset(name).ceiling or 0) * split.y_test.shape[-1])  # points that the best one gets right
        lines = np.tile([best_half_plane(*pair) for pair in zip(split.x, split.y, strict=True)], len(rates))
        right, right_in_training = [], []
        for depth, width in shapes:
            network = _stack(depth, width, between)
            each = mn.SGD(tuple(np.repeat(rates, len(seeds)).tolist()))
            run = mn.train(network, mn.softmax_cross_entropy, each, x, y, epochs=how.pick(20, 60, 100), batch_size=32,
                           seed=np.tile(seeds, len(rates)))  # fmt: skip
            theta = run.theta.astype(float)  # in which no point is so near to the line that rounding decides
            right.append((network(theta, x_test).argmax(axis=-1) == y_test).sum(axis=-1) - line)
            right_in_training.append((network(theta, x).argmax(axis=-1) == y).sum(axis=-1) - lines)
        test, training = np.concatenate(right), np.concatenate(right_in_training)
        count += len(test)
        passing += int(((test > 0) | (training > 0)).sum())
        margins[name] = test / len(y_test[0])
        nearest = (f"{100 * of.max() / len(points[0]):+.2f}" for of, points in ((test, y_test), (training, y)))
        rows.append((name, f"{line / len(y_test[0]):.2%}", len(test), *nearest))
    heads = ("", "best line", "networks", "nearest to it, points", "nearest on training points")
    return Part(
        "Ceiling: no linear-only network passes the best straight line",
        "0 of 1,000 or more trained linear-only networks get more points right than the best half-plane of them",
        f"{passing} of {count:,} (depths 1 to 5, widths 2 and 16, {len(rates)} learning rates, {len(seeds)} seeds, "
        "four data sets; on the test points or on their own training points)",
        judge_ceiling(passing, count),
        details=table(heads, rows),
        pictures=[draw.straight_lines(margins, len(seeds))],
    )


def judge_ceiling(passing: int, count: int) -> list[Statement]:
    """How many of `count` linear-only networks pass the best straight line; of fewer than 1,000 none says little."""
    return [law(exact(passing == 0, tried=passing > 0 or count >= 1000))]


def bent(how: Effort) -> Part:
    """ReLU networks, each at its own best learning rate: tuned on some seeds, tested on others."""
    found = {
        name: _compared(how, ("identity", "relu"), dataset(name), (16, 16) if name == "spirals" else (16,))
        for name in BENT
    }
    rows, gaps = [], {}
    for name, result in found.items():
        relu, line = result.table.loc["relu"], result.data.ceiling
        gaps[name] = relu.low - line, relu.high - line
        rows.append((name, f"{line:.1%}", f"{relu.score:.1%} [{relu.low:.1%}, {relu.high:.1%}]",
                     f"{100 * (relu.score - line):+.1f}", f"{relu.rate:g}"))  # fmt: skip
    return Part(
        "ReLU passes the line",
        "16 ReLU units pass it by at least 5 points on moons, circles and xor, 2 × 16 on spirals",
        f"by {', '.join(f'{row[3]} on {row[0]}' for row in rows)} points; lower ends of the 95 % t intervals from "
        f"{100 * min(low for low, _ in gaps.values()):+.1f}",
        judge_bent(gaps),
        details=table(("", "best line", "ReLU, mean and interval", "points above", "learning rate"), rows),
        pictures=[draw.boundaries(found)],
    )


FAR = 0.05  # five points of accuracy: more is passing the line by far, less is barely passing it


def judge_bent(gaps: Mapping[str, Ends]) -> list[Statement]:
    """By data set: the interval of ReLU's accuracy less that of the best straight line."""
    return [Statement(above(ends, FAR), f"on {name}") for name, ends in gaps.items()]


def barely(how: Effort) -> Part:
    """Do sigmoid and tanh barely pass the line on the spirals? At a learning rate that is not theirs."""
    settings = [(dataset("spirals"), (16, 16)), (dataset("spirals"), (16,)), (IN_ANGLE, (16, 16)), (IN_ANGLE, (16,))]
    rows, gaps, measured = [], dict[str, Ends](), []
    for data, hidden in settings[: how.pick(1, 4, 4)]:
        result = _compared(how, ("sigmoid", "tanh"), data, hidden)
        for name, row in result.table.iterrows():
            runs = result.runs[(result.runs.phase == "test") & (result.runs.condition == name)]
            at_shared = runs[runs.rate == row.shared_rate].test_score
            at_shared_rate = mean_interval(at_shared, bounds=bounds(data), resolution=resolution(data))
            found = {f"{name} at its own rate": (row.score, row.low, row.high),
                     f"{name} at rate {row.shared_rate:g}": at_shared_rate}  # fmt: skip
            own, shared = (f"{mean:.1%} [{low:.1%}, {high:.1%}]" for mean, low, high in found.values())
            layers = "2 × 16" if len(hidden) == 2 else "16"
            rows.append((f"{name}, {layers}, {data.name}", f"{data.ceiling:.1%}", own, f"{row.rate:g}", shared))
            if (data, hidden) == settings[0]:
                for which, numbers in found.items():
                    mean, low, high = (number - data.ceiling for number in numbers)
                    gaps[which] = low, high
                    measured.append(f"{which} {100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]")
    return Part(
        "Sigmoid and tanh barely pass it on the spirals, some say",
        "2 × 16 sigmoid or tanh units stay within 5 points of the best straight line there",
        f"points from the line, with 95 % t intervals: {'; '.join(measured)}",
        judge_barely(gaps),
        details=table(("", "best line", "at its own best rate", "rate", "at 0.1"), rows),
    )


def judge_barely(gaps: Mapping[str, Ends]) -> list[Statement]:
    """By activation and learning rate: the interval of its accuracy less that of the best straight line."""
    return [Statement(below(ends, FAR), f"for {name}") for name, ends in gaps.items()]


def _compared(how: Effort, names: Sequence[str], data: Dataset, hidden: tuple[int, ...]) -> Comparison:
    seeds, epochs = how.pick((3, 60), (6, 200), (20, 200))
    return compare(names, data, hidden=hidden, initialisers=["recommended"], seeds=seeds, epochs=epochs)


def witness(
    how: Effort, hidden: Sequence[Sequence[int]] = ((1, 1, 0), (1, 1, -1)), out: Sequence[int] = (1, -2, 0)
) -> Part:
    """XOR's corners by two ReLU units; and every way to label four corners, asked whether a line parts it."""
    network = mn.Network(mn.Dense(2, 2), RELU, mn.Dense(2, 1))
    rows = np.array(hidden)
    theta = np.concatenate([rows[:, :2].T.ravel(), rows[:, 2], out]).astype(float)
    y = network(theta, CORNERS)[:, 0]
    labelings = [np.array(labels) for labels in product((0, 1), repeat=4)]
    parted = [labels for labels in labelings if _line_parts(labels)]
    most = max(int((labels == XOR).sum()) for labels in parted)
    swept = best_half_plane(CORNERS, XOR)
    units = "; ".join(f"h{i} = relu({_sum(row, ('x1', 'x2'))})" for i, row in enumerate(hidden, 1))
    return Part(
        "The smallest witness: XOR's four corners",
        "two ReLU units with whole numbers give exactly 0, 1, 1, 0; a straight line has at most 3 of the 4 right",
        f"{units}; y = {_sum(out, ('h1', 'h2'))} gives {', '.join(f'{v:g}' for v in y)}. A line parts {len(parted)} of "
        f"the 16 labelings (linear programming), at best {most} of the corners as XOR; the sweep finds {swept}",
        judge_witness(y, (most, swept)),
        details=table(
            ("x1", "x2", "h1", "h2", "y"), [(*c, *h, int(v)) for c, h, v in zip(CORNERS, _hidden(rows), y, strict=True)]
        ),
        pictures=[draw.corners(CORNERS, XOR, _hidden(rows))],
    )


def judge_witness(y: Array, most: Sequence[int]) -> list[Statement]:
    """What the two units make of the corners, and how many of these a straight line gets right, found in two ways."""
    return [law(exact(bool((y == XOR).all())), "for two units"), law(exact(set(most) == {3}), "for a line")]


def features(how: Effort) -> Part:
    """The linear-only network on the circles, with and without x₁² and x₂² beside x₁ and x₂."""
    parts = {"linear-only": "identity", "with squares": with_squares}
    seeds, epochs = how.pick((3, 60), (10, 200), (20, 200))
    found = compare(parts, dataset("circles"), hidden=(), initialisers=["recommended"], seeds=seeds, epochs=epochs)
    linear, squares = (found.table.loc[name] for name in parts)
    return Part(
        "Where the bend may also sit: in the features",
        "given x1² and x2² too, the linear-only network has at least 98 % of the circles right",
        f"{squares.score:.1%} [{squares.low:.1%}, {squares.high:.1%}] (mean and 95 % t interval); without them "
        f"{linear.score:.1%}, where the best straight line has {found.data.ceiling:.1%}",
        judge_features((squares.low, squares.high)),
        pictures=[draw.features(found)],
    )


def judge_features(accuracy: Ends) -> list[Statement]:
    """The interval of the accuracy with squares as features."""
    return [Statement(above(accuracy, 0.98))]


@dataclass(frozen=True, repr=False)
class Squares(mn.Layer):
    """y = [x, x²]: (..., batch, n) -> (..., batch, 2n)."""

    def forward(self, params: Any, x: Array, streams: Any = None) -> tuple[Array, Any]:
        """Return [x, x²], and the way back."""

        def backward(dy: Array, grads: Any, need_dx: bool = True) -> Array | None:
            n = x.shape[-1]
            return dy[..., :n] + 2 * x * dy[..., n:] if need_dx else None

        return np.concatenate([x, x * x], axis=-1), backward


def with_squares(n_in: int, n_out: int) -> mn.Network:
    return mn.Network(Squares(), mn.Dense(2 * n_in, n_out))


def _stack(depth: int, width: int, between: mn.Layer | None) -> mn.Network:
    """2-width-...-width-2, orthogonal at the start (Saxe et al. 2014), so that 50 layers can be trained."""
    sizes = [2, *[width] * (depth - 1), 2]
    layers: list[mn.Layer] = []
    for n_in, n_out in pairwise(sizes):
        layers += [mn.Dense(n_in, n_out, mn.orthogonal), *([between] if between else [])]
    return mn.Network(*(layers[:-1] if between else layers))


def _line_parts(labels: Array) -> bool:
    """Whether some line has all corners with label 1 on one side: is there w, b with ±(w·x + b) >= 1 everywhere?"""
    sign = np.where(labels == 1, -1.0, 1.0)[:, None]
    rows = sign * np.column_stack([CORNERS, np.ones(4)])
    return bool(linprog(np.zeros(3), A_ub=rows, b_ub=-np.ones(4), bounds=[(None, None)] * 3).success)


def _hidden(rows: Array) -> Array:
    return np.maximum(CORNERS @ rows[:, :2].T + rows[:, 2], 0)


def _sum(weights: Sequence[int], names: Sequence[str]) -> str:
    terms = [(w, name) for w, name in zip(weights, (*names, ""), strict=True) if w]
    text = " ".join(f"{'-' if w < 0 else '+'} {abs(w) if abs(w) != 1 or not name else ''}{name}" for w, name in terms)
    return text.removeprefix("+ ") or "0"


def in_angle(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """The spirals with as many points in every turn, and so crowded in the middle, rather than evenly along the arm."""
    y = rng.permutation(np.arange(n) % 2)
    radius = rng.uniform(0, 1, n)
    angle = 2 * np.pi * (1.5 * radius + y / 2)
    x = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return x + 0.05 * rng.standard_normal((n, 2)), y


IN_ANGLE = Toy("spirals crowded in the middle", in_angle)


def main(full: Full = False, quick: Quick = False, out: Out = Path("results")) -> None:
    """Measure what becomes of a network without activation functions."""
    present("nonlinearity", __doc__, [collapse, ceiling, witness, features], out, full=full, quick=quick)


if __name__ == "__main__":
    execute(main)
