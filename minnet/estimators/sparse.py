"""Sparse data: the network is given row numbers, and its first layer looks the rows up, so nothing is made dense."""

from __future__ import annotations  # or each step would evaluate those of the closures it makes

from dataclasses import dataclass
from typing import Any

import numpy as np

from minnet.layers import Backward, Dense, Layer, Parameter, Params
from minnet.network import Network
from minnet.randomness import Streams
from minnet.settings import Array, require


@dataclass(frozen=True, repr=False, eq=False)
class SparseDense(Layer):
    """y = X[i] W + b, where x holds the row numbers i, (..., batch, 1), and X is a sparse matrix (N, n_in)."""

    matrix: Any
    dense: Dense

    def __repr__(self) -> str:
        return repr(self.dense)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.dense.parameters

    def forward(self, params: Params, x: Array, streams: Streams | None = None) -> tuple[Array, Backward]:
        """As Dense does it, one replica after the other: sparse products know no further axes."""
        W, b = params
        weights = W.reshape(-1, *W.shape[-2:])
        index = x[..., 0].astype(np.intp)
        found = [self.matrix[rows] for rows in index.reshape(-1, index.shape[-1])]
        rows = found if len(found) == len(weights) else found * len(weights)
        y = np.stack([X @ W for X, W in zip(rows, weights, strict=True)])

        def backward(dy: Array, grads: Params, need_dx: bool = True) -> None:
            dW, db = grads
            slopes = dy.reshape(-1, *dy.shape[-2:])
            dW[...] = np.stack([X.T @ d for X, d in zip(rows, slopes, strict=True)]).reshape(dW.shape)
            np.add.reduce(dy, axis=-2, keepdims=True, out=db)

        return y.reshape(*W.shape[:-2], *y.shape[1:]) + b, backward


def over_rows(network: Network, X: Any, dtype: np.dtype[Any]) -> tuple[Network, Array]:
    """The network whose first layer looks rows up in the sparse X, and the numbers of all rows, (N, 1)."""
    most = 2 ** (np.finfo(dtype).nmant + 1)
    require(X.shape[0] <= most, f"sparse {dtype} data can have {most} rows at most, got {X.shape[0]}")
    first = network.layers[0]
    assert isinstance(first, Dense)
    looking_up = SparseDense(X.tocsr().astype(dtype, copy=False), first)
    return Network(looking_up, *network.layers[1:]), np.arange(X.shape[0])[:, None]
