"""L-BFGS: for small problems, theta goes to a minimum of the loss over all the data at once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.doors import Data, check_parts, checked_data, checked_sample_weight, checked_start
from minnet.losses import Loss
from minnet.network import Network
from minnet.optimizers import weights_only
from minnet.pairing import check_logits
from minnet.penalties import Penalty
from minnet.randomness import Seed
from minnet.run import Run, Stop
from minnet.settings import Array


def lbfgs(
    network: Network,
    loss: Loss,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    seed: Seed,
    iterations: int = 1000,
    tolerance: float = 1e-8,
    sample_weight: npt.ArrayLike | None = None,
    penalty: Penalty | None = None,
    start: Array | None = None,
    dtype: npt.DTypeLike = np.float64,
    evaluations: int | None = None,
    flat: float = 0.0,
) -> Run:
    """Minimise the loss over theta with scipy's L-BFGS (Liu & Nocedal 1989), replica by replica, and return the Run.

    The arguments are those of `train`. A replica ends when its largest partial derivative is below `tolerance`
    ("converged"), after `iterations` or `evaluations` of the loss, by default 20 an iteration ("finished"), or when no
    step improves it by a share of more than `flat` any more ("no further descent"). The history holds "loss" after each
    iteration, or at the start if there is none. The network runs in inference mode: dropout is off, statistics stay.

    >>> from minnet import Dense, mse
    >>> x = np.linspace(-1, 1, 9)[:, None]
    >>> lbfgs(Network(Dense(1, 1)), mse, x, 2 * x + 1, seed=0, dtype=np.float64).theta.round(4)
    array([2., 1.])
    """
    check_parts(network, loss, None, iterations=iterations)
    theta = checked_start(network, network.init_theta(seed, dtype) if start is None else start, seed)
    data = checked_data(network, loss, theta, x, y)
    check_logits(network, loss, data.target.shape[-1])
    if sample_weight is not None:
        data = data._replace(sample_weight=checked_sample_weight(sample_weight, data.x))
    rows = theta.reshape(-1, network.size)
    run, curves = Run(network, theta, {}), []
    most = 20 * iterations if evaluations is None else evaluations
    limits = {"maxiter": iterations, "maxfun": most, "gtol": tolerance, "ftol": flat}
    for k in range(len(rows)):
        rows[k], stop, curve = _minimised(network, loss, rows[k], data.of(k), limits, penalty)
        run.stops.append(stop)
        curves.append(curve)
    table = np.full((max(map(len, curves)), len(rows)), np.nan)
    for k, curve in enumerate(curves):
        table[: len(curve), k] = curve
    run.history = {"loss": table.reshape(len(table), *theta.shape[:-1])}
    return run


def _minimised(
    network: Network,
    loss: Loss,
    theta: Array,
    data: Data,
    limits: dict[str, float],
    penalty: Penalty | None,
) -> tuple[Array, Stop, list[float]]:
    """The theta that one replica ends at, why it ends there, and the loss after each iteration."""
    from scipy.optimize import minimize

    x, target, weight = data
    gradient, weights, curve = np.zeros_like(theta), weights_only(theta, network.parameters), []
    grads = network.unpack(gradient)

    def value_and_gradient(vector: Array) -> tuple[float, Array]:
        point = vector.astype(theta.dtype)
        y, backward = network.forward(network.unpack(point), x)
        value, dy = loss(y, target, None if weight is None else weight[..., 0])
        backward(dy, grads, need_dx=False)
        cost, slope = penalty(point, weights) if penalty else (0.0, 0.0)
        return float(value + cost), (gradient + slope).astype(float)

    def note(intermediate_result: Any) -> None:
        curve.append(float(intermediate_result.fun))

    start = theta.astype(float)
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=limits, callback=note)
    if np.abs(found.jac).max(initial=0.0) <= limits["gtol"]:
        reason = "converged"
    else:
        reason = "finished" if found.status == 1 else "no further descent"
    stop = Stop(reason, found.nit, f"{reason} after {found.nit} iterations")
    return found.x.astype(theta.dtype), stop, curve or [float(found.fun)]
