"""Every member of the catalogue against its definition, over the whole range of floats."""

import pickle
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from reference import error_in_ulp, errors_in_ulp, exact, reference, sample

import minnet as mn

VARIANTS = [mn.SiLU(beta=1.7), mn.Sine(omega_0=1.0), mn.ELU(alpha=1.5), mn.CELU(alpha=2.0), mn.LeakyReLU(alpha=0.3)]
EVERY = pytest.mark.parametrize("activation", [*mn.CATALOGUE, *VARIANTS], ids=repr)
CATALOGUE = pytest.mark.parametrize("activation", mn.CATALOGUE, ids=repr)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def limits(activation, dtype):
    """The largest error allowed, value and derivative, in ULP."""
    name = type(activation).__name__
    if dtype is np.float64:
        tanh_form = getattr(activation, "approximate", "") == "tanh"
        return {"GELU": 5, "Mish": 4}.get(name, 3), 7 if tanh_form else {"GELU": 6, "Mish": 7}.get(name, 5)
    return {"GELU": 7}.get(name, 5), {"SiLU": 8, "Mish": 10}.get(name, 6)


def check_errors(activation, dtype, n, seed):
    x = sample(dtype, n, seed)
    functions = (activation, activation.derivative)
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        values = [f(x) for f in functions]
    for true, y, limit in zip(reference(activation), values, limits(activation, dtype), strict=True):
        assert y.dtype == dtype
        errors = errors_in_ulp(true, x, y)
        worst = errors.argmax()
        assert errors[worst] <= limit, f"{errors[worst]:.2f} ULP at {x[worst]!r}"


@EVERY
@DTYPES
def test_value_and_derivative_are_right_over_all_floats(activation, dtype):
    check_errors(activation, dtype, 2000, seed=1)


@pytest.mark.slow
@CATALOGUE
@DTYPES
def test_value_and_derivative_are_right_over_all_floats_at_50000_points(activation, dtype):
    check_errors(activation, dtype, 50_000, seed=2)


INF = np.inf
LIMITS = {
    mn.Identity(): (-INF, INF, 1, 1),
    mn.Sigmoid(): (0, 1, 0, 0),
    mn.Tanh(): (-1, 1, 0, 0),
    mn.ReLU(): (0, INF, 0, 1),
    mn.LeakyReLU(): (-INF, INF, 0.01, 1),
    mn.ELU(): (-1, INF, 0, 1),
    mn.CELU(): (-1, INF, 0, 1),
    mn.SELU(): (-1.75809934084737686, INF, 0, 1.0507009873554805),
    mn.Softplus(): (0, INF, 0, 1),
    mn.LogSigmoid(): (-INF, 0, 1, 0),
    mn.Softsign(): (-1, 1, 0, 0),
    mn.GELU(): (0, INF, 0, 1),
    mn.GELU(approximate="tanh"): (0, INF, 0, 1),
    mn.SiLU(): (0, INF, 0, 1),
    mn.Mish(): (0, INF, 0, 1),
    mn.HardSigmoid(): (0, 1, 0, 0),
    mn.HardTanh(): (-1, 1, 0, 0),
    mn.HardSwish(): (0, INF, 0, 1),
    mn.ReLU6(): (0, 6, 0, 0),
    mn.Gaussian(): (0, 0, 0, 0),
    mn.Sine(): (np.nan, np.nan, np.nan, np.nan),
    mn.Snake(): (-INF, INF, np.nan, np.nan),
    mn.Step(): (0, 1, 0, 0),
}


@CATALOGUE
@DTYPES
def test_infinity_gives_the_limit_and_nan_gives_nan(activation, dtype):
    ends = np.array([-np.inf, np.inf], dtype)
    found = np.concatenate([activation(ends), activation.derivative(ends)])
    np.testing.assert_array_equal(found, np.array(LIMITS[activation], dtype))
    nan = np.array([np.nan, 1.0], dtype)
    for y in (activation(nan), activation.derivative(nan)):
        assert np.isnan(y[0])
        assert np.isfinite(y[1])


@EVERY
@DTYPES
def test_slope_is_the_derivative_to_a_few_ulp_of_its_maximum(activation, dtype):
    x = sample(dtype, 5000, seed=3)
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        slope = activation.slope(x, activation(x))
    exact_slope = activation.derivative(x)
    assert slope.dtype == dtype
    scale = np.abs(activation.derivative(np.linspace(-6, 6, 1001).astype(dtype))).max() or 1
    smooth = ~np.isin(np.abs(x), [0, 1, 3, 6])  # at kinks and steps of float size the side is a matter of taste
    error = np.abs(slope.astype(float) - exact_slope)[smooth] / scale
    assert error.max() <= 6 * np.finfo(dtype).eps


