"""Training: replicas equal the same seeds one by one, divergence and Ctrl-C lose nothing, bad input is named."""

import copy
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from minnet import (
    SGD,
    Dense,
    DivergenceError,
    Identity,
    Network,
    ReLU,
    Residual,
    Tanh,
    binary_cross_entropy,
    mse,
    softmax_cross_entropy,
    train,
)
from minnet.lab.datasets import DATASETS

NET = Network(Dense(2, 8), Tanh(), Residual(Network(Dense(8, 8), ReLU())), Dense(8, 2))
RATES = (0.1, 0.03, 0.5, 1.0, 0.2, 0.05, 0.3)


def data(seed, n=75):
    split = DATASETS["moons"].split(seed)
    return split.x[:n], split.y[:n]


def fit(seed, rate, x, y, **settings):
    settings = {"epochs": 20, "batch_size": 16, "dtype": np.float64} | settings  # 75 = 4 * 16 + 11: a short last batch
    return train(NET, softmax_cross_entropy, SGD(rate, 0.9), x, y, seed=seed, **settings)


@pytest.mark.parametrize("count", [1, 2, 7, 32])
@pytest.mark.parametrize("own_data", [False, True])
def test_replicas_equal_the_same_seeds_one_by_one(count, own_data):
    seeds = list(range(10, 10 + count))
    rates = tuple(RATES[k % 7] for k in range(count))
    each = [data(seed if own_data else 0) for seed in seeds]
    x, y = (np.stack(part) for part in zip(*each, strict=True)) if own_data else each[0]
    together = fit(seeds, rates, x, y, validation=data(99))
    for k, seed in enumerate(seeds):
        alone = fit(seed, rates[k], *each[k], validation=data(99))
        assert abs(together.theta[k] - alone.theta).max() <= 1e-12 * abs(alone.theta).max()
        for name, values in alone.history.items():
            np.testing.assert_allclose(together.history[name][:, k], values, rtol=1e-9)


def test_a_replica_that_diverges_or_stops_leaves_the_others_alone():
    seeds, rates = [1, 2, 3, 4], (0.1, 1e200, 0.2, 0.3)
    each = [data(seed) for seed in seeds]
    x, y = (np.stack(part) for part in zip(*each, strict=True))

    def seed_3_after_5_epochs(run):
        return np.array([False, False, len(run.history["loss"]) >= 5, False])

    run = fit(seeds, rates, x, y, callbacks=[seed_3_after_5_epochs])
    assert [stop.reason for stop in run.stops] == ["finished", "diverged", "seed_3_after_5_epochs", "finished"]
    assert [stop.epoch for stop in run.stops] == [20, 0, 5, 20]
    assert run.diverged.tolist() == [False, True, False, False]
    assert np.isfinite(run.theta).all()
    assert np.isnan(run.history["loss"][:, 1]).all()
    assert np.isfinite(run.history["loss"][:5, 2]).all()
    assert np.isnan(run.history["loss"][5:, 2]).all()
    for k, epochs in ((0, 20), (2, 5), (3, 20)):
        alone = fit(seeds[k], rates[k], *each[k], epochs=epochs)
        assert abs(run.theta[k] - alone.theta).max() <= 1e-12 * abs(alone.theta).max()


def test_every_replica_may_stop():
    run = fit([1, 2], (1e200, 1e200), *data(0))
    assert run.diverged.all()
    assert run.history["loss"].shape == (0, 2)
    run = fit([1, 2], 0.1, *data(0), callbacks=[lambda run: True, lambda run: [True, True]])
    assert [stop.epoch for stop in run.stops] == [1, 1]
    run = fit(1, 0.1, *data(0), callbacks=[lambda run: len(run.history["loss"]) == 3])
    assert run.stops[0].epoch == 3
    assert run.history["loss"].shape == (3,)


def test_divergence_of_a_single_network_names_epoch_rate_and_layer():
    with pytest.raises(DivergenceError) as caught:
        fit(1, 1e200, *data(0))
    assert "diverged in epoch 1 at learning rate 1e+200" in str(caught.value)
    assert "first number that is not finite stood in the output of layer 3, Dense(8, 2)" in str(caught.value)
    assert np.isfinite(caught.value.run.theta).all()
    assert caught.value.run.theta.any()


