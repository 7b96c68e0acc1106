"""BLAS threads: small products are done sooner by one."""

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from minnet.network import Network

SMALL = 4_000_000  # multiplications in the largest product of a step; below it a second thread costs more than it gives


@lru_cache(maxsize=1)
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # looking for them takes milliseconds


def few_threads(network: Network, batch_size: int) -> AbstractContextManager[Any]:
    """One BLAS thread while the block runs, if the products of a step are small; else nothing is changed."""
    largest = max(int(p.shape[0] * p.shape[1]) for p in network.parameters) * batch_size
    return _libraries().limit(limits=1, user_api="blas") if largest < SMALL else nullcontext()
