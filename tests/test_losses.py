"""Losses: values and gradients against scikit-learn, scipy and closed forms; targets that do not fit are refused."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

from minnet import binary_cross_entropy, mse, softmax_cross_entropy

rng = np.random.default_rng(0)


def test_mse_is_scikit_learns_and_its_gradient_the_closed_form():
    y, t = rng.normal(size=(2, 7, 3))
    loss, dy = mse(y, t)
    assert loss == pytest.approx(mean_squared_error(t, y), rel=1e-14)
    np.testing.assert_allclose(dy, 2 * (y - t) / 21, rtol=1e-14)
    assert mse.metric(y, t) == pytest.approx(r2_score(t, y), rel=1e-12)


def test_softmax_cross_entropy_is_scikit_learns_log_loss():
    y, labels = 3 * rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    loss, dy = softmax_cross_entropy(y, labels)
    p = softmax(y, axis=1)
    assert loss == pytest.approx(log_loss(labels, p, labels=range(4)), rel=1e-12)
    np.testing.assert_allclose(dy, (p - np.eye(4)[labels]) / 50, rtol=1e-12, atol=1e-16)
    target = softmax_cross_entropy.encode(labels, 4, float)
    assert softmax_cross_entropy.metric(y, target) == accuracy_score(labels, y.argmax(axis=1))


def test_softmax_cross_entropy_takes_probabilities():
    y, t = rng.normal(size=(9, 3)), rng.dirichlet(np.ones(3), 9)
    loss, _ = softmax_cross_entropy(y, t)
    assert loss == pytest.approx(-(t * log_softmax(y, axis=1)).sum(axis=1).mean(), rel=1e-12)


def test_softmax_cross_entropy_at_huge_logits():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, dy = softmax_cross_entropy(np.array([[1e4, 0.0], [0.0, 1e4]]), np.array([0, 0]))
    assert loss == 5000
    np.testing.assert_array_equal(dy, [[0, 0], [-0.5, 0.5]])


def test_binary_cross_entropy_is_scikit_learns_log_loss():
    y, t = 3 * rng.normal(size=(40, 1)), rng.integers(0, 2, (40, 1))
    loss, dy = binary_cross_entropy(y, t)
    p = 1 / (1 + np.exp(-y))
    assert loss == pytest.approx(log_loss(t, p), rel=1e-12)
    np.testing.assert_allclose(dy, (p - t) / 40, rtol=1e-12)
    assert binary_cross_entropy.metric(y, t) == accuracy_score(t, y > 0)


def test_binary_cross_entropy_at_huge_logits():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, dy = binary_cross_entropy(np.array([[1e4], [-1e4]]), np.array([[0], [0]]))
    assert loss == 5000
    np.testing.assert_array_equal(dy, [[0.5], [0]])


@pytest.mark.parametrize("loss", [mse, softmax_cross_entropy, binary_cross_entropy])
def test_one_value_a_replica_and_weights_weigh_samples(loss):
    y, t = rng.normal(size=(3, 5, 2)), rng.integers(0, 2, (3, 5, 2)).astype(float)
    t = np.eye(2)[t[..., 0].astype(int)] if loss is softmax_cross_entropy else t
    both, dy = loss(y, t)
    for k in range(3):
        alone, dy_alone = loss(y[k], t[k])
        assert both[k] == pytest.approx(alone, rel=1e-14)
        np.testing.assert_allclose(dy[k], dy_alone, rtol=1e-14)
    weight = np.array([[1, 2, 0, 1, 3.0]] * 3)
    weighed, dy = loss(y, t, weight)
    repeated, _ = loss(np.repeat(y, [1, 2, 0, 1, 3], axis=1), np.repeat(t, [1, 2, 0, 1, 3], axis=1))
    np.testing.assert_allclose(weighed, repeated, rtol=1e-13)
    assert (dy[:, 2] == 0).all()


@pytest.mark.parametrize(
    ("loss", "target", "message"),
    [
        (mse, np.zeros(4), r"MeanSquaredError\(\) expects targets of shape \(..., batch, 2\), got \(4,\)"),
        (mse, np.zeros((4, 1)), r"expects targets of shape \(..., batch, 2\), got \(4, 1\)"),
        (mse, np.zeros((3, 2)), r"one target a row of y \(4, 2\), got \(3, 2\)"),
        (mse, np.full((4, 2), np.nan, "f4"), r"has to be finite, got nan at index \(0, 0\)"),
        (softmax_cross_entropy, np.array([0, 1, 2, 0]), r"expects labels from 0 to 1, got 0 to 2"),
        (softmax_cross_entropy, np.array([0, 1, -1, 0]), r"expects labels from 0 to 1, got -1 to 1"),
        (softmax_cross_entropy, np.zeros(4), r"integer labels of shape \(..., batch\) or probabilities"),
        (softmax_cross_entropy, np.zeros((4, 1), int), r"one target a row of y \(4, 2\), got \(4, 1, 2\)"),
        (softmax_cross_entropy, np.full((4, 2), 0.4, "f4"), r"rows of probabilities that sum to 1"),
        (softmax_cross_entropy, np.array(["a", "b", "a", "b"]), r"integer labels"),
        (binary_cross_entropy, np.full((4, 2), 2), r"expects targets between 0 and 1, got 2.0 to 2.0"),
        (binary_cross_entropy, np.zeros(4, int), r"expects targets of shape \(..., batch, 2\), got \(4,\)"),
    ],
)
def test_targets_that_do_not_fit(loss, target, message):
    with pytest.raises(ValueError, match=message):
        loss(np.zeros((4, 2)), target)


def test_weights_that_do_not_fit():
    with pytest.raises(ValueError, match=r"expects weights of shape \(4,\), got \(3,\)"):
        mse(np.zeros((4, 2)), np.zeros((4, 2)), np.ones(3))
