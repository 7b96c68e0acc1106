"""What the probes read off a network is what passes through it: against PyTorch, closed forms, a published example."""

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from minnet import (
    Activation,
    BatchNorm,
    Dense,
    HardTanh,
    LayerNorm,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Step,
    Tanh,
    mse,
    softmax_cross_entropy,
)
from minnet.lab.probes import signals, steepest, walk
from minnet.lab.tracing import trace

NESTED = Network(
    Dense(3, 4),
    Tanh(),
    Residual(Network(Dense(4, 5), ReLU(), Dense(5, 4))),
    Network(LayerNorm(4), Sigmoid()),
    Residual(Tanh()),
    Dense(4, 2),
)
PATHS = ["0", "1", "2.0", "2.1", "2.2", "2", "3.0", "3.1", "4.0", "4", "5"]
rng = np.random.default_rng(0)


def test_walk_goes_down_into_every_layer_and_notes_what_passes():
    theta, x, target = NESTED.init_theta(0, float), rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    visits = {visit.path: visit for visit in walk(NESTED, theta, x, target)}
    assert list(visits) == PATHS
    assert visits["2"].layer == NESTED.layers[2]
    np.testing.assert_array_equal(visits["5"].y, NESTED(theta, x))
    np.testing.assert_array_equal(visits["2"].y, visits["1"].y + visits["2.2"].y)
    np.testing.assert_array_equal(visits["2"].dx, visits["2"].dy + visits["2.0"].dx)
    gradient = np.zeros_like(theta)
    y, backward = NESTED.forward(NESTED.unpack(theta), x)
    backward(mse(y, target)[1], NESTED.unpack(gradient))
    leaves = [visit for path, visit in visits.items() if path not in ("2", "4")]
    np.testing.assert_array_equal(np.concatenate([g.ravel() for v in leaves for g in v.grads]), gradient)


def test_walk_without_a_target_goes_one_way():
    visits = walk(NESTED, NESTED.init_theta([0, 1]), rng.standard_normal((6, 3)))
    assert all(visit.dy is None and visit.grads == () for visit in visits)
    assert {visit.y.shape[:-1] for visit in visits} == {(2, 6)}
    assert visits[0].y.dtype == np.float32


def test_walk_of_replicas_is_each_alone():
    thetas, x, labels = NESTED.init_theta([3, 4], float), rng.standard_normal((2, 6, 3)), rng.integers(0, 2, (2, 6))
    together = walk(NESTED, thetas, x, labels, loss=softmax_cross_entropy)
    for k in range(2):
        for one, all_ in zip(
            walk(NESTED, thetas[k], x[k], labels[k], loss=softmax_cross_entropy), together, strict=True
        ):
            np.testing.assert_allclose(one.y, all_.y[k], rtol=1e-12)
            np.testing.assert_allclose(one.dy, all_.dy[k], rtol=1e-12)


def test_walk_refuses_what_does_not_fit():
    theta = NESTED.init_theta(0)
    for bad in (np.zeros((6, 2)), np.zeros(3)):
        with pytest.raises(ValueError, match="expects"):
            walk(NESTED, theta, bad)
    with pytest.raises(ValueError, match="parameters, got theta of shape"):
        walk(NESTED, theta[1:], np.zeros((6, 3)))
    with pytest.raises(ValueError, match="expects targets of shape"):
        walk(NESTED, theta, np.zeros((6, 3)), np.zeros((6, 5)))


