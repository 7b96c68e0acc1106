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
from minnet.doors import check_like
from minnet.keeping import Checkpoint, OnError, digests, stops_of, unpacked
from minnet.losses import Loss
from minnet.network import Network
from minnet.optimizers import Optimizer, with_rate
from minnet.penalties import Penalty
from minnet.run import Callback, Run, Snapshot, Stop
from minnet.schedules import Rate, Schedule
from minnet.settings import Array, Settings, require
from minnet.state_dict import RESERVED
from minnet.tensor_files import StrPath, TensorFile, reading, refusing, short
from minnet.training import Training, run_to_the_end

KINDS = {"loss": Loss, "optimizer": Optimizer, "penalty": Penalty | None}
COUNTS = "epochs", "batch_size", "every"
LARGEST = 10**8  # epochs times replicas: more is no history that anyone has room for


@dataclass(frozen=True, eq=False)
class SavedTraining:
    """What a checkpoint holds: the network, the arguments of `train` by name, and where the training stood."""

    network: Network
    theta: Array  # as the training would return it now
    parts: dict[str, Any]
    snapshot: Snapshot
    callbacks: tuple[Any, ...]
    epochs: int
    every: int
    data: dict[str, str]


def resume(
    path: StrPath,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    epochs: int | None = None,
    learning_rate: Rate | None = None,
    validation: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    sample_weight: npt.ArrayLike | None = None,
    custom: Iterable[type] = (),
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    on_error: OnError = "raise",
) -> Run:
    """Go on with the training whose checkpoint is at `path`, and return the Run that it would have returned.

    On the same machine theta, history and stops are the same to the last bit. Everything but the data is in the file,
    which is written on as before; classes of your own are handed in as `custom`, and functions among the callbacks
    anew (they are called from the next epoch on). After the last epoch, resuming returns the Run as it was.

    `epochs` is another number of epochs in all: more of them go on with a finished training, as if it had been started
    with that many. `learning_rate`, one or one per replica, holds from the next step on; with a schedule it is the rate
    that the schedule multiplies, and the schedule goes on where it stood. Replicas that have diverged or were stopped
    stay so. All else is as it was in `train`.

    Raises CheckpointError for a file that is damaged or holds no training, and for other data, validation data or
    weights than the training was started on.

    >>> from tempfile import TemporaryDirectory
    >>> from minnet import SGD, Dense, Network, mse, train
    >>> x, network = np.linspace(-1, 1, 32)[:, None], Network(Dense(1, 1))
    >>> with TemporaryDirectory() as folder:
    ...     file = Checkpoint(Path(folder, "run.safetensors"))
    ...     run = train(network, mse, SGD(0.1), x, 2 * x, epochs=3, batch_size=8, seed=0, callbacks=[file])
    ...     again = resume(file.path, x, 2 * x)
    ...     longer = resume(file.path, x, 2 * x, epochs=5, learning_rate=0.05)
    >>> again.stops == run.stops, np.array_equal(again.theta, run.theta), longer.stops[0].epoch
    (True, True, 5)
    """
    fits = epochs is None or (isinstance(epochs, int | np.integer) and epochs >= 1)
    require(fits, f"epochs has to be an integer >= 1, got {epochs!r}")
    saved = read_training(path, custom=custom)
    given = {"sample_weight": sample_weight is not None, "validation x": validation is not None}
    with refusing(path):
        for name, there in given.items():
            started = "without" if there else "with"
            require((name in saved.data) == there, f"the training was started {started} {name.removesuffix(' x')}")
        done = len(saved.snapshot.history["loss"])
        require(epochs is None or epochs >= done, f"{done} epochs are done already, got epochs={epochs}")
        total = saved.epochs if epochs is None else epochs
        if learning_rate is not None:
            saved.parts["optimizer"] = with_rate(saved.parts["optimizer"], learning_rate)
    checkpoint = Checkpoint(path, every=saved.every, on_error=on_error)
    with np.errstate(all="ignore"):  # a replica that diverged stands at huge numbers, which are tried out on the data
        training = Training(
            saved.network, x=x, y=y, start=saved.snapshot.theta, validation=validation, sample_weight=sample_weight,
            **saved.parts,
        )  # fmt: skip
    with refusing(path):
        kept = digests(training)
        other = [name for name in {**kept, **saved.data} if kept.get(name) != saved.data.get(name)]
        require(not other, f"the training was started on other data: {', '.join(other)} differ")
        training.restore(saved.snapshot)
        for callback in saved.callbacks:
            check_like(f"the memory of {short(callback)}", training.memory.get(callback, {}), callback.memory(training))
        training.callbacks = saved.callbacks
        same = training.result().theta.tobytes() == saved.theta.tobytes()
        require(same, "its theta is not what its training would return")
    place = Path(path).resolve()
    for left in place.parent.glob(f".{escape(place.name)}.*.part"):  # of a process that was killed
        left.unlink(missing_ok=True)
    return run_to_the_end(training, total, [*saved.callbacks, *callbacks, checkpoint], progress)


def read_training(path: StrPath, *, custom: Iterable[type] = ()) -> SavedTraining:
    """The training whose checkpoint is at `path`, as it stands there; CheckpointError if there is none."""
    known = known_classes(custom)
    with reading(path) as file:
        return _saved(file, known)


