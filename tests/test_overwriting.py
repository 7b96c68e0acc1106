"""No command replaces a file that is not of the kind it writes; links are followed, modes kept, devices left alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import minnet
from minnet import CheckpointError, Dense, Network, Tanh, load, save
from minnet.cli.app import app
from minnet.exports import to_code
from minnet.files import replace_file

SMALL, LARGE = Network(Dense(2, 3), Tanh(), Dense(3, 2)), Network(Dense(2, 100), Tanh(), Dense(100, 2))


def run(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("small.st", SMALL, SMALL.init_theta(0), metadata={"classes": ["no", "yes"]})
    save("model.safetensors", LARGE, LARGE.init_theta(0), metadata={"classes": ["no", "yes"]})
    save("bare.safetensors", LARGE, LARGE.init_theta(0))
    Path("my.csv").write_text("a,b,kind\n" + "".join(f"{i % 7},{i * i % 11},{'xy'[i % 2]}\n" for i in range(60)))
    Path("notes.py").write_text("print('mine')\n")
    Path("empty").touch()
    os.mkfifo("pipe")  # stands for devices too: a test that fails shall not cost this machine its /dev/null
    return tmp_path


def refused(*arguments):
    """One line and code 2, and no file is changed, made or left lying beside; returns the line."""
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    done = run(*arguments)
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.output
    return done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("export model.safetensors --to torch -o model.py", "'model.safetensors' is what is read here"),
        ("export bare.safetensors --to torch -o bare.py", "'bare.safetensors' is what is read here"),
        ("export small.st --to torch -o small.st", "'small.st' is what is read here"),
        ("export small.st --to onnx -o ./small.st", "'small.st' is what is read here"),
        ("export bare.safetensors --to torch -o model.py", "and is not the weights of a program"),
        ("export model.safetensors --to numpy -o a.npz", "its weights go to 'a.npz'"),
        ("export small.st --to numpy -o notes.py", "'notes.py' is there already and is not a program"),
        ("export small.st --to onnx -o my.csv", "'my.csv' is there already and is not an ONNX model"),
        ("train my.csv --target kind --epochs 1 --out my.csv", "'my.csv' is there already and is not a network"),
        ("train my.csv --target kind --epochs 1 --checkpoint my.csv", "--checkpoint 'my.csv' is there already"),
        ("train --epochs 1 --checkpoint small.st", "is not a checkpoint of a training"),
        ("train --epochs 1 --out pipe", "it is no regular file"),
        ("train --epochs 1 --checkpoint pipe", "it is no regular file"),
        ("export small.st --to numpy -o pipe", "it is no regular file"),
        ("train --epochs 1 --out new --checkpoint ./new", "expected two files"),
        ("train --epochs 1 --out " + "x" * 250, "File name too long"),
    ],
)  # fmt: skip
def test_a_command_writes_over_its_own_kind_only(line, message, here):
    assert message in refused(*line.split())
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)


def test_what_is_of_the_kind_is_replaced(here):
    for _ in range(2):  # what was not there, then over it
        assert run("train", "--epochs", 1, "--out", "m").exit_code == 0
        assert run("export", "m", "--to", "numpy", "-o", "n.py").exit_code == 0
        assert run("export", "model.safetensors", "--to", "torch", "-o", "t.py").exit_code == 0
        assert run("export", "model.safetensors", "--to", "numpy", "-o", "u.py").exit_code == 0
    assert run("train", "--epochs", 1, "--out", "empty").exit_code == 0  # as mktemp makes them
    assert {"t.safetensors", "u.npz"} <= {*os.listdir()}
    pytest.importorskip("onnx")
    for _ in range(2):
        assert run("export", "m", "--to", "onnx", "-o", "n.onnx").exit_code == 0


def test_over_an_earlier_training_only_when_asked(here):
    first = "train", "--epochs", 3, "--checkpoint", "run.st"
    assert run(*first).exit_code == 0
    assert "'run.st' holds a training, 3 epochs done: --resume goes on with it, --fresh starts anew" in refused(*first)
    assert "is not a network written by minnet" in refused("train", "--epochs", 1, "--out", "run.st")
    assert "one of --resume and --fresh" in refused(*first, "--resume", "--fresh")
    assert run("train", "--epochs", 1, "--checkpoint", "run.st", "--fresh").exit_code == 0
    assert run("train", "--checkpoint", "run.st", "--resume").stdout.count("\n    1  ") == 1


def test_a_report_goes_over_an_earlier_report_only(here):
    few = "compare", "--seeds", 2, "--epochs", 1, "--hidden", 2, "--rates", 0.1, "--jobs", 1, "--activations", "relu"
    Path("moons.html").write_text("<title>My page</title>")
    assert "'moons.html' is there already and is not a report" in refused(*few, "--out", ".")
    Path("moons.html").unlink()
    Path("moons_runs.csv").write_text("mine")
    assert "moons_runs.csv would be replaced" in refused(*few, "--out", ".")
    for _ in range(2):
        assert run(*few, "--out", "results").exit_code == 0


def test_a_program_takes_no_other_files_place_in_python_either(here):
    theta = LARGE.init_theta(1)
    np.savez("data.npz", measured=np.arange(3))
    for target, path in (("numpy", "data.py"), ("torch", "model.py")):
        before = Path(path).with_suffix(".npz" if target == "numpy" else ".safetensors").read_bytes()
        with pytest.raises(ValueError, match="is there already and is not the weights of a program"):
            to_code(LARGE, theta, target, path)
        assert Path(path).with_suffix(".npz" if target == "numpy" else ".safetensors").read_bytes() == before
        assert not Path(path).exists()
    with pytest.raises(ValueError, match=r"path has to be the program's, .* its weights go to 'net.npz'"):
        to_code(LARGE, theta, "numpy", "net.npz")


# ---- links, modes, devices


def test_a_link_is_followed_and_the_mode_kept(tmp_path):
    (tmp_path / "store").mkdir()
    store, link, chain = tmp_path / "store" / "it", tmp_path / "link", tmp_path / "chain"
    link.symlink_to(Path("store", "it"))
    chain.symlink_to(link)
    save(chain, SMALL, SMALL.init_theta(0))  # the file behind the link is not there yet
    store.chmod(0o600)
    for k, path in enumerate((store, link, chain)):
        save(path, SMALL, SMALL.init_theta(k))
        assert link.is_symlink()
        assert chain.is_symlink()
        assert stat.S_IMODE(store.stat().st_mode) == 0o600
        np.testing.assert_array_equal(load(store).theta, SMALL.init_theta(k))
    assert {*os.listdir(tmp_path)} == {"store", "link", "chain"}
    assert os.listdir(tmp_path / "store") == ["it"]
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(CheckpointError, match="Too many levels of symbolic links"):
        save(loop, SMALL, SMALL.init_theta(0))


def test_a_new_file_has_the_mode_of_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        save(tmp_path / "it", SMALL, SMALL.init_theta(0))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "it").stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_is_kept(tmp_path):
    replace_file(tmp_path / "it", b"old")
    os.chown(tmp_path / "it", 65534, 65534)
    replace_file(tmp_path / "it", b"new")
    found = (tmp_path / "it").stat()
    assert (found.st_uid, found.st_gid) == (65534, 65534)


def test_a_device_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(CheckpointError, match="it is no regular file"):
            save(path, SMALL, SMALL.init_theta(0))
        with pytest.raises(OSError, match="it is no regular file"):
            to_code(SMALL, SMALL.init_theta(0), "numpy", path)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)


def test_a_resumed_training_writes_through_its_link(tmp_path):
    x = np.linspace(-1, 1, 32)[:, None]
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store" / "it")
    settings = {"epochs": 3, "batch_size": 8, "seed": 0, "callbacks": [minnet.Checkpoint(tmp_path / "link")]}
    minnet.train(Network(Dense(1, 1)), minnet.mse, minnet.SGD(0.1), x, 2 * x, **settings)
    (tmp_path / "store" / ".it.99.part").touch()  # of a process that was killed
    minnet.resume(tmp_path / "link", x, 2 * x, epochs=5)
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(tmp_path / "store") == ["it"]
    assert minnet.resume(tmp_path / "store" / "it", x, 2 * x).stops[0].epoch == 5


# ---- nothing but numbers and names becomes code


NAMES = ['x"),__import__("os").system("touch PWNED"),("y.py', 'a"b.py', "a'b.py", "a\\.py", "größe.py", "a\nb.py"]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"\xff.py")])
def test_a_file_name_is_no_code(name, here):
    theta = LARGE.init_theta(0)
    to_code(LARGE, theta, "numpy", name)
    code = "import runpy, sys; print(*runpy.run_path(sys.argv[1])['network']([[1, 2]])[0])"
    done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=True)
    np.testing.assert_allclose([*map(float, done.stdout.split())], LARGE(theta, np.array([[1, 2]]))[0], rtol=1e-5)
    assert not Path("PWNED").exists()
    compile(to_code(LARGE, theta, "torch", name), name, "exec")


class Start:
    """An initializer of one's own whose text would end a docstring."""

    def __call__(self, rng, shape):
        return np.zeros(shape)

    def __repr__(self):
        return '"""\nraise SystemExit("ran")\n"""\\'


def test_a_setting_is_no_code():
    network = Network(Dense(1, 1, Start()))
    made = {}
    exec(to_code(network, np.ones(2), "numpy"), made)
    np.testing.assert_array_equal(made["network"](np.array([[2.0]])), [[3.0]])


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, "__import__('os')"])
@pytest.mark.parametrize("target", ["torch", "numpy"])
def test_a_setting_that_is_no_finite_number_is_refused(target, value):
    for layer, name in ((minnet.ELU(), "alpha"), (minnet.Snake(), "alpha"), (minnet.LayerNorm(1), "epsilon")):
        object.__setattr__(layer, name, value)  # its constructor may refuse that too
        with pytest.raises(ValueError, match=f"{type(layer).__name__} expects {name} "):
            to_code(Network(Dense(1, 1), layer), np.zeros(2), target)
