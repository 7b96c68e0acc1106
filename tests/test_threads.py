"""A small network trains on one BLAS thread, a large one on as many as there were; afterwards all is as before."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minnet import SGD, Dense, Network, mse, train


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize(("hidden", "expected"), [(8, {1}), (2**14, {2})])
def test_blas_threads_while_training(hidden, expected):
    seen = []
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("this BLAS has no second thread")
        train(Network(Dense(4, hidden), Dense(hidden, 1)), mse, SGD(1e-6), np.ones((512, 4)), np.ones((512, 1)),
              epochs=1, batch_size=512, seed=0, callbacks=[lambda run: seen.append(blas_threads())])  # fmt: skip
        assert seen == [expected]
        assert blas_threads() == {2}
