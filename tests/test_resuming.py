"""A training that was stopped, killed or finished goes on from its file as if nothing had been, to the last bit."""

import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import minnet
from minnet import (
    SGD,
    Adam,
    Checkpoint,
    CheckpointError,
    Dense,
    Dropout,
    EarlyStopping,
    Network,
    Penalty,
    ReduceOnPlateau,
    Tanh,
    WarmUp,
    load,
    resume,
    train,
)
from minnet.tensor_files import reading

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
HELD_OUT = RNG.normal(size=(40, 2))
VALIDATION = HELD_OUT, (HELD_OUT[:, 0] * HELD_OUT[:, 1] > 0).astype(int)
WEIGHT = RNG.uniform(size=75)
NET = Network(Dense(2, 8), Tanh(), Dropout(0.2), minnet.BatchNorm(8), Dense(8, 2))
SCHEDULE = WarmUp(ReduceOnPlateau(0.05, patience=2), 20)


class PowerCut(Exception):
    pass


def cut_after(epochs):
    """A stand-in for kill -9 after the checkpoint of this epoch: an exception that nobody catches."""

    def cut(run):
        if len(run.history["loss"]) == epochs + 1:
            raise PowerCut

    return cut


def fit(*, stopping=None, checkpoint=None, every=1, callbacks=(), **settings):
    first, last = [stopping] if stopping else [], [Checkpoint(checkpoint, every=every)] if checkpoint else []
    settings = {
        "callbacks": [*first, *callbacks, *last],
        "epochs": 12,
        "batch_size": 16,
        "seed": 1,
        "validation": VALIDATION,
    } | settings
    optimizer = settings.pop("optimizer", Adam(SCHEDULE))
    network, x, y = settings.pop("network", NET), settings.pop("x", X), settings.pop("y", Y)
    return train(network, minnet.softmax_cross_entropy, optimizer, x, y, **settings)


def assert_same(run, expected):
    assert run.theta.tobytes() == expected.theta.tobytes()
    assert run.theta.dtype == expected.theta.dtype
    assert run.stops == expected.stops
    assert run.network == expected.network
    assert list(run.history) == list(expected.history)
    for name, values in expected.history.items():
        assert run.history[name].tobytes() == values.tobytes(), name
    assert (run.best_epoch is None) == (expected.best_epoch is None)
    np.testing.assert_array_equal(run.best_epoch, expected.best_epoch)


FOUR = {"seed": [1, 2, 3, 4], "optimizer": Adam(WarmUp(ReduceOnPlateau((0.05, 0.01, 1e30, 0.02), patience=2), 20))}
CASES = {
    "plain": {"validation": None, "optimizer": SGD(0.1)},
    "in order": {"shuffle": False, "optimizer": SGD(0.1)},
    "float64": {"dtype": np.float64, "optimizer": SGD(0.1, 0.9, weight_decay=1e-3)},
    "weight and penalty": {"sample_weight": WEIGHT, "penalty": Penalty(1e-4, 1e-3)},
    "early stopping": {"stopping": EarlyStopping(patience=3)},
    "replicas, one diverges": FOUR,
    "replicas, stopping early": FOUR | {"stopping": EarlyStopping("validation_metric", 3, least=0.01)},
    "replicas with data of their own": {
        "seed": [1, 2],
        "x": np.stack([X, X + 0.1]),
        "y": np.stack([Y, 1 - Y]),
        "sample_weight": np.stack([WEIGHT, WEIGHT[::-1]]),
        "stopping": EarlyStopping(patience=4),
    },
    "clipped": {"optimizer": minnet.Clipped(minnet.AdamW(SCHEDULE), norm=0.3), "batch_size": 10**6},
}


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_resumed_is_as_if_never_stopped(case, every, tmp_path):
    settings, path = CASES[case], tmp_path / "it"
    x, y = settings.get("x", X), settings.get("y", Y)
    rest = {"validation": settings.get("validation", VALIDATION), "sample_weight": settings.get("sample_weight")}
    whole = fit(**settings)
    kept = fit(**settings, checkpoint=path, every=every)
    assert_same(kept, whole)  # keeping checkpoints changes nothing
    assert_same(resume(path, x, y, **rest), whole)  # a training that has ended
    last = max(stop.epoch for stop in whole.stops)
    for cut in sorted({4, last - 1}):
        with pytest.raises(PowerCut):
            fit(**settings, checkpoint=path, every=every, callbacks=[cut_after(cut)])
        assert load(path).theta.tobytes() == fit(**settings | {"epochs": cut - cut % every}).theta.tobytes()
        with pytest.raises(PowerCut):  # twice
            resume(path, x, y, **rest, callbacks=[cut_after(last - 1)])
        assert_same(resume(path, x, y, **rest), whole)
        assert_same(resume(path, x, y, **rest), whole)


