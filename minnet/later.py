"""The public names that `minnet` imports when one of them is first asked for: with them it would take twice as long."""

from minnet.checkpoints import Saved, load, save
from minnet.elementwise import Elementwise
from minnet.full_batch import lbfgs
from minnet.gains import Following, tanh_equivalent
from minnet.keeping import Checkpoint
from minnet.more_losses import (
    BinaryCrossEntropy,
    Hinge,
    Huber,
    MeanAbsoluteError,
    Poisson,
    binary_cross_entropy,
    hinge,
    mae,
    poisson,
)
from minnet.resuming import resume
from minnet.stopping import EarlyStopping
from minnet.tensor_files import CheckpointError
from minnet.training import Training, train

__all__ = [
    "BinaryCrossEntropy", "Checkpoint", "CheckpointError", "EarlyStopping", "Elementwise", "Following", "Hinge",
    "Huber", "MeanAbsoluteError", "Poisson", "Saved", "Training", "binary_cross_entropy", "hinge", "lbfgs", "load",
    "mae", "poisson", "resume", "save", "tanh_equivalent", "train",
]  # fmt: skip
