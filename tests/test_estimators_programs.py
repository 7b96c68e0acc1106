"""What programs written for scikit-learn's MLP do: each runs with either import, and says and leaves the same."""

import copy
import inspect
import io
import pickle
import warnings

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.neural_network as theirs
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.inspection import DecisionBoundaryDisplay, permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import minnet.estimators as ours

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
SHORT = {"hidden_layer_sizes": (8,), "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0}
both = pytest.mark.parametrize("package", [theirs, ours], ids=["theirs", "ours"])
estimators = pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@estimators
def test_parameters_are_theirs_in_their_order_and_ours_come_last(name):
    their, our = (inspect.signature(getattr(package, name)).parameters.values() for package in (theirs, ours))
    assert [(p.name, p.default, p.kind) for p in our][: len(their)] == [(p.name, p.default, p.kind) for p in their]
    assert all(p.kind is p.KEYWORD_ONLY for p in list(our)[len(their) :])
    for method in ("fit", "partial_fit", "predict", "score"):
        signatures = [
            list(inspect.signature(getattr(getattr(package, name), method)).parameters) for package in (theirs, ours)
        ]
        assert signatures[1][: len(signatures[0])] == signatures[0]


@estimators
@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"solver": "sgd"}, {"solver": "lbfgs"}], ids=str)
def test_public_names_of_a_fitted_one_are_there_with_their_types(name, settings):
    settings = SHORT | {"tol": 0, "n_iter_no_change": 100} | settings
    their, our = (getattr(package, name)(**settings).fit(X, Y) for package in (theirs, ours))
    for attribute in dir(their):
        if not attribute.startswith("_") and hasattr(our, attribute) | (attribute != "partial_fit"):
            expected, got = getattr(their, attribute), getattr(our, attribute)
            same = isinstance(got, type(expected)) or (np.isscalar(got) and np.isscalar(expected)) or callable(got)
            assert same or attribute in ("t_", "n_iter_"), (attribute, expected, got)
            if isinstance(expected, int | str):
                assert got == expected, attribute
            if isinstance(expected, list):
                assert [np.shape(part) for part in got] == [np.shape(part) for part in expected], attribute


@both
def test_in_the_tools_of_scikit_learn(package):
    model = package.MLPClassifier(**SHORT)
    assert cross_val_score(make_pipeline(StandardScaler(), model), X, Y, cv=3).mean() > 0.85
    search = GridSearchCV(model, {"alpha": [1e-4, 1e-2], "activation": ["tanh", "logistic"]}, cv=2).fit(X, Y)
    assert search.best_estimator_.get_params()["alpha"] in (1e-4, 1e-2)
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()
    assert CalibratedClassifierCV(model, cv=2).fit(X, Y).score(X, Y) > 0.85
    assert BaggingClassifier(model, 3).fit(X, Y).score(X, Y) > 0.85
    assert MultiOutputRegressor(package.MLPRegressor(**SHORT)).fit(X, X[:, :2]).predict(X).shape == (150, 2)
    found = permutation_importance(model.fit(X, Y), X, Y, n_repeats=3, random_state=0)
    assert found.importances_mean[3] > found.importances_mean[1]
    shown = DecisionBoundaryDisplay.from_estimator(clone(model).fit(X[:, :2], Y), X[:, :2], response_method="predict")
    plt.close(shown.figure_)


@both
def test_tables_keep_their_names_and_labels_may_be_words(package):
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    words = np.array(["one", "two", "three"])[Y]
    model = package.MLPClassifier(**SHORT).fit(table, pd.Series(words))
    assert list(model.feature_names_in_) == list("abcd")
    assert list(model.classes_) == ["one", "three", "two"]
    assert model.score(table, words) > 0.85
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        model.predict(table[["b", "a", "c", "d"]])
    np.testing.assert_array_equal(np.log(model.predict_proba(table)), model.predict_log_proba(table))


