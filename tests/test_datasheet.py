"""The datasheet against closed forms, scipy's quadrature and published numbers."""

import itertools
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, special

import minnet as mn
from minnet.datasheet import datasheet
from minnet.elementwise import Elementwise

CATALOGUE = pytest.mark.parametrize("activation", mn.CATALOGUE, ids=repr)
EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"


@CATALOGUE
def test_a_member_of_the_catalogue_breaks_nowhere(activation):
    sheet = datasheet(activation)
    assert sheet.breaks == ()
    assert sheet.pickles
    assert str(sheet).startswith(repr(activation))


@CATALOGUE
def test_moments_are_those_of_adaptive_quadrature(activation):
    if isinstance(activation, mn.Sine):
        activation = mn.Sine(omega_0=3.0)
    sheet = datasheet(activation)
    for f, expected in (
        (activation, sheet.mean),
        (lambda x: activation(x) ** 2, sheet.second_moment),
        (lambda x: activation.derivative(x) ** 2, sheet.slope_moment),
    ):
        edges = [-12, -3, -1, 0, 1, 3, 6, 12]
        weighted = lambda x, f=f: float(f(np.array([x]))[0]) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        true = sum(integrate.quad(weighted, a, b, epsabs=1e-12)[0] for a, b in itertools.pairwise(edges))
        assert expected == pytest.approx(true, rel=1e-9, abs=1e-11)


def test_published_numbers():
    relu, selu, gelu, silu = map(datasheet, (mn.ReLU(), mn.SELU(), mn.GELU(), mn.SiLU()))
    assert relu.forward_variance == pytest.approx(2, rel=1e-13)  # He et al. 2015
    assert relu.backward_variance == pytest.approx(2, rel=1e-13)
    assert selu.mean == pytest.approx(0, abs=1e-12)  # Klambauer et al. 2017: the fixed point
    assert selu.second_moment == pytest.approx(1, rel=1e-12)
    assert silu.range[0] == pytest.approx(-special.lambertw(1 / math.e).real, rel=1e-12)
    assert gelu.lipschitz == pytest.approx(special.ndtr(2**0.5) + 2**0.5 * math.exp(-1) / math.sqrt(2 * math.pi))
    assert datasheet(mn.Tanh()).second_moment == pytest.approx(0.394294, abs=1e-6)


@pytest.mark.parametrize(
    ("activation", "ends", "attained", "monotone"),
    [
        (mn.Identity(), (-np.inf, np.inf), (False, False), "increasing"),
        (mn.Sigmoid(), (0, 1), (False, False), "increasing"),
        (mn.Tanh(), (-1, 1), (False, False), "increasing"),
        (mn.ReLU(), (0, np.inf), (True, False), "increasing"),
        (mn.HardSigmoid(), (0, 1), (True, True), "increasing"),
        (mn.Gaussian(), (0, 1), (False, True), "no"),
        (mn.Sine(), (-1, 1), (True, True), "no"),
        (mn.Step(), (0, 1), (True, True), "increasing"),
        (mn.GELU(), (-0.16997120747990369, np.inf), (True, False), "no"),
        (Elementwise(lambda x: -np.arctan(x)), (-math.pi / 2, math.pi / 2), (False, False), "decreasing"),
        (Elementwise(lambda x: 0 * x + 2), (2, 2), (True, True), "constant"),
    ],
    ids=repr,
)
def test_range_and_monotone(activation, ends, attained, monotone):
    sheet = datasheet(activation)
    np.testing.assert_allclose(sheet.range, ends, rtol=1e-9)
    assert sheet.attained == attained
    assert sheet.monotone == monotone


