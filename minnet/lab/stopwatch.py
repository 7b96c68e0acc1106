"""Times of training, each peer in a process of its own with its threads set, taken in turns and given as medians.

The processes are this module, run as a program: it prepares one peer's work, and trains whenever it is told to.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
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
    """Of one job: seconds a step, by round; the first training, with imports and compilation; peak memory in MB."""

    seconds: tuple[float, ...]
    first: float
    peak: float

    @property
    def median(self) -> float:
        return median(self.seconds)


def environment(threads: int) -> dict[str, str]:
    """Variables that hold BLAS, PyTorch and XLA to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    flags = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} intra_op_parallelism_threads={threads}"
    return dict.fromkeys(names, str(threads)) | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def take_turns(jobs: Sequence[Job], *, rounds: int, seconds: float = 0.5) -> dict[Job, Times]:
    """Let the jobs train in turns, `rounds` times each and once before, for about so many seconds; times of one step.

    A turn is a training of one epoch to wake up, another, and one of ten more epochs at least. What the last two differ
    by was taken by steps alone, without the making of weights and the allocation of memory.
    """
    require(rounds >= 1, f"rounds has to be >= 1, got {rounds}")
    found: dict[Job, list[float]] = {job: [] for job in jobs}
    with ExitStack() as stack:
        running = {job: [stack.enter_context(_process(job)) for _ in range(job.processes)] for job in jobs}
        ready = {job: _all(workers, 0) for job, workers in running.items()}
        more = {job: max(10, round(seconds / answer["epoch"])) for job, answer in ready.items()}
        peak = dict.fromkeys(jobs, 0.0)
        for _ in range(rounds + 1):
            for job, workers in running.items():
                _all(workers, 1)
                start = time.perf_counter()
                _all(workers, 1)
                between = time.perf_counter()
                answer = _all(workers, 1 + more[job])
                difference = (time.perf_counter() - between) - (between - start)
                found[job].append(difference / more[job] / job.work.steps)
                peak[job] = answer["peak"]
        return {job: Times(tuple(found[job][1:]), ready[job]["first"], peak[job]) for job in jobs}


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


def _all(workers: Sequence[subprocess.Popen[str]], epochs: int) -> dict[str, float]:
    """Tell all to train for so many epochs (0: to get ready), and wait; the largest of their answers."""
    answers = []
    for worker in workers:
        assert worker.stdin
        print(epochs, file=worker.stdin, flush=True)
    for worker in workers:
        assert worker.stdout
        line = worker.stdout.readline()
        require(line.startswith("{"), f"a timed process ended, or said {line!r} in place of a time")
        answers.append(json.loads(line))
    return {name: max(answer[name] for answer in answers) for name in answers[0]}


def _serve(peer: str, work: Mapping[str, Any]) -> None:
    """Prepare, then train for as many epochs as each line of the standard input says."""
    fit: Callable[[int], Any] | None = None
    for line in sys.stdin:
        answer = {}
        if fit is None:
            start = time.perf_counter()
            fit = (PEERS | REPLICA_PEERS)[peer](Work(**{**work, "sizes": tuple(work["sizes"])}))
            fit(1)
            answer["first"] = time.perf_counter() - start
            start = time.perf_counter()
            fit(2)
            answer["epoch"] = (time.perf_counter() - start) / 2
        else:
            fit(int(line))
        answer["peak"] = _peak()
        print(json.dumps(answer), flush=True)


def _peak() -> float:
    """The most memory this process ever held, in MB; on Linux ru_maxrss would count that of the parent too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    _serve(sys.argv[1], json.loads(sys.argv[2]))
