"""Work that is spread and kept: killed at any moment it goes on where it was, on one machine or a cluster."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from minnet import SGD, Dense, Network, Tanh
from minnet.lab import trials
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
from minnet.lab import trials
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


@contextlib.contextmanager
def dask_scheduler(folder):
    """Its address, a function that starts a worker, and its process; all are ended on leaving."""
    address = f"tcp://127.0.0.1:{free_port()}"
    processes = []
    with (folder / "dask.log").open("w") as log:

        def dask(*words):
            processes.append(
                subprocess.Popen([sys.executable, "-m", "dask", *words, "--no-dashboard"], cwd=folder, stdout=log,
                                 stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)})
            )  # fmt: skip
            return processes[-1]

        scheduler = dask("scheduler", "--host", address)
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))).close()
                    break
                time.sleep(0.1)
            yield address, lambda: dask("worker", address, "--nthreads", "1", "--no-nanny"), scheduler
        finally:
            for process in processes:
                process.kill()
                process.wait()


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers, started as the README says, in processes of their own."""
    pytest.importorskip("distributed")
    from distributed import Client

    with dask_scheduler(tmp_path) as (address, worker, scheduler):
        workers = [worker(), worker()]
        with Client(address, set_as_default=False, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, workers, scheduler


def test_a_cluster_gives_the_same_numbers_even_if_a_worker_is_lost(whole, cluster, tmp_path):
    address, workers, _ = cluster
    process = start(tmp_path, -1, address)
    wait_until(lambda: finished(tmp_path) >= 3, process)
    workers[0].kill()
    assert finished(tmp_path) < finished(whole[0])
    # whether Dask warns of the loss depends on what the worker was doing when it died
    assert ended(process, may_warn=" - distributed.") == (whole[1], 0)
    assert same_bytes(whole, tmp_path)


@pytest.mark.parametrize("seconds", [0, 1])  # before anything is asked of the cluster, and while it is waited for
@pytest.mark.parametrize(
    ("lost", "message"), [("workers", "has had no worker for 2 seconds"), ("scheduler", "no longer answers")]
)
def test_a_cluster_that_is_lost_is_said_and_what_was_done_is_there(lost, message, seconds, cluster, monkeypatch, capfd):
    from minnet.lab import cluster as room

    monkeypatch.setattr(room, "PATIENCE", 2)
    address, workers, scheduler = cluster
    done = room.on_cluster([partial(time.sleep, 0.3)] * 30, address)
    assert next(done)[1] is None
    killers = [threading.Timer(seconds, process.kill) for process in (workers if lost == "workers" else [scheduler])]
    for killer in killers:
        killer.start()
    time.sleep(0 if seconds else 0.1)
    with pytest.raises(TimeoutError, match=message):
        list(done)
    assert capfd.readouterr() == ("", "")


def test_a_cluster_without_workers_is_said(monkeypatch, tmp_path):
    pytest.importorskip("distributed")
    from minnet.lab import cluster as room

    monkeypatch.setattr(room, "PATIENCE", 1)
    with dask_scheduler(tmp_path) as (address, *_), pytest.raises(TimeoutError, match="no worker for 1 seconds"):
        list(room.on_cluster([partial(time.sleep, 0)], address))


def test_what_a_task_raises_on_a_cluster_is_raised_here(cluster):
    from minnet.lab.cluster import on_cluster

    with pytest.raises(ZeroDivisionError):
        list(on_cluster([partial(divmod, 1, 0)], cluster[0]))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp:/nowhere", "8786", "tcp://127.0.0.1:port"])
def test_a_cluster_that_is_not_there_is_said(address):
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match=f"no Dask scheduler answers at '{address}'"):
        compare(["tanh"], dataset("moons"), cluster=address)


def answer_in_http(connection):
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def greet_as_ssh(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    connection.recv(10**6)


def echo(connection):
    while received := connection.recv(10**6):
        connection.sendall(received)


def say_nothing(connection):
    while connection.recv(10**6):
        pass


@pytest.mark.parametrize(
    ("listen", "why"),
    [(answer_in_http, "something else"), (greet_as_ssh, "something else"), (echo, "something else"),
     (say_nothing, "nothing came within 1 seconds"), (socket.socket.close, "something else")],
)  # fmt: skip
def test_what_is_no_scheduler_is_said(listen, why, monkeypatch):
    pytest.importorskip("distributed")
    from minnet.lab import cluster as room

    def serve(connection):
        with contextlib.suppress(OSError), connection:
            listen(connection)

    def accept():
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            threading.Thread(target=serve, args=[connection], daemon=True).start()

    monkeypatch.setattr(room, "ANSWER", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        with pytest.raises(ValueError, match=f"no Dask scheduler answers at .*: .*{why}"):
            list(room.on_cluster([partial(time.sleep, 0)], f"tcp://127.0.0.1:{server.getsockname()[1]}"))
        server.shutdown(socket.SHUT_RDWR)


def alive(group):
    """The processes of a group, those aside that have ended and wait to be counted."""
    psutil = pytest.importorskip("psutil")
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def compare_in_two(out):
    """`minnet compare --jobs 2`, in a process group of its own, which has its two workers now."""
    words = [sys.executable, "-m", "minnet", "compare", "--jobs", "2", "--epochs", "400", "--out", str(out)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    # a parent, its resource tracker and two workers
    wait_until(lambda: len(alive(process.pid)) >= 4, process)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups of POSIX")
@pytest.mark.parametrize("moment", ["workers start", "workers work"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_a_comparison(how, moment, tmp_path):
    process = compare_in_two(tmp_path)
    if moment == "workers work":
        wait_until(lambda: finished(tmp_path) >= 1, process)
    if how == signal.SIGINT:  # Ctrl-C on a terminal reaches all
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    for _ in range(200):
        if not alive(process.pid):
            break
        time.sleep(0.1)
    left = alive(process.pid)
    for worker in left:
        worker.kill()
    assert left == []
    if how == signal.SIGINT:
        lines = [line for line in stderr.splitlines() if "resource_tracker" not in line and "warnings.warn" not in line]
        expected = "Interrupted. What was trained is kept: the same command goes on from there."
        assert (process.returncode, lines) == (130, [expected]), stderr  # joblib may miss a lock of workers that start
    else:
        assert process.returncode == -how


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


def test_outcomes_of_an_older_form_are_trained_again(monkeypatch, tmp_path):
    def compared(out):
        data = dataset("moons", n_train=40, n_test=50)
        return compare(["tanh"], data, hidden=(4,), seeds=2, epochs=2, jobs=1, initialisers=["same"], rates=[0.1],
                       out=out, note=lambda remark: None)  # fmt: skip

    with monkeypatch.context() as older:  # a program whose outcomes do not say which points are right
        now = Trial.__call__
        older.setattr(trials, "file_hash", lambda path: "that of the older file", raising=False)
        older.setattr(Trial, "__call__", lambda trial: {k: v for k, v in now(trial).items() if k != "right"})
        with pytest.raises(KeyError):
            compared(tmp_path)
    assert finished(tmp_path) == 2
    again, fresh = compared(tmp_path), compared(None)
    assert again.runs.equals(fresh.runs)
    assert again.table.equals(fresh.table)


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
