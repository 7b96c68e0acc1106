"""Numbers at the edges: far logits, huge gradients and weights, constant targets; and parts that do not fit."""

import numpy as np
import pytest
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.metrics import accuracy_score, d2_tweedie_score, r2_score

import minnet as mn
from minnet import SGD, Clipped, Dense, Network, Streams, binary_cross_entropy, mse, softmax_cross_entropy, train
from minnet.lab import diagnose, plots
from minnet.lab.datasets import DATASETS

INF, MAX = np.inf, float(np.finfo(np.float32).max)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(33, 2))
LABELS = (X[:, 0] > 0).astype(int)
NET = Network(Dense(2, 4), mn.Tanh(), Dense(4, 2))
ONE = Network(Dense(2, 4), mn.Tanh(), Dense(4, 1))
QUIET = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def fit(network, loss, y, optimizer=SGD(0.1), x=X, **settings):  # noqa: B008  # frozen
    return train(network, loss, optimizer, x, y, **{"epochs": 3, "batch_size": 11, "seed": 0} | settings)


# ------------------------------------------------------------------------------------------------ C15: far logits
LOGITS = [
    [-INF, 0.0],
    [-INF, 0.0, 1.0],
    [2.0, -INF, -INF],
    [-MAX, MAX],
    [MAX, -MAX, 0.0],
    [MAX, MAX],
    [-MAX, -MAX, 3.0],
]


@QUIET
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("logits", LOGITS)
def test_softmax_cross_entropy_of_far_logits_is_that_of_scipy(logits, dtype):
    y = np.array([logits], dtype)
    for label in range(len(logits)):
        loss, dy = softmax_cross_entropy(y, np.array([label]))
        wanted = -log_softmax(y.astype(float))[0, label]  # inf for the label of a class that has no chance
        np.testing.assert_allclose(loss, np.float64(wanted).astype(dtype), rtol=1e-6)
        np.testing.assert_allclose(dy[0], softmax(y.astype(float)[0]) - np.eye(len(logits))[label], atol=1e-7)


@QUIET
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_of_far_logits_is_that_of_scipy(dtype):
    torch = pytest.importorskip("torch")
    y, t = (part.reshape(-1, 1) for part in np.meshgrid([-INF, -MAX, -3.0, 0.0, 3.0, MAX, INF], [0.0, 0.25, 1.0]))
    y, t = y.astype(dtype), t.astype(dtype)
    wide = y.astype(float)
    with np.errstate(invalid="ignore"):
        yes, no = (np.where(share > 0, share * log_expit(z), 0) for share, z in ((t, wide), (1 - t, -wide)))
    loss, dy = binary_cross_entropy.each(y, t)
    np.testing.assert_allclose(loss, -(yes + no)[:, 0].astype(dtype), rtol=1e-6)
    np.testing.assert_allclose(dy, expit(wide) - t, atol=1e-7)
    near = np.isfinite(y) & (abs(y) < 100)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    theirs = bce(torch.tensor(y[near]), torch.tensor(t[near]), reduction="none")
    np.testing.assert_allclose(loss[near[:, 0]], theirs.numpy(), rtol=1e-6)


@QUIET
def test_nan_and_infinite_logits_of_a_training_that_diverged_stay_nan():
    torch = pytest.importorskip("torch")
    for bad in ([np.nan, 0.0], [INF, 0.0], [-INF, -INF]):
        assert np.isnan(softmax_cross_entropy(np.array([bad]), np.array([1]))[0])
        assert torch.isnan(torch.nn.functional.cross_entropy(torch.tensor([bad]), torch.tensor([1])))
    for target in (0.0, 0.5, 1.0):
        assert np.isnan(binary_cross_entropy(np.array([[np.nan]]), np.array([[target]]))[0])
        assert np.isnan(mn.poisson(np.array([[np.nan]]), np.array([[target]]))[0])


@QUIET
def test_a_poisson_mean_of_0_is_no_surprise_to_a_count_of_0():
    loss, dy = mn.poisson(np.array([[-INF], [0.0]]), np.array([[0.0], [1.0]]))
    np.testing.assert_allclose([loss, *dy[:, 0]], [0.5, 0, 0])


def test_a_masked_class_is_trained_around():
    """optax #896: one logit is -inf in every row; the other two are learned."""

    class Masked(mn.Layer):
        def forward(self, params, x, streams=None):
            mask = np.array([0, 0, -INF], x.dtype)
            return x + mask, lambda dy, grads, need_dx=True: dy

    run = fit(Network(Dense(2, 3), Masked()), softmax_cross_entropy, LABELS, SGD(1.0), epochs=50)
    assert run.stops[0].reason == "finished"
    assert run.history["loss"][-1] < 0.2


