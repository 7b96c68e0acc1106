"""How often does each printed interval hold the truth, and how often is "better" said of what is not?

Made-up scores with a known mean are drawn again and again, and the functions that print an interval or a verdict are
asked what they would print. A 95 % interval should hold the truth in 95 % of the samples; where it does so in fewer
than 93 %, the last column has what is printed about it. With --groups, networks are trained on moons, and the interval
for new points is compared with the accuracy on moons itself.

    python -m experiments.interval_coverage
    python -m experiments.interval_coverage --groups 120
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated

import numpy as np
import typer

from minnet import SGD, softmax_cross_entropy, train
from minnet.activations import Identity, ReLU, Tanh
from minnet.lab.conditions import mlp
from minnet.lab.datasets import dataset, moons
from minnet.lab.markdown import markdown_table
from minnet.lab.statistics import (
    COUNTS,
    RARE,
    SKEWED,
    Bounds,
    crossed_interval,
    mean_interval,
    mean_intervals,
    share_interval,
)
from minnet.settings import Array

SEEDS = (3, 5, 10, 20)
RATES = {"linear-only": (Identity(), 0.32), "tanh": (Tanh(), 0.1), "relu": (ReLU(), 0.1)}  # the best of the main job
LESS = 0.93  # coverage below which a sentence has to stand beside the interval
Draw = Callable[[np.random.Generator, tuple[int, int]], Array]


def main(
    repeats: Annotated[int, typer.Option(help="samples of each case")] = 4000,
    groups: Annotated[int, typer.Option(help="groups of 20 trained networks for each activation; 0: none")] = 0,
    jobs: Annotated[int, typer.Option(help="cores for the training; -1: all")] = -1,
) -> None:
    """Measure how often the printed intervals hold the truth."""
    numbers = [f"n = {n}" for n in SEEDS]
    print(f"Coverage of the 95 % interval of a mean over n seeds, {repeats:,} samples each:\n")
    print(markdown_table(["scores", *numbers, "what is printed beside it"], list(means(repeats))))
    print(f"\nCoverage of Wilson's 95 % interval of the share of failed seeds, {repeats:,} samples each:\n")
    print(markdown_table(["chance to fail", *numbers], list(shares(repeats))))
    print('\n"Better" of a condition that is not: two equal means, one of which fails in some seeds. By the t test')
    print(
        f'alone / by the rule of the page, which else says "better where it did not fail"; {repeats:,} samples each:\n'
    )
    print(markdown_table(["spread of a seed", "chance to fail", *numbers], list(verdicts(repeats))))
    print(f"\nSeeds and points crossed, made-up designs, 20 seeds, {max(repeats // 10, 1):,} samples each:\n")
    print(markdown_table(["test points", "on these points", "on new points"], list(designs(max(repeats // 10, 1)))))
    if groups:
        print(f"\nThe accuracy on moons itself, {groups} groups of 20 networks, a test draw of 2,000 points each:\n")
        header = ["", "accuracy on moons", "held by: on these points", "held by: on new points"]
        print(markdown_table(header, list(networks(groups, jobs))))


def cases() -> Iterator[tuple[str, Draw, float, Bounds, float, str]]:
    """Name, how scores are drawn, the true mean, bounds, resolution, and what is printed beside the interval."""
    made: list[tuple[str, Draw, float, str]] = [
        ("normal, .96 ± .01", lambda rng, shape: rng.normal(0.96, 0.01, shape), 0.96, SKEWED),
        ("beta, mean .95", lambda rng, shape: rng.beta(47.5, 2.5, shape), 0.95, SKEWED),
        ("beta, mean .99", lambda rng, shape: rng.beta(49.5, 0.5, shape), 0.99, SKEWED),
    ]
    for name, draw, mean, sentence in made:
        yield name, draw, mean, (0, 1), 0.0, sentence
        for points in (36, 2000):
            yield f"{name}, on {points:,} points", partial(on_points, draw, points), mean, (0, 1), 1 / points, sentence
    for chance in (0.02, 0.05, 0.1):
        yield f"{chance:.0%} of seeds fail", partial(failing, chance), 0.96 - 0.46 * chance, (0, 1), 1 / 2000, RARE
    truth = float(rank_correlations(np.random.default_rng(1), (100, 4000)).mean())
    yield "rank correlation of 8 units", rank_correlations, truth, (-1, 1), 0.0, COUNTS
    yield "epochs to wait, mean 4", lambda rng, shape: rng.geometric(0.25, shape), 4, (0, np.inf), 1.0, COUNTS


def on_points(draw: Draw, points: int, rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Accuracies on that many points, where a seed's chance to have a point right is drawn."""
    return rng.binomial(points, np.clip(draw(rng, shape), 0, 1)) / points


def failing(chance: float, rng: np.random.Generator, shape: tuple[int, int], spread: float = 0.01) -> Array:
    """Scores about .96, and about .5 where a seed fails, with that chance."""
    return np.where(rng.random(shape) < chance, rng.normal(0.5, 0.02, shape), rng.normal(0.96, spread, shape))


