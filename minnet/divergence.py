"""Where a training that diverged first met a number that is not finite."""

from copy import deepcopy

import numpy as np

from minnet.network import Network
from minnet.randomness import Streams
from minnet.settings import Array


def first_non_finite(
    network: Network, before: Array, gradient: Array, theta: Array, x: Array, noise: Streams
) -> list[str]:
    """For each replica the place where its last step, from `before` to `theta`, first met such a number."""
    count = theta.size // theta.shape[-1]
    places = ["the loss"] * count

    def look(array: Array, place: str) -> None:
        for i in np.flatnonzero(~np.isfinite(array.reshape(count, -1)).all(axis=1)):
            if places[i] == "the loss":
                places[i] = place

    noise, layers = deepcopy(noise), list(enumerate(network.layers))  # the streams stay where they are
    for (i, layer), group in zip(layers, network.unpack(before), strict=True):
        x = layer.forward(group, x, noise)[0]
        look(x, f"the output of layer {i}, {layer}")
    for vector, what in ((gradient, "gradient"), (theta, "updated parameters")):
        rows = vector.reshape(count, -1)
        for (i, layer), part in reversed(list(zip(layers, network.slices, strict=True))):
            look(rows[:, part], f"the {what} of layer {i}, {layer}")
    return places
