"""Threads for matrix products: on small matrices a second one costs more than it brings, most of all on busy cores.

BLAS threads wait for each other by spinning. Where other programs take their cores from them, a product of small
matrices takes a hundred times as long as on one thread (`experiments/speed.py load` measures it).
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

SMALL = 2**22  # parameters times samples in a batch; from about there on a second thread pays


def enough_threads(parameters: int, batch_size: int) -> AbstractContextManager[Any]:
    """A context in which BLAS has one thread if a step is small, and as many as before if not."""
    if parameters * batch_size > SMALL:
        return nullcontext()
    limited: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # finds the libraries of this process, which takes a millisecond

    return ThreadpoolController()
