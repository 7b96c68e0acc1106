"""An optimizer moves theta a little way downhill. Its memory is an argument, `state`, and never inside it.

Every array of the state is (..., P) or (..., 1), so that a replica is a row of it, as it is a row of theta.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any

import numpy as np

from minnet.allowed import Fraction, NotNegative, Switch
from minnet.layers import Parameter
from minnet.schedules import Rate, RateOrSchedule, Schedule
from minnet.settings import Array, Settings, require

State = dict[str, Array]


class Optimizer(Settings, ABC):
    """The contract. An optimizer of your own is a frozen dataclass with a `rate`, `init` and `step`.

    >>> sgd = SGD(0.5)
    >>> theta, gradient = np.array([1.0, 2.0]), np.array([0.2, -0.2])
    >>> sgd.step(theta, gradient, sgd.init(theta))
    >>> theta
    array([0.9, 2.1])
    """

    rate: Rate | Schedule

    @abstractmethod
    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        """The state before the first step. `parameters` tells which part of theta plays which role."""

    @abstractmethod
    def step(self, theta: Array, gradient: Array, state: State) -> None:
        """Update theta and state in place; the gradient is left as it is."""

    def first_state(self, theta: Array, counts_steps: bool = False) -> State:
        """The learning rate as an array (..., 1) in theta's dtype, and what `next_rate` needs besides."""
        scheduled = isinstance(self.rate, Schedule)
        rate = np.asarray(self.rate.rate if isinstance(self.rate, Schedule) else self.rate, theta.dtype)
        replicas = theta.shape[:-1]
        if rate.ndim and rate.shape != replicas:
            raise ValueError(f"{self} has {rate.size} learning rates, but theta holds {replicas or 'no'} replicas")
        state = {"rate": np.broadcast_to(rate, replicas)[..., None].copy()}
        if scheduled:
            state["after_epoch"] = np.ones_like(state["rate"])
        if scheduled or counts_steps:
            state["step"] = np.zeros(state["rate"].shape, np.int64)
        return state

    def rate_of(self, state: State) -> Array:
        """The learning rate of the latest step, (..., 1)."""
        if isinstance(self.rate, Schedule):
            return state["rate"] * state["after_epoch"] * self.rate.factor(steps(state) - 1)
        return state["rate"]

    def next_rate(self, state: State) -> Array:
        """Count a step, where somebody needs the count, and return its learning rate, (..., 1)."""
        if "step" not in state:
            return state["rate"]
        state["step"] += 1
        return self.rate_of(state)


def steps(state: State) -> int:
    """How many steps were taken: all replicas take theirs together."""
    return int(state["step"].flat[0])


def weights_only(theta: Array, parameters: Sequence[Parameter] | None) -> Array:
    """1 where theta (..., P) holds weights, 0 for biases, scales and statistics; 1 everywhere if nothing is known."""
    if parameters is None:
        return np.ones_like(theta)
    roles = [np.full(int(np.prod(p.shape)), p.role == "weight", theta.dtype) for p in parameters]
    return np.broadcast_to(np.concatenate(roles), theta.shape).copy()


def with_rate(part: Any, rate: Rate) -> Any:
    """The same optimizer (or schedule) at another learning rate, wherever within it the rate is kept."""
    names = [field.name for field in fields(part)]
    inner = [name for name in names if isinstance(getattr(part, name), Optimizer | Schedule)]
    if inner:
        return replace(part, **{inner[0]: with_rate(getattr(part, inner[0]), rate)})
    return replace(part, **{"rate" if "rate" in names else "schedule": rate})  # WarmUp's stands in `schedule`


def decay_of(weight_decay: float, theta: Array, parameters: Sequence[Parameter] | None) -> State:
    """The weight decay of each entry of theta, as state; none if there is no decay."""
    return {"decay": weight_decay * weights_only(theta, parameters)} if weight_decay else {}


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent: v ← μ v + g, θ ← θ - η v (Robbins & Monro 1951; momentum: Polyak 1964).

    Nesterov (1983), as Sutskever et al. (2013) write it: θ ← θ - η (g + μ v). Weight decay adds λ θ to the gradient,
    for weights only: biases and scales are spared. The definitions are PyTorch's. `rate` is a number, one a replica, or
    a schedule.

    >>> SGD(0.1, 0.9, nesterov=True)
    SGD(0.1, momentum=0.9, nesterov=True)
    """

    rate: RateOrSchedule
    momentum: Fraction = 0.0
    _: KW_ONLY
    nesterov: Switch = False
    weight_decay: NotNegative = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not self.nesterov or self.momentum > 0, "SGD(nesterov=True) expects a momentum > 0, got 0")

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        """The learning rates, and a velocity of zero if there is momentum."""
        velocity = {"velocity": np.zeros_like(theta)} if self.momentum else {}
        return self.first_state(theta) | velocity | decay_of(self.weight_decay, theta, parameters)

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        """θ ← θ - η ∂L/∂θ, with what momentum and decay add to it."""
        if self.weight_decay:
            gradient = gradient + state["decay"] * theta
        if self.momentum:
            velocity = state["velocity"]
            velocity *= self.momentum
            velocity += gradient
            gradient = gradient + self.momentum * velocity if self.nesterov else velocity
        theta -= self.next_rate(state) * gradient
