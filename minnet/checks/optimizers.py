"""Is my own optimizer right? Downhill, row by row, all memory in the state, and hands off statistics."""

import copy
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from minnet.checks.findings import Findings, Report, distance, expect_close, settings_checked, unchanged
from minnet.initializers import zeros
from minnet.layers import Parameter, Role
from minnet.optimizers import Optimizer, State
from minnet.settings import Array

ROLES: tuple[Role, ...] = ("weight", "bias", "scale", "statistic")
PARAMETERS = tuple(Parameter(role, (1, 3), zeros, role) for role in ROLES)
STATISTIC = np.repeat([role == "statistic" for role in ROLES], 3)


def check_optimizer(optimizer: Optimizer, *, seed: int = 0) -> Report:
    """Try an optimizer on a convex quadratic, alone and with replicas. Raises CheckError with all faults found.

    >>> from minnet import SGD
    >>> check_optimizer(SGD(0.1)).notes
    ()
    """
    found = Findings(optimizer)
    with settings_checked(found, optimizer, Optimizer):
        rng = np.random.default_rng(seed)
        _check_optimizer(found, optimizer, rng.standard_normal((3, 12)), rng.standard_normal((5, 3, 12)) * ~STATISTIC)
    return found.report()


def _run(optimizer: Optimizer, theta: Array, gradients: Array, state: State | None = None) -> tuple[Array, State]:
    """Theta and state after one step for each of the gradients, beginning at a copy of theta."""
    theta = theta.copy()
    state = optimizer.init(theta, PARAMETERS) if state is None else copy.deepcopy(state)
    for gradient in gradients:
        optimizer.step(theta, gradient.copy(), state)
    return theta, state


def _with(optimizer: Any, **settings: Any) -> Optimizer | None:
    """The same optimizer with other settings, or None where it has no such setting."""
    return replace(optimizer, **settings) if set(settings) <= set(_settings(optimizer)) else None


def _settings(optimizer: Any) -> list[str]:
    return [field.name for field in fields(optimizer)] if is_dataclass(optimizer) else []


def _check_optimizer(found: Findings, optimizer: Any, theta: Array, gradients: Array) -> None:
    """theta: three replicas (3, 12) of PARAMETERS; gradients: (steps, 3, 12), 0 for statistics."""
    rate = getattr(optimizer, "rate", None)
    if isinstance(rate, tuple):  # one a replica: the first stands for all that follows
        optimizer, rate = _with(optimizer, rate=rate[0]) or optimizer, rate[0]
    working, fits = False, True
    with found.examine("init"):
        before = theta.copy()
        state, other = optimizer.init(theta, PARAMETERS), optimizer.init(theta, PARAMETERS)
        optimizer.init(theta)
        unchanged(found, before, theta, "init moves theta: expected it to stay as it was")
        for name, array in state.items():
            if getattr(array, "shape", None) not in ((3, 12), (3, 1)):
                fits = False
                shape = getattr(array, "shape", type(array).__name__)
                found.expect(fits, f"state[{name!r}]: expected shape (3, 12) or (3, 1) for theta (3, 12), got {shape}")
                continue
            found.expect(not np.shares_memory(array, theta), f"state[{name!r}] is theta itself: expected a copy")
            apart = not np.shares_memory(array, other[name])
            found.expect(apart, f"state[{name!r}] is shared between two runs: expected an array of its own")
        found.expect("rate" in state, "state: expected an entry 'rate', which train names when a replica diverges")
        for name, array in optimizer.init(theta[0], PARAMETERS).items():
            shape = np.shape(array)
            found.expect(
                shape in ((12,), (1,)), f"state[{name!r}]: expected shape (12,) or (1,) for theta (12,), got {shape}"
            )
    with found.examine("a first step"):
        gradient, moving = gradients[0].copy(), theta.copy()
        optimizer.step(moving, gradient, optimizer.init(moving, PARAMETERS))
        unchanged(found, gradients[0], gradient, "step writes into the gradient: expected it to stay as it was")
        found.expect(not np.array_equal(moving, theta), "step leaves theta where it was: it has to be changed in place")
        working = fits
    if not working:
        return
    with found.examine("downhill"):
        _downhill(found, _with(optimizer, rate=1e-4) if isinstance(rate, float | int) else optimizer, theta)
    with found.examine("replicas"):
        _replicas(found, optimizer, theta, gradients)
        if isinstance(rate, float | int) and "rate" in _settings(optimizer):
            rates = (rate, rate / 2, rate / 4)
            _replicas(
                found, replace(optimizer, rate=rates), theta, gradients, [replace(optimizer, rate=r) for r in rates]
            )
    with found.examine("rows taken out"):
        whole, state = _run(optimizer, theta, gradients[:2])
        rows = np.array([0, 2])
        kept, state_kept = _run(optimizer, whole[rows], gradients[2:, rows], {n: a[rows] for n, a in state.items()})
        whole, state = _run(optimizer, whole, gradients[2:], state)
        expect_close(found, "after a replica is taken out the others go on differently", kept, whole[rows])
        for name, array in state_kept.items():
            expect_close(
                found, f"state[{name!r}]: after a replica is taken out it goes on differently", array, state[name][rows]
            )
    with found.examine("no state inside"):
        straight = _run(optimizer, theta, gradients)[0]
        expect_close(
            found, "the same run twice: expected the same theta", _run(optimizer, theta, gradients)[0], straight
        )
        a, b = theta.copy(), 2 * theta
        state_a, state_b = optimizer.init(a, PARAMETERS), optimizer.init(b, PARAMETERS)
        for gradient in gradients:  # deep copies, so that no memory can hide in the identity of an array
            optimizer.step(a, gradient.copy(), state_a)
            optimizer.step(b, -2 * gradient, state_b)
            a, state_a = a.copy(), copy.deepcopy(state_a)
        expect_close(
            found, "two runs taking turns: expected the theta of each alone; all memory belongs into state", a, straight
        )
    with found.examine("dtype"):
        small, state = _run(optimizer, theta.astype(np.float32), gradients.astype(np.float32))
        for name, array in state.items():
            came = array.dtype
            found.expect(
                came.kind != "f" or came == np.float32, f"state[{name!r}]: expected float32 as theta is, got {came}"
            )
        off = distance(small, _run(optimizer, theta, gradients)[0])
        found.expect(off <= 1e-4, f"in float32 theta is {off:.1g} from that in float64: expected rounding only")
    with found.examine("roles"):
        _roles(found, optimizer, theta, gradients)


