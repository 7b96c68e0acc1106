"""Work that is spread and kept: killed at any moment it goes on where it was, on one machine or a cluster."""

import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from minnet import SGD, Dense, Network, Tanh
from minnet.lab.compare import compare
from minnet.lab.datasets import Dataset, dataset
from minnet.lab.identity import identity
from minnet.lab.trials import Trial
from minnet.lab.work import Store, work_out

ROOT = Path(__file__).parent.parent
# A small comparison, in a process that can be killed: folder, jobs, cluster.
PROGRAMME = """
import sys
from pathlib import Path
from minnet.lab.compare import compare
from minnet.lab.datasets import dataset
out, jobs, cluster = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
found = compare(["identity", "tanh", "relu"], dataset("moons", n_test=500), hidden=(8,), seeds=3, epochs=40, jobs=jobs,
                cluster=cluster, out=out)
for name in ("runs", "table", "pairs"):
    getattr(found, name).to_csv(out / f"moons_{name}.csv")
print(found.rankings(), found.verdict(), sep="\\n")
print(found.manifest["pieces"]["found"])
"""
RESULTS = "moons_runs.csv", "moons_table.csv", "moons_pairs.csv"


def start(*arguments):
    words = [sys.executable, "-c", PROGRAMME, *map(str, arguments)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip


def ended(process, may_warn=" nobody "):
    stdout, stderr = process.communicate(timeout=120)
    lines = [line for line in stderr.splitlines() if may_warn not in line and "were taken from" not in line]
    assert (process.returncode, lines) == (0, [])
    *said, taken = stdout.splitlines()
    return said, int(taken)


def finished(out):
    return len(list((out / "trained").glob("*.npz")))


def wait_until(what, process, seconds=60):
    for _ in range(seconds * 100):
        if what():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The comparison that nobody disturbed: its folder, and what it said."""
    out = tmp_path_factory.mktemp("whole")
    said, taken = ended(start(out, 1))
    assert taken == 0
    return out, said


def same_bytes(whole, out):
    return all((out / name).read_bytes() == (whole[0] / name).read_bytes() for name in RESULTS)


def test_killed_at_five_moments_it_goes_on_and_ends_in_the_same_bytes(whole, tmp_path):
    pieces, held = finished(whole[0]), []
    for moment, jobs in ((0, 1), (1, 1), (5, 2), (pieces - 3, 1), (pieces - 1, 2)):
        process = start(tmp_path, jobs)
        wait_until(lambda moment=moment: finished(tmp_path) >= moment, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        held.append(finished(tmp_path))
        assert held[-1] >= moment
    assert held == sorted(held)  # nothing that was finished is lost
    said, taken = ended(start(tmp_path, 1))
    assert (said, taken) == (whole[1], held[-1])
    assert finished(tmp_path) == pieces
    assert same_bytes(whole, tmp_path)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers, started as the README says, in processes of their own."""
    pytest.importorskip("distributed")
    address = f"tcp://127.0.0.1:{free_port()}"
    log = (tmp_path / "dask.log").open("w")
    dask = partial(subprocess.Popen, cwd=tmp_path, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)})
    scheduler = dask([sys.executable, "-m", "dask", "scheduler", "--host", address, "--no-dashboard"])
    workers = [
        dask([sys.executable, "-m", "dask", "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"])
        for _ in range(2)
    ]
    from distributed import Client

    with Client(address, set_as_default=False, timeout=60) as client:
        client.wait_for_workers(2, timeout=60)
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()
    log.close()


def test_a_cluster_gives_the_same_numbers_even_if_a_worker_is_lost(whole, cluster, tmp_path):
    address, workers = cluster
    process = start(tmp_path, -1, address)
    wait_until(lambda: finished(tmp_path) >= 3, process)
    workers[0].kill()
    assert finished(tmp_path) < finished(whole[0])
    # whether Dask warns of the loss depends on what the worker was doing when it died
    assert ended(process, may_warn=" - distributed.") == (whole[1], 0)
    assert same_bytes(whole, tmp_path)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp:/nowhere", "8786", "tcp://127.0.0.1:port"])
def test_a_cluster_that_is_not_there_is_said(address):
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match=f"no Dask scheduler answers at '{address}'"):
        compare(["tanh"], dataset("moons"), cluster=address)


def test_a_store_keeps_whole_files_only_and_looks_away_when_asked(tmp_path):
    store = Store(tmp_path)
    assert store.get("a") is None
    store.put("a", {"x": np.arange(3), "words": np.array(["", "ä"])})
    (tmp_path / "half.123.part").write_bytes(b"PK")
    again = Store(tmp_path)
    np.testing.assert_array_equal(again.get("a")["x"], [0, 1, 2])
    assert again.get("a")["words"].tolist() == ["", "ä"]
    assert (again.found, store.found) == (1, 0)
    assert Store(tmp_path, fresh=True).get("a") is None


def test_only_what_is_missing_is_worked_out(tmp_path):
    store = Store(tmp_path)
    store.put("a", {"x": np.zeros(1)})
    tasks = {"a": partial(pytest.fail, "worked out again"), "b": partial(dict, x=np.ones(1))}
    assert list(work_out(tasks, store, jobs=1, cluster=None)) == ["a", "b"]
    assert Store(tmp_path).get("b")["x"] == 1


