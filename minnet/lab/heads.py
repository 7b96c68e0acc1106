"""Two-class networks that differ in their last step: what is put out, how it is scored, how it becomes a probability.

Each is trained by the protocol of `compare`: its own best learning rate, chosen on validation data of the tuning seeds,
and then tested on fresh seeds. Seed k fixes the data and the batch order for all alike. Networks whose parameters have
the same shapes and initializers also start from the same weights, but for `bias`; others draw from the same streams.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from minnet.lab.compare import RATES
from minnet.lab.datasets import Dataset
from minnet.lab.summary import DIGITS, beyond
from minnet.lab.work import Result, Store, work_out
from minnet.losses import Loss
from minnet.machine import one_blas_thread
from minnet.network import Network
from minnet.optimizers import SGD
from minnet.run import Run
from minnet.settings import Array, Settings
from minnet.training import train

Probability = Callable[[Array], Array]


@dataclass(frozen=True, repr=False)
class Head(Settings):
    """A network of one output, its loss, and how a label (0 or 1) becomes a target and an output a probability.

    target = low + (1 - low) label, so low = -1 is tanh's. `bias` is added to the last bias of the initial weights.
    """

    network: Network
    loss: Loss
    probability: Probability
    low: float = 0.0
    bias: float = 0.0


@dataclass(frozen=True)
class Measured:
    """A head at its own best rate on fresh seeds: `outputs` and `probabilities` of the test points are (K, N).

    `diverged` (K,) tells which seeds did; their outputs are NaN, and their probabilities ½, as of who knows nothing.
    `epoch` (E,) and `curve` (E, K): the test accuracy at some epochs. `rates` are all that were tried, `scores` their
    mean validation scores.
    """

    rate: float
    diverged: Array
    outputs: Array
    probabilities: Array
    epoch: Array
    curve: Array
    rates: tuple[float, ...]
    scores: tuple[float, ...]


def accuracy(p: Array, y: Array) -> Array:
    """Share of the points where the likelier class is the right one: p, y (..., N) -> (...)."""
    return ((p > 0.5) == (y > 0.5)).mean(axis=-1)


def brier(p: Array, y: Array) -> Array:
    """Mean (p - y)² (Brier 1950): p, y (..., N) -> (...)."""
    return np.square(p - y).mean(axis=-1)


def log_loss(p: Array, y: Array) -> Array:
    """Mean -log of the probability given to what was the case: p, y (..., N) -> (...); inf where that was 0."""
    with np.errstate(divide="ignore"):
        return -np.log(np.where(y > 0.5, p, 1 - p)).mean(axis=-1)


@dataclass(frozen=True)
class _Trial:
    """One head at one rate on some seeds."""

    head: Head
    rate: float
    data: Dataset
    seeds: tuple[int, ...]
    epochs: int
    score: Callable[[Array, Array], Array]

    def __call__(self) -> Result:
        head, split = self.head, self.data.splits(self.seeds)
        theta = head.network.init_theta(self.seeds)
        theta[:, -1] += head.bias
        epochs, curve = [], []

        def watch(run: Run) -> None:
            epoch = len(run.history["loss"])
            if epoch <= 5 or epoch % -(-self.epochs // 40) == 0:
                epochs.append(epoch)
                curve.append(accuracy(self._probabilities(run(split.x_test)), split.y_test))

        targets = head.low + (1 - head.low) * split.y[..., None]
        with one_blas_thread():
            run = train(head.network, head.loss, SGD(self.rate), split.x, targets, epochs=self.epochs, batch_size=32,
                        seed=self.seeds, theta=theta, callbacks=[watch])  # fmt: skip
            outputs, held_out = run(split.x_test)[..., 0], run(split.x_val)
        score = self.score(self._probabilities(held_out), split.y_val)
        worst = self.score(np.full_like(split.y_val, 0.5, float), split.y_val)  # what diverged knows nothing
        return {
            "score": np.where(run.diverged, worst, score),
            "diverged": run.diverged,
            "outputs": np.where(run.diverged[:, None], np.nan, outputs),
            "epoch": np.array(epochs),
            "curve": np.array(curve),
        }

    def _probabilities(self, outputs: Array) -> Array:
        return self.head.probability(outputs[..., 0].astype(float))


def tuned(
    heads: Mapping[str, Head],
    data: Dataset,
    *,
    score: Callable[[Array, Array], Array],
    seeds: int,
    epochs: int = 200,
    jobs: int = -1,
) -> dict[str, Measured]:
    """Each head at the rate of the highest mean validation score(p, y), tested on as many fresh seeds.

    The grid of rates is `compare`'s, and like there it is widened for all while one's best lies at its edge.
    """
    store = Store(None)

    def work(wanted: Mapping[str, list[float]], first: int) -> dict[tuple[str, float], Result]:
        trials = {
            (name, rate): _Trial(heads[name], rate, data, tuple(range(first, first + seeds)), epochs, score)
            for name, rates in wanted.items()
            for rate in rates
        }
        keys = {(name, rate): f"{name} {rate} {first}" for name, rate in trials}
        for _ in work_out({keys[which]: trial for which, trial in trials.items()}, store, jobs=jobs, cluster=None):
            pass
        return {which: result for which, key in keys.items() if (result := store.get(key)) is not None}

    means: dict[tuple[str, float], float] = {}
    todo, tried, best = list(RATES), list[float](), dict[str, float]()
    while todo:
        means |= {which: float(found["score"].mean()) for which, found in work(dict.fromkeys(heads, todo), 0).items()}
        tried = sorted(tried + todo)
        best = {
            name: -max((round(means[name, rate], DIGITS), -rate) for rate in tried)[1] for name in heads
        }  # of a tie the lower
        todo = beyond(tried, best.values())
    tests = work({name: [rate] for name, rate in best.items()}, seeds)
    return {name: _tested(heads[name], best[name], tests[name, best[name]], tried, [means[name, r] for r in tried])
            for name in heads}  # fmt: skip


def _tested(head: Head, rate: float, found: Result, tried: list[float], scores: list[float]) -> Measured:
    outputs, diverged = found["outputs"], found["diverged"]
    probabilities = np.where(diverged[:, None], 0.5, head.probability(np.nan_to_num(outputs)))
    curves = found["epoch"], found["curve"]
    return Measured(rate, diverged, outputs, probabilities, *curves, tuple(tried), tuple(scores))
