"""How fast is minnet, beside what a user would pick instead, and beside what the bare matrix products take?

Every peer trains the same networks on the same data, each in a process of its own with its threads set, in turns; the
figures are medians over the rounds, with the fastest and slowest. Softmax cross-entropy, SGD with momentum 0.9, batches
in a new random order each epoch, float32. "Products alone" does nothing but the matrix products of a step by NumPy's
BLAS and the update in place: no training can be faster that is made of them. Peers that are not installed are left out
by name (`pip install -e '.[bench]'`). Give the parts to run, or `all`:

    python experiments/speed.py steps replicas process
    python experiments/speed.py load growth comparison
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before BLAS wakes

import json
import multiprocessing
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from minnet.lab.claims import Out
from minnet.lab.peers import Work, jax_replicas
from minnet.lab.stopwatch import Job, Times, environment, take_turns

MOONS, SMALL = Work((2, 16, 16, 2), 32), Work((64, 128, 64, 10), 64)
LARGE, HUGE = Work((784, 512, 256, 10), 128, activation="relu"), Work((1024, 2048, 2048, 10), 512, activation="relu")
# With two threads the products of small matrices are slower, not faster: BLAS wakes and joins them for each.
THREADS = {LARGE: 2, HUGE: 2}
ALONE = "minnet", "scikit-learn", "PyTorch eager", "JAX jit a step", "products alone"
TOGETHER = "minnet", "PyTorch vmap", "PyTorch batched", "JAX vmap + scan", "products alone"


class Section(StrEnum):
    """What can be timed."""

    STEPS = "steps"
    REPLICAS = "replicas"
    PROCESS = "process"
    LOAD = "load"
    GROWTH = "growth"
    COMPARISON = "comparison"
    ALL = "all"


def installed(jobs: Iterable[Job]) -> list[Job]:
    """Those whose peer is there."""
    return [job for job in jobs if job.installed]


def name_of(work: Work) -> str:
    return f"{'-'.join(map(str, work.sizes))}, batch {work.batch}, {work.activation}"


def shown(title: str, times: Mapping[Job, Times]) -> list[dict[str, Any]]:
    """Print a table of microseconds a step (of one replica), and return it as records."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for heading in ("µs", "fastest", "slowest", "minnet / it", "first, s", "memory, MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows: list[dict[str, Any]] = []
    ours = np.nan
    for job, found in times.items():
        micro = [1e6 * s / (job.work.replicas or 1) / job.processes for s in found.seconds]
        if not rows:
            ours = statistics.median(micro)
        middle, where = statistics.median(micro), ""
        for count, what in ((job.processes, "processes"), (job.threads, "threads")):
            where += f", {count} {what}" if count > 1 else ""
        cells = (f"{value:.1f}" for value in (middle, min(micro), max(micro)))
        table.add_row(job.peer + where, *cells, f"{ours / middle:.3f}", f"{found.first:.2f}", f"{found.peak:.0f}")
        rows.append({"peer": job.peer, "work": name_of(job.work), "replicas": job.work.replicas, "threads": job.threads,
                     "processes": job.processes, "microseconds": middle, "fastest": min(micro), "slowest": max(micro),
                     "first": found.first, "peak": found.peak})  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    return rows


def steps(rounds: int) -> list[dict[str, Any]]:
    """A step of one network, over its size."""
    rows = []
    for work in (MOONS, replace(MOONS, activation="relu"), SMALL, LARGE, HUGE):
        threads = THREADS.get(work, 1)
        times = take_turns(installed(Job(peer, work, threads) for peer in ALONE), rounds=rounds)
        rows += shown(f"A step of {name_of(work)}; {threads} thread{'s' * (threads > 1)}", times)
    return rows


def replicas(rounds: int) -> list[dict[str, Any]]:
    """A step of one of K replicas; beside it a step of one network alone, by who has no replicas."""
    rows = []
    for work in (MOONS, SMALL):
        for k in (8, 32, 128):
            many = replace(work, replicas=k)
            jobs = [Job(peer, many) for peer in TOGETHER]
            jobs += [Job(peer, work) for peer in ("scikit-learn", "PyTorch eager")] if k == 32 else []
            rows += shown(f"A replica's share of a step, K = {k}, {name_of(work)}; 1 thread",
                          take_turns(installed(jobs), rounds=rounds))  # fmt: skip
        half = replace(work, replicas=16)
        both = [Job("minnet", half, processes=2), Job("JAX vmap + scan", replace(work, replicas=32), threads=2)]
        rows += shown(f"The same, K = 32, both cores, {name_of(work)}", take_turns(installed(both), rounds=rounds))
    return rows


