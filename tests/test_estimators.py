"""The estimators do what scikit-learn's do, step by step and door by door, and what they do besides is right."""

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.datasets import load_iris
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import minnet
from minnet.estimators import MLPClassifier, MLPRegressor
from minnet.estimators.losses import r2

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, LABELS = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
RNG = np.random.default_rng(0)
TARGETS = {
    "binary": (LABELS > 0).astype(int),
    "multiclass": LABELS,
    "multilabel": np.stack([LABELS > 0, LABELS == 1, X[:, 0] > 0], axis=1).astype(int),
    "squared": X[:, 3],
    "squared, 3 outputs": X[:, 1:],
    "poisson": RNG.poisson(np.exp(X[:, 0])),
    "poisson, 2 outputs": RNG.poisson(np.exp(X[:, :2])),
}
SOLVERS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.005},
    "plain sgd": {"solver": "sgd", "learning_rate_init": 0.01, "nesterovs_momentum": False, "momentum": 0.5},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.01, "learning_rate": "invscaling", "power_t": 0.1},
    "adaptive": {
        "solver": "sgd",
        "learning_rate_init": 0.005,
        "learning_rate": "adaptive",
        "tol": 100.0,
        "n_iter_no_change": 3,
    },
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "lbfgs": {"solver": "lbfgs"},
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # some checks train on data that cannot be learned
@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def kind(target, package):
    name = "MLPClassifier" if target.startswith(("binary", "multi")) else "MLPRegressor"
    made = getattr(package, name)
    return lambda **settings: made(**({"loss": "poisson"} if target.startswith("poisson") else {}), **settings)


def side_by_side(target, weight=None, **settings):
    """Theirs and ours, fitted from the same weights with the same settings."""
    settings = {"hidden_layer_sizes": (7, 5), "batch_size": len(X), "warm_start": True, "random_state": 0,
                "n_iter_no_change": 1000, "tol": 0.0} | settings  # fmt: skip
    models = [kind(target, package)(**settings, max_iter=1) for package in (theirs, minnet.estimators)]
    for model in models:
        model.fit(X, TARGETS[target])
        rng = np.random.default_rng(1)
        for name, scale in (("coefs_", 1.0), ("intercepts_", 0.1)):
            setattr(model, name, [scale * rng.standard_normal(array.shape) / 2 for array in getattr(model, name)])
        model.set_params(max_iter=20).fit(X, TARGETS[target], weight)
    return models


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_twenty_full_batch_steps_agree(activation, target, solver):
    several = target == "squared, 3 outputs"
    if several and solver == "lbfgs":
        pytest.skip("their L-BFGS gets a gradient that is not that of their loss: see the next test")
    their, our = side_by_side(target, activation=activation, alpha=0.05, **SOLVERS[solver])
    predict = "predict_proba" if hasattr(our, "predict_proba") else "predict"
    np.testing.assert_allclose(getattr(our, predict)(X), getattr(their, predict)(X), rtol=0, atol=1e-8)
    assert our.out_activation_ == their.out_activation_
    assert our.n_iter_ == their.n_iter_ == 20 or solver == "lbfgs"
    if not several:  # where theirs is the mean over the outputs
        np.testing.assert_allclose(our.loss_, their.loss_, rtol=1e-8)


def test_of_several_outputs_the_gradient_is_that_of_the_loss():
    """Along a step of plain gradient descent the loss falls by its square over the rate; theirs by a third of that."""
    found, rate = [], 1e-6
    for package in (theirs, minnet.estimators):
        model = package.MLPRegressor(
            hidden_layer_sizes=(7,), solver="sgd", momentum=0, learning_rate_init=rate, batch_size=len(X), alpha=0,
            max_iter=1, warm_start=True, random_state=0,
        )  # fmt: skip
        model.fit(X, X[:, 1:])
        before = model.coefs_[0].copy(), model.coefs_[1].copy(), *(b.copy() for b in model.intercepts_)
        first = model.fit(X, X[:, 1:]).loss_
        after = *model.coefs_, *model.intercepts_
        squares = sum(np.square(b - a).sum() for a, b in zip(before, after, strict=True))
        found.append((first - model.fit(X, X[:, 1:]).loss_) / (squares / rate))
    np.testing.assert_allclose(found, [1 / 3, 1], rtol=1e-3)


@pytest.mark.parametrize("target", ["multiclass", "squared"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_minibatches_in_the_order_of_the_data_agree(target, solver):
    their, our = side_by_side(target, batch_size=50, shuffle=False, **SOLVERS[solver])
    np.testing.assert_allclose(our.coefs_[0], their.coefs_[0], rtol=0, atol=1e-8)


@pytest.mark.parametrize("settings", [SOLVERS["sgd"], SOLVERS["adam"], {"solver": "sgd", "learning_rate": "adaptive"}])
def test_training_stops_in_the_same_epoch(settings):
    """The first fit, of huge targets, makes the best loss so far one that both beat at once."""
    stops = []
    for package in (theirs, minnet.estimators):
        model = package.MLPRegressor(
            hidden_layer_sizes=(7,), batch_size=150, random_state=0, max_iter=1,
            warm_start=True, **settings,
        ).fit(X, 1000 + X[:, 3])  # fmt: skip
        rng = np.random.default_rng(1)
        model.coefs_ = [rng.standard_normal(W.shape) for W in model.coefs_]
        model.intercepts_ = [rng.standard_normal(b.shape) for b in model.intercepts_]
        model.set_params(max_iter=3000, tol=1e-5).fit(X, X[:, 3])
        stops.append((model.n_iter_, model.loss_, model.best_loss_))
    assert stops[0][0] == stops[1][0] < 3000
    np.testing.assert_allclose(stops[0], stops[1], rtol=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_weighted_samples_agree(solver):
    their, our = side_by_side("multiclass", RNG.uniform(0.1, 3, 150), alpha=5.0, **SOLVERS[solver])
    np.testing.assert_allclose(our.coefs_[0], their.coefs_[0], rtol=0, atol=1e-8)


def test_an_adaptive_rate_starts_anew_with_each_fit():
    models = side_by_side("squared", **SOLVERS["adaptive"])
    for model in models:
        model.fit(X, TARGETS["squared"])
    np.testing.assert_allclose(models[1].coefs_[0], models[0].coefs_[0], rtol=0, atol=1e-8)


def test_lbfgs_ends_where_theirs_ends():
    models = side_by_side("squared", solver="lbfgs", activation="identity")
    their, our = (model.set_params(max_iter=9000).fit(X, TARGETS["squared"]) for model in models)
    assert 0.8 < our.n_iter_ / their.n_iter_ < 1.25
    assert our.loss_ == pytest.approx(their.loss_, rel=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_r2_of_a_constant_target_is_0_unless_it_is_hit(dtype, weighted):
    weight = np.linspace(0, 1, 100) if weighted else None
    for value in (0.5, 0.1):  # the mean of the latter is not exactly 0.1, so that a spread is left
        target = np.full((100, 1), value, dtype)
        target[0] += weighted * 5  # which counts for nothing
        for y, score in ((target + 1, 0), (target, 1)):
            assert r2(y, target, weight) == score
            if value == 0.5:
                assert r2_score(target, y, sample_weight=weight) == score
