"""Activations: the bend in the network. Element by element, without parameters, each with its exact derivative.

Here are the contract and the classical ones; smooth rectifiers are in rectifiers.py, all others in catalogue.py. Each
is right for every float: the limits at ±inf, subnormal tails, and NaN for NaN, out of the derivatives too.
"""

from __future__ import annotations  # or each step would evaluate those of the closures it makes

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from minnet.allowed import Allowed
from minnet.initializers import Initializer, VarianceScaling, glorot_uniform, he_normal
from minnet.layers import Backward, Layer, Params
from minnet.randomness import Streams
from minnet.settings import Array


class Activation(Layer):
    """The contract: `__call__` and `derivative`; `slope` where the derivative is cheaper once y is known.

    `weight_init` is the initializer recommended for the Dense layer that feeds this activation. Where none is named,
    `mlp`, `compare` and the estimators start from weights scaled by its own moments (Following).

    >>> x = np.array([-1.0, 2.0])
    >>> ReLU()(x), ReLU().derivative(x), ReLU.weight_init
    (array([0., 2.]), array([0., 1.]), VarianceScaling(2.0, 'in', 'normal'))
    """

    weight_init: ClassVar[Initializer | None] = None

    @abstractmethod
    def __call__(self, x: Array) -> Array:
        """The function, element by element."""

    @abstractmethod
    def derivative(self, x: Array) -> Array:
        """dy/dx, element by element, for every float x."""

    def slope(self, x: Array, y: Array) -> Array:
        """dy/dx in the training step, where y = self(x) is already there; for finite x."""
        return self.derivative(x)

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """Return f(x), and the way back: dx = dy f′(x). What comes in another dtype (np.where(x > 0, 1, 0)) is cast."""
        y = self(x)
        if y.dtype is not x.dtype and x.dtype.kind == "f":
            y = y.astype(x.dtype)

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> Array | None:
            if not need_dx:
                return None
            dx = dy * self.slope(x, y)
            return dx if dx.dtype is dy.dtype else dx.astype(dy.dtype)

        return y, backward


@dataclass(frozen=True, repr=False)
class Identity(Activation):
    """f(x) = x: "linear-only". A stack of layers with it is one linear map, however deep.

    >>> Identity()(np.array([-2, -1, 0, 1, 2]))
    array([-2, -1,  0,  1,  2])
    """

    weight_init: ClassVar[Initializer] = glorot_uniform

    def __call__(self, x: Array) -> Array:
        return x

    def derivative(self, x: Array) -> Array:
        return np.where(np.isnan(x), x, x.dtype.type(1))

    def slope(self, x: Array, y: Array) -> Array:
        return np.ones_like(x)


@dataclass(frozen=True, repr=False)
class Sigmoid(Activation):
    """σ(x) = 1 / (1 + exp(-x)), range (0, 1) (Verhulst 1845; in networks: Rumelhart, Hinton & Williams 1986).

    Glorot & Bengio (2010) derive their initialization for slope 1 at 0; the slope here is ¼, so weights start 4 times
    as large.

    >>> x = np.array([-2, -1, 0, 1, 2])
    >>> print(Sigmoid()(x))
    [0.11920292 0.26894142 0.5        0.73105858 0.88079708]
    >>> print(Sigmoid().derivative(x))
    [0.10499359 0.19661193 0.25       0.19661193 0.10499359]
    """

    weight_init: ClassVar[Initializer] = VarianceScaling(16.0, "average", "uniform")

    def __call__(self, x: Array) -> Array:
        """σ(x) = max(e, sign x) / (1 + e) with e = exp(-|x|), which never overflows."""
        e = np.exp(-np.abs(x))
        y = np.maximum(e, np.sign(x))
        y /= 1 + e
        return y

    def derivative(self, x: Array) -> Array:
        """exp(-|x|) / (1 + exp(-|x|))²: σ (1 - σ) without its cancellation right of 0."""
        e = np.exp(-np.abs(x))
        return e / np.square(1 + e)

    def slope(self, x: Array, y: Array) -> Array:
        return y * (1 - y)