def test_ctrl_c_and_divergence_leave_a_file_to_go_on_from(tmp_path):
    def interrupt(run):
        if len(run.history["loss"]) == 6:
            raise KeyboardInterrupt

    assert fit(checkpoint=tmp_path / "it", callbacks=[interrupt]).stops[0].reason == "interrupted"
    assert_same(resume(tmp_path / "it", X, Y, validation=VALIDATION), fit())

    diverging = {"optimizer": SGD(minnet.ExponentialDecay(1e-3, 2.0)), "checkpoint": tmp_path / "other"}
    with pytest.raises(minnet.DivergenceError) as first:
        fit(**diverging)
    with pytest.raises(minnet.DivergenceError) as again:
        resume(tmp_path / "other", X, Y, validation=VALIDATION)
    assert first.value.run.stops[0].epoch > 2
    assert str(again.value) == str(first.value)
    assert_same(again.value.run, first.value.run)


def test_callbacks_are_called_from_the_next_epoch_on(tmp_path):
    seen = []

    def third_stops(run):
        seen.append(len(run.history["loss"]))
        return [False, False, len(seen) == 2]

    with pytest.raises(PowerCut):
        fit(seed=[1, 2, 3], checkpoint=tmp_path / "it", callbacks=[third_stops, cut_after(5)], epochs=8)
    run = resume(tmp_path / "it", X, Y, validation=VALIDATION, callbacks=[lambda run: seen.append(-1)])
    assert seen == [1, 2, 3, 4, 5, 6, -1, -1, -1]
    assert [stop[:2] for stop in run.stops] == [("finished", 8), ("finished", 8), ("third_stops", 2)]


@dataclass(frozen=True, repr=False)
class Halving(minnet.Schedule):
    """A schedule of one's own."""

    rate: minnet.schedules.Rate

    def factor(self, step):
        return 0.5 ** (step / 100)


def test_classes_of_ones_own_are_handed_in(tmp_path):
    path, settings = tmp_path / "it", {"optimizer": Adam(Halving(0.05))}
    with pytest.raises(PowerCut):
        fit(**settings, checkpoint=path, callbacks=[cut_after(3)])
    with pytest.raises(CheckpointError, match=r"optimizer.rate: class 'Halving' is unknown"):
        resume(path, X, Y, validation=VALIDATION)
    assert_same(resume(path, X, Y, validation=VALIDATION, custom=[Halving]), fit(**settings))


CHANGED = X.copy()
CHANGED[70, 1] = np.nextafter(np.float32(CHANGED[70, 1]), 9)  # one bit of one number, as the training sees it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": CHANGED}, "started on other data: x differ"),
        ({"x": X[:70], "y": Y[:70], "sample_weight": WEIGHT[:70]}, "other data: x, y, sample_weight differ"),
        ({"y": 1 - Y}, "other data: y differ"),
        ({"sample_weight": WEIGHT[::-1]}, "other data: sample_weight differ"),
        ({"sample_weight": None}, "the training was started with sample_weight"),
        ({"validation": None}, "the training was started with validation"),
        ({"validation": (HELD_OUT, 1 - VALIDATION[1])}, "other data: validation y differ"),
    ],
)
def test_other_data_are_refused(change, message, tmp_path):
    fit(sample_weight=WEIGHT, checkpoint=tmp_path / "it", epochs=2, stopping=EarlyStopping())
    before = (tmp_path / "it").read_bytes()
    data = {"x": X, "y": Y, "sample_weight": WEIGHT, "validation": VALIDATION} | change
    with pytest.raises(CheckpointError, match=message):
        resume(tmp_path / "it", **data)
    assert (tmp_path / "it").read_bytes() == before
    fit(checkpoint=tmp_path / "it", epochs=2, validation=None, optimizer=SGD(0.1))
    with pytest.raises(CheckpointError, match="the training was started without sample_weight"):
        resume(tmp_path / "it", X, Y, sample_weight=WEIGHT)


