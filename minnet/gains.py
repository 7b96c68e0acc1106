"""Initial weights that follow the activation: computed gains, and a sigmoid network that starts as a tanh network.

A unit's input z is about normal at the start. What an activation f does to a signal is then told by two numbers: E[f²]
for the way there and E[f′²] for the way back.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np

from minnet.activations import Activation, Sigmoid
from minnet.allowed import Allowed
from minnet.findings import breakpoints, moments
from minnet.initializers import Initializer, glorot_uniform
from minnet.layers import Dense, Layer, Params, Residual
from minnet.network import Network
from minnet.settings import Array, Settings, require


def second_moments(activation: Activation, variance: float = 1.0) -> tuple[float, float]:
    """E[f(z)²] and E[f′(z)²] for z normal with mean 0 and this variance."""
    with np.errstate(all="ignore"):
        _, forward, back = moments(activation, breakpoints(activation) + breakpoints(activation.derivative), variance)
    return forward, back


@dataclass(frozen=True, repr=False)
class Following(Settings):
    """Zero-mean normal weights for the Dense layer that feeds `activation`: Var(W) = 2 / (n_in E[f²] + n_out E[f′²]).

    With unit variance before every activation, n_in E[f²] Var(W) = 1 keeps it on the way there and n_out E[f′²] Var(W)
    = 1 on the way back (He et al. 2015, eq. 10 and 14, for any f); this is the compromise between the two that Glorot
    & Bengio (2010) take for the identity, and it is theirs there. For ReLU it is He's, with the average fan.

    >>> from minnet import Dense, Sine
    >>> Dense(64, 64, weight_init=Following(Sine(1.0)))
    Dense(64, 64, weight_init=Following(Sine(omega_0=1.0)))
    """

    activation: Annotated[Activation, Allowed("an Activation", Activation)]

    @cached_property
    def moments(self) -> tuple[float, float]:
        """E[f²] and E[f′²] under N(0, 1), computed once: that takes some tenths of a second."""
        return second_moments(self.activation)

    def __call__(self, rng: "np.random.Generator", shape: tuple[int, ...]) -> Array:
        n_in, n_out = shape[-2:]
        forward, back = self.moments
        total = n_in * forward + n_out * back
        require(np.isfinite(total) and total > 0, f"{self.activation} has no gain: E[f²] = {forward}, E[f′²] = {back}")
        return np.sqrt(2 / total) * rng.standard_normal(shape)


def recommended(activation: Activation) -> Initializer:
    """The `weight_init` that an activation names; else weights that follow it, or Glorot's if its moments allow none.

    >>> from minnet import Elementwise
    >>> recommended(Sigmoid()), recommended(Elementwise(np.arctan))
    (VarianceScaling(16.0, 'average', 'uniform'), Following(Elementwise(arctan)))
    """
    named = type(activation).weight_init
    if named is not None:
        return named
    following = Following(activation)
    try:
        fits = 0 < sum(following.moments) < np.inf
    except Exception:  # code of one's own may fail in any way; whoever trains with it will see how
        fits = False
    return following if fits else glorot_uniform


def tanh_equivalent(network: Network, theta: Array) -> Array:
    """The theta with which a sigmoid network computes exactly what it would with tanh in place of sigmoid at `theta`.

    Through tanh(x) = 2σ(2x) - 1: a Dense layer before a sigmoid is doubled, and one after it is doubled and its bias
    lowered by the sum of its weights (before doubling). theta: (..., P) of the network -> (..., P), a copy.

    Raises ValueError where a Sigmoid does not stand between two Dense layers, with Residual looked into.

    >>> network = Network(Dense(2, 3), Sigmoid(), Dense(3, 1))
    >>> tanh_equivalent(network, network.init_theta(seed=0)).shape
    (13,)
    """
    theta = np.array(theta)
    _make_equivalent(network, network.unpack(theta), "")
    return theta


def _make_equivalent(layer: Layer, params: Params, where: str) -> None:
    if isinstance(layer, Residual):
        _make_equivalent(layer.inner, params, where)
    elif isinstance(layer, Network):
        layers, groups = layer.layers, params
        for i, part in enumerate(layers):
            if isinstance(part, Sigmoid):
                around = layers[i - 1 : i] + layers[i + 1 : i + 2]
                fits = i > 0 and len(around) == 2 and all(isinstance(other, Dense) for other in around)
                require(fits, f"layer {where}{i}: tanh_equivalent expects Sigmoid() between two Dense layers")
                for array in groups[i - 1]:
                    array *= 2
                W, b = groups[i + 1]
                b -= W.sum(axis=-2, keepdims=True)
                W *= 2
            else:
                _make_equivalent(part, groups[i], f"{where}{i}.")
    else:
        require(not isinstance(layer, Sigmoid), f"layer {where[:-1]}: Sigmoid() has to stand between two Dense layers")
