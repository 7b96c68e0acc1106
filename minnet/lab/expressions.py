"""A formula in x, such as "sin(x) + abs(x)", as a function of arrays: read here, node by node, never run as Python."""

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minnet.settings import Array, require

Function = Callable[[Array], Array]
LONGEST = 200  # characters: this bounds the depth of nesting, and the work and memory of one evaluation
CONSTANTS = {"pi": math.pi, "e": math.e}
_OF_ONE = (
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "exp",
    "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "square", "abs", "sign", "floor", "ceil",
)  # fmt: skip
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in _OF_ONE},
    **{"asin": np.arcsin, "acos": np.arccos, "atan": np.arctan},
}
OF_TWO: Mapping[str, Callable[..., Any]] = {
    **{"min": np.minimum, "max": np.maximum, "minimum": np.minimum, "maximum": np.maximum},
    **{"hypot": np.hypot, "logaddexp": np.logaddexp},
}
QUESTIONS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
    ast.UAdd: np.positive,
    ast.USub: np.negative,
}


def expression(text: str) -> Function:
    """The function x -> text, in float64. Raises ValueError, in one line, for what is none; then nothing has run.

    The value may be infinite or NaN: that is for the caller to say.

    >>> expression("max(x, 0) ** 2 / 4")(np.array([-1.0, 2.0, 4.0]))
    array([0., 1., 4.])
    """
    run = formula(text)

    def f(x: Array) -> Array:
        x = np.asarray(x, float)
        with np.errstate(all="ignore"):
            return np.broadcast_to(run(x), x.shape).astype(float)

    return f


def formula(text: str) -> Function:
    """The same as plain NumPy on whatever x is, an array of any dtype or a dual number: `Elementwise(formula(text))`.

    Allowed are numbers, x, pi, e, + - * / **, parentheses, the names in FUNCTIONS and OF_TWO, and where(x > 0, a, b).
    Python's own parser makes the tree, which executes nothing, and only of a text short enough to be harmless to it;
    what the tree may hold is listed here, and all else is refused.
    """
    require(len(text) <= LONGEST, f"a formula has at most {LONGEST} characters, got {len(text)}")
    require(bool(text.strip()), "a formula in x is expected, got nothing")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of the style of a formula
            tree = ast.parse(text.strip(), mode="eval")
        run = _built(tree.body, text)
    except (SyntaxError, MemoryError, RecursionError):  # some versions of the parser say "too deep" by the latter two
        hint = "; a product is written 2*x, a power x**2"
        raise ValueError(f"{text!r:.60} is not a formula in x{hint}") from None

    def f(x: Array) -> Any:
        return _at(run, x)

    f.__name__ = text.strip()
    return f


_Part = float | Callable[[Any], Any]  # of a formula: a number, or a function of x


def _at(part: _Part, x: Any) -> Any:
    return part if isinstance(part, float) else part(x)


def _built(node: ast.expr, text: str) -> _Part:
    """The part of the formula that stands at this node; ValueError if it may not stand there."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                raise ValueError(f"a number in {text!r:.60} is too large") from None
        case ast.Name(id="x"):
            return lambda x: x
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=inner) if type(op) in OPERATORS:
            return _applied(OPERATORS[type(op)], [inner], text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _applied(OPERATORS[type(op)], [left, right], text)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS and len(args) == 1:
            return _applied(FUNCTIONS[name], args, text)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in OF_TWO and len(args) == 2:
            return _applied(OF_TWO[name], args, text)
        case ast.Call(
            func=ast.Name(id="where"),
            args=[ast.Compare(left=left, ops=[op], comparators=[right]), yes, no],
            keywords=[],
        ) if type(op) in QUESTIONS:
            question = QUESTIONS[type(op)]
            return _applied(lambda a, b, yes, no: np.where(question(a, b), yes, no), [left, right, yes, no], text)
    part = ast.get_source_segment(text.strip(), node) or type(node).__name__
    names = f"{', '.join(FUNCTIONS)}(.), {', '.join(OF_TWO)}(.,.), where(. > ., ., .)"
    known = f"numbers, x, {', '.join(CONSTANTS)}, + - * / **, {names}"
    raise ValueError(f"{part!r:.60} may not stand in a formula; what may: {known}")


def _applied(f: Callable[..., Any], nodes: list[ast.expr], text: str) -> _Part:
    parts = [_built(node, text) for node in nodes]
    if all(isinstance(part, float) for part in parts):  # a plain number again, which takes on the dtype of x
        with np.errstate(all="ignore"):
            return float(f(*parts))
    return lambda x: f(*(_at(part, x) for part in parts))
