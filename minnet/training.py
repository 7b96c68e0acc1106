"""The training loop: shuffle, forward, loss, backward, step; for one network, or for K replicas at once."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.losses import Loss
from minnet.network import Network
from minnet.optimizers import Optimizer
from minnet.randomness import Seed, Streams
from minnet.run import DivergenceError, Run, Stop
from minnet.settings import Array, require, require_finite

Callback = Callable[[Run], Any]  # called after each epoch; what is true, (K,) or one for all, stops that replica


class _Replicas:
    """The replicas still in training: their rows of everything that has rows. A single network is the one row 0."""

    def __init__(
        self, run: Run, loss: Loss, optimizer: Optimizer, seed: Seed, data: list[Array], held_out: list[Array]
    ):
        self.run, self.network, self.loss, self.optimizer = run, run.network, loss, optimizer
        self.rows = np.arange(len(run.stops))
        self.order, self.noise = Streams(seed, "order"), Streams(seed, "noise")
        self.data, self.held_out = data, held_out
        self.state = optimizer.init(run.theta, run.network.parameters)
        self._hold(run.theta.copy())

    def _hold(self, theta: Array) -> None:
        self.theta, self.before, self.gradient, self.zeros = theta, theta.copy(), theta * 0, theta * 0
        self.params, self.grads = self.network.unpack(theta), self.network.unpack(self.gradient)

    def publish(self) -> None:
        """Show theta in the Run."""
        self.run.theta.reshape(-1, self.theta.shape[-1])[self.rows] = self.theta

    def stop(self, which: Array, reason: str, epoch: int, messages: list[str]) -> None:
        """Take the replicas `which` (one bool each) out, recorded in the Run; the others go on untouched."""
        for row, message in zip(self.rows[which], messages, strict=True):
            self.run.stops[row] = Stop(reason, epoch, message)
        going = np.flatnonzero(~which)
        self.rows = self.rows[going]
        if which.any() and self.theta.ndim > 1:
            self.order.keep(going)
            self.noise.keep(going)
            self.state = {name: array[going] for name, array in self.state.items()}
            self.data = [array[going] if array.ndim > 2 else array for array in self.data]
            self.held_out = [array[going] if array.ndim > 2 else array for array in self.held_out]
            self._hold(self.theta[going])

    def shuffled(self) -> list[Array]:
        """x and target in a new random order, (..., N, features): gathered once, so that batches are slices."""
        n = self.data[0].shape[-2]
        order = self.order.draw(lambda rng: rng.permutation(n))
        replica = np.arange(len(order))[:, None]
        return [array[replica, order] if array.ndim > 2 else array[order] for array in self.data]

    def epoch(self, number: int, batch_size: int) -> Array:
        """Train on every sample once; return the mean loss of each replica that is still there."""
        x, target = self.shuffled()
        total = np.zeros(self.theta.shape[:-1])[()]
        for start in range(0, x.shape[-2], batch_size):
            x_batch = x[..., start : start + batch_size, :]
            y, backward = self.network.forward(self.params, x_batch, self.noise)
            loss, dy = self.loss(y, target[..., start : start + batch_size, :])
            backward(dy, self.grads, need_dx=False)
            self.before[...] = self.theta
            self.optimizer.step(self.theta, self.gradient, self.state)
            if np.vdot(self.theta, self.zeros) != 0 or np.count_nonzero(
                loss - loss
            ):  # NaN where something is not finite
                finite = np.isfinite(loss) & np.isfinite(self.theta).all(axis=-1)
                self._freeze(~finite.reshape(-1), number, x_batch)
                if not len(self.rows):
                    break
                x, target, total, loss = x[finite], target[finite], total[finite], loss[finite]
            total = total + loss * x_batch.shape[-2]
        return total / x.shape[-2]

    def _freeze(self, bad: Array, number: int, x: Array) -> None:
        """Put the replicas that diverged in this step back to their last finite theta, and stop them."""
        places = self._first_non_finite(x)
        rates = self.state["rate"].reshape(-1)
        messages = [
            f"training diverged in epoch {number + 1} at learning rate {rates[i]:.6g}: "
            f"the first number that is not finite stood in {places[i]}"
            for i in np.flatnonzero(bad)
        ]
        self.theta.reshape(len(bad), -1)[bad] = self.before.reshape(len(bad), -1)[bad]
        self.publish()
        self.stop(bad, "diverged", number, messages)

    def _first_non_finite(self, x: Array) -> list[str]:
        """For each replica the place where the last step first met a number that is not finite."""
        places = ["the loss"] * len(self.rows)

        def look(array: Array, place: str) -> None:
            for i in np.flatnonzero(~np.isfinite(array.reshape(len(self.rows), -1)).all(axis=1)):
                if places[i] == "the loss":
                    places[i] = place

        noise = deepcopy(self.noise)  # the streams of the replicas that go on stay where they are
        layers = list(enumerate(self.network.layers))
        for (i, layer), group in zip(layers, self.network.unpack(self.before), strict=True):
            x = layer.forward(group, x, noise)[0]
            look(x, f"the output of layer {i}, {layer}")
        for vector, what in ((self.gradient, "gradient"), (self.theta, "updated parameters")):
            shape = vector.reshape(len(self.rows), -1)
            for (i, layer), group in reversed(list(zip(layers, self.network.slices, strict=True))):
                look(shape[:, group], f"the {what} of layer {i}, {layer}")
        return places

    def validate(self) -> tuple[Array, Array]:
        """Loss and metric on the held-out data, one value a replica."""
        x, target = self.held_out
        y = self.network(self.theta, x)
        target = np.broadcast_to(target, y.shape)
        return self.loss(y, target)[0], self.loss.metric(y, target)


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
    theta: Array | None = None,
    dtype: npt.DTypeLike = np.float32,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
) -> Run:
    """Train by minibatches and return the Run.

    x: (N, n_in), y: (N,) integer labels or (N, n_out). `seed` is an int, or a sequence of K for K replicas, each with
    weights, batch order and noise of its own; then x may be (K, N, n_in), and y with it. Training starts at a copy of
    `theta`, or at network.init_theta(seed, dtype). Ctrl-C ends the training and keeps the Run.

    Raises ValueError for data that does not fit, and DivergenceError when a single network diverges; replicas that
    diverge are frozen at their last finite theta and recorded, and the others go on.
    """
    for name, count in (("epochs", epochs), ("batch_size", batch_size)):
        require(count == int(count) and count >= 1, f"{name} has to be an integer >= 1, got {count}")
    theta = network.init_theta(seed, dtype) if theta is None else np.array(theta)
    expected = (*np.shape(seed), network.size)  # type: ignore[arg-type]
    require(
        theta.shape == expected, f"theta has to be of shape {expected} for this network and seed, got {theta.shape}"
    )
    require_finite(theta, "theta")
    data = _checked(network, loss, theta, x, y, "")
    held_out = [] if validation is None else _checked(network, loss, theta, *validation, "validation ")

    names = ["loss", "validation_loss", "validation_metric"] if held_out else ["loss"]
    table = {name: np.full((epochs, *theta.shape[:-1]), np.nan) for name in names}
    replicas = int(np.prod(theta.shape[:-1]))
    run = Run(network, theta, {name: array[:0] for name, array in table.items()}, [Stop("running", 0, "")] * replicas)
    work = _Replicas(run, loss, optimizer, seed, data, held_out)
    statistics = any(parameter.role == "statistic" for parameter in network.parameters)
    epoch = 0
    with np.errstate(all="ignore"):
        try:
            for epoch in _counted(epochs, progress):
                values = [work.epoch(epoch, batch_size)]
                if not len(work.rows):
                    break
                if statistics:
                    network.calibrate(work.params, work.data[0])
                if held_out:
                    values += work.validate()
                for name, value in zip(names, values, strict=True):
                    table[name].reshape(epochs, -1)[epoch, work.rows] = value
                run.history = {name: array[: epoch + 1] for name, array in table.items()}
                for callback in callbacks:
                    work.publish()
                    stops = np.broadcast_to(np.asarray(callback(run), bool), replicas)[work.rows]
                    reason = getattr(callback, "__name__", type(callback).__name__)
                    work.stop(stops, reason, epoch + 1, [f"stopped by {reason}"] * stops.sum())
                if not len(work.rows):
                    break
            else:
                epoch = epochs
            end, message = "finished", f"all {epochs} epochs done"
        except KeyboardInterrupt:
            end, message = "interrupted", f"interrupted in epoch {epoch + 1}"
    work.publish()
    work.stop(np.ones(len(work.rows), bool), end, epoch, [message] * len(work.rows))
    if theta.ndim == 1 and run.stops[0].reason == "diverged":
        raise DivergenceError(run.stops[0].message, run)
    return run


def _counted(epochs: int, progress: bool) -> Iterable[int]:
    """The epochs, with a progress bar on a terminal if asked for."""
    if not progress:
        return range(epochs)
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(range(epochs), "training", console=console, disable=not console.is_terminal, transient=True)


def _checked(network: Network, loss: Loss, theta: Array, x: npt.ArrayLike, y: npt.ArrayLike, which: str) -> list[Array]:
    """x and the encoded target in theta's dtype, or a ValueError that says what does not fit."""
    x = np.asarray(x)
    shapes = "(N, n_in)" if theta.ndim == 1 else f"(N, n_in) or ({len(theta)}, N, n_in)"
    fits = x.ndim == 2 or (x.ndim == 3 == theta.ndim + 1 and len(x) == len(theta))
    require(fits and x.dtype.kind in "biuf", f"{which}x has to be numbers of shape {shapes}, got {x.dtype} {x.shape}")
    require(x.shape[-2] > 0, f"{which}x is empty: expected at least one row, got shape {x.shape}")
    require_finite(x, f"{which}x")
    with np.errstate(over="ignore"):
        x = x.astype(theta.dtype)
    require_finite(x, f"{which}x as {theta.dtype}")
    n_out = network(theta, x[..., :2, :]).shape[-1]  # a layer that does not fit is named here, before the first step
    target = loss.encode(y, n_out, theta.dtype)
    require(
        target.shape[:-1] == x.shape[:-1],
        f"{which}y has to have one row for each of x: expected {x.shape[:-1]}, got {target.shape[:-1]}",
    )
    return [x, target]
