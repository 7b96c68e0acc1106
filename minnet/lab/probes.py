"""What goes on inside a network: the signal of each layer on the way there, and of the gradient on the way back.

`walk` notes what passes through every layer, those of Residual and of nested networks too; `signals` sums it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minnet.activations import Activation
from minnet.doors import checked_data
from minnet.layers import Backward, Layer, Parameter, Params, Residual
from minnet.losses import Loss, mse
from minnet.network import Network
from minnet.randomness import Streams
from minnet.settings import Array

FLAT = 1e-3  # a unit is saturated where its slope is at most this share of the activation's steepest


@dataclass
class Visit:
    """What passed through one layer: y = f(params, x), and after the way back dL/dy and dL/dparams.

    `path` leads to the layer: "3.0" is the first one inside of layer 3. x: (..., batch, n_in), y and dy: (..., batch,
    n_out); `grads` has the shapes of `params`. `dx` is None where nothing asks for it, as before the first layer.
    """

    path: str
    layer: Layer
    params: Params
    x: Array
    y: Array
    dy: Array | None = None
    dx: Array | None = None
    grads: Params = ()


@dataclass(frozen=True, repr=False)
class _Watched(Layer):
    """A layer that does what `inner` does, and puts a Visit of `layer` on the list whenever it is passed.

    The two are the same, but for a Residual, where `inner` is the one whose inside is watched.
    """

    inner: Layer
    layer: Layer
    path: str
    visits: list[Visit]

    def __repr__(self) -> str:
        return repr(self.layer)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.inner.parameters

    def unpack(self, vector: Array) -> Params:
        return self.inner.unpack(vector)

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Forward of the inner layer, noted; and so is its way back."""
        y, inner_backward = self.inner.forward(params, x, streams)
        visit = Visit(self.path, self.layer, params, x, y)
        self.visits.append(visit)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Any:
            dx = inner_backward(dy, grads, need_dx)
            visit.dy, visit.dx, visit.grads = dy, dx, grads
            return dx

        return y, backward


def _watched(layer: Layer, path: str, visits: list[Visit]) -> Layer:
    if isinstance(layer, Network):  # its output is that of its last layer, so it needs no Visit of its own
        inside = f"{path}." if path else ""
        return Network(*(_watched(part, f"{inside}{i}", visits) for i, part in enumerate(layer.layers)))
    if not isinstance(layer, Residual):
        return _Watched(layer, layer, path, visits)
    inner = _watched(layer.inner, path if isinstance(layer.inner, Network) else f"{path}.0", visits)
    return _Watched(Residual(inner), layer, path, visits)


def walk(
    network: Network, theta: Array, x: npt.ArrayLike, target: npt.ArrayLike | None = None, *, loss: Loss = mse
) -> list[Visit]:
    """Send x through the network, and back if there is a target: one Visit a layer, in the order in which they end.

    theta (P,) or (K, P), x (N, n_in) or (K, N, n_in), and `target` as `loss` takes it. Layers inside of Residual and of
    nested networks have Visits of their own; Residual's comes after them, a Network's is that of its last layer. As in
    inference, no noise is drawn. The params are views of a copy of theta, which may hold numbers that are not finite.

    Raises ValueError for data that does not fit.
    """
    theta = np.array(theta)
    visits: list[Visit] = []
    watched = _watched(network, "", visits)
    with np.errstate(all="ignore"):
        if target is None:
            data = [np.asarray(x, theta.dtype)]
            network(theta, data[0][..., :2, :] if data[0].ndim > 1 else data[0])  # says what does not fit
        else:
            data = checked_data(network, loss, theta, x, target)
        y, backward = watched.forward(watched.unpack(theta), data[0])
        if target is not None:
            _, dy = loss(y, np.broadcast_to(data[1], y.shape))
            backward(dy, watched.unpack(np.zeros_like(theta)), need_dx=False)
    return visits


class Signal(NamedTuple):
    """What came out of one layer over a data set; each number is (...), one a replica.

    `mean` and `spread` (standard deviation) are those of all outputs. Shares of outputs: `finite`; `zero`, exactly 0;
    `saturated`, where the slope is at most 1/1000 of the activation's steepest. Shares of units: `silent`, 0 on all
    of the data; `stuck`, of slope 0 on all of it, so that no gradient passes. An output that is not finite counts with
    the bad in each of these. `saturated` and `stuck` are NaN for a layer that is no Activation.
    """

    path: str
    layer: str
    finite: Array
    mean: Array
    spread: Array
    zero: Array
    saturated: Array
    silent: Array
    stuck: Array


def signals(network: Network, theta: Array, x: npt.ArrayLike) -> tuple[Signal, ...]:
    """One Signal a layer, in the order of `walk`, over the data x (N, n_in); pandas.DataFrame(...) makes it a table.

    >>> from minnet import Dense, ReLU
    >>> net = Network(Dense(1, 2), ReLU())
    >>> theta = np.array([1.0, -1.0, 0.0, 0.0])  # W = [1, -1], b = 0
    >>> last = signals(net, theta, [[1.0], [2.0], [3.0], [4.0]])[-1]
    >>> print(last.layer, last.mean, last.zero, last.silent)
    ReLU() 1.25 0.5 0.5
    """
    return tuple(_signal(visit) for visit in walk(network, theta, x))


def _signal(visit: Visit) -> Signal:
    layer, y, both = visit.layer, visit.y, (-2, -1)
    wild = ~np.isfinite(y)
    with np.errstate(all="ignore"):
        mean, spread = y.mean(axis=both, dtype=float), y.std(axis=both, dtype=float)
        if isinstance(layer, Activation):
            slope = abs(layer.derivative(visit.x))
            saturated = (wild | ~(slope > FLAT * steepest(layer))).mean(axis=both)
            stuck = (wild | ~(slope > 0)).all(axis=-2).mean(axis=-1)
        else:
            saturated = stuck = np.full_like(mean, np.nan)
    silent = (wild.any(axis=-2) | (y == 0).all(axis=-2)).mean(axis=-1)
    zero = (wild | (y == 0)).mean(axis=both)
    return Signal(visit.path, repr(layer), 1 - wild.mean(axis=both), mean, spread, zero, saturated, silent, stuck)


def steepest(activation: Activation) -> float:
    """The largest |f′| on [-10, 10]."""
    return float(abs(activation.derivative(np.linspace(-10, 10, 20_001))).max())
