"""The experiments run as a reader runs them, and refuse what they cannot do in one line."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent


def run(script, *arguments):
    command = [sys.executable, ROOT / "experiments" / f"{script}.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL)


def test_compare_activations(tmp_path):
    done = run("compare_activations", "--seeds", 2, "--epochs", 30, "--hidden", "8", "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress bar and no warning when piped
    for word in ("linear-only", "sigmoid", "tanh", "relu", "best line", "On moons, each at its own best learning rate"):
        assert word in done.stdout
    assert "…" not in done.stdout
    runs = pd.read_csv(tmp_path / "new" / "moons_runs.csv")
    assert set(runs.activation) == {"linear-only", "sigmoid", "tanh", "relu"}
    assert set(runs.phase) == {"tuning", "test"}
    figures = {path.name for path in (tmp_path / "new").glob("*.png")}
    assert figures == {f"moons_{kind}.png" for kind in ("boundaries", "learning_curves", "accuracy_over_rate")}


def test_compare_activations_on_real_data_of_many_features(tmp_path):
    arguments = "--data", "wine", "--activations", "tanh", "--seeds", 2, "--epochs", 5, "--out", tmp_path
    done = run("compare_activations", *arguments)
    assert done.returncode == 0, done.stderr
    assert "best line" not in done.stdout
    assert "wine_boundaries.png" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "mooons"), "unknown data set 'mooons'; known are moons, circles"),
        (("--activations", "tanh,relo"), "unknown activation 'relo'; known are"),
        (("--activations", ","), "at least one activation"),
        (("--hidden", "16,x"), "--hidden expects sizes >= 1 separated by commas, such as 16,16; got 'x'"),
        (("--hidden", "0"), "got '0'"),
        (("--seeds", "1"), "--seeds expects at least 2, got 1"),
        (("--epochs", "0"), "--epochs expects at least 1, got 0"),
        (("--out", __file__), "--out"),
    ],
)
def test_bad_arguments_end_with_code_2_and_no_traceback(arguments, message):
    done = run("compare_activations", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    error = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(error) == 1
    assert message in error[0]
    assert "Traceback" not in done.stderr


def test_speed_names_what_it_measured():
    done = run("speed", "--rounds", 3, "--replicas", 2)
    assert done.returncode == 0, done.stderr
    assert "scikit-learn" in done.stdout
    assert "minnet, a share of 2" in done.stdout
