"""The best that a straight line can do on two classes in the plane: what no network without activations can pass."""

import numpy as np

from minnet.settings import Array, require

SMALL = 2.0**24  # quotients of smaller whole numbers are equal in float64 exactly where they are equal
NEAR = 8 * np.finfo(float).eps  # two subtractions and a division err by less than a fourth of this


def best_half_plane(x: Array, y: Array) -> int:
    """How many points of x (n, 2) with labels y (n,) in {0, 1} the best straight line puts on their right sides.

    Exact for the points as float64 numbers, O(n² log n). Any line that parts the points can be moved, without changing
    who is where, until it all but touches a point on one given side of it, the pivot; so a line is swept through half a
    turn around each pivot, and the count of points on their right side is kept. Points in the same direction change
    sides together. Directions are compared by the quotient dx/dy; those too near each other for floats are compared
    again by whole numbers without rounding.
    """
    x, y = np.asarray(x, float), np.asarray(y)
    require(x.ndim == 2 and x.shape[1] == 2, f"best_half_plane expects points of shape (n, 2), got {x.shape}")
    require(y.shape == x.shape[:1], f"best_half_plane expects labels of shape {x.shape[:1]}, got {y.shape}")
    require(bool(np.isin(y, (0, 1)).all()), "best_half_plane expects labels 0 and 1")
    require(bool(np.isfinite(x).all()), "best_half_plane expects finite coordinates, got NaN or infinity")
    sign = np.where(y == 1, 1, -1)  # what a point adds to the count when it comes to the side called 1
    zeros = int((y == 0).sum())
    best = max(zeros, len(y) - zeros)  # the line may leave all points on one side
    scaled, near = _scaled(x)
    whole = None if near == 0 else _whole_numbers(x)
    for pivot in np.unique(scaled, axis=0) if near < np.inf else np.unique(x, axis=0):
        points = scaled if near < np.inf else x
        upper = (points[:, 1] > pivot[1]) | ((points[:, 1] == pivot[1]) & (points[:, 0] > pivot[0]))
        away = np.flatnonzero((points != pivot).any(axis=1))
        change = np.where(upper, -sign, sign)[away]  # `upper`: on the side called 1 just before the sweep from 0 to π
        if near < np.inf:
            dx, dy = (points[away] - pivot).T
            with np.errstate(divide="ignore"):
                direction = np.where(dy == 0, -np.inf, -dx / dy)  # minus the cotangent rises from 0 to π
        else:
            direction = np.zeros(len(away))
        order = np.argsort(direction, kind="stable")
        direction, away, change = direction[order], away[order], change[order]
        last = np.append(direction[1:] != direction[:-1], True)[: len(direction)]  # all of one direction have moved
        if whole is not None and len(away):
            here = int(np.flatnonzero((points == pivot).all(axis=1))[0])
            order, last = _exactly(direction, last, near, whole[away], whole[here])
            change = change[order]
        right = zeros + sign[upper].sum() + np.append(0, np.cumsum(change)[last])
        best = max(best, int(right.max()), len(y) - int(right.min()))  # and either side called 1
    return best


def _scaled(x: Array) -> tuple[Array, float]:
    """x with each column brought to [-1, 1] by a power of two, which changes no line; and how near is too near.

    0: floats tie exactly where the points do, as in small whole numbers. Infinite: the columns hold numbers so unlike
    each other that floats tell nothing, and every direction is compared by whole numbers.
    """
    exponent = np.frexp(np.abs(x).max(axis=0, initial=0))[1]
    scaled = np.ldexp(x, -exponent)
    least = np.min(np.abs(scaled[x != 0]), initial=1)
    if least < 2.0**-900:
        return x, np.inf
    unit = np.array([min(map(_unit, column[column != 0]), default=0) for column in scaled.T])
    small = (np.abs(np.ldexp(scaled, -unit)) < SMALL).all() if (unit > -60).all() else False
    return scaled, 0.0 if small else float(NEAR)


def _unit(value: float) -> int:
    """The exponent of the largest power of two of which a float is a whole multiple."""
    top, bottom = value.as_integer_ratio()
    return -(bottom.bit_length() - 1) if bottom > 1 else (top & -top).bit_length() - 1


def _whole_numbers(x: Array) -> Array:
    """Python's whole numbers (n, 2), which are the columns of x times a power of two each."""
    columns = []
    for column in x.T.tolist():
        ratios = [value.as_integer_ratio() for value in column]
        common = max((bottom for _, bottom in ratios), default=1)
        columns.append([top * (common // bottom) for top, bottom in ratios])
    return np.array(columns, dtype=object).T.reshape(len(x), 2)


def _exactly(direction: Array, last: Array, near: float, whole: Array, pivot: Array) -> tuple[Array, Array]:
    """The exact order of sorted directions, and which are the last of theirs; pivot and points as whole numbers."""
    order, last = np.arange(len(direction)), last.copy()
    close = np.ones(max(len(direction) - 1, 0), bool)
    if near < np.inf:
        with np.errstate(invalid="ignore"):  # -inf - -inf, which are equal
            apart = near * np.maximum(np.abs(direction[1:]), np.abs(direction[:-1]))
            close = ~last[:-1] | (np.diff(direction) <= apart)
    if not close.any():
        return order, last
    some = np.append(close, False) | np.append(False, close)
    dx, dy = (whole[some] - pivot).T
    # Quotients of whole numbers below 2^b that differ do so by more than 2^-2b.
    shift, level = 2 * int(np.abs(dy).max()).bit_length() + 1, dy == 0
    keys = np.zeros(len(direction), object)
    keys[some] = np.where(level, -(np.abs(dx).max() + 1 << shift), -(dx << shift) // np.where(level, 1, dy))
    if (close & (keys[1:] < keys[:-1])).any():
        edges = np.flatnonzero(np.diff(np.concatenate([[0], close, [0]]).astype(int)))
        for start, stop in edges.reshape(-1, 2):  # a run of directions, each near the next
            order[start : stop + 1] = sorted(range(start, stop + 1), key=keys.__getitem__)
        keys = keys[order]
    last[:-1][close] = (keys[1:] != keys[:-1])[close]
    return order, last
