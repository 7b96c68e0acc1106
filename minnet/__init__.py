"""minnet: a from-scratch neural-network trainer on NumPy, and the laboratory around it."""
# ruff: noqa: F403, F405  (the names of minnet.later)

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minnet.activations import (
    Activation,
    Identity,
    LeakyReLU,
    LogSigmoid,
    ReLU,
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
)
from minnet.adaptive import AdaGrad, Adam, AdamW, Clipped, RMSProp
from minnet.catalogue import CATALOGUE, Gaussian, HardSigmoid, HardSwish, HardTanh, ReLU6, Sine, Snake, Step
from minnet.datasheet import Datasheet, datasheet
from minnet.dropout import Dropout
from minnet.initializers import (
    Constant,
    VarianceScaling,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    ones,
    zeros,
)
from minnet.layers import Dense, Layer, Parameter, Residual
from minnet.learned import LearnedSwish, Maxout, PReLU
from minnet.losses import (
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
    mse,
    softmax_cross_entropy,
)
from minnet.network import Network
from minnet.normalization import BatchNorm, LayerNorm
from minnet.optimizers import SGD, Optimizer
from minnet.orthogonal import Orthogonal, orthogonal
from minnet.penalties import Penalty
from minnet.randomness import Streams
from minnet.rectifiers import CELU, ELU, GELU, SELU, Mish, SiLU
from minnet.run import DivergenceError, Run, Snapshot, Stop
from minnet.schedules import CosineDecay, ExponentialDecay, OneCycle, ReduceOnPlateau, Schedule, StepDecay, WarmUp
from minnet.softmax import LogSoftmax, Softmax

if TYPE_CHECKING:
    from minnet.later import *

__version__ = "0.1.0"
__all__ = [
    "CATALOGUE",
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "SGD",
    "Activation",
    "AdaGrad",
    "Adam",
    "AdamW",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Checkpoint",
    "CheckpointError",
    "Clipped",
    "Constant",
    "CosineDecay",
    "Datasheet",
    "Dense",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "Elementwise",
    "ExponentialDecay",
    "Following",
    "Gaussian",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Hinge",
    "Huber",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LearnedSwish",
    "LogSigmoid",
    "LogSoftmax",
    "Loss",
    "Maxout",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Mish",
    "Network",
    "OneCycle",
    "Optimizer",
    "Orthogonal",
    "PReLU",
    "Parameter",
    "Penalty",
    "Poisson",
    "RMSProp",
    "ReLU",
    "ReLU6",
    "ReduceOnPlateau",
    "Residual",
    "Run",
    "Saved",
    "Schedule",
    "SiLU",
    "Sigmoid",
    "Sine",
    "Snake",
    "Snapshot",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Softsign",
    "Step",
    "StepDecay",
    "Stop",
    "Streams",
    "Tanh",
    "Training",
    "VarianceScaling",
    "WarmUp",
    "binary_cross_entropy",
    "datasheet",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "hinge",
    "lbfgs",
    "lecun_normal",
    "lecun_uniform",
    "load",
    "mae",
    "mse",
    "ones",
    "orthogonal",
    "poisson",
    "resume",
    "save",
    "softmax_cross_entropy",
    "tanh_equivalent",
    "train",
    "zeros",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The names of minnet.later, which is loaded when the first of them is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'minnet' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module("minnet.later"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
