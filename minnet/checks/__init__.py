"""Is my own layer, activation, loss or optimizer right? Every contract of the engine, tried out in one call.

>>> from minnet import Dense
>>> check_layer(Dense(3, 2), 3)  # doctest: +ELLIPSIS
Dense(3, 2) is all right: settings, parameters, ...

Two tools they are made of: the error of a layer's gradient, and a derivative by differences, with the doubt about it.

>>> import numpy as np
>>> gradient_error(Dense(3, 2), np.ones((4, 3))) < 1e-8
True
>>> slope, doubt = differentiate(lambda t: np.array([np.sin(1 + t)]))
>>> bool(abs(slope - np.cos(1)) < 1e-10)
True
"""

from minnet.checks.activations import check_activation
from minnet.checks.findings import CheckError, Report
from minnet.checks.gradients import differentiate, gradient_error
from minnet.checks.layers import check_layer
from minnet.checks.losses import check_loss
from minnet.checks.optimizers import check_optimizer

__all__ = [
    "CheckError", "Report", "check_activation", "check_layer", "check_loss", "check_optimizer", "differentiate",
    "gradient_error",
]  # fmt: skip