def _downhill(found: Findings, optimizer: Optimizer | None, theta: Array) -> None:
    if optimizer is None:
        return
    curvature = np.linspace(0.5, 2.0, theta.shape[-1]) * ~STATISTIC
    after = _run(optimizer, theta, curvature * theta[None])[0]
    before_L, after_L = ((curvature * p * p).sum(axis=-1) / 2 for p in (theta, after))
    found.expect(
        bool((after_L < before_L).all()),
        f"one small step on a convex quadratic: expected L to fall from {before_L[0]:.6g}, got {after_L[0]:.6g}",
    )


def _replicas(
    found: Findings, optimizer: Optimizer, theta: Array, gradients: Array, alone: Sequence[Optimizer] | None = None
) -> None:
    own = "" if alone is None else ", each with a rate of its own,"
    for k in (1, 2, 3) if alone is None else (3,):
        together = _run(optimizer, theta[:k], gradients[:, :k])[0]
        for i in range(k):
            one = _run(optimizer if alone is None else alone[i], theta[i], gradients[:, i])[0]
            expect_close(found, f"replicas{own} together: expected the theta of each alone", together[i], one)


def _roles(found: Findings, optimizer: Optimizer, theta: Array, gradients: Array) -> None:
    decaying = _with(optimizer, weight_decay=0.1)
    for tried in (optimizer, decaying):
        if tried is not None:
            moved = _run(tried, theta, gradients)[0][:, STATISTIC]
            unchanged(found, theta[:, STATISTIC], moved, f"{tried} moves statistics, whose gradient is 0")
    if decaying is None:
        return
    if isinstance(getattr(optimizer, "rate", None), float | int):  # small, lest an adaptive step overshoot 0
        decaying = _with(decaying, rate=1e-4) or decaying
    still = _run(decaying, theta, 0 * gradients[:1])[0]
    for i, role in enumerate(ROLES[:3]):
        before, after = theta[:, 3 * i : 3 * i + 3], still[:, 3 * i : 3 * i + 3]
        if role == "weight":
            shrunk = bool(abs(after).sum() < abs(before).sum())
            found.expect(shrunk, "weight_decay: expected weights to shrink where the gradient is 0")
        else:
            unchanged(found, before, after, f"weight_decay moves a {role}: expected weights only")