def test_kinks_jumps_zeros_and_limits():
    assert datasheet(mn.HardSwish()).kinks == (-3, 3)
    assert datasheet(mn.ELU()).kinks == ()
    assert datasheet(mn.ELU(alpha=1.5)).kinks == (0,)
    step = datasheet(mn.Step())
    assert (step.jumps, step.kinks, step.zeros) == ((0,), (), ((-np.inf, 0),))
    bent = datasheet(Elementwise(lambda x: np.abs(x - 0.3) - 1))
    assert bent.kinks == (0.3,)
    np.testing.assert_allclose(bent.zeros, [-0.7, 1.3], rtol=1e-14)
    assert bent.limits == (np.inf, np.inf)
    assert datasheet(mn.ReLU()).zeros == ((-np.inf, 0),)
    assert datasheet(mn.Gaussian()).limits == (0, 0)
    assert np.isnan(datasheet(mn.Sine()).limits).all()
    assert datasheet(Elementwise(lambda x: np.log1p(x * x))).limits == (np.inf, np.inf)
    assert datasheet(mn.SELU()).limits[0] == pytest.approx(-1.7580993408473768)


def test_saturation_is_the_very_float():
    for dtype in (np.float32, np.float64):
        end = np.array([datasheet(mn.Sigmoid()).saturation[dtype.__name__][1]], dtype)
        assert mn.Sigmoid()(end) == 1
        assert mn.Sigmoid()(np.nextafter(end, dtype(0))) < 1
    assert datasheet(mn.Sigmoid()).saturation["float64"][1] == pytest.approx(36.7, abs=0.1)
    assert datasheet(mn.HardTanh()).saturation["float32"] == (-1, 1)
    assert np.isnan(datasheet(mn.ReLU()).saturation["float64"][1])


@pytest.mark.parametrize(
    ("f", "known"),
    [
        (lambda x: x * np.tanh(np.log1p(np.exp(x))), "Mish()"),
        (lambda x: 1 / (1 + np.exp(-x)), "Sigmoid()"),
        (lambda x: np.maximum(x, 0.2 * x), "LeakyReLU(alpha=0.2)"),
        (lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)), "ELU(alpha=0.5)"),
        (lambda x: x / (1 + np.exp(-1.702 * x)), "SiLU()(1.702x)"),
        (lambda x: 3 - 2 * np.tanh(0.5 * x + 1), "-2 Tanh()(0.5x + 1) + 3"),
        (lambda x: 0.5 * x * (1 + special.erf(x / np.sqrt(2))), "GELU()"),
        (lambda x: np.clip(x, -2, 2), "2 HardTanh()(0.5x)"),
        (lambda x: np.sin(5 * x), "Sine()((1/6)x)"),
        (lambda x: np.exp(-x * x / 2), "Gaussian()(0.7071068x)"),
        (lambda x: x + np.sin(3 * x) ** 2 / 3, "(1/3) Snake()(3x)"),
        (lambda x: 2 * x - 1, "2 Identity()(x) - 1"),
    ],
)
def test_an_expression_is_recognised(f, known):
    assert any(known in text for text in datasheet(Elementwise(f)).equals), datasheet(Elementwise(f)).equals


def test_nothing_is_recognised_in_what_is_new():
    for f in (np.arctan, lambda x: x * np.exp(-x * x), lambda x: x**3, lambda x: 0 * x + 1):
        assert datasheet(Elementwise(f)).equals == ()


def test_equivalences_within_the_catalogue():
    assert datasheet(mn.Tanh()).equals == ("2 Sigmoid()(2x) - 1",)
    assert datasheet(mn.LogSigmoid()).equals == ("-Softplus()(-x)",)
    assert datasheet(mn.ReLU()).equals == ()
    assert datasheet(mn.ELU()).equals == ("CELU()",)


