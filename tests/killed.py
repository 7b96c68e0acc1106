"""Kill -9, SIGTERM and Ctrl-C at random moments: resumed or run again, all is the same to the last bit.

python tests/killed.py train 20      as many of each signal over eight kinds of training in turn
python tests/killed.py compare 20    as many of each on a comparison of two activations by two processes
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import minnet as mn
from minnet.resuming import resume

SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 2))
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)
VALIDATION = X[::3] + 0.1, LABELS[::3]
WEIGHT = RNG.uniform(0.5, 2, 200)
NET = mn.Network(mn.Dense(2, 16), mn.Tanh(), mn.Dense(16, 16), mn.Tanh(), mn.Dense(16, 2))
NOISY = mn.Network(mn.Dense(2, 16), mn.ReLU(), mn.Dropout(0.2), mn.BatchNorm(16), mn.Dense(16, 2))
# A network, an optimizer, what else train takes, and what resume has to be given again.
KINDS = {
    "SGD": (NET, mn.SGD(0.1), {}, {}),
    "momentum, 5 replicas": (NET, mn.SGD((0.1, 0.2, 0.3, 0.4, 0.5), 0.9, nesterov=True), {"seed": range(5)}, {}),
    "Adam": (NET, mn.Adam(0.01), {"dtype": np.float64}, {}),
    "AdamW on a cosine, clipped": (NET, mn.Clipped(mn.AdamW(mn.CosineDecay(0.01, 900)), norm=1.0), {}, {}),
    "dropout and batch norm": (NOISY, mn.RMSProp(0.01), {"seed": [3, 4]}, {"validation": VALIDATION}),
    "early stopping": (NET, mn.SGD((0.1, 3.0, 0.3), 0.9), {"seed": [0, 1, 2],
                       "stopping": mn.EarlyStopping("validation_metric", patience=40)}, {"validation": VALIDATION}),
    "plateau, weights, penalty": (NET, mn.SGD(mn.ReduceOnPlateau(0.3, 0.5, 3, monitor="validation_metric"), 0.5),
                                  {"penalty": mn.Penalty(l2=1e-3)},
                                  {"validation": VALIDATION, "sample_weight": WEIGHT}),
    "one of three diverges": (NET, mn.SGD((0.1, 1e30, 0.2)), {"seed": [0, 1, 2], "shuffle": False}, {}),
}  # fmt: skip
COMPARE = (
    "-m", "minnet", "compare", "--activations", "identity,tanh", "--points", "100", "--seeds", "3", "--epochs", "20",
    "--rates", "0.1,0.3", "--jobs", "2", "--quiet",
)  # fmt: skip
MARK = "MINNET_KILLED"  # in the environment of a process and of all that it starts


def fit(kind, path=None):
    """The training of this kind, with a checkpoint after each epoch at `path`."""
    network, optimizer, settings, again = KINDS[kind]
    settings = {**settings}
    stopping, files = settings.pop("stopping", None), [mn.Checkpoint(path)] if path else []
    fixed = {"epochs": 150, "batch_size": 32, "seed": 0, "callbacks": [*([stopping] if stopping else []), *files]}
    return mn.train(network, mn.softmax_cross_entropy, optimizer, X, LABELS, **fixed | settings | again)


def child(kind, path):
    """What is killed."""
    print("ready", flush=True)
    run = fit(kind, path)
    np.savez(f"{path}.npz", theta=run.theta, reasons=[stop.reason for stop in run.stops], **run.history)


def same(a, b):
    """Whether two Runs, or two dicts of arrays, have the same bits."""
    if isinstance(a, mn.Run):
        return a.stops == b.stops and same({"theta": a.theta, **a.history}, {"theta": b.theta, **b.history})
    return a.keys() == b.keys() and all(np.asarray(a[k]).tobytes() == np.asarray(b[k]).tobytes() for k in a)


def start(*command, mark):
    """A process group of its own, that takes Ctrl-C also where this one runs in the background and does not."""
    return subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {MARK: mark, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def alive(mark):
    """The numbers of the processes that carry this mark."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
        except OSError:  # it has ended
            pass
    return found


def seconds_to_end(mark, most):
    """How long it takes until no process with this mark is left; inf if some are after `most` seconds."""
    begun = time.monotonic()
    while alive(mark):
        if time.monotonic() - begun > most:
            return np.inf
        time.sleep(0.05)
    return time.monotonic() - begun


