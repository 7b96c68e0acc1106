"""How fast is minnet, beside what a user would pick instead, and beside what the bare matrix products take?

Every peer trains the same networks on the same data, each in a process of its own with its threads set, in turns; the
figures are medians over the rounds, with the fastest and slowest. Softmax cross-entropy, SGD with momentum 0.9, batches
in a new random order each epoch, float32. "Products alone" does nothing but the matrix products of a step by NumPy's
BLAS and the update in place: no training can be faster that is made of them. Peers that are not installed are left out
by name (`pip install -e '.[bench]'`). Give the parts to run, or `all`:

    python experiments/speed.py steps replicas process
    python experiments/speed.py load growth comparison
    python experiments/speed.py all --readme

The last also puts what was measured into README.md and docs/speed.md. What was measured is kept in results/speed.json,
part by part, until that part is measured again.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before BLAS wakes
os.environ["JAX_PLATFORMS"] = "cpu"

import json
import multiprocessing
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
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
from minnet.lab.drawing import saved, write_files
from minnet.lab.markdown import filled
from minnet.lab.peers import Work
from minnet.lab.programs import PROGRAMS
from minnet.lab.replica_peers import jax_replicas
from minnet.lab.speed_tables import ALONE, TOGETHER, blocks, figure
from minnet.lab.stopwatch import Job, Times, environment, take_turns

MOONS, SMALL = Work((2, 16, 16, 2), 32), Work((64, 128, 64, 10), 64)
LARGE, HUGE = Work((784, 512, 256, 10), 128, activation="relu"), Work((1024, 2048, 2048, 10), 512, activation="relu")
# With two threads the products of small matrices are slower, not faster: BLAS wakes and joins them for each.
THREADS = {LARGE: 2, HUGE: 2}
ROOT = Path(__file__).parent.parent
PAGES = ROOT / "README.md", ROOT / "docs" / "speed.md"


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
    for heading in ("µs", "fastest", "slowest", "minnet = 1", "first, s", "memory, MB"):
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
        table.add_row(job.peer + where, *cells, f"{middle / ours:#.3g} ×", f"{found.first:.2f}", f"{found.peak:.0f}")
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
        both = [Job(peer, half, processes=2) for peer in ("minnet", "JAX vmap + scan")]
        rows += shown(f"The same, K = 32, both cores, {name_of(work)}", take_turns(installed(both), rounds=rounds))
    return rows


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
        names = [job.peer for job in installed(Job(name, MOONS) for name in PROGRAMS)]
        for _ in range(rounds):
            for name in names:
                words = [sys.executable, "-c", f"{head}{PROGRAMS[name]}\nprint(float(score))"]
                start = time.perf_counter()
                done = subprocess.run(
                    words, env=os.environ | environment(1), capture_output=True, text=True, check=True
                )
                found.setdefault(name, []).append((time.perf_counter() - start, float(done.stdout)))
    print("From the start of Python to a trained and scored network, 200 epochs of 1,024 points of moons:")
    medians = {name: statistics.median(seconds for seconds, _ in pairs) for name, pairs in found.items()}
    for name, seconds in medians.items():
        ratio, score = seconds / medians["minnet"], found[name][0][1]
        print(f"  {name:16}{seconds:6.2f} s   {ratio:#.3g} × minnet's   test accuracy of one run {score:.1%}")
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
    """Time a step of minnet over width, depth, batch, N and K (of all K together), one doubling after another."""
    grids = {
        "width": [replace(MOONS, sizes=(2, n, n, 2)) for n in (8, 16, 32, 64, 128, 256, 512)],
        "depth": [replace(MOONS, sizes=(2, *[16] * n, 2)) for n in (1, 2, 4, 8, 16, 32)],
        "batch": [replace(MOONS, batch=n) for n in (8, 16, 32, 64, 128, 256, 512, 1024)],
        "samples": [replace(MOONS, n=n) for n in (256, 1024, 4096, 16384, 65536)],
        "replicas": [replace(MOONS, replicas=k) for k in (1, 2, 4, 8, 16, 32, 64, 128, 256)],
    }
    varied: dict[str, Callable[[Work], int]] = {
        "width": lambda work: work.sizes[1],
        "depth": lambda work: len(work.sizes) - 2,
        "batch": lambda work: work.batch,
        "samples": lambda work: work.n,
        "replicas": lambda work: work.replicas or 0,
    }
    rows = []
    for grid, works in grids.items():
        times = take_turns([Job("minnet", work) for work in works], rounds=rounds)
        print(f"minnet, µs a step over {grid}:")
        for job, found in times.items():
            value, micro = varied[grid](job.work), 1e6 * found.median
            rows.append({"grid": grid, "value": value, "microseconds": micro, "peak": found.peak})
            print(f"  {value:6}{micro:12.1f} µs, peak {found.peak:.0f} MB")
    return rows


def comparison(rounds: int) -> list[dict[str, Any]]:
    """The whole comparison of four activations on moons, beside what its runs would take by scikit-learn and by JAX.

    compare() runs as it is, on all cores; the first time its workers start. Of scikit-learn one fit of each activation
    is timed on one core after every comparison; their mean times the number of runs, shared out over the cores without
    loss, is what the same protocol would take. JAX trains what was tuned and tested, all rates and seeds of a phase at
    once, on all cores, and is spared the choosing and the scoring; the first time it compiles.
    """
    from joblib import cpu_count
    from sklearn.neural_network import MLPClassifier

    from minnet.lab.compare import compare
    from minnet.lab.datasets import dataset

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
    print(f"The comparison of 4 activations on moons, {len(runs)} runs of 200 epochs, {cores} cores:")
    for name, seconds in whole.items():
        print(f"  {name:18}{seconds:7.1f} s   {seconds / whole['minnet']:#.3g} × minnet's")
    print()
    return [{"peer": name, "seconds": seconds} for name, seconds in whole.items()]


def machine() -> str:
    """What the times were measured on."""
    about = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", about.read_text("utf-8")) if about.exists() else []
    parts = [*models[:1], platform.machine(), f"{os.cpu_count()} cores", f"Python {platform.python_version()}"]
    for package in ("numpy", "scikit-learn", "torch", "jax"):
        with suppress(PackageNotFoundError):
            parts.append(f"{package} {version(package)}")
    return ", ".join(parts)


SECTIONS: dict[Section, Callable[[int], list[dict[str, Any]]]] = {
    Section.STEPS: steps,
    Section.REPLICAS: replicas,
    Section.PROCESS: process,
    Section.LOAD: load,
    Section.GROWTH: growth,
    Section.COMPARISON: comparison,
}


def main(
    parts: Annotated[list[Section] | None, typer.Argument(help="what to time")] = None,
    rounds: Annotated[int, typer.Option(min=3)] = 9,
    out: Out = Path("results"),
    readme: Annotated[bool, typer.Option("--readme", help="put the tables into README.md and docs/")] = False,
) -> None:
    """Time minnet beside its peers; without arguments: steps, replicas and process."""
    chosen = parts or [Section.STEPS, Section.REPLICAS, Section.PROCESS]
    chosen = list(SECTIONS) if Section.ALL in chosen else chosen
    missing = sorted({peer for peer in (*ALONE, *TOGETHER) if not Job(peer, MOONS).installed})
    print(f"Left out, not installed: {', '.join(missing)}.\n" if missing else "", end="")
    file, found = out / "speed.json", {}
    with suppress(OSError, ValueError):  # not there, or no JSON
        found = {part: about for part, about in json.loads(file.read_text("utf-8")).items() if "records" in about}
    for part in chosen:
        found[str(part)] = {"machine": machine(), "rounds": rounds, "records": SECTIONS[part](rounds)}
        write_files({file: json.dumps(found, indent=1).encode()})
    files = {}
    if {"steps", "replicas"} <= set(found):
        files[out / "speed.png"] = saved(figure(found), "png")
    if readme:
        files |= {page: filled(page.read_text("utf-8"), blocks(found)).encode() for page in PAGES}
        files |= {ROOT / "docs" / picture.name: png for picture, png in files.items() if picture.suffix == ".png"}
    write_files(files)
    print(f"{machine()}; medians of {rounds} rounds.\nWritten: {', '.join(map(str, [file, *files]))}.")


if __name__ == "__main__":
    typer.run(main)