# ----------------------------------------------------------------------------- C16: constant targets, and plateaus
def test_r2_of_a_constant_target_is_that_of_sklearn():
    t = np.stack([np.full(30, 0.1), RNG.normal(size=30), np.zeros(30), np.full(30, 7.0)], axis=1)
    y = t + 0.3 * RNG.normal(size=t.shape)
    y[:, 2] = 0  # hit
    for dtype in (np.float32, np.float64):  # the mean of 30 times 0.1 is not 0.1
        got = mse.metric(y.astype(dtype), t.astype(dtype))
        rounded = t.astype(dtype).astype(float)
        wanted = [r2_score(rounded[:, 1], y[:, 1]), 0, 1, 0]
        assert got == pytest.approx(np.mean(wanted), rel=1e-5)
    for column in (1, 2, 3):
        assert mse.metric(y[:, [column]], t[:, [column]]) == pytest.approx(r2_score(t[:, column], y[:, column]))


def test_d2_of_a_constant_target_is_finite():
    t = np.stack([RNG.poisson(3, 30), np.full(30, 3), np.zeros(30)], axis=1).astype(float)
    y = np.log(t + 0.5)
    varied = d2_tweedie_score(t[:, 0], np.exp(y[:, 0]), power=1)
    assert mn.poisson.metric(y, t) == pytest.approx(varied / 3)
    assert mn.poisson.metric(np.zeros((4, 1)), np.ones((4, 1))) == 1


def test_early_stopping_on_a_metric_goes_on_where_a_validation_column_is_constant():
    y = np.stack([X[:, 0], X[:, 1]], axis=1)
    held_out = y * [1, 0]
    stopping = mn.EarlyStopping("validation_metric", patience=2)
    run = fit(NET, mse, y, epochs=30, validation=(X, held_out), callbacks=[stopping])
    assert np.isfinite(run.history["validation_metric"]).all()
    assert len(run.history["loss"]) > 2


def torch_rates(values, mode, patience=2, threshold=1e-4):
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, patience=patience, threshold=threshold, eps=0)
    rates = []
    for value in values:
        plateau.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize(
    ("monitor", "mode", "values"),
    [
        ("validation_metric", "max", np.linspace(0.5, 0.9, 30)),
        ("validation_metric", "max", RNG.uniform(0.5, 0.9, 60)),
        ("validation_metric", "max", np.r_[np.linspace(0.5, 0.9, 10), np.full(10, 0.9)]),
        ("validation_loss", "min", RNG.uniform(0.5, 0.9, 60)),
    ],
)
def test_reduce_on_plateau_is_that_of_torch(monitor, mode, values):
    schedule = mn.ReduceOnPlateau(1.0, patience=2, monitor=monitor)
    got = [float(schedule.after_epoch({monitor: values[: i + 1, None]})[0]) for i in range(len(values))]
    np.testing.assert_allclose(got, torch_rates(values, mode), rtol=1e-12)


def test_reduce_on_plateau_knows_better_from_worse_below_0():
    """R² starts below 0: -1 + 1e-4 of -1 is worse. (torch takes that for better.)"""
    for monitor, falling in (("validation_metric", -1.0), ("validation_loss", 1.0)):
        values = -falling * np.linspace(1.0, 1.00001, 9) if monitor == "validation_loss" else np.full(9, -1.0)
        schedule = mn.ReduceOnPlateau(1.0, patience=2, monitor=monitor, threshold=1e-3)
        assert schedule.after_epoch({monitor: values[:, None]})[0] < 1
    rising = np.linspace(-3, -1, 9)
    assert mn.ReduceOnPlateau(1.0, patience=2, monitor="validation_metric").after_epoch(
        {"validation_metric": rising[:, None]}
    ) == [1.0]


# ------------------------------------------------------------------------------------------ C17: too large, too small
@pytest.mark.parametrize(("dtype", "size"), [("f4", 1e18), ("f4", 1e20), ("f4", 5e37), ("f8", 1e160), ("f8", 4e307)])
def test_clipping_keeps_the_direction_of_a_huge_gradient(dtype, size):
    theta, clipped = np.zeros((2, 2), dtype), Clipped(SGD(1.0), norm=1.0)
    gradient = np.array([np.array([3, 4]) * size, [0.3, 0.4]], dtype)
    clipped.step(theta, gradient, clipped.init(theta))
    np.testing.assert_allclose(theta, [[-0.6, -0.8], [-0.3, -0.4]], rtol=1e-5)


