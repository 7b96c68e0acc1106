"""The rest of the catalogue, and its list: piecewise linear cousins of the classical ones, a bump, and waves."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minnet import periodic, special
from minnet.activations import (
    Activation,
    Identity,
    LeakyReLU,
    LogSigmoid,
    ReLU,
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
)
from minnet.allowed import Moderate
from minnet.initializers import Initializer, VarianceScaling, glorot_uniform, he_normal
from minnet.rectifiers import CELU, ELU, GELU, SELU, Mish, SiLU
from minnet.settings import Array


@dataclass(frozen=True, repr=False)
class HardSigmoid(Activation):
    """min(max(x/6 + 1/2, 0), 1), range [0, 1] (Howard et al. 2019); slope 0 at ±3.

    PyTorch, JAX and Keras 3 mean this one; Courbariaux et al. (2015), Theano and Keras 2 took x/5 + 1/2.

    >>> print(HardSigmoid()(np.array([-3, -1.5, 0, 1.5, 3])))
    [0.   0.25 0.5  0.75 1.  ]
    """

    weight_init: ClassVar[Initializer] = glorot_uniform

    def __call__(self, x: Array) -> Array:
        return np.minimum(np.maximum(x + 3.0, 0), 6) / 6

    def derivative(self, x: Array) -> Array:
        return np.sign(np.maximum(3.0 - np.abs(x), 0)) / 6


@dataclass(frozen=True, repr=False)
class HardTanh(Activation):
    """min(max(x, -1), 1), range [-1, 1] (Collobert 2004); slope 0 at ±1.

    >>> print(HardTanh()(np.array([-2.0, -0.5, 0.0, 0.5, 2.0])))
    [-1.  -0.5  0.   0.5  1. ]
    """

    weight_init: ClassVar[Initializer] = glorot_uniform

    def __call__(self, x: Array) -> Array:
        return np.minimum(np.maximum(x, -1), 1)

    def derivative(self, x: Array) -> Array:
        return np.sign(np.maximum(1.0 - np.abs(x), 0))


@dataclass(frozen=True, repr=False)
class HardSwish(Activation):
    """x min(max(x + 3, 0), 6) / 6, range [-3/8, ∞) (Howard et al. 2019); slope 0 at -3 and 1 at 3.

    >>> print(HardSwish()(np.array([-3.0, -1.5, 0.0, 1.5, 3.0])))
    [-0.    -0.375  0.     1.125  3.   ]
    """

    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        from_left = np.maximum(x, -3)
        return from_left * (np.minimum(from_left + 3.0, 6) / 6)

    def derivative(self, x: Array) -> Array:
        near = np.minimum(np.maximum(x, -3), 3)
        return np.where(np.abs(x) >= 3, x > 0, (2.0 * near + 3) / 6)


@dataclass(frozen=True, repr=False)
class ReLU6(Activation):
    """min(max(x, 0), 6), range [0, 6] (Krizhevsky 2010); slope 0 at 0 and 6.

    >>> print(ReLU6()(np.array([-1.0, 3.0, 7.0])))
    [0. 3. 6.]
    """

    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return np.minimum(np.maximum(x, 0), 6)

    def derivative(self, x: Array) -> Array:
        return np.sign(np.maximum(np.minimum(x, 6.0 - x), 0))


@dataclass(frozen=True, repr=False)
class Gaussian(Activation):
    """exp(-x²), range (0, 1]: a bump, not monotone (radial basis functions: Broomhead & Lowe 1988).

    >>> print(Gaussian()(np.array([-1.0, 0.0, 1.0])))
    [0.36787944 1.         0.36787944]
    """

    weight_init: ClassVar[Initializer] = glorot_uniform

    def __call__(self, x: Array) -> Array:
        return special.gaussian(x)

    def derivative(self, x: Array) -> Array:
        return special.gaussian_derivative(x)

    def slope(self, x: Array, y: Array) -> Array:
        return -2 * y * x  # 2x may overflow


@dataclass(frozen=True, repr=False)
class Sine(Activation):
    """sin(ω₀x), range [-1, 1] (SIREN: Sitzmann et al. 2020); NaN at ±inf, where it has no limit.

    ω₀ = 30 and weights uniform in ±√(6/n_in)/ω₀ as in the paper, which starts its first layer at ±1/n_in instead.

    >>> print(Sine(omega_0=1.0)(np.array([-1.0, 0.0, 1.0])))
    [-0.84147098  0.          0.84147098]
    """

    omega_0: Moderate = 30.0
    weight_init: ClassVar[Initializer] = VarianceScaling(2 / 30**2, "in", "uniform")

    def __call__(self, x: Array) -> Array:
        return periodic.sin_product(x, self.omega_0)

    def derivative(self, x: Array) -> Array:
        return periodic.sin_product_derivative(x, self.omega_0)


@dataclass(frozen=True, repr=False)
class Snake(Activation):
    """x + sin²(αx) / α, range all numbers (Ziyin, Hartwig & Ueda 2020): a straight line with a period.

    >>> print(Snake()(np.array([-1.0, 0.0, 1.0])))
    [-0.29192658  0.          1.70807342]
    """

    alpha: Moderate = 1.0
    weight_init: ClassVar[Initializer] = glorot_uniform

    def __call__(self, x: Array) -> Array:
        return periodic.snake(x, self.alpha)

    def derivative(self, x: Array) -> Array:
        return periodic.snake_derivative(x, self.alpha)


@dataclass(frozen=True, repr=False)
class Step(Activation):
    """1 where x ≥ 0, else 0 (McCulloch & Pitts 1943). Its slope is 0 everywhere, so backpropagation learns nothing.

    That is what it is here for: no surrogate gradient is put in its place, and the weights before it never move.

    >>> print(Step()(np.array([-1.0, 0.0, 1.0])), Step().derivative(np.array([-1.0, 0.0, 1.0])))
    [0. 1. 1.] [0. 0. 0.]
    """

    weight_init: ClassVar[Initializer] = glorot_uniform

    def __call__(self, x: Array) -> Array:
        return np.heaviside(x, 1)

    def derivative(self, x: Array) -> Array:
        return np.where(np.isnan(x), x, x.dtype.type(0))


CATALOGUE: tuple[Activation, ...] = (
    Identity(), Sigmoid(), Tanh(), ReLU(), LeakyReLU(), ELU(), CELU(), SELU(), Softplus(), Softsign(), GELU(),
    GELU(approximate="tanh"), SiLU(), Mish(), HardSigmoid(), HardTanh(), HardSwish(), ReLU6(), LogSigmoid(), Gaussian(),
    Sine(), Snake(), Step(),
)  # fmt: skip
