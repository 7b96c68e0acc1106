"""Optimizers that give each parameter a pace of its own, and clipping for any of them.

In order of complexity. The definitions are PyTorch's, but for weight decay, which here spares biases and scales.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np

from minnet.allowed import NUMBER, Allowed, Fraction, NotNegative, Positive
from minnet.layers import Parameter
from minnet.optimizers import Optimizer, State, decay_of, steps
from minnet.schedules import Rate, RateOrSchedule, Schedule
from minnet.settings import Array

Limit = Annotated[float | None, Allowed("> 0 (None or inf: no limit)", NUMBER | None)]


@dataclass(frozen=True, repr=False)
class AdaGrad(Optimizer):
    """s ← s + g², θ ← θ - η g / (√s + ε) (Duchi, Hazan & Singer 2011).

    >>> AdaGrad(0.1, epsilon=1e-8)
    AdaGrad(0.1, epsilon=1e-08)
    """

    rate: RateOrSchedule
    epsilon: Positive = 1e-10

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        return self.first_state(theta) | {"squares": np.zeros_like(theta)}

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        state["squares"] += gradient * gradient
        theta -= self.next_rate(state) * gradient / (np.sqrt(state["squares"]) + self.epsilon)


@dataclass(frozen=True, repr=False)
class RMSProp(Optimizer):
    """s ← ρ s + (1 - ρ) g², θ ← θ - η g / (√s + ε) (Tieleman & Hinton 2012).

    >>> RMSProp(0.01, decay=0.9)
    RMSProp(0.01, decay=0.9)
    """

    rate: RateOrSchedule
    decay: Fraction = 0.99
    epsilon: Positive = 1e-8

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        return self.first_state(theta) | {"squares": np.zeros_like(theta)}

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        squares = state["squares"]
        squares *= self.decay
        squares += (1 - self.decay) * gradient * gradient
        theta -= self.next_rate(state) * gradient / (np.sqrt(squares) + self.epsilon)


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """m ← β₁ m + (1 - β₁) g, s ← β₂ s + (1 - β₂) g², θ ← θ - η m̂ / (√ŝ + ε), m̂ = m / (1 - β₁ᵗ), ŝ = s / (1 - β₂ᵗ).

    Kingma & Ba 2015.

    >>> theta, adam = np.zeros(2), Adam(0.01)
    >>> adam.step(theta, np.array([5.0, -0.5]), adam.init(theta))
    >>> theta.round(6)  # whatever the gradient's size, the first step is one of the rate
    array([-0.01,  0.01])
    """

    rate: RateOrSchedule = 1e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: Positive = 1e-8

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        return self.first_state(theta, counts_steps=True) | _moments(theta)

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        theta -= _adam_update(self, gradient, state, self.next_rate(state))


@dataclass(frozen=True, repr=False)
class AdamW(Optimizer):
    """Adam, and weights shrink by η λ of themselves each step, apart from the gradient (Loshchilov & Hutter 2019).

    >>> AdamW(1e-3, weight_decay=0.1)
    AdamW(weight_decay=0.1)
    """

    rate: RateOrSchedule = 1e-3
    weight_decay: NotNegative = 1e-2
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: Positive = 1e-8

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        return (
            self.first_state(theta, counts_steps=True)
            | _moments(theta)
            | decay_of(self.weight_decay, theta, parameters)
        )

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        rate = self.next_rate(state)
        if self.weight_decay:
            theta -= rate * state["decay"] * theta
        theta -= _adam_update(self, gradient, state, rate)


@dataclass(frozen=True, repr=False)
class Clipped(Optimizer):
    """Another optimizer that sees the gradient clipped, replica by replica (Pascanu, Mikolov & Bengio 2013).

    First each entry to [-value, value], then the whole to a norm of at most `norm`; None leaves that out.

    >>> Clipped(Adam(), norm=1.0)
    Clipped(Adam(), norm=1.0)
    """

    optimizer: Annotated[Optimizer, Allowed("an Optimizer", Optimizer)]
    _: KW_ONLY
    norm: Limit = None
    value: Limit = None

    @property
    def rate(self) -> Rate | Schedule:  # type: ignore[override]  # a field elsewhere; nobody writes it
        """The inner optimizer's."""
        return self.optimizer.rate

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        return self.optimizer.init(theta, parameters)

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        if self.value is not None:
            gradient = np.clip(gradient, -self.value, self.value)
        if self.norm is not None:
            largest = np.abs(gradient).max(axis=-1, keepdims=True, initial=0)
            scale = np.ldexp(np.ones_like(largest), np.maximum(np.frexp(largest)[1] - 1, 0))  # its square may be inf
            scaled = gradient / scale  # by a power of 2: nothing is rounded
            norm = np.sqrt(np.vecdot(scaled, scaled))[..., None]
            gradient = scaled * np.minimum(self.norm / (norm + 1e-6 / scale), scale)
        self.optimizer.step(theta, gradient, state)


def _moments(theta: Array) -> State:
    return {"mean": np.zeros_like(theta), "squares": np.zeros_like(theta)}


def _adam_update(adam: Adam | AdamW, gradient: Array, state: State, rate: Array) -> Array:
    mean, squares = state["mean"], state["squares"]
    mean *= adam.beta1
    mean += (1 - adam.beta1) * gradient
    squares *= adam.beta2
    squares += (1 - adam.beta2) * gradient * gradient
    t = steps(state)
    scale = np.sqrt(squares / (1 - adam.beta2**t))
    scale += adam.epsilon
    return rate / (1 - adam.beta1**t) * mean / scale
