"""What all exports need: one network's numbers by name, its sizes, and a refusal that names the layer."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minnet.allowed import check_settings
from minnet.layers import Layer, Residual
from minnet.network import Network
from minnet.settings import Array, require, require_finite

Rules = Mapping[type[Layer], Callable[..., Any]]  # by exact type: a subclass may compute something else


class Checked(NamedTuple):
    """A network that can be exported; `weights` are its numbers by name, in the order in which layers use them."""

    network: Network
    weights: dict[str, Array]
    dtype: np.dtype[Any]
    n_in: int
    n_out: int


def checked(network: Network, theta: npt.ArrayLike, target: str, known: Collection[type]) -> Checked:
    """Refuse what is no network of known layers with one vector of finite numbers; return its numbers by name."""
    require(isinstance(network, Network), f"only a Network can be exported, got {network!r}")
    for layer in parts(network):
        if type(layer) not in known:
            own = "" if type(layer).__module__.startswith("minnet.") else ": it is one of your own"
            raise ValueError(f"{layer!r} cannot be exported, {target} has no counterpart{own}")
        check_settings(layer)  # once more: they become text of a program
    theta = np.asarray(theta)
    if theta.ndim > 1:
        raise ValueError(f"one network is exported at a time, got theta of shape {theta.shape}: pick one, theta[k]")
    fits = theta.shape == (network.size,) and theta.dtype in (np.float32, np.float64)
    expected = f"float32 or float64 of shape {(network.size,)}"
    require(fits, f"theta has to be {expected} for this network, got {theta.dtype} {theta.shape}")
    require_finite(theta, "theta")
    n_in = next((n for layer in parts(network) if (n := _features(layer))), 1)
    n_out = network(theta, np.zeros((1, n_in), theta.dtype)).shape[-1]  # a layer that does not fit is named here
    arrays = Layer.unpack(network, theta)
    weights = {parameter.name: array for parameter, array in zip(network.parameters, arrays, strict=True)}
    return Checked(network, weights, theta.dtype, n_in, n_out)


def parts(layer: Layer) -> Iterator[Layer]:
    """All layers in order, networks opened; a Residual comes before its inner layer."""
    if type(layer) is Network:
        for inner in layer.layers:
            yield from parts(inner)
    else:
        yield layer
        if type(layer) is Residual:
            yield from parts(layer.inner)


def _features(layer: Layer) -> int | None:
    """How many features the layer takes, where its settings say so. n = 1 may mean: one number for all of them."""
    n = getattr(layer, "n", None)
    return getattr(layer, "n_in", None if n == 1 else n)
