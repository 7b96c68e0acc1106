"""What the estimators do that scikit-learn's do not: activations, dropout, ensembles, losses watched, plain words."""

import pickle
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.neural_network as theirs
from scipy.special import softmax
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight

from minnet import GELU, Activation, LeakyReLU
from minnet.estimators import DivergedError, MLPClassifier, MLPRegressor
from minnet.initializers import Initializer, glorot_uniform

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
SHORT = {"hidden_layer_sizes": (8,), "max_iter": 40, "learning_rate_init": 0.02, "random_state": 0}
STEADY = SHORT | {"tol": 0, "n_iter_no_change": 10**6}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def held_out_rows(model_settings, n=150):
    """The rows that fit holds out under this random_state: one draw of seeds for the weights comes before."""
    rng = check_random_state(model_settings["random_state"])
    rng.randint(np.iinfo(np.int32).max, size=None)
    return train_test_split(np.arange(n), random_state=rng, test_size=0.1)


@pytest.mark.parametrize("activation", ["gelu", LeakyReLU(0.2), ["tanh", GELU()], ("relu", "minnet:SiLU")], ids=str)
def test_any_activation(activation):
    model = MLPClassifier((8, 6), activation, max_iter=150, learning_rate_init=0.02, random_state=0).fit(X, Y)
    assert model.score(X, Y) > 0.9
    a = X
    parts = activation if isinstance(activation, list | tuple) else [activation] * 2
    named = {
        "gelu": GELU(),
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
        "minnet:SiLU": lambda x: x / (1 + np.exp(-x)),
    }
    for part, W, b in zip(parts, model.coefs_, model.intercepts_, strict=False):
        a = named.get(part, part)(a @ W + b) if isinstance(part, str) else part(a @ W + b)
    by_hand = softmax(a @ model.coefs_[2] + model.intercepts_[2], axis=1)
    np.testing.assert_allclose(model.predict_proba(X), by_hand, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("activation", ["nonesuch", ["relu"], 3, np.tanh])
def test_what_is_no_activation_is_refused(activation):
    with pytest.raises(ValueError, match="activation"):
        MLPClassifier((8, 6), activation).fit(X, Y)


def test_initial_weights_are_in_their_bounds():
    for activation, factor in (("relu", 6), ("logistic", 2)):
        model = MLPRegressor(
            hidden_layer_sizes=(300,), activation=activation, learning_rate_init=1e-12, max_iter=1
        ).fit(X, Y)
        for array in (model.coefs_[0], model.intercepts_[0]):
            bound = np.sqrt(factor / 304)
            assert 0.97 * bound < np.abs(array).max() <= bound * (1 + 1e-9)


def test_dropout_is_in_training_only():
    plain, dropped, listed = (
        MLPClassifier(**STEADY | {"hidden_layer_sizes": (30,)}, dropout=p).fit(X, Y) for p in (0, 0.5, [0.5])
    )
    assert (plain.coefs_[0] != dropped.coefs_[0]).any()
    np.testing.assert_array_equal(dropped.coefs_[0], listed.coefs_[0])
    np.testing.assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    assert dropped.loss_ > plain.loss_
    with pytest.raises(ValueError, match="'lbfgs' trains without dropout"):
        MLPClassifier(solver="lbfgs", dropout=0.1).fit(X, Y)


@pytest.mark.parametrize("weighted", [False, True])
def test_validation_curves_are_those_of_the_held_out_rows(weighted):
    weight = np.random.default_rng(0).uniform(0.5, 2, 150)
    settings = SHORT | {"early_stopping": True, "max_iter": 15}
    rows = held_out_rows(settings)[1]
    given = {"sample_weight": weight} if weighted else {}
    w = weight[rows] if weighted else None
    model = MLPClassifier(**settings).fit(X, Y, **given)
    best = int(np.argmax(model.validation_scores_))
    assert model.best_validation_score_ == model.validation_scores_[best]
    assert accuracy_score(Y[rows], model.predict(X[rows]), sample_weight=w) == pytest.approx(
        model.best_validation_score_
    )
    at_best = log_loss(Y[rows], model.predict_proba(X[rows]), sample_weight=w)
    assert at_best == pytest.approx(model.validation_loss_curve_[best])
    regressor = MLPRegressor(**settings).fit(X, X[:, :2], **given)
    score = r2_score(X[rows, :2], regressor.predict(X[rows]), sample_weight=w)
    assert score == pytest.approx(regressor.best_validation_score_)
    counts = MLPRegressor("poisson", **settings).fit(X, Y, **given)
    assert r2_score(Y[rows], counts.predict(X[rows]), sample_weight=w) == pytest.approx(counts.best_validation_score_)
    several = MLPClassifier(**settings).fit(X, np.stack([Y > 0, Y == 1], axis=1).astype(int), **given)
    score = accuracy_score(np.stack([Y > 0, Y == 1], axis=1)[rows], several.predict(X[rows]), sample_weight=w)
    assert score == pytest.approx(several.best_validation_score_)


def test_stopping_on_loss_gives_back_the_weights_of_the_lowest_validation_loss():
    settings = SHORT | {"early_stopping": True, "early_stopping_on": "loss", "max_iter": 400, "learning_rate_init": 0.1}
    model = MLPClassifier(**settings).fit(X, Y)
    rows = held_out_rows(settings)[1]
    assert log_loss(Y[rows], model.predict_proba(X[rows])) == pytest.approx(min(model.validation_loss_curve_))
    assert model.n_iter_ < 400
    with pytest.raises(ValueError, match=r"'early_stopping_on' parameter .* must be a str among .* Got 'f1' instead"):
        MLPClassifier(early_stopping_on="f1").fit(X, Y)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("count", [1, 3])
def test_partial_fit_is_exact_after_early_stopping(solver, count):
    """It goes on as if training had ended at the best epoch, optimizer and all: as epochs over the same rows do."""
    settings = SHORT | {"solver": solver, "shuffle": False, "n_replicas": count, "early_stopping": True}
    stopped = MLPRegressor(**settings | {"max_iter": 200, "early_stopping_on": "loss", "tol": 1e-2}).fit(X, Y)
    rng = check_random_state(0)
    rng.randint(np.iinfo(np.int32).max, size=None if count == 1 else (count,))
    rows = train_test_split(np.arange(150), random_state=rng, test_size=0.1)[0]
    stopped.set_params(early_stopping=False).partial_fit(X, Y)
    curve = np.reshape(stopped.validation_loss_curve_, (-1, count))
    by_epochs = MLPRegressor(**settings | {"early_stopping": False})
    for epoch in range(len(curve)):
        by_epochs.partial_fit(X[rows], Y[rows])
        after = pickle.loads(pickle.dumps(by_epochs)).partial_fit(X, Y)
        for k in np.flatnonzero(np.nanargmin(curve, axis=0) == epoch):
            at = () if count == 1 else (k,)
            np.testing.assert_array_equal(stopped.coefs_[0][at], after.coefs_[0][at])


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
def test_partial_fit_is_an_epoch_of_fit(learning_rate):
    settings = STEADY | {"solver": "sgd", "shuffle": False, "learning_rate": learning_rate, "batch_size": 40}
    settings |= {"n_iter_no_change": 3, "tol": 10.0} if learning_rate == "adaptive" else {}
    whole, their, by_epochs = (
        made(**settings | {"max_iter": 20}) for made in (MLPClassifier, theirs.MLPClassifier, MLPClassifier)
    )
    whole.fit(X, Y)
    for _ in range(whole.n_iter_):
        by_epochs.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_array_equal(by_epochs.coefs_[0], whole.coefs_[0])
    assert len(by_epochs.loss_curve_) == len(whole.loss_curve_) == len(their.fit(X, Y).loss_curve_)


def test_replicas_are_averaged_and_their_spread_is_there():
    model = MLPClassifier(**SHORT, n_replicas=5).fit(X, Y)
    assert [w.shape for w in model.coefs_] == [(5, 4, 8), (5, 8, 3)]
    assert np.shape(model.loss_) == np.shape(model.best_loss_) == np.shape(model.loss_curve_[-1]) == (5,)
    each = []
    for k in range(5):
        one = pickle.loads(pickle.dumps(model))
        one.coefs_, one.intercepts_ = [w[k] for w in model.coefs_], [b[k] for b in model.intercepts_]
        each.append(one.predict_proba(X))
    mean, std = model.predict_proba(X, return_std=True)
    np.testing.assert_allclose(mean, np.mean(each, axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, np.std(each, axis=0), rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(model.predict(X), mean.argmax(axis=1))
    assert log_loss(Y, mean) <= np.mean([log_loss(Y, p) for p in each])  # Jensen
    y, std = MLPRegressor(**SHORT, n_replicas=5).fit(X, Y).predict(X, return_std=True)
    assert y.shape == std.shape == (150,)
    assert (std > 0).all()
    assert (MLPRegressor(**SHORT).fit(X, Y).predict(X, return_std=True)[1] == 0).all()
    two = MLPClassifier(**SHORT, n_replicas=2).fit(X, Y > 0).predict_proba(X, return_std=True)
    np.testing.assert_allclose(two[1][:, 0], two[1][:, 1])


@pytest.mark.parametrize(
    "settings", [{"n_replicas": 3}, {"early_stopping": True}, {"solver": "lbfgs", "n_replicas": 2}], ids=str
)
@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix])
def test_sparse_data_train_as_dense_ones_do(form, settings):
    x = np.where(np.abs(X) > 0.5, X, 0)
    models = [MLPClassifier(**SHORT | settings).fit(data, Y) for data in (x, form(x))]
    np.testing.assert_allclose(models[1].coefs_[0], models[0].coefs_[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(models[1].predict_proba(form(x)), models[1].predict_proba(x), rtol=1e-12)


def test_class_weights_are_sample_weights():
    balanced = MLPClassifier(**SHORT, class_weight="balanced").fit(X[:120], Y[:120])
    by_hand = MLPClassifier(**SHORT).fit(X[:120], Y[:120], compute_sample_weight("balanced", Y[:120]))
    np.testing.assert_array_equal(balanced.coefs_[0], by_hand.coefs_[0])
    weight = np.linspace(0.5, 2, 150)
    by_class = {0: 3.0, 1: 1.0, 2: 0.5}
    both = MLPClassifier(**SHORT, class_weight=by_class).fit(X, Y, weight)
    by_hand = MLPClassifier(**SHORT).fit(X, Y, weight * np.array([3.0, 1.0, 0.5])[Y])
    np.testing.assert_array_equal(both.coefs_[0], by_hand.coefs_[0])
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        balanced.partial_fit(X, Y)


@pytest.mark.parametrize("count", [1, 3])
def test_divergence_blames_the_rate(count):
    model = MLPRegressor(**SHORT | {"learning_rate_init": 1e6, "solver": "sgd"}, n_replicas=count)
    with pytest.raises(
        ValueError, match=r"learning_rate_init \(1000000.0\) may be too high: training diverged in epoch \d+ at "
    ) as caught:
        model.fit(X, Y)
    assert isinstance(caught.value, DivergedError)
    assert np.isfinite(caught.value.run.theta).all()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert not hasattr(model, "coefs_")


def test_a_diverged_replica_is_left_out():
    model = MLPRegressor(**SHORT | {"warm_start": True, "max_iter": 3, "tol": 0}, n_replicas=3).fit(X, Y)
    model.coefs_[1][1] = 1e200
    with pytest.warns(
        ConvergenceWarning, match="1 of 3 replicas diverged and are left out: training diverged in epoch 1"
    ):
        model.fit(X, Y)
    assert model.coefs_[0].shape == (2, 4, 8)
    assert model.loss_.shape == model.loss_curve_[0].shape == (2,)
    assert np.isfinite(model.partial_fit(X, Y).predict(X)).all()
    assert np.isfinite(model.fit(X, Y).partial_fit(X, Y).predict(X)).all()


@dataclass(frozen=True)
class Interrupting(Activation):
    """tanh, until somebody has pressed Ctrl-C."""

    weight_init: ClassVar[Initializer] = glorot_uniform  # else it is called for its moments, before any training
    calls: ClassVar[list[int]] = []

    def __call__(self, x):
        self.calls.append(1)
        if len(self.calls) == 10:
            raise KeyboardInterrupt
        return np.tanh(x)

    def derivative(self, x):
        return 1 - np.tanh(x) ** 2


@pytest.mark.filterwarnings("default::UserWarning")
def test_ctrl_c_keeps_what_is_done():
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        model = MLPClassifier((8,), Interrupting(), random_state=0).fit(X, Y)
    assert 1 <= model.n_iter_ < 10
    assert model.predict(X).shape == (150,)


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match=r"'n_replicas' parameter .* must be an int in the range \[1, inf\). Got 0 instead"
    ):
        MLPRegressor(n_replicas=0).fit(X, Y)
    model = MLPRegressor(**SHORT | {"warm_start": True}).fit(X, Y)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes has to be that of the first fit, \[8\], got \[9\]"):
        model.set_params(hidden_layer_sizes=9).fit(X, Y)
    with pytest.raises(ValueError, match=r"dropout expects one entry a hidden layer \(1\), got 2"):
        MLPRegressor(**SHORT, dropout=[0.1, 0.2]).fit(X, Y)
    with pytest.raises(ValueError, match="at least one non-zero"):
        MLPRegressor(**SHORT).fit(X, Y, np.zeros(150))


def test_replicas_that_stop_earlier_go_on_from_where_they_stopped():
    """A replica has the weights and the optimizer's state that it would have alone, whenever the others stop."""
    settings = SHORT | {"max_iter": 300, "tol": 1e-2, "shuffle": False}
    model = MLPRegressor(**settings, n_replicas=4).fit(X, Y)
    last = [int(np.isfinite(column).sum()) for column in np.transpose(model.loss_curve_)]
    assert len(set(last)) > 1
    by_epochs = MLPRegressor(**settings, n_replicas=4)
    for epoch in range(max(last)):
        by_epochs.partial_fit(X, Y)
        for k in np.flatnonzero(np.equal(last, epoch + 1)):
            np.testing.assert_array_equal(model.coefs_[1][k], by_epochs.coefs_[1][k])
            for name, array in model._memory.state.items():
                np.testing.assert_array_equal(array[k], by_epochs._memory.state[name][k])
            np.testing.assert_allclose(model.loss_[k], by_epochs.loss_[k], rtol=1e-12)  # summed over fewer rows
