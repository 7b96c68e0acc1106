"""scikit-learn's two optimizers as it defines them, and a memory that lets an optimizer go on where it was."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minnet.layers import Parameter
from minnet.optimizers import Optimizer, State
from minnet.schedules import Rate, RateOrSchedule, Schedule
from minnet.settings import Array


@dataclass(frozen=True, repr=False)
class ClassicalMomentum(Optimizer):
    """v ← μ v - η g, θ ← θ + v; Nesterov: θ ← θ + μ v - η g (Sutskever et al. 2013).

    The velocity holds the learning rates of its time, where minnet's SGD (and PyTorch's) applies today's to all of it.
    """

    rate: RateOrSchedule
    momentum: float
    nesterov: bool

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        return self.first_state(theta) | {"velocity": np.zeros_like(theta)}

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        velocity, move = state["velocity"], self.next_rate(state) * gradient
        velocity *= self.momentum
        velocity -= move
        theta += self.momentum * velocity - move if self.nesterov else velocity


@dataclass(frozen=True, repr=False)
class EfficientAdam(Optimizer):
    """Adam in the form that ends section 2 of Kingma & Ba (2015): θ ← θ - η √(1 - β₂ᵗ) / (1 - β₁ᵗ) m / (√s + ε).

    ε is not corrected for the start, which minnet's Adam (and PyTorch's) does. The state holds m / (1 - β₁) and
    s / (1 - β₂): two passes over theta fewer a step.
    """

    rate: RateOrSchedule
    beta1: float
    beta2: float
    epsilon: float

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        moments = {"mean": np.zeros_like(theta), "squares": np.zeros_like(theta)}
        return self.first_state(theta, counts_steps=True) | moments

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        rate, mean, squares, t = self.next_rate(state), state["mean"], state["squares"], state["step"]
        mean *= self.beta1
        mean += gradient
        squares *= self.beta2
        move = gradient * gradient
        squares += move
        root = (1 - self.beta2) ** 0.5
        np.sqrt(squares, out=move)
        move += self.epsilon / root
        np.divide(mean, move, out=move)
        # after early stopping replicas go on from different epochs, so each has its own count of steps
        start = (1 - self.beta1) / root * np.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
        move *= rate * start.astype(theta.dtype)
        theta -= move


@dataclass(repr=False)  # printed with its optimizer, and arrays take milliseconds
class Memory:
    """The state of an optimizer for all replicas, between trainings, and the `live` one that a training steps on."""

    state: State = field(default_factory=dict)
    live: State = field(default_factory=dict)
    rate: Any = None  # of the last optimizer

    def gather(self) -> None:
        """Bring the state of the replicas that are still in training home."""
        for name, array in self.state.items():
            if array is not self.live[name]:  # a training that lost a replica goes on with copies of the others' rows
                array[self.live["row"][:, 0]] = self.live[name]

    def set_rate(self, rate: Array) -> None:
        """Set the learning rate of each replica that is still in training; rate: (K,), or () for a single network."""
        self.live["rate"][...] = rate[self.live["row"][:, 0], None] if rate.ndim else rate


@dataclass(frozen=True, repr=False)
class Remembering(Optimizer):
    """Another optimizer, which starts from the state in `memory` if there is one, and leaves its own there."""

    optimizer: Optimizer
    memory: Memory

    @property
    def rate(self) -> Rate | Schedule:  # type: ignore[override]  # a field elsewhere; nobody writes it
        """The inner optimizer's."""
        return self.optimizer.rate

    def init(self, theta: Array, parameters: Sequence[Parameter] | None = None) -> State:
        fresh = self.optimizer.init(theta, parameters)
        if self.memory.state.keys() != fresh.keys():  # none yet, or that of another optimizer
            self.memory.state = fresh
        elif self.memory.rate != self.rate:
            self.memory.state["rate"] *= self.rate / self.memory.rate
        self.memory.rate = self.rate
        rows = np.arange(theta.size // theta.shape[-1]).reshape(*theta.shape[:-1], 1)
        self.memory.live = {**self.memory.state, "row": rows}
        return self.memory.live

    def step(self, theta: Array, gradient: Array, state: State) -> None:
        self.memory.live = state
        self.optimizer.step(theta, gradient, state)