@both
def test_tables_may_have_numbers_for_names(package):
    model = package.MLPClassifier(**SHORT).fit(pd.DataFrame(X), pd.Series(Y, name=4))
    assert not hasattr(model, "feature_names_in_")
    np.testing.assert_array_equal(model.predict(pd.DataFrame(X)), model.predict(X))
    several = package.MLPRegressor(**SHORT).fit(pd.DataFrame(X), pd.DataFrame(X[:, :2], columns=[4, 5]))
    assert several.predict(pd.DataFrame(X)).shape == (150, 2)
    with pytest.raises(TypeError, match="Feature names are only supported if all input features have string names"):
        model.fit(pd.DataFrame(X, columns=["a", 1, 2, 3]), Y)


@both
def test_copies_and_pickles_predict_the_same(package):
    model = package.MLPClassifier(**SHORT).fit(X, Y)
    stream = io.BytesIO()
    joblib.dump(model, stream)
    stream.seek(0)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), joblib.load(stream)):
        for copied, own in zip(other.coefs_ + other.intercepts_, model.coefs_ + model.intercepts_, strict=True):
            np.testing.assert_array_equal(copied, own)
        # The same numbers at other addresses: a BLAS may sum them in another order, which moves a logit of 5 + 9 terms
        # by at most 14 eps Σ|terms| (Higham 2002, eq. 3.5), and a probability by twice that, relative to it.
        hidden = np.maximum(abs(X) @ abs(model.coefs_[0]) + abs(model.intercepts_[0]), 0)
        terms = hidden @ abs(model.coefs_[1]) + abs(model.intercepts_[1])
        bound = 28 * np.finfo(float).eps * terms.max()
        p, moved = model.predict_proba(X), model.predict_proba(X)
        moved[7, 0] *= 1 + 4 * bound
        np.testing.assert_allclose(other.predict_proba(X), p, rtol=bound, atol=0)
        assert not np.allclose(moved, p, rtol=bound, atol=0)
        other.partial_fit(X, Y)  # goes on by itself
        assert (other.predict_proba(X) != model.predict_proba(X)).any()


@both
def test_weights_can_be_read_and_set(package):
    """As in federated averaging: the mean of two models' weights goes into a third."""
    a, b, c = (package.MLPRegressor(**SHORT | {"random_state": seed}).fit(X, Y) for seed in range(3))
    c.coefs_ = [(v + w) / 2 for v, w in zip(a.coefs_, b.coefs_, strict=True)]
    c.intercepts_ = [(v + w) / 2 for v, w in zip(a.intercepts_, b.intercepts_, strict=True)]
    by_hand = np.maximum(X @ c.coefs_[0] + c.intercepts_[0], 0) @ c.coefs_[1] + c.intercepts_[1]
    np.testing.assert_allclose(c.predict(X), by_hand[:, 0], rtol=1e-12)
    c.coefs_[0][:] = 0  # in place, too
    # All rows have the same 8 hidden values, but a BLAS may sum another row in another order. Each sum of 9 terms is
    # off by at most 9 u Σ|terms| (Higham 2002, eq. 3.5; u = eps / 2), so two differ by at most 9 eps Σ|terms|.
    hidden = np.maximum(c.intercepts_[0], 0)
    terms = hidden @ abs(c.coefs_[1]) + abs(c.intercepts_[1])
    bound = 9 * np.finfo(float).eps * terms.item()
    assert np.ptp(c.predict(X)) <= bound
    moved = c.predict(X)
    moved[7] += 4 * bound
    assert np.ptp(moved) > bound
    assert c.partial_fit(X, Y).coefs_[1].shape == (8, 1)


@both
def test_warm_start_goes_on(package):
    model = package.MLPClassifier(**SHORT | {"max_iter": 5, "warm_start": True})
    for _ in range(4):
        model.fit(X, Y)
    assert model.n_iter_ == 5
    assert len(model.loss_curve_) == 20
    assert model.loss_curve_[5] < model.loss_curve_[0]
    assert model.t_ == 20 * 150
    model.warm_start = False
    assert len(model.fit(X, Y).loss_curve_) == 5


@both
def test_partial_fit_in_chunks_with_labels_that_come_later(package):
    model, order = package.MLPClassifier(**SHORT), np.random.default_rng(0).permutation(150)
    for _ in range(60):
        for part in np.array_split(order, 3):
            model.partial_fit(X[part], Y[part], classes=[0, 1, 2])
    assert model.score(X, Y) > 0.9
    assert model.t_ == 60 * 150
    assert model.n_iter_ == 1
    model.partial_fit(X[:1], Y[:1])
    assert not hasattr(package.MLPClassifier(solver="lbfgs"), "partial_fit")


