"""A formula gives what NumPy gives; whatever else a text may be, it is refused in one line and nothing of it runs."""

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnet.lab.expressions import FUNCTIONS, LONGEST, expression, formula

X = np.linspace(0.1, 0.9, 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sin(x) + abs(x)", np.sin(X) + np.abs(X)),
        ("-x**2", -np.power(X, 2.0)),
        ("2**-x", 2.0**-X),
        ("x/3 - 1e-2*pi", X / 3 - 1e-2 * np.pi),
        ("max(x, 1/2) * min(x, e)", np.maximum(X, 0.5) * np.minimum(X, np.e)),
        ("atan(sqrt(x))", np.arctan(np.sqrt(X))),
        (" 3 ", np.full(9, 3.0)),
        ("((((x))))", X),
        ("floor(7/2)", np.full(9, 3.0)),
    ],
)
def test_a_formula_is_what_numpy_computes(text, expected):
    np.testing.assert_array_equal(expression(text)(X), expected)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_the_list_is_numpys(name):
    x = X + (name == "arccosh")  # which begins at 1
    own = getattr(np, {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}.get(name, name))
    np.testing.assert_array_equal(expression(f"{name}(x)")(x), own(x))


def test_a_formula_keeps_the_dtype_of_x_and_takes_sides():
    f = formula("where(x > 1/2, x * (1/3), pi**2 * x)")
    assert f(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(f(X), np.where(X > 0.5, X * (1 / 3), np.pi**2 * X))


HOSTILE = [
    "__import__('os')",
    "__import__('os').system('touch owned')",
    "exec('1')",
    "eval('x')",
    "open('owned', 'w')",
    "x.__class__",
    "x.real",
    "sin.__self__",
    "x[0]",
    "(lambda: 1)()",
    "lambda x: x",
    "(x := 1)",
    "[x for x in x]",
    "{x for x in x}",
    "(x for x in x)",
    "'a' * 10**9",
    "b'a'",
    "f'{x}'",
    "True",
    "None",
    "...",
    "1j",
    "x if x else 1",
    "x < 1",
    "not x",
    "~x",
    "x and x",
    "x @ x",
    "x // 1",
    "x % 1",
    "1 << 9999999999",
    "sin",
    "sin(x=1)",
    "sin(*x)",
    "sin(**x)",
    "sin(x, x)",
    "max(x)",
    "y",
    "f(x)",
    "x; x",
    "x = 1",
    "import os",
    "x\nx",
    "2x",
    "x^2",
    "sin(x",
    "",
    "   ",
    "\0",
    "#",
    "await x",
    "yield x",
    "*x",
    "x,",
    "1_0__0",
    "\\",
    "١ + x",  # a digit to str.isdigit, a syntax error to Python
    "9" * 5000,
    "(" * 10**6 + "x" + ")" * 10**6,
    "-" * 10**6 + "x",
    "x" + "+x" * 10**6,
    "(" * 199,
    "[" * 200,
    "sin(" * 49 + "x",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20])
def test_what_is_no_formula_is_refused_in_one_line(text, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^[^\n]{1,400}$"):
            expression(text)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert os.listdir(tmp_path) == []


def test_what_is_deep_but_short_is_computed_within_bounds():
    np.testing.assert_array_equal(expression("-" * (LONGEST - 1) + "x")(X), -X)
    assert np.isinf(expression("9**9**9")(X)).all()  # in floats; Python's integers would never end
    assert np.isinf(expression("9**9**9**9**9**9**9**9")(X)).all()
    assert np.isinf(expression("1e999")(X)).all()
    assert np.isnan(expression("log(-x)")(X)).all()
    assert np.isnan(expression("(-x)**0.5")(X)).all()


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_any_text_is_a_function_of_x_or_a_value_error(text):
    try:
        f = expression(text)
    except ValueError:
        return
    y = f(X)
    assert y.shape == X.shape
    assert y.dtype == float


def larger(inner):
    sums = st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    return sums | st.tuples(st.sampled_from(["sin", "exp", "abs", "-"]), inner).map(lambda t: f"{t[0]}({t[1]})")


@given(st.recursive(st.sampled_from(["x", "2", "0.5", "pi"]), larger, max_leaves=6))
def test_formulas_agree_with_pythons_own_reading(text):
    if len(text) > LONGEST:
        return
    names = {"x": X, "pi": np.pi, "sin": np.sin, "exp": np.exp, "abs": np.abs}
    with np.errstate(all="ignore"):
        try:
            expected = np.broadcast_to(eval(text, {"__builtins__": {}}, names), X.shape)
        except ZeroDivisionError:  # Python's, of two numbers; NumPy's is infinite
            return
    np.testing.assert_array_equal(expression(text)(X), expected)