@pytest.mark.parametrize(
    ("theta", "target", "rate", "place"),
    [
        ([1e200, 1e200], 0.0, 0.1, "the loss"),  # y = 1e200 is finite, its square is not
        ([1e10, 1e10], 0.0, 1e300, "the updated parameters of layer 1, Dense(1, 1)"),
    ],
)
def test_divergence_is_found_in_the_step_where_it_happens(theta, target, rate, place):
    net = Network(Identity(), Dense(1, 1))
    with pytest.raises(DivergenceError, match=re.escape(f"stood in {place}")) as caught:
        train(net, mse, SGD(rate), [[1.0]], [[target]], epochs=3, batch_size=1, seed=0, start=np.array(theta))
    np.testing.assert_array_equal(caught.value.run.theta, theta)


def test_divergence_in_the_gradient_is_found():
    """The forward pass is finite; the way back meets 1e200 * 1e200."""
    net = Network(Dense(1, 1), Dense(1, 1))
    theta = np.array([0.0, 0.0, 1e200, 0.0])  # W1 b1 W2 b2
    with pytest.raises(DivergenceError, match=r"the gradient of layer 0, Dense\(1, 1\)"):
        train(net, mse, SGD(1e-3), [[1e150]], [[1e100]], epochs=1, batch_size=1, seed=0, start=theta)


def test_an_infinite_weight_that_a_layer_hides_is_found():
    """relu(-inf) = 0: loss and gradient stay finite, only theta itself tells."""
    net = Network(Dense(1, 1), ReLU(), Dense(1, 1))
    theta = np.array([1.0, 0.0, 1e10, 0.0])
    with pytest.raises(DivergenceError, match="updated parameters"):
        train(net, mse, SGD(1e300), [[1.0]], [[0.0]], epochs=2, batch_size=1, seed=0, start=theta)


@pytest.mark.parametrize("seed", [0, [0, 1]])
def test_a_weight_whose_square_is_too_large_is_no_divergence(seed):
    """A product with zero: no output, no gradient tells of the large weight, and its square is inf in float32."""
    theta = np.array([1e30, 0.5, 0.0], np.float32)
    run = train(
        Network(Dense(2, 1)), mse, SGD(0.1), [[0.0, 1.0]] * 100, [[1.0]] * 100, epochs=2, batch_size=1, seed=seed,
        start=theta if seed == 0 else np.stack([theta, theta]),
    )  # fmt: skip
    assert {stop.reason for stop in run.stops} == {"finished"}
    np.testing.assert_allclose(run(np.array([[0.0, 1.0]])), 1, rtol=1e-6)


def test_ctrl_c_keeps_the_run():
    def interrupt(run):
        if len(run.history["loss"]) == 4:
            raise KeyboardInterrupt

    run = fit([1, 2], 0.1, *data(0), callbacks=[interrupt])
    assert [stop.reason for stop in run.stops] == ["interrupted"] * 2
    assert run.history["loss"].shape == (4, 2)
    np.testing.assert_array_equal(run.theta, fit([1, 2], 0.1, *data(0), epochs=4).theta)


def test_pickle_deepcopy_and_threads_change_nothing():
    expected = fit([1, 2], 0.1, *data(0)).theta
    for net in (pickle.loads(pickle.dumps(NET)), copy.deepcopy(NET)):
        assert net == NET
        assert hash(net) == hash(NET)
        run = train(
            net, softmax_cross_entropy, SGD(0.1, 0.9), *data(0), epochs=20, batch_size=16, seed=[1, 2], dtype=float
        )
        np.testing.assert_array_equal(run.theta, expected)
    run = pickle.loads(pickle.dumps(run))
    np.testing.assert_array_equal(run.theta, expected)
    with ThreadPoolExecutor(2) as pool:
        for run in pool.map(lambda _: fit([1, 2], 0.1, *data(0)), range(6)):
            np.testing.assert_array_equal(run.theta, expected)


