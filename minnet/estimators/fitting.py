"""The two ways to fit: by minibatches, with the engine's `train`, or over all the data at once, with its `lbfgs`."""

import sys
import warnings
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor as Theirs

from minnet.estimators.divergence import DivergedError
from minnet.estimators.optimizers import ClassicalMomentum, EfficientAdam, Memory, Remembering
from minnet.estimators.sparse import over_rows
from minnet.estimators.watching import HeldOut, Progress, Watch
from minnet.full_batch import lbfgs
from minnet.machine import steady
from minnet.network import Network
from minnet.optimizers import Optimizer
from minnet.penalties import Penalty
from minnet.run import DivergenceError, Run
from minnet.settings import Array, require
from minnet.training import train

FLAT = 1e7 * float(np.finfo(float).eps)  # scipy's own default: a relative decrease below it ends L-BFGS
NOT_FINITE = (  # scikit-learn's words, which programs may look for
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed"
)


def fit_stochastic(
    model: Any, network: Network, theta: Array, X: Any, target: Array, weight: Array | None, incremental: bool
) -> Array:
    """Train for up to max_iter epochs, or one if incremental; set the fitted attributes and return theta."""
    loss, optimizer = model._loss_and_head()[0], _optimizer(model)
    network, x = over_rows(network, X, theta.dtype) if issparse(X) else (network, X)
    held_out = None
    if model.early_stopping:
        x, target, weight, held_out = _split(model, x, target, weight)
    watched = f"validation {model.early_stopping_on}" if held_out else "loss"
    if model._progress.watched != watched:
        model._progress = Progress.none(watched, theta.shape[:-1])
    elif not incremental:
        model._progress.factor = np.ones(theta.shape[:-1])
    watch = Watch(model, loss, held_out, theta.copy(), optimizer.init(theta), len(target))
    batch = _batch_size(model, len(target))
    try:
        run = train(
            network, loss, Remembering(optimizer, model._memory), x, target, shuffle=model.shuffle,
            epochs=1 if incremental else model.max_iter, batch_size=batch, seed=model._seeds(theta.shape[:-1]),
            sample_weight=weight, penalty=_penalty(model, batch, weight), start=theta, callbacks=[watch],
        )  # fmt: skip
    except DivergenceError as error:
        run = error.run
    return _kept(model, run, watch, incremental)


def fit_lbfgs(
    model: Any, network: Network, theta: Array, X: Any, target: Array, weight: Array | None, incremental: bool
) -> Array:
    """Minimise over all the data for up to max_iter iterations; set the fitted attributes and return theta."""
    require(not np.any(model.dropout), f"solver 'lbfgs' trains without dropout, got dropout={model.dropout}")
    network, x = over_rows(network, X, theta.dtype) if issparse(X) else (network, X)
    with steady(network.size, len(target)), np.errstate(all="ignore"):
        run = lbfgs(
            network, model._loss_and_head()[0], x, target, seed=model._seeds(theta.shape[:-1]), sample_weight=weight,
            penalty=_penalty(model, len(target), weight), start=theta, iterations=model.max_iter, tolerance=model.tol,
            evaluations=model.max_fun, flat=FLAT,
        )  # fmt: skip
    model.n_iter_ = max(stop.epoch for stop in run.stops)
    model.loss_curve_ = list(run.history["loss"][: model.n_iter_])
    model.loss_ = model.best_loss_ = np.fmin.reduce(run.history["loss"], axis=0)
    if model.verbose:
        for i, loss in enumerate(model.loss_curve_):
            print(f"Iteration {i + 1}, loss = {np.nanmean(loss):.8f}")
    if not (np.isfinite(run.theta).all() and np.isfinite(model.loss_).all()):
        raise DivergedError(f"{NOT_FINITE}, or alpha ({model.alpha}) may be too low for lbfgs.", run)
    if any(stop.reason == "finished" for stop in run.stops):
        message = f"lbfgs failed to converge after {model.n_iter_} iteration(s): max_iter ({model.max_iter}) or max_fun"
        _warn(f"{message} ({model.max_fun}) was reached.", ConvergenceWarning)
    return run.theta