@QUIET
def test_clipping_lets_a_gradient_that_is_not_finite_be_found():
    for bad in (np.inf, np.nan):
        theta, clipped = np.zeros((2, 2)), Clipped(SGD(1.0), norm=1.0)
        clipped.step(theta, np.array([[bad, 1.0], [0.0, 0.0]]), clipped.init(theta))
        assert np.isnan(theta[0, 0])
        np.testing.assert_array_equal(theta[1], 0)


def test_clipping_is_what_it_was_to_the_last_bit():
    """The definition of torch, written down: g min(norm / (|g| + 1e-6), 1)."""
    for dtype in (np.float32, np.float64):
        for scale in (1e-30, 1e-3, 0.7, 1.3, 1e8):
            gradient = (scale * RNG.normal(size=(3, 50))).astype(dtype)
            theta, clipped = np.zeros((3, 50), dtype), Clipped(SGD(1.0), norm=1.5)
            clipped.step(theta, gradient, clipped.init(theta))
            norm = np.sqrt(np.vecdot(gradient, gradient))[..., None]
            np.testing.assert_array_equal(theta, -(gradient * np.minimum(1.5 / (norm + 1e-6), 1)))


BATCH_NORM = Network(Dense(2, 4), Network(mn.Residual(Network(mn.BatchNorm(4), mn.ReLU()))), Dense(4, 2))


@pytest.mark.parametrize(("rows", "batch_size"), [(33, 1), (33, 8), (33, 32), (1, 5)])
def test_batch_norm_refuses_a_batch_of_one_at_the_door(rows, batch_size):
    """As torch does, in the last batch too; here before the first step."""
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"Expected more than 1 value per channel"):
        torch.nn.BatchNorm1d(4)(torch.zeros(1, 4))
    words = (
        rf"BatchNorm\(4\) expects at least 2 samples .*; {rows} samples in batches of {batch_size} leave a batch of one"
    )
    for seed in (0, [0, 1]):
        with pytest.raises(ValueError, match=words):
            fit(BATCH_NORM, softmax_cross_entropy, LABELS[:rows], x=X[:rows], batch_size=batch_size, seed=seed)


def test_batch_norm_takes_every_other_batch_and_one_row_in_inference():
    for batch_size in (2, 11, 33, 64):
        run = fit(BATCH_NORM, softmax_cross_entropy, LABELS, batch_size=batch_size if batch_size != 2 else 3)
        assert run(X[:1]).shape == (1, 2)
    assert fit(NET, softmax_cross_entropy, LABELS, batch_size=1).stops[0].reason == "finished"  # without batch norm
    diagnose(fit(BATCH_NORM, softmax_cross_entropy, LABELS), X, LABELS)  # which trains on, in batches of 32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e10, 1.8e19, 1e25, 1e38])
def test_learned_swish_has_the_derivatives_of_float128_far_out(dtype, size):
    layer = mn.LearnedSwish(3)
    for beta in (1.0, 1e-3, -2.0, 1e10):
        x = np.array([[size, -size, 0.5]], dtype)
        params, grads = [np.full((1, 3), beta, dtype)], [np.empty((1, 3), dtype)]
        with np.errstate(over="ignore"):
            y, backward = layer.forward(params, x)
            dx = backward(np.ones_like(x), grads)
        z = np.clip(x.astype(np.longdouble) * beta, -1000, 1000)
        s, d = 1 / (1 + np.exp(-z)), np.exp(-abs(z)) / np.square(1 + np.exp(-abs(z)))
        wide = x.astype(np.longdouble)
        np.testing.assert_allclose(dx, (s + z * d).astype(dtype), atol=1e-6)
        np.testing.assert_allclose(
            grads[0], np.where(d < 1e-300, 0, wide * wide * d).astype(dtype), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(y, (wide * s).astype(dtype), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.int32, complex])
def test_a_dtype_that_is_not_float32_or_float64_is_refused(dtype):
    theta = NET.init_theta(0).astype(dtype)
    for settings in ({"dtype": dtype}, {"start": theta}):
        with pytest.raises(ValueError, match="theta has to be float32 or float64"):
            fit(NET, softmax_cross_entropy, LABELS, **settings)
        with pytest.raises(ValueError, match="theta has to be float32 or float64"):
            mn.lbfgs(NET, softmax_cross_entropy, X, LABELS, seed=0, **settings)


