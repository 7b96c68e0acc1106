"""What training leaves behind: the trained numbers, the history, and why it stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minnet.network import Network
from minnet.optimizers import Optimizer, State
from minnet.settings import Array
from minnet.shown import Rows, Shown, training_rows

Callback = Callable[[Any], Any]  # called with the Training after each epoch; what is true, (K,) or one for all, stops


class Stop(NamedTuple):
    """Why a replica stopped, after how many whole epochs, and in words.

    >>> Stop("finished", 100, "all epochs").epoch
    100
    """

    reason: str  # "finished", "diverged", "interrupted", "early stopping", or the name of a callback
    epoch: int
    message: str


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """A training between two steps, as a value: all that its next step depends on besides settings and data.

    theta: (K, P) or (P,); `state`, `shuffling` and `noise` (states of random generators): one entry for each replica
    that has not stopped; `memory`: what each callback remembers, by callback. Two are equal if all numbers are.

    >>> from minnet import SGD, Dense, mse, train
    >>> x = np.linspace(-1, 1, 32)[:, None]
    >>> settings = {"batch_size": 8, "seed": 0}
    >>> half = train(Network(Dense(1, 1)), mse, SGD(0.1), x, 2 * x, epochs=5, **settings)
    >>> whole = train(Network(Dense(1, 1)), mse, SGD(0.1), x, 2 * x, epochs=10, start=half.snapshot, **settings)
    >>> whole.snapshot == train(Network(Dense(1, 1)), mse, SGD(0.1), x, 2 * x, epochs=10, **settings).snapshot
    True
    """

    theta: Array
    optimizer: Optimizer
    state: State
    shuffling: list[dict[str, Any]]
    noise: list[dict[str, Any]]
    history: dict[str, Array]
    stops: list[Stop]
    memory: dict[Any, dict[str, Array]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and all(
            _same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)
        )

    __hash__ = None  # type: ignore[assignment]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    return a == b


@dataclass(repr=False)
class Run(Shown):
    """What training leaves: the network, theta (P,) or (K, P), the history by epoch and replica, and why it stopped.

    `history` maps a name to an array (epochs,) or (epochs, K): "loss" (the mean over each epoch's batches, before each
    update), and with validation data "validation_loss" and "validation_metric" (accuracy, or R²). NaN: not recorded.
    `best_epoch` is there after early stopping: theta is that of the end of this epoch, counted from 1.

    >>> from minnet import SGD, Dense, mse, train
    >>> x = np.linspace(-1, 1, 32)[:, None]
    >>> run = train(Network(Dense(1, 1)), mse, SGD(0.1), x, 2 * x, epochs=50, batch_size=8, seed=[0, 1, 2])
    >>> run.theta.shape, run.history["loss"].shape, run.diverged
    ((3, 2), (50, 3), array([False, False, False]))
    """

    network: Network
    theta: Array
    history: dict[str, Array]
    stops: list[Stop] = field(default_factory=list)
    best_epoch: Array | None = None
    snapshot: Snapshot | None = None

    def __call__(self, x: npt.ArrayLike) -> Array:
        """The trained network's outputs: x (..., batch, n_in) -> (..., batch, n_out)."""
        return self.network(self.theta, np.asarray(x))

    @property
    def diverged(self) -> Array:
        """Which replicas diverged, (K,); one entry for a single network."""
        return np.array([stop.reason == "diverged" for stop in self.stops])

    def shown(self) -> tuple[str, Rows]:
        replicas = f"{len(self.stops)} replicas of " if self.theta.ndim > 1 else ""
        title = f"Run of {replicas}{self.network}, {self.network.size} parameters"
        return title, training_rows(self.stops, self.history)


class DivergenceError(ArithmeticError):
    """A single network's training met a number that is not finite. `run` keeps the last finite theta.

    >>> from minnet import SGD, Dense, mse, train
    >>> x = np.ones((4, 1))
    >>> try:
    ...     train(Network(Dense(1, 1)), mse, SGD(1e30), x, x, epochs=9, batch_size=4, seed=0)
    ... except DivergenceError as error:
    ...     print(error.run.stops[0].reason)
    diverged
    """

    def __init__(self, message: str, run: Run):
        super().__init__(message)
        self.run = run