def test_a_network_alone_cannot_be_resumed(tmp_path):
    minnet.save(tmp_path / "it", NET, NET.init_theta(0))
    with pytest.raises(CheckpointError, match="it holds a network, but no training to go on with"):
        resume(tmp_path / "it", X, Y)


# ---- kill -9

KILLED = {
    "network": Network(Dense(2, 16), Tanh(), Dropout(0.2), Dense(16, 2)),
    "optimizer": Adam(minnet.CosineDecay((0.03, 0.01, 0.1, 0.02), 700)),
    "stopping": EarlyStopping(patience=40),
    "epochs": 140,
    "seed": [1, 2, 3, 4],
}


def until_killed(path):
    """What the process does that is to be killed: go on where the file stands, or start."""
    print("going", flush=True)
    if path.exists():
        resume(path, X, Y, validation=VALIDATION)
    else:
        fit(**KILLED, checkpoint=path)


def kill_again_and_again(path, moments, rng):
    """Kill a training at random moments; each time a copy of the file has to go on to the end of the whole.

    Every other time the next process goes on where the killed one was. Returns what the kills met.
    """
    started = time.perf_counter()
    whole = fit(**KILLED, checkpoint=path)
    span = time.perf_counter() - started
    path.unlink()
    code = f"import pathlib, test_resuming; test_resuming.until_killed(pathlib.Path({str(path)!r}))"
    met = {"after epochs": [], "while writing": 0, "too late": 0}
    while len(met["after epochs"]) < moments:
        child = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent, stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"going\n"
        time.sleep(rng.uniform(0, span))
        child.kill()
        ended = child.wait() == 0
        child.stdout.close()
        if ended:
            met["too late"] += 1
            path.unlink()
            continue
        met["while writing"] += any(path.parent.glob(".it.*.part"))
        if not path.exists():
            met["after epochs"].append(0)  # the first epoch was not done: there is nothing to go on from
            continue
        copy = path.with_name("copy")
        shutil.copy(path, copy)
        assert load(copy).network == KILLED["network"]
        with reading(copy) as file:
            met["after epochs"].append(file.settings["run"]["done"])
        assert_same(resume(copy, X, Y, validation=VALIDATION), whole)
        if len(met["after epochs"]) % 2:
            path.unlink()
    assert not any(path.parent.glob(".copy.*"))
    return met


def test_kill_9_at_random_moments(tmp_path):
    kill_again_and_again(tmp_path / "it", 3, np.random.default_rng(0))


@pytest.mark.slow
def test_kill_9_at_20_random_moments(tmp_path):
    print(kill_again_and_again(tmp_path / "it", 20, np.random.default_rng(1)))


# ---- seeds of any size, more epochs, another rate


@pytest.mark.parametrize("seed", [2**63, 2**64 - 1, 2**127, [1, 2**63], range(2**64, 2**64 + 2), np.array([2**63 + 1])])
def test_a_seed_that_trains_also_resumes(seed, tmp_path):
    settings = {"seed": seed, "validation": None, "optimizer": SGD(0.1), "epochs": 4}
    with pytest.raises(PowerCut):
        fit(**settings, checkpoint=tmp_path / "it", callbacks=[cut_after(2)])
    assert_same(resume(tmp_path / "it", X, Y), fit(**settings))


