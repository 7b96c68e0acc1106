"""What an activation already is: members of the catalogue that it equals up to scale and shift of in- and output."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from minnet.activations import Activation, LeakyReLU
from minnet.catalogue import CATALOGUE
from minnet.rectifiers import ELU
from minnet.settings import Array

_X = np.linspace(-5.9, 6.1, 97)


class Match(NamedTuple):
    """f(x) = scale · member(a x + b) + shift."""

    member: Activation
    a: float
    b: float
    scale: float
    shift: float

    @property
    def is_itself(self) -> bool:
        """Whether nothing has to be scaled or shifted."""
        return (self.a, self.b, self.scale, self.shift) == (1, 0, 1, 0)

    @property
    def text(self) -> str:
        if self.is_itself:
            return repr(self.member)
        inside = f"{_factor(self.a)}x{_addend(self.b)}"
        outside = _factor(self.scale)
        return f"{outside}{' ' * (outside not in ('', '-'))}{self.member!r}({inside}){_addend(self.shift)}"


def _factor(value: float) -> str:
    if abs(value) == 1:
        return "" if value > 0 else "-"
    fraction = Fraction(value).limit_denominator(12)
    short = f"{value:.7g}"
    return short if len(short) < 7 or value != float(fraction) else f"({fraction})"


def _addend(value: float) -> str:
    return f" {'-' if value < 0 else '+'} {abs(value):.7g}" if value else ""


def equivalents(f: Activation, shape: Any, shape_of: Callable[[Activation], Any]) -> list[Match]:
    """The matches of f in the catalogue, the simplest first; f itself is left out.

    `shape` is the datasheet of f, and `shape_of` computes that of a member: those of another build are passed over.
    """
    with np.errstate(all="ignore"):
        y = f(_X)
        if not np.isfinite(y).all() or np.ptp(y) == 0:
            return []
        found = []
        for member in _candidates(f, shape):
            if not _is(member, f) and (match := _match(f, y, shape, member, shape_of(member))):
                found.append(match)
    return sorted(found, key=lambda match: not match.is_itself)


def _is(member: Activation, f: Activation) -> bool:
    """Whether f is this member; what == says of a class of one's own counts for nothing."""
    return type(member) is type(f) and member == f


def _candidates(f: Activation, shape: Any) -> Iterable[Activation]:
    """The catalogue, and with one kink also the leaky ReLU and the ELU of the slopes beside it."""
    yield from CATALOGUE
    if len(shape.kinks) == 1:
        near = shape.kinks[0] + np.array([-1e-13, 1e-13]), shape.kinks[0] + np.array([-1e-9, 1e-9])
        left, right = max((f.derivative(x) for x in near), key=lambda pair: abs(pair[1] - pair[0]))
        for ratio in (left / right, right / left):
            if 0 < ratio < 1e6 and ratio != 1:
                alpha = float(Fraction(float(ratio)).limit_denominator(1000))
                alpha = alpha if abs(alpha - ratio) < 1e-7 else float(f"{ratio:.11g}")
                yield from (kind(alpha) for kind in (LeakyReLU, ELU) if kind is ELU or alpha < 1)


def _kind(limit: float) -> str:
    return "none" if np.isnan(limit) else "infinite" if np.isinf(limit) else "number"


def _build(shape: Any) -> tuple[Any, ...]:
    """What scale and shift leave alone."""
    kinds = sorted(_kind(limit) for limit in shape.limits)
    return len(shape.kinks), len(shape.jumps), shape.monotone == "no", kinds


def _match(f: Activation, y: Array, shape: Any, g: Activation, g_shape: Any) -> Match | None:
    if _fits(y, g(_X)):
        return Match(g, 1, 0, 1, 0)
    many = len(shape.zeros) > 20 and len(g_shape.zeros) > 20  # kinks and zeros of waves depend on the window
    if not many and _build(shape) != _build(g_shape):
        return None
    from scipy.optimize import least_squares

    def solve(p: Array) -> tuple[Array, Array]:
        columns = np.stack([g(p[0] * _X + p[1]), np.ones_like(_X)], axis=1)
        columns = np.where(np.isfinite(columns), columns, 0)
        outer = np.linalg.lstsq(columns, y, rcond=None)[0]
        return outer, columns @ outer - y

    for start in _starts(shape, g_shape):
        fit = least_squares(lambda p: solve(p)[1], start, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=60)
        outer, rest = solve(fit.x)
        if 1e-3 < abs(fit.x[0]) < 50 and _small(rest, y):  # ever steeper, an ELU comes ever closer to a ReLU
            tidy = np.array([_tidy(v) for v in fit.x])
            scale, shift = (_tidy(v) for v in solve(tidy)[0])
            if _fits(y, scale * g(tidy[0] * _X + tidy[1]) + shift):
                return Match(g, *map(float, (*tidy, scale, shift)))
            return Match(g, *map(float, (*fit.x, *outer)))
    return None


def _starts(shape: Any, g_shape: Any) -> Iterable[tuple[float, float]]:
    """First guesses of a and b: where the kinks and jumps of both fall together."""
    mine, theirs = ([*s.kinks, *s.jumps] for s in (shape, g_shape))
    if len(mine) > 1 and len(mine) == len(theirs):
        a = (max(theirs) - min(theirs)) / (max(mine) - min(mine))
        yield a, min(theirs) - a * min(mine)
        yield -a, max(theirs) + a * min(mine)
    elif len(mine) == 1 == len(theirs):
        yield from ((a, theirs[0] - a * mine[0]) for a in (1.0, -1.0, 2.0, -2.0))
    elif len(shape.zeros) > 20 and len(g_shape.zeros) > 20:
        a = len(shape.zeros) / len(g_shape.zeros)
        yield from ((a, b) for b in (0.0, np.pi / 2, -np.pi / 2, 0.5))
    else:
        yield from ((sign * a, 0.0) for a in (1.0, 2.0, 0.5, 3.0, 4.0, 5.0) for sign in (1, -1))


def _tidy(value: float) -> float:
    near = float(Fraction(float(value)).limit_denominator(12))
    return near if abs(near - value) <= 1e-6 else float(value)


def _small(rest: Array, y: Array) -> bool:
    return bool(np.abs(rest).max() <= 1e-9 * np.abs(y).max())


def _fits(y: Array, other: Array) -> bool:
    return bool(np.isfinite(other).all()) and _small(other - y, y)
