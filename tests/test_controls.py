"""Dropout, normalization, learned activations, gains, early stopping, schedules, L-BFGS: what they promise."""

import re

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import d2_tweedie_score, hinge_loss, mean_absolute_error, mean_poisson_deviance
from sklearn.utils.class_weight import compute_sample_weight

import minnet
from minnet import (
    GELU,
    SGD,
    Adam,
    BatchNorm,
    Clipped,
    Dense,
    Dropout,
    EarlyStopping,
    Following,
    LayerNorm,
    Maxout,
    Network,
    Penalty,
    ReduceOnPlateau,
    ReLU,
    Residual,
    Sigmoid,
    Streams,
    Tanh,
    binary_cross_entropy,
    lbfgs,
    mse,
    softmax_cross_entropy,
    tanh_equivalent,
    train,
)
from minnet.gains import second_moments
from minnet.lab.datasets import DATASETS

NET = Network(
    Dense(2, 8), BatchNorm(8), Tanh(), Dropout(0.3), Residual(Network(LayerNorm(8), Dense(8, 8), ReLU())), Dense(8, 2)
)


def data(seed, n=75):
    split = DATASETS["moons"].split(seed)
    return split.x[:n], split.y[:n]


def fit(seed, rate, x, y, **settings):
    settings = {"epochs": 15, "batch_size": 16, "dtype": np.float64, "validation": data(99)} | settings
    optimizer, stopping = Clipped(Adam(rate), norm=0.5), settings.pop("stopping", None)
    settings["callbacks"] = [stopping] if stopping else []
    return train(NET, softmax_cross_entropy, optimizer, x, y, seed=seed, **settings)


def test_replicas_equal_one_by_one_with_every_complication():
    """Dropout, batch statistics, Adam, own rates, clipping, weights, a penalty; one stops early and one diverges."""
    seeds, rates = [1, 2, 3, 4, 5], (0.01, 1e200, 0.003, 0.3, 0.03)
    each = [data(seed) for seed in seeds]
    x, y = (np.stack(part) for part in zip(*each, strict=True))
    weight = np.random.default_rng(0).uniform(0.5, 2, y.shape)
    settings = {"stopping": EarlyStopping(patience=4), "penalty": Penalty(l1=1e-3, l2=1e-2)}
    run = fit(seeds, rates, x, y, sample_weight=weight, **settings)
    reasons = [stop.reason for stop in run.stops]
    assert reasons[1] == "diverged"
    assert "early stopping" in reasons
    assert "finished" in reasons
    for k in (0, 2, 3, 4):
        alone = fit(seeds[k], rates[k], *each[k], sample_weight=weight[k], **settings)
        assert abs(run.theta[k] - alone.theta).max() <= 1e-12 * abs(alone.theta).max()
        assert run.stops[k] == alone.stops[0]
        assert run.best_epoch[k] == alone.best_epoch
        for name, values in alone.history.items():
            np.testing.assert_allclose(run.history[name][: len(values), k], values, rtol=1e-9)


def test_early_stopping_gives_back_the_best_theta():
    x, y = data(0)
    stopping = EarlyStopping("validation_loss", patience=3)
    run = fit([1, 2, 3, 4], (0.3, 0.1, 0.03, 1e-6), x, y, stopping=stopping, epochs=60)
    losses = run.history["validation_loss"]
    x_val, y_val = data(99)
    for k, stop in enumerate(run.stops):
        values = losses[:, k][np.isfinite(losses[:, k])]
        assert run.best_epoch[k] == values.argmin() + 1
        if stop.reason == "early stopping":
            assert stop.epoch == len(values) == run.best_epoch[k] + 3
            assert f"than in epoch {run.best_epoch[k]}" in stop.message
    assert {"early stopping"} <= {stop.reason for stop in run.stops}
    given_back = softmax_cross_entropy(run(x_val), np.stack([y_val] * 4))[0]
    np.testing.assert_allclose(given_back, np.nanmin(losses, axis=0), rtol=1e-12)


