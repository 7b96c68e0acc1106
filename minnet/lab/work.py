"""Tasks spread over cores or a cluster by joblib, each result kept in a file as soon as it is there."""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from socket import create_connection
from urllib.parse import urlsplit

import numpy as np

from minnet.files import replace_file
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

    Nothing here distributes work: joblib does, over `jobs` cores, or through the Dask scheduler at the address
    `cluster`. Dask gives a lost worker's tasks to another one. Tasks are sent one by one and received in any order,
    so that no more than those in flight can be lost.
    """
    from joblib import Parallel, delayed

    for key in tasks:
        if store.get(key) is not None:
            yield key
    left = [(key, task) for key, task in tasks.items() if store.get(key) is None]
    if not left:
        return
    with _backend(cluster):
        done = Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")(
            delayed(_numbered)(i, task) for i, (_, task) in enumerate(left)
        )
        for i, result in done:
            store.put(left[i][0], result)
            yield left[i][0]


def _numbered(number: int, task: Callable[[], Result]) -> tuple[int, Result]:
    return number, task()


@contextmanager
def _backend(cluster: str | None) -> Iterator[None]:
    """Within it joblib uses the Dask cluster, or whatever it uses anyway."""
    if cluster is None:
        yield
        return
    from joblib import parallel_config

    try:
        from distributed import Client
    except ImportError:
        raise ValueError("a cluster needs dask.distributed: pip install 'minnet-nn[cluster]'") from None
    try:  # a Client that cannot connect takes long to give up, and then says more than one line
        address = urlsplit(cluster)
        create_connection((address.hostname, address.port), timeout=10).close()
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {cluster!r}, expected one as at tcp://host:8786: {error}"
        ) from None
    with (
        Client(cluster, set_as_default=False) as client,  # type: ignore[no-untyped-call]  # Dask's
        parallel_config("dask", client=client, wait_for_workers_timeout=60),
    ):
        yield
