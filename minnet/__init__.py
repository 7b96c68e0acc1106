"""minnet: a from-scratch neural-network trainer on NumPy, and the laboratory around it."""

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
from minnet.catalogue import CATALOGUE, Gaussian, HardSigmoid, HardSwish, HardTanh, ReLU6, Sine, Snake, Step
from minnet.datasheet import Datasheet, datasheet
from minnet.elementwise import Elementwise
from minnet.initializers import (
    Constant,
    Orthogonal,
    VarianceScaling,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    ones,
    orthogonal,
    zeros,
)
from minnet.layers import Dense, Layer, Parameter, Residual
from minnet.losses import (
    BinaryCrossEntropy,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
    binary_cross_entropy,
    mse,
    softmax_cross_entropy,
)
from minnet.network import Network
from minnet.optimizers import SGD, Optimizer
from minnet.randomness import Streams
from minnet.rectifiers import CELU, ELU, GELU, SELU, Mish, SiLU
from minnet.run import DivergenceError, Run, Stop
from minnet.softmax import LogSoftmax, Softmax
from minnet.training import train

__version__ = "0.1.0"
__all__ = [
    "CATALOGUE", "CELU", "ELU", "GELU", "SELU", "SGD", "Activation", "BinaryCrossEntropy", "Constant", "Datasheet",
    "Dense", "DivergenceError", "Elementwise", "Gaussian", "HardSigmoid", "HardSwish", "HardTanh", "Identity",
    "Layer", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Loss", "MeanSquaredError", "Mish", "Network", "Optimizer",
    "Orthogonal", "Parameter", "ReLU", "ReLU6", "Residual", "Run", "SiLU", "Sigmoid", "Sine", "Snake", "Softmax",
    "SoftmaxCrossEntropy", "Softplus", "Softsign", "Step", "Stop", "Streams", "Tanh", "VarianceScaling",
    "binary_cross_entropy", "datasheet", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal",
    "lecun_uniform", "mse", "ones", "orthogonal", "softmax_cross_entropy", "train", "zeros",
]  # fmt: skip
