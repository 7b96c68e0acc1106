"""A small network trains on one BLAS thread, a large one on as many as there were; afterwards all is as before."""

import platform
import subprocess
import sys

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="how glibc keeps memory")
def test_memory_is_not_taken_anew_in_each_step():
    code = (
        "import resource, numpy as np\nfrom minnet import *\n"
        "net, x = Network(Dense(2, 16), Tanh(), Dense(16, 16), Tanh(), Dense(16, 2)), np.ones((1024, 2))\n"
        "def faults(epochs):\n"
        "    train(net, softmax_cross_entropy, SGD(0.1), x, np.arange(1024) % 2, epochs=epochs, batch_size=32,"
        " seed=range(32))\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "first = faults(1)\nprint(faults(9) - first)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 288  # steps; without care it is seven or more a step