@pytest.mark.parametrize(
    ("f", "zeros"),
    [
        (lambda x: 1 / x, []),
        (lambda x: 1 / (x - 0.1), []),
        (lambda x: 1 / (x - 1) ** 3, []),
        (np.tan, [k * np.pi for k in range(-9, 10)]),
        (lambda x: x / (x * x - 6), [0]),
        (lambda x: np.where(x > 0.3, 1.0, -1.0) * (1 + x * x), []),
        (lambda x: np.cbrt(x - 0.1), [0.1]),
        (lambda x: x**3 - x, [-1, 0, 1]),
        (lambda x: x * x - 2, [-np.sqrt(2), np.sqrt(2)]),
        (lambda x: 1e-9 * (x - np.pi), [np.pi]),
        (lambda x: np.tanh(1e6 * (x - np.e)), [np.e]),
    ],
)
def test_a_pole_or_a_jump_is_no_zero(f, zeros):
    found = datasheet(Elementwise(f)).zeros
    np.testing.assert_allclose(found, zeros, atol=1e-9)


@pytest.mark.parametrize("f", [np.log, np.sqrt, np.arccosh, lambda x: np.log(x - 1)])
def test_moments_of_what_is_undefined_on_a_part_of_the_line_are_nan(f):
    sheet = datasheet(Elementwise(f))
    assert np.isnan([sheet.mean, sheet.second_moment, sheet.slope_moment]).all()
    assert np.isnan([sheet.forward_variance, sheet.backward_variance]).all()


def test_saturation_and_lost_digits_of_squareplus():
    """(x + √(x² + 4)) / 2: in float32 x² + 4 is x² from 8192 on, where half a last digit of x² is 4."""
    squareplus = Elementwise(lambda x: (x + np.sqrt(x * x + 4)) / 2)
    sheet = datasheet(squareplus)
    end = np.array([sheet.saturation["float32"][0]], np.float32)
    assert -8192 <= end <= -8000
    assert squareplus(end) == 0
    assert squareplus(np.nextafter(end, np.float32(0))) > 0
    assert np.isnan(sheet.saturation["float32"][1])
    lost = next(text for text in sheet.breaks if text.startswith("value loses its digits below"))
    assert lost.endswith("in float32")
    x = np.linspace(-1.02, -1, 101, dtype=np.float32) * abs(np.float32(lost.split()[5]))
    exact = 2 / (np.sqrt(x.astype(np.float64) ** 2 + 4) - x)
    error = abs(squareplus(x) - exact) / exact
    assert 3e-5 < np.median(error) < 3e-4  # about 4 digits are left
    assert datasheet(mn.ReLU()).saturation["float32"][0] == 0


def test_what_is_finite_nowhere_has_no_datasheet():
    for f in (lambda x: x / 0, lambda x: np.log(-x * x - 1), lambda x: x * np.nan):
        with np.errstate(all="ignore"), pytest.raises(ValueError, match="is not finite at any x: there is nothing"):
            datasheet(Elementwise(f))


def test_a_division_by_a_constant_is_followed_also_by_0():
    x = np.array([-3.0, 0.0, 2.0], np.float32)
    assert (Elementwise(lambda x: x / 4).derivative(x) == np.float32(0.25)).all()
    with np.errstate(all="ignore"):
        assert (Elementwise(lambda x: x / 0).derivative(x) == np.inf).all()


def test_many_stretches_are_counted_not_listed():
    breaks = datasheet(Elementwise(lambda x: np.sqrt(np.sin(x)))).breaks
    assert sum(text.startswith("value not finite") for text in breaks) == 7
    assert any(re.fullmatch(r"value not finite in \d+ more stretches", text) for text in breaks)


def test_all_stretches_are_measured_at_once():
    """x**x**... has 855 of them; halving one edge after the other took 100,000 calls and over a minute."""
    calls = []

    def tower(x):
        calls.append(1)
        y = x
        for _ in range(8):
            y = x**y
        return y

    datasheet(Elementwise(tower))
    assert len(calls) < 2000


