"""The diagnosis is right on networks broken on purpose in each way, and on healthy ones."""

import html
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

from minnet import (
    ELU,
    GELU,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    BatchNorm,
    Constant,
    Dense,
    DivergenceError,
    Dropout,
    EarlyStopping,
    HardTanh,
    Huber,
    Identity,
    LayerNorm,
    LeakyReLU,
    Loss,
    Network,
    Optimizer,
    ReLU,
    Residual,
    RMSProp,
    Run,
    Sigmoid,
    SiLU,
    Softsign,
    Tanh,
    VarianceScaling,
    binary_cross_entropy,
    glorot_uniform,
    he_normal,
    hinge,
    mae,
    mse,
    poisson,
    softmax_cross_entropy,
    tanh_equivalent,
    train,
)
from minnet.lab import diagnose
from minnet.lab.compare import compare
from minnet.lab.conditions import mlp
from minnet.lab.datasets import dataset
from minnet.lab.report import write_report

H = (16, 16)
MOONS, CIRCLES, XOR = (dataset(name).split(0)[:2] for name in ("moons", "circles", "xor"))
BLOBS = dataset("blobs").split(0)[:2]
CURVE = np.linspace(-2, 2, 200)[:, None]
WAVE = CURVE, np.sin(2 * CURVE)
LINE = CURVE, 3 * CURVE + 1
COUNTS = CURVE, np.random.default_rng(0).poisson(np.exp(1 + CURVE)).astype(float)
SIGNS = MOONS[0], 2.0 * MOONS[1][:, None] - 1
BITS = MOONS[0], 1.0 * MOONS[1][:, None]


@dataclass(frozen=True)
class Case:
    kind: str
    network: Network
    optimizer: Optimizer
    data: tuple = MOONS
    loss: Loss | None = None
    epochs: int = 60
    start: object = None

    def __call__(self, seed):
        loss = self.loss or (softmax_cross_entropy if self.data[1].dtype.kind == "i" else mse)
        theta = self.start(self.network, self.network.init_theta(seed)) if self.start else None
        return train(self.network, loss, self.optimizer, *self.data, epochs=self.epochs, batch_size=32, seed=seed,
                     start=theta)  # fmt: skip


def deep(act, depth, init, n_in=2, n_out=2):
    return mlp(act, n_in, (16,) * depth, n_out, init)


def weights(scale):
    return VarianceScaling(scale, "in", "normal")


def biased(act, bias, width=16):
    return Network(Dense(2, width, he_normal, Constant(bias)), act, Dense(width, 2))


def swollen(network, theta):
    return theta * 1e8


