"""A network is a chain of layers, and a layer itself; its numbers are one vector theta, kept apart from it."""

from __future__ import annotations  # or each step would evaluate those of the closures it makes

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.layers import Backward, Layer, Parameter, Params
from minnet.randomness import Seed, Streams
from minnet.settings import Array
from minnet.shown import as_html


@dataclass(frozen=True, init=False, repr=False)
class Network(Layer):
    """y = f_L(... f_2(f_1(x))).

    >>> from minnet import Dense, Tanh
    >>> net = Network(Dense(2, 16), Tanh(), Dense(16, 2))
    >>> net.init_theta(seed=0).shape, net.init_theta(seed=[0, 1, 2]).shape
    ((82,), (3, 82))
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer):
        for layer in layers:
            if not isinstance(layer, Layer):
                hint = f"; did you mean {layer.__name__}()?" if isinstance(layer, type) else ""
                raise TypeError(f"Network expects layers, got {layer!r}{hint}")
        object.__setattr__(self, "layers", layers)

    def __repr__(self) -> str:
        return f"Network({', '.join(map(repr, self.layers))})"

    def _repr_html_(self) -> str:
        rows = [(str(i), repr(layer), f"{_size(layer) or ''}") for i, layer in enumerate(self.layers)]
        return as_html(f"Network of {self.size} parameters", rows, header=("", "layer", "parameters"))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of all layers in order, each named with the number of its layer: 0.W, 0.b, 2.W, ..."""
        return tuple(p._replace(name=f"{i}.{p.name}") for i, layer in enumerate(self.layers) for p in layer.parameters)

    @property
    def size(self) -> int:
        """P, the length of theta."""
        return _size(self)

    def init_theta(self, seed: Seed, dtype: npt.DTypeLike = np.float32) -> Array:
        """Initial parameters: an int gives theta (P,), a sequence of K ints gives (K, P)."""

        def start(rng: np.random.Generator) -> Array:
            return np.concatenate([np.empty(0), *(np.ravel(p.init(rng, p.shape)) for p in self.parameters)])

        return Streams(seed, "weights").draw(start).astype(dtype)

    @property
    def slices(self) -> list[slice]:
        """Where in theta each layer's parameters stand."""
        ends = list(accumulate((_size(layer) for layer in self.layers), initial=0))
        return [slice(start, end) for start, end in pairwise(ends)]

    def unpack(self, vector: Array) -> Params:
        """Views of theta or of a gradient, (..., P): one group a layer. Done once a run, not once a step."""
        return [layer.unpack(vector[..., part]) for layer, part in zip(self.layers, self.slices, strict=True)]

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return the last layer's y, and the way back through all of them."""
        ways_back = []
        for layer, group in zip(self.layers, params, strict=True):
            x, backward_of_layer = layer.forward(group, x, streams)
            ways_back.append(backward_of_layer)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Any:
            for i in reversed(range(len(ways_back))):
                dy = ways_back[i](dy, grads[i], need_dx or i > 0)
            return dy

        return x, backward

    def calibrate(self, params: Params, x: Array) -> Array:
        for layer, group in zip(self.layers, params, strict=True):
            x = layer.calibrate(group, x)
        return x

    def __call__(self, theta: Array, x: Array) -> Array:
        """Inference: theta (..., P), x (..., batch, n_in) -> y (..., batch, n_out), in the dtype of theta."""
        theta = np.asarray(theta)
        if theta.ndim == 0 or theta.shape[-1] != self.size:
            raise ValueError(f"this network has {self.size} parameters, got theta of shape {theta.shape}")
        x = np.asarray(x, dtype=theta.dtype)
        if x.ndim < 2:
            raise ValueError(f"a network expects x of shape (..., batch, features), got {x.shape}")
        for i, (layer, group) in enumerate(zip(self.layers, self.unpack(theta), strict=True)):
            try:
                x = layer.forward(group, x)[0]
            except (ValueError, IndexError) as error:
                raise ValueError(f"layer {i}: {error}") from error
        return x


def _size(layer: Layer) -> int:
    return sum(int(np.prod(p.shape)) for p in layer.parameters)