WHOLE = {
    "minnet": "import numpy as np; from minnet import *\n"
    "net = Network(Dense(2, 16), Tanh(), Dense(16, 16), Tanh(), Dense(16, 2))\n"
    "run = train(net, softmax_cross_entropy, SGD(0.05, 0.9), x, y, epochs=200, batch_size=32, seed=0)\n"
    "score = (run(x_test).argmax(axis=-1) == y_test).mean()",
    "scikit-learn": "from sklearn.neural_network import MLPClassifier\n"
    "import warnings; warnings.simplefilter('ignore')\n"
    "net = MLPClassifier((16, 16), 'tanh', solver='sgd', learning_rate_init=0.05, momentum=0.9, alpha=0, tol=0,\n"
    "                    nesterovs_momentum=False, batch_size=32, max_iter=200, n_iter_no_change=10**6)\n"
    "score = net.fit(x, y).score(x_test, y_test)",
    "PyTorch eager": "import torch; from torch import nn; torch.manual_seed(0)\n"
    "x, y, x_test, y_test = map(torch.tensor, (x, y, x_test, y_test))\n"
    "net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))\n"
    "sgd, loss = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9), nn.CrossEntropyLoss()\n"
    "for _ in range(200):\n"
    "    order = torch.randperm(len(x)); xs, ys = x[order], y[order]\n"
    "    for i in range(0, len(x), 32):\n"
    "        sgd.zero_grad(); loss(net(xs[i:i + 32]), ys[i:i + 32]).backward(); sgd.step()\n"
    "score = (net(x_test).argmax(dim=1) == y_test).float().mean().item()",
    "JAX jit a step": "import jax, jax.numpy as jnp\n"
    "keys = jax.random.split(jax.random.key(0), 204)\n"
    "sizes = ((2, 16), (16, 16), (16, 2)); glorot = jax.nn.initializers.glorot_uniform()\n"
    "params = [(glorot(k, s), jnp.zeros(s[1])) for k, s in zip(keys, sizes)]\n"
    "velocity = jax.tree.map(jnp.zeros_like, params); x, y = map(jnp.asarray, (x, y))\n"
    "def net(params, x):\n"
    "    for W, b in params[:-1]: x = jnp.tanh(x @ W + b)\n"
    "    return x @ params[-1][0] + params[-1][1]\n"
    "def loss(params, x, y):\n"
    "    return -jnp.take_along_axis(jax.nn.log_softmax(net(params, x)), y[:, None], axis=1).mean()\n"
    "@jax.jit\n"
    "def epoch(params, velocity, key):\n"
    "    order = jax.random.permutation(key, len(x)).reshape(-1, 32)\n"
    "    def step(carry, rows):\n"
    "        params, velocity = carry; gradient = jax.grad(loss)(params, x[rows], y[rows])\n"
    "        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)\n"
    "        return (jax.tree.map(lambda p, v: p - 0.05 * v, params, velocity), velocity), None\n"
    "    return jax.lax.scan(step, (params, velocity), order)[0]\n"
    "for key in keys[4:]: params, velocity = epoch(params, velocity, key)\n"
    "score = (net(params, x_test).argmax(axis=1) == y_test).mean()",
}  # fmt: skip


def process(rounds: int) -> list[dict[str, Any]]:
    """From the start of Python to a trained and scored network: 2-16-16-2, 200 epochs of 1,024 points of moons."""
    from minnet.lab.datasets import dataset

    split = dataset("moons", n_train=1024).split(0)
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "moons.npz"
        np.savez(data, x=split.x.astype("f4"), y=split.y, x_test=split.x_test.astype("f4"), y_test=split.y_test)
        head = f"import numpy\nwith numpy.load({str(data)!r}) as data:\n"
        head += "    x, y, x_test, y_test = (data[name] for name in ('x', 'y', 'x_test', 'y_test'))\n"
        names = [job.peer for job in installed(Job(name, MOONS) for name in WHOLE)]
        for _ in range(rounds):
            for name in names:
                words = [sys.executable, "-c", f"{head}{WHOLE[name]}\nprint(float(score))"]
                start = time.perf_counter()
                done = subprocess.run(
                    words, env=os.environ | environment(1), capture_output=True, text=True, check=True
                )
                found.setdefault(name, []).append((time.perf_counter() - start, float(done.stdout)))
    print("From the start of Python to a trained and scored network, 200 epochs of 1,024 points of moons:")
    medians = {name: statistics.median(seconds for seconds, _ in pairs) for name, pairs in found.items()}
    for name, seconds in medians.items():
        ratio, score = medians["minnet"] / seconds, found[name][0][1]
        print(f"  {name:16}{seconds:6.2f} s   minnet / it {ratio:.3f}   test accuracy {score:.1%}")
    print()
    return [{"peer": name, "seconds": s, "score": found[name][0][1]} for name, s in medians.items()]


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy() -> Iterator[None]:
    """Other processes at work on every core."""
    others = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.join()