BROKEN = {
    "sigmoid 6": Case("vanishing", deep(Sigmoid(), 6, glorot_uniform), SGD(0.1)),
    "sigmoid 8, high rate": Case("vanishing", deep(Sigmoid(), 8, glorot_uniform), SGD(1.0)),
    "sigmoid 10, momentum": Case("vanishing", deep(Sigmoid(), 10, glorot_uniform), SGD(0.1, 0.9)),
    "sigmoid 20": Case("vanishing", deep(Sigmoid(), 20, glorot_uniform), SGD(0.1)),
    "sigmoid 20, Adam": Case("vanishing", deep(Sigmoid(), 20, glorot_uniform), Adam(0.001)),
    "sigmoid 20, circles": Case("vanishing", deep(Sigmoid(), 20, glorot_uniform), SGD(0.1), CIRCLES),
    "sigmoid 10, wave": Case("vanishing", deep(Sigmoid(), 10, glorot_uniform, 1, 1), SGD(0.1), WAVE),
    "tanh, small weights": Case("vanishing", deep(Tanh(), 10, weights(0.05)), SGD(0.1)),
    "softsign, small weights": Case("vanishing", deep(Softsign(), 12, weights(0.1)), SGD(0.1)),
    "GELU 20": Case("vanishing", deep(GELU(), 20, glorot_uniform), SGD(0.01)),
    "ReLU, small weights": Case("vanishing", deep(ReLU(), 10, weights(0.1)), SGD(1e-6)),
    "ReLU, large weights": Case("exploding", deep(ReLU(), 10, weights(16.0)), SGD(0.1)),
    "ReLU, large weights, low rate": Case("exploding", deep(ReLU(), 10, weights(16.0)), SGD(1e-12)),
    "GELU, large weights": Case("exploding", deep(GELU(), 10, weights(16.0)), SGD(0.1)),
    "leaky ReLU, large weights": Case("exploding", deep(LeakyReLU(), 8, weights(32.0)), Adam(0.001)),
    "linear, large weights": Case("exploding", deep(Identity(), 6, weights(16.0)), SGD(1e-9)),
    "ReLU, large weights, wave": Case("exploding", deep(ReLU(), 10, weights(16.0), 1, 1), SGD(0.1), WAVE),
    "tanh, huge weights": Case("saturated", deep(Tanh(), 4, weights(1e6)), SGD(0.01), XOR),
    "hard tanh, huge weights": Case("saturated", deep(HardTanh(), 4, weights(1e4)), SGD(0.01), XOR),
    "hard tanh 8, huge weights": Case("saturated", deep(HardTanh(), 8, weights(1e6)), SGD(0.01)),
    "tanh, saturated by Adam's rate": Case("saturated", mlp(Tanh(), 2, H, 2), Adam(1.0)),
    # chaotic: the order of a sum decides how each seed ends, and no way is healthy
    "tanh, saturated by momentum": Case(
        "saturated or absurd loss or rate too high", mlp(Tanh(), 2, H, 2), SGD(1.0, 0.9)
    ),
    "tanh, huge biases": Case("saturated", biased(Tanh(), 20.0), SGD(0.1)),
    "sigmoid, huge biases": Case("saturated", biased(Sigmoid(), -40.0), SGD(0.1)),
    "ReLU, low biases": Case("dead", biased(ReLU(), -20.0), SGD(0.1)),
    "GELU, low biases": Case("dead", biased(GELU(), -60.0), Adam(0.01)),
    "SiLU, low biases": Case("dead", biased(SiLU(), -25.0), SGD(0.1)),
    "ReLU, narrow and deep": Case("dead", mlp(ReLU(), 2, (2,) * 40, 2), SGD(0.1)),
    "ReLU, killed by its rate": Case("dead", mlp(ReLU(), 2, H, 2), SGD(5.0)),
    "wave, rate": Case("rate too high", mlp(Tanh(), 1, (16,), 1), SGD(0.4), WAVE),
    "wave, higher rate": Case("rate too high", mlp(Tanh(), 1, (16,), 1), SGD(0.5), WAVE),
    "no hidden layer, rate 20": Case("rate too high", Network(Dense(2, 2)), SGD(20.0)),
    "no hidden layer, rate 30": Case("rate too high", Network(Dense(2, 2)), SGD(30.0)),
    "no hidden layer, rate 50": Case("rate too high", Network(Dense(2, 2)), SGD(50.0)),
    "tanh, low rate": Case("rate too low", mlp(Tanh(), 2, H, 2), SGD(1e-3)),
    "tanh, no rate": Case("rate too low", mlp(Tanh(), 2, H, 2), SGD(1e-8)),
    "ReLU, low rate": Case("rate too low", mlp(ReLU(), 2, H, 2), SGD(1e-4)),
    "ReLU, Adam's low rate": Case("rate too low", mlp(ReLU(), 2, H, 2), Adam(1e-6), CIRCLES),
    "tanh 8, low rate": Case("rate too low", deep(Tanh(), 8, glorot_uniform), SGD(1e-5), XOR),
    "wave, low rate": Case("rate too low", mlp(Tanh(), 1, H, 1), SGD(1e-5), WAVE),
    "counts, low rate": Case("rate too low", mlp(Tanh(), 1, H, 1), SGD(1e-6), COUNTS, poisson),
    "line, divergence": Case("diverged", Network(Dense(1, 1)), SGD(10.0), LINE),
    "wave, divergence": Case("diverged", mlp(LeakyReLU(), 1, H, 1), SGD(30.0), WAVE),
    "counts, divergence": Case("diverged", mlp(ELU(), 1, H, 1), SGD(10.0), COUNTS, poisson),
    "inputs not standardised": Case("diverged", mlp(LeakyReLU(), 1, H, 1), SGD(0.1), (1e4 * CURVE, CURVE)),
    "tanh, rate 1000": Case("absurd loss", mlp(Tanh(), 2, H, 2), SGD(1000.0)),
    "softsign, rate 100": Case("absurd loss", mlp(Softsign(), 2, H, 2), SGD(100.0)),
    "swollen start": Case("absurd loss", mlp(ReLU(), 2, H, 2), SGD(1e-30), start=swollen),
    "linear on circles": Case("stuck", mlp(Identity(), 2, H, 2), SGD(0.1), CIRCLES),
    "linear on XOR": Case("stuck", Network(Dense(2, 2)), Adam(0.01), XOR),
    "line on a parabola": Case("stuck", mlp(Identity(), 1, (8,), 1), Adam(0.01), (CURVE, CURVE**2)),
    "noise": Case("stuck", Network(Dense(2, 1)), SGD(0.1), (MOONS[0], np.random.default_rng(0).normal(size=(300, 1)))),
}
HEALTHY = {
    **{repr(act): Case("healthy", mlp(act, 2, H, 2), SGD(0.3)) for act in (Tanh(), ReLU(), GELU(), ELU(), SiLU())},
    "Sigmoid()": Case("healthy", mlp(Sigmoid(), 2, H, 2), SGD(1.0), epochs=100),
    "Softsign()": Case("healthy", mlp(Softsign(), 2, H, 2), SGD(0.5), epochs=100),
    "ReLU 8": Case("healthy", deep(ReLU(), 8, he_normal), Adam(0.003)),
    "tanh 10": Case("healthy", deep(Tanh(), 10, glorot_uniform), SGD(0.1), epochs=100),
    "sigmoid 10, started as tanh": Case("healthy", deep(Sigmoid(), 10, glorot_uniform), SGD(1.0), epochs=100,
                                       start=tanh_equivalent),
    "circles": Case("healthy", mlp(Tanh(), 2, H, 2), SGD(0.3), CIRCLES, epochs=100),
    "xor": Case("healthy", mlp(ReLU(), 2, H, 2), Adam(0.01), XOR),
    "blobs": Case("healthy", mlp(ReLU(), 2, H, 3), SGD(0.1), BLOBS),
    "linear": Case("healthy", mlp(Identity(), 2, H, 2), SGD(0.1)),
    "line": Case("healthy", Network(Dense(1, 1)), SGD(0.1), LINE),
    "wave": Case("healthy", mlp(Tanh(), 1, H, 1), Adam(0.01), WAVE, epochs=100),
    "wave, Huber": Case("healthy", mlp(ReLU(), 1, H, 1), Adam(0.01), WAVE, Huber(0.5), epochs=100),
    "wave, absolute error": Case("healthy", mlp(ReLU(), 1, H, 1), Adam(0.01), WAVE, mae, epochs=100),
    "counts": Case("healthy", mlp(Tanh(), 1, H, 1), SGD(0.02), COUNTS, poisson),
    "hinge": Case("healthy", mlp(ReLU(), 2, H, 1), SGD(0.1), SIGNS, hinge),
    "bits": Case("healthy", mlp(ReLU(), 2, H, 1), SGD(0.3), BITS, binary_cross_entropy),
    "momentum": Case("healthy", mlp(Tanh(), 2, H, 2), SGD(0.05, 0.9)),
    "RMSProp": Case("healthy", mlp(ReLU(), 2, H, 2), RMSProp(0.003)),
    "AdaGrad": Case("healthy", mlp(ReLU(), 2, H, 2), AdaGrad(0.1)),
    "AdamW": Case("healthy", mlp(GELU(), 2, H, 2), AdamW(0.01)),
    "dropout": Case("healthy", Network(Dense(2, 64), ReLU(), Dropout(0.2), Dense(64, 2)), SGD(0.3)),
    "batch norm": Case("healthy", Network(Dense(2, 16), BatchNorm(16), ReLU(), Dense(16, 2)), SGD(0.3)),
    "batch norm, high rate": Case("healthy", Network(Dense(2, 16), BatchNorm(16), ReLU(), Dense(16, 2)), SGD(1.0)),
    "tanh, Adam's rate high": Case("healthy", mlp(Tanh(), 2, H, 2), Adam(0.1)),
    "layer norm": Case("healthy", Network(Dense(2, 16), LayerNorm(16), Sigmoid(), Dense(16, 2)), SGD(1.0)),
    "residual": Case("healthy", Network(Dense(2, 16), *[Residual(Network(Dense(16, 16), Tanh()))] * 8, Dense(16, 2)),
                     SGD(0.05)),
}  # fmt: skip