def _saved(file: TensorFile, known: Mapping[str, Any]) -> SavedTraining:
    network, best, tensors = read_network(file, known)
    run = file.settings.get("run", {})
    require(bool(run), "it holds a network, but no training to go on with")
    names = {*KINDS, *COUNTS, "callbacks", "seed", "shuffle", "data", "done", "stops"}
    require(run.keys() == names, f"its run should be {sorted(names)}, got {short(sorted(run))}")
    parts: dict[str, Any] = {name: rebuilt(run[name], kind, name, known) for name, kind in KINDS.items()}
    require(isinstance(run["callbacks"], list), f"callbacks should be a list, got {short(run['callbacks'])}")
    callbacks = tuple(rebuilt(one, Settings, f"callbacks[{i}]", known) for i, one in enumerate(run["callbacks"]))
    wrong = [one for one in callbacks if not callable(getattr(one, "memory", None))]
    require(not wrong, f"{short(wrong[:1])} is no callback with a memory")
    for name in COUNTS:
        fits = type(run[name]) is int and 1 <= run[name] < 2**63
        require(fits, f"{name} has to be an integer >= 1, got {short(run[name])}")
    parts |= {"batch_size": run["batch_size"], "shuffle": run["shuffle"], "seed": run["seed"]}
    require(type(run["shuffle"]) is bool, f"shuffle has to be true or false, got {short(run['shuffle'])}")
    count, data, done = math.prod(best.shape[:-1]), run["data"], run["done"]
    seeds = run["seed"] if best.ndim > 1 else [run["seed"]]
    fits = isinstance(seeds, list) and all(type(one) is int and one >= 0 for one in seeds) and len(seeds) == count
    require(fits, f"seed does not fit {best.shape}: {short(run['seed'])}")
    require(run["epochs"] * count <= LARGEST, f"{run['epochs']} epochs of {count} replicas are too many")
    fits = isinstance(data, dict) and all(isinstance(text, str) for text in data.values())
    require(fits, f"data should be digests by name, got {short(data)}")
    require(type(done) is int and 0 <= done <= run["epochs"], f"{short(done)} of {run['epochs']} epochs cannot be done")
    _rehearse(parts["optimizer"], best, network, data)
    snapshot = _snapshot(parts["optimizer"], callbacks, best, tensors, stops_of(run, count), done)
    return SavedTraining(network, best, parts, snapshot, callbacks, run["epochs"], run["every"], data)


def _snapshot(
    optimizer: Optimizer, callbacks: tuple[Any, ...], best: Array, found: dict[str, Array], stops: list[Stop], done: int
) -> Snapshot:
    """Where the training stood; ValueError for tensors that are missing, unknown, or of another shape than theta's."""
    tensors = {name.removeprefix(RESERVED): array for name, array in found.items()}
    for name in ("theta", "order", "noise"):
        require(name in tensors, f"it has no tensor '{RESERVED}{name}'")
    theta, shuffling = tensors.pop("theta"), unpacked(tensors.pop("order"), "order")
    noise, shape = unpacked(tensors.pop("noise"), "noise"), (done, *best.shape[:-1])
    fits = (theta.shape, theta.dtype) == (best.shape, best.dtype) and bool(np.isfinite(theta).all())
    require(fits, f"'{RESERVED}theta' should be finite {best.dtype} {best.shape}, got {theta.dtype} {theta.shape}")
    going = sum(stop.reason == "running" for stop in stops)
    expected = going if best.ndim > 1 else 1
    require(len(shuffling) == len(noise) == expected, f"it has not the random streams of {going} replicas")
    groups: dict[str, dict[str, Array]] = {"state": {}, "history": {}}
    groups |= {f"memory.{i}": {} for i in range(len(callbacks))}
    for name, array in tensors.items():
        group, _, key = name.rpartition(".") if name.startswith("memory.") else name.partition(".")
        require(group in groups, f"it has a tensor that no training has: {short(RESERVED + name)}")
        groups[group][key] = array
    require("loss" in groups["history"], f"it has no tensor '{RESERVED}history.loss'")
    for name, values in groups["history"].items():
        what, fits = f"{values.dtype} {values.shape}", values.shape == shape and values.dtype == float
        require(fits, f"'{RESERVED}history.{short(name)}' should be float64 {shape}, got {what}")
    memory = {callback: groups[f"memory.{i}"] for i, callback in enumerate(callbacks)}
    return Snapshot(theta, optimizer, groups["state"], shuffling, noise, groups["history"], stops, memory)


def _rehearse(optimizer: Optimizer, theta: Array, network: Network, data: Mapping[str, str]) -> None:
    """Find out here what of the optimizer does not fit: later it would be blamed on the caller's arguments."""
    names = ["loss", "validation_loss", "validation_metric"] if "validation x" in data else ["loss"]
    try:
        optimizer.init(theta, network.parameters)
        if isinstance(optimizer.rate, Schedule):
            optimizer.rate.factor(0)
            optimizer.rate.after_epoch({name: np.ones((1, math.prod(theta.shape[:-1]))) for name in names})
    except Exception as error:  # of a class of the caller's, perhaps
        raise ValueError(f"{short(optimizer)} does not fit this training: {error}") from error
