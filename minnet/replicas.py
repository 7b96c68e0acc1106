"""Replicas: the networks that train together. Which rows are still in training, and what belongs to each row."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from minnet.divergence import first_non_finite
from minnet.doors import Data, check_like
from minnet.network import Network
from minnet.optimizers import Optimizer, weights_only
from minnet.randomness import Seed, Streams
from minnet.run import Callback, Run, Snapshot, Stop
from minnet.schedules import Rate
from minnet.settings import Array, require


class Replicas:
    """The part of `Training` that concerns rows. A single network is the one row 0.

    `rows` are the numbers of the replicas still in training. theta, gradient, optimizer state, streams and data hold
    these rows alone, so that a step costs nothing for a replica that has stopped.
    """

    network: Network
    optimizer: Optimizer
    seed: Seed
    all_data: Data
    all_validation: Data | None
    shuffle: bool
    measured: list[str]  # the names of the history
    callbacks: tuple[Callback, ...]

    def _begin(self, theta: Array) -> None:
        """Before the first step, at `theta`."""
        self.shape, self.count = theta.shape[:-1], int(np.prod(theta.shape[:-1]))
        self._all_theta, self.rows, self.stops = theta, np.arange(self.count), [Stop("running", 0, "")] * self.count
        self.history_rows: dict[str, list[Array]] = {name: [] for name in self.measured}
        self.memory: dict[Any, dict[str, Array]] = {}
        self.weights = weights_only(theta.reshape(-1, theta.shape[-1])[0], self.network.parameters)
        self.has_statistics = any(parameter.role == "statistic" for parameter in self.network.parameters)
        self.shuffling, self.noise = Streams(self.seed, "order"), Streams(self.seed, "noise")
        self.data, self.validation = self.all_data, self.all_validation
        self.state = self.optimizer.init(theta, self.network.parameters)
        require("rate" in self.state, f"{self.optimizer} has to put its learning rate in its state: see first_state")
        self._allocate(theta, self.rows)

    def _allocate(self, theta: Array, rows: Array) -> None:
        self.flat, self.no_loss = theta.reshape(-1), np.zeros(theta.shape[:-1], theta.dtype)
        self.gradient, last_finite = theta * 0, theta.copy()
        self.params, self.grads = self.network.unpack(theta), self.network.unpack(self.gradient)
        self.theta, self.last_finite, self.rows = theta, last_finite, rows  # at once: an interrupt finds them in step

    @property
    def epochs_done(self) -> int:
        """How many epochs were trained."""
        return len(self.history_rows["loss"])

    @property
    def history(self) -> dict[str, Array]:
        """By name the value of each epoch: (epochs, K), or (epochs,) for a single network; NaN: not measured."""
        return {
            name: np.array(values, float).reshape(len(values), *self.shape)
            for name, values in self.history_rows.items()
        }

    def latest(self, name: str) -> Array:
        """The last entry of the history of this name, (K,) or ()."""
        return self.history_rows[name][-1].reshape(self.shape)[()]

    def spread(self, values: Any) -> Array:
        """One value for each row still in training -> one for each replica, (K,) or (); NaN for one that stopped."""
        values = np.asarray(values)
        every = np.full(self.count, np.nan, values.dtype)
        every[self.rows] = values.reshape(-1)
        return every.reshape(self.shape)[()]

    def batch_of(self, x: Array, *others: Any) -> list[Any]:
        """A batch of all replicas, or one for all alike, as the rows still in training take it: (rows, batch, ...)."""
        if self.theta.ndim == 1 or (x.ndim > 2 and len(x) == len(self.rows)):
            return [x, *others]
        parts = [part if part is None or x.ndim > 2 else np.asarray(part)[None] for part in (x, *others)]
        rows = self.rows if x.ndim > 2 else self.rows * 0
        return [part if part is None else part[rows] for part in parts]

    def shuffled(self) -> Data:
        """All samples in a new random order, (..., N, n): gathered once, so that batches are slices."""
        n = self.data.x.shape[-2]
        permutation = self.shuffling.draw(lambda rng: rng.permutation(n) if self.shuffle else np.arange(n))
        own = permutation + n * np.arange(len(self.rows))[:, None]  # where each replica's own data lies end to end

        def gathered(part: Array) -> Array:
            return part.reshape(-1, part.shape[-1]).take(own if part.ndim > 2 else permutation, axis=0)

        return self.data.changed(gathered)

    def stop(self, which: Array, reason: str, messages: list[str]) -> None:
        """Take out the replicas `which`, one bool for each row still in training; the others go on untouched."""
        if not which.any():
            return
        self._all_theta = self.all_theta
        for row, message in zip(self.rows[which], messages, strict=True):
            self.stops[row] = Stop(reason, self.epochs_done, message)
        self._keep(np.flatnonzero(~which))

    def _keep(self, keep: Array) -> None:
        """Go on with some of the rows that are still in training."""
        rows = self.rows[keep]
        if self.theta.ndim > 1:
            self.shuffling.keep(keep)
            self.noise.keep(keep)
            self.state = {name: array[keep] for name, array in self.state.items()}
            self.data = self.all_data.of(rows)
            self.validation = self.all_validation and self.all_validation.of(rows)
            self._allocate(self.theta[keep], rows)
        else:
            self.rows = rows

    def stop_diverged(self, loss: Array, x: Array) -> Array:
        """Put the replicas that diverged in this step back to their last finite theta, and stop them.

        Returns the loss of the others; nothing happens if all is finite.
        """
        finite = np.isfinite(loss) & np.isfinite(self.theta).all(axis=-1)
        bad = ~finite.reshape(-1)
        if not bad.any():
            return loss
        rates = self.optimizer.rate_of(self.state).reshape(-1)
        places = first_non_finite(self.network, self.last_finite, self.gradient, self.theta, x, self.noise)
        messages = [
            f"training diverged in epoch {self.epochs_done + 1} at learning rate {rates[i]:.6g}: "
            f"the first number that is not finite stood in {places[i]}"
            for i in np.flatnonzero(bad)
        ]
        self.put_back(~finite)
        self.stop(bad, "diverged", messages)
        return loss[finite]

    def put_back(self, which: Any) -> None:
        """Put the rows `which` back to their theta before the last step."""
        self.theta[which] = self.last_finite[which]

    def mend(self) -> None:
        """After an interrupt at any line: no row at numbers that are not finite, no epoch half recorded."""
        self.put_back(np.logical_not(np.isfinite(self.theta).all(axis=-1)))
        done = min(map(len, self.history_rows.values()))
        for values in self.history_rows.values():
            del values[done:]

    @property
    def learning_rate(self) -> Array:
        """The learning rate, (K,) or (); the base rate of a schedule."""
        return self.spread(self.state["rate"])

    @learning_rate.setter
    def learning_rate(self, rate: Rate | Array) -> None:
        rates = np.broadcast_to(np.asarray(rate, float), self.shape).reshape(-1)[self.rows]
        require(bool((np.isfinite(rates) & (rates >= 0)).all()), f"learning_rate has to be finite and >= 0, got {rate}")
        self.state["rate"].reshape(-1)[...] = rates

    @property
    def all_theta(self) -> Array:
        """theta of all replicas, (K, P); those that stopped stand where they stopped."""
        if self.theta is not self._all_theta:
            self._all_theta[self.rows] = self.theta
        return self._all_theta

    def result(self, reason: str = "running", message: str = "") -> Run:
        """The Run as it is now. What is still in training stopped for this reason; callbacks have their last word."""
        going = Stop(reason, self.epochs_done, message)
        stops = [going if row in self.rows else stop for row, stop in enumerate(self.stops)]
        run = Run(self.network, self.all_theta.copy(), self.history, stops, snapshot=self.snapshot())
        for callback in self.callbacks:
            if hasattr(callback, "end"):
                callback.end(self, run)
        return run

    def snapshot(self) -> Snapshot:
        """Everything that the next step depends on besides settings and data, as a value of its own."""
        return Snapshot(
            self.all_theta.copy(),
            self.optimizer,
            {name: array.copy() for name, array in self.state.items()},
            self.shuffling.states,
            self.noise.states,
            self.history,
            list(self.stops),
            {callback: {name: array.copy() for name, array in kept.items()} for callback, kept in self.memory.items()},
        )

    def restore(self, before: Snapshot) -> None:
        """Go on where a training of this network, of as many replicas, stood: perhaps this one, some epochs ago."""
        check_like("theta", {"theta": before.theta}, {"theta": self.all_theta})
        self._begin(before.theta.copy())
        self._keep(np.flatnonzero([stop.reason == "running" for stop in before.stops]))
        self.stops = list(before.stops)
        check_like(f"{self.optimizer} cannot go on with the state of {before.optimizer}", before.state, self.state)
        for name, array in self.state.items():
            if name != "rate" or self.optimizer == before.optimizer:  # another rate is a wish to be followed
                array[...] = before.state[name]
        self.shuffling.states, self.noise.states = before.shuffling, before.noise
        shape = len(before.history["loss"]), self.count
        for name in self.history_rows:
            self.history_rows[name] = list(before.history.get(name, np.full(shape, np.nan)).reshape(shape))
        self.memory = deepcopy(before.memory)
