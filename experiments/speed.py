"""How long does one training step take, beside scikit-learn's MLPClassifier and PyTorch?

All train 2-16-16-2 on moons by SGD with momentum on shuffled batches of 32, float32, on one thread, taken in turns; the
figures are medians over the rounds. Peers that are not installed are left out by name (`pip install -e '.[bench]'`).

    python experiments/speed.py --rounds 11
    python experiments/speed.py --rounds 5 --comparison
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before BLAS wakes

import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from minnet import SGD, Dense, Network, Tanh, softmax_cross_entropy, train
from minnet.lab.datasets import dataset

N, BATCH, EPOCHS = 1024, 32, 100
STEPS = N // BATCH * EPOCHS
SPLIT = dataset("moons", n_train=N).split(0)
X, Y = SPLIT.x.astype(np.float32), SPLIT.y


def minnet(replicas: int | None = None) -> Callable[[], Any]:
    network = Network(Dense(2, 16), Tanh(), Dense(16, 16), Tanh(), Dense(16, 2))
    seed = 0 if replicas is None else range(replicas)
    return lambda: train(
        network, softmax_cross_entropy, SGD(0.1, 0.9), X, Y, epochs=EPOCHS, batch_size=BATCH, seed=seed
    )


def scikit_learn() -> Callable[[], Any]:
    from sklearn.neural_network import MLPClassifier

    warnings.filterwarnings("ignore", module="sklearn")  # that 30 epochs did not converge is known
    model = MLPClassifier(
        (16, 16), activation="tanh", solver="sgd", learning_rate_init=0.1, momentum=0.9, nesterovs_momentum=False,
        alpha=0.0, batch_size=BATCH, max_iter=EPOCHS, tol=0.0, n_iter_no_change=10**6, random_state=0,
    )  # fmt: skip
    return lambda: model.fit(X, Y)


def pytorch() -> Callable[[], Any]:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    x, y = torch.tensor(X), torch.tensor(Y)

    def fit() -> None:
        network = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
        sgd, loss = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9), nn.CrossEntropyLoss()
        for _ in range(EPOCHS):
            order = torch.randperm(N)
            xs, ys = x[order], y[order]
            for start in range(0, N, BATCH):
                sgd.zero_grad()
                loss(network(xs[start : start + BATCH]), ys[start : start + BATCH]).backward()
                sgd.step()

    return fit


def comparison(rounds: int) -> None:
    """The whole comparison of four activations on moons, beside what its runs would take with scikit-learn's MLP.

    compare() runs as it is, on all cores, from a process that has its libraries loaded. Of scikit-learn one fit of each
    activation is timed on one core after every comparison; their mean times the number of runs, shared out over the
    cores without loss, is what the same protocol would take.
    """
    from joblib import cpu_count
    from sklearn.neural_network import MLPClassifier

    from minnet.lab.compare import compare

    warnings.filterwarnings("ignore", module="sklearn")
    split, ours, theirs, runs = dataset("moons").split(0), [], [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        runs = len(
            compare(["identity", "sigmoid", "tanh", "relu"], dataset("moons"), initialisers=["recommended"]).runs
        )
        ours.append(time.perf_counter() - start)
        for activation in ("identity", "logistic", "tanh", "relu"):
            model = MLPClassifier(
                (16, 16), activation=activation, solver="sgd", learning_rate_init=0.1, momentum=0.0, alpha=0.0,
                batch_size=BATCH, max_iter=200, tol=0.0, n_iter_no_change=10**6,
            )  # fmt: skip
            start = time.perf_counter()
            model.fit(split.x, split.y)
            theirs.append(time.perf_counter() - start)
    cores, mine = cpu_count(), statistics.median(ours)
    whole = statistics.mean(theirs) * runs / cores
    print(f"compare() on moons, {runs} runs of 200 epochs, {cores} cores: {mine:.1f} s (median of {rounds})")
    print(f"scikit-learn: {statistics.mean(theirs):.2f} s a fit, {whole:.0f} s for as many on {cores} cores")
    print(f"ratio: 1/{whole / mine:.1f}")


def main(
    rounds: Annotated[int, typer.Option(min=3)] = 11,
    replicas: Annotated[int, typer.Option(min=1)] = 32,
    whole: Annotated[bool, typer.Option("--comparison", help="time a whole comparison instead")] = False,
) -> None:
    """Time a training step of minnet and its peers."""
    if whole:
        comparison(rounds)
        return
    jobs = {"minnet": (minnet(), 1), f"minnet, a share of {replicas}": (minnet(replicas), replicas)}
    jobs["scikit-learn"] = scikit_learn(), 1
    if find_spec("torch"):
        jobs["PyTorch eager"] = pytorch(), 1
    else:
        print("PyTorch is left out: not installed.")
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for job, _ in jobs.values():
        job()  # the first run pays for imports and caches
    for _ in range(rounds):
        for name, (job, share) in jobs.items():
            start = time.perf_counter()
            job()
            times[name].append((time.perf_counter() - start) / STEPS / share * 1e6)
    median = {name: statistics.median(values) for name, values in times.items()}
    table = Table(title=f"A step of 2-16-16-2, batch {BATCH}: medians of {rounds} rounds", box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for heading in ("µs a step", "fastest", "slowest", "minnet / it"):
        table.add_column(heading, justify="right")
    for name, values in times.items():
        ratio = median["minnet"] / median[name]
        table.add_row(name, *(f"{v:.1f}" for v in (median[name], min(values), max(values))), f"{ratio:.3f}")
    Console().print(table)
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, one thread each.")


if __name__ == "__main__":
    typer.run(main)
