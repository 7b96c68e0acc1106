"""Functions of one variable as networks whose weights are written down rather than learned; and what cannot be done."""

import numpy as np

from minnet.activations import ReLU, Sigmoid
from minnet.full_batch import lbfgs
from minnet.layers import Dense
from minnet.losses import mse
from minnet.network import Network
from minnet.settings import Array, require

Built = tuple[Network, Array]


def interpolant(knots: Array, y: Array) -> Built:
    """The polygon through (knots, y), (n + 1,) in order, as one hidden layer of n ReLU units: network, theta (P,).

    y₀ + Σ (sᵢ - sᵢ₋₁) relu(x - xᵢ), sᵢ the slope from knot i to the next, s₋₁ = 0. With knots h apart it is within
    h²/8·max|f″| of a function f that has a second derivative; and of any f within what f varies between two knots.
    """
    units = _units(knots, y)
    bends = np.diff(np.diff(y) / np.diff(knots), prepend=0)
    network = Network(Dense(1, units), ReLU(), Dense(units, 1))
    return network, np.concatenate([np.ones(units), -knots[:-1], bends, y[:1]])


def staircase(knots: Array, y: Array) -> Built:
    """Steps from each y to the next half-way between the knots, (n + 1,) in order, by n steep sigmoids: network, theta.

    y₀ + Σ (yᵢ₊₁ - yᵢ) σ(kᵢ(x - mᵢ)), mᵢ the middle of knots i and i + 1. With knots h apart it is within about
    h/2·max|f′| of a smooth f, and of any f within what f varies between two knots: a step is over within h/100.
    """
    units = _units(knots, y)
    steepness = 4000 / np.diff(knots)
    network = Network(Dense(1, units), Sigmoid(), Dense(units, 1))
    middles = (knots[:-1] + knots[1:]) / 2
    return network, np.concatenate([steepness, -steepness * middles, np.diff(y), y[:1]])


def _units(knots: Array, y: Array) -> int:
    fits = knots.shape == y.shape and knots.ndim == 1 and len(knots) >= 2 and bool((np.diff(knots) > 0).all())
    require(fits, f"knots are at least two rising numbers, with one y each, got shapes {knots.shape} and {y.shape}")
    return len(knots) - 1


def log_slope(units: Array, errors: Array) -> float:
    """The slope of log(error) against log(units), by least squares."""
    return float(np.polyfit(np.log(units), np.log(errors), 1)[0])


def best_polynomial(x: Array, y: Array, degree: int) -> Array:
    """Values at x (N,) of the polynomial with the least max |p(x) - y|, by linear programming.

    Minimise t such that -t <= p(xⱼ) - yⱼ <= t, over the coefficients in Chebyshev's basis on [min x, max x] and t.
    """
    from scipy.optimize import linprog

    scaled = (2 * x - x.min() - x.max()) / (x.max() - x.min())
    basis, slack = np.polynomial.chebyshev.chebvander(scaled, degree), -np.ones((len(x), 1))
    found = linprog(
        np.append(np.zeros(degree + 1), 1.0),
        A_ub=np.block([[basis, slack], [-basis, slack]]),
        b_ub=np.concatenate([y, -y]),
        bounds=[(None, None)] * (degree + 1) + [(0, None)],
        method="highs",
    )
    require(found.success, f"linear programming found no polynomial: {found.message}")
    return np.asarray(basis @ found.x[:-1])


def alternation(residual: Array, degree: int) -> float:
    """What no polynomial of this degree can go below, proved by the residual (N,) of one of them at points in order.

    Where the residual changes its sign degree + 1 times, the least of |residual| over degree + 2 points of alternating
    sign is a lower bound for max |p - y| of every p (de la Vallée-Poussin 1910); it reaches the residual's own maximum
    for the best p and for no other (Chebyshev). 0 where there are too few changes of sign.
    """
    residual = residual[residual != 0]
    runs = np.split(residual, np.flatnonzero(np.diff(np.sign(residual))) + 1)
    peaks = [float(np.abs(run).max()) for run in runs]
    while len(peaks) > degree + 2:  # leave out the smallest end, or a small one within together with its neighbour
        least = int(np.argmin(peaks))
        if least in (0, len(peaks) - 1) or len(peaks) == degree + 3:
            peaks.pop(0 if peaks[0] < peaks[-1] else -1)
        else:
            peaks[least - 1 : least + 2] = [max(peaks[least - 1], peaks[least + 1])]
    return min(peaks) if len(peaks) == degree + 2 else 0.0


def least_largest(network: Network, u: Array, v: Array, seed: int, rounds: int = 40) -> Array:
    """theta (P,) trained from `seed` for the least max |network(u) - v| rather than the least mean square; u, v (N, 1).

    Lawson's (1961) weights: a weighted least-squares fit by L-BFGS, again and again, each time with the weight of every
    point multiplied by how far it was missed.
    """
    weight, theta = np.ones(len(u)), None
    for _ in range(rounds):
        run = lbfgs(network, mse, u, v, seed=seed, weight=weight, theta=theta, iterations=200)
        theta = run.theta
        weight = weight * np.abs(run(u) - v)[:, 0]
        weight *= len(u) / weight.sum()
        weight[weight < 1e-300] = 0  # a weight has to be a normal float, or 0
    return run.theta