@EVERY
def test_a_number_gives_the_same_wherever_it_stands(activation):
    x = sample(np.float32, 6000, seed=4)
    for f in (activation, activation.derivative):
        together = f(x)
        some = slice(None, None, 97)
        alone = np.array([f(x[i : i + 1])[0] for i in range(0, len(x), 97)])
        np.testing.assert_array_equal(alone, together[some])
        np.testing.assert_array_equal(f(x[::-1])[::-1], together)
        np.testing.assert_array_equal(f(x[:6000].reshape(-1, 3).T).T.ravel(), together[:6000])


@EVERY
def test_integers_single_numbers_and_nothing_are_taken(activation):
    whole, real = np.array([-2, -1, 0, 1, 2]), np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    for f in (activation, activation.derivative):
        np.testing.assert_array_equal(f(whole), f(real))
        assert np.shape(f(np.array(0.5))) == ()
        assert float(f(np.array(0.5))) == f(np.array([0.5]))[0]
        assert f(np.empty((0, 3), np.float32)).shape == (0, 3)


@EVERY
def test_half_precision_is_taken_and_kept(activation):
    x = np.array([-np.inf, -65504, -2, -6e-8, 0, 0.5, 3, 65504, np.inf, np.nan], np.float16)
    for f in (activation, activation.derivative):
        y = f(x)
        assert y.dtype == np.float16
        np.testing.assert_allclose(y[2:7], f(x[2:7].astype(float)), rtol=4e-3, atol=1e-6)
        assert np.isnan(y[-1])


def test_the_slopes_at_kinks_are_the_documented_ones():
    zero = np.zeros(1)
    assert mn.ReLU().derivative(zero) == 0
    assert mn.LeakyReLU().derivative(zero) == 0.01
    assert mn.ELU(alpha=1.5).derivative(zero) == 1.5
    np.testing.assert_array_equal(mn.HardTanh().derivative(np.array([-1.0, 1.0])), 0)
    np.testing.assert_array_equal(mn.HardSigmoid().derivative(np.array([-3.0, 3.0])), 0)
    np.testing.assert_array_equal(mn.HardSwish().derivative(np.array([-3.0, 3.0])), [0, 1])
    np.testing.assert_array_equal(mn.ReLU6().derivative(np.array([0.0, 6.0])), 0)


@CATALOGUE
def test_settings_print_compare_and_pickle(activation):
    assert eval(repr(activation), vars(mn)) == activation
    assert pickle.loads(pickle.dumps(activation)) == activation
    assert hash(activation) == hash(eval(repr(activation), vars(mn)))
    x = np.ones((2, 3))
    before = x.copy()
    activation.slope(x, activation(x))
    np.testing.assert_array_equal(x, before)