@pytest.mark.parametrize("size", [1e-300, 1e-46, 2.0**40, 1e38, 8e307])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_the_ratios_of_weights_count(size, dtype):
    weight = RNG.uniform(0.5, 2, 33)
    fits = {"dtype": dtype, "epochs": 5}
    plain = fit(NET, softmax_cross_entropy, LABELS, sample_weight=weight, **fits)
    run = fit(NET, softmax_cross_entropy, LABELS, sample_weight=weight * size, **fits)
    np.testing.assert_allclose(run.theta, plain.theta, rtol=1e-5)
    assert (run.history["loss"] > 0).all()


def test_weights_that_leave_nothing_are_refused():
    one = np.arange(33) == 0
    for weight in (np.zeros(33), np.where(one, 1.0, 1e-46)):
        with pytest.raises(ValueError, match="> 0 somewhere, else 0 or >= 1e-38 of the largest"):
            fit(NET, softmax_cross_entropy, LABELS, sample_weight=weight)
    with pytest.raises(ValueError, match="weight has to be > 0 somewhere"):
        fit(
            NET, softmax_cross_entropy, np.stack([LABELS, LABELS]), x=np.stack([X, X]), seed=[0, 1],
            sample_weight=np.stack([one, 0 * one]),
        )  # fmt: skip


# ------------------------------------------------------------------------------- C20: probabilities where logits go
SQUEEZED = [mn.Sigmoid(), mn.Softmax(), mn.HardSigmoid(), mn.Gaussian(), mn.Elementwise(expit)]
TARGETS = {
    softmax_cross_entropy: np.eye(2)[LABELS],
    binary_cross_entropy: np.eye(2)[LABELS],
    mn.hinge: 2 * np.eye(2)[LABELS] - 1,
}


@pytest.mark.parametrize("last", SQUEEZED, ids=repr)
@pytest.mark.parametrize("loss", TARGETS, ids=repr)
def test_a_loss_of_logits_refuses_what_ends_in_probabilities(last, loss):
    y = TARGETS[loss]
    for network in (
        Network(*NET.layers, last),
        Network(NET, Network(Network(last))),
        Network(Dense(2, 2), Network(last)),
    ):
        with pytest.raises(ValueError, match=r"takes logits.*leave out the last layer"):
            fit(network, loss, y)
        with pytest.raises(ValueError, match=r"takes logits.*leave out the last layer"):
            mn.lbfgs(network, loss, X, y, seed=0)
    run = fit(Network(*NET.layers, last), mse, np.eye(2)[LABELS])
    with pytest.raises(ValueError, match=r"takes logits.*leave out the last layer"):
        diagnose(run, X, y, loss=loss)


@pytest.mark.parametrize(
    "last", [mn.Tanh(), mn.ReLU(), mn.LogSoftmax(), mn.Identity(), mn.Residual(mn.Sigmoid())], ids=repr
)
def test_what_is_not_a_probability_is_taken(last):
    """LogSoftmax among them: the softmax of a log-softmax is the softmax, so loss and gradient are the same."""
    fit(Network(*NET.layers, last), softmax_cross_entropy, LABELS)
    fit(Network(*NET.layers, mn.Sigmoid()), mse, np.eye(2)[LABELS])


def test_log_softmax_before_the_loss_changes_nothing():
    plain = fit(NET, softmax_cross_entropy, LABELS, dtype=float)
    twice = fit(Network(*NET.layers, mn.LogSoftmax()), softmax_cross_entropy, LABELS, dtype=float)
    np.testing.assert_allclose(twice.theta, plain.theta, rtol=1e-10)


def test_a_last_layer_that_gives_fewer_features_than_it_takes_is_let_in():
    class Pairs(mn.Layer):
        def forward(self, params, x, streams=None):
            if x.shape[-1] != 4:
                raise ValueError("expects 4 features")
            return x[..., :2] * 1.0, lambda dy, grads, need_dx=True: np.concatenate([dy, 0 * dy], axis=-1)

    fit(Network(Dense(2, 4), Pairs()), softmax_cross_entropy, LABELS)


# --------------------------------------------------------- C21: metrics of raw labels, one output, biases' fan-in
def test_metrics_take_the_targets_that_the_loss_takes():
    labels, run = LABELS, fit(NET, softmax_cross_entropy, LABELS, SGD(1.0), epochs=30)
    accuracy = accuracy_score(labels, run(X).argmax(axis=1))
    assert accuracy > 0.9
    assert softmax_cross_entropy.metric(run(X), labels) == pytest.approx(accuracy)
    assert softmax_cross_entropy.metric(run(X), labels.tolist()) == pytest.approx(accuracy)
    one = fit(ONE, binary_cross_entropy, labels[:, None], SGD(1.0), epochs=30)
    accuracy = accuracy_score(labels, one(X)[:, 0] > 0)
    assert binary_cross_entropy.metric(one(X), labels[:, None]) == pytest.approx(accuracy)
    assert mn.hinge.metric(one(X), 2 * labels[:, None] - 1) == pytest.approx(accuracy)
    assert mse.metric(one(X), labels[:, None].tolist()) == pytest.approx(r2_score(labels, one(X)[:, 0]))
    assert mn.poisson.metric(one(X), labels[:, None].tolist()) == pytest.approx(
        d2_tweedie_score(labels, np.exp(one(X)[:, 0].astype(float)), power=1)
    )


