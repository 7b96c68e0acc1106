"""A small network trains on one BLAS thread, a large one on as many as there were; afterwards all is as before."""

import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

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


def overlapping(hidden, first_to_leave):
    """Two trainings in two threads, the second begun within the first: BLAS threads while the last runs, and after."""
    inside, leave = [Event(), Event()], [Event(), Event()]

    def wait(k, run):
        inside[k].set()
        assert leave[k].wait(60)

    def fit(k):
        train(Network(Dense(4, hidden[k]), Dense(hidden[k], 1)), mse, SGD(1e-6), np.ones((512, 4)), np.ones((512, 1)),
              epochs=1, batch_size=512, seed=0, callbacks=[partial(wait, k)])  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        trainings = []
        for k in (0, 1):
            trainings.append(pool.submit(fit, k))
            assert inside[k].wait(60)
        last = 1 - first_to_leave
        leave[first_to_leave].set()
        trainings[first_to_leave].result()
        seen = blas_threads()
        leave[last].set()
        trainings[last].result()
        return seen, blas_threads()


@pytest.fixture
def two_threads():
    """Two BLAS threads, a number that any thread may change (within `threadpool_limits` only its own thread may)."""
    controller = ThreadpoolController()
    blas = controller.select(user_api="blas").lib_controllers
    before = [library.num_threads for library in blas]
    for numbers in ([2] * len(blas), before):
        for library, number in zip(blas, numbers, strict=True):
            library.set_num_threads(number)
        with controller.limit(limits=None):
            pass
        if numbers is not before:
            yield blas_threads() == {2}


@pytest.mark.parametrize("first_to_leave", [0, 1])
@pytest.mark.parametrize("hidden", [(8, 8), (8, 2**14), (2**14, 8)])
def test_trainings_in_several_threads_leave_the_blas_as_it_was(two_threads, hidden, first_to_leave):
    if not two_threads:
        pytest.skip("this BLAS has no second thread")
    still_small = hidden[1 - first_to_leave] == 8
    assert overlapping(hidden, first_to_leave) == ({1 if still_small else 2}, {2})


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
