"""The `minnet` command with good and bad input: what it prints where, and the code it exits with."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from typer.testing import CliRunner

from minnet import Dense, Elementwise, Network, ReLU, datasheet, save
from minnet.checkpoints import load
from minnet.cli.answers import json_text
from minnet.cli.app import app
from minnet.lab.expressions import formula
from minnet.lab.tables import read_table

MINE = """
from dataclasses import dataclass
import numpy as np
from minnet import Activation, Layer

@dataclass(frozen=True)
class Right(Activation):
    def __call__(self, x):
        return np.arctan(x)
    def derivative(self, x):
        return 1 / (1 + x * x)

@dataclass(frozen=True)
class Wrong(Right):
    def derivative(self, x):
        return -1 / (1 + x * x)

@dataclass(frozen=True)
class Sized(Layer):
    n: int
    def forward(self, params, x, streams=None):
        if x.shape[-1] != self.n:
            raise ValueError(f"expected {self.n} features")
        return 2 * x, lambda dy, grads, need_dx=True: 2 * dy

@dataclass(frozen=True)
class Named(Layer):
    name: str
    def forward(self, params, x, streams=None):
        return x, lambda dy, grads, need_dx=True: dy

NUMBER = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with tables, trained networks and a module of one's own, all made by the command."""
    folder = tmp_path_factory.mktemp("cli")
    iris = load_iris(as_frame=True).frame
    iris["species"] = iris.pop("target").map({0: "setosa", 1: "versicolor", 2: "virginica"})
    iris.to_csv(folder / "iris.csv", index=False)
    iris.head(4).drop(columns="species").to_csv(folder / "new.csv", index=False)
    iris.drop(columns="petal width (cm)").to_csv(folder / "lacks.csv", index=False)
    iris.assign(species="setosa").to_csv(folder / "one.csv", index=False)
    iris.assign(species=[None, *iris.species[1:]]).to_csv(folder / "gap.csv", index=False)
    load_diabetes(as_frame=True, scaled=False).frame.to_csv(folder / "diabetes.csv", index=False)
    (folder / "empty.csv").touch()
    (folder / "mine.py").write_text(MINE)
    (folder / "broken.py").write_text("def f(:")
    before = os.getcwd()
    os.chdir(folder)
    try:
        few = "--epochs", 30, "--quiet"
        assert (
            run(
                "train", "iris.csv", "--target", "species", "--epochs", 100, "-q", "--out", "iris.safetensors"
            ).exit_code
            == 0
        )
        assert (
            run("train", "diabetes.csv", "--target", "target", "--rate", 0.01, *few, "--out", "q.safetensors").exit_code
            == 0
        )
        assert run("train", "--epochs", 100, "--quiet", "--out", "moons.safetensors").exit_code == 0
        assert run("train", "--rate", 1e-5, "--epochs", 3, "--out", "idle.safetensors").exit_code == 0
        assert run("train", "--activation", "mine:Right", "--epochs", 3, "--out", "own.safetensors").exit_code == 0
    finally:
        os.chdir(before)
    whole = (folder / "iris.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def answer(*arguments, code=0):
    """The JSON document of a command."""
    done = run(*arguments, "--json")
    assert done.exit_code == code, done.stderr
    return json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_train_tells_what_the_saved_network_does(here):
    told = answer(
        "train", "iris.csv", "--target", "species", "--epochs", 30, "--seeds", 3, "--out", "three.safetensors"
    )
    assert [len(told["history"][name]) for name in told["history"]] == [30, 30, 30]
    table, saved = read_table("iris.csv", "species"), load("three.safetensors")
    k = told["seeds"].index(told["best_seed"])
    split = table.split(told["best_seed"])
    right = (saved.network(saved.theta, split.x_test).argmax(axis=-1) == split.y_test).mean()
    assert right == pytest.approx(told["test_score"][k])
    assert saved.metadata["seed"] == told["best_seed"]
    last = np.array(told["history"]["validation_metric"][-1])
    assert last[k] == last.max()
    assert told["mean"] == pytest.approx(np.mean(told["test_score"]))
    assert told["low"] < told["mean"] < told["high"]
    assert saved.network.layers[:2] == (Dense(4, 16, ReLU.weight_init), ReLU())


def test_train_prints_plain_lines(here):
    done = run("train", "--seeds", 2, "--epochs", 20)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "mean of 2 seeds, 95 % interval" in done.stdout
    assert "The best straight line on the same points: 88.0%." in done.stdout
    assert not {"\x1b", "─", "│", "…"} & set(done.stdout)
    assert not [line for line in done.stdout.splitlines() if line != line.rstrip()]


def test_train_counts_a_seed_that_diverged_as_guessing_as_compare_does(here):
    told = answer("train", "--seeds", 5, "--epochs", 20, "--rate", 30, "--hidden", "16,16,16")
    lost = [stop["reason"] == "diverged" for stop in told["stops"]]
    assert 0 < sum(lost) < 5
    assert [score for score, bad in zip(told["test_score"], lost, strict=True) if bad] == [0.5] * sum(lost)
    assert told["mean"] == pytest.approx(np.mean(told["test_score"]))
    done = run("train", "--seeds", 5, "--epochs", 20, "--rate", 30, "--hidden", "16,16,16")
    assert f"{sum(lost)} of 5 seeds diverged; each counts as guessing (50.0%)." in done.stderr
    assert "on these 2,000 points" in done.stdout
    assert "on new points" in done.stdout
    assert f"Means over {5 - sum(lost)} seeds that did not diverge:" in done.stdout


def test_train_that_diverges_exits_with_1(here):
    done = run("train", "--rate", 1e6, "--epochs", 3, "--out", "never.safetensors")
    assert done.exit_code == 1
    assert "Training diverged in epoch 1 at learning rate 1e+06" in done.stdout
    assert not (here / "never.safetensors").exists()
    told, fine = answer("train", "--rate", 1e6, "--epochs", 3, code=1), answer("train", "--epochs", 3)
    assert told.keys() == fine.keys()
    assert told["test_score"] == [0.5]  # a seed that diverged counts as guessing


def test_train_goes_on_from_its_checkpoint(here):
    common = "train", "--epochs", 12, "--checkpoint", "c.safetensors"
    whole = run(*common)
    assert whole.exit_code == 0
    again = run(*common, "--resume")
    assert again.stdout == whole.stdout
    other = run(*common, "--resume", "--seed", 1)
    assert other.exit_code == 2
    assert "started with other seeds than --seed and --seeds name: give --seed 0 --seeds 1" in other.stderr
    other = run(*common, "--resume", "--noise", 0.3)
    assert other.exit_code == 2
    assert "the training was started on other data" in other.stderr


def test_resuming_follows_epochs_and_rate_and_refuses_the_rest_by_name(here):
    first = "train", "iris.csv", "--target", "species", "--hidden", 5, "--activation", "mine:Right", "--seeds", 2
    file = "--checkpoint", "wish.st"
    assert run(*first, "--epochs", 4, *file).exit_code == 0
    kept = (here / "wish.st").read_bytes()
    again = "--epochs", 4, *file, "--resume", "--optimizer", "sgd", "--initialiser", "recommended", "--batch-size", 32
    assert run(*first, *again, "--every", 10).exit_code == 0  # the same command once more
    for option, value in (("--optimizer", "adam"), ("--initialiser", "he_normal"), ("--batch-size", 8), ("--every", 3)):
        done = run(*first, *file, "--resume", option, value)
        assert done.exit_code == 2
        assert f"and {option} would make another one: only --epochs and --rate may change" in done.stderr
    done = run(*first, *file, "--resume", "--hidden", "5,5", "--activation", "tanh")
    assert done.exit_code == 2
    assert "class 'Right' is unknown" in done.stderr
    done = run(*first, *file, "--resume", "--epochs", 3)
    assert done.exit_code == 2
    assert "4 epochs are done already, got epochs=3" in done.stderr
    assert (here / "wish.st").read_bytes() == kept
    told = answer(*first, *file, "--resume", "--epochs", 6, "--rate", 0.02)
    assert [len(values) for values in told["history"].values()] == [6, 6, 6]
    assert told["history"]["loss"][:4] == answer(*first, "--epochs", 6)["history"]["loss"][:4]
    assert told["history"]["loss"][5] != answer(*first, "--epochs", 6)["history"]["loss"][5]


def test_predict_gives_what_the_network_says_of_rows_made_ready_by_scikit_learn(here):
    done = run("predict", "iris.safetensors", "iris.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    (here / "told.csv").write_text(done.stdout)
    told, table, saved = pd.read_csv("told.csv"), read_table("iris.csv", "species"), load("iris.safetensors")
    assert list(told) == ["species", "p(setosa)", "p(versicolor)", "p(virginica)"]
    rows = table.test[0].index
    z = saved.network(saved.theta, table.split(0).x_test).astype(float)
    shares = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(told.iloc[rows, 1:], shares, rtol=1e-4, atol=1e-6)
    assert told.species[rows].tolist() == [table.classes[i] for i in z.argmax(axis=1)]
    assert answer("predict", "iris.safetensors", "iris.csv")["predictions"] == told.species.tolist()


def test_predict_gives_quantities_in_their_own_unit(here):
    told = answer("predict", "q.safetensors", "diabetes.csv")["predictions"]
    y = pd.read_csv("diabetes.csv").target
    assert np.corrcoef(told, y)[0, 1] > 0.6
    assert abs(np.mean(told) - y.mean()) < 0.1 * y.mean()


def test_inspect_shows_every_parameter(here):
    told, saved = answer("inspect", "iris.safetensors"), load("iris.safetensors")
    W, _ = saved.network.unpack(saved.theta)[0]
    shown = told["layers"][0]["parameters"][0]
    assert (shown["shape"], shown["mean"], shown["max"]) == ([4, 16], pytest.approx(W.mean()), pytest.approx(W.max()))
    assert told["parameters"] == saved.theta.size
    text = run("inspect", "iris.safetensors").stdout
    for word in ("Dense(4, 16)", "setosa, versicolor, virginica", "petal width (cm)", "float32"):
        assert word in text


def test_diagnose_finds_the_network_that_learned_nothing(here):
    assert answer("diagnose", "moons.safetensors")["healthy"] is True
    assert answer("diagnose", "iris.safetensors", "--data", "iris.csv")["healthy"] is True
    told = answer("diagnose", "idle.safetensors", code=1)
    assert (told["healthy"], told["kind"]) == (False, "rate too low")


def test_activations_lists_and_computes(here):
    text = run("activations").stdout
    assert text.startswith("activation ")
    assert "HardSwish()" in text
    assert len(answer("activations")["activations"]) == 23
    assert run("activations", "gelu").stdout.startswith("GELU()\n")
    assert run("activations", "mine:Right").stdout.startswith("Right()\n")
    assert answer("activations", "x * tanh(log1p(exp(x)))")["equals"] == ["Mish()"]
    assert answer("activations", "relu")["range"] == [0.0, "inf"]


@pytest.mark.parametrize(
    "text", ["tanh(x)", "where(x > 0, x, 0.1 * x)", "maximum(x, 0)", "x / (1 + abs(x))", "-x ** 2", "sin(pi * x)"]
)
def test_an_expression_is_what_python_makes_of_it(text):
    x = np.linspace(-3, 3, 41)
    np.testing.assert_allclose(formula(text)(x), eval(text, {**vars(np), "x": x, "abs": abs}))


@pytest.mark.parametrize("text", ["x.real", "__import__('os')", "9**9**9 if x else x", "x +", "load('f')"])
def test_nothing_but_arithmetic_is_an_activation(text):
    done = run("activations", text)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_check_lists_faults_and_exits_with_1(here):
    assert run("check", "mine:Right").exit_code == 0
    done = run("check", "mine:Wrong")
    assert done.exit_code == 1
    assert "the sign is wrong" in done.stdout
    assert answer("check", "mine:Wrong", code=1)["faults"]
    assert run("check", "mine:Sized", "--inputs", 5).stdout.startswith("Sized(n=5) is all right")
    assert run("check", "minnet:SGD").exit_code == 0
    assert run("check", "minnet:SoftmaxCrossEntropy", "--targets", "labels").exit_code == 0
    assert run("check", "minnet:SoftmaxCrossEntropy").exit_code == 1


def test_export_writes_a_program_that_computes_the_same(here):
    saved, x = load("iris.safetensors"), np.random.default_rng(0).standard_normal((5, 4))
    made = {}
    done = run("export", "iris.safetensors", "--to", "numpy", "--quiet")
    assert done.stderr == ""
    exec(done.stdout, made)
    np.testing.assert_allclose(made["network"](x), saved.network(saved.theta, x), atol=1e-5)
    done = run("export", "iris.safetensors", "--to", "sklearn", "-o", "network.py")
    assert (done.exit_code, done.stdout) == (0, "Written: network.py\n")
    assert "features made ready" in done.stderr


def test_compare_has_a_document_too(here):
    few = "--activations", "identity,relu", "--seeds", 2, "--epochs", 3, "--hidden", 4, "--rates", "0.1", "--jobs", 1
    told = answer("compare", *few, "--out", "cmp")
    assert [row["condition"] for row in told["table"]] == ["linear-only", "relu"]
    assert (here / "cmp" / "moons.html").exists()
    assert answer("compare", *few, "--control", "null", "--repeats", 1)["data"]["moons"]["repeats"] == 1


BAD = [
    ("train no.csv --target y", "there is no file 'no.csv'"),
    ("train . --target y", "'.' is not a file"),
    ("train iris.csv", "--data iris.csv expects --target"),
    ("train empty.csv --target y", "empty.csv is empty"),
    ("train iris.csv --target specis", "did you mean 'species'?"),
    ("train one.csv --target species", "there is nothing to predict"),
    ("train gap.csv --target species", "is missing in row 1"),
    ("train --data mooons", "unknown data set 'mooons'; known are moons"),
    ("train --data moons --task regression", "--task goes with a CSV file"),
    ("train iris.csv --data moons", "expected one data set"),
    ("train --activation relo", "unknown activation 'relo'; known are"),
    ("train --activation broken:f", "SyntaxError: invalid syntax"),
    ("train --rate nan", "expects rate >= 0, got nan"),
    ("train --noise nan", "nan"),
    ("train --epochs 0", "--epochs expects at least 1, got 0"),
    ("train --epochs many", "--epochs"),
    ("train --epoch 3", "--epoch"),
    ("train --out nowhere/m", "--out expects a file in a folder that is there, got nowhere/m"),
    ("train --resume", "--resume expects --checkpoint"),
    ("train --resume --checkpoint no", "No such file"),
    ("train --resume --checkpoint iris.safetensors", "no training to go on with"),
    ("predict no new.csv", "there is no file 'no'"),
    ("predict . new.csv", "'.' is not a file"),
    ("predict cut.safetensors new.csv", "cut.safetensors"),
    ("predict iris.csv new.csv", "iris.csv"),
    ("predict iris.safetensors no.csv", "there is no file 'no.csv'"),
    ("predict iris.safetensors lacks.csv", "lacks.csv has no column 'petal width (cm)'"),
    ("predict iris.safetensors empty.csv", "empty.csv is empty"),
    ("predict iris.safetensors", "CSV"),
    ("inspect own.safetensors", "--custom module:NAME"),
    ("inspect own.safetensors --custom mine:NUMBER", "--custom mine:NUMBER is no layer or activation"),
    ("diagnose iris.safetensors", "give it as --data FILE"),
    ("diagnose moons.safetensors --noise 0.3", "was trained on other data"),
    ("activations relo", "unknown activation 'relo'"),
    ("activations relo(x)", "'relo(x)' may not stand in a formula"),
    ("check mine:NUMBER", "is no Activation, Layer, Loss or Optimizer: got 3"),
    ("check mine:Named", "cannot be made without name"),
    ("check nowhere:It", "No module named 'nowhere'"),
    ("export iris.safetensors --to basic", "'onnx', 'torch', 'numpy', 'sklearn'"),
    ("export own.safetensors --to numpy --custom mine:Right", "Right()"),
    ("compare --hidden 0", "--hidden expects sizes >= 1"),
    ("compare --out iris.csv", "--out has to be a folder that can be written"),
    ("nothing", "No such command 'nothing'"),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_bad_usage_and_bad_input_are_told_in_one_line(line, message, here):
    for more in ((), ("--json",)):
        done = run(*line.split(), *more)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        (said,) = done.stderr.splitlines()
        assert said.startswith("Error: ")
        assert message in said


@pytest.mark.parametrize(
    "command", ["compare", "train", "predict", "inspect", "diagnose", "activations", "check", "export"]
)
def test_help_teaches_by_example(command):
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"Examples:\n    minnet {command}" in done.stdout
    assert "--json" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert command in run().stdout


def test_json_has_no_nan():
    told = json.loads(json_text({"a": np.float32("nan"), "b": np.array([[-np.inf, 1]]), "c": (True, None, "x")}))
    assert told == {"a": None, "b": [["-inf", 1.0]], "c": [True, None, "x"]}


def process(*arguments, **options):
    command = [sys.executable, "-m", "minnet", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_reader_that_goes_away_is_no_error(here):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        command = [sys.executable, "-m", "minnet", "activations"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_ctrl_c_keeps_what_was_trained(here):
    with process(
        "train", "--data", "digits", "--epochs", 10**6, "--checkpoint", "k", "--every", 1, "--out", "kept",
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    ) as going:  # fmt: skip
        while not (here / "k").exists():
            assert going.poll() is None
            time.sleep(0.05)
        going.send_signal(signal.SIGINT)
        out, err = going.communicate(timeout=60)
    assert going.returncode == 130
    assert "Test accuracy" in out
    assert "Interrupted" in err
    assert isinstance(load("kept").network, Network)


def test_the_command_loads_nothing_heavy_for_its_help():
    heavy = {"pandas", "sklearn", "scipy", "matplotlib", "jinja2", "rich", "onnx", "joblib", "safetensors"}
    code = "import sys; from minnet.cli.app import app; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "typer" in done.stdout.split()
    assert not heavy & set(done.stdout.split())


def test_the_datasheet_is_that_of_the_library(here):
    assert answer("activations", "tanh")["lipschitz"] == datasheet(Elementwise(formula("tanh(x)"))).lipschitz


# ---- what is on the path


STRAY = ("rich", "pandas", "typer", "scipy", "tempfile", "uuid", "queue")


@pytest.mark.parametrize("flags", [(), ("-P",), ("-I",)])
def test_no_module_of_the_working_folder_is_taken_for_another(flags, tmp_path):
    for name in STRAY:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the working folder ran')")
    (tmp_path / "mine.py").write_text(MINE)
    few = "--seeds", "2", "--epochs", "1", "--hidden", "2", "--rates", "0.1", "--jobs", "2", "--out", "results"
    for line in (("activations",), ("check", "mine:Right"), ("compare", "--activations", "relu,mine:Right", *few)):
        command = [sys.executable, *flags, "-m", "minnet", *line]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if flags and line[0] != "activations":
            assert done.returncode == 2
            (told,) = done.stderr.splitlines()
            assert "No module named 'mine' (Python was started with -P, -I or PYTHONSAFEPATH" in told
        else:
            assert done.returncode == 0, done.stderr
            assert all(line.startswith("The weights of mine:Right start by") for line in done.stderr.splitlines())


def test_the_path_is_as_before_after_a_command(here):
    before = list(sys.path)
    assert run("check", "mine:Right").exit_code == 0
    assert sys.path == before


# ---- what a file says of itself, and names with a meaning elsewhere

HOSTILE = "\x1b[2J\x9b31m\x07 \u202e"
RIGHT = {"columns": [], "target": "y", "classes": [], "mean": 0.0, "scale": 1.0}
METADATA = [
    {"loss": 0.12},
    {"loss": ["a"], "preprocessing": None, "data": 3},
    {"loss": [], "preprocessing": {"columns": 1}, "seed": "x"},
    {"preprocessing": RIGHT | {"columns": [{"name": 1, "mean": "x", "scale": 0}], "target": 0, "classes": "ab"}},
    {"preprocessing": RIGHT | {"columns": [{"name": "a", "values": [1], "rest": []}], "scale": 0}},
    {"preprocessing": RIGHT, "data": "moons", "seed": -1, "task": "regression"},
    {HOSTILE: HOSTILE + "\nsecond line", "deep": {HOSTILE: [HOSTILE]}},
]


@pytest.mark.parametrize("metadata", METADATA)
def test_any_metadata_is_shown_or_refused_in_one_line(metadata, here):
    network = Network(Dense(2, 2))
    save("any.st", network, network.init_theta(0), metadata=metadata)
    done = run("inspect", "any.st")
    assert (done.exit_code, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) <= 6 + len(metadata) * 3
    assert not set(HOSTILE) - {*"[2J31m "} & set(done.stdout)
    assert answer("inspect", "any.st")["metadata"] == json.loads(json.dumps(metadata))
    assert run("export", "any.st", "--to", "numpy").exit_code == 0
    for line in (("diagnose", "any.st"), ("predict", "any.st", "new.csv")):
        done = run(*line)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.output
        assert not set(HOSTILE) - {*"[2J31m "} & set(done.stderr)


def test_a_users_loss_is_shown_as_it_is(here):
    network = Network(Dense(2, 2))
    save("loss.st", network, network.init_theta(0), metadata={"loss": 0.12, "preprocessing": None})
    lines = run("inspect", "loss.st").stdout.splitlines()
    assert [line.split() for line in lines[-2:]] == [["loss", "0.12"], ["preprocessing", "None"]]


def test_a_name_in_brackets_is_no_colour(here):
    (here / "iris.csv").rename(here / "[red].csv")
    try:
        few = "--seeds", 2, "--epochs", 1, "--hidden", 2, "--rates", 0.1, "--jobs", 1, "--out", "brackets"
        done = run("compare", "--data", "[red].csv", "--target", "species", *few, "--activations", "relu")
    finally:
        (here / "[red].csv").rename(here / "iris.csv")
    assert done.exit_code == 0, done.stderr
    assert "Test accuracy on [red], 2 fresh seeds" in done.stdout


# ---- full, closed and vanished places


def test_a_full_stdout_is_told_in_one_line(here):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    for line in ("--help", "train --help", "--version", "activations", "inspect iris.safetensors --json"):
        with open("/dev/full", "w") as full:
            command = [sys.executable, "-m", "minnet", *line.split()]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, "Error: No space left on device: standard output\n")


def test_closed_streams_lose_nothing(here):
    for closing, rest in ((">&-", ""), ("2>&-", "3.2"), (">&- 2>&-", "")):
        line = f"{sys.executable} -m minnet train --epochs 2 --out closed.st {closing}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "" if "2" in closing else done.stderr)
        assert "Traceback" not in done.stderr
        assert not done.stdout or (rest and "Saved" not in done.stdout)
        assert load("closed.st").network.size > 0
        (here / "closed.st").unlink()


def test_a_working_folder_that_was_deleted_is_no_reason_to_fail(here, tmp_path):
    gone = tmp_path / "gone"
    for line, code in ((f"inspect {here / 'iris.safetensors'}", 0), ("check mine:It", 2), ("train --out it", 2)):
        gone.mkdir()
        script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m minnet {line}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (code, code // 2), done.stderr


def test_an_export_that_cannot_be_written_names_its_file(here):
    code = (
        "import resource, sys; from minnet.cli.app import app; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "app(['export', 'iris.safetensors', '--to', sys.argv[1], '-o', 'full.out'])"
    )
    for target in ("numpy", "torch", *(["onnx"] if find_spec("onnx") else [])):
        done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, "Error: File too large: full.out\n")
        assert not [name for name in os.listdir() if "full.out" in name]


def test_a_name_that_the_system_cannot_write_is_refused_before_the_training(here):
    code = "from minnet.cli.app import app; app(['train', '--epochs', '10000000', '--out', 'gr\\xf6\\xdfe'])"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, env=os.environ | plain, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert b"--out" in done.stderr
