"""Initializers: the variances the papers ask for, and orthonormal rows or columns."""

import numpy as np
import pytest

import minnet

SHAPE = (400, 600)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 1000),
        ("glorot_normal", 2 / 1000),
        ("he_uniform", 2 / 400),
        ("he_normal", 2 / 400),
        ("lecun_uniform", 1 / 400),
        ("lecun_normal", 1 / 400),
    ],
)
def test_variance(name, variance):
    w = getattr(minnet, name)(np.random.default_rng(0), SHAPE)
    assert w.shape == SHAPE
    assert abs(w.mean()) < 4 * np.sqrt(variance / w.size)
    assert w.var() == pytest.approx(variance, rel=0.01)  # the standard error is 0.3 % for the normal, less for uniform
    fourth = (w**4).mean() / w.var() ** 2  # 3 for a normal distribution, 9/5 for a uniform one
    assert fourth == pytest.approx(1.8 if "uniform" in name else 3, rel=0.05)


def test_glorot_uniform_stays_within_the_papers_limit():
    w = minnet.glorot_uniform(np.random.default_rng(0), SHAPE)
    limit = np.sqrt(6 / 1000)  # Glorot & Bengio 2010, eq. 16
    assert 0.999 * limit < abs(w).max() <= limit


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_orthogonal(shape):
    w = minnet.Orthogonal(gain=2.0)(np.random.default_rng(0), shape)
    gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(gram, 4 * np.eye(min(shape)), atol=1e-12)


def test_orthogonal_is_uniform_over_the_group():
    """Without the sign correction LAPACK's QR gives a diagonal that is never positive (Mezzadri 2007)."""
    rng = np.random.default_rng(0)
    first = np.array([minnet.orthogonal(rng, (3, 3))[0, 0] for _ in range(2000)])
    assert abs(first.mean()) < 4 * np.sqrt(1 / 3 / 2000)


def test_constants():
    assert (minnet.zeros(np.random.default_rng(0), (2, 3)) == 0).all()
    assert (minnet.ones(np.random.default_rng(0), (2, 3)) == 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0.0, "in", "normal"), "scale > 0, got 0.0"),
        ((1.0, "inn", "normal"), "fan to be 'in' or 'out' or 'average', got 'inn'"),
        ((1.0, "in", "gauss"), "distribution to be 'normal' or 'uniform', got 'gauss'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        minnet.VarianceScaling(*settings)


def test_settings_print_as_the_call_that_makes_them():
    net = minnet.Network(minnet.Dense(2, 3, minnet.he_normal), minnet.Residual(minnet.Tanh()), minnet.LeakyReLU(0.2))
    assert eval(repr(net), vars(minnet)) == net
    assert repr(minnet.SGD(0.1, nesterov=True, momentum=0.9)) == "SGD(0.1, momentum=0.9, nesterov=True)"
    assert repr(minnet.Dense(2, 3)) == "Dense(2, 3)"