@dataclass(frozen=True, repr=False)
class Tanh(Activation):
    """tanh(x), range (-1, 1); 2σ(2x) - 1, so a centred sigmoid (LeCun et al. 1998 recommend it for that).

    >>> x = np.array([-2, -1, 0, 1, 2])
    >>> print(Tanh()(x))
    [-0.96402758 -0.76159416  0.          0.76159416  0.96402758]
    >>> print(Tanh().derivative(x))
    [0.07065082 0.41997434 1.         0.41997434 0.07065082]
    """

    weight_init: ClassVar[Initializer] = glorot_uniform

    def __call__(self, x: Array) -> Array:
        return np.tanh(x)

    def derivative(self, x: Array) -> Array:
        """exp(-2|x|) / ((1 + exp(-2|x|)) / 2)²: 1 - tanh² without its cancellation in the tails."""
        e = np.exp(-2 * np.minimum(np.abs(x), 400))
        return e / np.square(0.5 + 0.5 * e)

    def slope(self, x: Array, y: Array) -> Array:
        return 1 - y * y


@dataclass(frozen=True, repr=False)
class ReLU(Activation):
    """max(x, 0), range [0, ∞) (Fukushima 1969; Nair & Hinton 2010). relu′(0) is taken as 0, as PyTorch and JAX do.

    >>> x = np.array([-2, -1, 0, 1, 2])
    >>> print(ReLU()(x), ReLU().derivative(x))
    [0 0 0 1 2] [0 0 0 1 1]
    """

    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def derivative(self, x: Array) -> Array:
        return np.maximum(np.sign(x), 0)

    def slope(self, x: Array, y: Array) -> Array:
        return np.sign(y)


@dataclass(frozen=True, repr=False)
class LeakyReLU(Activation):
    """x where x > 0, else αx, range all numbers (Maas, Hannun & Ng 2013). The slope at 0 is taken as α.

    α = 0.01 as in the paper and PyTorch; Keras takes 0.3, TensorFlow's function 0.2.

    >>> print(LeakyReLU()(np.array([-2.0, 0.0, 2.0])))
    [-0.02  0.    2.  ]
    """

    alpha: Annotated[float, Allowed("> 0 and <= 1")] = 0.01  # 0 is ReLU
    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return np.maximum(x, self.alpha * x)

    def derivative(self, x: Array) -> Array:
        return np.maximum(np.sign(x), self.alpha)

    def slope(self, x: Array, y: Array) -> Array:
        return np.maximum(np.sign(y), self.alpha)


@dataclass(frozen=True, repr=False)
class Softplus(Activation):
    """log(1 + exp(x)), range (0, ∞): a smooth ReLU (Dugas et al. 2001). Its derivative is the sigmoid.

    >>> x = np.array([-2, -1, 0, 1, 2])
    >>> print(Softplus()(x))
    [0.12692801 0.31326169 0.69314718 1.31326169 2.12692801]
    >>> print(Softplus().derivative(x))
    [0.11920292 0.26894142 0.5        0.73105858 0.88079708]
    """

    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        """max(x, 0) + log(1 + exp(-|x|)), which never overflows."""
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def derivative(self, x: Array) -> Array:
        e = np.exp(-np.abs(x))
        return np.maximum(e, np.sign(x)) / (1 + e)

    def slope(self, x: Array, y: Array) -> Array:
        return -np.expm1(-y)


@dataclass(frozen=True, repr=False)
class LogSigmoid(Activation):
    """log σ(x) = -log(1 + exp(-x)), range (-∞, 0): the softplus mirrored twice.

    >>> print(LogSigmoid()(np.array([-2, -1, 0, 1, 2])))
    [-2.12692801 -1.31326169 -0.69314718 -0.31326169 -0.12692801]
    """

    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def derivative(self, x: Array) -> Array:
        """σ(-x)."""
        e = np.exp(-np.abs(x))
        return np.maximum(e, np.sign(-x)) / (1 + e)

    def slope(self, x: Array, y: Array) -> Array:
        return -np.expm1(y)


@dataclass(frozen=True, repr=False)
class Softsign(Activation):
    """x / (1 + |x|), range (-1, 1), with tails as slow as 1/|x| (Turian, Bergstra & Bengio 2009).

    >>> print(Softsign()(np.array([-2, -1, 0, 1, 3])))
    [-0.66666667 -0.5         0.          0.5         0.75      ]
    """

    weight_init: ClassVar[Initializer] = glorot_uniform

    def __call__(self, x: Array) -> Array:
        largest = float(np.finfo(np.result_type(x, np.float16)).max)
        near = np.maximum(np.minimum(x, largest), -largest)  # keeps inf / inf out
        return near / (1 + np.abs(near))

    def derivative(self, x: Array) -> Array:
        return np.square(1 / (1 + np.abs(x)))
