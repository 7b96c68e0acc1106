"""Smooth rectifiers: exponential linear units, and gates, x g(x), where g turns the unit off on the left."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from minnet import normal, special
from minnet.activations import Activation
from minnet.allowed import Moderate, Positive
from minnet.initializers import Initializer, he_normal, lecun_normal
from minnet.settings import Array

SELU_SCALE = 1.0507009873554804934193349852946  # λ
SELU_FLOOR = 1.7580993408473768599402175208123  # λα, α = 1.6732632423543772848170429916717


@dataclass(frozen=True, repr=False)
class ELU(Activation):
    """x where x > 0, else α (exp(x) - 1), range (-α, ∞) (Clevert, Unterthiner & Hochreiter 2016).

    With α other than 1 it has a kink at 0; the slope there is taken as α. CELU has none.

    >>> print(ELU()(np.array([-2, -1, 0, 1, 2])))
    [-0.86466472 -0.63212056  0.          1.          2.        ]
    """

    alpha: Positive = 1.0
    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return np.maximum(x, 0) + self.alpha * np.expm1(np.minimum(x, 0))

    def derivative(self, x: Array) -> Array:
        return np.where(x > 0, 1, self.alpha * np.exp(np.minimum(x, 0)))

    def slope(self, x: Array, y: Array) -> Array:
        return np.where(x > 0, 1, y + self.alpha)


@dataclass(frozen=True, repr=False)
class CELU(Activation):
    """x where x > 0, else α (exp(x/α) - 1), range (-α, ∞): ELU made smooth for every α (Barron 2017).

    Unless α is a power of 2, rounding x/α adds |x/α| / 2 ULP to the derivative's left tail.

    >>> print(CELU(alpha=2.0)(np.array([-2, -1, 0, 1, 2])))
    [-1.26424112 -0.78693868  0.          1.          2.        ]
    """

    alpha: Positive = 1.0
    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return np.maximum(x, 0) + self.alpha * np.expm1(np.minimum(x, 0) / self.alpha)

    def derivative(self, x: Array) -> Array:
        return np.exp(np.minimum(x, 0) / self.alpha)

    def slope(self, x: Array, y: Array) -> Array:
        return np.minimum(y, 0) / self.alpha + 1


@dataclass(frozen=True, repr=False)
class SELU(Activation):
    """λx where x > 0, else λα (exp(x) - 1), range (-1.758, ∞) (Klambauer, Unterthiner, Mayr & Hochreiter 2017).

    λ = 1.0507... and α = 1.6732... keep mean 0 and variance 1 under LeCun-normal weights. Slope at 0: λα.

    >>> print(SELU()(np.array([-2, -1, 0, 1, 2])))
    [-1.52016647 -1.11133074  0.          1.05070099  2.10140197]
    """

    weight_init: ClassVar[Initializer] = lecun_normal

    def __call__(self, x: Array) -> Array:
        with np.errstate(over="ignore"):  # λx leaves the floats just before x does
            return SELU_SCALE * np.maximum(x, 0) + SELU_FLOOR * np.expm1(np.minimum(x, 0))

    def derivative(self, x: Array) -> Array:
        return np.where(x > 0, SELU_SCALE, SELU_FLOOR * np.exp(np.minimum(x, 0)))

    def slope(self, x: Array, y: Array) -> Array:
        return np.where(x > 0, SELU_SCALE, y + SELU_FLOOR)


@dataclass(frozen=True, repr=False)
class GELU(Activation):
    """x Φ(x), Φ the normal distribution function, range [-0.17, ∞) (Hendrycks & Gimpel 2016).

    `approximate="tanh"` is x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, as GPT-2 and JAX's default; it differs by up to
    0.0005.

    >>> print(GELU()(np.array([-1.0, 0.0, 1.0])))
    [-0.15865525  0.          0.84134475]
    >>> print(GELU(approximate="tanh")(np.array([-1.0, 0.0, 1.0])))
    [-0.15880801  0.          0.84119199]
    """

    approximate: Literal["none", "tanh"] = "none"
    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return special.gelu_tanh(x) if self.approximate == "tanh" else normal.gelu(x)

    def derivative(self, x: Array) -> Array:
        return special.gelu_tanh_derivative(x) if self.approximate == "tanh" else normal.gelu_derivative(x)

    def slope(self, x: Array, y: Array) -> Array:
        """The derivative in the dtype of x, right to a few ULP of its maximum."""
        return special.gelu_tanh_slope(x) if self.approximate == "tanh" else normal.gelu_slope(x)


@dataclass(frozen=True, repr=False)
class SiLU(Activation):
    """x σ(βx), range [-0.28/β, ∞) (β = 1: SiLU, Elfwing, Uchibe & Doya 2018; any β: Swish, Ramachandran et al. 2017).

    >>> print(SiLU()(np.array([-1.0, 0.0, 1.0])))
    [-0.26894142  0.          0.73105858]
    """

    beta: Moderate = 1.0
    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return special.silu(x, self.beta)

    def derivative(self, x: Array) -> Array:
        return special.silu_derivative(x, self.beta)

    def slope(self, x: Array, y: Array) -> Array:
        """The derivative in the dtype of x, right to a few ULP of its maximum."""
        return special.silu_slope(x, self.beta)


@dataclass(frozen=True, repr=False)
class Mish(Activation):
    """x tanh(softplus(x)), range [-0.31, ∞) (Misra 2019).

    >>> print(Mish()(np.array([-1.0, 0.0, 1.0])))
    [-0.30340146  0.          0.86509839]
    """

    weight_init: ClassVar[Initializer] = he_normal

    def __call__(self, x: Array) -> Array:
        return special.mish(x)

    def derivative(self, x: Array) -> Array:
        return special.mish_derivative(x)

    def slope(self, x: Array, y: Array) -> Array:
        """The derivative in the dtype of x, right to a few ULP of its maximum."""
        return special.mish_slope(x)
