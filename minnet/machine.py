"""What a training asks of the machine: threads that help, and memory that stays.

BLAS threads wait for each other by spinning. On small matrices a second thread brings little, and where other programs
take its core, a product of them takes many times as long (`experiments/speed.py load` shows what a step does).
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np

SMALL = 2**22  # parameters times samples in a batch; well above it a second thread pays
LARGEST = 2**25 - 2**13  # bytes: the most that glibc learns from


def steady(parameters: int, batch_size: int) -> AbstractContextManager[Any]:
    """A context in which BLAS has one thread if a step is small, and as many as before if not.

    And freed memory is kept for the next step: glibc gives it back to the system after each one, and takes it again
    page by page, until one large block was freed (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does nothing.
    """
    np.empty(LARGEST, np.uint8)
    if parameters * batch_size > SMALL:
        return nullcontext()
    limited: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limited


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController  # finds the libraries of this process, which takes milliseconds

    return ThreadpoolController()