def test_where_an_expression_breaks_is_said():
    mish = datasheet(Elementwise(lambda x: x * np.tanh(np.log1p(np.exp(x)))))
    assert "derivative not finite above 709.783" in mish.breaks
    assert "value NaN at -∞" in mish.breaks
    assert not mish.pickles
    assert "Mish()" in str(mish)
    assert "no (a lambda" in str(mish)
    softplus = datasheet(Elementwise(lambda x: np.log(1 + np.exp(x))))
    assert "value not finite above 709.783" in softplus.breaks
    assert any(text.startswith("value loses its digits from -690") for text in softplus.breaks)
    root = datasheet(Elementwise(lambda x: np.sqrt(x)))
    assert any(text.startswith("value not finite below") for text in root.breaks)
    hidden = datasheet(Elementwise(lambda x: np.where(x > 0, x, 0)))
    assert "value 0 at NaN" in hidden.breaks
    assert hidden.kinks == (0,)
    assert "kinks" in str(hidden)


def test_the_figure_takes_axes_and_leaves_the_settings_alone():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams)
    _, ax = plt.subplots()
    assert datasheet(mn.SELU()).plot(ax) is ax
    curve, slope, mark = ax.lines
    assert curve.get_linestyle() != slope.get_linestyle()
    assert mark.get_marker() == "o"
    assert np.isnan(slope.get_ydata()).sum() == 1  # the derivative is not drawn through its jump
    alone = datasheet(mn.Sine()).plot()
    assert alone.get_title() == "Sine(), f′ / 30"
    assert [text.get_text() for text in alone.get_legend().get_texts()] == ["N(0, 1) inputs", "f", "f′"]
    assert ax.get_legend() is None
    assert dict(matplotlib.rcParams) == before
    plt.close("all")


def test_the_gallery_writes_one_figure_and_one_table(tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import activation_gallery

    activation_gallery.main(tmp_path)
    table = capsys.readouterr().out
    assert all(repr(activation) in table for activation in mn.CATALOGUE)
    assert [path.name for path in tmp_path.iterdir()] == ["activation_gallery.png"]
    sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.slow
def test_the_accuracy_script_prints_both_tables(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import accuracy

    accuracy.accuracy([("PyTorch", {}), ("scipy", accuracy.scipy())], points=30)
    accuracy.cost(size=64)
    accuracy.steps(rounds=2, burst=1)
    text = capsys.readouterr().out
    assert "Largest error in ULP" in text
    assert "ns an element" in text
    assert "A training step" in text


@dataclass(frozen=True)
class AllAlike(mn.Activation):
    """ReLU of one's own slope; all of them are equal and have one hash, as where == looks at a name alone."""

    slope: np.ndarray

    def __call__(self, x):
        return self.slope * np.maximum(x, 0)

    def derivative(self, x):
        return self.slope * (x > 0)

    def __eq__(self, other):
        return isinstance(other, mn.Activation)

    def __hash__(self):
        return hash(mn.ReLU())


def test_equal_activations_that_compute_otherwise_have_their_own_datasheets():
    for slope in (1.0, 2.0, 3.0):
        sheet = datasheet(AllAlike(np.array(slope)))
        assert sheet.lipschitz == slope
        assert sheet.equals[0] == ("ReLU()" if slope == 1 else f"{slope:g} ReLU()(x)")
    assert datasheet(mn.ReLU()).lipschitz == 1


def test_a_setting_may_be_an_array():  # which has no hash
    @dataclass(frozen=True)
    class Steep(mn.Activation):
        slopes: np.ndarray

        def __call__(self, x):
            return self.slopes[0] * x

        def derivative(self, x):
            return np.full_like(x, self.slopes[0])

    assert datasheet(Steep(np.array([2.0, 3.0]))).lipschitz == 2


def test_a_datasheet_is_of_the_function_as_it_is_now():
    scale = [1.0]
    activation = Elementwise(lambda x: scale[0] * np.tanh(x))
    assert datasheet(activation).range == (-1, 1)
    scale[0] = 2.0
    assert datasheet(activation).range == (-2, 2)
