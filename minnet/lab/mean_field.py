"""How signal and gradient travel through a deep network at the start, predicted from the activation alone.

In a wide network with independent zero-mean weights each z is about normal, so that two numbers of an activation f tell
all: with z ~ N(0, q), q ← n_in Var(W) E[f(z)²] on the way there, and on the way back ‖δ‖² ← n_in Var(W) E[f′(z)²] ‖δ‖²,
n_in being the width that δ arrives at (Poole et al. 2016; Schoenholz et al. 2017). Any activation will do, yours too.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minnet.activations import Activation
from minnet.findings import breakpoints, moments
from minnet.initializers import Initializer
from minnet.layers import Dense
from minnet.network import Network
from minnet.settings import Array, require

DRAWS = 2**22  # numbers that tell an initializer's variance, to 0.07 % if it is normal


class MeanField(NamedTuple):
    """What is expected at each Dense layer, (L,), from the first to the last.

    `z`: E[z²] of its output; `delta`: ‖δ_l‖ / ‖δ_L‖, with δ = ∂L/∂z there and L the last one (`Gradient.delta`).
    """

    z: Array
    delta: Array


def mean_field(network: Network, input_moment: float = 1.0) -> MeanField:
    """The prediction for a network as its initializers start it, from E[x²] of the input alone.

    >>> from minnet import ReLU, Tanh, he_normal
    >>> he = Network(*[Dense(64, 64, he_normal), ReLU()] * 20, Dense(64, 64, he_normal))
    >>> print(mean_field(he).delta[0].round(1))
    1.0

    Raises ValueError unless Dense layers and activations alternate.
    """
    dense = [layer for layer in network.layers[::2] if isinstance(layer, Dense)]
    activations = [layer for layer in network.layers[1::2] if isinstance(layer, Activation)]
    fits = len(dense) + len(activations) == len(network.layers) > 0
    require(fits, f"mean_field expects Dense layers and activations in turn, got {network}")
    shapes = [layer.parameters[0].shape for layer in dense]
    weights, biases = (_once(_moment, [(p.init, p.shape) for p in (layer.parameters[i] for layer in dense)])
                       for i in (0, 1))  # fmt: skip
    kinks = _once(_breakpoints, [(f,) for f in activations])
    with np.errstate(over="ignore"):
        z, signal, slopes = [], float(input_moment), []
        for i, ((n_in, _), weight, bias) in enumerate(zip(shapes, weights, biases, strict=True)):
            z.append(n_in * weight * signal + bias)
            if i < len(activations):
                _, signal, slope = moments(activations[i], kinks[i], max(z[-1], np.finfo(float).tiny))
                slopes.append(slope)
        squared = [1.0]
        for (n_in, _), weight, slope in reversed(list(zip(shapes[1:], weights[1:], slopes, strict=False))):
            squared.append(squared[-1] * n_in * weight * slope)  # of ‖δ‖²: each of n_in entries has n_out addends
    return MeanField(np.array(z), np.sqrt(squared[::-1]))


def _once(compute: Callable[..., Any], parts: Sequence[tuple[Any, ...]]) -> list[Any]:
    """compute(*part) of each part, and once where its first is the same object: what is only equal may differ."""
    different = {(id(part[0]), *part[1:]): part for part in parts}
    found = {key: compute(*part) for key, part in different.items()}
    return [found[id(part[0]), *part[1:]] for part in parts]


def _moment(init: Initializer, shape: tuple[int, ...]) -> float:
    """E[W²], from draws."""
    rng, count = np.random.default_rng(0), DRAWS // int(np.prod(shape)) + 1
    return float(np.mean([np.square(init(rng, shape)).mean() for _ in range(min(count, 1000))]))


def _breakpoints(activation: Activation) -> tuple[float, ...]:
    return breakpoints(activation) + breakpoints(activation.derivative)
