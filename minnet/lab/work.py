"""Tasks spread over cores by joblib or over a cluster by Dask, each result kept in a file as soon as it is there."""

import hashlib
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from minnet.files import replace_file
from minnet.interrupts import LateInterrupt
from minnet.lab.cluster import on_cluster
from minnet.settings import Array

Result = dict[str, Array]


class Store:
    """What tasks gave, by key; in a folder if there is one, so that work that was killed goes on where it was.

    Every file is written beside and renamed, so a reader (or this very process, killed and started again) finds the
    whole of it or nothing. A `fresh` store overwrites what it finds and does not read it. A file ends with a digest of
    the key and of all before it: what does not fit it, damaged or of another name, is not read.
    """

    def __init__(self, folder: Path | None, fresh: bool = False):
        self.folder, self.fresh, self._known, self.found = folder, fresh, dict[str, Result](), 0
        self.damaged = list[str]()
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> Result | None:
        """The result under this key, or None if it has yet to be worked out."""
        if key not in self._known and self.folder and not self.fresh and (path := self._path(key)).exists():
            content, digest = (whole := path.read_bytes())[:-32], whole[-32:]
            if digest == _digest(key, content):
                with np.load(BytesIO(content)) as arrays:  # without pickle
                    self._known[key] = dict(arrays)
                self.found += 1
            elif path.name not in self.damaged:
                self.damaged.append(path.name)
        return self._known.get(key)

    def put(self, key: str, result: Result) -> None:
        """Keep a result."""
        self._known[key] = result
        if self.folder:
            content = BytesIO()
            np.savez(content, allow_pickle=False, **result)
            replace_file(self._path(key), content.getvalue() + _digest(key, content.getvalue()))

    def remarks(self) -> Iterator[str]:
        """What was not trained now, and what had to be trained again: a line each."""
        if n := len(self.damaged):
            names = ", ".join(self.damaged[:3]) + (", ..." if n > 3 else "")
            yield f"{n} file{'s' * (n > 1)} damaged in {self.folder}, so trained again: {names}."
        if n := self.found:
            what = "pieces of work were" if n > 1 else "piece of work was"
            yield f"{n} {what} taken from {self.folder}; `fresh` trains all anew."

    def _path(self, key: str) -> Path:
        assert self.folder
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + content).digest()


def on_stderr(remark: str) -> None:
    """Say what is not the result."""
    print(remark, file=sys.stderr)


def work_out(
    tasks: Mapping[str, Callable[[], Result]], store: Store, *, jobs: int, cluster: str | None
) -> Iterator[str]:
    """See to it that `store` has the result of every task (by key); yield each key as soon as it has.

    The tasks run on `jobs` cores, or on the Dask cluster whose scheduler is at the address `cluster`. They are sent one
    by one and received in any order, so that no more than those in flight can be lost.
    """
    from joblib import delayed

    for key in tasks:
        if store.get(key) is not None:
            yield key
    left = [(key, task) for key, task in tasks.items() if store.get(key) is None]
    if not left:
        return
    if cluster is None:
        done = on_cores((delayed(_numbered)(i, task) for i, (_, task) in enumerate(left)), jobs, ordered=False)
    else:
        done = on_cluster([task for _, task in left], cluster)
    for i, result in done:
        store.put(left[i][0], result)
        yield left[i][0]


def _numbered(number: int, task: Callable[[], Result]) -> tuple[int, Result]:
    return number, task()


def on_cores(calls: Iterable[Any], jobs: int, *, ordered: bool) -> Iterator[Any]:
    """The results of joblib's `delayed` calls, run on `jobs` cores.

    joblib distributes them. However this process ends, its worker processes end within a second. A Ctrl-C on the
    terminal is for this process alone: a worker would print a traceback.
    """
    from multiprocessing.resource_tracker import ensure_running

    from joblib import Parallel, parallel_config
    from joblib.parallel import get_active_backend

    ours = type(get_active_backend()[0]).__name__ == "LokyBackend"  # another one is the caller's choice
    started = {"backend": "loky", "initializer": _end_with, "initargs": (os.getpid(),)} if ours else {}
    if ours:
        ensure_running()  # starting it unblocks signals: so it comes before they are blocked
    with LateInterrupt() as ctrl_c:  # half started, joblib ends in errors of its own
        with parallel_config(**started), _interrupts_blocked():
            how = "generator" if ordered else "generator_unordered"
            results: Generator[Any, None, None] = Parallel(n_jobs=jobs, batch_size=1, return_as=how)(calls)
        pressed = ctrl_c.pressed
    end = object()
    try:
        if pressed:
            raise KeyboardInterrupt
        while (result := _quietly(next, results, end)) is not end:
            yield result
    finally:
        _quietly(results.close)


def _quietly(call: Callable[..., Any], *arguments: Any) -> Any:
    """What `call` returns, without joblib's warning of tasks that an interrupt cuts off."""
    with warnings.catch_warnings(action="ignore"):
        return call(*arguments)


def _end_with(parent: int) -> None:
    """End this worker soon after its parent is gone. (On Windows a process keeps its parent's number.)"""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Within it a Ctrl-C waits. Processes started here inherit that, and never get one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
