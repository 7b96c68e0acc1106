"""Times of whole tasks, by minnet and by what a user would pick instead: a program, and a comparison of activations."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minnet.lab.compare import compare
from minnet.lab.datasets import dataset
from minnet.lab.peers import Work
from minnet.lab.programs import PROGRAMS
from minnet.lab.replica_peers import jax_replicas
from minnet.lab.stopwatch import Job, environment

MOONS = Work((2, 16, 16, 2), 32)


def program_times(rounds: int) -> list[dict[str, Any]]:
    """Of each program, from the start of Python to its score, on one thread: the median in seconds; its first score."""
    split = dataset("moons", n_train=1024).split(0)
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "moons.npz"
        np.savez(data, x=split.x.astype("f4"), y=split.y, x_test=split.x_test.astype("f4"), y_test=split.y_test)
        head = f"import numpy\nwith numpy.load({str(data)!r}) as data:\n"
        head += "    x, y, x_test, y_test = (data[name] for name in ('x', 'y', 'x_test', 'y_test'))\n"
        names = [name for name in PROGRAMS if Job(name, MOONS).installed]
        for _ in range(rounds):
            for name in names:
                words = [sys.executable, "-c", f"{head}{PROGRAMS[name]}\nprint(float(score))"]
                start = time.perf_counter()
                done = subprocess.run(
                    words, env=os.environ | environment(1), capture_output=True, text=True, check=True
                )
                found.setdefault(name, []).append((time.perf_counter() - start, float(done.stdout)))
    return [
        {"peer": name, "seconds": statistics.median(seconds for seconds, _ in pairs), "score": pairs[0][1]}
        for name, pairs in found.items()
    ]


def comparison_times(rounds: int) -> tuple[int, list[dict[str, Any]]]:
    """The whole comparison of four activations on moons, beside what its runs would take by scikit-learn and by JAX.

    Returns the number of runs, and the seconds by peer. compare() runs as it is, on all cores; the first time its
    workers start. Of scikit-learn one fit of each activation is timed on one core after every comparison; their mean
    times the number of runs, shared out over the cores without loss, is what the same protocol would take. JAX trains
    what was tuned and tested, all rates and seeds of a phase at once, on all cores, and is spared the choosing and the
    scoring; the first time it compiles.
    """
    from joblib import cpu_count
    from sklearn.neural_network import MLPClassifier

    warnings.filterwarnings("ignore", module="sklearn")
    data, split, cores = dataset("moons"), dataset("moons").split(0), cpu_count()
    whole_comparison = partial(compare, ("identity", "sigmoid", "tanh", "relu"), data, initialisers=["recommended"])
    times: dict[str, list[float]] = {}

    def timed(name: str, job: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = job()
        times.setdefault(name, []).append(time.perf_counter() - start)
        return result

    runs = timed("minnet, first run", whole_comparison).runs
    jax: list[Callable[[int], Any]] = []
    if Job("JAX", MOONS).installed:
        for (activation, _), rows in runs.groupby(["activation", "phase"]):
            x, y = data.splits(rows["seed"])[:2]
            jax.append(jax_replicas(x.astype(np.float32), y, rows["rate"].to_numpy(np.float32), sizes=MOONS.sizes,
                                    activation=activation, batch=MOONS.batch))  # fmt: skip

    def train_by_jax() -> None:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(lambda fit: fit(200), jax))

    for turn in range(rounds):
        timed("minnet", whole_comparison)
        for activation in ("identity", "logistic", "tanh", "relu"):
            model = MLPClassifier(
                (16, 16), activation=activation, solver="sgd", learning_rate_init=0.1, momentum=0.0, alpha=0.0,
                batch_size=32, max_iter=200, tol=0.0, n_iter_no_change=10**6,
            )  # fmt: skip
            timed("scikit-learn", partial(model.fit, split.x, split.y))
        if jax:
            timed("JAX" if turn else "JAX, first run", train_by_jax)
    whole = {name: statistics.median(values) for name, values in times.items() if name != "scikit-learn"}
    whole["scikit-learn"] = statistics.mean(times["scikit-learn"]) * len(runs) / cores
    return len(runs), [{"peer": name, "seconds": seconds} for name, seconds in whole.items()]
