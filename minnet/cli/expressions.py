"""An activation typed as an expression of x: arithmetic and NumPy's functions of one or more arrays, nothing else."""

import ast

import numpy as np

from minnet.elementwise import Elementwise
from minnet.settings import require

CONSTANTS = {"pi": np.pi, "e": np.e}
ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Name, ast.Constant, ast.Load, ast.operator,
    ast.unaryop, ast.cmpop,
)  # fmt: skip


def expression(text: str) -> Elementwise:
    """An activation such as x * tanh(log1p(exp(x))), where(x > 0, x, 0.1 * x) or x / (1 + abs(x)).

    Raises ValueError for anything else: no attributes, no names but x, pi, e and functions of NumPy.
    """
    shown = f"{text!r} is no expression of x such as 'x * tanh(x)'"
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{shown}: {error.args[0]}") from None
    names: dict[str, object] = {"__builtins__": {}}
    for node in ast.walk(tree):
        require(isinstance(node, ALLOWED), f"{shown}: it holds {type(node).__name__}")
        if isinstance(node, ast.Constant):
            require(type(node.value) in (int, float), f"{shown}: {node.value!r} is no number")
        if isinstance(node, ast.Name) and node.id != "x":
            value = CONSTANTS.get(node.id, getattr(np, node.id, None))
            fits = node.id in CONSTANTS or isinstance(value, np.ufunc) or node.id in ("where", "clip", "sinc")
            require(fits, f"{shown}: NumPy has no function of numbers called {node.id!r}")
            names[node.id] = value
    code = compile(ast.fix_missing_locations(ast.Expression(_function(tree.body))), "<expression>", "eval")
    f = eval(code, names)
    f.__name__ = text.strip()
    try:
        return Elementwise(f)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _function(body: ast.expr) -> ast.Lambda:
    one = ast.arguments(posonlyargs=[], args=[ast.arg("x")], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(one, body)
