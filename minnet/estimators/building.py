"""From scikit-learn's parameters to a Network, and from theta to coefs_ and intercepts_ and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from minnet.activations import Activation
from minnet.dropout import Dropout
from minnet.gains import recommended
from minnet.lab.conditions import activation as named_activation
from minnet.layers import Dense, Layer
from minnet.network import Network
from minnet.settings import Array, Settings, require

# Theirs by name, and the numerator of the bound² of their initial weights and biases; ours start as minnet recommends.
THEIRS = {"identity": ("identity", 6.0), "logistic": ("sigmoid", 2.0), "tanh": ("tanh", 6.0), "relu": ("relu", 6.0)}


@dataclass(frozen=True, repr=False)
class Uniform(Settings):
    """Uniform between -bound and bound."""

    bound: float

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.uniform(-self.bound, self.bound, shape)


def build(sizes: Sequence[int], activation: Any, dropout: Any) -> Network:
    """Dense layers of these sizes, each but the last followed by its activation and dropout."""
    hidden, layers = len(sizes) - 2, list[Layer]()
    parts, rates = _by_layer(activation, hidden, "activation"), _by_layer(dropout, hidden, "dropout")
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        part, head = parts[i], i == hidden
        theirs = isinstance(part, str) and part in THEIRS
        bend: Any = named_activation(THEIRS[part][0] if theirs else part) if isinstance(part, str) else part
        require(isinstance(bend, Activation), f"activation expects a name or an Activation, got {bend!r}")
        if theirs:
            start = Uniform((THEIRS[part][1] / (n_in + n_out)) ** 0.5)
            layers.append(Dense(n_in, n_out, start, start))
        else:
            layers.append(Dense(n_in, n_out) if head else Dense(n_in, n_out, recommended(bend)))
        if not head:
            layers += [bend, Dropout(rates[i])] if rates[i] else [bend]
    return Network(*layers)


def _by_layer(value: Any, hidden: int, name: str) -> list[Any]:
    """One a hidden layer, and the last one's again for the output layer, which starts as it does."""
    if not isinstance(value, list | tuple):
        return [value] * (hidden + 1)
    require(len(value) == hidden, f"{name} expects one entry a hidden layer ({hidden}), got {len(value)}")
    return [*value, *(value[-1:] or ["identity"])]


def packed(coefs: Sequence[Array], intercepts: Sequence[Array]) -> Array:
    """Theta, (P,) or (K, P), of weights (..., n_in, n_out) and biases (..., n_out)."""
    parts = [part for W, b in zip(coefs, intercepts, strict=True) for part in (W.reshape(*b.shape[:-1], -1), b)]
    return np.concatenate(parts, axis=-1)


def unpacked(network: Network, theta: Array) -> tuple[list[Array], list[Array]]:
    """The weights and the biases of the layers, as views of theta."""
    groups = [group for group in network.unpack(theta) if len(group)]
    return [W for W, _ in groups], [b[..., 0, :] for _, b in groups]
