"""A sigmoid network cannot be deep, because its gradient vanishes.

Half of it is folklore.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from minnet import (
    GELU,
    SGD,
    Activation,
    Adam,
    Dense,
    LayerNorm,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    glorot_uniform,
    he_normal,
    tanh_equivalent,
)
from minnet.lab.claims import Effort, Full, Out, Part, Quick, present
from minnet.lab.compare import ADAPTIVE_RATES, mlp
from minnet.lab.datasets import dataset
from minnet.lab.tuned import Case, tuned
from minnet.lab.work import Store
from minnet.settings import Array

WIDTH = 16
TRAINS = 0.93  # test accuracy on moons, where the best straight line has .88 and tuned shallow networks .96
SGD_RATES = tuple(float(f"{10.0**e:.2g}") for e in np.arange(-3, 1.75, 0.5))  # 0.001 to 32
ADAM_RATES = (*ADAPTIVE_RATES, 0.32)  # 0.0001 to 0.32


def centred(network: Network, theta: Array) -> Array:
    """Half of the way to tanh: after each sigmoid the biases are lowered by ½ Σ W, as if its output were σ - ½."""
    theta = theta.copy()
    groups = network.unpack(theta)
    for i, layer in enumerate(network.layers[:-1]):
        if isinstance(layer, Sigmoid):
            W, b = groups[i + 1]
            b -= W.sum(axis=-2, keepdims=True) / 2
    return theta


def residual(act: Activation, depth: int) -> Network:
    """Every hidden layer but the first is x + f(W x + b)."""
    blocks = [Residual(Network(Dense(WIDTH, WIDTH), act)) for _ in range(depth - 1)]
    return Network(Dense(2, WIDTH), act, *blocks, Dense(WIDTH, 2))


def normalised(act: Activation, depth: int) -> Network:
    """LayerNorm before every activation."""
    sizes = [2, *[WIDTH] * depth]
    layers = [part for a, b in zip(sizes, sizes[1:], strict=False) for part in (Dense(a, b), LayerNorm(b), act)]
    return Network(*layers, Dense(WIDTH, 2))


def plain(act: Activation, init: object, depth: int) -> Network:
    return mlp(act, 2, (WIDTH,) * depth, 2, init)


Start = Callable[[Network, Array], Array]
# Name: how a network of some depth is made, and how it starts where no initializer says it.
NETWORKS: dict[str, tuple[Callable[[int], Network], Start | None]] = {
    "sigmoid, Glorot": (partial(plain, Sigmoid(), glorot_uniform), None),
    "sigmoid, He": (partial(plain, Sigmoid(), he_normal), None),
    "sigmoid, 4 × Glorot": (partial(plain, Sigmoid(), Sigmoid.weight_init), None),
    "sigmoid, Glorot, centred": (partial(plain, Sigmoid(), glorot_uniform), centred),
    "sigmoid, as tanh": (partial(plain, Sigmoid(), glorot_uniform), tanh_equivalent),
    "sigmoid, Glorot, Residual": (partial(residual, Sigmoid()), None),
    "sigmoid, Glorot, LayerNorm": (partial(normalised, Sigmoid()), None),
    "tanh, Glorot": (partial(plain, Tanh(), glorot_uniform), None),
    "tanh, He": (partial(plain, Tanh(), he_normal), None),
    "ReLU, Glorot": (partial(plain, ReLU(), glorot_uniform), None),
    "ReLU, He": (partial(plain, ReLU(), he_normal), None),
    "ReLU, Glorot, Residual": (partial(residual, ReLU()), None),
    "ReLU, Glorot, LayerNorm": (partial(normalised, ReLU()), None),
    "GELU, Glorot": (partial(plain, GELU(), glorot_uniform), None),
    "GELU, He": (partial(plain, GELU(), he_normal), None),
}
FEW = ("sigmoid, Glorot", "sigmoid, as tanh", "sigmoid, Glorot, Residual", "sigmoid, Glorot, LayerNorm", "tanh, Glorot",
       "ReLU, He")  # fmt: skip


def trained(how: Effort, out: Path) -> pd.DataFrame:
    """One row a run, see `tuned`; with the columns network, depth and optimizer."""
    names = how.pick(FEW[:2], FEW, tuple(NETWORKS))
    depths = how.pick((1, 6, 20), (1, 3, 6, 20), (1, 2, 3, 4, 6, 10, 20))
    methods = {"SGD": (SGD(1.0), SGD_RATES[2:9] if how < Effort.FULL else SGD_RATES), "Adam": (Adam(1.0), ADAM_RATES)}
    keys = {}
    for name, depth, method in product(names, depths, methods):
        make, start = NETWORKS[name]
        if method == "SGD" or how == Effort.FULL:
            keys[f"{name}|{depth}|{method}"] = Case(make(depth), *methods[method], start)
    tuning, test = how.pick((2, 5), (5, 10), (10, 20))
    runs = tuned(keys, dataset("moons"), tuning=range(tuning), test=range(100, 100 + test),
                 store=Store(out / "trained"), progress=True)  # fmt: skip
    told = runs.condition.str.split("|", expand=True)
    return runs.assign(network=told[0], depth=told[1].astype(int), optimizer=told[2])


if __name__ == "__main__":
    import time
    t=time.time()
    import sys
    how = Effort[sys.argv[1]]
    runs = trained(how, Path(sys.argv[2]))
    runs.to_csv(Path(sys.argv[2]) / f"runs_{how.name}.csv")
    test = runs[runs.phase == "test"]
    s = test.assign(ok=test.test_score >= TRAINS).groupby(["optimizer", "network", "depth"]).ok.mean().unstack()
    print(s.to_string()); print(test.groupby(["optimizer", "network", "depth"]).rate.first().unstack().to_string())
    print(time.time()-t)
