"""The bounds that the kernels state in their docstrings, and the tools they are made of."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import errors_in_ulp, reference, sample

import minnet as mn
from minnet import normal, periodic, special
from minnet.precision import BLOCK, exp_parts, two_product, two_sum

KERNELS = {
    normal.gelu: (mn.GELU(), 0, ()),
    normal.gelu_derivative: (mn.GELU(), 1, ()),
    special.gelu_tanh: (mn.GELU(approximate="tanh"), 0, ()),
    special.gelu_tanh_derivative: (mn.GELU(approximate="tanh"), 1, ()),
    special.silu: (mn.SiLU(), 0, (1.0,)),
    special.silu_derivative: (mn.SiLU(), 1, (1.0,)),
    special.mish: (mn.Mish(), 0, ()),
    special.mish_derivative: (mn.Mish(), 1, ()),
    special.gaussian: (mn.Gaussian(), 0, ()),
    special.gaussian_derivative: (mn.Gaussian(), 1, ()),
    periodic.sin_product: (mn.Sine(), 0, (30.0,)),
    periodic.sin_product_derivative: (mn.Sine(), 1, (30.0,)),
    periodic.snake: (mn.Snake(), 0, (1.0,)),
    periodic.snake_derivative: (mn.Snake(), 1, (1.0,)),
}


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_a_kernel_keeps_the_bound_that_it_states(kernel):
    double, single = re.search(r"float64 ≤ (\d+) ULP.*float32 ≤ (\d+)", kernel.__doc__, re.DOTALL).groups()
    activation, which, settings = KERNELS[kernel]
    for dtype, bound in ((np.float64, double), (np.float32, single)):
        x = sample(dtype, 1500, seed=5)
        errors = errors_in_ulp(reference(activation)[which], x, kernel(x, *settings))
        assert errors.max() <= int(bound), f"{errors.max()} ULP at {x[errors.argmax()]}"


@pytest.mark.parametrize("factor", [0.7, 3.3, 1e-3, 1e3, 29.999])
def test_a_factor_that_does_not_multiply_exactly_costs_no_digits(factor):
    x = np.concatenate([sample(np.float64, 500, seed=6), -np.linspace(600, 750, 50) / factor])
    for activation in (mn.SiLU(factor), mn.Sine(factor), mn.Snake(factor)):
        for which, f in enumerate((activation, activation.derivative)):
            assert errors_in_ulp(reference(activation)[which], x, f(x)).max() <= 6


plain = st.floats(-1e100, 1e100).filter(lambda v: v == 0 or abs(v) > 1e-100)


@given(plain, plain)
def test_products_and_sums_are_kept_whole(a, b):
    product, error = two_product(np.array([a]), b)
    assert Fraction(float(product[0])) + Fraction(float(error[0])) == Fraction(a) * Fraction(b)
    total, error = two_sum(np.array([a]), np.array([b]))
    assert Fraction(float(total[0])) + Fraction(float(error[0])) == Fraction(a) + Fraction(b)


def test_exp_parts_do_not_underflow_before_their_product():
    z = -np.array([0.0, 1.0, 699.0, 701.0, 744.0])
    e, scale = exp_parts(z, 0.0, False)
    assert (e > np.finfo(float).tiny).all()
    np.testing.assert_allclose(e[:4] * np.asarray(scale)[:4], np.exp(z[:4]), rtol=1e-15)


def test_a_large_array_goes_in_blocks_and_comes_out_the_same():
    x = np.random.default_rng(0).normal(0, 3, (3, BLOCK)).astype(np.float32)[:, :-7]
    for f in (mn.Mish(), mn.Mish().derivative, lambda x: mn.Mish().slope(x, x)):
        np.testing.assert_array_equal(f(x)[2], f(x[2]))