@pytest.mark.parametrize("case", [*BROKEN.values(), *HEALTHY.values()], ids=[*BROKEN, *HEALTHY])
def test_right_on_each_of_three_replicas(case):
    found = diagnose(case(range(3)), *case.data, loss=case.loss)
    assert {one.kind for one in found.each} <= {*case.kind.split(" or ")}, found
    assert len(found.each) == 3


def test_there_are_enough_cases():
    assert len(BROKEN) >= 40
    assert len(HEALTHY) >= 15


def single(case, seed=0):
    """One network alone, which raises where a replica is frozen."""
    try:
        return case(seed)
    except DivergenceError as error:
        return error.run


@pytest.mark.parametrize("name", ["sigmoid 20", "ReLU, large weights", "line, divergence", "tanh, rate 1000"])
def test_one_network_alone_is_told_the_same(name):
    case = BROKEN[name]
    found = diagnose(single(case), *case.data)
    assert found.kind == case.kind
    assert not found.healthy
    assert repr(found).startswith("not healthy: ")
    assert "    try " in repr(found)


def test_a_network_of_nan_is_never_healthy():
    run = HEALTHY["ReLU()"](0)
    for theta in (run.theta * np.nan, np.where(np.arange(run.theta.size) == 40, np.inf, run.theta)):
        for data in (MOONS, ()):
            broken = replace(run, theta=theta.astype(np.float32))
            found = diagnose(broken, *data)
            assert found.kind == "diverged"
            assert "are not finite" in repr(found)
    overflowing = replace(run, theta=run.theta * np.float32(1e20))  # finite, and its loss is not
    assert diagnose(overflowing, *MOONS).kind == "diverged"


