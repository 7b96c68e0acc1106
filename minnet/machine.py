"""What a training asks of the machine: threads that help, and memory that stays.

BLAS threads wait for each other by spinning. On small matrices a second thread brings little, and where other programs
take its core, a product of them takes many times as long (`experiments/speed.py load` shows what a step does).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from threading import Lock
from typing import Any

import numpy as np

SMALL = 2**22  # parameters times samples in a batch; well above it a second thread pays
LARGEST = 2**25 - 2**13  # bytes: the most that glibc learns from

_lock = Lock()
_inside: set[object] = set()  # the contexts that want one BLAS thread now
_found: list[int] = []  # the number of threads of each BLAS before the first of them


def steady(parameters: int, batch_size: int) -> AbstractContextManager[None]:
    """A context in which BLAS has one thread if a step is small, and as many as before if not.

    And freed memory is kept for the next step: glibc gives it back to the system after each one, and takes it again
    page by page, until one large block was freed (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does nothing.
    """
    np.empty(LARGEST, np.uint8)
    return nullcontext() if parameters * batch_size > SMALL else one_blas_thread()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A context in which BLAS has one thread. Contexts of several Python threads may overlap in any order.

    The number belongs to the process: the first context to begin sets it, and the last to end restores what was found.
    A large training in another thread has one BLAS thread meanwhile.
    """
    me = object()
    try:
        with _lock:
            if not _inside:
                _found[:] = [library.num_threads for library in _blas().lib_controllers]
                _set_threads([1] * len(_found))
            _inside.add(me)
        yield
    finally:
        with _lock:
            if _inside == {me}:
                _set_threads(_found)
            _inside.discard(me)


def _set_threads(numbers: Sequence[int]) -> None:
    """Give each BLAS of this process a number of threads."""
    for library, number in zip(_blas().lib_controllers, numbers, strict=True):
        library.set_num_threads(number)
    with _blas().limit(limits=None):  # changes nothing; on leaving, threadpoolctl lets any thread set the number again
        pass


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # finds the libraries of this process, which takes milliseconds

    return ThreadpoolController().select(user_api="blas")
