"""Wrong parameters, changes between fits, samples without weight, and fits that diverge or have nothing to improve."""

import pickle
import re
import warnings

import numpy as np
import pytest
import sklearn.neural_network as theirs
from scipy.special import log_softmax
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

import minnet.estimators as ours
from minnet import Dense, Network, lbfgs, mse
from minnet.estimators import DivergedError, MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
RAW, X = X, StandardScaler().fit_transform(X)
SHORT = {"hidden_layer_sizes": (8,), "max_iter": 20, "learning_rate_init": 0.02, "random_state": 0}
WILD = {"hidden_layer_sizes": 100, "activation": "identity", "solver": "sgd", "learning_rate_init": 1, "max_iter": 20}
WILD |= {"early_stopping": True, "random_state": 0}
TWO = (Y > 0).astype(int)
both = pytest.mark.parametrize("package", [theirs, ours], ids=["theirs", "ours"])
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@both
@pytest.mark.parametrize("module", ["sklearn", "sklearn.neural_network._multilayer_perceptron", "sklearn.neural"])
def test_filters_that_programs_have_silence_the_warnings(package, module):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=ConvergenceWarning, module=module)
        warnings.filterwarnings("ignore", category=UserWarning, message="Got `batch_size`", module=module)
        for settings in ({}, {"solver": "sgd"}, {"solver": "lbfgs"}, {"batch_size": 1000}):
            package.MLPClassifier(**SHORT | {"max_iter": 2} | settings).fit(X, Y)


def test_warnings_point_at_the_line_that_fits():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MLPClassifier(**SHORT | {"max_iter": 2}).fit(X, Y)
    assert [(w.filename, w.category) for w in caught] == [(__file__, ConvergenceWarning)]
    with open(__file__) as lines:
        assert '"max_iter": 2}).fit' in lines.readlines()[caught[0].lineno - 1]


@both
@quiet
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_early_stopping_gives_a_model_when_training_diverges(package):
    model = package.MLPRegressor(**WILD).fit(RAW, Y)
    scores = np.array(model.validation_scores_)
    assert isinstance(model.validation_scores_[-1], float)
    assert np.isnan(scores[-1])
    assert len(model.loss_curve_) == len(scores) == model.n_iter_
    assert model.best_validation_score_ == np.nanmax(scores)
    assert np.isfinite(model.predict(RAW)).all()


@pytest.mark.parametrize("count", [1, 4])
def test_the_weights_of_the_best_epoch_are_kept_when_training_diverges(count):
    model, short = (MLPRegressor(**WILD | {"n_replicas": count, "max_iter": epochs}) for epochs in (20, 1))
    who = "The weights of the best epoch are kept" if count == 1 else "4 of 4 replicas diverged and keep the weights of"
    with pytest.warns(ConvergenceWarning, match=rf"{who}.*: training diverged in epoch \d+ at learning rate 1: "):
        model.fit(RAW, Y)
    best = np.nanargmax(np.reshape(model.validation_scores_, (-1, count)), axis=0)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        short.fit(RAW, Y)
    first = np.flatnonzero(best == 0)  # their best epoch was the first, and so is that of the short training
    assert len(first)
    at = () if count == 1 else first
    np.testing.assert_allclose(model.coefs_[0][at], short.coefs_[0][at], rtol=1e-12)
    assert np.isfinite(model.set_params(early_stopping=False, learning_rate_init=1e-9).partial_fit(RAW, Y).loss_).all()
    with pytest.raises(DivergedError, match="may be too high: training diverged"):  # no epoch has a finite score
        MLPRegressor(**WILD | {"n_replicas": count, "learning_rate_init": 1e300}).fit(RAW, Y)


def test_the_error_of_divergence_begins_as_scikit_learns():
    x, said = np.finfo(float).max * np.random.default_rng(0).uniform(size=(10, 2)), []
    for package in (theirs, ours):
        with (
            warnings.catch_warnings(action="ignore"),
            pytest.raises(ValueError, match="Solver produced non-finite parameter weights") as caught,
        ):
            package.MLPRegressor().fit(x, x[:, 0] / 1e308)
        said.append(str(caught.value).rstrip("."))
    assert said[1].startswith(said[0])
    with pytest.raises(DivergedError, match="non-finite parameter weights"):
        MLPRegressor(solver="lbfgs", random_state=0).fit(x, x[:, 0] / 1e308)


