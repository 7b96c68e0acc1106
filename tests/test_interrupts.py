"""Ctrl-C at each line of a training: the Run comes back, its theta of a whole step, its history of whole epochs."""

import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from killed import KINDS, kill_trainings

import minnet
from minnet import SGD, BatchNorm, Dense, EarlyStopping, Network, Tanh, mse, train
from minnet.interrupts import LateInterrupt

PACKAGE = str(Path(minnet.__file__).parent)
X = np.random.default_rng(0).normal(size=(8, 2))
Y = X[:, :1] * X[:, 1:]
NET = Network(Dense(2, 3), BatchNorm(3), Tanh(), Dense(3, 1))
STATISTICS = np.concatenate([np.full(np.prod(p.shape), p.role == "statistic") for p in NET.parameters])
SEEN: list[np.ndarray] = []  # theta after each step


@pytest.fixture(autouse=True)
def default_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True, repr=False)
class Noting(SGD):
    """SGD that keeps each theta that it comes to."""

    def step(self, theta, gradient, state):
        super().step(theta, gradient, state)
        SEEN.append(theta.copy())


def stops_the_second(run):
    return [False, len(run.history["loss"]) == 2, False]


def fit(**settings):
    """Of three replicas one diverges in its first epoch, one is stopped, one goes on."""
    defaults = {
        "epochs": 3, "batch_size": 4, "seed": [0, 1, 2], "dtype": np.float64, "validation": (X, Y),
        "callbacks": [EarlyStopping("validation_loss", patience=3), stops_the_second],
    }  # fmt: skip
    return train(NET, mse, Noting((0.1, 0.2, 1e200)), X, Y, **defaults | settings)


def lines(act, call):
    """Run call() and then act(i) at the i-th line of minnet's that it executes; return what it returned."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            count += 1
            act(count, frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return call()
    finally:
        sys.settrace(before)


def ends_of_steps(*thetas):
    """The rows of theta without the statistics, which are set between steps."""
    return {row[~STATISTICS].tobytes() for theta in thetas for row in theta}


@pytest.mark.parametrize("stride", [31, pytest.param(1, marks=pytest.mark.slow)])
def test_ctrl_c_at_any_line_gives_a_run_of_whole_steps_and_epochs(stride):
    SEEN.clear()
    whole = fit()
    assert [stop.reason for stop in whole.stops] == ["finished", "stops_the_second", "diverged"]
    steps = ends_of_steps(NET.init_theta([0, 1, 2], np.float64), *SEEN)
    places = []
    lines(lambda i, frame: places.append(frame.f_code.co_name), fit)
    put_off = places.index("run", places.index("__enter__"))  # before this line nothing has been trained
    lost, reasons = [], set()
    for k in {*range(0, len(places), stride), *range(len(places) - 30, len(places))}:
        try:
            run = lines(lambda i, frame, k=k: signal.raise_signal(signal.SIGINT) if i == k else None, fit)
        except KeyboardInterrupt:
            lost.append(k)
            continue
        reasons |= {stop.reason for stop in run.stops}
        assert ends_of_steps(run.theta) <= steps
        done = len(run.history["loss"])
        for name, values in run.history.items():
            np.testing.assert_array_equal(values, whole.history[name][:done])
        assert {stop.epoch for stop in run.stops} <= {*range(done + 1)}
        assert run.best_epoch.shape == (3,)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert [k for k in lost if k >= put_off] == []
    assert reasons >= {"interrupted", "stops_the_second", "diverged"}


@pytest.mark.parametrize("stride", [47, pytest.param(1, marks=pytest.mark.slow)])
def test_an_interrupt_that_cannot_be_put_off_leaves_a_finite_theta(stride):
    """As a second Ctrl-C, or one that a callback raises: KeyboardInterrupt at any line of the loop."""
    fit()  # what is computed once and kept takes no lines later
    places = []
    lines(lambda i, frame: places.append((frame.f_code.co_name, frame.f_lineno)), fit)
    first = [name for name, _ in places].index("epoch")
    last = len(places) - 1 - [name for name, _ in places][::-1].index("check")

    def interrupt(i, frame, k):
        if i == k:
            raise KeyboardInterrupt

    for k in range(first, last, stride):
        run = lines(lambda i, frame, k=k: interrupt(i, frame, k), fit)
        assert np.isfinite(run.theta).all()
        assert "running" not in {stop.reason for stop in run.stops}
        assert {len(values) for values in run.history.values()} == {len(run.history["loss"])}


def test_a_second_ctrl_c_ends_a_callback_that_hangs():
    def hangs(run):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        pytest.fail("the second did not raise")

    run = fit(callbacks=[hangs])
    assert {stop.reason for stop in run.stops} == {"interrupted", "diverged"}
    assert len(run.history["loss"]) == 1


def test_ctrl_c_in_the_last_epoch_is_reported():
    """All epochs are done, and whoever trains one network after another still learns that it was pressed."""

    def late(run):
        if len(run.history["loss"]) == 3:
            signal.raise_signal(signal.SIGINT)

    run = fit(callbacks=[late])
    assert run.stops[0] == ("interrupted", 3, "interrupted in epoch 3")


def test_a_handler_of_ones_own_stays(monkeypatch):
    """So does SIG_IGN, which a worker has; and another thread than the main one has none to put off."""
    pressed = []

    def press(run):
        signal.raise_signal(signal.SIGINT)

    for handler in (lambda *_: pressed.append(1), signal.SIG_IGN):
        signal.signal(signal.SIGINT, handler)
        assert fit(callbacks=[press]).stops[0].reason == "finished"
        assert signal.getsignal(signal.SIGINT) is handler
    assert len(pressed) == 3
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(fit()))
    thread.start()
    thread.join()
    assert seen[0].stops[0].reason == "finished"


def test_inside_another_it_leaves_ctrl_c_to_the_outer_one():
    with LateInterrupt() as outer:
        with LateInterrupt() as inner:
            signal.raise_signal(signal.SIGINT)
        assert (outer.pressed, inner.pressed) == (True, False)
        with pytest.raises(KeyboardInterrupt):
            outer.check()


@pytest.mark.slow
def test_what_was_killed_ends_in_the_same_bits():
    """Kill -9, SIGTERM and Ctrl-C at random moments, over each kind of training; `killed.py train 20` does more."""
    assert kill_trainings(len(KINDS)) == []