def rank_correlations(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Spearman's correlation of 8 pairs from a normal distribution of correlation .9."""
    x, noise = rng.normal(size=(2, *shape, 8))
    a, b = (part.argsort(axis=-1).argsort(axis=-1) for part in (x, 0.9 * x + np.sqrt(1 - 0.81) * noise))
    return 1 - 6 * np.square(a - b).sum(axis=-1) / (8 * 63)


def means(repeats: int) -> Iterator[list[str]]:
    """Coverage of mean_interval for each case and number of seeds."""
    for name, draw, truth, bounds, resolution, sentence in cases():
        rng, held = np.random.default_rng(0), []
        for n in SEEDS:
            samples = draw(rng, (repeats, n))
            _, low, high = mean_intervals(samples, bounds=bounds, resolution=resolution)
            assert bounds[0] <= low.min() <= high.max() <= bounds[1]
            held.append(float(((low <= truth) & (truth <= high)).mean()))
        yield [name, *(f"{share:.3f}" for share in held), sentence if min(held) < LESS else ""]


def shares(repeats: int) -> Iterator[list[str]]:
    """Coverage of share_interval."""
    rng = np.random.default_rng(0)
    for chance in (0.02, 0.05, 0.1, 0.5):
        held = []
        for n in SEEDS:
            low, high = share_interval(rng.binomial(n, chance, repeats), n)
            held.append(f"{((low <= chance) & (chance <= high)).mean():.3f}")
        yield [f"{chance:.0%}", *held]


def verdicts(repeats: int) -> Iterator[list[str]]:
    """How often "better" is said of two conditions with equal means, one of which fails with some chance.

    One is normal about .96 and falls to about .5 where it fails; the other is normal about the mean of that.
    """
    rng = np.random.default_rng(0)
    for spread in (0.003, 0.01, 0.03):
        for chance in (0.02, 0.05, 0.1, 0.2, 0.3):
            cells = []
            for n in SEEDS:
                lost = rng.random((repeats, n)) < chance
                a = np.where(lost, rng.normal(0.5, 0.02, lost.shape), rng.normal(0.96, spread, lost.shape))
                b = rng.normal(0.96 - 0.46 * chance, spread, lost.shape)
                difference, low, high = mean_intervals(a - b)
                t_test = (low > 0) | (high < 0)
                rule = t_test & (np.abs(difference) > np.where(difference > 0, drop(a, lost), drop(b, lost & False)))
                cells.append(f"{t_test.mean():.1%} / {rule.mean():.1%}")
            yield [f"{spread}", f"{chance:.0%}", *cells]


def drop(scores: Array, lost: Array) -> Array:
    """What the mean of each row would lose if as many seeds failed as the share's interval allows (summary.py)."""
    n, count = lost.shape[1], lost.sum(axis=1)
    fine = np.where(lost, 0, scores).sum(axis=1) / np.maximum(n - count, 1)
    return np.where(count == n, 0, (share_interval(count, n)[1] - count / n) * (fine - 0.5))


def designs(repeats: int) -> Iterator[list[str]]:
    """Coverage of both intervals where a point is right if u(seed) + v(point) + w(seed, point) < 1.7, all normal."""
    from scipy.stats import norm

    rng, spreads = np.random.default_rng(0), (0.05, 1.0, 0.3)
    truth = norm.cdf(1.7 / np.sqrt(np.square(spreads).sum()))
    for points in (36, 114, 360, 2000):
        held = np.zeros((repeats, 2))
        for row in held:
            shapes = (20, 1), (1, points), (20, points)
            u, v, w = (s * rng.normal(size=shape) for s, shape in zip(spreads, shapes, strict=True))
            row[:] = holds(u + v + w < 1.7, float(truth))
        yield [f"{points:,}", *(f"{share:.3f}" for share in held.mean(axis=0))]


def holds(right: Array, truth: float) -> tuple[bool, bool]:
    """Whether the interval on these points and that on new points hold the truth."""
    _, low, high = mean_interval(right.mean(axis=1), bounds=(0, 1), resolution=1 / right.shape[1])
    _, new_low, new_high = crossed_interval(right)
    return low <= truth <= high, new_low <= truth <= new_high


def networks(groups: int, jobs: int) -> Iterator[list[str]]:
    """The same of trained networks: each group has 20 seeds and a test draw of its own.

    The truth is the mean over all networks of their accuracy on 20,000 further points, drawn anew for each group.
    """
    from joblib import Parallel, delayed

    for name in RATES:
        found = Parallel(n_jobs=jobs)(delayed(group)(name, number) for number in range(groups))
        truth = float(np.mean([further for _, further in found]))
        held = np.array([holds(right, truth) for right, _ in found])
        cells = []
        for count in held.sum(axis=0):
            low, high = share_interval(int(count), groups)
            cells.append(f"{count / groups:.3f} [{low:.3f}, {high:.3f}]")
        yield [name, f"{truth:.4f}", *cells]


def group(name: str, number: int) -> tuple[Array, float]:
    """Twenty networks on seeds of their own: which of 2,000 fresh points each has right, and their mean on 20,000."""
    from threadpoolctl import threadpool_limits

    activation, rate = RATES[name]
    seeds, data = range(1000 + 20 * number, 1020 + 20 * number), dataset("moons")
    split = data.splits(seeds)
    with threadpool_limits(1):
        run = train(mlp(activation, 2, (16, 16), 2), softmax_cross_entropy, SGD(rate), split.x.astype("f4"), split.y,
                    epochs=200, batch_size=32, seed=seeds)  # fmt: skip
        x, y = moons(22_000, np.random.default_rng([1, number]))
        # Each network gets the points scaled as its own training points were.
        raw = np.stack([data.training(seed)[0] for seed in seeds])
        fresh = (x - raw.mean(axis=1, keepdims=True)) / raw.std(axis=1, keepdims=True)
        right = run(fresh.astype(np.float32)).argmax(axis=-1) == y
    return right[:, :2000], float(right[:, 2000:].mean())


if __name__ == "__main__":
    typer.run(main)