def _optimizer(model: Any) -> Optimizer:
    if model.solver == "sgd":
        return ClassicalMomentum(model.learning_rate_init, model.momentum, model.nesterovs_momentum)
    return EfficientAdam(model.learning_rate_init, model.beta_1, model.beta_2, model.epsilon)


def _penalty(model: Any, batch: int, weight: Array | None) -> Penalty | None:
    """alpha / 2 Σw², divided by the weight of a batch."""
    return Penalty(l2=model.alpha / (batch if weight is None else batch * weight.mean())) if model.alpha else None


def _batch_size(model: Any, samples: int) -> int:
    if model.batch_size == "auto":
        return min(200, samples)
    if model.batch_size > samples:
        _warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(model.batch_size, samples)


def _split(model: Any, x: Array, target: Array, weight: Array | None) -> Any:
    """What is trained on, and what is held out, of the samples that have weight; two classes keep their shares."""
    there = np.arange(len(target)) if weight is None else np.flatnonzero(weight)
    two_classes = model.loss == "log_loss" and target.shape[1] == 1
    train_rows, rows = train_test_split(
        there,
        random_state=model._random_state,
        test_size=model.validation_fraction,
        stratify=model.classes_[target[there].astype(int)] if two_classes else None,
    )
    few = "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
    if len(there) < len(target):
        few += f" Only {len(there)} of {len(target)} samples have a weight above 0."
    require(len(rows) >= 2, few)
    weights = (None, None) if weight is None else (weight[train_rows], weight[rows])
    held_out = HeldOut(x[rows], target[rows], weights[1], model._score)
    return x[train_rows], target[train_rows], weights[0], held_out


def _kept(model: Any, run: Run, watch: Watch, incremental: bool) -> Array:
    """Set the fitted attributes and return theta of the replicas that are kept; an error if there are none.

    One that diverged is kept as it was after its best epoch, if there was held-out data to tell which that is.
    """
    best = np.atleast_1d(np.isfinite(model._progress.best)) & (watch.held_out is not None)
    lost, saved = run.diverged & ~best, run.diverged & best
    first = next((f"{stop.message}." for stop in run.stops if stop.reason == "diverged"), "")
    if lost.all():
        model._memory = Memory()  # what the optimizer had gathered is not finite either
        rate = f"learning_rate_init ({model.learning_rate_init}) may be too high"
        raise DivergedError(f"{NOT_FINITE}, or {rate}: {first}", run)
    watch.finish(run)
    reasons = {stop.reason for stop in run.stops}
    if "interrupted" in reasons and not incremental:
        _warn("Training interrupted by user.")
    if "finished" in reasons and not incremental:
        text = "Stochastic Optimizer: Maximum iterations (%d) reached and the optimization hasn't converged yet."
        _warn(text % model.max_iter, ConvergenceWarning)
    for which, now in ((lost, "are left out"), (saved, "keep the weights of their best epoch")):
        if which.any():
            several = f"{which.sum()} of {len(which)} replicas diverged and {now}"
            what = several if len(which) > 1 else "The weights of the best epoch are kept"
            _warn(f"{what}: {first}", ConvergenceWarning)
    theta = watch.theta if watch.held_out else run.theta
    if not lost.any():
        return theta
    model._keep(np.flatnonzero(~lost))
    return theta[~lost]


def _warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called the estimator, under the module name that programs' filters know it by."""
    frame = sys._getframe()
    while frame.f_globals.get("__name__", "").startswith("minnet.") and frame.f_back:
        frame = frame.f_back
    warnings.warn_explicit(text, category, frame.f_code.co_filename, frame.f_lineno, module=Theirs.__module__)
