"""An optimizer moves theta a little way downhill. Its memory is an argument, `state`, and never inside it.

Every array of the state is (..., P) or (..., 1), so that a replica is a row of it, as it is a row of theta.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np

from minnet.layers import Parameter
from minnet.settings import Array, Settings, require

State = dict[str, Array]


class Optimizer(Settings, ABC):
    """The contract. An optimizer of your own is a frozen dataclass with a `rate`, `init` and `step`."""

    rate: float | tuple[float, ...]

    @abstractmethod
    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        """The state before the first step. `parameters` tells which part of theta plays which role."""

    @abstractmethod
    def step(self, theta: Array, gradient: Array, state: State) -> None:
        """Update theta and state in place; the gradient is left as it is."""

    def rates(self, theta: Array) -> Array:
        """The learning rate as an array (..., 1) in theta's dtype: one number, or one a replica."""
        rate, replicas = np.asarray(self.rate, theta.dtype), theta.shape[:-1]
        if rate.ndim and rate.shape != replicas:
            raise ValueError(f"{self} has {rate.size} learning rates, but theta holds {replicas or 'no'} replicas")
        return np.broadcast_to(rate, replicas)[..., None].copy()


def of_role(role: str, theta: Array, parameters: Sequence[Parameter] | None) -> Array:
    """1 where theta (..., P) holds parameters of this role, 0 elsewhere; 1 everywhere if nothing is known."""
    if parameters is None:
        return np.ones_like(theta)
    flags = [np.full(int(np.prod(p.shape)), p.role == role, theta.dtype) for p in parameters]
    return np.broadcast_to(np.concatenate(flags), theta.shape).copy()


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent: v ← μ v + g, θ ← θ - η v (Robbins & Monro 1951; momentum: Polyak 1964).

    Nesterov (1983), as Sutskever et al. (2013) write it: θ ← θ - η (g + μ v). Weight decay adds λ θ to the gradient,
    for weights only: biases and scales are spared. The definitions are PyTorch's. `rate` is a number or one a replica.
    """

    rate: float | tuple[float, ...]
    momentum: float = 0.0
    _: KW_ONLY
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        require(bool(np.all(np.asarray(self.rate) >= 0)), f"SGD expects a learning rate >= 0, got {self.rate}")
        require(0 <= self.momentum < 1, f"SGD expects a momentum in [0, 1), got {self.momentum}")
        require(not self.nesterov or self.momentum > 0, "SGD(nesterov=True) expects a momentum > 0, got 0")
        require(self.weight_decay >= 0, f"SGD expects a weight decay >= 0, got {self.weight_decay}")

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        """The learning rates, and a velocity of zero if there is momentum."""
        state = {"rate": self.rates(theta)}
        if self.momentum:
            state["velocity"] = np.zeros_like(theta)
        if self.weight_decay:
            state["decay"] = self.weight_decay * of_role("weight", theta, parameters)
        return state

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        """θ ← θ - η ∂L/∂θ, with what momentum and decay add to it."""
        if self.weight_decay:
            gradient = gradient + state["decay"] * theta
        if self.momentum:
            velocity = state["velocity"]
            velocity *= self.momentum
            velocity += gradient
            gradient = gradient + self.momentum * velocity if self.nesterov else velocity
        theta -= state["rate"] * gradient
