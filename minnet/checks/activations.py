"""Is my own activation right? As a layer, and its derivative and slope over the whole range of floats."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minnet.activations import Activation
from minnet.checks.findings import (
    ROUNDING,
    Findings,
    Report,
    distance,
    dtype_pairs,
    overflowed,
    settings_checked,
    unchanged,
)
from minnet.checks.gradients import TOLERANCE, diagnosis, differentiate
from minnet.checks.layers import examine_layer
from minnet.findings import GRID, runs
from minnet.settings import Array

Function = Callable[[Array, Array], Array]
SPARSE = GRID[len(GRID) // 2 % 16 :: 16]  # 0 among them


def check_activation(
    activation: Activation, *, strict: bool = False, seed: int = 0, tolerance: float = TOLERANCE
) -> Report:
    """Try an activation as a layer, and its derivative and slope over a wide range of floats.

    Raises CheckError with all faults found. A warning at huge x, and what infinities and NaN give, where no training
    that goes well ever comes, is a note of the report; with `strict` it is a fault too. `tolerance` is that of the
    derivative beside differences.

    >>> from minnet import Tanh
    >>> check_activation(Tanh()).passed[:3]
    ('settings', 'parameters', 'init')
    """
    found = Findings(activation)
    with settings_checked(found, activation, Activation):
        examine_layer(found, activation, 3, 6, seed, tolerance)
        rng = np.random.default_rng(seed)
        near = np.concatenate([[0.0, -0.0], rng.uniform(-20, 20, 200), rng.standard_normal(100)])
        with found.examine("derivative"):
            _derivative(found, activation, near, tolerance)
        with found.examine("slope"):
            far = 10.0 ** rng.uniform(1, 30, 50)
            for dtype in (np.float64, np.float32):
                _slope(found, activation, near.astype(dtype), np.concatenate([near, far, -far]).astype(dtype))
        with found.examine("dtype"):
            _dtypes(found, activation, near)
        for name, f in _functions(activation):
            with found.examine("nothing else written into"):
                _writes(found, name, f, rng.standard_normal((4, 6)), activation)
            with found.examine("element by element"):
                _elementwise(found, name, f, rng.standard_normal((4, 6)), activation)
            with found.examine("NaN and infinity"):
                _extremes(found, name, f, activation, strict)
            with found.examine("finite x"):
                _finite(found, name, f, activation)
        found.expect(not activation.parameters, "an activation has no parameters; one that learns is a Layer")
    return found.report()


def _functions(activation: Activation) -> list[tuple[str, Function]]:
    """Value, derivative and slope as functions of x and y = f(x)."""
    return [
        ("value", lambda x, y: activation(x)),
        ("derivative", lambda x, y: activation.derivative(x)),
        ("slope", activation.slope),
    ]


def _quiet(activation: Activation, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return activation(x.copy())


def _derivative(found: Findings, activation: Activation, x: Array, tolerance: float) -> None:
    given = np.asarray(activation.derivative(x.copy()))
    found.expect(given.shape == x.shape, f"derivative: expected the shape of x {x.shape}, got {given.shape}")
    given = np.broadcast_to(given, x.shape)
    right, doubt = differentiate(lambda t: activation(x + t))
    size = np.fmax(abs(given), abs(right))
    rounding = 1e-3 * abs(_quiet(activation, x))  # a slope far below the value is rounding, a flat step's for example
    allowed = tolerance * np.maximum(np.maximum(size, rounding), min(1.0, float(np.nanmax(size))))
    decided = doubt <= 0.1 * allowed
    share = float(decided.mean())
    found.expect(
        share > 0.95, f"derivative: only {share:.0%} of the points can be checked: the function is too rough there"
    )
    wrong = np.flatnonzero(~(abs(given - right) <= allowed) & (decided | ~np.isfinite(given)))
    if len(wrong):
        i = wrong[np.argmax(np.nan_to_num(abs(given - right)[wrong], nan=np.inf))]
        why = diagnosis(given[decided], right[decided], tolerance) if np.isfinite(given[i]) else "it is not finite"
        numbers = f"got {given[i]:.6g}, a small step along the function gives {right[i]:.6g}"
        found.expect(False, f"derivative at x = {x[i]:.4g}: {numbers}: {why}")


def _slope(found: Findings, activation: Activation, near: Array, x: Array) -> None:
    """A slope may lose the relative accuracy of small values, as 1 - y² does, but not more than its maximum's."""
    with np.errstate(all="ignore"):
        y = activation(x.copy())
        right, slope = activation.derivative(x.copy()), activation.slope(x.copy(), y.copy())
        peak = np.nanmax(abs(activation.derivative(near)))
        off = abs(slope - right) / (np.finfo(x.dtype).eps * np.maximum(peak, abs(right)))
    for name, array in (("value", y), ("derivative", right), ("slope", slope)):
        found.expect(array.shape == x.shape, f"{name}: expected the shape of x {x.shape}, got {array.shape}")
    off = np.where(np.isfinite(y) & np.isfinite(right) & (slope != right), off, 0)
    i = int(np.argmax(np.nan_to_num(off, nan=np.inf)))
    found.expect(
        bool(off[i] <= 8),
        f"slope in {x.dtype} at x = {x[i]:.4g}: expected the derivative {right[i]:.12g}, got {slope[i]:.12g}, "
        f"which is {off[i]:.2g} eps of its maximum {peak:.3g} away (8 are allowed)",
    )


