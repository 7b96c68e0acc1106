"""The gradient check: go a small step, see how far the output moves, and compare that with the way back."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from minnet.layers import Backward, Layer, Parameter
from minnet.network import Network
from minnet.randomness import Streams
from minnet.settings import Array

EPS = float(np.finfo(np.float64).eps)
TOLERANCE = 1e-8  # of the gradient's norm; what a right float64 gradient leaves is about 1e-12


def differentiate(
    f: Callable[[float], Array], *, rounding: float | None = None, start: float = 0.125, levels: int = 16
) -> tuple[Array, Array]:
    """f′(0) of an array-valued f, element by element, and for each element how much it is in doubt.

    Central differences at ever halved steps, extrapolated to step 0; the best is where neighbours in the table agree
    (Ridders 1982). A kink between the steps keeps them apart until the steps are smaller than the way to it. A kink at
    0 itself would let them agree on a value in between, so the jump from the left slope to the right one is
    extrapolated as well, and counts as doubt. So does the rounding error of f (eps |f| if not given) over the step.
    """
    slopes: list[Array] = []
    jumps: list[Array] = []
    with np.errstate(all="ignore"):
        middle = f(0.0)
        noise = EPS * abs(middle) if rounding is None else rounding
        best, doubt = np.zeros_like(middle), np.full_like(middle, np.inf)
        for level in range(levels):
            h = start / 2**level
            up, down = f(h), f(-h)
            old, slopes = slopes, _extrapolate((up - down) / (2 * h), slopes, 2)
            jumps = _extrapolate(((up - middle) - (middle - down)) / h, jumps, 1)
            for j in range(1, level + 1):
                apart = np.maximum(abs(slopes[j] - slopes[j - 1]), abs(slopes[j] - old[j - 1]))
                apart = np.maximum(apart, abs(jumps[j])) + noise / h
                better = apart < doubt
                best, doubt = np.where(better, slopes[j], best), np.where(better, apart, doubt)
            if level and (doubt <= 2 * noise / h).all():  # which is the least that the next step could have
                break
    return best, doubt


def _extrapolate(value: Array, coarser: list[Array], order: int) -> list[Array]:
    """The next row of a Romberg table: errors of order h^order, h^(order + 2), ... are removed one by one."""
    row = [value]
    for j, old in enumerate(coarser):
        row.append(row[j] + (row[j] - old) / (2 ** (order + 2 * j) - 1))
    return row


class Difference(NamedTuple):
    """What the gradient of one array is off by, relative to its norm; `fault` says it in words, "" if there is none."""

    name: str
    error: float
    fault: str


def compare(
    name: str,
    f: Callable[[Array], Array],
    point: Array,
    gradient: Array,
    dy: Array,
    *,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    limit: int = 64,
) -> Difference:
    """Hold `gradient`, said to be that of Σ dy f(point), against differences: by coordinate and in random directions.

    Where there are more than `limit` coordinates, as many are drawn. Coordinates that sit on a kink cannot be decided
    and are left out; more than a few of them, or all, are a fault of their own.
    """
    if not point.size:
        return Difference(name, 0.0, "")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(point.size, min(limit, point.size), replace=False))
    n = len(chosen)
    directions = np.zeros((n + 4, point.size))
    directions[np.arange(n), chosen] = 1
    directions[n:] = rng.standard_normal((4, point.size))
    directions[n:] /= np.linalg.norm(directions[n:], axis=1, keepdims=True)
    estimates, doubts, terms = (np.empty(len(directions)) for _ in range(3))
    size = float(abs(f(point)).max())
    for i, direction in enumerate(directions.reshape(-1, *point.shape)):

        def along(t: float, direction: Array = direction) -> Array:
            return f(point + t * direction)

        slope, doubt = differentiate(along, rounding=EPS * size)
        estimates[i], doubts[i], terms[i] = (dy * slope).sum(), np.linalg.norm(dy * doubt), abs(dy * slope).sum()
    flat = gradient.reshape(-1)
    given = np.concatenate([flat[chosen], directions[n:] @ flat])

    # a gradient far below what it is a sum of is rounding: that of a bias before batch norm, for example
    rounding = 1e-4 * max(float(np.linalg.norm(dy) * size), float(terms.max())) + 1e-300
    scale = max(float(np.linalg.norm(flat[np.isfinite(flat)])), rounding)
    decided = doubts <= 0.1 * tolerance * np.maximum(scale, abs(estimates))
    coordinates = slice(0, n)
    undecided = int((~decided[coordinates]).sum())
    if undecided > min(1 + 0.05 * n, n - 1) or not decided.any():
        why = "not finite, full of kinks, noise that is not from streams, or less than float64 inside?"
        return Difference(
            name, np.inf, f"{name}: {undecided} of {n} entries cannot be checked, since small steps disagree: {why}"
        )
    off = np.where(decided, np.nan_to_num(abs(given - estimates), nan=np.inf), 0)
    scale = max(scale, float(np.linalg.norm(estimates[coordinates][decided[coordinates]])))
    error = float(max(np.linalg.norm(off[coordinates]), *off[n:]) / scale)
    if error <= tolerance:
        return Difference(name, error, "")
    worst = int(np.argmax(off[coordinates]))
    place = f"at {[int(i) for i in np.unravel_index(chosen[worst], point.shape)]}"
    if off[worst] <= tolerance * scale:  # the coordinates drawn are right, so it has to be another
        worst, place = n + int(np.argmax(off[n:])), "along a random direction"
    digits = 3 if abs(given[worst] - estimates[worst]) > 0.01 * abs(given[worst]) else 12
    return Difference(
        name,
        error,
        f"{name}: {place} the way back gives {given[worst]:.{digits}g}, a small step along it gives "
        f"{estimates[worst]:.{digits}g}: {diagnosis(given[:n][decided[:n]], estimates[:n][decided[:n]], tolerance)}",
    )


def diagnosis(given: Array, right: Array, tolerance: float) -> str:
    """What a learner should look for first."""
    wrong = int((~(abs(given - right) <= tolerance * np.linalg.norm(right))).sum())
    if not np.isfinite(given).all():
        return f"{int((~np.isfinite(given)).sum())} of {len(given)} entries are not finite"
    if not given.any():
        return "it is zero everywhere, as if nothing were sent back"
    ratio = given @ right / (right @ right) if right.any() else 0.0
    if not np.linalg.norm(given - ratio * right) <= 1e-6 * np.linalg.norm(given):
        return f"{wrong} of the {len(given)} entries looked at are wrong"
    if abs(ratio + 1) < 1e-6:
        return "the sign is wrong"
    return f"every entry is {ratio:.6g} times what it should be"


@dataclass(frozen=True)
class Point:
    """Where a layer is looked at: theta (..., P), x (..., batch, n_in), and the seeds of its noise (None: inference).

    The streams are made afresh for each evaluation, so that the noise is the same in all of them.
    """

    layer: Layer
    theta: Array
    x: Array
    seeds: int | tuple[int, ...] | None = None

    def forward(self, theta: Array | None = None, x: Array | None = None) -> tuple[Array, Backward]:
        """The layer's forward on copies, here or with another theta or x."""
        params = self.layer.unpack(np.array(self.theta if theta is None else theta))
        return self.layer.forward(params, np.array(self.x if x is None else x), self.streams())

    def streams(self) -> Streams | None:
        """The noise of this point, from its start."""
        return None if self.seeds is None else Streams(self.seeds, "noise")

    def dy(self, y: Array) -> Array:
        """A random dL/dy for this y, with one row a replica."""
        return (
            np.random.default_rng([1, 1]).standard_normal((*self.theta.shape[:-1], *y.shape[-2:])).astype(self.x.dtype)
        )

    def round_trip(
        self, *, dy: Array | None = None, fill: float = 0.0, need_dx: bool = True
    ) -> tuple[Array, Array | None, Array]:
        """Forward and backward: y, dx and the gradient (..., P), in which `fill` stood before."""
        y, backward = self.forward()
        gradient = np.full_like(self.theta, fill)
        dx = backward(self.dy(y) if dy is None else dy.copy(), self.layer.unpack(gradient), need_dx)
        return y, dx, gradient


