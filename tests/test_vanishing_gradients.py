"""The experiment on deep networks: its starts are what they are called, its counts and intervals right, and it runs."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.vanishing_gradients import MENDED, NETWORKS, TRAINS, centred, counted, headline
from minnet import Activation, Sigmoid, Tanh, glorot_uniform, tanh_equivalent
from minnet.lab.conditions import mlp

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Centred(Activation):
    """σ(x) - ½."""

    def __call__(self, x):
        return Sigmoid()(x) - x.dtype.type(0.5)

    def derivative(self, x):
        return Sigmoid().derivative(x)


def test_each_start_is_what_it_is_called():
    x = np.random.default_rng(0).normal(size=(20, 2))
    sigmoid, other, tanh = (mlp(act, 2, (16,) * 4, 2, glorot_uniform) for act in (Sigmoid(), Centred(), Tanh()))
    theta = sigmoid.init_theta([0, 1], np.float64)
    np.testing.assert_allclose(sigmoid(centred(sigmoid, theta), x), other(theta, x), atol=1e-13)
    make, start = NETWORKS[MENDED]
    assert (make(4), start) == (sigmoid, tanh_equivalent)
    np.testing.assert_allclose(sigmoid(start(sigmoid, theta), x), tanh(theta, x), atol=1e-12)


def test_every_network_has_the_depth_it_says():
    for name, (make, _) in NETWORKS.items():
        for depth in (1, 2, 6):
            dense = [p for p in make(depth).parameters if p.role == "weight"]
            assert [p.shape for p in dense] == [(2, 16), *[(16, 16)] * (depth - 1), (16, 2)], name


def test_seeds_that_train_are_counted_with_wilsons_interval():
    rows = [("SGD", name, depth, "test", score, 0.1) for name, depth, scores in
            (("sigmoid, Glorot", 1, [0.95] * 8 + [0.5] * 2), ("sigmoid, Glorot", 20, [0.5] * 10),
             ("sigmoid, as tanh", 1, [TRAINS] * 10), ("sigmoid, as tanh", 20, [TRAINS - 1e-9] + [0.96] * 9))
            for score in scores]  # fmt: skip
    rows += [("SGD", "sigmoid, Glorot", 20, "tuning", 0.99, 0.1)] * 5  # not counted
    told = counted(pd.DataFrame(rows, columns=["optimizer", "network", "depth", "phase", "test_score", "rate"]))
    assert told.trains.tolist() == [8, 0, 10, 9]
    n, z = 10, 1.959964
    for row in told.itertuples():  # Wilson 1927
        share = row.trains / n
        middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        np.testing.assert_allclose((row.low, row.high), (np.array([middle - half, middle + half])) / (1 + z * z / n),
                                   atol=1e-6)  # fmt: skip
    figure = headline(told)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["Sigmoid, by how it starts (plain SGD)"]
    assert {text.get_text() for text in figure.axes[0].texts} >= {"default (Glorot)", "starts as tanh"}


@pytest.mark.slow
def test_the_experiment_runs_and_goes_on_where_it_was(tmp_path):
    command = [sys.executable, ROOT / "experiments" / "vanishing_gradients.py", "--quick", "--out", tmp_path]
    done = [subprocess.run(command, capture_output=True, text=True, cwd=ROOT) for _ in range(2)]
    assert [d.returncode for d in done] == [0, 0], done[0].stderr
    assert [d.stderr for d in done] == ["", ""]
    kept = [[line for line in d.stdout.splitlines() if " s. Figures" not in line] for d in done]
    assert kept[0] == kept[1]
    summary = json.loads((tmp_path / "vanishing_gradients.json").read_text("utf-8"))
    assert [part["letter"] for part in summary["parts"]] == ["a", "b", "c", "d", "e"]
    assert all(part["holds"] for part in summary["parts"] if part["law"])
    assert (tmp_path / "vanishing_gradients_trains.png").stat().st_size > 10_000
