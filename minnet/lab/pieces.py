"""The linear pieces of a ReLU network along a line, counted exactly: floats are fractions."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import numpy as np

from minnet.activations import ReLU
from minnet.layers import Dense
from minnet.network import Network
from minnet.settings import Array, require

Number = Fraction | float  # infinity is the one float that comes up


class Piece(NamedTuple):
    """From t = low to t = high the outputs are (constant + slope·t) / scale; all exact integers, (n_out,)."""

    low: Number
    high: Number
    constant: Array
    slope: Array
    scale: int


def linear_pieces(
    network: Network,
    theta: Array,
    start: Sequence[float] = (0.0,),
    direction: Sequence[float] = (1.0,),
    *,
    low: float = -inf,
    high: float = inf,
) -> list[Piece]:
    """The longest intervals of t on which network(start + t·direction) is linear, in order.

    For networks of Dense and ReLU layers, and for their weights taken as exact: no rounding enters, so the count is
    that of the function that theta defines, not of its evaluation in floats. All numbers are integers over a common
    power of two; only the ends of the pieces are true fractions.
    """
    ends = [inf if end == inf else -inf if end == -inf else Fraction(end) for end in (low, high)]
    theta = np.asarray(theta, float)
    one = 2 ** _bits([*theta, *start, *direction])  # times this, every number is whole
    found = [Piece(ends[0], ends[1], _whole(start, one), _whole(direction, one), one)]
    for layer, group in zip(network.layers, network.unpack(theta), strict=True):
        if isinstance(layer, Dense):
            W, b = _whole(group[0], one), _whole(group[1][0], one)
            found = [Piece(p.low, p.high, p.constant @ W + b * p.scale, p.slope @ W, p.scale * one) for p in found]
        else:
            require(isinstance(layer, ReLU), f"linear pieces are counted of Dense and ReLU layers, got {layer!r}")
            found = _joined([part for piece in found for part in _rectified(piece)])
    return _joined(found)


def _rectified(piece: Piece) -> list[Piece]:
    """max(0, ·) of every unit: the piece is cut wherever one of them crosses zero."""
    crossings = {Fraction(-c, s) for c, s in zip(piece.constant, piece.slope, strict=True) if s}
    cuts = [piece.low, *sorted(t for t in crossings if piece.low < t < piece.high), piece.high]
    parts = []
    for low, high in pairwise(cuts):
        inside = Fraction(_between(low, high))
        on = piece.constant * inside.denominator + piece.slope * inside.numerator > 0
        parts.append(Piece(low, high, np.where(on, piece.constant, 0), np.where(on, piece.slope, 0), piece.scale))
    return parts


def _between(low: Number, high: Number) -> Number:
    if low == -inf:
        return Fraction(0) if high == inf else high - 1
    return low + 1 if high == inf else (low + high) / 2


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbours that continue each other, as where a unit switched that nothing listens to, are one piece."""
    joined = pieces[:1]
    for piece in pieces[1:]:
        last = joined[-1]
        if (last.constant == piece.constant).all() and (last.slope == piece.slope).all():
            joined[-1] = last._replace(high=piece.high)
        else:
            joined.append(piece)
    return joined


def _bits(numbers: Sequence[float]) -> int:
    """The least k such that 2^k times each is a whole number."""
    return max(float(number).as_integer_ratio()[1].bit_length() - 1 for number in numbers)


def _whole(numbers: Any, one: int) -> Array:
    """Numbers times `one` as Python's integers, which never overflow."""
    array = np.asarray(numbers, float)
    ratios = (float(number).as_integer_ratio() for number in array.ravel())
    return np.array([top * (one // bottom) for top, bottom in ratios], object).reshape(array.shape)


def tent(times: int) -> tuple[Network, Array]:
    """The tent map on [0, 1], 2 relu(x) - 4 relu(x - ½), composed with itself: 2 units each time (Telgarsky 2016).

    Dense(1, 2), ReLU, Dense(2, 2), ReLU, ..., Dense(2, 1) and its theta (P,), in dyadic numbers: no float rounds.
    """
    require(times >= 1, f"the tent map is composed at least once, got {times}")
    hidden = [layer for i in range(times) for layer in (Dense(2 if i else 1, 2), ReLU())]
    up, first, next_ = [2.0, -4.0], [1.0, 1.0, 0.0, -0.5], [2.0, 2.0, -4.0, -4.0, 0.0, -0.5]
    return Network(*hidden, Dense(2, 1)), np.array(first + next_ * (times - 1) + [*up, 0.0])
