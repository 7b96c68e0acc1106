"""Signal and gradient by layer are what the activation's own second moments predict; so is what initializers say."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import integrate, stats

from minnet import (
    GELU,
    Activation,
    Constant,
    Dense,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    glorot_uniform,
    he_normal,
    softmax_cross_entropy,
)
from minnet.lab.gradients import gradients
from minnet.lab.mean_field import mean_field
from minnet.lab.probes import walk


@dataclass(frozen=True)
class MadeUp(Activation):
    """tanh(x) + ½ max(x, 0): with a kink, neither centred nor odd."""

    def __call__(self, x):
        return np.tanh(x) + np.maximum(x, 0) / 2

    def derivative(self, x):
        return 1 - np.square(np.tanh(x)) + (x > 0) / 2


def chain(act, width, depth, init, **more):
    return Network(*[Dense(width, width, init, **more), act] * depth, Dense(width, width, init, **more))


def test_relu_has_a_closed_form():  # He et al. 2015: E[f²] = q / 2 and E[f′²] = 1 / 2
    he, glorot = (mean_field(chain(ReLU(), 64, 20, init), 3.0) for init in (he_normal, glorot_uniform))
    np.testing.assert_allclose(he.z, 6.0, rtol=0.02)
    np.testing.assert_allclose(he.delta, 1.0, rtol=0.02)
    np.testing.assert_allclose(glorot.z, 3.0 / 2.0 ** np.arange(21), rtol=0.02)
    np.testing.assert_allclose(glorot.delta, 2.0 ** (np.arange(-20, 1) / 2), rtol=0.02)


def test_tanh_by_scipys_quadrature():
    def moment(f, q):
        return integrate.quad(lambda z: f(np.sqrt(q) * z) ** 2 * stats.norm.pdf(z), -12, 12)[0]

    found, q, back = mean_field(chain(Tanh(), 64, 5, glorot_uniform, bias_init=Constant(0.5))), 1.25, []
    for z in found.z[:-1]:
        assert z == pytest.approx(q, rel=0.005)
        back.append(moment(lambda x: 1 - np.tanh(x) ** 2, q))
        q = moment(np.tanh, q) + 0.25
    np.testing.assert_allclose(found.delta[:-1], np.sqrt(np.cumprod(back[::-1])[::-1]), rtol=0.01)


def test_the_width_that_the_gradient_arrives_at_counts():
    network = Network(Dense(8, 128, he_normal), ReLU(), Dense(128, 32, glorot_uniform))
    assert mean_field(network).delta[0] ** 2 == pytest.approx(128 * 2 / (128 + 32) / 2, rel=0.02)


@pytest.mark.parametrize("init", [glorot_uniform, he_normal], ids=["Glorot", "He"])
@pytest.mark.parametrize("act", [Sigmoid(), Tanh(), ReLU(), MadeUp()], ids=repr)
def test_measured_over_predicted(act, init):
    width, network = 256, chain(act, 256, 20, init)
    expected, ratios = mean_field(network), []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, labels = rng.standard_normal((100, width)), rng.integers(width, size=100)
        theta = network.init_theta(seed, np.float64)
        z = [np.sqrt(np.square(v.y).mean()) for v in walk(network, theta, x) if v.params]
        delta = [g.delta for g in gradients(network, theta, x, labels, loss=softmax_cross_entropy)]
        ratios.append([np.log(z / np.sqrt(expected.z)), np.log(delta / expected.delta)])
    signal, gradient = np.exp(np.mean(ratios, axis=(0, 2)))
    assert 0.8 < signal < 1.25
    assert 0.8 < gradient < 1.25


def test_gelu_with_he_weights_magnifies_what_relu_keeps():
    for act, low, high in ((ReLU(), 0.99, 1.01), (GELU(), 7, 11)):
        network = chain(act, 64, 20, he_normal)
        assert low < np.log(mean_field(network, 1.01).z[-1] / mean_field(network).z[-1]) / np.log(1.01) < high


def test_other_networks_are_refused():
    for network in (Network(Dense(2, 2), Dense(2, 2)), Network(Residual(Dense(2, 2))), Network(Tanh()), Network()):
        with pytest.raises(ValueError, match="mean_field expects Dense layers and activations in turn, got Network"):
            mean_field(network)


@dataclass(frozen=True)
class Times(Activation):
    """factor · max(x - 1, 0); all of them are equal to one another."""

    factor: float

    def __call__(self, x):
        return self.factor * np.maximum(x - 1, 0)

    def derivative(self, x):
        return self.factor * (x > 1)

    def __eq__(self, other):
        return isinstance(other, Times)

    def __hash__(self):
        return 0


@dataclass(frozen=True)
class Always(Constant):
    """Biases of one value; all of them are equal to one another."""

    def __eq__(self, other):
        return isinstance(other, Always)

    def __hash__(self):
        return 0


def test_what_is_equal_and_computes_otherwise_is_predicted_by_itself():
    z = [mean_field(Network(Dense(4, 4, he_normal, Always(value)))).z[0] for value in (0.0, 3.0)]
    assert z[1] - z[0] == pytest.approx(9)
    both = Network(Dense(4, 4, he_normal, Always(1.0)), Times(1.0), Dense(4, 4, he_normal, Always(2.0)), Times(2.0),
                   Dense(4, 4))  # fmt: skip
    alone = Network(Dense(4, 4, he_normal, Constant(1.0)), Times(1.0), Dense(4, 4, he_normal, Constant(2.0)),
                    Times(2.0), Dense(4, 4))  # fmt: skip
    np.testing.assert_allclose(mean_field(both).z, mean_field(alone).z, rtol=1e-12)
