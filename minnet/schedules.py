"""The learning rate as a function of the step: a schedule stands where a rate stands, SGD(CosineDecay(0.1, 1000)).

Every schedule has a `rate`, a number or one a replica, and multiplies it with a factor that depends on how many steps
were taken before. The definitions are PyTorch's, stepped once a batch.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np

from minnet.allowed import NUMBER, Allowed, Count, Fraction, NotNegative, Positive, Text
from minnet.settings import Array, Settings, require

Rate = Annotated[float | tuple[float, ...], Allowed(">= 0", many=True)]
BetweenZeroAndOne = Annotated[float, Allowed("> 0 and < 1")]


class Schedule(Settings, ABC):
    """The contract. A schedule of your own is a frozen dataclass with a `rate` and a `factor`.

    >>> [ExponentialDecay(0.1, gamma=0.5).factor(step) for step in range(4)]  # times the rate
    [1.0, 0.5, 0.25, 0.125]
    """

    rate: Rate

    @abstractmethod
    def factor(self, step: int) -> float:
        """What the rate is multiplied with when `step` steps were taken before."""

    def after_epoch(self, history: Mapping[str, Array]) -> Array | float:
        """A second factor, one a replica, that the history (epochs, K) asks for: 1 unless the schedule looks at it."""
        return 1.0


RateOrSchedule = Annotated[Rate | Schedule, Allowed(">= 0", NUMBER | Schedule, many=True)]


@dataclass(frozen=True, repr=False)
class StepDecay(Schedule):
    """γ^(step // every).

    >>> [StepDecay(0.1, every=2, gamma=0.5).factor(step) for step in (0, 1, 2, 4)]
    [1.0, 1.0, 0.5, 0.25]
    """

    rate: Rate
    every: Count
    gamma: Positive = 0.1

    def factor(self, step: int) -> float:
        return float(self.gamma ** (step // self.every))


@dataclass(frozen=True, repr=False)
class ExponentialDecay(Schedule):
    """γ^step.

    >>> [ExponentialDecay(0.1, gamma=0.5).factor(step) for step in (0, 1, 2)]
    [1.0, 0.5, 0.25]
    """

    rate: Rate
    gamma: Positive

    def factor(self, step: int) -> float:
        return float(self.gamma**step)


@dataclass(frozen=True, repr=False)
class CosineDecay(Schedule):
    """From 1 down to `end` along half a cosine over `steps` steps, then `end` (Loshchilov & Hutter 2017).

    >>> [round(CosineDecay(0.1, steps=4).factor(step), 3) for step in (0, 1, 2, 4, 9)]
    [1.0, 0.854, 0.5, 0.0, 0.0]
    """

    rate: Rate
    steps: Count
    end: NotNegative = 0.0

    def factor(self, step: int) -> float:
        return _cosine(1.0, self.end, min(step / self.steps, 1.0))


@dataclass(frozen=True, repr=False)
class WarmUp(Schedule):
    """A straight line from `start` to 1 over the first `steps` steps (Goyal et al. 2017), then on with `schedule`.

    >>> [WarmUp(0.1, steps=4).factor(step) for step in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """

    schedule: RateOrSchedule
    steps: Count
    start: Annotated[float, Allowed(">= 0 and <= 1")] = 0.0

    @property
    def rate(self) -> Rate:  # type: ignore[override]  # a field elsewhere; nobody writes it
        """The rate of what follows the warm-up."""
        return self.schedule.rate if isinstance(self.schedule, Schedule) else self.schedule

    def factor(self, step: int) -> float:
        if step < self.steps:
            return self.start + (1 - self.start) * step / self.steps
        return self.schedule.factor(step - self.steps) if isinstance(self.schedule, Schedule) else 1.0

    def after_epoch(self, history: Mapping[str, Array]) -> Array | float:
        return self.schedule.after_epoch(history) if isinstance(self.schedule, Schedule) else 1.0


@dataclass(frozen=True, repr=False)
class OneCycle(Schedule):
    """Up from rate / 25 to `rate` over the first part of `steps`, then down to almost nothing (Smith & Topin 2018).

    Half a cosine each way; `rate` is the highest. The start is 1 / `divide` of it, the end 1 / `final_divide` of that.

    >>> [round(OneCycle(0.1, steps=100).factor(step), 3) for step in (0, 30, 100)]
    [0.04, 0.999, 0.0]
    """

    rate: Rate
    steps: Count
    _: KW_ONLY
    rise: BetweenZeroAndOne = 0.3
    divide: Positive = 25.0
    final_divide: Positive = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.rise * self.steps > 1, f"OneCycle expects its rise to last over 1 step, got {self.rise * self.steps}"
        )

    def factor(self, step: int) -> float:
        start, top = 1 / self.divide, self.rise * self.steps - 1
        if step <= top:
            return _cosine(start, 1.0, step / top)
        return _cosine(1.0, start / self.final_divide, min((step - top) / (self.steps - 1 - top), 1.0))


@dataclass(frozen=True, repr=False)
class ReduceOnPlateau(Schedule):
    """Times `gamma` whenever `monitor` has not got better by a share of `threshold` for more than `patience` epochs.

    A loss is better when lower, a metric when higher. Each replica has a history and a count of its own, and after a
    reduction the count starts anew.

    >>> history = {"validation_loss": np.ones((12, 1))}
    >>> float(ReduceOnPlateau(0.1).after_epoch(history)[0])
    0.1
    """

    rate: Rate
    gamma: BetweenZeroAndOne = 0.1
    patience: Annotated[int, Allowed("an integer >= 0", int)] = 10
    _: KW_ONLY
    monitor: Text = "validation_loss"
    threshold: Fraction = 1e-4

    def factor(self, step: int) -> float:
        return 1.0

    def after_epoch(self, history: Mapping[str, Array]) -> Array | float:
        require(self.monitor in history, f"{self} expects {self.monitor!r} in the history, got {', '.join(history)}")
        values = -history[self.monitor] if self.monitor.endswith("metric") else history[self.monitor]
        best = np.full(values.shape[1:], np.inf)
        bad, reductions = np.zeros(best.shape, int), np.zeros(best.shape, int)
        for value in values:
            better = value < best * (1 - self.threshold * np.sign(best))  # lower, whatever its sign
            best = np.where(better, value, best)
            bad = np.where(better, 0, bad + 1)
            reductions += bad > self.patience
            bad = np.where(bad > self.patience, 0, bad)
        return self.gamma**reductions


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
