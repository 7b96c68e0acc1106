"""Going on with a training from its checkpoint, exactly as if it had never stopped."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.blueprint import known_classes, rebuilt
from minnet.checkpoints import read_network
from minnet.keeping import Found, OnError, stops_of
from minnet.losses import Loss
from minnet.network import Network
from minnet.optimizers import Optimizer, with_rate
from minnet.penalties import Penalty
from minnet.run import Run
from minnet.schedules import Rate, Schedule
from minnet.settings import Array, require
from minnet.state_dict import RESERVED
from minnet.stopping import EarlyStopping
from minnet.tensor_files import StrPath, TensorFile, reading, short
from minnet.training import Callback, train

KINDS = {"loss": Loss, "optimizer": Optimizer, "penalty": Penalty | None, "stopping": EarlyStopping | None}
COUNTS = "epochs", "batch_size", "every"
LARGEST = 10**8  # epochs times replicas: more is no history that anyone has room for


@dataclass(frozen=True, eq=False)
class Training:
    """What a checkpoint holds: the network, its last theta, and the arguments of `train` by name."""

    network: Network
    theta: Array
    parts: dict[str, Any]
    found: Found


def resume(
    path: StrPath,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    epochs: int | None = None,
    learning_rate: Rate | None = None,
    validation: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    weight: npt.ArrayLike | None = None,
    custom: Iterable[type] = (),
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    on_checkpoint_error: OnError = "raise",
) -> Run:
    """Go on with the training whose checkpoint is at `path`, and return the Run that it would have returned.

    On the same machine theta, history and stops are the same to the last bit. Everything but the data is in the file,
    which `train` is told to go on writing; classes of your own are handed in as `custom`, and callbacks anew (they
    are called from the next epoch on). After the last epoch, resuming returns the Run as it was.

    `epochs` is another number of epochs in all: more of them go on with a finished training, as if it had been started
    with that many. `learning_rate`, one or one per replica, holds from the next step on; with a schedule it is the rate
    that the schedule multiplies, and the schedule goes on where it stood. Replicas that have diverged or were stopped
    stay so. All else is as it was in `train`.

    Raises CheckpointError for a file that is damaged or holds no training, and for other data, validation data or
    weights than the training was started on.

    >>> from tempfile import TemporaryDirectory
    >>> from minnet import SGD, Dense, Network, mse
    >>> x, network = np.linspace(-1, 1, 32)[:, None], Network(Dense(1, 1))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "run.safetensors")
    ...     run = train(network, mse, SGD(0.1), x, 2 * x, epochs=3, batch_size=8, seed=0, checkpoint=path)
    ...     again = resume(path, x, 2 * x)
    ...     longer = resume(path, x, 2 * x, epochs=5, learning_rate=0.05)
    >>> again.stops == run.stops, np.array_equal(again.theta, run.theta), longer.stops[0].epoch
    (True, True, 5)
    """
    known = known_classes(custom)
    fits = epochs is None or (isinstance(epochs, int | np.integer) and epochs >= 1)
    require(fits, f"epochs has to be an integer >= 1, got {epochs!r}")
    with reading(path) as file:
        it = _training(file, known)
        run, parts = it.found.run, it.parts
        given = {"weight": weight is not None, "validation x": validation is not None}
        for name, there in given.items():
            fits = isinstance(run["data"], dict) and (name in run["data"]) == there
            require(fits, f"the training was started {'without' if there else 'with'} {name.removesuffix(' x')}")
        if epochs is not None:
            require(epochs >= run["done"], f"{run['done']} epochs are done already, got epochs={epochs}")
            parts["epochs"] = epochs
    if learning_rate is not None:
        parts["optimizer"] = with_rate(parts["optimizer"], learning_rate)
        parts["optimizer"].init(it.theta, it.network.parameters)  # refuses another number of replicas
        it.found.keeps_rate = False
    place = Path(path).resolve()
    for left in place.parent.glob(f".{escape(place.name)}.*.part"):  # of a process that was killed
        left.unlink(missing_ok=True)
    with np.errstate(
        all="ignore"
    ):  # a replica that diverged stands at huge numbers, which train() tries out at its door
        return train(
            it.network, x=x, y=y, **parts, theta=it.theta, validation=validation, weight=weight, callbacks=callbacks,
            progress=progress, checkpoint=it.found, on_checkpoint_error=on_checkpoint_error,
        )  # fmt: skip


def read_training(path: StrPath, *, custom: Iterable[type] = ()) -> Training:
    """The training whose checkpoint is at `path`, as it stands there; CheckpointError if there is none."""
    known = known_classes(custom)
    with reading(path) as file:
        return _training(file, known)


def _training(file: TensorFile, known: Mapping[str, Any]) -> Training:
    network, theta, tensors = read_network(file, known)
    run = file.settings.get("run", {})
    require(bool(run), "it holds a network, but no training to go on with")
    names = {*KINDS, *COUNTS, "seed", "data", "done", "stops"}
    require(run.keys() - {"shuffle"} == names, f"its run should be {sorted(names)}, got {short(sorted(run))}")
    parts: dict[str, Any] = {name: rebuilt(run[name], kind, name, known) for name, kind in KINDS.items()}
    for name in COUNTS:
        fits = type(run[name]) is int and 1 <= run[name] < 2**63
        require(fits, f"{name} has to be an integer >= 1, got {short(run[name])}")
        parts[name] = run[name]
    parts["shuffle"], parts["seed"] = run.get("shuffle", True), run["seed"]
    require(type(parts["shuffle"]) is bool, f"shuffle has to be true or false, got {short(parts['shuffle'])}")
    count, seed = math.prod(theta.shape[:-1]), run["seed"]
    seeds = seed if theta.ndim > 1 else [seed]
    fits = isinstance(seeds, list) and all(type(one) is int and one >= 0 for one in seeds) and len(seeds) == count
    require(fits, f"seed does not fit {theta.shape}: {short(seed)}")
    require(run["epochs"] * count <= LARGEST, f"{run['epochs']} epochs of {count} replicas are too many")
    done = run["done"]
    require(type(done) is int and 0 <= done <= run["epochs"], f"{short(done)} of {run['epochs']} epochs cannot be done")
    stops_of(run, count)
    _rehearse(parts, theta, network, count, run["data"])
    found = Found(file.path, run, tensors, theta)
    if parts["stopping"]:
        last = tensors.pop(RESERVED + "theta", theta[:0])
        fits = (last.shape, last.dtype) == (theta.shape, theta.dtype) and bool(np.isfinite(last).all())
        require(fits, f"it has no finite tensor '{RESERVED}theta' of {theta.dtype} {theta.shape}")
        theta = last
    return Training(network, theta, parts, found)


def _rehearse(parts: Mapping[str, Any], theta: Array, network: Network, count: int, data: Any) -> None:
    """Find out here what the file says that `train` would refuse: it would blame the caller's arguments."""
    names = ["loss"]
    if isinstance(data, dict) and "validation x" in data:
        names += ["validation_loss", "validation_metric"]
    stopping, optimizer = parts["stopping"], parts["optimizer"]
    require(stopping is None or stopping.monitor in names, f"{short(stopping)} watches none of {', '.join(names)}")
    try:
        optimizer.init(theta, network.parameters)
        if isinstance(optimizer.rate, Schedule):
            optimizer.rate.factor(0)
            optimizer.rate.after_epoch({name: np.ones((1, count)) for name in names})
    except Exception as error:  # of a class of the caller's, perhaps
        raise ValueError(f"{short(optimizer)} does not fit this training: {error}") from error
