"""Times of training, each peer in a process of its own with its threads set, taken in turns and given as medians.

The processes are this module, run as a program: it prepares one peer's work, and trains whenever it is told to.
"""

import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from minnet.lab.peers import NEEDS, PEERS, Work
from minnet.lab.replica_peers import REPLICA_PEERS
from minnet.settings import require


@dataclass(frozen=True)
class Job:
    """What is timed: `processes` at once, of which each does the work with so many threads."""

    peer: str
    work: Work
    threads: int = 1
    processes: int = 1

    @property
    def installed(self) -> bool:
        """Whether the package is there that this peer needs."""
        return all(find_spec(package) for name, package in NEEDS.items() if self.peer.startswith(name))


@dataclass(frozen=True)
class Times:
    """Of one job: seconds a step, by round; those from the start of Python to the end of a first epoch; peak MB."""

    seconds: tuple[float, ...]
    first: float
    peak: float

    @property
    def median(self) -> float:
        return median(self.seconds)


def environment(threads: int) -> dict[str, str]:
    """Variables that hold BLAS, PyTorch and XLA (it reads NPROC) to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    return dict.fromkeys(names, str(threads)) | {"JAX_PLATFORMS": "cpu"}


def take_turns(jobs: Sequence[Job], *, rounds: int, seconds: float = 0.5) -> dict[Job, Times]:
    """Let the jobs train in turns, `rounds` times each and once before, for about so many seconds; times of one step.

    A turn is a training of one epoch to wake up, another, and one of ten more epochs at least. What the last two differ
    by was taken by steps alone, without the making of weights and the allocation of memory.
    """
    require(rounds >= 1, f"rounds has to be >= 1, got {rounds}")
    found: dict[Job, list[float]] = {job: [] for job in jobs}
    running: dict[Job, list[subprocess.Popen[str]]] = {}
    first, more, peak = dict[Job, float](), dict[Job, int](), dict[Job, float]()
    with ExitStack() as stack:
        for job in jobs:
            start = time.perf_counter()
            running[job] = [stack.enter_context(_process(job)) for _ in range(job.processes)]
            _train(running[job], 1)
            first[job] = time.perf_counter() - start
            _train(running[job], 11)  # once untimed: what a second training still compiles or allocates
            start = time.perf_counter()
            _train(running[job], 11)
            more[job] = max(10, round(11 * seconds / (time.perf_counter() - start)))
        for _ in range(rounds + 1):
            for job, workers in running.items():
                _train(workers, 1)
                start = time.perf_counter()
                _train(workers, 1)
                between = time.perf_counter()
                peak[job] = _train(workers, 1 + more[job])
                difference = (time.perf_counter() - between) - (between - start)
                found[job].append(difference / more[job] / job.work.steps)
    return {job: Times(tuple(found[job][1:]), first[job], peak[job]) for job in jobs}


def machine() -> str:
    """What the times were measured on."""
    about = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", about.read_text("utf-8")) if about.exists() else []
    parts = [*models[:1], platform.machine(), f"{os.cpu_count()} cores", f"Python {platform.python_version()}"]
    for package in ("numpy", "scikit-learn", "torch", "jax"):
        with suppress(PackageNotFoundError):
            parts.append(f"{package} {version(package)}")
    return ", ".join(parts)


@contextmanager
def _process(job: Job) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "minnet.lab.stopwatch", job.peer, json.dumps(asdict(job.work))]
    with subprocess.Popen(
        words, env=os.environ | environment(job.threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _train(workers: Sequence[subprocess.Popen[str]], epochs: int) -> float:
    """Let all train for so many epochs, and wait; the sum of their peak memory in MB."""
    peaks = []
    for worker in workers:
        assert worker.stdin
        print(epochs, file=worker.stdin, flush=True)
    for worker in workers:
        assert worker.stdout
        line = worker.stdout.readline()
        require(line.strip() != "", "a timed process ended before its work was done")
        peaks.append(float(line))
    return sum(peaks)


def _serve(peer: str, work: Mapping[str, Any]) -> None:
    """Train for as many epochs as each line of the standard input says, and answer with the peak memory."""
    fit = (PEERS | REPLICA_PEERS)[peer](Work(**{**work, "sizes": tuple(work["sizes"])}))
    for line in sys.stdin:
        fit(int(line))
        print(_peak(), flush=True)


def _peak() -> float:
    """The most memory this process ever held, in MB; on Linux ru_maxrss would count that of the parent too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    _serve(sys.argv[1], json.loads(sys.argv[2]))