def load(rounds: int) -> list[dict[str, Any]]:
    """How much slower a step becomes while other processes keep every core busy, with one BLAS thread and with two."""
    rows = []
    for work, threads in ((MOONS, 1), (MOONS, 2), (SMALL, 1), (SMALL, 2), (LARGE, 2)):
        jobs = installed(Job(peer, work, threads) for peer in ALONE[:4])
        quiet = take_turns(jobs, rounds=rounds)
        with busy():
            loaded = take_turns(jobs, rounds=rounds)
        print(f"A step of {name_of(work)}, {threads} thread{'s' * (threads > 1)}: quiet, and with every core busy")
        for job in jobs:
            a, b = 1e6 * quiet[job].median, 1e6 * loaded[job].median
            rows.append({"peer": job.peer, "work": name_of(work), "threads": threads, "quiet": a, "busy": b})
            print(f"  {job.peer:16}{a:10.1f} µs{b:12.1f} µs   {b / a:6.1f} times")
        print()
    return rows


def growth(rounds: int) -> list[dict[str, Any]]:
    """Time a step over width, depth, batch and K, and an epoch over N, one doubling after another."""
    grids = {
        "width": [replace(MOONS, sizes=(2, n, n, 2)) for n in (8, 16, 32, 64, 128, 256, 512)],
        "depth": [replace(MOONS, sizes=(2, *[16] * n, 2)) for n in (1, 2, 4, 8, 16, 32)],
        "batch": [replace(MOONS, batch=n) for n in (8, 16, 32, 64, 128, 256, 512, 1024)],
        "samples": [replace(MOONS, n=n) for n in (256, 1024, 4096, 16384, 65536)],
        "replicas": [replace(MOONS, replicas=k) for k in (1, 2, 4, 8, 16, 32, 64, 128, 256)],
    }
    rows = []
    for grid, works in grids.items():
        times = take_turns([Job("minnet", work) for work in works], rounds=rounds, seconds=0.05)
        print(f"minnet, µs a step over {grid}:")
        for job, found in times.items():
            rows.append({"grid": grid, "work": name_of(job.work), "n": job.work.n, "replicas": job.work.replicas,
                         "microseconds": 1e6 * found.median, "peak": found.peak})  # fmt: skip
            told = (
                f"n = {job.work.n}" if grid == "samples" else f"K = {job.work.replicas}" if grid == "replicas" else ""
            )
            print(f"  {name_of(job.work)} {told:12}{1e6 * found.median:10.1f} µs, peak {found.peak:.0f} MB")
    return rows


