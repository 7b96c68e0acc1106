"""What can be computed of a function of one variable and its derivative: limits, kinks, moments, where it breaks.

What holds "everywhere" is looked for on a grid over all finite floats: every 1/1024 up to 30, then ever more sparsely.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minnet.activations import Activation
from minnet.settings import Array

_INNER = np.arange(-30 * 1024, 30 * 1024 + 1) / 1024
_TAIL = np.concatenate([np.arange(30.25, 1000, 0.25), np.logspace(3, 308, 1500)])
GRID = np.concatenate([-_TAIL[::-1], _INNER, _TAIL])


def limit(y: Array) -> float:
    """Where the last finite values lead: a number, ±inf, or NaN for none."""
    last = y[np.isfinite(y)][-200:]
    if not len(last):
        return float("nan")
    if abs(last[-1]) > 1e100 or (np.ptp(last) > 1 and (np.diff(last) > 0).all() | (np.diff(last) < 0).all()):
        return float(np.copysign(np.inf, last[-1]))
    return float(last[-1]) + 0.0 if np.ptp(last[-20:]) <= 1e-6 * max(1.0, abs(last[-1])) else float("nan")


def monotone(y: Array) -> str:
    """In one word, to within rounding."""
    step = np.diff(y) / np.maximum(np.abs(y[1:]), 1)
    up, down = (step > 1e-13).any(), (step < -1e-13).any()
    return "no" if up and down else "increasing" if up else "decreasing" if down else "constant"


def extreme(f: Callable[[Array], Array], y: Array, limits: Iterable[float], sign: int) -> tuple[float, bool]:
    """The largest of f (or of -f), refined around the best point of the grid; whether a point, not a limit, has it."""
    best = int(np.nanargmax(np.where(np.isfinite(y), sign * y, -np.inf)))
    low, high = GRID[max(best - 1, 0)], GRID[min(best + 1, len(GRID) - 1)]
    value = sign * y[best]
    for _ in range(6):
        x = np.linspace(low, high, 201)
        z = np.where(np.isfinite(f(x)), sign * f(x), -np.inf)
        i = int(z.argmax())
        value = max(value, z[i])
        low, high = x[max(i - 1, 0)], x[min(i + 1, 200)]
    beyond = [sign * limit for limit in limits if not np.isnan(limit)]
    top = max([value, *beyond])
    return float(sign * top), bool(value >= top) and not np.isinf(top)


def flat(y: Array, d: Array, end: float) -> bool:
    """Whether the end of the range is reached where f is level, and not only approached until it is rounded to it."""
    near = np.abs(GRID) <= 10
    reached = np.abs(y - end) <= 1e-6 * max(1.0, abs(end))
    return bool((near & reached & ((d == 0) | (np.diff(np.sign(d), append=d[-1]) != 0))).any())


def breakpoints(f: Callable[[Array], Array]) -> tuple[float, ...]:
    """Where f jumps: intervals of the grid over which it changes visibly are halved until they are nearly empty."""
    y = f(_INNER)
    at = np.flatnonzero(np.abs(np.diff(y)) > 1e-4)
    low, high = _INNER[at], _INNER[at + 1]
    for _ in range(48):
        middle = 0.5 * (low + high)
        bottom, centre, top = f(low), f(middle), f(high)
        left = np.abs(centre - bottom) >= np.abs(top - centre)
        low, high = np.where(left, low, middle), np.where(left, middle, high)
    steps = np.abs(f(high) - f(low)) > 1e-6
    return tuple(sorted({float(np.round(x, 9)) + 0.0 for x in 0.5 * (low + high)[steps]}))


def _end(x: float, jumps: tuple[float, ...]) -> float:
    return next((jump for jump in jumps if abs(jump - x) < 1 / 1000), x)


def zeros(f: Activation, jumps: tuple[float, ...]) -> tuple[float | tuple[float, float], ...]:
    """Single zeros, and intervals of them, in [-30, 30]; where a pole or a jump changes the sign there is none."""
    y = f(_INNER)
    found: list[float | tuple[float, float]] = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], y == 0, [False]]).astype(int)))
    for start, end in zip(edges[::2], edges[1::2] - 1, strict=True):
        first = -np.inf if start == 0 else _end(_INNER[start], jumps)
        last = np.inf if end == len(y) - 1 else _end(_INNER[end], jumps)
        found.append(float(first) if start == end else (float(first), float(last)))
    at = np.flatnonzero(y[1:] * y[:-1] < 0)
    low, high = _INNER[at], _INNER[at + 1]
    for _ in range(60):
        middle = 0.5 * (low + high)
        left = f(low) * f(middle) <= 0
        low, high = np.where(left, low, middle), np.where(left, middle, high)
    crossed = np.abs(f(high) - f(low)) < 0.01 * np.abs(y[at + 1] - y[at])  # as it is where f is continuous
    crossings = [float(x) for x in 0.5 * (low + high)[crossed]]
    return tuple(sorted([*found, *crossings], key=lambda place: place[0] if isinstance(place, tuple) else place))


def moments(f: Activation, breakpoints: tuple[float, ...], variance: float = 1.0) -> tuple[float, ...]:
    """E[f], E[f²], E[f′²] under N(0, variance), by Gauss-Legendre quadrature between the breakpoints.

    NaN where f, or f′, is undefined on a part of the line.
    """
    std = np.sqrt(variance)
    edges = np.unique([*np.arange(-12, 12.25, 0.25), *(k / std for k in breakpoints if abs(k) < 12 * std)])
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half) + half * nodes
    mass = half * weights * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    y, d = f(std * z), f.derivative(std * z)
    d = np.where(np.isnan(y), y, d)
    return tuple(
        0.0 if abs(v) <= 1e-13 else float(v) for v in ((mass * y).sum(), (mass * y * y).sum(), (mass * d * d).sum())
    )


def saturation(f: Activation, limits: tuple[float, float], dtype: Any) -> tuple[float, float]:
    """From where on, to the left and to the right, f is its limit to the last digit; NaN where it never is.

    Where f is not finite is said elsewhere, and does not count.
    """
    ends = []
    for sign, limit in zip((-1, 1), limits, strict=True):
        x = sign * np.concatenate([_INNER[_INNER >= 0], _TAIL[: np.searchsorted(_TAIL, np.finfo(dtype).max)]]).astype(
            dtype
        )
        y = f(x)
        other = np.flatnonzero((y != dtype(limit)) & np.isfinite(y))
        if not np.isfinite(limit) or len(other) == 0 or other[-1] == len(x) - 1:
            ends.append(0.0 if np.isfinite(limit) and len(other) == 0 else float("nan"))
            continue
        low, high = x[other[-1]], x[other[-1] + 1]
        for _ in range(60):
            middle = np.array([low / 2 + high / 2], dtype)
            low, high = (low, middle[0]) if f(middle)[0] == dtype(limit) else (middle[0], high)
        ends.append(float(high) if abs(high) > 1e-12 else 0.0)
    return ends[0], ends[1]


def runs(bad: Callable[[Array], Array], most: int = 6) -> list[str]:
    """The stretches of all floats where `bad` holds, in words, their ends found by halving."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad(GRID), [False]]).astype(int)))
    starts, ends = edges[::2], edges[1::2] - 1
    last = len(GRID) - 1
    firsts = _edges(bad, starts, np.maximum(starts - 1, 0))
    lasts = _edges(bad, ends, np.minimum(ends + 1, last))
    texts = []
    for start, end, low, high in zip(starts, ends, firsts, lasts, strict=True):
        if start == 0:
            texts.append("everywhere" if end == last else f"below {high:.6g}")
        elif end == last:
            texts.append(f"above {low:.6g}")
        else:
            texts.append(f"at {GRID[start]:.6g}" if start == end else f"from {low:.6g} to {high:.6g}")
    return texts if len(texts) <= most else [*texts[:most], f"in {len(texts) - most} more stretches"]