def test_a_linear_network_finds_the_logistic_regression():
    x, y = data(0, 200)
    sk = LogisticRegression(C=np.inf, tol=1e-10).fit(x, y)
    net = Network(Dense(2, 1))
    run = train(
        net, binary_cross_entropy, SGD(1.0, 0.9), x, y[:, None], epochs=2000, batch_size=200, seed=0, dtype=np.float64
    )
    np.testing.assert_allclose(run.theta, [*sk.coef_[0], *sk.intercept_], rtol=1e-6)
    assert run.history["loss"][-1] == pytest.approx(binary_cross_entropy(run(x), y[:, None])[0], rel=1e-6)


def test_history_and_theta_given():
    x, y = data(0)
    run = fit(5, 0.1, x, y, validation=(x, y), epochs=3)
    assert {name: values.shape for name, values in run.history.items()} == {
        "loss": (3,),
        "validation_loss": (3,),
        "validation_metric": (3,),
    }
    logits = run(x)
    assert run.history["validation_metric"][-1] == (logits.argmax(axis=1) == y).mean()
    assert run.history["validation_loss"][-1] == pytest.approx(softmax_cross_entropy(logits, y)[0], rel=1e-12)
    start = NET.init_theta(5, np.float64)
    kept = start.copy()
    again = fit(5, 0.1, x, y, epochs=3, start=start, dtype=np.float32)  # dtype counts only where start is not given
    np.testing.assert_array_equal(again.theta, run.theta)
    np.testing.assert_array_equal(start, kept)
    assert fit(5, 0.1, x, y, dtype=np.float32).theta.dtype == np.float32


def test_the_history_weighs_a_short_last_batch_by_its_size():
    x, y = data(0)
    run = fit(5, 0.0, x, y, epochs=1)
    assert run.history["loss"][0] == pytest.approx(softmax_cross_entropy(run(x), y)[0], rel=1e-12)


def test_a_batch_larger_than_the_data_is_one_full_batch():
    x, y = data(0)
    net = Network(Dense(2, 2))
    run = train(net, softmax_cross_entropy, SGD(0.5), x, y, epochs=1, batch_size=10**6, seed=0, dtype=float)
    theta = net.init_theta(0, float)
    gradient = np.zeros_like(theta)
    out, backward = net.forward(net.unpack(theta), x)
    backward(softmax_cross_entropy(out, y)[1], net.unpack(gradient))
    np.testing.assert_allclose(run.theta, theta - 0.5 * gradient, rtol=1e-12)


def test_the_progress_bar_is_silent_when_piped(capfd):
    run = fit(1, 0.1, *data(0), epochs=3, progress=True)
    assert run.stops[0].epoch == 3
    assert capfd.readouterr() == ("", "")


def test_a_run_prints_readably():
    text = repr(fit([1, 2, 3], (0.1, 1e200, 0.2), *data(0), validation=data(1)))
    assert text.startswith("Run of 3 replicas of Network(Dense(2, 8), Tanh(), ")
    assert "finished           2 of 3, after 20 epochs" in text
    assert "diverged           1 of 3, after 0 epochs" in text
    assert re.search(r"validation_metric  0\.\d+ \(0\.\d+ to \d\.?\d*\)", text)