def comparison(rounds: int) -> list[dict[str, Any]]:
    """The whole comparison of four activations on moons, beside what its runs would take by scikit-learn and by JAX.

    compare() runs as it is, on all cores, with its libraries loaded. Of scikit-learn one fit of each activation is
    timed on one core after every comparison; their mean times the number of runs, shared out over the cores without
    loss, is what the same protocol would take. JAX trains as many replicas, and is spared choosing and scoring.
    """
    from joblib import cpu_count
    from sklearn.neural_network import MLPClassifier

    from minnet.lab.compare import RATES, compare
    from minnet.lab.datasets import dataset

    warnings.filterwarnings("ignore", module="sklearn")
    data, names, seeds = dataset("moons"), ("identity", "sigmoid", "tanh", "relu"), 20
    split = data.split(0)
    jax: list[Callable[[int], Any]] = []
    if Job("JAX", MOONS).installed:
        for rates in (RATES, (0.1, 0.3)):  # tuning; then the best rate and the shared one
            x, y = (np.concatenate([part] * len(rates)) for part in data.splits(range(seeds))[:2])
            jax += [jax_replicas(x.astype(np.float32), y, np.repeat(rates, seeds).astype(np.float32), sizes=MOONS.sizes,
                                 activation=name, batch=MOONS.batch) for name in names]  # fmt: skip
    times: dict[str, list[float]] = {}

    def timed(name: str, job: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = job()
        times.setdefault(name, []).append(time.perf_counter() - start)
        return result

    runs = 0
    for turn in range(rounds):
        runs = len(timed("minnet", lambda: compare(names, data, initialisers=["recommended"], seeds=seeds)).runs)
        for activation in ("identity", "logistic", "tanh", "relu"):
            model = MLPClassifier(
                (16, 16), activation=activation, solver="sgd", learning_rate_init=0.1, momentum=0.0, alpha=0.0,
                batch_size=32, max_iter=200, tol=0.0, n_iter_no_change=10**6,
            )  # fmt: skip
            timed("scikit-learn", partial(model.fit, split.x, split.y))
        if jax:
            timed("JAX" if turn else "JAX, compiling", lambda: [fit(200) for fit in jax])
    cores = cpu_count()
    whole = {name: statistics.median(values) for name, values in times.items() if name != "scikit-learn"}
    whole["scikit-learn"] = statistics.mean(times["scikit-learn"]) * runs / cores
    print(f"The comparison of {len(names)} activations on moons, {runs} runs of 200 epochs, {cores} cores:")
    for name, seconds in whole.items():
        print(f"  {name:16}{seconds:7.1f} s   minnet / it 1/{seconds / whole['minnet']:.1f}")
    print()
    return [{"peer": name, "seconds": seconds} for name, seconds in whole.items()]


SECTIONS: dict[Section, Callable[[int], list[dict[str, Any]]]] = {
    Section.STEPS: steps,
    Section.REPLICAS: replicas,
    Section.PROCESS: process,
    Section.LOAD: load,
    Section.GROWTH: growth,
    Section.COMPARISON: comparison,
}


def figure(found: Mapping[str, list[dict[str, Any]]]) -> Any:
    """Time a step over the size of the network, and a replica's share over K."""
    from matplotlib import pyplot as plt

    from minnet.lab.plots import styles

    looks = styles([*ALONE, *TOGETHER[1:4]])
    fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    works = [name_of(work) for work in (MOONS, SMALL, LARGE, HUGE)]
    one = [row for row in found["steps"] if row["work"] in works]
    many = [row for row in found["replicas"] if row["work"] == works[0] and row["processes"] == row["threads"] == 1]
    for ax, peers, rows, place in (
        (axes[0], ALONE, one, lambda row: works.index(row["work"])),
        (axes[1], TOGETHER, many, lambda row: row["replicas"]),
    ):
        for peer in peers:
            mine = [row for row in rows if row["peer"] == peer]
            ax.plot([place(row) for row in mine], [row["microseconds"] for row in mine], label=peer, **looks[peer])
    axes[0].set(yscale="log", ylabel="µs a step", title="One network", xticks=range(len(works)),
                xticklabels=[work.split(",")[0] for work in works])  # fmt: skip
    for row in many:
        if row["replicas"] is None:
            at = 8, row["microseconds"]
            axes[1].axhline(at[1], color="0.5", linewidth=0.8)
            axes[1].annotate(f"{row['peer']}, one network", at, xytext=(0, 3), textcoords="offset points", fontsize=8)
    axes[1].set(xscale="log", yscale="log", xticks=[8, 32, 128], xticklabels=["8", "32", "128"], xlabel="replicas K",
                ylabel="µs a step and replica", title="K networks at once, 2-16-16-2")  # fmt: skip
    axes[1].minorticks_off()
    for ax in axes:
        ax.grid(axis="y", color="0.9")
        ax.legend(frameon=False, fontsize=8)
    return fig


def main(
    parts: Annotated[list[Section] | None, typer.Argument(help="what to time")] = None,
    rounds: Annotated[int, typer.Option(min=3)] = 9,
    out: Out = Path("results"),
) -> None:
    """Time minnet beside its peers; without arguments: steps, replicas and process."""
    from minnet.lab.drawing import saved, write_files

    chosen = parts or [Section.STEPS, Section.REPLICAS, Section.PROCESS]
    chosen = list(SECTIONS) if Section.ALL in chosen else chosen
    missing = sorted({peer for peer in (*ALONE, *TOGETHER) if not Job(peer, MOONS).installed})
    print(f"Left out, not installed: {', '.join(missing)}.\n" if missing else "", end="")
    found = {str(part): SECTIONS[part](rounds) for part in chosen}
    versions = {}
    for package in ("numpy", "scikit-learn", "torch", "jax"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    files = {out / "speed.json": json.dumps({"machine": machine, "versions": versions, **found}, indent=1).encode()}
    if {"steps", "replicas"} <= set(found):
        files[out / "speed.png"] = saved(figure(found), "png")
    write_files(files)
    print(f"{machine}, {', '.join(' '.join(pair) for pair in versions.items())}. Medians of {rounds} rounds.")
    print(f"Written: {', '.join(map(str, files))}.")


if __name__ == "__main__":
    typer.run(main)
