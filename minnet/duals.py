"""Dual numbers: a value and its derivative, carried together through NumPy's functions.

NumPy hands every function that meets one to `__array_ufunc__`, where the rule of that function applies the chain rule
(forward-mode automatic differentiation: Wengert 1964).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.settings import Array

# dy/dx of functions of one variable, from x and y = f(x).
RULES: dict[str, Callable[..., Any]] = {
    "positive": lambda x, y: 1.0,
    "negative": lambda x, y: -1.0,
    "absolute": lambda x, y: np.sign(x),
    "fabs": lambda x, y: np.sign(x),
    "square": lambda x, y: 2 * x,
    "sqrt": lambda x, y: 0.5 / y,
    "cbrt": lambda x, y: y / (3 * x),
    "reciprocal": lambda x, y: -y * y,
    "exp": lambda x, y: y,
    "exp2": lambda x, y: y * math.log(2),
    "expm1": lambda x, y: np.exp(x),
    "log": lambda x, y: 1 / x,
    "log2": lambda x, y: 1 / (x * math.log(2)),
    "log10": lambda x, y: 1 / (x * math.log(10)),
    "log1p": lambda x, y: 1 / (1 + x),
    "sin": lambda x, y: np.cos(x),
    "cos": lambda x, y: -np.sin(x),
    "tan": lambda x, y: 1 + y * y,
    "arcsin": lambda x, y: 1 / np.sqrt((1 - x) * (1 + x)),
    "arccos": lambda x, y: -1 / np.sqrt((1 - x) * (1 + x)),
    "arctan": lambda x, y: 1 / (1 + x * x),
    "sinh": lambda x, y: np.cosh(x),
    "cosh": lambda x, y: np.sinh(x),
    "tanh": lambda x, y: 1 / np.square(np.cosh(x)),
    "arcsinh": lambda x, y: 1 / np.hypot(x, 1),
    "arccosh": lambda x, y: 1 / np.sqrt((x - 1) * (x + 1)),
    "arctanh": lambda x, y: 1 / ((1 - x) * (1 + x)),
    "deg2rad": lambda x, y: math.pi / 180,
    "rad2deg": lambda x, y: 180 / math.pi,
    **{name: lambda x, y: 0.0 for name in ("sign", "floor", "ceil", "trunc", "rint")},
    # of scipy.special
    "expit": lambda x, y: np.exp(-np.abs(x)) / np.square(1 + np.exp(-np.abs(x))),
    "log_expit": lambda x, y: -np.expm1(y),
    "erf": lambda x, y: np.exp(-x * x) * (2 / math.sqrt(math.pi)),
    "erfc": lambda x, y: np.exp(-x * x) * (-2 / math.sqrt(math.pi)),
    "ndtr": lambda x, y: np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi),
}

# dy/da and dy/db of functions of two variables. Where maximum and minimum tie, a constant wins: relu′(0) = 0.
RULES_OF_TWO: dict[str, Callable[..., tuple[Any, Any]]] = {
    "add": lambda a, b, y: (1.0, 1.0),
    "subtract": lambda a, b, y: (1.0, -1.0),
    "multiply": lambda a, b, y: (b, a),
    "divide": lambda a, b, y: (np.divide(1, b), -y / b),
    "power": lambda a, b, y: (b * np.power(a, b - 1.0), y * np.log(a)),
    "float_power": lambda a, b, y: (b * np.float_power(a, b - 1.0), y * np.log(a)),
    "maximum": lambda a, b, y: (np.where(y != y, y, a > b), np.where(y != y, y, b > a)),
    "minimum": lambda a, b, y: (np.where(y != y, y, a < b), np.where(y != y, y, b < a)),
    "heaviside": lambda a, b, y: (0.0, a == 0),
    "copysign": lambda a, b, y: (np.copysign(1, a) * np.copysign(1, b), 0.0),
    "hypot": lambda a, b, y: (a / y, b / y),
    "arctan2": lambda a, b, y: (b / (a * a + b * b), -a / (a * a + b * b)),
    "logaddexp": lambda a, b, y: (np.exp(a - y), np.exp(b - y)),
    "logaddexp2": lambda a, b, y: (np.exp2(a - y), np.exp2(b - y)),
}
RULES_OF_TWO.update(fmax=RULES_OF_TWO["maximum"], fmin=RULES_OF_TWO["minimum"])

# Answers without a slope: a plain array of true and false.
QUESTIONS = {
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "isnan",
    "isfinite",
    "isinf",
    "signbit",
}


class Dual(np.lib.mixins.NDArrayOperatorsMixin):
    """value + slope ε with ε² = 0; both arrays of one shape."""

    __array_priority__ = 1000

    def __init__(self, value: Array, slope: Array):
        self.value, self.slope = value, np.broadcast_to(slope, np.shape(value))
        self.shape, self.dtype, self.ndim, self.size = value.shape, value.dtype, value.ndim, value.size

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__" or kwargs:
            raise TypeError(f"np.{name} with {method if method != '__call__' else ', '.join(kwargs)} has no rule")
        values = [each.value if isinstance(each, Dual) else each for each in inputs]
        y = ufunc(*values)
        if name in QUESTIONS:
            return y
        if name == "clip":
            x, low, high = inputs
            return np.minimum(np.maximum(x, low), high)
        if name in RULES:
            slopes: tuple[Any, ...] = (RULES[name](*values, y),)
        elif name in RULES_OF_TWO:
            slopes = RULES_OF_TWO[name](*values, y)
            if "max" in name or "min" in name:
                slopes = tuple(_shared(slopes, values, inputs))
        else:
            raise TypeError(f"np.{name} has no rule; the functions with one are {', '.join([*RULES, *RULES_OF_TWO])}")
        total: Any = 0.0
        for each, slope in zip(inputs, slopes, strict=True):
            if isinstance(each, Dual):
                total = total + slope * each.slope
        return Dual(y, np.asarray(total, y.dtype))

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if func in CARRIED:
            return CARRIED[func](*args, **kwargs)
        raise TypeError(f"np.{func.__name__} does not act element by element, or has no rule")

    def clip(self, min: Any = None, max: Any = None) -> "Dual":
        """np.clip."""
        low = self if min is None else np.maximum(self, min)
        return low if max is None else np.minimum(low, max)

    def astype(self, dtype: npt.DTypeLike, **_: Any) -> "Dual":
        """Both parts in another dtype."""
        return Dual(self.value.astype(dtype), self.slope.astype(dtype))

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise TypeError("it left NumPy's functions, so its derivative cannot be followed")

    def __float__(self) -> float:
        raise TypeError("functions of the math module take one number: use NumPy's, np.exp for math.exp")

    def __bool__(self) -> bool:
        raise TypeError("`if` and `and` take one number: use np.where")


def _shared(slopes: tuple[Any, ...], values: list[Any], inputs: tuple[Any, ...]) -> Any:
    """Two variable branches that tie share the slope."""
    both = all(isinstance(each, Dual) for each in inputs)
    return [slope + 0.5 * (values[0] == values[1]) for slope in slopes] if both else slopes


def _parts(a: Any) -> tuple[Any, Any]:
    return (a.value, a.slope) if isinstance(a, Dual) else (a, 0.0)


def _where(condition: Any, a: Any, b: Any) -> Dual:
    (a_value, a_slope), (b_value, b_slope) = _parts(a), _parts(b)
    value = np.where(condition, a_value, b_value)
    return Dual(value, np.where(condition, a_slope, b_slope).astype(value.dtype))


CARRIED: dict[Callable[..., Any], Callable[..., Any]] = {
    np.where: _where,
    np.clip: lambda x, a_min=None, a_max=None, **kw: x.clip(kw.get("min", a_min), kw.get("max", a_max)),
    np.sinc: lambda x: _where(x == 0, 1.0, np.sin(math.pi * x) / (math.pi * _where(x == 0, 1.0, x))),
    np.zeros_like: lambda x, **_: np.zeros_like(x.value),
    np.ones_like: lambda x, **_: np.ones_like(x.value),
    np.full_like: lambda x, value, **_: np.full_like(x.value, value),
    np.shape: lambda x: x.shape,
    np.nan_to_num: lambda x, **_: _where(np.isfinite(x), x, np.nan_to_num(x.value)),
}