def test_the_definitions_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    theirs = {
        mn.Sigmoid(): torch.sigmoid, mn.Tanh(): torch.tanh, mn.ReLU(): f.relu, mn.LeakyReLU(): f.leaky_relu,
        mn.ELU(): f.elu, mn.ELU(alpha=1.5): lambda x: f.elu(x, 1.5), mn.CELU(alpha=2.0): lambda x: f.celu(x, 2.0),
        mn.SELU(): f.selu, mn.Softplus(): f.softplus, mn.Softsign(): f.softsign, mn.GELU(): f.gelu,
        mn.GELU(approximate="tanh"): lambda x: f.gelu(x, approximate="tanh"), mn.SiLU(): f.silu, mn.Mish(): f.mish,
        mn.HardSigmoid(): f.hardsigmoid, mn.HardTanh(): f.hardtanh, mn.HardSwish(): f.hardswish, mn.ReLU6(): f.relu6,
        mn.LogSigmoid(): f.logsigmoid,
    }  # fmt: skip
    # ±3 left out: the slope of hardswish there changed between versions; in float64 their 1/6 is a float32
    points = np.append(np.linspace(-8, 8, 400), [0, -1, 1])
    for activation, function in theirs.items():
        x = torch.tensor(points, requires_grad=True)
        y = function(x)
        y.sum().backward()
        np.testing.assert_allclose(
            activation(points), y.detach().numpy(), rtol=1e-7, atol=1e-8, err_msg=str(activation)
        )
        np.testing.assert_allclose(activation.derivative(points), x.grad.numpy(), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: mn.LeakyReLU(alpha=0.0),
        lambda: mn.LeakyReLU(alpha=2.0),
        lambda: mn.ELU(alpha=-1.0),
        lambda: mn.CELU(alpha=0.0),
        lambda: mn.GELU(approximate="erf"),
        lambda: mn.SiLU(beta=0.0),
        lambda: mn.Sine(omega_0=-1.0),
        lambda: mn.Snake(alpha=0.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(call):
    with pytest.raises(ValueError, match=r"expects|has to be"):
        call()


def test_importing_minnet_leaves_scipy_special_alone():
    code = "import sys, minnet; print('scipy.special' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def rows(n_classes, scale, seed=0):
    x = np.random.default_rng(seed).normal(0, scale, (60, n_classes))
    x[::3] = np.round(x[::3])  # ties
    return x


@DTYPES
@pytest.mark.parametrize("n_classes", [2, 3, 10, 40])
@pytest.mark.parametrize("scale", [1, 30, 300, 1e4])
def test_softmax_and_log_softmax(n_classes, scale, dtype):
    """Values and Jacobians, one row dy = eⱼ after the other; 4 ULP and 7 (float32: 1 and 6)."""
    x = rows(n_classes, scale).astype(dtype)
    info = np.finfo(dtype)
    limit, limit_derivative = (4, 7) if dtype is np.float64 else (1, 6)
    p, backward = mn.Softmax().forward((), x)
    log_p, log_backward = mn.LogSoftmax().forward((), x)
    assert p.dtype == log_p.dtype == dtype
    eye = np.eye(n_classes, dtype=dtype)
    columns = range(min(n_classes, 3))
    back = [backward(np.broadcast_to(eye[j], x.shape), ()) for j in columns]
    log_back = [log_backward(np.broadcast_to(eye[j], x.shape), ()) for j in columns]
    with mpmath.workprec(200):
        for i, row in enumerate(x):
            e = [mpmath.exp(mpf(float(v)) - mpf(float(row.max()))) for v in row]
            total = mpmath.fsum(e)
            for k in range(n_classes):
                true = e[k] / total
                assert error_in_ulp(true, float(p[i, k]), info) <= limit
                log_true = -mpmath.log1p(mpmath.fsum(e[:k] + e[k + 1 :])) if e[k] == 1 else mpmath.log(true)
                assert error_in_ulp(log_true, float(log_p[i, k]), info) <= limit
                for j in columns:
                    rest = mpmath.fsum(e[:k] + e[k + 1 :]) / total  # 1 - true
                    slope = true * (rest if j == k else -e[j] / total)
                    assert error_in_ulp(slope, float(back[j][i, k]), info) <= limit_derivative
                    log_slope = rest if j == k else -true  # d log_p[j] / dx[k] is δ - p[k]
                    assert error_in_ulp(log_slope, float(log_back[j][i, k]), info) <= limit_derivative


def test_softmax_of_the_largest_and_of_infinite_logits():
    large = np.finfo(float).max
    x = np.array([[large, -large], [np.inf, 0.0], [-np.inf, 0.0], [np.inf, np.inf], [-np.inf, -np.inf]])
    p, log_p = mn.Softmax().forward((), x)[0], mn.LogSoftmax().forward((), x)[0]
    np.testing.assert_array_equal(p, [[1, 0], [1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5]])
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(log_p, np.log(p))
    assert np.isnan(mn.Softmax().forward((), np.array([[np.nan, 0.0]]))[0]).all()


def test_softmax_takes_replicas_and_sums_to_one():
    x = np.random.default_rng(0).normal(0, 1e4, (3, 20, 5)).astype(np.float32)
    p, backward = mn.Softmax().forward((), x)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(p[1], mn.Softmax().forward((), x[1])[0])
    dy = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    np.testing.assert_allclose(backward(dy, ()), p * (dy - (dy * p).sum(-1, keepdims=True)), atol=1e-6)
    assert backward(dy, (), need_dx=False) is None


def test_the_reference_does_not_fall_for_its_own_rounding():
    """At 200 bits the textbook 0.5 x (1 + erf(x / √2)) is 0 at -38; the reference asks two precisions to agree."""
    value, _ = reference(mn.GELU())
    true = exact(value, mpf(-38))
    assert float(true) == pytest.approx(-1.097e-314, rel=1e-3)
