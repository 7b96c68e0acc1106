"""One network at some learning rates on some seeds, all at once as replicas: a comparison's unit of work."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from minnet.lab.datasets import Dataset
from minnet.lab.identity import by_value, file_hash, identity, own_modules
from minnet.lab.manifest import engine_hash, versions
from minnet.losses import Loss, mse, softmax_cross_entropy
from minnet.machine import one_blas_thread
from minnet.network import Network
from minnet.optimizers import Optimizer, with_rate
from minnet.run import Run
from minnet.settings import Array
from minnet.training import train

Outcome = dict[str, Array]


@dataclass(frozen=True)
class Trial:
    """Data of seed k; weights, batch order and noise of seed k + offset. `optimizer` is taken at each of `rates`.

    Replica r has rate r // len(seeds) and seed r % len(seeds). `curves` asks for the test score over the epochs. What
    no initializer can say, `start` can: a function (network, theta) -> theta, say tanh_equivalent, of initial weights.
    """

    network: Network
    optimizer: Optimizer
    rates: tuple[float, ...]
    data: Dataset
    seeds: tuple[int, ...]
    epochs: int
    batch_size: int
    offset: int = 0
    curves: bool = False
    start: Callable[[Network, Array], Array] | None = None
    made_of: str | None = None  # the identity of network, optimizer and start, where it is known

    def key(self, data_hash: str) -> str:
        """A text that two trials share only if their outcomes are the same. `data_hash` stands for the data.

        This file is part of it: another one may score otherwise, or have other arrays in an outcome.
        """
        code = f"{engine_hash()} {file_hash(Path(__file__))} {' '.join(versions().values())}"
        made_of = self.made_of or identity(self.network, self.optimizer, self.start)
        parts = made_of, self.rates, self.seeds, self.offset, self.epochs, self.batch_size, self.curves
        return "\n".join(map(str, (code, data_hash, *parts)))

    def __reduce__(self) -> tuple[Any, ...]:
        """To a worker goes your code as it is here and now, not as the worker imported it once."""
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        parts = ["network", "optimizer", "start"] + ["data"] * (not type(self.data).__module__.startswith("minnet."))
        yours = [name for name in parts if own_modules(settings[name])]
        return _unpacked, (by_value({name: settings.pop(name) for name in yours}), settings)

    def __call__(self) -> Outcome:
        """Train, and return plain arrays: diverged, message, validation_score, validation_loss, test_score: (K,).

        Besides theta (rates, P), that of the first seed; and if curves are asked for, epoch (E,) and curve (E, K), the
        test score at some twenty epochs, and of classes right (K, N), which test points are right, as packed bits. A
        run that diverged, or that ends in no finite number, scores what guessing scores.
        """
        split = self.data.splits(self.seeds)
        x, x_val, x_test = (self._repeated(part.astype(np.float32)) for part in split[::2])
        y, y_val, y_test = (self._repeated(self._targets(part)) for part in split[1::2])
        curve: dict[int, Array] = {}

        def watch(run: Run) -> None:
            epoch = len(run.history["loss"])
            if epoch % -(-self.epochs // 20) == 0 or epoch in (1, self.epochs):
                curve[epoch] = self._scored(run, x_test, y_test)[1]

        weights = np.tile(self.seeds, len(self.rates)) + self.offset
        theta = self.start(self.network, self.network.init_theta(weights)) if self.start else None
        with one_blas_thread():
            run = train(
                self.network,
                self._loss,
                with_rate(self.optimizer, tuple(np.repeat(self.rates, len(self.seeds)).tolist())),
                x,
                y,
                epochs=self.epochs,
                batch_size=self.batch_size,
                seed=weights,
                theta=theta,
                callbacks=[watch] if self.curves else [],
            )
            loss, score, _ = self._scored(run, x_val, y_val)
            _, test_score, right = self._scored(run, x_test, y_test)
        if any(stop.reason == "interrupted" for stop in run.stops):
            raise KeyboardInterrupt
        return {
            "diverged": run.diverged,
            "message": np.array([stop.message if stop.reason == "diverged" else "" for stop in run.stops]),
            "validation_score": score,
            "validation_loss": loss,
            "test_score": test_score,
            "right": np.packbits(right[:, : right.shape[1] if self.curves else 0], axis=1),
            "theta": run.theta[:: len(self.seeds)],
            "epoch": np.array(list(curve), int),
            "curve": np.array(list(curve.values())).reshape(len(curve), len(run.theta)),
        }

    def _repeated(self, part: Array) -> Array:
        """Seeds (S, ...) -> replicas (K, ...): once for each rate."""
        return np.concatenate([part] * len(self.rates)) if len(self.rates) > 1 else part

    @property
    def _loss(self) -> Loss:
        return softmax_cross_entropy if self.data.task == "classification" else mse

    def _targets(self, y: Array) -> Array:
        """Labels (S, N) as they are; real targets (S, N, n_out), of which (S, N) is the case of one output."""
        if self.data.task == "classification":
            return y
        return (y if y.ndim > 2 else y[..., None]).astype(np.float32)

    def _scored(self, run: Run, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Loss and score (accuracy or R²) of each replica, (K,), and which points it has right (K, N), of classes."""
        with np.errstate(all="ignore"):
            out = run(x)
            loss, _ = self._loss(out, y)
            score = self._loss.metric(out, y) if self.data.task == "regression" else np.zeros(len(y))
        bad = run.diverged | ~np.isfinite(score) | ~np.isfinite(loss)
        right = np.zeros((len(y), 0), bool)
        if self.data.task == "classification":
            guess = np.array([np.bincount(labels).argmax() for labels in y])
            right = np.where(bad[:, None], guess[:, None], out.argmax(axis=-1)) == y
            score = right.mean(axis=-1)
        else:
            score = np.where(bad, 0.0, score)
        return np.where(bad, np.inf, loss).astype(float), score.astype(float), right


def _unpacked(yours: bytes, settings: dict[str, Any]) -> Trial:
    return Trial(**pickle.loads(yours), **settings)
