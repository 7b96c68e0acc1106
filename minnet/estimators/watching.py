"""What looks on after each epoch: scikit-learn's rules for stopping, for the learning rate, and for the best theta."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minnet.losses import Loss
from minnet.run import Run
from minnet.settings import Array
from minnet.training import Training

LOWEST_RATE = 1e-6  # an adaptive learning rate that is not above this is divided no further: training stops


class HeldOut(NamedTuple):
    """Validation data: x and target as the network takes them, and the score (y, target, weight) -> one a replica."""

    x: Array
    target: Array
    weight: Array | None
    score: Callable[[Array, Array, Array | None], Array]


@dataclass
class Progress:
    """The best so far of what is watched, one value a replica, and for how many epochs it was not beaten."""

    watched: str
    best: Array
    count: Array
    factor: Array  # of the learning rate

    @classmethod
    def none(cls, watched: str, replicas: tuple[int, ...]) -> "Progress":
        """Before the first epoch."""
        best, count, factor = np.full(replicas, np.inf), np.zeros(replicas, int), np.ones(replicas)
        return cls(watched, best[()], count[()], factor[()])  # of a single network scalars: much faster to count with


@dataclass
class Watch:
    """A callback of `train`: a replica whose best was not beaten by `tol` for over n_iter_no_change epochs stops.

    With held-out data it is the validation score or loss that is watched, and the theta of the best epoch is kept, with
    the optimizer's state beside it, so that training can go on from there. `model` is the estimator.
    """

    model: Any
    loss: Loss
    held_out: HeldOut | None
    theta: Array  # the best one, with held-out data
    state: dict[str, Array]  # the optimizer's at that time
    samples: int  # in an epoch
    losses: list[Array] = field(default_factory=list)
    scores: list[Array] = field(default_factory=list)
    validation_losses: list[Array] = field(default_factory=list)

    def __call__(self, training: Training) -> Array:
        """Which replicas are to stop."""
        model, progress = self.model, self.model._progress
        model._memory.gather()
        value = loss = training.latest("loss")
        self.losses.append(loss)
        self._say("Iteration %d, loss = %.8f", len(self.losses), loss)
        if self.held_out:
            value = self._validate(training, self.held_out)
        progress.count = (progress.count + 1) * (value > progress.best - model.tol)
        if self.held_out and (better := value < progress.best).any():
            self._remember(training, better)
        progress.best = np.fmin(progress.best, value)  # NaN: the replica had stopped before
        late = progress.count > model.n_iter_no_change
        return self._change_rate(late) if model.solver == "sgd" else late

    def finish(self, run: Run) -> None:
        """Give the estimator its fitted attributes."""
        model, best = self.model, self.model._progress.best
        model._memory.gather()
        if any(stop.reason == "diverged" and stop.epoch == len(self.losses) for stop in run.stops):
            for curve in (self.losses, self.scores, self.validation_losses):  # the epoch that nobody came through
                curve.append(np.full(best.shape, np.nan)[()])
        model.n_iter_ = len(self.losses)
        model.t_ += self.samples * len(self.losses)
        model.loss_curve_ = model.loss_curve_ + self.losses
        if self.losses:
            model.loss_ = self.losses[-1]
            for loss in reversed(self.losses):  # of a replica that stopped earlier, the last there is
                model.loss_ = np.where(np.isnan(model.loss_), loss, model.loss_)[()]
        model.best_loss_, model.best_validation_score_ = (None, None) if self.held_out else (best, None)
        if self.held_out:
            model._memory.state = self.state
            model.validation_scores_ = (model.validation_scores_ or []) + self.scores
            model.validation_loss_curve_ = (model.validation_loss_curve_ or []) + self.validation_losses
            model.best_validation_score_ = np.fmax.reduce(model.validation_scores_, initial=-np.inf)

    def _validate(self, training: Training, data: HeldOut) -> Array:
        """The number to be watched: lower is better."""
        y = training(data.x)
        target = np.broadcast_to(data.target, y.shape).astype(y.dtype)
        weight = None if data.weight is None else np.broadcast_to(data.weight, y.shape[:-1])
        going = np.where(np.isnan(self.losses[-1]), np.nan, 1.0)[()]  # a replica that has stopped has no score any more
        with np.errstate(all="ignore"):  # a replica that diverged stands at huge numbers
            self.validation_losses.append(self.loss(y, target, weight)[0] * going)
            self.scores.append(data.score(y, data.target, data.weight) * going)
        self._say("Validation score: %f", self.scores[-1])
        return self.validation_losses[-1] if self.model.early_stopping_on == "loss" else -self.scores[-1]

    def _remember(self, training: Training, better: Array) -> None:
        """Keep theta and the optimizer's state of the replicas that were never better."""
        state = self.model._memory.state
        for kept, now in ((self.theta, training.all_theta), *((self.state[name], state[name]) for name in state)):
            np.copyto(kept, now, where=better[..., None])

    def _change_rate(self, late: Array) -> Array:
        """Let the learning rate follow its mode; return which replicas still have to stop."""
        model, progress = self.model, self.model._progress
        factor, rate = progress.factor, model.learning_rate_init
        if model.learning_rate == "constant":
            return late
        if model.learning_rate == "invscaling":
            seen = model.t_ + self.samples * len(self.losses)
            progress.factor = factor * 0 + (seen + 1) ** -model.power_t
        else:
            divided = late & (rate * factor > LOWEST_RATE)
            progress.factor = np.where(divided, factor / 5, factor)[()]
            progress.count = progress.count * ~divided
            late = late & ~divided
        model._memory.set_rate(rate * progress.factor)
        return late

    def _say(self, text: str, *values: Any) -> None:
        if self.model.verbose:
            print(text % tuple(np.nanmean(value) for value in values))
