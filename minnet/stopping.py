"""Early stopping: when a training that no longer gets better ends, and which theta was the best."""

from dataclasses import KW_ONLY, dataclass

import numpy as np

from minnet.allowed import Count, NotNegative, Text
from minnet.run import Run
from minnet.settings import Array, Settings, require
from minnet.training import Training


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

    def memory(self, training: Training) -> dict[str, Array]:
        """The best of each replica so far: its value, its epoch (0: none yet) and its theta."""
        known, count = training.measured, training.count
        without = "" if training.validation else " without validation data"
        require(self.monitor in known, f"{self} can only watch {', '.join(known)}{without}")
        theta = training.all_theta.reshape(count, -1).copy()
        return {"value": np.full(count, np.inf), "epoch": np.zeros(count, int), "theta": theta}

    def __call__(self, training: Training) -> None:
        best, rows, epoch = training.memory[self], training.rows, training.epochs_done
        value = np.reshape(training.latest(self.monitor), -1)[rows]
        value = -value if self.monitor.endswith("metric") else value
        better = value < best["value"][rows] - self.least
        best["value"][rows[better]] = value[better]
        best["epoch"][rows[better]] = epoch
        best["theta"][rows[better]] = training.theta.reshape(len(rows), -1)[better]
        out_of_patience = epoch - best["epoch"][rows] >= self.patience
        text = f"no better {self.monitor} in {self.patience} epochs than in epoch"
        messages = [f"{text} {best['epoch'][row]}" for row in rows[out_of_patience]]
        training.stop(out_of_patience, "early stopping", messages)

    def end(self, training: Training, run: Run) -> None:
        """Put the best theta of each replica into the Run, where there is one, and the epoch it stood at."""
        best = training.memory[self]
        seen = best["epoch"] > 0
        run.theta.reshape(best["theta"].shape)[seen] = best["theta"][seen]
        run.best_epoch = best["epoch"].reshape(training.shape)
