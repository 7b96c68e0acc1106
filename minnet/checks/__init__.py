"""Is my own layer, activation, loss or optimizer right? Every contract of the engine, tried out in one call.

>>> from minnet import Dense
>>> check_layer(Dense(3, 2), 3)  # doctest: +ELLIPSIS
Dense(3, 2) is all right: settings, parameters, ...
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