def test_dead_units_without_harm_are_told_and_are_no_fault():
    network = Network(Dense(2, 64, he_normal, Constant(-3.0)), ReLU(), Dense(64, 2))
    found = diagnose(train(network, softmax_cross_entropy, SGD(0.5), *MOONS, epochs=60, batch_size=32, seed=0), *MOONS)
    (sign,) = found.findings
    assert found.healthy
    assert (sign.kind, sign.harm) == ("dead", False)
    assert 0.5 < sign.number < 0.8
    assert str(sign).startswith("dead, layer 1, ReLU(): ")
    assert str(sign).endswith("without harm")


def test_history_alone():
    for name, kind in {"tanh, low rate": "rate too low", "wave, higher rate": "rate too high", "circles": "healthy",
                       "line, divergence": "diverged", "linear on circles": "stuck"}.items():  # fmt: skip
        assert diagnose(single((BROKEN | HEALTHY)[name])).kind == kind, name
    run = HEALTHY["circles"](0)
    run.history["loss"][-1] = 1e30
    assert diagnose(run).kind == "absurd loss"
    assert "neither history nor data" in repr(diagnose(Run(run.network, run.theta, {})))


def test_replicas_are_summed_up():
    run = train(mlp(ReLU(), 2, H, 2), softmax_cross_entropy, SGD((0.3, 5.0, 0.3)), *MOONS, epochs=40, batch_size=32,
                seed=range(3))  # fmt: skip
    found = diagnose(run, *MOONS)
    assert not found.healthy
    assert "2 of 3 replicas: healthy (0, 2)" in repr(found)
    assert "1 of 3 replicas: dead (1)" in repr(found)
    x, y = (np.stack([part] * 3) for part in MOONS)
    assert diagnose(run, x, y) == found


def test_a_lucky_start_that_never_moves_is_not_healthy():
    case = BROKEN["wave, low rate"]
    found = diagnose(case(range(10, 16)), *case.data)
    assert [one.kind for one in found.each] == ["rate too low"] * 6
    assert any("of the loss of guessing is gone" in one.state for one in found.each)


def test_signs_say_where():
    found = diagnose(single(BROKEN["sigmoid 20"]), *MOONS).findings[0]
    assert (found.kind, found.where) == ("vanishing", "0, Dense(2, 16)")
    assert found.number < 1e-10
    assert "tanh_equivalent" in found.advice
    assert "at the start already" in found.words
    assert "not so at the start" in diagnose(single(BROKEN["ReLU, killed by its rate"]), *MOONS).findings[0].words


def test_early_stopping_is_no_fault():
    split = dataset("moons").split(1)
    run = train(mlp(ReLU(), 2, H, 2), softmax_cross_entropy, SGD(0.3), split.x, split.y, epochs=200, batch_size=32,
                seed=0, validation=(split.x_val, split.y_val), callbacks=[EarlyStopping(patience=20)])  # fmt: skip
    assert run.stops[0].reason == "early stopping"
    assert diagnose(run, split.x, split.y).kind == "healthy"


def test_x_without_y_is_refused():
    with pytest.raises(ValueError, match="diagnose expects x and y both, or neither"):
        diagnose(HEALTHY["line"](0), LINE[0])


def test_the_laboratorys_door_stays_light():
    code = "import sys, minnet.lab; print([m for m in sys.modules if m.startswith('minnet.lab.')], minnet.lab.diagnose)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] <function diagnose")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        sys.modules["minnet.lab"].nothing  # noqa: B018


def test_the_report_of_a_comparison_diagnoses_what_failed(tmp_path):
    networks = {"deep": lambda n_in, n_out: deep(Sigmoid(), 12, glorot_uniform), "linear": Identity()}
    data = dataset("moons", n_train=100, n_val=100, n_test=200)
    found = compare(networks, data, hidden=(4,), seeds=2, epochs=10, rates=[0.1], jobs=1)
    write_report(found, tmp_path / "moons.html")
    page = html.unescape((tmp_path / "moons.html").read_text())
    assert "<strong>deep</strong>: diagnosis of seed 2: vanishing, layer 0, Dense(2, 16): " in page
    assert "to try: weights that follow the activation" in page
    assert "<strong>linear</strong>: diagnosis of seed 2: nothing wrong within; " in page
