"""What comes in to be trained on is checked here, once, so that nothing needs checking in the step."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minnet.losses import Loss
from minnet.network import Network
from minnet.optimizers import Optimizer
from minnet.randomness import Seed
from minnet.settings import Array, require, require_finite


class Data(NamedTuple):
    """x (..., N, n_in), target (..., N, n_out) and sample weights (..., N, 1) or None, all in theta's dtype."""

    x: Array
    target: Array
    sample_weight: Array | None = None

    def of(self, rows: Array | int) -> "Data":
        """The same for some replicas only; what all of them share stays as it is."""
        return self.changed(lambda part: part[rows] if part.ndim > 2 else part)

    def changed(self, change: Callable[[Array], Array]) -> "Data":
        """The same with each array changed alike."""
        weight = self.sample_weight
        return Data(change(self.x), change(self.target), None if weight is None else change(weight))


def check_like(what: str, found: Mapping[str, Array], like: Mapping[str, Array]) -> None:
    """Raise ValueError if `found` does not hold arrays of the names, shapes and dtypes of `like`."""
    names = sorted({*found, *like})
    for name in names:
        kept, fresh = found.get(name), like.get(name)
        fits = kept is not None and fresh is not None and (kept.shape, kept.dtype) == (fresh.shape, fresh.dtype)
        expected, got = ("nothing" if one is None else f"{one.dtype} {one.shape}" for one in (fresh, kept))
        require(fits, f"{what}: expected {name} to be {expected}, got {got}")


def check_parts(network: Network, loss: Loss, optimizer: Optimizer | None, **counts: int) -> None:
    """Raise TypeError or ValueError for what is no network, loss or optimizer, and for counts below 1."""
    for name, part, kind in (("network", network, Network), ("loss", loss, Loss), ("optimizer", optimizer, Optimizer)):
        if not isinstance(part, kind) and part is not None:
            hint = f"; did you mean {part.__name__}(...)?" if isinstance(part, type) else ""
            raise TypeError(f"{name} has to be a {kind.__name__}, got {part!r}{hint}")
    for name, count in counts.items():
        fits = isinstance(count, int | np.integer) and count >= 1
        require(fits, f"{name} has to be an integer >= 1, got {count!r}")


def checked_start(network: Network, theta: npt.ArrayLike, seed: Seed) -> Array:
    """A copy of theta, or a ValueError if it is not of the network and the seeds."""
    theta = np.array(theta)
    expected = (*np.shape(seed), network.size)
    fits = theta.shape == expected and theta.dtype.type in (np.float32, np.float64)
    require(fits, f"theta has to be float32 or float64 of shape {expected}, got {theta.dtype} {theta.shape}")
    require_finite(theta, "theta")
    return theta


def checked_sample_weight(weight: npt.ArrayLike, x: Array) -> Array:
    """Sample weights as (..., N, 1), or a ValueError if there is not one >= 0 for each row of x (..., N, n_in).

    Only their ratios count: a power of 2, which rounds nothing, brings the largest to between ½ and 1.
    """
    weight = np.asarray(weight)
    require(weight.shape == x.shape[:-1], f"sample_weight has to be of shape {x.shape[:-1]}, got {weight.shape}")
    require_finite(weight, "sample_weight")
    require(bool((weight >= 0).all()), f"sample_weight has to be >= 0, got {weight.min()}")
    scaled = np.ldexp(weight.astype(float), -np.frexp(weight.max(axis=-1, keepdims=True).astype(float))[1])
    tiny, counts = np.finfo(x.dtype).tiny, weight > 0
    fits = bool(((scaled >= tiny) == counts).all() and counts.any(axis=-1).all())
    require(fits, f"sample_weight has to be > 0 somewhere, else 0 or >= {tiny:.1g} of the largest, got {weight.min()}")
    return scaled.astype(x.dtype)[..., None]


def checked_data(
    network: Network, loss: Loss, theta: Array, x: npt.ArrayLike, y: npt.ArrayLike, which: str = ""
) -> Data:
    """x and the encoded target in theta's dtype, or a ValueError that says what does not fit."""
    x = np.asarray(x)
    shapes = "(N, n_in)" if theta.ndim == 1 else f"(N, n_in) or ({len(theta)}, N, n_in)"
    fits = x.ndim == 2 or (x.ndim == 3 == theta.ndim + 1 and len(x) == len(theta))
    require(fits and x.dtype.kind in "biuf", f"{which}x has to be numbers of shape {shapes}, got {x.dtype} {x.shape}")
    require(x.shape[-2] > 0, f"{which}x is empty: expected at least one row, got shape {x.shape}")
    require_finite(x, f"{which}x")
    with np.errstate(over="ignore"):
        x = x.astype(theta.dtype)
    require_finite(x, f"{which}x as {theta.dtype}")
    try:
        n_out = network(theta, x[..., :2, :]).shape[-1]  # a layer that does not fit is named before the first step
    except ValueError as error:
        raise ValueError(f"{error}, tried with the first rows of {which}x {x.shape}") from None
    target = loss.encode(y, n_out, theta.dtype)
    require(
        target.shape[:-1] == x.shape[:-1],
        f"{which}y has to have one row for each of x: expected {x.shape[:-1]}, got {target.shape[:-1]}",
    )
    return Data(x, target)
