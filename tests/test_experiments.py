"""The experiments run as a reader runs them, and refuse what they cannot do in one line."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_wine

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
    assert re.search("all at one shared rate +each at its own best rate\n1. ", done.stdout)
    runs = pd.read_csv(tmp_path / "new" / "moons_runs.csv")
    assert set(runs.condition) == {"linear-only", "sigmoid", "tanh", "relu"}
    assert set(runs.phase) == {"tuning", "test"}
    assert len(pd.read_csv(tmp_path / "new" / "moons_pairs.csv")) == 6
    manifest = json.loads((tmp_path / "new" / "moons_manifest.json").read_text())
    assert manifest["command"].endswith(f"--seeds 2 --epochs 30 --hidden 8 --out {tmp_path / 'new'}")
    figures = {path.name for path in (tmp_path / "new").glob("*.png")}
    assert figures == {f"moons_{kind}.png" for kind in ("boundaries", "rates", "curves", "pairs")}
    assert "<svg" in (tmp_path / "new" / "moons.html").read_text()


def test_compare_activations_shows_the_control_and_takes_up_what_is_trained(tmp_path):
    arguments = [
        "--activations",
        "sigmoid,minnet:Tanh",
        "--initialisers",
        "recommended,same",
        "--optimizers",
        "sgd,adam",
    ]
    arguments += ["--rates", "0.01,0.1,1", "--seeds", 2, "--epochs", 2, "--hidden", "4", "--jobs", 1, "--out", tmp_path]
    first, second, third = (run("compare_activations", *arguments, *more) for more in ((), (), ("--fresh",)))
    assert first.returncode == 0, first.stderr
    assert "sigmoid/recommended/adam" in first.stdout
    assert "minnet:Tanh/sgd" in first.stdout
    assert (first.stderr, third.stderr) == ("", "")
    assert second.stderr.endswith(f"pieces of work were taken from {tmp_path / 'trained'}; `fresh` trains all anew.\n")
    assert first.stdout == second.stdout == third.stdout


def test_compare_activations_measures_its_interval():
    done = run("compare_activations", "--control", "coverage", "--repeats", 2000)
    assert done.returncode == 0, done.stderr
    shares = [float(line.split()[-1].rstrip("%")) for line in done.stdout.splitlines()[1:3]]
    assert 93.5 < shares[0] < 96.5
    assert 86 < shares[1] < 90


@pytest.mark.parametrize("control", ["null", "positive"])
def test_compare_activations_runs_its_controls(control):
    done = run(
        "compare_activations", "--control", control, "--repeats", 1, "--seeds", 2, "--epochs", 2, "--rates", "0.1"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"The {control} control: ")
    assert done.stdout.count("of 1 repeats") == {"null": 1, "positive": 4}[control]


def test_compare_activations_on_a_table_of_ones_own(tmp_path):
    load_wine(as_frame=True).frame.rename(columns={"target": "kind"}).to_csv(tmp_path / "wines.csv", index=False)
    few = "--activations", "linear,tanh", "--seeds", 2, "--epochs", 5, "--rates", "0.1", "--out", tmp_path / "new"
    done = run("compare_activations", "--data", tmp_path / "wines.csv", "--target", "kind", *few)
    assert done.returncode == 0, done.stderr
    assert "Test accuracy on wines, 2 fresh seeds" in done.stdout
    assert "linear-only" in done.stdout
    assert (tmp_path / "new" / "wines.html").exists()


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
        (("--hidden", ""), "--hidden expects at least one size"),
        (("--data", "my.csv"), "--data my.csv expects --target, the name of the column to predict"),
        (("--data", "my.csv", "--target", "y"), "there is no file 'my.csv'"),
        (("--seeds", "1"), "--seeds expects at least 2, got 1"),
        (("--epochs", "0"), "--epochs expects at least 1, got 0"),
        (("--rates", "0.1,fast"), "--rates expects auto, or numbers separated by commas, such as 0.01,0.1; got 'fast'"),
        (("--initialisers", "best"), "unknown initialiser 'best'; known are recommended, same"),
        (("--optimizers", "sdg"), "unknown optimizer 'sdg'; known are"),
        (("--activations", "nowhere:Act"), "'nowhere:Act' expects package.module:NAME"),
        (("--jobs", "0"), "--jobs expects -1 (all cores) or at least 1, got 0"),
        (("--cluster", "here"), "no Dask scheduler answers at 'here'"),
        (("--control", "none"), "'none' is not one of 'null', 'positive', 'coverage'"),
        (("--out", __file__), "--out"),
    ],
)
def test_bad_arguments_end_with_code_2_and_no_traceback(arguments, message, tmp_path):
    done = run("compare_activations", "--out", tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    error = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(error) == 1
    assert message in error[0]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_speed_times_every_peer_that_is_installed_and_says_which_are_not(tmp_path):
    (tmp_path / "speed.json").write_text('{"load": {"records": []}, "growth": [{"grid": "of a former version"}]}')
    done = run("speed", "process", "growth", "--rounds", 3, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for name, package in (("scikit-learn", "sklearn"), ("PyTorch", "torch"), ("JAX", "jax")):
        timed = re.search(rf"^  {name}.* s   [\d.e+]+ × minnet's", done.stdout, re.MULTILINE)
        assert bool(timed) == bool(find_spec(package))
        assert bool(re.search(f"^Left out, not installed: .*{name}", done.stdout)) != bool(timed)
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["load"] == {"records": []}
    assert found["process"]["records"][0]["score"] > 0.93
    assert {row["grid"] for row in found["growth"]["records"]} == {"width", "depth", "batch", "samples", "replicas"}


@pytest.mark.slow
@pytest.mark.parametrize("script", ["firing", "gradient_learning", "output_range"])
def test_a_claim_is_measured_in_class(script, tmp_path):
    done = run(script, "--quick", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads((tmp_path / f"{script}.json").read_text())
    for part in found["parts"]:
        assert f"({part['letter']}) {part['title']}" in done.stdout
        assert part["answer"] == "holds" or not part["law"]
        for picture in part["pictures"]:
            assert (tmp_path / f"{picture['figure']}.svg").read_text().startswith("<?xml")
