"""A Training in the hand: steps, epochs, pauses, snapshots and learning rates give what `train` gives, bit for bit."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from minnet import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    EarlyStopping,
    Network,
    ReduceOnPlateau,
    ReLU,
    Snapshot,
    StepDecay,
    Tanh,
    Training,
    WarmUp,
    softmax_cross_entropy,
    train,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
VALIDATION = X[::2] + 0.1, Y[::2]
NET = Network(Dense(2, 8), Tanh(), Dense(8, 2))
STEEP = Network(Dense(2, 8), ReLU(), Dense(8, 2))  # which diverges at large rates
NOISY = Network(Dense(2, 8), BatchNorm(8), Tanh(), Dropout(0.2), Dense(8, 2))
CASES = {
    "single": {},
    "replicas": {"seed": [1, 2, 3]},
    "rates": {"seed": [1, 2, 3], "optimizer": SGD((0.1, 1e30, 0.3), 0.9)},
    "noise": {"network": NOISY, "seed": [4, 5]},
    "schedule": {"network": NOISY, "optimizer": Adam(WarmUp(ReduceOnPlateau(0.05, patience=1), 20)), "seed": [4, 5]},
    "own data": {"seed": [1, 2], "x": np.stack([X, X + 0.1]), "y": np.stack([Y, 1 - Y]), "validation": None},
    "weights": {"sample_weight": RNG.uniform(0.5, 1, 75), "dtype": np.float64},
}


def parts(**change):
    return {"network": NET, "loss": softmax_cross_entropy, "optimizer": SGD(0.1, 0.9), "x": X, "y": Y,
            "batch_size": 16, "seed": 0, "validation": VALIDATION} | change  # fmt: skip


def assert_same(run, expected):
    assert run.theta.tobytes() == expected.theta.tobytes()
    assert run.stops == expected.stops
    assert list(run.history) == list(expected.history)
    for name, values in expected.history.items():
        assert run.history[name].tobytes() == values.tobytes(), name


@pytest.mark.parametrize("case", CASES)
def test_epoch_by_epoch_and_with_pauses_is_train(case):
    settings = parts(**CASES[case])
    expected = train(**settings, epochs=9)
    training = Training(**settings)
    for _ in range(4):
        training.epoch()
    assert_same(training.run(5), expected)
    assert training.epochs_done == 9
    training = Training(**settings)
    training.run(2)
    assert_same(training.run(7), expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("epochs", [0, 1, 5])
def test_taken_up_from_a_snapshot_is_as_if_never_stopped(case, epochs):
    settings = parts(**CASES[case])
    stopping = EarlyStopping("loss", patience=3)
    expected = train(**settings, epochs=9, callbacks=[stopping])
    first = Training(**settings)
    first.run(epochs, callbacks=[stopping])
    before, copy = first.snapshot(), first.snapshot()
    assert before == copy
    first.run(2, callbacks=[stopping])  # changes nothing in the snapshot
    assert before == copy
    assert before != first.snapshot()
    again = train(**settings, epochs=9, start=before, callbacks=[stopping])
    assert_same(again, expected)
    assert again.snapshot == expected.snapshot
    half = train(**settings, epochs=max(epochs, 1), callbacks=[stopping])
    assert_same(train(**settings, epochs=9, start=half, callbacks=[stopping]), expected)


def test_a_snapshot_goes_on_with_other_data_and_another_rate():
    before = train(**parts(optimizer=Adam(0.01)), epochs=3).snapshot
    assert isinstance(before, Snapshot)
    training = Training(**parts(optimizer=Adam(0.3), x=X * 2, start=before))
    assert training.learning_rate == np.float32(0.3)
    assert training.state["step"].item() == 3 * 5
    np.testing.assert_array_equal(training.state["mean"], before.state["mean"])
    with pytest.raises(ValueError, match=r"SGD.* cannot go on with the state of Adam"):
        Training(**parts(start=before))
    with pytest.raises(ValueError, match="theta has to be"):
        Training(**parts(start=before, seed=[0, 1]))


@pytest.mark.parametrize("threads", [1, 4])
def test_interleaved_trainings_equal_each_alone(threads):
    cases = [parts(network=NOISY, seed=k) for k in range(3)] + [parts(seed=[7, 8])]
    expected = [train(**case, epochs=6) for case in cases]
    trainings = [Training(**case) for case in cases]
    for _ in range(5):
        if threads == 1:
            for training in trainings:
                training.epoch()
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(Training.epoch, trainings))
    for training, run in zip(trainings, expected, strict=True):
        assert_same(training.run(1), run)


@pytest.mark.parametrize("seed", [0, [0, 1]])
def test_half_the_rate_from_epoch_3_on_is_a_step_decay(seed):
    expected = train(**parts(optimizer=SGD(StepDecay(0.4, every=15, gamma=0.5), 0.9), seed=seed), epochs=6)
    training = Training(**parts(optimizer=SGD(0.4, 0.9), seed=seed))  # 5 steps are an epoch
    training.run(3)
    training.learning_rate = training.learning_rate / 2
    assert training.run(3).theta.tobytes() == expected.theta.tobytes()


def test_rates_batch_sizes_and_what_has_stopped():
    training = Training(**parts(seed=[0, 1, 2], network=STEEP, optimizer=SGD((0.1, 1e37, 0.2))))
    values = training.epoch()
    assert np.isnan(values["loss"]).tolist() == [False, True, False]
    assert [stop.reason for stop in training.stops] == ["running", "diverged", "running"]
    training.learning_rate = (0.5, 0.6, 0.7)
    np.testing.assert_allclose(training.learning_rate, [0.5, np.nan, 0.7], rtol=1e-6)
    assert np.isnan(training.step(X[:5], Y[:5])).tolist() == [False, True, False]  # one batch for all
    own = np.stack([X[:5], X[5:10], X[10:15]]), np.stack([Y[:5], Y[5:10], Y[10:15]])
    alone = Training(**parts(seed=2, start=training.all_theta[2].copy(), optimizer=SGD(0.7), network=STEEP))
    assert training.step(*own)[2] == pytest.approx(alone.step(own[0][2], own[1][2]), rel=1e-5)
    np.testing.assert_allclose(training.all_theta[2], alone.theta, rtol=1e-4, atol=1e-6)
    assert training(X).shape == (3, 75, 2)
    for rate in (-1, np.nan, np.inf, (0.1, 0.2)):
        with pytest.raises(ValueError, match=r"learning_rate has to be|broadcast"):
            training.learning_rate = rate


def test_a_single_network_that_diverges_stops_and_nothing_is_raised():
    training = Training(**parts(network=STEEP, optimizer=SGD(1e37)))
    assert np.isnan(training.epoch()["loss"])
    before = training.theta.copy()
    assert np.isnan(training.step(X, Y))
    assert np.isnan(training.epoch()["loss"])
    np.testing.assert_array_equal(training.theta, before)
    run = training.run(3)
    assert run.stops[0].reason == "diverged"
    assert np.isfinite(run.theta).all()


def test_validation_may_be_asked_for_less_often():
    history = Training(**parts(validation_every=3)).run(7).history
    assert np.isfinite(history["validation_loss"]).tolist() == [False, False, True, False, False, True, False]
    assert np.isfinite(history["loss"]).all()
    assert history["validation_loss"][2] == train(**parts(), epochs=3).history["validation_loss"][2]


def test_train_executes_step(monkeypatch):
    seen, step = [], Training.step

    def counted(self, *batch):
        seen.append(len(batch[0]))
        return step(self, *batch)

    monkeypatch.setattr(Training, "step", counted)
    train(**parts(), epochs=2)
    assert seen == [16, 16, 16, 16, 11] * 2


def test_what_belongs_to_the_caller_stays_his():
    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = np.geterr(), threads()
    training = Training(**parts())
    for act in (
        training.epoch,
        lambda: training.run(2),
        lambda: training.step(X, Y),
        lambda: train(**parts(), epochs=2),
    ):
        act()
        assert (np.geterr(), threads()) == before
    with np.errstate(over="raise"):
        inside = np.geterr()
        training.run(1, callbacks=[lambda _: seen.append(np.geterr())]) if (seen := []) is not None else None
        assert seen == [inside]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: train(**parts(seed=seed), epochs=3), range(8)))
    assert (np.geterr(), threads()) == before
