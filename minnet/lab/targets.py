"""A function of one variable for networks to approximate: the sine, a formula of the user's, or a table of points."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from minnet.lab.csv_files import nearest, read_csv
from minnet.lab.expressions import Function, expression
from minnet.network import Network
from minnet.settings import Array, require


@dataclass(frozen=True)
class Target:
    """f on [low, high], finite and not constant there; `points` (n,) are the x of a table, straight lines between."""

    name: str
    f: Function
    low: float
    high: float
    points: Array | None = None

    def __post_init__(self) -> None:
        ends = f"[{self.low:g}, {self.high:g}]"
        fits = -1e9 <= self.low < self.high <= 1e9 and self.high - self.low >= 1e-6
        require(fits, f"{self.name} expects an interval within ±1e9 that is at least 1e-6 long, got {ends}")
        x = self.grid(2**16 + 1)
        y = self.f(x)
        good = np.abs(y) <= 1e100  # not so where y is NaN
        if not good.all():
            found = f"at x = {x[~good][0]:.6g} it is {y[~good][0]:g}"
            raise ValueError(f"{self.name} has to be finite, and at most 1e100, on {ends}; {found}")
        require(bool(np.ptp(y) > 0), f"{self.name} is the same all over {ends}: there is nothing to approximate")

    def grid(self, n: int) -> Array:
        """n points from low to high, evenly spaced: (n,)."""
        return np.linspace(self.low, self.high, n)

    def knots(self, units: int) -> tuple[Array, Array]:
        """units + 1 points of the grid, and f there."""
        x = self.grid(units + 1)
        return x, self.f(x)

    def good_knots(self, units: int) -> tuple[Array, Array]:
        """The same; of a table with no more points than that, its own points, at which alone it bends."""
        if self.points is None or len(self.points) > units + 1:
            return self.knots(units)
        return self.points, self.f(self.points)

    def variation(self, units: int, between: int) -> float:
        """The most that f varies from one knot to the next, seen at `between` points for each."""
        y = self.f(self.grid(units * between + 1))
        spans = np.column_stack([y[:-1].reshape(units, between), y[between::between]])
        return float(np.ptp(spans, axis=1).max())

    def sup_error(self, built: tuple[Network, Array], x: Array) -> float:
        """max |network - f| over the points x (N,), of a network and its theta (P,)."""
        network, theta = built
        return float(self._largest(network(theta, x[:, None])[..., 0] - self.f(x)))

    @cached_property
    def span(self) -> tuple[float, float]:
        """The middle of f's values, and half of their range."""
        y = self.f(self.grid(2**12 + 1))
        return float(y.max() + y.min()) / 2, float(np.ptp(y)) / 2

    def scaled(self, x: Array) -> tuple[Array, Array]:
        """What a network learns: x (N,) and f(x), both brought to [-1, 1], as (N, 1)."""
        middle, half = self.span
        u = (2 * x - self.low - self.high) / (self.high - self.low)
        return u[:, None], ((self.f(x) - middle) / half)[:, None]

    def learned(self, network: Network, theta: Array, x: Array) -> Array:
        """What a network that learned the scaled f says of f at x (N,), in float64: theta (..., P) -> (..., N)."""
        middle, half = self.span
        return middle + half * network(theta.astype(float), self.scaled(x)[0])[..., 0]

    def learned_error(self, network: Network, theta: Array, x: Array) -> Array:
        """max |learned - f| over the points x (N,) of each replica: theta (K, P) -> (K,)."""
        return self._largest(self.learned(network, theta, x) - self.f(x))

    def rounding(self, units: Array | int, h: Array | float) -> Array:
        """What rounding may add to the error of a construction with knots h apart: its terms cancel each other."""
        far = max(abs(self.low), abs(self.high))
        return 4 * np.finfo(float).eps * np.asarray(units) * self.span[1] * (1 + far / np.asarray(h))

    def _largest(self, error: Array) -> Array:
        """max |error|, or one eps of f's range if that is more: then it has a logarithm."""
        return np.maximum(np.abs(error).max(axis=-1), np.finfo(float).eps * self.span[1])


SINE = Target("sin(x)", np.sin, -np.pi, np.pi)


def target(formula: str | None, data: Path | None, low: float, high: float) -> Target:
    """The target that a user asked for; the sine if none. Raises ValueError, in one line, for what is none."""
    require(formula is None or data is None, "--function and --data exclude each other")
    if data is not None:
        return from_table(data)
    if formula is not None:
        return Target(formula, expression(formula), low, high)
    return SINE if (low, high) == (SINE.low, SINE.high) else Target("sin(x)", np.sin, low, high)


def from_table(path: Path) -> Target:
    """The straight lines between the points of a CSV file's columns x and y; y is averaged where an x comes twice."""
    _, frame = read_csv(path)
    for name in ("x", "y"):
        require(name in frame, f"{path.name} has no column {name!r}{nearest(name, list(frame))}")
        numbers = pd.to_numeric(frame[name], errors="coerce").astype(float)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad):
            found = frame[name].iloc[bad[0]]
            raise ValueError(f"{path.name}: column {name!r} has to hold finite numbers; row {bad[0] + 1} holds {found}")
        frame[name] = numbers
    means = frame.groupby("x").y.mean()
    x, y = means.index.to_numpy(float), means.to_numpy(float)
    require(len(x) >= 3, f"{path.name} has to hold at least 3 different x, got {len(x)}")
    return Target(path.name, lambda at: np.interp(at, x, y), float(x[0]), float(x[-1]), x)
