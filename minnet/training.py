"""Training: K networks that are trained together, step by step, and `train`, which runs it from start to end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.doors import Data, check_like, check_parts, checked_data, checked_sample_weight, checked_start
from minnet.interrupts import LateInterrupt
from minnet.losses import Loss
from minnet.machine import steady
from minnet.network import Network
from minnet.optimizers import Optimizer
from minnet.pairing import check_batches, check_logits
from minnet.penalties import Penalty
from minnet.progress import progress_bar
from minnet.randomness import Seed
from minnet.replicas import Replicas
from minnet.run import Callback, DivergenceError, Run, Snapshot
from minnet.schedules import Schedule
from minnet.settings import Array

Start = Array | Snapshot | Run | None


class Training(Replicas):
    """K networks in training (or a single one), advanced by whoever holds it: `step`, `epoch` or `run`.

    The arguments are those of `train`. `validation_every` is the number of epochs from one validation to the next. A
    network that diverges is stopped and recorded in `stops`; nothing is raised. `learning_rate`, `batch_size` and
    `penalty` may be set at any time, and count from the next step on.

    theta: (K, P), one row for each replica still in training, whose numbers are `rows`; (P,) for a single network.

    >>> from minnet import SGD, Dense, Network, mse
    >>> x = np.linspace(-1, 1, 32)[:, None]
    >>> training = Training(Network(Dense(1, 1)), mse, SGD(0.1), x, 2 * x, batch_size=8, seed=0)
    >>> training.epoch()["loss"] > training.epoch()["loss"]
    np.True_
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        batch_size: int,
        seed: Seed,
        start: Start = None,
        dtype: npt.DTypeLike = np.float32,
        sample_weight: npt.ArrayLike | None = None,
        penalty: Penalty | None = None,
        validation: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        validation_every: int = 1,
        shuffle: bool = True,
    ):
        check_parts(network, loss, optimizer, batch_size=batch_size, validation_every=validation_every)
        before = start.snapshot if isinstance(start, Run) and start.snapshot else start
        theta = before.theta if isinstance(before, Snapshot | Run) else before
        theta = checked_start(network, network.init_theta(seed, dtype) if theta is None else theta, seed)
        self.network, self.loss, self.optimizer, self.penalty = network, loss, optimizer, penalty
        self.batch_size, self.shuffle, self.validation_every = batch_size, shuffle, validation_every
        data = checked_data(network, loss, theta, x, y)
        check_logits(network, loss, data.target.shape[-1])
        check_batches(network, theta, data.x, batch_size, seed)
        if sample_weight is not None:
            data = data._replace(sample_weight=checked_sample_weight(sample_weight, data.x))
        self.all_data, self.seed = data, seed
        self.all_validation = (
            checked_data(network, loss, theta, *validation, which="validation ") if validation else None
        )
        self.callbacks, self.interrupt, self.epochs_planned = (), LateInterrupt(), 0
        self.measured = ["loss", "validation_loss", "validation_metric"] if validation else ["loss"]
        self._begin(theta)
        if isinstance(before, Snapshot):
            self.restore(before)

    def step(self, x: Any, target: npt.ArrayLike, sample_weight: Array | None = None) -> Array:
        """One update of theta from one batch. Returns the loss before it, (K,): NaN for a replica that has stopped.

        x: (batch, n_in) or (K, batch, n_in); target as the loss takes it; sample_weight: (batch,) or (K, batch).
        """
        x = np.asarray(x, self.theta.dtype)
        if x.ndim <= self.theta.ndim or len(self.rows) < self.count:
            if not len(self.rows):
                return self.spread(np.nan)
            x, target, sample_weight = self.batch_of(x, target, sample_weight)
        y, backward = self.network.forward(self.params, x, self.noise)  # y = f(θ, x)
        loss, dy = self.loss(y, target, sample_weight)  # L, ∂L/∂y
        backward(dy, self.grads, need_dx=False)  # ∂L/∂θ, into self.gradient
        if self.penalty:
            cost, slope = self.penalty(self.theta, self.weights)
            loss = loss + cost
            self.gradient += slope
        self.last_finite[...] = self.theta
        self.optimizer.step(self.theta, self.gradient, self.state)  # θ ← θ - η ∂L/∂θ
        if not self.flat.dot(self.flat) + self.no_loss.dot(loss) < np.inf:  # NaN, inf, or a square too large
            loss = self.stop_diverged(loss, x)
        return loss if len(self.rows) == self.count else self.spread(loss)

    def epoch(self) -> dict[str, Array]:
        """Every sample once. Returns what the history gets of it: "loss" and others by name, (K,) each."""
        with np.errstate(all="ignore"):
            values = {"loss": self._train_on_all()}
            if not len(self.rows):  # all diverged before the end of the epoch: it does not count
                return values
            values |= self._validated()
            for name, value in values.items():
                self.history_rows[name].append(np.reshape(value, self.count))
            self._let_schedule_look()
        return values

    def run(self, epochs: int, *, callbacks: Iterable[Callback] = (), progress: bool = False) -> Run:
        """Train for `epochs` more epochs, with `callbacks` after each; return the Run.

        A callback is called with this Training; a true value, one or (K,), stops those replicas. Ctrl-C ends the
        training after the step it falls into, a second one at once, and the Run is kept.
        """
        self.callbacks = tuple(sorted(callbacks, key=lambda one: getattr(one, "runs_last", False)))
        self.epochs_planned = self.epochs_done + epochs
        for callback in self.callbacks:
            if hasattr(callback, "memory"):
                fresh = callback.memory(self)
                check_like(f"the memory of {callback}", self.memory.setdefault(callback, fresh), fresh)
        reason, message = "finished", f"all {self.epochs_planned} epochs done"
        with self.interrupt:
            try:
                for _ in progress_bar(range(epochs), displayed=progress):
                    if not len(self.rows):
                        break
                    self.epoch()
                    self._call_back()
                self.interrupt.check()
            except KeyboardInterrupt:
                reason = "interrupted"
                message = f"interrupted in epoch {min(self.epochs_done + 1, self.epochs_planned)}"
                self.mend()
            return self.result(reason, message)

    def _call_back(self) -> None:
        for callback in self.callbacks if len(self.rows) else ():
            stops = np.broadcast_to(np.asarray(callback(self), bool), self.count)[self.rows]
            name = getattr(callback, "__name__", type(callback).__name__)
            self.stop(stops, name, [f"stopped by {name}"] * stops.sum())

    def _train_on_all(self) -> Array:
        """One epoch of steps; returns the mean loss, (K,)."""
        (x, target, weight), n, rows = self.shuffled(), self.data.x.shape[-2], self.rows
        total = np.zeros(self.shape)[()]
        for first in range(0, n, self.batch_size):
            self.interrupt.check()
            batch = slice(first, first + self.batch_size)
            x_batch = x[..., batch, :]
            loss = self.step(x_batch, target[..., batch, :], None if weight is None else weight[..., batch, 0])
            total = total + loss * x_batch.shape[-2]
            if self.rows is not rows:  # some have stopped
                if not len(self.rows):
                    break
                (x, target, weight), rows = Data(x, target, weight).of(np.isin(rows, self.rows)), self.rows
        return total / n

    def _validated(self) -> dict[str, Array]:
        """Loss and score on the validation data, (K,) each; nothing if there are none."""
        if self.has_statistics:
            self.network.calibrate(self.params, self.data.x)
        if not self.validation:
            return {}
        if (self.epochs_done + 1) % self.validation_every:
            return dict.fromkeys(self.measured[1:], self.spread(np.nan))
        y = self.network(self.theta, self.validation.x)
        target = np.broadcast_to(self.validation.target, y.shape)
        values = self.loss(y, target)[0], self.loss.metric(y, target)
        return {name: self.spread(value) for name, value in zip(self.measured[1:], values, strict=True)}

    def _let_schedule_look(self) -> None:
        """A schedule that follows the history sets its factor for the next epoch."""
        if isinstance(self.optimizer.rate, Schedule):
            history = {name: np.array(values)[:, self.rows] for name, values in self.history_rows.items()}
            factor = np.broadcast_to(self.optimizer.rate.after_epoch(history), len(self.rows))
            self.state["after_epoch"].reshape(-1)[...] = factor

    def __call__(self, x: npt.ArrayLike) -> Array:
        """The outputs of all replicas as they are now: x (..., batch, n_in) -> (..., batch, n_out)."""
        with np.errstate(all="ignore"):  # what diverged stands at huge numbers
            return self.network(self.all_theta, np.asarray(x))