@quiet
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_chunk_that_diverges_leaves_a_model_that_goes_on(solver, count):
    model = MLPRegressor(**SHORT, solver=solver, n_replicas=count).fit(X, Y)
    before, bias = model.coefs_[0].copy(), model.intercepts_[1].copy()
    with pytest.raises(DivergedError):
        model.partial_fit(X, Y * 1e200)
    np.testing.assert_array_equal(model.coefs_[0], before)
    model.partial_fit(X, Y)
    assert np.abs(model.coefs_[0] - before).max() < 1
    assert (model.intercepts_[1] != bias).all()


@quiet
def test_after_a_warm_start_without_a_better_epoch_partial_fit_goes_on_from_the_weights_kept():
    model = MLPRegressor(**SHORT | {"early_stopping": True, "warm_start": True, "max_iter": 60}).fit(X, Y)
    kept = [array.copy() for array in model.coefs_]
    model.set_params(learning_rate_init=3.0, max_iter=2).fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], kept[0])
    model.set_params(early_stopping=False, shuffle=False, max_iter=1)
    afresh = pickle.loads(pickle.dumps(model)).fit(X, Y)  # with an optimizer that starts anew
    np.testing.assert_array_equal(model.partial_fit(X, Y).coefs_[0], afresh.coefs_[0])


@quiet
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("settings", [{}, {"learning_rate": "adaptive"}, {"learning_rate": "invscaling"}], ids=str)
def test_partial_fit_follows_a_changed_learning_rate(settings, count):
    settings = SHORT | {"n_replicas": count, "solver": "sgd" if settings else "adam", "momentum": 0.0} | settings
    model = MLPRegressor(**settings, batch_size=150, shuffle=False).fit(X, Y)
    slower = pickle.loads(pickle.dumps(model)).set_params(learning_rate_init=0.02 / 1000)
    start = model.coefs_[0].copy()
    step, small_step = (m.partial_fit(X, Y).coefs_[0] - start for m in (model, slower))
    assert (step != 0).any()
    np.testing.assert_allclose(small_step, step / 1000, rtol=1e-6, atol=1e-14)


@both
@quiet
def test_lbfgs_may_have_nothing_to_improve(package):
    model = package.MLPClassifier(**SHORT, solver="lbfgs", warm_start=True, tol=1e9)
    for _ in range(2):
        model.fit(X, Y)
        hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
        log_p = log_softmax(hidden @ model.coefs_[1] + model.intercepts_[1], axis=1)
        penalty = 0.0001 / 2 * sum((w**2).sum() for w in model.coefs_) / 150
        assert model.loss_ == pytest.approx(penalty - log_p[np.arange(150), Y].mean())
        assert model.n_iter_ == 0
        assert list(getattr(model, "loss_curve_", [])) == []
    model.set_params(tol=1e-2).fit(X, Y).fit(X, Y)


@quiet
def test_one_replica_of_lbfgs_may_have_nothing_to_improve():
    model = MLPRegressor(**SHORT | {"max_iter": 400}, solver="lbfgs", warm_start=True, n_replicas=2, tol=1e-1)
    before = model.fit(X, Y).loss_
    model.coefs_[0][1], model.coefs_[1][1] = model.coefs_[0][1] * 2, model.coefs_[1][1] * -1
    again = np.array(model.fit(X, Y).loss_curve_)
    assert np.isfinite(again[0]).all()
    assert np.isnan(again[1:, 0]).all()
    assert np.isfinite(again[1:, 1]).all()
    assert model.loss_[0] == pytest.approx(before[0])


def test_a_run_of_lbfgs_without_an_iteration_can_be_shown():
    x = np.linspace(-1, 1, 9)[:, None]
    run = lbfgs(Network(Dense(1, 1)), mse, x, 2 * x + 1, seed=0, start=np.array([2.0, 0.5]), tolerance=1e9)
    assert "after 0 epochs" in repr(run)
    assert run.history["loss"].tolist() == [0.25]