def kill_trainings(count, seed=0):
    """Kill `count` trainings with each signal; return the faults, and print a line for each signal."""
    rng, faults = random.Random(seed), []
    whole = {kind: fit(kind) for kind in KINDS}
    last = {}
    for name, number in SIGNALS.items():
        moments = Counter()
        for i in range(count):
            kind = list(KINDS)[i % len(KINDS)]
            with tempfile.TemporaryDirectory() as folder:
                path, mark = Path(folder, "run.safetensors"), f"{os.getpid()}-{name}-{i}"
                if kind not in last:  # how long it takes here
                    with start(__file__, "child", kind, path, mark=mark) as process:
                        process.stdout.readline()
                        begun = time.monotonic()
                        process.communicate()
                    last[kind] = time.monotonic() - begun
                    for file in Path(folder).iterdir():
                        file.unlink()
                with start(__file__, "child", kind, path, mark=mark) as process:
                    assert process.stdout.readline() == "ready\n"
                    time.sleep(rng.uniform(0, last[kind]))
                    process.send_signal(number)
                    _, error = process.communicate(timeout=60)
                left, case = alive(mark), f"{name} {i}, {kind}"
                returned = Path(f"{path}.npz")
                moments["before a checkpoint" if not path.exists() else "ended" if returned.exists()
                        and number != signal.SIGINT else "in between"] += 1  # fmt: skip
                if returned.exists():
                    with np.load(returned) as run:
                        done = len(run["loss"])
                        right = np.isfinite(run["theta"]).all() and all(
                            run[key].tobytes() == values[:done].tobytes() for key, values in whole[kind].history.items()
                        )
                    faults += [] if right else [f"{case}: what train returned is not that of whole epochs"]
                    moments["returned a Run"] += 1
                    returned.unlink()
                elif number == signal.SIGINT and path.exists():
                    faults.append(f"{case}: no Run though a checkpoint was written: {error[-300:]}")
                again = resume(path, X, LABELS, **KINDS[kind][3]) if path.exists() else fit(kind, path)
                parts = [file.name for file in Path(folder).iterdir() if file != path]
                faults += [] if same(again, whole[kind]) else [f"{case}: other bits"]
                faults += [f"{case}: left behind: {parts or left}"] if parts or left else []
        print(f"{name:8} {count} of {len(KINDS)} kinds: {', '.join(f'{n} {what}' for what, n in moments.items())}")
    return faults


def results(folder):
    """The arrays that a comparison kept, by file, and its table of scores."""
    arrays = {file.name: dict(np.load(file)) for file in Path(folder).rglob("*.npz")}
    tables = {file.name: file.read_bytes() for file in Path(folder).rglob("*.csv")}
    return {f"{file} {key}": a for file, found in arrays.items() for key, a in found.items()} | tables


def kill_comparisons(count, seed=0, patience=20.0):
    """The same for a comparison; its workers have `patience` seconds to notice that their parent has gone."""
    rng, faults = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        with start(*COMPARE, "--out", folder, mark="whole") as process:
            _, error = process.communicate()
        assert process.returncode == 0, error
        last, whole = time.monotonic() - begun, results(folder)
    print(f"a comparison takes {last:.1f} s and keeps {len(whole)} arrays and tables")
    for name, number in SIGNALS.items():
        codes, slowest, noise = Counter(), 0.0, 0
        for i in range(count):
            with tempfile.TemporaryDirectory() as folder:
                mark, case = f"{os.getpid()}-{name}-{i}", f"{name} {i}"
                with start(*COMPARE, "--out", folder, mark=mark) as process:
                    time.sleep(rng.uniform(0, last))
                    if number == signal.SIGINT:
                        os.killpg(process.pid, number)  # as a terminal does: the workers too
                    else:
                        process.send_signal(number)
                    process.wait(timeout=60)
                    ended = seconds_to_end(mark, patience)
                    if ended == np.inf:
                        faults.append(f"{case}: {len(alive(mark))} processes left after {patience:g} s")
                        for one in alive(mark):
                            os.kill(one, signal.SIGKILL)
                    _, error = process.communicate()
                slowest, noise = max(slowest, ended), max(noise, len(error.splitlines()))
                codes[process.returncode] += 1
                with start(*COMPARE, "--out", folder, mark=mark) as process:
                    _, error = process.communicate()
                faults += [] if same(results(folder), whole) else [f"{case}: other bits: {error[-300:]}"]
                parts = [file.name for file in Path(folder).rglob("*") if file.name.endswith(".part")]
                faults += [f"{case}: left behind: {parts}"] if parts else []
        ends = ", ".join(f"{n} with {code}" for code, n in codes.items())
        print(
            f"{name:8} {count}: {ends}; no process left after {slowest:.1f} s at most, {noise} lines of stderr at most"
        )
    return faults


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(*sys.argv[2:])
    else:
        wrong = {"train": kill_trainings, "compare": kill_comparisons}[sys.argv[1]](int(sys.argv[2]))
        print(*wrong, f"{len(wrong)} faults", sep="\n")
        sys.exit(bool(wrong))
