"""Layers that keep the scale of a signal, as controls: is it the activation, or only the scale it is fed?"""

from __future__ import annotations  # or each step would evaluate those of the closures it makes

from dataclasses import dataclass

import numpy as np

from minnet.allowed import Count, Positive
from minnet.initializers import ones, zeros
from minnet.layers import Backward, Layer, Parameter, Params
from minnet.randomness import Streams
from minnet.settings import Array


@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """y = γ (x - mean) / √(var + ε) + β, mean and biased variance over the n features of each row.

    Ba, Kiros & Hinton 2016. γ starts at 1, β at 0; ε is PyTorch's.

    >>> from minnet import Network
    >>> network = Network(LayerNorm(2))
    >>> network(network.init_theta(seed=0), np.array([[1, 3], [10, 30]])).round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    n: Count
    epsilon: Positive = 1e-5

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return Parameter("gamma", (1, self.n), ones, "scale"), Parameter("beta", (1, self.n), zeros, "bias")

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return y, and the way back: with x̂ the normalised x and d = γ dy, dx = (d - mean d - x̂ mean(d x̂)) / std."""
        _check_features(self, x)
        gamma, beta = params
        return _normalize(x, gamma, beta, self.epsilon, axis=-1)


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """y = γ (x - mean) / √(var + ε) + β, for each of n features by itself (Ioffe & Szegedy 2015).

    In training mean and biased variance are those of the batch. In inference they are the population's, mean and
    unbiased variance, which `calibrate` sets over all the data it is given (their Algorithm 2) and θ keeps. A batch of
    one sample cannot be learned from: minus its own mean it is 0, whatever it is.

    >>> from minnet import Network
    >>> network, x = Network(BatchNorm(1)), np.array([[1.0], [2.0], [3.0]])
    >>> theta = network.init_theta(seed=0)
    >>> network.calibrate(network.unpack(theta), x).ravel().round(2), theta[2:]  # mean, variance
    (array([-1.,  0.,  1.]), array([2., 1.], dtype=float32))
    """

    n: Count
    epsilon: Positive = 1e-5

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        shape = (1, self.n)
        return (
            Parameter("gamma", shape, ones, "scale"),
            Parameter("beta", shape, zeros, "bias"),
            Parameter("mean", shape, zeros, "statistic"),
            Parameter("variance", shape, ones, "statistic"),
        )

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return y, and the way back: as LayerNorm's, over the batch; in inference a fixed scale."""
        _check_features(self, x)
        if streams is not None and x.shape[-2] < 2:
            raise ValueError(f"{self} expects at least 2 samples in a batch to learn from, got x of shape {x.shape}")
        gamma, beta, mean, variance = params
        if streams is None:
            std = np.sqrt(variance + self.epsilon)
            x_hat = (x - mean) / std
            y = gamma * x_hat + beta
        else:
            y, backward_of_batch = _normalize(x, gamma, beta, self.epsilon, axis=-2)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            for statistic in grads[2:]:
                statistic[...] = 0
            if streams is not None:
                dx: Array | None = backward_of_batch(dy, grads[:2], need_dx)
                return dx
            _scale_and_shift(dy, x_hat, grads)
            return dy * (gamma / std) if need_dx else None

        return y, backward

    def calibrate(self, params: Params, x: Array) -> Array:
        """Set mean and unbiased variance of the population x (..., N, n), and return y."""
        _check_features(self, x)
        params[2][...] = x.mean(axis=-2, keepdims=True)
        params[3][...] = x.var(axis=-2, keepdims=True, ddof=min(1, x.shape[-2] - 1))
        return self.forward(params, x)[0]


def _normalize(x: Array, gamma: Array, beta: Array, epsilon: float, axis: int) -> tuple[Array, Backward]:
    """Normalise along an axis, then scale and shift each feature."""
    centred = x - x.mean(axis=axis, keepdims=True)
    std = np.sqrt(np.square(centred).mean(axis=axis, keepdims=True) + epsilon)
    x_hat = centred / std

    def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
        _scale_and_shift(dy, x_hat, grads)
        if not need_dx:
            return None
        d = dy * gamma
        return (d - d.mean(axis=axis, keepdims=True) - x_hat * (d * x_hat).mean(axis=axis, keepdims=True)) / std

    return gamma * x_hat + beta, backward


def _scale_and_shift(dy: Array, x_hat: Array, grads: Params) -> None:
    np.sum(dy * x_hat, axis=-2, keepdims=True, out=grads[0])
    np.sum(dy, axis=-2, keepdims=True, out=grads[1])


def _check_features(layer: LayerNorm | BatchNorm, x: Array) -> None:
    if x.shape[-1] != layer.n:
        raise ValueError(f"{layer} expects {layer.n} input features, got x of shape {x.shape}")