@pytest.mark.parametrize("seed", [True, 1.0, [1, 2.0], "1", [[1]], [None], -1, [2**63, -1]])
def test_what_is_no_seed_is_refused_at_the_door(seed):
    with pytest.raises(ValueError, match="seed has to be an integer"):
        fit(seed=seed)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_more_epochs_go_on_as_if_there_had_been_as_many_from_the_start(case, every, tmp_path):
    settings, path = CASES[case], tmp_path / "it"
    x, y = settings.get("x", X), settings.get("y", Y)
    rest = {"validation": settings.get("validation", VALIDATION), "sample_weight": settings.get("sample_weight")}
    fit(**settings, epochs=7, checkpoint=path, every=every)
    whole = fit(**settings, epochs=12)
    with suppress(PowerCut):  # in one case all have stopped early by then
        resume(path, x, y, **rest, epochs=15, callbacks=[cut_after(8)])
    assert_same(resume(path, x, y, **rest, epochs=12), whole)
    assert_same(resume(path, x, y, **rest), whole)  # the file knows them now


def test_fewer_epochs_than_are_done_are_refused(tmp_path):
    fit(epochs=6, checkpoint=tmp_path / "it")
    with pytest.raises(CheckpointError, match="6 epochs are done already, got epochs=5"):
        resume(tmp_path / "it", X, Y, validation=VALIDATION, epochs=5)
    for epochs in (0, 2.5, "9"):
        with pytest.raises(ValueError, match="epochs has to be an integer >= 1"):
            resume(tmp_path / "it", X, Y, validation=VALIDATION, epochs=epochs)


def test_another_rate_holds_from_the_next_step_on(tmp_path):
    """Without memory in the optimizer it is what a training from the last theta does at that rate."""
    x, y, network = X[:16], X[:16, :1], Network(Dense(2, 1))
    common = {"batch_size": 16, "seed": 0, "shuffle": False, "dtype": np.float64}
    first = train(network, minnet.mse, SGD(0.1), x, y, epochs=5, callbacks=[Checkpoint(tmp_path / "it")], **common)
    after = train(network, minnet.mse, SGD(0.02), x, y, epochs=3, start=first.theta, **common)
    run = resume(tmp_path / "it", x, y, epochs=8, learning_rate=0.02)
    assert run.theta.tobytes() == after.theta.tobytes()
    np.testing.assert_array_equal(run.history["loss"], [*first.history["loss"], *after.history["loss"]])
    again = resume(tmp_path / "it", x, y, epochs=9)
    longer = train(network, minnet.mse, SGD(0.02), x, y, epochs=4, start=first.theta, **common)
    assert again.theta.tobytes() == longer.theta.tobytes()  # it has become the training's own


def test_another_rate_for_each_replica_that_is_left_and_under_a_schedule(tmp_path):
    path, rates = tmp_path / "it", (0.05, 0.01, 1e30, 0.02)
    settings = {"seed": [1, 2, 3, 4], "validation": None, "epochs": 6}
    cases = {"plain": (SGD(rates), SGD((0.5, 0.1, 1.0, 0.2))), "schedule": (
        SGD(minnet.StepDecay(rates, 7)), SGD(minnet.StepDecay((0.5, 0.1, 1.0, 0.2), 7)))}  # fmt: skip
    for old, new in cases.values():
        fit(**settings, optimizer=old, checkpoint=path)
        run = resume(path, X, Y, epochs=7, learning_rate=(0.5, 0.1, 1.0, 0.2))
        assert [stop.reason for stop in run.stops] == ["finished", "finished", "diverged", "finished"]
        with reading(path) as file:
            found = {name: array.copy() for name, array in file.tensors()}
        factor = new.rate.factor(0) if isinstance(new.rate, minnet.StepDecay) else 1
        np.testing.assert_allclose(found["minnet.state.rate"].ravel() * factor, np.array([0.5, 0.1, 0.2], np.float32))
        assert load(path).theta.tobytes() == run.theta.tobytes()
        with reading(path) as file:
            assert file.settings["run"]["epochs"] == 7
    with pytest.raises(ValueError, match="has 3 learning rates, but theta holds"):
        resume(path, X, Y, epochs=9, learning_rate=(0.1, 0.2, 0.3))
    with pytest.raises(ValueError, match="StepDecay expects rate >= 0, got -1"):
        resume(path, X, Y, epochs=9, learning_rate=-1.0)
