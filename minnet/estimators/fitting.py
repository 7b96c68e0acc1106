"""The two ways to fit: by minibatches, with the engine's `train`, or over all the data at once, with its `lbfgs`."""

import warnings
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from minnet.estimators.divergence import DivergedError
from minnet.estimators.optimizers import ClassicalMomentum, EfficientAdam, Remembering
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


def fit_stochastic(
    model: Any, network: Network, theta: Array, X: Any, target: Array, weight: Array | None, incremental: bool
) -> Array:
    """Train for up to max_iter epochs, or one if incremental; set the fitted attributes and return theta."""
    loss, head = model._loss_and_head()
    network, x = over_rows(network, X, theta.dtype) if issparse(X) else (network, X)
    held_out = None
    if model.early_stopping:
        x, target, weight, held_out = _split(model, x, target, weight, binary=head == "logistic")
    watched = f"validation {model.early_stopping_on}" if held_out else "loss"
    if model._progress.watched != watched:
        model._progress = Progress.none(watched, theta.shape[:-1])
    elif not incremental:
        model._progress.factor = np.ones(theta.shape[:-1])
    watch = Watch(model, loss, held_out, theta.copy(), len(target))
    batch = _batch_size(model, len(target))
    try:
        run = train(
            network, loss, Remembering(_optimizer(model), model._memory), x, target, shuffle=model.shuffle,
            epochs=1 if incremental else model.max_iter, batch_size=batch, seed=model._seeds(theta.shape[:-1]),
            weight=weight, penalty=_penalty(model, batch, weight), theta=theta, callbacks=[watch],
        )  # fmt: skip
    except DivergenceError as error:
        raise _too_fast(model, str(error), error.run) from None
    watch.finish(run)
    if not incremental:
        _warn(model, run)
    return _without_diverged(model, run, watch.theta if held_out else run.theta)


def fit_lbfgs(
    model: Any, network: Network, theta: Array, X: Any, target: Array, weight: Array | None, incremental: bool
) -> Array:
    """Minimise over all the data for up to max_iter iterations; set the fitted attributes and return theta."""
    require(not np.any(model.dropout), f"solver 'lbfgs' trains without dropout, got dropout={model.dropout}")
    network, x = over_rows(network, X, theta.dtype) if issparse(X) else (network, X)
    with steady(network.size, len(target)), np.errstate(all="ignore"):
        run = lbfgs(
            network, model._loss_and_head()[0], x, target, seed=model._seeds(theta.shape[:-1]), weight=weight,
            penalty=_penalty(model, len(target), weight), theta=theta, iterations=model.max_iter, tolerance=model.tol,
            evaluations=model.max_fun, flat=FLAT,
        )  # fmt: skip
    curve = run.history["loss"]
    model.n_iter_ = max(stop.epoch for stop in run.stops)
    model.loss_curve_ = list(curve)
    model.loss_ = model.best_loss_ = np.nanmin(curve, axis=0)
    if model.verbose:
        for i, loss in enumerate(curve):
            print(f"Iteration {i + 1}, loss = {np.nanmean(loss):.8f}")
    if not np.isfinite(run.theta).all():
        raise DivergedError("lbfgs met a number that is not finite: try another start or a higher alpha", run)
    if any(stop.reason == "finished" for stop in run.stops):
        message = f"lbfgs failed to converge after {model.n_iter_} iteration(s): max_iter ({model.max_iter}) or max_fun"
        warnings.warn(f"{message} ({model.max_fun}) was reached.", ConvergenceWarning, stacklevel=4)
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
        text = "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
        warnings.warn(text, stacklevel=5)
    return min(model.batch_size, samples)


def _split(model: Any, x: Array, target: Array, weight: Array | None, binary: bool) -> Any:
    """What is trained on, and what is held out; two classes keep their shares."""
    train_rows, rows = train_test_split(
        np.arange(len(target)),
        random_state=model._random_state,
        test_size=model.validation_fraction,
        stratify=target if binary and target.shape[1] == 1 else None,
    )
    few = "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
    require(len(rows) >= 2, few)
    weights = (None, None) if weight is None else (weight[train_rows], weight[rows])
    held_out = HeldOut(x[rows], target[rows], weights[1], model._score)
    return x[train_rows], target[train_rows], weights[0], held_out


def _too_fast(model: Any, message: str, run: Run) -> DivergedError:
    advice = f"The data are finite: lower learning_rate_init ({model.learning_rate_init}), or scale the data."
    return DivergedError(f"{message}. {advice}", run)


def _warn(model: Any, run: Run) -> None:
    reasons = {stop.reason for stop in run.stops}
    if "interrupted" in reasons:
        warnings.warn("Training interrupted by user.", stacklevel=5)
    if "finished" in reasons:
        text = "Stochastic Optimizer: Maximum iterations (%d) reached and the optimization hasn't converged yet."
        warnings.warn(text % model.max_iter, ConvergenceWarning, stacklevel=5)


def _without_diverged(model: Any, run: Run, theta: Array) -> Array:
    """Theta of the replicas that did not diverge, and all that is kept of them; an error if there are none."""
    if not run.diverged.any():
        return theta
    going = np.flatnonzero(~run.diverged)
    messages = [stop.message for stop in run.stops if stop.reason == "diverged"]
    if not len(going):
        raise _too_fast(model, messages[0], run)
    text = f"{len(messages)} of {len(run.stops)} replicas diverged and are left out: {messages[0]}"
    warnings.warn(text, ConvergenceWarning, stacklevel=5)
    model._keep(going)
    return theta[going]
