"""How a parameter starts: (rng, shape) -> array. Fan-in and fan-out are the last two axes of the shape.

The rule behind all of them: the variance of a signal should neither grow nor shrink from layer to layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from minnet.allowed import Allowed, Finite, Positive
from minnet.settings import Array, Settings

# (The generator's type stands in quotes, here and elsewhere: named, it would have NumPy load its random numbers.)
Initializer = Annotated[
    Callable[["np.random.Generator", tuple[int, ...]], Array], Allowed("a function (rng, shape) -> array", Callable)
]


@dataclass(frozen=True, repr=False)
class Constant(Settings):
    """Every entry is `value`.

    >>> Constant(0.5)(np.random.default_rng(0), (1, 3))
    array([[0.5, 0.5, 0.5]])
    """

    value: Finite

    def __call__(self, rng: "np.random.Generator", shape: tuple[int, ...]) -> Array:
        return np.full(shape, self.value)


@dataclass(frozen=True, repr=False)
class VarianceScaling(Settings):
    """Zero mean and Var(W) = scale / fan, where fan is n_in, n_out or their average.

    One standard draw a weight is scaled, so that two networks of one seed differ in nothing but the scale. `fans` is
    (n_in, n_out) of the layer, where the shape does not tell them, as that of a bias.

    >>> W = VarianceScaling(2.0, "in", "normal")(np.random.default_rng(0), (100, 50))  # he_normal
    >>> round(float(W.var() * 100), 2)
    1.98
    """

    scale: Positive
    fan: Literal["in", "out", "average"]
    distribution: Literal["normal", "uniform"]

    def __call__(self, rng: "np.random.Generator", shape: tuple[int, ...], fans: tuple[int, ...] = ()) -> Array:
        n_in, n_out = fans or shape[-2:]
        fan = {"in": n_in, "out": n_out, "average": (n_in + n_out) / 2}[self.fan]
        std = np.sqrt(self.scale / fan)
        if self.distribution == "normal":
            return std * rng.standard_normal(shape)
        return std * np.sqrt(3.0) * rng.uniform(-1.0, 1.0, shape)


zeros = Constant(0.0)
ones = Constant(1.0)
# Glorot & Bengio 2010, eq. 16 (uniform); the normal form has the same variance, 2 / (n_in + n_out).
glorot_uniform = VarianceScaling(1.0, "average", "uniform")
glorot_normal = VarianceScaling(1.0, "average", "normal")
# He, Zhang, Ren & Sun 2015, eq. 10 (normal): ReLU halves the second moment, so Var(W) = 2 / n_in.
he_normal = VarianceScaling(2.0, "in", "normal")
he_uniform = VarianceScaling(2.0, "in", "uniform")
# LeCun, Bottou, Orr & Müller 1998, §4.6: Var(W) = 1 / n_in, of either distribution.
lecun_normal = VarianceScaling(1.0, "in", "normal")
lecun_uniform = VarianceScaling(1.0, "in", "uniform")