def _dtypes(found: Findings, activation: Activation, x: Array) -> None:
    others = []
    for dtype in (np.float64, np.float32):
        y = _quiet(activation, x.astype(dtype))
        for name, f in _functions(activation):
            with np.errstate(all="ignore"):
                came = np.asarray(f(x.astype(dtype), y)).dtype
            others += [f"{name} {came} for {np.dtype(dtype)}"] * (came != dtype)
    if others:
        found.notes.append(f"of another dtype than x, and cast where the activation is called: {', '.join(others)}")


def _finite(found: Findings, name: str, f: Function, activation: Activation) -> None:
    """At a finite x the result is finite where the same code in a wider dtype says so: nothing overflows in between."""
    for narrow, wide in dtype_pairs():
        most = np.finfo(narrow).max

        def at(x: Array, dtype: Any, narrow: Any = narrow, most: Any = most) -> Array:
            x = np.clip(x, -most, most).astype(narrow).astype(dtype)
            with np.errstate(all="ignore"):
                return np.broadcast_to(f(x, activation(x)), x.shape)

        got = at(SPARSE, narrow)
        try:
            right = at(SPARSE, wide)
        except Exception:
            if wide is np.float64:
                raise
            continue  # what float64 does is asked of code that knows nothing wider
        bad = overflowed(got, right, narrow)
        if bad.any():
            i = np.flatnonzero(bad)[abs(SPARSE[bad]).argmin()]
            where = ", ".join(runs(partial(_not_finite, at, narrow)))
            found.expect(
                False,
                f"{name} in {np.dtype(narrow)} is not finite {where}: got {got[i]} at x = {SPARSE[i]:.6g}, where the "
                f"same code in {np.dtype(wide)} gives {right[i]:.6g}: something overflows in between",
            )


def _not_finite(at: Callable[[Array, Any], Array], dtype: Any, x: Array) -> Array:
    return ~np.isfinite(at(x, dtype))


def _writes(found: Findings, name: str, f: Function, x: Array, activation: Activation) -> None:
    y = _quiet(activation, x)
    x_after, y_after = x.copy(), y.copy()
    f(x_after, y_after)
    unchanged(found, x, x_after, f"{name} writes into x: expected it to stay as it was")
    unchanged(found, y, y_after, f"{name} writes into y: expected it to stay as it was")


def _elementwise(found: Findings, name: str, f: Function, x: Array, activation: Activation) -> None:
    whole = np.broadcast_to(f(x.copy(), _quiet(activation, x)), x.shape)
    order = np.random.default_rng(0).permutation(x.size)
    ways: dict[str, Callable[[Array], Array]] = {
        "reordered": lambda a: a.reshape(-1)[order],
        "as (2, 3, 4)": lambda a: a.reshape(2, 3, 4),
        "transposed": lambda a: a.T,
        "one row at a time": lambda a: a[:1],
        "one by one": lambda a: a[:1, :1],
    }
    apart = []
    for way, change in ways.items():
        got = f(change(x.copy()), change(_quiet(activation, x)))
        same = distance(np.broadcast_to(got, change(x).shape), change(whole)) <= ROUNDING
        apart += [] if same else [way]
    found.expect(not apart, f"{name}: not element by element: x {', '.join(apart)} gives other values")


def _extremes(found: Findings, name: str, f: Function, activation: Activation, strict: bool) -> None:
    def expect(fine: bool, text: str) -> None:
        if strict:
            found.expect(fine, text)
        elif not fine:
            found.notes.append(text)

    x = np.array([np.nan, -2.0, -0.5, 0.5, 2.0])
    with np.errstate(all="ignore"):
        y = np.broadcast_to(f(x, _quiet(activation, x)), 5)
    constant = name != "value" and bool((y[1:] == y[1]).all())  # where it does not depend on x, NaN tells nothing
    expect(constant or bool(np.isnan(y[0])), f"{name} at NaN: expected NaN, so that nothing hides it, got {y[0]}")
    found.expect(bool(np.isfinite(y[1:]).all()), f"{name}: a NaN in x spoils its neighbours")
    places, messages = [], []
    for dtype, large in ((np.float64, 1e30), (np.float32, 1e3)):
        infinities = () if name == "slope" else (-np.inf, np.inf)  # the training step meets finite x only
        for end in (-large, large, *infinities):
            x = np.array([end], dtype)
            y = _quiet(activation, x)
            with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
                warnings.simplefilter("error")
                try:
                    f(x, y)
                except Warning as warning:
                    places.append(f"{end:g} in {np.dtype(dtype)}")
                    messages.append(str(warning))
    what = f"expected no warning, got: {', '.join(sorted(set(messages)))}"
    expect(not places, f"{name} at {', '.join(places)}: {what}")
