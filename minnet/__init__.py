"""minnet: a from-scratch neural-network trainer on NumPy, and the laboratory around it."""

from minnet.activations import GELU, Activation, Identity, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
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
from minnet.layers import Dense, Layer, Parameter, Residual, Softmax
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
from minnet.run import DivergenceError, Run, Stop
from minnet.training import train

__version__ = "0.1.0"
__all__ = [
    "GELU", "SGD", "Activation", "BinaryCrossEntropy", "Constant", "Dense", "DivergenceError", "Identity",
    "Layer", "LeakyReLU", "Loss", "MeanSquaredError", "Network", "Optimizer", "Orthogonal", "Parameter", "ReLU",
    "Residual", "Run", "Sigmoid", "Softmax", "SoftmaxCrossEntropy", "Softplus", "Stop", "Streams", "Tanh",
    "VarianceScaling", "binary_cross_entropy", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform",
    "lecun_normal", "lecun_uniform", "mse", "ones", "orthogonal", "softmax_cross_entropy", "train", "zeros",
]  # fmt: skip