def _edges(bad: Callable[[Array], Array], inside: Array, outside: Array) -> Array:
    low, high = GRID[inside], GRID[outside]
    for _ in range(60):
        middle = low / 2 + high / 2
        there = bad(middle)
        low, high = np.where(there, middle, low), np.where(there, high, middle)
    return low


def breaks(f: Activation, y: Array, d: Array) -> Iterable[str]:
    """Where value and derivative are not finite, or hide a NaN; y and d are those on the grid."""
    for values, function, name in ((y, f, "value"), (d, f.derivative, "derivative")):

        def bad(x: Array, function: Callable[[Array], Array] = function) -> Array:
            return ~np.isfinite(function(x))

        yield from (f"{name} not finite {where}" for where in runs(bad))
        ends, nan = function(np.array([-np.inf, np.inf])), function(np.array([np.nan]))
        for x, end, tail in zip(("-∞", "+∞"), ends, (values[::-1], values), strict=True):
            if np.isnan(end) and not np.isnan(limit(tail)):
                yield f"{name} NaN at {x}"
        if not np.isnan(nan[0]):
            yield f"{name} {nan[0]:.6g} at NaN"
        yield from (f"{name} loses its digits {where} in float32" for where in _lost_in_float32(function))


def _lost_in_float32(f: Callable[[Array], Array]) -> Iterable[str]:
    """Where f in float32 keeps fewer than 4 of its 7 digits: at 5 of 10 points in a row, so it is no root or kink."""
    x = GRID[np.abs(GRID) < 1e30].astype(np.float32)
    mine, true = f(x), f(x.astype(np.float64))
    lost = np.isfinite(mine) & (np.abs(mine - true) > 1e-4 * np.abs(true)) & (np.abs(true) > 1e-30)
    often = np.convolve(lost, np.ones(10, int), "same") >= 5
    left, right = x[often & (x < 0)], x[often & (x > 0)]
    yield from (f"below {x:.4g}" for x in left[-1:])
    yield from (f"above {x:.4g}" for x in right[:1])


def lost_digits(f: Activation, member: Activation) -> Iterable[str]:
    """Where an expression that is a member of the catalogue has lost 9 of its 16 digits, on either side of 0."""
    for name, mine, true in (
        ("value", f(GRID), member(GRID)),
        ("derivative", f.derivative(GRID), member.derivative(GRID)),
    ):
        lost = np.isfinite(mine) & (np.abs(mine - true) > 1e-7 * np.abs(true)) & (np.abs(true) > 1e-300)
        for side in (GRID[lost & (GRID < 0)], GRID[lost & (GRID > 0)]):
            if len(side) > 10:  # and not just the kink or the root of a derivative
                yield f"{name} loses its digits from {side[0]:.4g} to {side[-1]:.4g}"
