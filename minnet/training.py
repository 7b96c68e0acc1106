"""The training loop: shuffle, forward, loss, backward, step; for one network, or for K replicas at once."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.divergence import first_non_finite
from minnet.doors import check_parts, checked_data, checked_theta, checked_weight
from minnet.interrupts import LateInterrupt
from minnet.keeping import Checkpoint, Keeper, OnError
from minnet.losses import Loss
from minnet.machine import steady
from minnet.network import Network
from minnet.optimizers import Optimizer, weights_only
from minnet.pairing import check_batches, check_logits
from minnet.penalties import Penalty
from minnet.progress import counted
from minnet.randomness import Seed, Streams
from minnet.run import DivergenceError, Run, Stop
from minnet.schedules import Schedule
from minnet.settings import Array, require
from minnet.stopping import Best, EarlyStopping

Callback = Callable[[Run], Any]  # called after each epoch; what is true, (K,) or one for all, stops that replica


class _Replicas:
    """The replicas still in training: their rows of everything that has rows. A single network is the one row 0."""

    def __init__(
        self,
        run: Run,
        loss: Loss,
        optimizer: Optimizer,
        penalty: Penalty | None,
        seed: Seed,
        data: list[Array],
        held_out: list[Array],
        shuffle: bool,
    ):
        self.run, self.network, self.loss, self.optimizer, self.penalty = run, run.network, loss, optimizer, penalty
        self.order, self.noise = Streams(seed, "order"), Streams(seed, "noise")
        self.data, self.held_out, self.shuffle = data, held_out, shuffle
        parameters = run.network.parameters
        self.has_statistics = any(parameter.role == "statistic" for parameter in parameters)
        self.weights = weights_only(run.theta.reshape(-1, run.theta.shape[-1])[0], parameters)
        self.state = optimizer.init(run.theta, parameters)
        require("rate" in self.state, f"{optimizer} has to put its learning rate in its state: see first_state")
        self._hold(run.theta.copy(), np.arange(len(run.stops)))

    def _hold(self, theta: Array, rows: Array) -> None:
        self.flat, self.no_loss, self.gradient = theta.reshape(-1), np.zeros(theta.shape[:-1], theta.dtype), theta * 0
        self.params, self.grads, before = self.network.unpack(theta), self.network.unpack(self.gradient), theta.copy()
        self.theta, self.before, self.rows = theta, before, rows  # at once: an interrupt finds them in step

    def publish(self) -> None:
        """Show theta in the Run."""
        self.run.theta.reshape(-1, self.theta.shape[-1])[self.rows] = self.theta

    def stop(self, which: Array, reason: str, epoch: int, messages: list[str]) -> None:
        """Take the replicas `which` (one bool each) out, recorded in the Run; the others go on untouched."""
        if not which.any():
            return
        self.publish()
        for row, message in zip(self.rows[which], messages, strict=True):
            self.run.stops[row] = Stop(reason, epoch, message)
        going = np.flatnonzero(~which)
        if self.theta.ndim == 1:
            self.rows = self.rows[going]
        else:
            self.order.keep(going)
            self.noise.keep(going)
            self.state = {name: array[going] for name, array in self.state.items()}
            self.data, self.held_out = ([a[going] if a.ndim > 2 else a for a in x] for x in (self.data, self.held_out))
            self._hold(self.theta[going], self.rows[going])

    def shuffled(self) -> list[Array]:
        """x, target and weight in a new random order, (..., N, n): gathered once, so that batches are slices."""
        n = self.data[0].shape[-2]
        order = self.order.draw(lambda rng: rng.permutation(n) if self.shuffle else np.arange(n))
        rows = order + n * np.arange(len(self.rows))[:, None]  # where each replica's own data lies end to end
        flat = [(array.reshape(-1, array.shape[-1]), rows if array.ndim > 2 else order) for array in self.data]
        return [array.take(where, axis=0) for array, where in flat]

    def epoch(self, number: int, batch_size: int, ctrl_c: LateInterrupt) -> Array:
        """Train on every sample once; return the mean loss of each replica that is still there."""
        data, n = self.shuffled(), self.data[0].shape[-2]
        total = np.zeros(self.theta.shape[:-1])[()]
        for start in range(0, n, batch_size):
            ctrl_c.check()
            batch = slice(start, start + batch_size)
            x, target = data[0][..., batch, :], data[1][..., batch, :]
            y, backward = self.network.forward(self.params, x, self.noise)
            loss, dy = self.loss(y, target, data[2][..., batch, 0] if len(data) > 2 else None)
            backward(dy, self.grads, need_dx=False)
            if self.penalty:
                value, slope = self.penalty(self.theta, self.weights)
                loss = loss + value
                self.gradient += slope
            self.before[...] = self.theta
            self.optimizer.step(self.theta, self.gradient, self.state)
            if not self.flat.dot(self.flat) + self.no_loss.dot(loss) < np.inf:  # NaN, inf, or a square too large
                finite = np.isfinite(loss) & np.isfinite(self.theta).all(axis=-1)
                if not finite.all():
                    self._freeze(~finite.reshape(-1), number, x)
                    if not len(self.rows):
                        break
                    data, total, loss = [array[finite] for array in data], total[finite], loss[finite]
            total = total + loss * x.shape[-2]
        return total / n

    def _freeze(self, bad: Array, number: int, x: Array) -> None:
        """Put the replicas that diverged in this step back to their last finite theta, and stop them."""
        places = first_non_finite(self.network, self.before, self.gradient, self.theta, x, self.noise)
        rates = self.optimizer.rate_of(self.state).reshape(-1)
        messages = [
            f"training diverged in epoch {number + 1} at learning rate {rates[i]:.6g}: "
            f"the first number that is not finite stood in {places[i]}"
            for i in np.flatnonzero(bad)
        ]
        self.theta.reshape(len(bad), -1)[bad] = self.before.reshape(len(bad), -1)[bad]
        self.stop(bad, "diverged", number, messages)

    def undo(self) -> None:
        """Put back the replicas that an interrupted step left at numbers that are not finite."""
        bad = ~np.isfinite(self.theta).all(axis=-1)
        self.theta[bad] = self.before[bad]

    def validate(self) -> list[Array]:
        """Loss and metric on the held-out data, one value a replica; nothing if there is none."""
        if self.has_statistics:
            self.network.calibrate(self.params, self.data[0])
        if not self.held_out:
            return []
        x, target = self.held_out
        y = self.network(self.theta, x)
        target = np.broadcast_to(target, y.shape)
        return [self.loss(y, target)[0], self.loss.metric(y, target)]

    def reschedule(self) -> None:
        """Let a schedule that looks at the history set the rate for the next epoch."""
        if isinstance(self.optimizer.rate, Schedule):
            history = {name: v.reshape(len(v), -1)[:, self.rows] for name, v in self.run.history.items()}
            factor = np.broadcast_to(self.optimizer.rate.after_epoch(history), len(self.rows))
            self.state["after_epoch"].reshape(-1)[...] = factor


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
    weight: npt.ArrayLike | None = None,
    penalty: Penalty | None = None,
    stopping: EarlyStopping | None = None,
    theta: Array | None = None,
    dtype: npt.DTypeLike = np.float32,
    shuffle: bool = True,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
    every: int = 1,
    on_checkpoint_error: OnError = "raise",
) -> Run:
    """Train by minibatches and return the Run.

    x: (N, n_in), y: (N,) integer labels or (N, n_out). `seed` is an int, or a sequence of K for K replicas, each with
    weights, batch order and noise of its own; then x may be (K, N, n_in), and y with it. `weight`, (N,) or (K, N),
    weighs the samples in each batch's mean; `penalty` is added to it. Training starts at a copy of `theta`, or at
    network.init_theta(seed, dtype). Without `shuffle` batches are taken in the order of the data. Ctrl-C ends the
    training after the step it falls into, a second one at once, and keeps the Run. `checkpoint` is a file written after
    `every` epochs and at the end, from which `resume` goes on; if that fails, "warn" goes on, and "raise" ends it with
    a CheckpointError, whose `run` is the Run so far.

    Raises ValueError for data that does not fit, and DivergenceError when a single network diverges; replicas that
    diverge are frozen at their last finite theta and recorded, and the others go on.
    """
    check_parts(network, loss, optimizer, epochs=epochs, batch_size=batch_size)
    theta = checked_theta(network, network.init_theta(seed, dtype) if theta is None else theta, seed)
    data = checked_data(network, loss, theta, x, y)
    check_logits(network, loss, data[1].shape[-1])
    check_batches(network, theta, data[0], batch_size, seed)
    if weight is not None:
        data.append(checked_weight(weight, data[0]))
    held_out = [] if validation is None else checked_data(network, loss, theta, *validation, which="validation ")
    names = ["loss", "validation_loss", "validation_metric"] if held_out else ["loss"]
    known = stopping is None or stopping.monitor in names
    require(known, f"{stopping} can only watch {', '.join(names)}{'' if held_out else ' without validation data'}")

    count = int(np.prod(theta.shape[:-1]))
    table = {name: np.empty((epochs, count)) for name in names}  # takes memory only as it is filled
    run = Run(network, theta, {}, [Stop("running", 0, "")] * count)
    best = Best(stopping, theta) if stopping else None
    work = _Replicas(run, loss, optimizer, penalty, seed, data, held_out, shuffle)
    end, message, done, keeper = "finished", f"all {epochs} epochs done", 0, None
    if checkpoint is not None:
        keeper = Keeper(checkpoint, work, best, table, batch_size, seed, every, on_checkpoint_error)
        callbacks, done = [*callbacks, keeper], keeper.restore()

    def record(done: int) -> None:
        run.history = {name: values[:done].reshape(done, *theta.shape[:-1]) for name, values in table.items()}

    with LateInterrupt() as ctrl_c:
        try:
            with np.errstate(all="ignore"), steady(network.size, batch_size):
                record(done)
                for epoch in counted(range(done, epochs if len(work.rows) else 0), shown=progress):
                    values = [work.epoch(epoch, batch_size, ctrl_c)]
                    if not len(work.rows):
                        break
                    values += work.validate()
                    for name, value in zip(names, values, strict=True):
                        table[name][epoch], table[name][epoch, work.rows] = (
                            np.nan,
                            value,
                        )  # NaN: stopped
                    done = epoch + 1
                    record(done)
                    work.reschedule()
                    if best:
                        late = best.update(work.rows, table[best.stopping.monitor][epoch, work.rows], work.theta, done)
                        work.stop(late, "early stopping", done, [best.message(row) for row in work.rows[late]])
                    for callback in callbacks:
                        work.publish()
                        stops = np.broadcast_to(np.asarray(callback(run), bool), count)[work.rows]
                        reason = getattr(callback, "__name__", type(callback).__name__)
                        work.stop(stops, reason, done, [f"stopped by {reason}"] * stops.sum())
                    if not len(work.rows):
                        break
            ctrl_c.check()
        except KeyboardInterrupt:
            end, message = "interrupted", f"interrupted in epoch {min(done + 1, epochs)}"
            work.undo()
        work.stop(np.ones(len(work.rows), bool), end, done, [message] * len(work.rows))
        if best:
            best.give_back(run)
        if theta.ndim == 1 and run.stops[0].reason == "diverged":
            raise DivergenceError(run.stops[0].message, run)
        if keeper:
            keeper.finish(run)
        return run
