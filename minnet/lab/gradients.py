"""The gradient by layer: how much of it arrives, and how much that is beside the weights it is to move.

One number is not enough. ‖dW‖ is made of δ and of the layer's input, so that where the signal fades on its way up as
the gradient does on its way down, ‖dW‖ is the same in the first layer as in the last, and says nothing.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minnet.activations import Activation
from minnet.lab.probes import Visit, walk
from minnet.layers import Params, Residual
from minnet.losses import Loss, mse
from minnet.network import Network
from minnet.settings import Array


class Gradient(NamedTuple):
    """The gradient at one layer that has weights; each number is (...), one a replica.

    `delta`: ‖δ_l‖ / ‖δ_L‖, with δ the gradient ∂L/∂y of the layer's output over all of the data, and L the last such
    layer; `dW`: the norm of its weights' gradient; `relative`: that over the norm of the weights; `spread`: the
    standard deviation of what it sends on, after the activation where one follows it.
    """

    path: str
    layer: str
    delta: Array
    dW: Array
    relative: Array
    spread: Array


def gradients(
    network: Network, theta: Array, x: npt.ArrayLike, target: npt.ArrayLike, *, loss: Loss = mse
) -> tuple[Gradient, ...]:
    """One Gradient a layer with weights, in the order of `walk`; pandas.DataFrame(...) makes it a table.

    theta (P,) or (K, P), x (N, n_in) or (K, N, n_in). Raises ValueError for data that does not fit.

    >>> from minnet import Dense, Sigmoid
    >>> net = Network(*[Dense(16, 16), Sigmoid()] * 5, Dense(16, 1))
    >>> x = np.random.default_rng(0).standard_normal((100, 16))
    >>> print(gradients(net, net.init_theta(0), x, x[:, :1])[0].delta < 0.001)
    True
    """
    visits = walk(network, theta, x, target, loss=loss)
    weighty = [i for i, visit in enumerate(visits) if _weights(visit, visit.params)]
    found = []
    with np.errstate(all="ignore"):
        last = _norm(visits[weighty[-1]].dy) if weighty else np.nan
        for i in weighty:
            visit, then = visits[i], visits[i + 1 : i + 2]
            sent = then[0].y if then and isinstance(then[0].layer, Activation) else visit.y
            dW, W = (_norm(np.concatenate(_weights(visit, group), axis=-1)) for group in (visit.grads, visit.params))
            spread = sent.std(axis=(-2, -1), dtype=float)
            found.append(Gradient(visit.path, repr(visit.layer), _norm(visit.dy) / last, dW, dW / W, spread))
    return tuple(found)


def _weights(visit: Visit, group: Params) -> list[Array]:
    """Those of a layer's params or grads that are weights, each as (..., 1, n).

    Residual has none of its own: what is inside of it has its own Visit.
    """
    if isinstance(visit.layer, Residual):
        return []
    parts = zip(visit.layer.parameters, group, strict=True)
    return [a.reshape(*a.shape[: a.ndim - len(p.shape)], 1, -1) for p, a in parts if p.role == "weight"]


def _norm(array: Array | None) -> Array:
    """Over the last two axes, in float64; small squares do not underflow."""
    assert array is not None  # the way back was gone
    a = np.abs(array.astype(float))
    largest = a.max(axis=(-2, -1), keepdims=True)
    scale = np.where(largest > 0, largest, 1)
    return largest[..., 0, 0] * np.sqrt(np.square(a / scale).sum(axis=(-2, -1)))
