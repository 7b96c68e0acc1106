"""Any NumPy expression of one variable becomes an activation, with an exact derivative and no calculus from you."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from minnet.activations import Activation
from minnet.allowed import Allowed
from minnet.duals import Dual
from minnet.settings import Array, require

_PROBE = np.array([[-3.1, -1.7, -0.6, -0.2], [0.3, 0.9, 1.6, 2.8]])


@dataclass(frozen=True, repr=False)
class Elementwise(Activation):
    """f(x) for any NumPy expression f of one variable, with its exact derivative, found by dual numbers.

    At a kink the slope is that of the constant side (|x|: 0). A derivative given by hand, `df`, is compared with the
    automatic one and then used in its place. datasheet(...) tells what f is and where it breaks. A lambda does not
    pickle; a function with a name, defined in a module, does.

    >>> mish = Elementwise(lambda x: x * np.tanh(np.log1p(np.exp(x))))
    >>> print(mish(np.array([-1.0, 0.0, 1.0])), mish.derivative(np.array([-1.0, 0.0, 1.0])))
    [-0.30340146  0.          0.86509839] [0.05921676 0.6        1.04903622]
    """

    f: Annotated[Callable[[Any], Any], Allowed("a function of one array", Callable)]
    df: Annotated[Callable[[Array], Array] | None, Allowed("a function of one array", Callable | None)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        with np.errstate(all="ignore"):
            try:
                y = self.f(_PROBE)
            except Exception as error:
                raise TypeError(f"{self} cannot be evaluated on an array: {error}{_hint(error)}") from error
            _require_shape(self, y, _PROBE, "")
            require(np.asarray(y).dtype.kind == "f", f"{self} has to return real numbers, got {np.asarray(y).dtype}")
            _require_pointwise(self, y)
            if self.df is None:
                self._automatic(_PROBE)
            else:
                self._compare()

    def __repr__(self) -> str:
        parts = [getattr(f, "__name__", repr(f)) for f in (self.f, self.df) if f is not None]
        return f"Elementwise({', df='.join(parts)})"

    def __call__(self, x: Array) -> Array:
        x = _real(x)
        return np.asarray(self.f(x)).astype(x.dtype, copy=False)

    def derivative(self, x: Array) -> Array:
        x = _real(x)
        with np.errstate(all="ignore"):
            slope = self._automatic(x) if self.df is None else np.asarray(self.df(x))
        return slope.astype(x.dtype, copy=False)

    def _automatic(self, x: Array) -> Array:
        """dy/dx; NaN where x is NaN, also where the rules, as that of a constant, would not notice."""
        try:
            y = self.f(Dual(x, np.ones_like(x)))
        except Exception as error:
            raise TypeError(
                f"the derivative of {self} cannot be followed: {error}{_hint(error)}; or give it by hand: df=..."
            ) from error
        if not isinstance(y, Dual):  # a constant
            return np.where(np.isnan(x), x, x.dtype.type(0))
        return np.where(np.isnan(x), x, y.slope)

    def _compare(self) -> None:
        assert self.df is not None
        by_hand = self.df(_PROBE)
        _require_shape(self, by_hand, _PROBE, "df: ")
        try:
            true, how = self._automatic(_PROBE), "the automatic derivative"
        except TypeError:
            h = 1e-5
            true, how = (self.f(_PROBE + h) - self.f(_PROBE - h)) / (2 * h), "the difference quotient"
        tolerance = 1e-9 if how.startswith("the a") else 1e-6
        wrong = ~np.isclose(by_hand, true, rtol=tolerance, atol=tolerance)
        if wrong.any():
            i = tuple(np.argwhere(wrong)[0])
            raise ValueError(f"{self}: at x = {_PROBE[i]} df is {by_hand[i]:.9g}, but {how} is {true[i]:.9g}")


def _real(x: Array) -> Array:
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _hint(error: Exception) -> str:
    if "ambiguous" in str(error):
        return " (`if`, `and`, min() and max() take one number: use np.where, np.minimum, np.maximum)"
    if "converted to Python scalars" in str(error) or "size-1" in str(error):
        return " (functions of the math module take one number: use NumPy's, np.exp for math.exp)"
    return ""


def _require_shape(activation: Elementwise, y: Any, x: Array, what: str) -> None:
    if np.shape(y) != x.shape:
        raise ValueError(f"{what}{activation} has to return the shape of x, {x.shape}, got {np.shape(y)}")


def _require_pointwise(activation: Elementwise, y: Any) -> None:
    """Refuse a function, like a softmax, whose y at one x depends on the others."""
    alone = np.array([np.asarray(activation.f(v.reshape(1, 1))).item() for v in _PROBE.ravel()])
    if not np.allclose(alone, np.ravel(y), rtol=1e-9, equal_nan=True):
        raise ValueError(f"{activation} does not act element by element: y at one x changes with the other x")