def columns(layer: Layer) -> list[tuple[Parameter, slice]]:
    """Every parameter, and where in theta (..., P) it stands."""
    ends = list(accumulate((int(np.prod(p.shape)) for p in layer.parameters), initial=0))
    return [(p, slice(*ends[i : i + 2])) for i, p in enumerate(layer.parameters)]


def draw_theta(layer: Layer, seeds: int | tuple[int, ...]) -> Array:
    """A theta in general position: all but statistics are shaken, since zero biases and unit scales hide mistakes."""
    theta = Network(layer).init_theta(seeds, np.float64)
    shake = 0.1 * np.random.default_rng([1, 2]).standard_normal(theta.shape)
    return theta + shake * ~statistics(layer)


def statistics(layer: Layer) -> Array:
    """Which entries of theta are statistics, (P,)."""
    flags = [np.full(part.stop - part.start, parameter.role == "statistic") for parameter, part in columns(layer)]
    return np.concatenate([np.zeros(0, bool), *flags])


def calibrated(layer: Layer, theta: Array, x: Array) -> Array:
    """Theta with the statistics of x, where the layer has any; nothing else is taken over."""
    after = theta.copy()
    if statistics(layer).any():
        layer.calibrate(layer.unpack(after), x.copy())
    return np.where(statistics(layer), after, theta)