X, Y = data(0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"x": np.zeros((75, 3))},
            ValueError,
            r"layer 0: Dense\(2, 8\) expects 2 input features, got x of shape \(2, 3\), .* x \(75, 3\)",
        ),
        (
            {"network": Network(Dense(2, 8), Dense(9, 2))},
            ValueError,
            r"layer 1: Dense\(9, 2\) expects 9 input features",
        ),
        (
            {"network": Network(Dense(2, 8), Residual(Dense(8, 2)))},
            ValueError,
            r"layer 1: .* to keep 8 features, got 2",
        ),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0, int)}, ValueError, r"x is empty: expected at least one row"),
        ({"x": np.where(X[7, 1] == X, np.nan, X)}, ValueError, r"x has to be finite, got nan at index \(7, 1\)"),
        ({"x": X * 1e300, "dtype": np.float32}, ValueError, r"x as float32 has to be finite, got -?inf"),
        ({"x": X[:, 0]}, ValueError, r"x has to be numbers of shape \(N, n_in\), got float64 \(75,\)"),
        ({"x": X.astype(str)}, ValueError, r"x has to be numbers"),
        ({"y": Y + 1}, ValueError, r"expects labels from 0 to 1, got 1 to 2"),
        ({"y": Y.astype(float)}, ValueError, r"expects integer labels of shape"),
        ({"y": Y[:70]}, ValueError, r"y has to have one row for each of x: expected \(75,\), got \(70,\)"),
        ({"loss": mse}, ValueError, r"MeanSquaredError\(\) expects targets of shape \(..., batch, 2\), got \(75,\)"),
        ({"batch_size": 0}, ValueError, r"batch_size has to be an integer >= 1, got 0"),
        ({"epochs": 1.5}, ValueError, r"epochs has to be an integer >= 1, got 1.5"),
        ({"seed": None}, ValueError, r"seed has to be an integer or a sequence of integers, got None"),
        ({"seed": "abc"}, ValueError, r"seed has to be an integer or a sequence of integers, got 'abc'"),
        ({"batch_size": "32"}, ValueError, r"batch_size has to be an integer >= 1, got '32'"),
        ({"optimizer": SGD}, TypeError, r"optimizer has to be a Optimizer, got .*; did you mean SGD\(...\)\?"),
        ({"loss": "mse"}, TypeError, r"loss has to be a Loss, got 'mse'"),
        ({"network": Dense(2, 2)}, TypeError, r"network has to be a Network, got Dense\(2, 2\)"),
        ({"seed": -1}, ValueError, r"a seed has to be an integer >= 0, got -1"),
        ({"seed": []}, ValueError, r"at least one"),
        (
            {"seed": [0, 1], "x": np.stack([X] * 3)},
            ValueError,
            r"\(N, n_in\) or \(2, N, n_in\), got float64 \(3, 75, 2\)",
        ),
        (
            {"start": np.zeros(5)},
            ValueError,
            r"theta has to be float32 or float64 of shape \(114,\), got float64 \(5,\)",
        ),
        ({"start": np.full(114, np.inf)}, ValueError, r"theta has to be finite"),
        ({"optimizer": SGD((0.1, 0.2))}, ValueError, r"has 2 learning rates, but theta holds no replicas"),
        ({"validation": (X[:, :1], Y)}, ValueError, r"layer 0: Dense\(2, 8\) expects 2 input features"),
        ({"validation": (X, Y[:3])}, ValueError, r"validation y has to have one row for each of x"),
    ],
)
def test_bad_input_is_named(change, error, message):
    settings = {
        "network": NET, "loss": softmax_cross_entropy, "optimizer": SGD(0.1), "x": X, "y": Y, "epochs": 1,
        "batch_size": 16, "seed": 0, "dtype": np.float64,
    }  # fmt: skip
    with pytest.raises(error, match=message) as caught:
        train(**settings | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dense(0, 3), ValueError, "Dense expects n_in to be an integer >= 1, got 0"),
        (
            lambda: Network(Dense(2, 3), Tanh),
            TypeError,
            r"expects layers, got <class .*Tanh'>; did you mean Tanh\(\)\?",
        ),
        (lambda: SGD(-1.0), ValueError, "SGD expects rate >= 0, got -1.0"),
        (lambda: SGD(0.1, 1.5), ValueError, "momentum >= 0 and < 1, got 1.5"),
        (lambda: SGD(0.1, nesterov=True), ValueError, "momentum > 0, got 0"),
        (lambda: SGD(0.1, weight_decay=-1), ValueError, "weight_decay >= 0, got -1"),
        (lambda: NET(np.zeros(5), X), ValueError, r"has 114 parameters, got theta of shape \(5,\)"),
        (lambda: NET(np.zeros(114), X[0]), ValueError, r"x of shape \(..., batch, features\), got \(2,\)"),
    ],
)
def test_bad_settings_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
