"""A stack of linear layers is one linear map: the map, and how far rounding may part the two."""

import numpy as np

from minnet.layers import Dense
from minnet.network import Network
from minnet.settings import Array


def weights_and_biases(network: Network, theta: Array) -> list[tuple[Array, Array]]:
    """W (..., n_in, n_out) and b (..., 1, n_out) of every Dense layer, in order; whatever stands between is skipped."""
    groups = zip(network.layers, network.unpack(theta), strict=True)
    return [(group[0], group[1]) for layer, group in groups if isinstance(layer, Dense)]


def composed(network: Network, theta: Array) -> tuple[Array, Array]:
    """W = W₁W₂…W_L and b = (…(b₁W₂ + b₂)W₃ + …) + b_L, in the dtype of theta: (..., n_in, n_out), (..., 1, n_out)."""
    (W, b), *rest = weights_and_biases(network, theta)
    for W_l, b_l in rest:
        W, b = W @ W_l, b @ W_l + b_l
    return W, b


def rounding_bound(network: Network, theta: Array, x: Array) -> Array:
    """How far the stack and the composed map may lie apart on x (..., batch, n_in), output by output.

    N·eps·(…(|x||W₁| + |b₁|)|W₂| + …), N = Σ(nᵢ + 1): the bias counts as one more input of its layer. Each of the two
    is a sum of products in which no term is rounded more than N times, hence within N·u/(1 - N·u) of that sum of
    absolute values from the exact result, u = eps/2 (Higham 2002, §3.1 and 3.5); two such errors give eps for u.
    """
    size, terms = np.abs(x).astype(float), 0
    for W, b in weights_and_biases(network, theta):
        size = size @ np.abs(W).astype(float) + np.abs(b)
        terms += W.shape[-2] + 1
    eps = float(np.finfo(theta.dtype).eps)
    return terms * eps / (1 - terms * eps / 2) * size


def running_bound(network: Network, theta: Array, x: Array) -> Array:
    """The same by a running error analysis (Higham 2002, §3.3), which the depth does not blow up.

    Each product that is computed on either way may be off by (nᵢ + 1)·u of its absolute terms, and what it is off by
    goes on through the later matrices themselves, W_l+1…W_L, not through their absolute values. That is the first
    order in u; eps is put for u, twice as much, to cover the rest.
    """
    layers = [(W.astype(float), b.astype(float)) for W, b in weights_and_biases(network, theta)]
    later = [np.eye(layers[-1][0].shape[-1])]
    for W, _ in reversed(layers[1:]):
        later.insert(0, W @ later[0])
    signal, product, shift, apart = x.astype(float), np.eye(x.shape[-1]), np.zeros((1, x.shape[-1])), 0.0
    for (W, b), onward in zip(layers, later, strict=True):
        stack = np.abs(signal) @ np.abs(W) + np.abs(b)
        composed = np.abs(x) @ (np.abs(product) @ np.abs(W)) + np.abs(shift) @ np.abs(W) + np.abs(b)
        apart = apart + (W.shape[-2] + 1) * (stack + composed) @ np.abs(onward)
        signal, product, shift = signal @ W + b, product @ W, shift @ W + b
    apart = apart + (x.shape[-1] + 1) * (np.abs(x) @ np.abs(product) + np.abs(shift))
    return np.asarray(float(np.finfo(theta.dtype).eps) * apart)
