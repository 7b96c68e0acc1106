"""theta as named tensors, in names and shapes of PyTorch's state_dict, so that an equal torch.nn.Sequential reads them.

Where PyTorch has no such layer, parameters keep their names and shapes. Replicas are a leading axis, as in
torch.func.stack_module_state.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from minnet.blueprint import described
from minnet.layers import Layer, Residual
from minnet.network import Network
from minnet.settings import Array

RESERVED = "minnet."  # how tensors are called that are not the network's own
Turn = Literal["", "transposed", "row"]
# PyTorch's names. Its Linear holds W as (n_out, n_in), and what is a row (1, n) here is (n,) there.
_NORM: dict[str, tuple[str, Turn]] = {
    "gamma": ("weight", "row"),
    "beta": ("bias", "row"),
    "mean": ("running_mean", "row"),
    "variance": ("running_var", "row"),
}
_NAMES: dict[str, dict[str, tuple[str, Turn]]] = {
    "Dense": {"W": ("weight", "transposed"), "b": ("bias", "row")},
    "LayerNorm": _NORM,
    "BatchNorm": _NORM,
    "PReLU": {"alpha": ("weight", "row")},
}


class Tensor(NamedTuple):
    """One parameter: its name in the file, its shape in theta, and what turns that into the file's."""

    name: str
    shape: tuple[int, ...]
    turn: Turn

    def turned(self, array: Array) -> Array:
        """A view in the file's shape of an array in theta's."""
        if self.turn == "":
            return array
        return array.mT if self.turn == "transposed" else array[..., 0, :]

    @property
    def file_shape(self) -> tuple[int, ...]:
        """The shape in the file, without replicas."""
        if self.turn == "":
            return self.shape
        return self.shape[::-1] if self.turn == "transposed" else self.shape[1:]


def tensors_of(layer: Layer, path: str = "") -> Iterator[Tensor]:
    """What a network's theta is made of, in its order: "0.weight", "0.bias", "2.inner.0.weight", ..."""
    if type(layer) is Network:
        for i, inner in enumerate(layer.layers):
            yield from tensors_of(inner, f"{path}{i}.")
    elif type(layer) is Residual:
        yield from tensors_of(layer.inner, f"{path}inner.")
    else:
        own = type(layer).__module__.startswith("minnet.")
        names = _NAMES.get(type(layer).__name__, {}) if own else {}
        given = [parameter.name for parameter in layer.parameters]
        for i, parameter in enumerate(layer.parameters):
            alone = given.count(parameter.name) == 1  # in a layer of one's own made of others it may not be
            name, turn = names.get(parameter.name, (parameter.name if alone else f"{i}.{parameter.name}", ""))
            yield Tensor(path + name, tuple(parameter.shape), turn)


def views(network: Network, theta: Array) -> dict[str, Array]:
    """Views of theta (..., P) by the names and in the shapes of the file."""
    found, start = {}, 0
    for tensor in tensors_of(network):
        stop = start + math.prod(tensor.shape)
        found[tensor.name] = tensor.turned(theta[..., start:stop].reshape(*theta.shape[:-1], *tensor.shape))
        start = stop
    return found


def network_settings(network: Network, theta: Array) -> dict[str, Any]:
    """What else a file has to say for a network to be had from it again, as JSON."""
    replicas = list(theta.shape[:-1])
    return {"network": described(network, "network"), "replicas": replicas, "dtype": theta.dtype.name, "metadata": {}}