def gradient_differences(point: Point, tolerance: float = TOLERANCE) -> list[Difference]:
    """The gradient check of a layer at a point: every parameter, then the input. Statistics have to get exactly 0."""
    y, dx, gradient = point.round_trip()
    dy = point.dy(y)
    found = []
    for parameter, part in columns(point.layer):
        name, shape = f"d{parameter.name}", (*point.theta.shape[:-1], *parameter.shape)
        given = gradient[..., part].reshape(shape)
        if parameter.role == "statistic":
            fault = f"{name}: a statistic's gradient has to be exactly 0, got {given.flat[abs(given).argmax()]:.3g}"
            found.append(Difference(name, float(abs(given).max()), fault if given.any() else ""))
            continue

        def moved(value: Array, part: slice = part) -> Array:
            theta = point.theta.copy()
            theta[..., part] = value.reshape(theta[..., part].shape)
            return point.forward(theta)[0]

        found.append(compare(name, moved, point.theta[..., part].reshape(shape), given, dy, tolerance=tolerance))
    if dx is None or dx.shape[-2:] != point.x.shape[-2:]:
        expected = f"dx: expected an array of x's shape {point.x.shape}, got {None if dx is None else dx.shape}"
        return [*found, Difference("dx", np.inf, expected)]
    dx = dx.reshape(-1, *point.x.shape).sum(axis=0)  # replicas that share x send it the sum of what each sends
    found.append(compare("dx", lambda x: point.forward(x=x)[0], point.x, dx, dy, tolerance=tolerance))
    return found


def gradient_error(
    layer: Layer, x: Array, *, theta: Array | None = None, seed: int | tuple[int, ...] = 0, training: bool = False
) -> float:
    """The largest relative error of the layer's gradient by any parameter and by the input, in float64.

    x: (..., batch, n_in). Right layers stay below 1e-8. `training` gives the layer streams of `seed`, the same ones at
    every evaluation; a tuple of K seeds checks K replicas. Without `theta` a random one is taken.
    """
    x = np.asarray(x, np.float64)
    theta = calibrated(layer, draw_theta(layer, seed), x + 0.5) if theta is None else theta
    return max(d.error for d in gradient_differences(Point(layer, theta, x, seed if training else None)))