def test_walk_agrees_with_pytorch_on_every_gradient_of_a_signal():
    torch = pytest.importorskip("torch")
    net = Network(Dense(3, 8), Tanh(), Dense(8, 8), Sigmoid(), Dense(8, 2))
    theta, x, target = net.init_theta(1, float), rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    visits = walk(net, theta, x, target)
    signal, kept, weights = torch.tensor(x), [], []
    for visit in visits:
        if isinstance(visit.layer, Dense):
            weights.append([torch.tensor(array, requires_grad=True) for array in visit.params])
            signal = signal @ weights[-1][0] + weights[-1][1]
        else:
            signal = torch.tanh(signal) if isinstance(visit.layer, Tanh) else torch.sigmoid(signal)
        signal.retain_grad()
        kept.append(signal)
    torch.nn.functional.mse_loss(signal, torch.tensor(target)).backward()
    for visit, theirs in zip(visits, kept, strict=True):
        np.testing.assert_allclose(visit.y, theirs.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(visit.dy, theirs.grad.numpy(), rtol=1e-12)
    for visit, theirs in zip(visits[::2], weights, strict=True):
        for mine, tensor in zip(visit.grads, theirs, strict=True):
            np.testing.assert_allclose(mine, tensor.grad.numpy(), rtol=1e-12)


@dataclass(frozen=True)
class Doubled(Tanh):
    """A derivative that is wrong."""

    def derivative(self, x):
        return 2 * Tanh().derivative(x)

    def slope(self, x, y):
        return 2 * (1 - y * y)


def test_a_wrong_derivative_shows_in_the_gradients_of_the_walk():
    net = Network(Dense(3, 8), Doubled(), Dense(8, 2))
    theta, x, target = net.init_theta(1, float), rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    broken, right = walk(net, theta, x, target), walk(Network(Dense(3, 8), Tanh(), Dense(8, 2)), theta, x, target)
    np.testing.assert_allclose(broken[0].dy, 2 * right[0].dy)


def test_signals_of_a_layer_by_hand():
    net = Network(Dense(1, 4), ReLU())
    theta = np.array([1.0, -1.0, 0.0, 2.0, 0.0, 0.0, -1.0, 1.0])  # z = x, -x, -1, 2x + 1
    last = signals(net, theta, [[1.0], [2.0], [3.0], [-1.0]])[-1]
    outputs = np.array([[1, 0, 0, 3], [2, 0, 0, 5], [3, 0, 0, 7], [0, 1, 0, 0]])
    assert (last.path, last.layer, last.finite) == ("1", "ReLU()", 1)
    np.testing.assert_allclose([last.mean, last.spread], [outputs.mean(), outputs.std()])
    assert last.zero == last.saturated == 9 / 16
    assert last.silent == last.stuck == 1 / 4


def test_signals_tell_silent_units_from_stuck_ones():
    net = Network(Dense(1, 2), HardTanh())
    last = signals(net, np.array([0.0, 1.0, -9.0, 0.0]), [[0.5], [-0.5]])[-1]  # z = -9, and z = x
    assert (last.silent, last.stuck, last.zero, last.saturated) == (0, 1 / 2, 0, 1 / 2)
    last = signals(Network(Step()), np.zeros(0), [[0.5], [-0.5]])[-1]
    assert (last.silent, last.stuck, last.zero, last.saturated) == (0, 1, 1 / 2, 1)


def test_saturation_of_a_sigmoid_is_where_its_slope_is_a_thousandth_of_a_quarter():
    sigma = (1 + np.sqrt(1 - 4 * 0.00025)) / 2  # σ(1 - σ) = 0.00025
    edge = np.log(sigma / (1 - sigma))
    last = signals(Network(Sigmoid()), np.zeros(0), [[-edge - 1e-3], [-edge + 1e-3], [0.0], [edge + 1e-3]])[-1]
    assert last.saturated == 1 / 2
    assert last.stuck == 0


def test_no_number_that_is_not_finite_is_read_as_healthy():
    net = Network(Dense(1, 2), ReLU(), Dense(2, 1))
    first, relu, last = signals(net, np.array([np.nan, 1.0, 0, 0, 1, 1, 0]), [[1.0], [2.0]])
    for signal, finite in ((first, 1 / 2), (relu, 1 / 2), (last, 0)):
        assert signal.finite == finite
        assert np.isnan(signal.mean)
        assert np.isnan(signal.spread)
        assert signal.zero == signal.silent == 1 - finite
    assert relu.saturated == relu.stuck == 1 / 2
    assert np.isnan(last.stuck)


def test_signals_of_replicas_are_each_alone():
    thetas, x = NESTED.init_theta([0, 1], float), rng.standard_normal((2, 30, 3))
    together = signals(NESTED, thetas, x)
    assert [signal.path for signal in together] == PATHS
    for k in range(2):
        for one, both in zip(signals(NESTED, thetas[k], x[k]), together, strict=True):
            np.testing.assert_allclose(np.array(one[2:], float), [v[k] for v in both[2:]], rtol=1e-12)


def test_batch_norm_is_seen_as_in_inference():
    net = Network(BatchNorm(1))
    np.testing.assert_allclose(walk(net, net.init_theta(0, float), [[1.0], [3.0]])[0].y, [[1], [3]], rtol=1e-5)


MAZUR = Network(Dense(2, 2), Sigmoid(), Dense(2, 2), Sigmoid())
MAZUR_THETA = np.array([0.15, 0.25, 0.20, 0.30, 0.35, 0.35, 0.40, 0.50, 0.45, 0.55, 0.60, 0.60])
BY_HAND = Network(Dense(2, 2), ReLU(), Dense(2, 1))
BY_HAND_THETA = np.array([1, -1 / 2, 1 / 2, 1, 0, 1 / 4, 1 / 10, 1 / 3, 0])


def test_trace_agrees_with_a_published_example():
    """M. Mazur (2015), A Step by Step Backpropagation Example: two inputs, two hidden units, two outputs, rate ½."""
    found = trace(MAZUR, MAZUR_THETA, [0.05, 0.10], [0.01, 0.99], rate=0.5)
    hidden, out = found.visits[1], found.visits[3]
    assert hidden.x[0, 0] == pytest.approx(0.3775, rel=1e-9)
    assert hidden.y[0] == pytest.approx([0.593269992, 0.596884378], rel=2e-9)
    assert out.x[0, 0] == pytest.approx(1.105905967, rel=1e-9)
    assert out.y[0] == pytest.approx([0.75136507, 0.772928465], rel=1e-8)
    assert found.value == pytest.approx(0.298371109, rel=2e-9)
    assert found.visits[2].dy[0] == pytest.approx([0.138498562, -0.03809824], rel=1e-7)
    assert hidden.dy[0, 0] == pytest.approx(0.036350306, rel=1e-7)
    assert found.visits[2].grads[0][0, 0] == pytest.approx(0.082167041, rel=1e-8)
    assert found.visits[0].grads[0][0, 0] == pytest.approx(0.000438568, rel=1e-5)
    assert found.after[6:10] == pytest.approx([0.35891648, 0.511301270, 0.408666186, 0.561370121], rel=1e-7)
    assert found.after[:4] == pytest.approx([0.149780716, 0.24975114, 0.19956143, 0.29950229], rel=1e-7)
    for text in ("z1 = 0.05·0.15 + 0.1·0.2 + 0.35 = 0.3775", "0.741365·0.186816 = 0.138499", "= 0.149781"):
        assert text in str(found)


def test_trace_prints_fractions_that_were_worked_out_by_hand():
    text = str(trace(BY_HAND, BY_HAND_THETA, [1, -0.5], [1], rate=0.1))
    for line in (
        "z2 = 1·(-1/2) + (-1/2)·1 + 1/4 = -3/4",
        "z1 = 3/4·1/10 + 0·1/3 + 0 = 3/40",
        "L = mean (z − t)² = ((3/40 − 1)²) / 1 = 1369/1600",
        "∂L/∂z1 = 2 (z1 − t1) / 1 = 2·(3/40 − 1) / 1 = -37/20",
        "δ2 = (-37/60)·f′(-3/4) = (-37/60)·0 = 0",
        "∂L/∂W[2,1] = (-1/2)·(-37/200) = 37/400",
        "layer 0: W[2,1] ← 1/2 − 1/10·37/400 = 1963/4000",
    ):
        assert line in text


def evaluated(text, number=Fraction):
    """Both ends of a chain of equal signs that are arithmetic, in exact fractions."""
    text = text.replace("·", "*").replace("−", "-").replace("²", "**2")
    return eval(
        re.sub(r"\d+\.?\d*(e[+-]\d+)?(?!\d)", lambda m: m[0] if m[0] == "2" else f"N('{m[0]}')", text), {"N": number}
    )


def sums_of(text):
    """(what is added up, what comes out) of every line of a trace that has both."""
    for line in text.splitlines():
        parts = re.split(r" = | ← ", line)
        if len(parts) >= 3 and not re.search(r"[a-zA-Zδ∂Σ′]", "".join(parts[-2:]).replace("e-", "")):
            yield parts[-2], parts[-1]


def test_every_printed_sum_is_right_when_added_up_again_in_exact_fractions():
    sums = list(sums_of(str(trace(BY_HAND, BY_HAND_THETA, [1, -0.5], [1], rate=0.1))))
    assert len(sums) == 24
    for left, right in sums:
        assert evaluated(left) == evaluated(right), (left, right)


def test_every_printed_decimal_is_right_to_the_digits_that_are_shown():
    sums = list(sums_of(str(trace(MAZUR, MAZUR_THETA, [0.05, 0.10], [0.01, 0.99], rate=0.5))))
    assert len(sums) >= 25
    for left, right in sums:
        assert evaluated(left, float) == pytest.approx(evaluated(right, float), rel=1e-5), (left, right)


def test_trace_prints_no_fraction_of_what_only_looks_like_one():
    net = Network(Dense(1, 1))
    assert "1/10·1/10 + 0 = 1/100" in str(trace(net, np.array([0.1, 0]), [0.1], [1.0]))
    for near in (float(np.float32(0.1)), np.nextafter(0.1, 1)):
        assert "0.1·0.1 + 0 = 0.01\n" in str(trace(net, np.array([near, 0]), [0.1], [1.0]))


def test_trace_goes_into_residuals_and_takes_labels():
    net = Network(Dense(2, 2), Residual(Network(Dense(2, 2), Tanh())), LayerNorm(2), Dense(2, 3))
    theta = net.init_theta(0, float)
    found = trace(net, theta, [1, -0.5], 1, loss=softmax_cross_entropy, rate=0.1)
    x, labels = np.array([[1, -0.5]]), np.array([1])
    gradient = np.zeros_like(theta)
    y, backward = net.forward(net.unpack(theta), x)
    backward(softmax_cross_entropy(y, labels)[1], net.unpack(gradient))
    np.testing.assert_array_equal(found.gradient, gradient)
    np.testing.assert_array_equal(found.after, theta - 0.1 * gradient)
    text = str(found)
    order = [
        text.index(part) for part in ("layer 1.1, Tanh(): δ", "layer 1.0, Dense(2, 2): ∂", ": ∂L/∂x = ∂L/∂y + what")
    ]
    assert order == sorted(order)
    assert "target t = (0, 1, 0)" in text
    assert text.count(" ← ") == 1 + net.size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MAZUR, MAZUR_THETA[None], [1, 2], [0, 1]), "one network, theta of shape"),
        ((MAZUR, MAZUR_THETA, [[1, 2]], [0, 1]), "one example, x of shape"),
        ((MAZUR, MAZUR_THETA, [1, 2, 3], [0, 1]), "expects 2 input features"),
        ((MAZUR, MAZUR_THETA * np.nan, [1, 2], [0, 1]), "theta has to be finite"),
        ((MAZUR, MAZUR_THETA * 1e308, [1e10, 2], [0, 1]), "the output of layer 0 has to be finite"),
        ((Network(Dense(20, 20)), np.zeros(420), [0] * 20, [0] * 20), "at most 200 parameters, got 420"),
    ],
)
def test_trace_refuses_what_cannot_be_followed(arguments, message):
    with pytest.raises(ValueError, match=message):
        trace(*arguments)
    with pytest.raises(ValueError, match="a learning rate > 0, got 0"):
        trace(MAZUR, MAZUR_THETA, [1, 2], [0, 1], rate=0)


def test_the_steepest_slope_is_that_of_each_activation():  # also where two are equal, as their class may say
    @dataclass(frozen=True)
    class Ramp(Activation):
        slope: np.ndarray

        def __call__(self, x):
            return np.clip(self.slope * x, -1, 1)

        def derivative(self, x):
            return self.slope * (abs(self.slope * x) < 1)

        def __eq__(self, other):
            return isinstance(other, Ramp)

        def __hash__(self):
            return 0

    assert [steepest(Ramp(np.array(slope))) for slope in (1.0, 1e4)] == [1, 1e4]