@quiet
@pytest.mark.parametrize("extra", [{}, {"n_replicas": 2}, {"early_stopping_on": "loss"}, {"solver": "sgd"}], ids=str)
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_samples_without_weight_are_neither_held_out_nor_missed(extra, share):
    weight = (np.random.default_rng(0).random(150) < share).astype(float)
    there = weight > 0
    settings = SHORT | {"early_stopping": True, "batch_size": 10} | extra
    for make, y in ((MLPClassifier, TWO), (MLPClassifier, Y), (MLPRegressor, X[:, :2])):
        whole, part = make(**settings).fit(X, y, weight), make(**settings).fit(X[there], y[there])
        np.testing.assert_allclose(whole.coefs_[0], part.coefs_[0], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(whole.validation_scores_, part.validation_scores_, rtol=1e-9)


def test_too_few_samples_with_weight_to_hold_some_out_are_refused():
    few = np.zeros(150)
    few[[0, 1, 60, 61]] = 1
    settings = SHORT | {"early_stopping": True}
    with pytest.raises(ValueError, match=r"validation set is too small.* Only 4 of 150 samples have a weight above 0"):
        MLPRegressor(**settings).fit(X, Y, few)
    with pytest.raises(ValueError, match="validation set is too small"):
        MLPClassifier(**settings, class_weight={0: 1, 1: 0, 2: 0}).fit(X[42:], Y[42:])
    with pytest.raises(ValueError, match=r"too few|too small|The test_size = 1 should be greater"):
        BaggingClassifier(MLPClassifier(**settings), 10, max_samples=5, random_state=0).fit(X, TWO)


REFUSED = {
    "sizes 7.5": (lambda: MLPClassifier((7.5,)).fit(X, Y), "hidden_layer_sizes expects integers >= 1, got (7.5,)"),
    "sizes 7.0": (lambda: MLPClassifier(np.array([7.0])).fit(X, Y), "hidden_layer_sizes expects integers >= 1"),
    "sizes text": (lambda: MLPClassifier(("7",)).fit(X, Y), "hidden_layer_sizes expects integers >= 1, got ('7',)"),
    "sizes true": (lambda: MLPRegressor(hidden_layer_sizes=(True,)).fit(X, Y), "integers >= 1, got (True,)"),
    "sizes True": (lambda: MLPRegressor(hidden_layer_sizes=True).fit(X, Y), "integers >= 1, got True"),
    "sizes nested": (lambda: MLPClassifier([[3, 4]]).fit(X, Y), "integers >= 1, got [[3, 4]]"),
    "sizes ragged": (lambda: MLPClassifier([[3], [4, 5]]).fit(X, Y), "integers >= 1, got [[3], [4, 5]]"),
    "sizes set": (lambda: MLPClassifier({16, 8}).fit(X, Y), "hidden_layer_sizes expects integers >= 1"),
    "replicas 2.5": (lambda: MLPClassifier(n_replicas=2.5).fit(X, Y), "'n_replicas' parameter"),
    "replicas text": (lambda: MLPClassifier(n_replicas="3").fit(X, Y), "'n_replicas' parameter"),
    "weights": (lambda: MLPClassifier().fit(X, Y, -np.ones(150)), "sample_weight has to be >= 0, got -1.0"),
    "one weight": (lambda: MLPRegressor().fit(X, Y, np.r_[-2, [1] * 149]), "sample_weight has to be >= 0, got -2.0"),
    "weights without alpha": (lambda: MLPRegressor(alpha=0).fit(X, Y, -1.0), "sample_weight has to be >= 0, got -1"),
    "class weight": (
        lambda: MLPClassifier(class_weight={0: -1}).fit(X, Y),
        "class_weight has to be finite and >= 0, got {0: -1}",
    ),
    "class weight name": (lambda: MLPClassifier(class_weight="even").fit(X, Y), "parameter of MLPClassifier must be"),
    "class weight NaN": (lambda: MLPClassifier(class_weight={0: np.nan}).fit(X, Y), "class_weight has to be finite"),
    "no class weight": (lambda: MLPClassifier(class_weight={0: 0, 1: 0, 2: 0}).fit(X, Y), "at least one non-zero"),
    "no weight left": (lambda: MLPClassifier(class_weight={0: 0}).fit(X, Y, Y == 0), "at least one non-zero"),
    "rare bool": (lambda: MLPClassifier(early_stopping=True).fit(X, np.arange(150) == 7), "members are: ['True']"),
    "rare word": (
        lambda: MLPClassifier(early_stopping=True).fit(X, np.where(np.arange(150) == 7, "yes", "no")),
        "members are: ['yes']",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_named_as_it_was_given(name):
    wrong, message = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        wrong()


@quiet
@pytest.mark.parametrize("sizes", [7, np.int64(7), [np.uint8(7)], np.array([7]), range(7, 8), (7,)], ids=repr)
def test_sizes_may_be_integers_of_any_kind(sizes):
    assert MLPClassifier(sizes, max_iter=1).fit(X, Y).coefs_[1].shape == (7, 3)


CHANGED = {
    "sizes": ({"hidden_layer_sizes": (9,)}, Y, "hidden_layer_sizes has to be that of the first fit, [3], got [9]"),
    "as many weights": ({"hidden_layer_sizes": (2, 2)}, Y, "hidden_layer_sizes has to be that of the first fit, [3]"),
    "more replicas": ({"n_replicas": 3}, Y, "n_replicas has to be that of the first fit, 2, got 3"),
    "one replica": ({"n_replicas": 1}, Y, "n_replicas has to be that of the first fit, 2, got 1"),
    "outputs": ({}, X[:, :2], "the number of outputs in y has to be that of the first fit, 1, got 2"),
    "alpha": ({"alpha": -1}, Y, "The 'alpha' parameter of MLPRegressor must be"),
    "momentum": ({"momentum": -3}, Y, "The 'momentum' parameter of MLPRegressor must be"),
    "rate": ({"learning_rate_init": -1}, Y, "The 'learning_rate_init' parameter of MLPRegressor must be"),
}


@quiet
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", CHANGED)
def test_what_may_not_change_between_fits_is_refused(name, method):
    change, y, message = CHANGED[name]
    model = MLPRegressor(**SHORT | {"hidden_layer_sizes": 3, "n_replicas": 2, "warm_start": True}).fit(X, Y)
    before = pickle.dumps(model.coefs_)
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(model.set_params(**change), method)(X, y)
    assert pickle.dumps(model.coefs_) == before


@quiet
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4")])
def test_data_of_another_dtype_go_on_in_that_of_the_first(dtypes, early):
    model = MLPClassifier(**SHORT | {"max_iter": 60}, warm_start=True, early_stopping=early, early_stopping_on="loss")
    for dtype in dtypes:
        model.fit(X.astype(dtype), Y)
        assert {array.dtype for array in model.coefs_ + model.intercepts_} == {np.dtype(dtypes[0])}
    assert model.score(X, Y) > 0.85


@quiet
def test_classes_may_change_until_a_fit_has_succeeded():
    model = MLPClassifier(**SHORT | {"warm_start": True, "learning_rate_init": 1e300, "solver": "sgd"})
    with pytest.raises(DivergedError):
        model.fit(X, Y)
    model.set_params(learning_rate_init=0.02).fit(X, TWO)
    assert list(model.classes_) == [0, 1]


@quiet
@pytest.mark.parametrize("count", [1, 2])
def test_held_out_scores_of_a_regressor_are_of_rows_with_weight(count):
    weight = np.where(np.arange(150) % 3, 0.0, 2.0)
    model = MLPRegressor(**SHORT | {"early_stopping": True, "validation_fraction": 0.5}, n_replicas=count)
    best = np.atleast_1d(model.fit(X, X[:, 0], weight).best_validation_score_)
    there = weight > 0
    assert best.max() <= 1
    assert abs(r2_score(X[there, 0], model.predict(X[there])) - best.mean()) < 0.5
