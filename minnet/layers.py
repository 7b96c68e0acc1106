"""A layer is a function y = f(params, x) that also knows the way back: from dL/dy to dL/dx and dL/dparams.

Layers hold settings only. Their numbers come in as `params`, views of one vector theta, and every array ends in
(batch, features); axes before those are replicas. So each line below trains one network or thirty-two.
"""

from __future__ import annotations  # or each step would evaluate those of the closures it makes

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from minnet.allowed import Allowed, Count
from minnet.initializers import Initializer, VarianceScaling, glorot_uniform, zeros
from minnet.products import matmul, ones, times_transposed
from minnet.randomness import Streams
from minnet.settings import Array, Settings

Role = Literal["weight", "bias", "scale", "statistic"]
Params = Sequence[Any]  # one array a parameter; in a Network one such sequence a layer
Backward = Callable[..., Any]  # backward(dy, grads, need_dx=True) -> dx


class Parameter(NamedTuple):
    """What a layer wants to learn: shape without replicas; init(rng, shape) -> array; what role it plays.

    >>> Dense(3, 2).parameters[1][:2]
    ('b', (1, 2))
    """

    name: str
    shape: tuple[int, ...]
    init: Initializer
    role: Role = "weight"


class Layer(Settings, ABC):
    """The contract. A layer of your own is a frozen dataclass with `forward` and, if it learns, `parameters`.

    >>> y, backward = Dense(1, 1).forward([np.array([[2.0]]), np.array([[1.0]])], np.array([[3.0]]))
    >>> y, backward(np.ones((1, 1)), [np.empty((1, 1)), np.empty((1, 1))])
    (array([[7.]]), array([[2.]]))
    """

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What the layer learns, in the order in which `params` and `grads` hold it."""
        return ()

    @abstractmethod
    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return y and backward. x: (..., batch, n_in), y: (..., batch, n_out).

        `streams` is given in training only: noise is drawn from it. backward(dy, grads, need_dx=True) overwrites
        every array in grads with dL/dparams, returns dx = dL/dx (None where need_dx is False), and writes into
        neither dy nor x.
        """

    def calibrate(self, params: Params, x: Array) -> Array:
        """Set population statistics over x, where the layer has any, and return y."""
        return self.forward(params, x)[0]

    def unpack(self, vector: Array) -> Params:
        """Views of a vector (..., P), theta or a gradient, in the shapes of the parameters: (..., *shape)."""
        views, start = [], 0
        for parameter in self.parameters:
            stop = start + int(np.prod(parameter.shape))
            views.append(vector[..., start:stop].reshape(*vector.shape[:-1], *parameter.shape))
            start = stop
        return views


@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """y = x W + b, with W (..., n_in, n_out) and b (..., 1, n_out).

    Weights start Glorot-uniform (Glorot & Bengio 2010), as in Keras and scikit-learn; biases start at zero. Before
    ReLU pass `weight_init=he_normal` (He et al. 2015).

    >>> layer = Dense(3, 2)
    >>> W, b = layer.unpack(np.arange(8.0))
    >>> layer.forward([W, b], np.ones((1, 3)))[0]
    array([[12., 16.]])
    """

    n_in: Count
    n_out: Count
    weight_init: Initializer = glorot_uniform
    bias_init: Initializer = zeros

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        n_in, n_out, bias_init = self.n_in, self.n_out, self.bias_init
        if isinstance(bias_init, VarianceScaling):
            bias_init = partial(bias_init, fans=(n_in, n_out))  # those of the layer, not of b
        return Parameter("W", (n_in, n_out), self.weight_init), Parameter("b", (1, n_out), bias_init, "bias")

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return x W + b, and the way back: dW = xᵀ dy, db = Σ dy over the batch, dx = dy Wᵀ."""
        W, b = params
        try:
            y = matmul(x, W)
        except ValueError:
            raise ValueError(f"{self} expects {self.n_in} input features, got x of shape {x.shape}") from None
        if y.dtype is not W.dtype and y.dtype != W.dtype:
            raise ValueError(f"{self} has parameters in {W.dtype}, got x in {x.dtype}: x.astype({W.dtype.str!r}) fits")
        y += b.repeat(y.shape[-2], axis=-2)  # as y += b, which is slower on short rows

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            dW, db = grads
            try:
                matmul(x.mT, dy, out=dW)
            except ValueError:
                raise ValueError(f"{self} expects dy as y in {W.dtype}, got {dy.dtype} {dy.shape}") from None
            matmul(ones(1, dy.shape[-2], dy.dtype), dy, out=db)
            return times_transposed(dy, W) if need_dx else None

        return y, backward


@dataclass(frozen=True, repr=False)
class Residual(Layer):
    """y = x + f(x) for an inner layer f that keeps the number of features (He et al. 2016).

    >>> Residual(Dense(1, 1)).forward([np.array([[2.0]]), np.array([[1.0]])], np.array([[3.0]]))[0]
    array([[10.]])
    """

    inner: Annotated[Layer, Allowed("a Layer", Layer)]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.inner.parameters

    def unpack(self, vector: Array) -> Params:
        return self.inner.unpack(vector)

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return x + f(x), and the way back: dx = dy + (what f sends back)."""
        inner_y, inner_backward = self.inner.forward(params, x, streams)
        y = self._add(x, inner_y)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            dx = inner_backward(dy, grads, need_dx)
            return dy + dx if need_dx else None

        return y, backward

    def calibrate(self, params: Params, x: Array) -> Array:
        return self._add(x, self.inner.calibrate(params, x))

    def _add(self, x: Array, y: Array) -> Array:
        if y.shape[-1] != x.shape[-1]:
            raise ValueError(f"{self} expects its inner layer to keep {x.shape[-1]} features, got {y.shape[-1]}")
        return x + y
