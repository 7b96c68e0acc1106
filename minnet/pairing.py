"""Parts that do not go together: each is right by itself, and nothing can be learned with both."""

from contextlib import suppress

import numpy as np

from minnet.layers import Layer
from minnet.losses import Loss
from minnet.network import Network
from minnet.randomness import Seed, Streams
from minnet.settings import Array


def check_batches(network: Network, theta: Array, x: Array, batch_size: int, seed: Seed) -> None:
    """Raise ValueError if a batch holds one sample only, the last one or each, and a layer cannot learn from that."""
    n = x.shape[-2]
    if min(n, batch_size) == 1 or n % batch_size == 1:
        try:
            network.forward(network.unpack(theta), x[..., :1, :], Streams(seed, "noise"))
        except ValueError as error:
            raise ValueError(f"{error}; {n} samples in batches of {batch_size} leave a batch of one") from None


def check_logits(network: Network, loss: Loss, n_out: int) -> None:
    """Raise ValueError if a loss that takes logits would get what the last layer has squeezed into [0, 1]."""
    if loss.takes_logits and squeezes(network, n_out):
        what = f"{loss} takes logits, any real numbers, but {network.layers[-1]} gives 0 to 1 only"
        raise ValueError(f"{what}: leave out the last layer")


def squeezes(layer: Layer, n_out: int) -> bool:
    """Whether a layer, or the last of a network, gives numbers in [0, 1] only, as Sigmoid and Softmax do."""
    if isinstance(layer, Network) and layer.layers:
        return squeezes(layer.layers[-1], n_out)
    y = np.linspace(-30, 30, 61)[:, None].repeat(n_out, axis=1)
    if not layer.parameters:
        with suppress(ValueError):  # of one that takes another number of features than it gives
            y = layer.forward([], y)[0]
    return bool(((y >= 0) & (y <= 1)).all())
