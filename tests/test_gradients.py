"""The gradient by layer is PyTorch's, however small, for each replica, and finds its way into nested networks."""

import numpy as np
import pytest

from minnet import (
    SGD,
    Dense,
    LayerNorm,
    Maxout,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    glorot_uniform,
    he_normal,
    softmax_cross_entropy,
    tanh_equivalent,
)
from minnet.lab.conditions import mlp
from minnet.lab.datasets import dataset
from minnet.lab.gradients import gradients
from minnet.lab.manifest import data_hash
from minnet.lab.trials import Trial
from minnet.lab.tuned import Case, tuned
from minnet.lab.work import Store

SPLIT = dataset("moons").split(0)


def test_against_torch():
    torch = pytest.importorskip("torch")
    network = mlp(Tanh(), 2, (5, 4), 2)
    theta = network.init_theta(0, np.float64)
    found = gradients(network, theta, SPLIT.x, SPLIT.y, loss=softmax_cross_entropy)
    a, zs, weights = torch.tensor(SPLIT.x), [], []
    for i, group in enumerate(network.unpack(theta)[::2]):
        W, b = (torch.tensor(p, requires_grad=True) for p in group)
        weights.append(W)
        zs.append(a @ W + b)
        zs[-1].retain_grad()
        a = torch.tanh(zs[-1]) if i < 2 else zs[-1]
    torch.nn.functional.cross_entropy(a, torch.tensor(SPLIT.y)).backward()
    last = zs[-1].grad.norm()
    for g, z, W in zip(found, zs, weights, strict=True):
        sent = z if z is zs[-1] else torch.tanh(z)
        expected = z.grad.norm() / last, W.grad.norm(), W.grad.norm() / W.norm(), sent.std(correction=0)
        np.testing.assert_allclose(g[2:], [float(e.detach()) for e in expected], rtol=1e-12)
    assert [g.path for g in found] == ["0", "2", "4"]


def test_what_is_small_does_not_underflow():
    network = mlp(Sigmoid(), 2, (64,) * 50, 2, glorot_uniform)
    whole, half = (
        gradients(network, network.init_theta(0, dtype), SPLIT.x, SPLIT.y, loss=softmax_cross_entropy)
        for dtype in (np.float64, np.float32)
    )
    assert 1e-34 < whole[0].delta < 1e-30
    assert half[0].delta == pytest.approx(whole[0].delta, rel=1e-3)


def test_the_norm_of_the_weights_gradient_is_blind_for_relu():
    network = mlp(ReLU(), 2, (64,) * 50, 2, glorot_uniform)
    theta = network.init_theta(range(4), np.float64)
    found = gradients(network, theta, SPLIT.x, SPLIT.y, loss=softmax_cross_entropy)
    assert (found[0].delta < 1e-6).all()
    assert (found[0].dW / found[-1].dW > 0.1).all()


def test_replicas_are_each_what_they_are_alone():
    network = Network(Maxout(2, 4), LayerNorm(4), Residual(Network(Dense(4, 4), Residual(Dense(4, 4)))), Dense(4, 2))
    theta = network.init_theta([3, 4], np.float64)
    both = gradients(network, theta, SPLIT.x, SPLIT.y, loss=softmax_cross_entropy)
    assert [g.path for g in both] == ["0", "2.0", "2.1.0", "3"]
    for k in range(2):
        alone = gradients(network, theta[k], SPLIT.x, SPLIT.y, loss=softmax_cross_entropy)
        for one, two in zip(alone, both, strict=True):
            np.testing.assert_allclose([n[k] for n in two[2:]], one[2:], rtol=1e-12)


def test_dead_and_broken_networks_say_so():
    network = mlp(ReLU(), 2, (4,), 2, he_normal)
    dead, broken = network.init_theta(0), network.init_theta(0)
    network.unpack(dead)[0][1][...] = -100
    network.unpack(broken)[0][0][0, 0] = np.nan
    assert gradients(network, dead, SPLIT.x, SPLIT.y, loss=softmax_cross_entropy)[0].delta == 0
    assert np.isnan(gradients(network, broken, SPLIT.x, SPLIT.y, loss=softmax_cross_entropy)[0].delta)


def test_a_trial_may_start_where_no_initializer_can_put_it():
    data = dataset("moons", n_train=64, n_val=32, n_test=32)
    sigmoid, tanh = (mlp(act, 2, (8, 8), 2, glorot_uniform) for act in (Sigmoid(), Tanh()))
    ends = {}
    for name, network, start in (("as tanh", sigmoid, tanh_equivalent), ("tanh", tanh, None), ("plain", sigmoid, None)):
        trial = Trial(network, SGD(1.0), (1e-30,), data, (0, 1), 1, 32, start=start)  # the rate moves nothing
        ends[name] = trial()["validation_loss"], trial.key(data_hash(data, 0))
    np.testing.assert_allclose(ends["as tanh"][0], ends["tanh"][0], rtol=1e-5)
    assert not np.allclose(ends["plain"][0], ends["tanh"][0], rtol=1e-3)
    assert len({key for _, key in ends.values()}) == 3


def test_tuned_chooses_by_validation_and_takes_up_what_is_there(tmp_path):
    data = dataset("moons", n_train=100, n_val=100, n_test=100)
    cases = {
        "tanh": Case(mlp(Tanh(), 2, (8,), 2), SGD(1.0), (1e-4, 0.1, 1e4)),
        "as tanh": Case(mlp(Sigmoid(), 2, (8,), 2, glorot_uniform), SGD(1.0), (1e-3, 1.0), tanh_equivalent),
    }
    settings = {"tuning": range(2), "test": range(5, 8), "epochs": 20, "jobs": 1}
    runs = tuned(cases, data, store=Store(tmp_path), **settings)
    assert runs.groupby(["condition", "phase"]).size().to_dict() == {
        ("tanh", "tuning"): 6, ("tanh", "test"): 3, ("as tanh", "tuning"): 4, ("as tanh", "test"): 3}  # fmt: skip
    test = runs[runs.phase == "test"]
    assert dict(zip(test.condition, test.rate, strict=True)) == {"tanh": 0.1, "as tanh": 1.0}
    assert set(test.seed) == {5, 6, 7}
    store = Store(tmp_path)
    assert tuned(cases, data, store=store, **settings).equals(runs)
    assert store.found == len(list(tmp_path.glob("*.npz")))
