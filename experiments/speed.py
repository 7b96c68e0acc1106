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
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from joblib import cpu_count
from rich import box
from rich.console import Console
from rich.table import Table

from minnet.lab.claims import Out
from minnet.lab.drawing import saved, write_files
from minnet.lab.markdown import filled
from minnet.lab.peers import Work
from minnet.lab.speed_tables import ALONE, TOGETHER, blocks, figure
from minnet.lab.stopwatch import Job, Times, machine, take_turns
from minnet.lab.whole_times import MOONS, comparison_times, program_times

SMALL = Work((64, 128, 64, 10), 64)
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
    rows = program_times(rounds)
    print("From the start of Python to a trained and scored network, 200 epochs of 1,024 points of moons:")
    _print_whole(rows)
    return rows


def comparison(rounds: int) -> list[dict[str, Any]]:
    """The comparison of four activations on moons as a whole: tuned and tested, on all cores."""
    runs, rows = comparison_times(rounds)
    print(f"The comparison of 4 activations on moons, {runs} runs of 200 epochs, {cpu_count()} cores:")
    _print_whole(rows)
    return rows


def _print_whole(rows: list[dict[str, Any]]) -> None:
    ours = next(row["seconds"] for row in rows if row["peer"] == "minnet")
    for row in rows:
        score = f"   test accuracy of one run {row['score']:.1%}" if "score" in row else ""
        print(f"  {row['peer']:18}{row['seconds']:7.2f} s   {row['seconds'] / ours:#.3g} × minnet's{score}")
    print()


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
