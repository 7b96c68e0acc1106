"""Early stopping: when to end a training that no longer gets better, and which theta was the best."""

from dataclasses import KW_ONLY, dataclass

import numpy as np

from minnet.allowed import Count, NotNegative, Text
from minnet.run import Run
from minnet.settings import Array, Settings


@dataclass(frozen=True, repr=False)
class EarlyStopping(Settings):
    """Stop a replica after `patience` epochs without a new best of `monitor`, and give back the theta of its best.

    `monitor` is any name of the history. A loss is better when lower, a metric when higher; an epoch is a new best if
    it is better by more than `least`. The best theta is given back too when the epochs run out or training diverges.

    >>> EarlyStopping("validation_metric", patience=5)
    EarlyStopping(monitor='validation_metric', patience=5)
    """

    monitor: Text = "validation_loss"
    patience: Count = 10
    _: KW_ONLY
    least: NotNegative = 0.0


class Best:
    """The best of each replica so far: its value, its epoch (0: none yet) and its theta."""

    def __init__(self, stopping: EarlyStopping, theta: Array):
        self.stopping = stopping
        self.theta = theta.reshape(-1, theta.shape[-1]).copy()
        self.value = np.full(len(self.theta), np.inf)
        self.epoch = np.zeros(len(self.theta), int)

    def update(self, rows: Array, value: Array, theta: Array, epoch: int) -> Array:
        """Take in what `epoch` brought the replicas `rows`; return which of them have run out of patience."""
        value = np.reshape(-value if self.stopping.monitor.endswith("metric") else value, -1)
        better = value < self.value[rows] - self.stopping.least
        self.value[rows[better]] = value[better]
        self.epoch[rows[better]] = epoch
        self.theta[rows[better]] = theta.reshape(len(rows), -1)[better]
        return epoch - self.epoch[rows] >= self.stopping.patience

    def message(self, row: int) -> str:
        """Why a replica was stopped."""
        return f"no better {self.stopping.monitor} in {self.stopping.patience} epochs than in epoch {self.epoch[row]}"

    def give_back(self, run: Run) -> None:
        """Put the best theta of each replica into the Run, where there is one, and the epoch it stood at."""
        seen = self.epoch > 0
        run.theta.reshape(self.theta.shape)[seen] = self.theta[seen]
        run.best_epoch = self.epoch.reshape(run.theta.shape[:-1])
