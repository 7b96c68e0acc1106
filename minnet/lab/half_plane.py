"""The best that a straight line can do on two classes in the plane: what no network without activations can pass."""

import numpy as np

from minnet.settings import Array, require


def best_half_plane(x: Array, y: Array) -> int:
    """How many points of x (n, 2) with labels y (n,) in {0, 1} the best straight line puts on their right sides.

    Exact, O(n² log n). Any line that parts the points can be moved, without changing who is where, until it all but
    touches a point on one given side of it, the pivot; so a line is swept through half a turn around each pivot, and
    the count of points on their right side is kept. Points in the same direction change sides together. Directions are
    compared by the quotient dx/dy, which IEEE division gives alike for parallel vectors, so that ties are exact.
    """
    x, y = np.asarray(x, float), np.asarray(y)
    require(x.ndim == 2 and x.shape[1] == 2, f"best_half_plane expects points of shape (n, 2), got {x.shape}")
    require(y.shape == x.shape[:1], f"best_half_plane expects labels of shape {x.shape[:1]}, got {y.shape}")
    require(bool(np.isin(y, (0, 1)).all()), "best_half_plane expects labels 0 and 1")
    sign = np.where(y == 1, 1, -1)  # what a point adds to the count when it comes to the side called 1
    zeros = int((y == 0).sum())
    best = max(zeros, len(y) - zeros)  # the line may leave all points on one side
    for pivot in np.unique(x, axis=0):
        dx, dy = (x - pivot).T
        here = (dx == 0) & (dy == 0)
        upper = (dy > 0) | ((dy == 0) & (dx > 0))  # on the side called 1 just before the sweep from direction 0 to π
        away = ~here
        dx, dy, change = dx[away], dy[away], np.where(upper, -sign, sign)[away]
        with np.errstate(divide="ignore"):
            direction = np.where(dy == 0, -np.inf, -dx / dy)  # minus the cotangent rises from 0 to π
        order = np.argsort(direction, kind="stable")
        direction, change = direction[order], change[order]
        whole = np.append(direction[1:] != direction[:-1], True)[: len(direction)]  # all of one direction have moved
        right = zeros + sign[upper].sum() + np.append(0, np.cumsum(change)[whole])
        best = max(best, int(right.max()), len(y) - int(right.min()))  # and either side called 1
    return best