def test_a_change_of_data_settings_or_code_is_never_taken_from_an_earlier_run(tmp_path, monkeypatch):
    settings = {"hidden": (4,), "seeds": 2, "epochs": 2, "jobs": 1, "initialisers": ["same"], "out": tmp_path}
    data = dataset("moons", n_train=40, n_test=50)
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # of another test
    monkeypatch.syspath_prepend(tmp_path)

    def found(data=data, **change):
        compared = compare({"mine": "mine:Mine", "tanh": "tanh"}, data, **settings | change)
        return compared.manifest["pieces"]["found"], compared.runs

    assert found()[0] == 0
    pieces, before = found()
    assert pieces > 8
    assert found(epochs=3)[0] == found(batch_size=20)[0] == found(optimizers=["adam"])[0] == 0
    assert found(dataset("moons", n_train=41, n_test=50))[0] == 0
    (tmp_path / "mine.py").write_text(MINE.replace("2 * x", "3 * x"))
    monkeypatch.delitem(sys.modules, "mine")
    pieces_now, after = found()
    assert 0 < pieces_now < pieces  # tanh's only
    of_mine = before.condition == "mine"
    assert (before[of_mine].validation_loss != after[of_mine].validation_loss).any()
    assert before[~of_mine].equals(after[~of_mine])


MINE = """
from dataclasses import dataclass
from minnet import Activation

@dataclass(frozen=True)
class Mine(Activation):
    def __call__(self, x):
        return helper(x)
    def derivative(self, x):
        return x * 0 + 2

def helper(x):
    return 2 * x
"""


def test_trials_that_could_differ_have_keys_that_differ():
    trial = Trial(Network(Dense(2, 2), Tanh()), SGD(0.1), (0.1,), dataset("moons"), (0, 1), 5, 32)
    from dataclasses import replace

    others = [
        replace(trial, **change)
        for change in (
            {"network": Network(Dense(2, 2))},
            {"optimizer": SGD(0.1, 0.9)},
            {"rates": (0.2,)},
            {"seeds": (0, 2)},
            {"epochs": 6},
            {"batch_size": 31},
            {"offset": 1},
            {"curves": True},
        )
    ]
    keys = {other.key("data") for other in (trial, *others)} | {trial.key("other data")}
    assert len(keys) == len(others) + 2
    assert trial.key("data") == replace(trial).key("data")


def test_a_class_typed_at_a_prompt_is_known_by_its_code():
    code = (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Typed(Tanh):\n    def slope(self, x, y):\n"
    )
    made = []
    for slope in ("1 - y * y", "1 - y * y", "1 - y"):
        space = {"Tanh": Tanh, "__name__": "typed_at_a_prompt"}
        exec(f"{code}        return {slope}\n", space)
        made.append(identity(Network(space["Typed"]())))
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "pickled", "numbers", "of another key", "a folder"])
def test_a_damaged_file_is_trained_again_and_said(damage, tmp_path):
    settings = {"hidden": (4,), "seeds": 2, "epochs": 2, "jobs": 1, "initialisers": ["same"], "rates": [0.1]}
    data, remarks = dataset("moons", n_train=40, n_test=50), []
    before = compare(["tanh"], data, out=tmp_path, note=remarks.append, **settings).runs
    assert remarks == []
    path, other = sorted((tmp_path / "trained").glob("*.npz"))
    whole = path.read_bytes()
    if damage == "numbers":
        with np.load(path) as arrays:
            np.savez(path, **{name: array + 1 if array.dtype.kind == "f" else array for name, array in arrays.items()})
    elif damage == "pickled":
        np.savez(path, diverged=np.array([None, {}]))
    elif damage == "a folder":
        path.unlink()
        path.mkdir()
    else:
        flipped = bytes([*whole[:900], whole[900] ^ 1, *whole[901:]])
        changed = {"cut": whole[:-100], "empty": b"", "flipped": flipped, "of another key": other.read_bytes()}
        path.write_bytes(changed[damage])
    if damage == "a folder":  # which is nobody's damage: what it holds is not written over
        with pytest.raises(OSError, match=path.name):
            compare(["tanh"], data, out=tmp_path, note=remarks.append, **settings)
        return
    found = compare(["tanh"], data, out=tmp_path, note=remarks.append, **settings)
    assert found.runs.equals(before)
    assert found.manifest["pieces"] == {"trained": 1, "found": 1}
    folder = tmp_path / "trained"
    assert remarks == [
        f"1 file damaged in {folder}, so trained again: {path.name}.",
        f"1 piece of work was taken from {folder}; `fresh` trains all anew.",
    ]
    assert path.read_bytes() == whole
    assert compare(["tanh"], data, out=tmp_path, note=remarks.append, **settings).manifest["pieces"]["found"] == 2


def test_what_was_taken_is_said_in_python_too(tmp_path, capfd):
    settings = {"hidden": (4,), "seeds": 2, "epochs": 2, "jobs": 1, "initialisers": ["same"], "rates": [0.1]}
    data = dataset("moons", n_train=40, n_test=50)
    compare(["tanh"], data, out=tmp_path, **settings)
    assert capfd.readouterr().err == ""
    compare(["tanh"], data, out=tmp_path, **settings)
    said = f"2 pieces of work were taken from {tmp_path / 'trained'}; `fresh` trains all anew.\n"
    assert capfd.readouterr().err == said


class Noisier(Dataset):
    """Moons whose noise grows with the seed."""

    name = "noisier"
    test = property(lambda self: dataset("moons", n_test=50).test)

    def __init__(self, noise):
        self.noise = noise

    def training(self, seed):
        return dataset("moons", n_train=40, noise=0.1 + self.noise * seed).training(seed)


def test_data_of_one_s_own_are_known_by_every_seed(tmp_path):
    settings = {"hidden": (4,), "seeds": 2, "epochs": 2, "jobs": 1, "initialisers": ["same"], "rates": [0.1]}

    def found(noise):
        return compare(["tanh"], Noisier(noise), out=tmp_path, **settings).manifest["pieces"]["found"]

    assert (found(0.0), found(1.0), found(1.0)) == (0, 0, 2)