@both
def test_several_labels_a_sample(package):
    labels = np.stack([Y > 0, Y == 1], axis=1).astype(int)
    for given in (labels, sp.csr_array(labels)):
        model = package.MLPClassifier(**SHORT | {"max_iter": 200}).fit(X, given)
        found = model.predict(X)
        assert sp.issparse(found) == sp.issparse(given)
        assert model.predict_proba(X).shape == (150, 2)
        assert model.score(X, given) > 0.85


@both
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_float32_is_kept(package, solver):
    x = X.astype(np.float32)
    model = package.MLPRegressor(**SHORT | {"solver": solver}).fit(x, Y)
    assert {w.dtype for w in model.coefs_ + model.intercepts_} == {np.dtype(np.float32)} or package is theirs
    assert model.predict(x).dtype == np.float32 or package is theirs


@both
def test_verbose_prints_the_same_lines(package, capsys):
    package.MLPClassifier(**SHORT | {"max_iter": 2, "verbose": True, "early_stopping": True}).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("=")[0].split(":")[0] for line in lines] == [
        "Iteration 1, loss ", "Validation score", "Iteration 2, loss ", "Validation score",
    ]  # fmt: skip


WRONG = {  # programs that fail, of a package's classifier and regressor
    "hidden": lambda new, _: new((3, 0)).fit(X, Y),
    "alpha": lambda new, _: new(alpha=-1).fit(X, Y),
    "solver": lambda new, _: new(solver="newton").fit(X, Y),
    "loss": lambda _, new: new(loss="log_loss").fit(X, Y),
    "partial stop": lambda new, _: new(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2]),
    "lbfgs partial": lambda new, _: new(solver="lbfgs").partial_fit(X, Y),
    "no classes": lambda new, _: new().partial_fit(X, Y),
    "other classes": lambda new, _: new(**SHORT).fit(X, Y).partial_fit(X, Y + 1),
    "warm classes": lambda new, _: new(**SHORT, warm_start=True).fit(X, Y).fit(X[:100], Y[:100]),
    "small": lambda new, _: new(early_stopping=True).fit(X[::15], Y[::15] % 2),
    "features": lambda new, _: new(**SHORT).fit(X, Y).predict(X[:, :2]),
    "unfitted": lambda new, _: new().predict(X),
    "nan": lambda new, _: new().fit(np.where(X > 2, np.nan, X), Y),
    "lengths": lambda new, _: new().fit(X, Y[:-1]),
    "weights": lambda new, _: new().fit(X, Y, np.ones(3)),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_theirs(name):
    said = []
    for package in (theirs, ours):
        with pytest.raises((ValueError, AttributeError, TypeError)) as caught:
            WRONG[name](package.MLPClassifier, package.MLPRegressor)
        said.append(caught.value)
    assert str(said[1]).splitlines()[0].rstrip(".") == str(said[0]).splitlines()[0].rstrip(".")
    assert isinstance(said[1], ValueError) == isinstance(said[0], ValueError)


@both
@pytest.mark.filterwarnings("default")
def test_warnings_are_theirs(package):
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached and the optimization hasn't conv"):
        package.MLPClassifier(**SHORT | {"max_iter": 3}).fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        package.MLPClassifier(**SHORT | {"max_iter": 3, "solver": "lbfgs"}).fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        limited = package.MLPClassifier(**SHORT | {"max_fun": 7, "solver": "lbfgs"}).fit(X, Y)
    assert limited.n_iter_ <= 7
    with pytest.warns(UserWarning, match=r"Got `batch_size` less than 1 or larger than sample size. It is going to be"):
        package.MLPClassifier(**SHORT | {"batch_size": 1000}).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        package.MLPClassifier((8,), learning_rate_init=0.02, max_iter=2000, tol=1e-2, random_state=0).fit(X, Y)
    with pytest.raises(NotFittedError, match=r"instance is not fitted yet. Call 'fit' with appropriate arguments"):
        package.MLPRegressor().predict(X)