@pytest.mark.parametrize("loss", [mse, binary_cross_entropy, mn.hinge, mn.mae, mn.poisson, mn.Huber()], ids=repr)
def test_metrics_do_not_broadcast(loss):
    """(N,) beside (N, 1) was (N, N)."""
    y = RNG.normal(size=(33, 1))
    with pytest.raises(ValueError, match=r"expects targets of shape \(..., batch, 1\), got \(33,\)"):
        loss.metric(y, LABELS * 1.0)


@pytest.mark.parametrize("last", [(), (mn.Sigmoid(),)])
def test_the_boundary_of_one_output_shows_both_classes(last):
    data = DATASETS["moons"].split(0)
    network = Network(Dense(2, 16), mn.Tanh(), Dense(16, 1), *last)
    loss = mse if last else binary_cross_entropy
    run = train(network, loss, SGD(0.5), data.x, data.y[:, None] * 1.0, epochs=30, batch_size=16, seed=0)
    painted = plots.decision_boundary(network, run.theta, data).collections[0].get_array()
    share = (run(data.x_test)[:, 0] > (0.5 if last else 0)).mean()
    assert 0.3 < share < 0.7
    assert set(np.unique(painted)) == {0, 1}


def test_a_bias_is_drawn_with_the_fans_of_its_layer():
    """he_normal: variance 2 / n_in (He et al. 2015), here 1/256; of torch's biases the bound is 1 / √n_in."""
    torch = pytest.importorskip("torch")
    for init, variance in (
        (mn.he_normal, 2 / 512),
        (mn.lecun_uniform, 1 / 512),
        (mn.glorot_normal, 2 / (512 + 4096)),
        (mn.VarianceScaling(1 / 3, "in", "uniform"), 1 / 3 / 512),
    ):
        layer = Dense(512, 4096, bias_init=init)
        _, b = layer.unpack(Network(layer).init_theta(0, np.float64))
        assert b.var() == pytest.approx(variance, rel=0.1)
        assert abs(b.mean()) < 5 * np.sqrt(variance / 4096)
    bound = 1 / np.sqrt(512)
    theirs = torch.nn.Linear(512, 4096).bias.detach().numpy()
    assert abs(b).max() == pytest.approx(bound, rel=0.01)
    assert abs(theirs).max() == pytest.approx(bound, rel=0.01)
    same = Dense(512, 8, bias_init=mn.Constant(0.5))
    np.testing.assert_array_equal(same.unpack(Network(same).init_theta(0))[1], 0.5)


# ---------------------------------------------------------------------------------------- C22: two dtypes that mix
@pytest.mark.parametrize("network", [NET, Network(mn.PReLU(2), NET), Network(mn.LayerNorm(2), NET)])
@pytest.mark.parametrize("x", [X, X.astype(int)])
@pytest.mark.parametrize("seed", [0, [0, 1]])
def test_data_of_another_dtype_than_theta_is_named_where_it_comes_in(network, x, seed):
    theta = network.init_theta(seed)
    with pytest.raises(ValueError, match=r"has parameters in float32, got x in \w+64: x.astype\('<f4'\) fits"):
        network.forward(network.unpack(theta), x, Streams(seed, "noise"))


@pytest.mark.parametrize("seed", [0, [0, 1]])
def test_a_gradient_of_another_dtype_than_theta_is_named(seed):
    theta = NET.init_theta(seed)
    y, backward = NET.forward(NET.unpack(theta), X.astype(np.float32), Streams(seed, "noise"))
    for dy in [y[..., :1]] + [y.astype(float)] * (seed == 0):  # for replicas NumPy's matmul casts
        with pytest.raises(ValueError, match=r"Dense\(4, 2\) expects dy as y in float32, got float\d\d \("):
            backward(dy, NET.unpack(theta * 0))
    wide = NET.init_theta(seed, np.float64)  # what loses nothing is taken
    y, backward = NET.forward(NET.unpack(wide), X.astype(np.float32), Streams(seed, "noise"))
    backward(y, NET.unpack(wide * 0))