def train(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    epochs: int,
    batch_size: int,
    seed: Seed,
    validation: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    sample_weight: npt.ArrayLike | None = None,
    penalty: Penalty | None = None,
    start: Start = None,
    dtype: npt.DTypeLike = np.float32,
    shuffle: bool = True,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
) -> Run:
    """Train by minibatches and return the Run.

    x: (N, n_in), y: (N,) integer labels or (N, n_out). `seed` is an int, or a sequence of K for K replicas, each with
    weights, batch order and noise of its own; then x may be (K, N, n_in), and y with it. `sample_weight`, (N,) or
    (K, N), weighs the samples in each batch's mean; `penalty` is added to it. Without `shuffle` batches are taken in
    the order of the data.

    `start` is theta, (P,) or (K, P), of which a copy is trained, or by default network.init_theta(seed, dtype). It may
    also be a Run or a Snapshot: then training goes on with its optimizer state and random streams until `epochs`
    epochs are done in all.

    `callbacks` are called with the Training after each epoch: EarlyStopping, Checkpoint, or any function; a true value
    stops the training, an array (K,) those replicas. Ctrl-C ends the training and keeps the Run.

    Raises ValueError for data that do not fit, and DivergenceError when a single network diverges; replicas that
    diverge are stopped at their last finite theta and recorded, and the others go on.
    """
    check_parts(network, loss, optimizer, epochs=epochs)
    training = Training(
        network, loss, optimizer, x, y, batch_size=batch_size, seed=seed, start=start, dtype=dtype, shuffle=shuffle,
        sample_weight=sample_weight, penalty=penalty, validation=validation,
    )  # fmt: skip
    return run_to_the_end(training, epochs, callbacks, progress)


def run_to_the_end(training: Training, epochs: int, callbacks: Iterable[Callback], progress: bool) -> Run:
    """Run until `epochs` epochs are done in all; raise DivergenceError if a single network diverged."""
    with training.interrupt, steady(training.network.size, training.batch_size):
        run = training.run(max(epochs - training.epochs_done, 0), callbacks=callbacks, progress=progress)
        if run.theta.ndim == 1 and run.stops[0].reason == "diverged":
            raise DivergenceError(run.stops[0].message, run)
        return run