def test_early_stopping_takes_a_metric_for_better_when_higher():
    run = fit([1, 2], (0.3, 0.1), *data(0), stopping=EarlyStopping("validation_metric", 2), epochs=60)
    accuracy = run.history["validation_metric"]
    np.testing.assert_array_equal(run.best_epoch, np.nanargmax(accuracy, axis=0) + 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stopping": EarlyStopping("accuracy")}, "can only watch loss, validation_loss, validation_metric"),
        ({"stopping": EarlyStopping(), "validation": None}, "can only watch loss without validation data"),
        ({"sample_weight": np.ones(3)}, r"sample_weight has to be of shape \(75,\), got \(3,\)"),
        ({"sample_weight": -np.ones(75)}, "sample_weight has to be >= 0, got -1.0"),
        ({"sample_weight": np.full(75, np.nan)}, "sample_weight has to be finite"),
    ],
)
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        fit(0, 0.1, *data(0), **settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dropout(1.0), "Dropout expects rate >= 0 and < 1, got 1.0"),
        (lambda: LayerNorm(0), "LayerNorm expects n to be an integer >= 1, got 0"),
        (lambda: BatchNorm(3, -1.0), "epsilon > 0, got -1.0"),
        (lambda: minnet.PReLU(0), "n to be an integer >= 1, got 0"),
        (lambda: minnet.LearnedSwish(-1), "n to be an integer >= 1, got -1"),
        (lambda: Maxout(2, 3, 0), "pieces to be an integer >= 1, got 0"),
        (lambda: minnet.Huber(0.0), "delta > 0, got 0.0"),
        (lambda: Penalty(-1.0), "Penalty expects l1 >= 0, got -1.0"),
        (lambda: EarlyStopping(patience=0), "patience to be an integer >= 1, got 0"),
        (lambda: Clipped(SGD(0.1), norm=0.0), r"norm > 0 \(None or inf: no limit\), got 0.0"),
        (lambda: Adam(beta2=1.0), "Adam expects beta2 >= 0 and < 1, got 1.0"),
        (lambda: minnet.AdamW(weight_decay=-1.0), "weight_decay >= 0, got -1.0"),
        (lambda: minnet.RMSProp(0.1, 1.0), "decay >= 0 and < 1, got 1.0"),
        (lambda: minnet.AdaGrad(-0.1), "AdaGrad expects rate >= 0, got -0.1"),
        (lambda: SGD((0.1, float("nan"))), "SGD expects rate >= 0"),
        (lambda: minnet.StepDecay(0.1, 0), "every to be an integer >= 1, got 0"),
        (lambda: minnet.ExponentialDecay(0.1, 0.0), "gamma > 0, got 0.0"),
        (lambda: minnet.CosineDecay(0.1, 0), "steps to be an integer >= 1, got 0"),
        (lambda: minnet.WarmUp(0.1, 0), "steps to be an integer >= 1, got 0"),
        (lambda: minnet.OneCycle(0.1, 2), "rise to last over 1 step"),
        (lambda: ReduceOnPlateau(0.1, patience=-1), "patience to be an integer >= 0, got -1"),
        (lambda: LayerNorm(3).forward((1, 1), np.zeros((2, 4))), r"expects 3 input features, got x of shape \(2, 4\)"),
        (lambda: BatchNorm(3).calibrate((1, 1, 1, 1), np.zeros((2, 4))), "expects 3 input features"),
        (lambda: Maxout(3, 2).forward((1, 1), np.zeros((2, 4))), "expects 3 input features"),
        (lambda: minnet.PReLU(3).forward((1,), np.zeros((2, 4))), "expects 3 input features"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_dropout_keeps_the_mean_and_draws_from_the_streams():
    x = np.ones((500, 400))
    y, backward = Dropout(0.3).forward((), x, Streams(0, "noise"))
    kept = y != 0
    assert abs(kept.mean() - 0.7) < 4 * np.sqrt(0.21 / x.size)
    assert set(np.unique(y)) == {0, 1 / 0.7}
    np.testing.assert_array_equal(backward(x, ()), y)
    again, _ = Dropout(0.3).forward((), x, Streams(0, "noise"))
    np.testing.assert_array_equal(again, y)
    both, _ = Dropout(0.3).forward((), x, Streams([5, 0], "noise"))
    np.testing.assert_array_equal(both[1], y)
    np.testing.assert_array_equal(Dropout(0.3).forward((), x)[0], x)


def test_batch_norm_keeps_its_population_through_training():
    x, y = data(0)
    run = train(NET, softmax_cross_entropy, Adam(0.01), x, y, epochs=3, batch_size=16, seed=0, dtype=np.float64)
    params = NET.unpack(run.theta)
    mean, variance = params[1][2:]
    z = NET.layers[0].forward(params[0], x)[0]
    np.testing.assert_allclose(mean[0], z.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance[0], z.var(axis=0, ddof=1), rtol=1e-12)
    one = NET(run.theta, x[:1])  # a single row is no batch: it is judged by the population
    np.testing.assert_allclose(one, NET(run.theta, x)[:1], rtol=1e-12)


def test_maxout_of_two_pieces_is_relu_and_the_absolute_value():
    theta = np.array([1.0, 0.0, 0.0, 0.0])  # W of piece 1, W of piece 2, the biases
    x = np.linspace(-3, 3, 11)[:, None]
    np.testing.assert_array_equal(Network(Maxout(1, 1))(theta, x), np.maximum(x, 0))
    np.testing.assert_array_equal(Network(Maxout(1, 1))(np.array([1.0, -1.0, 0, 0]), x), abs(x))


def test_learned_swish_is_silu_at_the_start():
    x = np.linspace(-9, 9, 50)[:, None]
    np.testing.assert_allclose(Network(minnet.LearnedSwish())(np.ones(1), x), x / (1 + np.exp(-x)), rtol=1e-12)


@pytest.mark.parametrize(
    "activation",
    [minnet.Identity(), ReLU(), minnet.LeakyReLU(0.2), Tanh(), Sigmoid(), GELU(), minnet.Softplus()],
    ids=repr,
)
@pytest.mark.parametrize("variance", [0.3, 1.0, 4.0])
def test_second_moments(activation, variance):
    def expected(f):
        halves = [
            stats.norm.expect(lambda z: float(f(np.array(z))) ** 2, scale=variance**0.5, lb=a, ub=b)
            for a, b in ((-np.inf, 0), (0, np.inf))
        ]
        return sum(halves)

    f, b = second_moments(activation, variance)
    assert f == pytest.approx(expected(activation), rel=1e-6)
    assert b == pytest.approx(expected(activation.derivative), rel=1e-6)


def test_second_moments_of_relu_are_a_half():
    assert second_moments(ReLU()) == pytest.approx((0.5, 0.5), rel=1e-9)  # He et al. 2015


def test_following_keeps_the_signal_through_a_deep_network():
    """At width 400 and depth 10 the mean square of what goes into the activation stays about 1."""
    width, x = 400, np.random.default_rng(0).normal(size=(64, 400))
    for activation in (ReLU(), GELU(), Tanh()):
        layers = [part for _ in range(10) for part in (Dense(width, width, Following(activation)), activation)]
        net = Network(Dense(width, width, minnet.lecun_normal), activation, *layers[:-1])
        z = net(net.init_theta(0, np.float64), x)
        assert 0.4 < np.square(z).mean() < 2.5, activation


def test_following_weighs_both_ways_by_their_fans():
    n_in, n_out = 300, 600
    for activation, forward, back in ((ReLU(), 0.5, 0.5), (Sigmoid(), *second_moments(Sigmoid()))):
        w = Following(activation)(np.random.default_rng(0), (n_in, n_out))
        assert w.var() == pytest.approx(2 / (n_in * forward + n_out * back), rel=0.01)


def test_following_is_glorot_for_the_identity():
    w = Following(minnet.Identity())(np.random.default_rng(0), (400, 600))
    np.testing.assert_allclose(w, minnet.glorot_normal(np.random.default_rng(0), (400, 600)), rtol=1e-12)
    with pytest.raises(ValueError, match="has no gain"):
        Following(_Zero())(np.random.default_rng(0), (2, 2))


class _Zero(minnet.Activation):
    def __call__(self, x):
        return 0 * x

    def derivative(self, x):
        return 0 * x

    __hash__ = object.__hash__

    def __repr__(self):
        return "Zero()"


def deep(activation, depth=10):
    inner = Network(Dense(16, 16), activation, Dense(16, 16))
    layers = [part for _ in range(depth - 1) for part in (Dense(16, 16), activation)]
    return Network(Dense(2, 16), activation, *layers, Dense(16, 16), Residual(inner), Dense(16, 2))


@pytest.mark.parametrize("seed", [0, [1, 2, 3]])
def test_tanh_equivalent(seed):
    x = np.random.default_rng(0).normal(size=(50, 2))
    theta = deep(Tanh()).init_theta(seed, np.float64)
    theta += 0.1 * np.random.default_rng(1).normal(size=theta.shape)  # biases too
    expected = deep(Tanh())(theta, x)
    got = deep(Sigmoid())(tanh_equivalent(deep(Sigmoid()), theta), x)
    assert abs(got - expected).max() <= 1e-12 * abs(expected).max()


@pytest.mark.parametrize(
    ("net", "where"),
    [
        (Network(Sigmoid(), Dense(2, 2)), "layer 0"),
        (Network(Dense(2, 2), Sigmoid()), "layer 1"),
        (Network(Dense(2, 2), Sigmoid(), LayerNorm(2), Dense(2, 2)), "layer 1"),
        (Network(Dense(2, 2), Residual(Network(Dense(2, 2), Sigmoid()))), "layer 1.1"),
        (Network(Dense(2, 2), Residual(Sigmoid()), Dense(2, 2)), "layer 1"),
    ],
)
def test_tanh_equivalent_refuses_what_it_cannot_do(net, where):
    with pytest.raises(ValueError, match=re.escape(where) + ": .*between two Dense layers"):
        tanh_equivalent(net, net.init_theta(0))


def test_lbfgs_reaches_the_optimum_of_logistic_regression():
    x, y = DATASETS["breast_cancer"].split(0)[:2]
    n, c = len(x), 0.5
    sk = LogisticRegression(C=c, tol=1e-12, max_iter=10**5, solver="newton-cholesky").fit(x, y)
    net = Network(Dense(30, 1))
    run = lbfgs(net, binary_cross_entropy, x, y[:, None], seed=[0, 1], penalty=Penalty(l2=1 / (c * n)))
    assert [stop.reason for stop in run.stops] == ["converged"] * 2
    w, b = sk.coef_.T, sk.intercept_

    def objective(w, b):
        return binary_cross_entropy(x @ w + b, y[:, None])[0] + (w**2).sum() / (2 * c * n)

    for theta in run.theta:
        reached = objective(theta[:30, None], theta[30:])
        assert reached == pytest.approx(objective(w, b), abs=1e-6)
        np.testing.assert_allclose(theta[:30], sk.coef_[0], atol=1e-4)
    np.testing.assert_allclose(run.history["loss"][-1][np.isfinite(run.history["loss"][-1])], reached, rtol=1e-9)


def test_lbfgs_with_sample_weights_and_few_iterations():
    x, y = data(0)
    weight = compute_sample_weight("balanced", y) * np.linspace(0.1, 3, len(y))
    sk = Ridge(alpha=0.0).fit(x, y, sample_weight=weight)
    run = lbfgs(Network(Dense(2, 1)), mse, x, y[:, None], seed=0, sample_weight=weight, tolerance=1e-10)
    np.testing.assert_allclose(run.theta, [*sk.coef_, sk.intercept_], rtol=1e-7)
    short = lbfgs(Network(Dense(2, 1)), mse, x, y[:, None], seed=0, iterations=1)
    assert short.stops[0].reason == "finished"
    assert short.history["loss"].shape == (1,)


def test_poisson_regression_is_scikit_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    t = rng.poisson(np.exp(x @ [0.3, -0.5, 0.2] + 0.4))
    sk = PoissonRegressor(alpha=0.0, tol=1e-10, max_iter=10**4).fit(x, t)
    run = lbfgs(Network(Dense(3, 1)), minnet.poisson, x, t[:, None], seed=0)
    np.testing.assert_allclose(run.theta, [*sk.coef_, sk.intercept_], rtol=1e-5)
    y = run(x)
    d2 = minnet.poisson.metric(y, t[:, None].astype(float))
    assert d2 == pytest.approx(d2_tweedie_score(t, np.exp(y[:, 0]), power=1), rel=1e-9)
    assert mean_poisson_deviance(t, np.exp(y[:, 0])) > 0


def test_hinge_and_absolute_error_are_scikit_learns():
    rng = np.random.default_rng(0)
    y, sign = rng.normal(size=(30, 1)), rng.choice([-1, 1], (30, 1))
    assert minnet.hinge(y, sign)[0] == pytest.approx(hinge_loss(sign[:, 0], y[:, 0]), rel=1e-12)
    assert minnet.hinge.metric(y, sign) == (np.sign(y) == sign).mean()
    t = rng.normal(size=(30, 1))
    assert minnet.mae(y, t)[0] == pytest.approx(mean_absolute_error(t, y), rel=1e-12)
    with pytest.raises(ValueError, match="targets of -1 and 1, got"):
        minnet.hinge(y, (sign + 1) // 2)
    with pytest.raises(ValueError, match="targets >= 0, got -1"):
        minnet.poisson(y, np.full((30, 1), -1))


def test_a_penalty_in_training_leads_to_ridge_regression():
    x, y = data(0, 200)
    sk = Ridge(alpha=0.3 * 200 / 2).fit(x, y)  # scikit-learn's is a sum of squares, not a mean
    net = Network(Dense(2, 1))
    run = train(
        net, mse, SGD(0.3), x, y[:, None], epochs=500, batch_size=200, seed=0, penalty=Penalty(l2=0.3), dtype=float
    )
    np.testing.assert_allclose(run.theta, [*sk.coef_, sk.intercept_], rtol=1e-9)


def test_penalty_spares_all_but_weights():
    net = Network(Dense(2, 3), LayerNorm(3), minnet.PReLU(), Dense(3, 1))
    weights = minnet.optimizers.weights_only(np.ones(net.size), net.parameters)
    assert weights.sum() == 2 * 3 + 3
    value, slope = Penalty(l1=0.1, l2=0.4)(np.full(net.size, -2.0), weights)
    assert value == pytest.approx(9 * (0.1 * 2 + 0.2 * 4))
    np.testing.assert_allclose(slope, weights * (-0.1 - 0.8))


def test_reduce_on_plateau_acts_on_each_replica_by_itself():
    x, y = data(0)
    schedule = ReduceOnPlateau((0.0, 0.5), gamma=0.5, patience=1, monitor="loss", threshold=1e-6)
    seen = []
    run = train(
        Network(Dense(2, 2)), softmax_cross_entropy, SGD(schedule), x, y, epochs=6, batch_size=75, seed=[0, 0],
        callbacks=[lambda run: seen.append(run.history["loss"][-1])], dtype=float,
    )  # fmt: skip
    assert schedule.after_epoch(run.history).tolist() == [0.25, 1.0]  # at rate 0 nothing ever improves
    with pytest.raises(ValueError, match="expects 'validation_loss' in the history, got loss"):
        train(
            Network(Dense(2, 2)), softmax_cross_entropy, SGD(ReduceOnPlateau(0.1)), x, y, epochs=1, batch_size=9, seed=0
        )
