"""Checkpoints of a training while it runs, and going on from one: everything that the next epoch depends on."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from minnet.blueprint import described
from minnet.losses import Loss
from minnet.optimizers import Optimizer, State
from minnet.penalties import Penalty
from minnet.randomness import Seed, Streams, seeds_of
from minnet.run import Run, Stop
from minnet.settings import Array, require
from minnet.state_dict import RESERVED, network_settings, views
from minnet.tensor_files import CheckpointError, StrPath, digest, refusing, short, write

OnError = Literal["raise", "warn"]
_WORD, _HALF = 2**64, 2**32


class Work(Protocol):
    """The replicas still in training, as `train` holds them."""

    run: Run
    loss: Loss
    optimizer: Optimizer
    penalty: Penalty | None
    rows: Array
    state: State
    order: Streams
    noise: Streams
    data: list[Array]
    held_out: list[Array]
    shuffle: bool

    def stop(self, which: Array, reason: str, epoch: int, messages: list[str]) -> None: ...


class BestSoFar(Protocol):
    """Early stopping's memory."""

    stopping: Any
    value: Array
    epoch: Array
    theta: Array


@dataclass
class Found:
    """A training that is to go on, as read from its file: what was written under "run", and the tensors with it."""

    path: StrPath
    run: dict[str, Any]
    tensors: dict[str, Array]
    best_theta: Array
    keeps_rate: bool = True  # False: the learning rates are new ones


Checkpoint = StrPath | Found


class Keeper:
    """A callback of the training loop that writes its checkpoint; given what was Found, it first puts that back.

    The file is the network as the training would return it now, and under the reserved names what else it takes to go
    on: the last theta, the optimizer's state, random streams, history, stops, the best so far.
    """

    __name__ = "checkpoint"

    def __init__(
        self,
        checkpoint: Checkpoint,
        work: Work,
        best: BestSoFar | None,
        table: Mapping[str, Array],
        batch_size: int,
        seed: Seed,
        every: int,
        on_error: OnError,
    ):
        self.found = checkpoint if isinstance(checkpoint, Found) else None
        self.path = Path(checkpoint.path if isinstance(checkpoint, Found) else checkpoint)
        self.work, self.best, self.table, self.every, self.on_error = work, best, table, every, on_error
        self.error: CheckpointError | None = None
        require(on_error in ("raise", "warn"), f"on_checkpoint_error has to be 'raise' or 'warn', got {on_error!r}")
        require(every >= 1, f"every has to be an integer >= 1, got {every!r}")
        parts = {
            "loss": work.loss,
            "optimizer": work.optimizer,
            "penalty": work.penalty,
            "stopping": best.stopping if best else None,
        }
        with refusing(self.path):
            require(self.path.parent.is_dir(), "there is no such folder")
            self.settings = network_settings(work.run.network, work.run.theta)
            self.fixed = {name: described(part, name) for name, part in parts.items()} | {
                "epochs": len(table["loss"]),
                "batch_size": int(batch_size),
                "seed": seeds_of(seed) if np.ndim(seed) else seeds_of(seed)[0],
                "every": int(every),
                **({} if work.shuffle else {"shuffle": False}),  # left out where it is as ever: older files have none
                "data": _digests(work),
            }

    def __call__(self, run: Run) -> bool:
        """Write the checkpoint if it is time; true if that failed and is to end the training."""
        done = len(run.history["loss"])
        if done % self.every and done < self.fixed["epochs"] and len(self.work.rows):
            return False
        try:
            self._write(done)
        except CheckpointError as error:
            if self.on_error == "raise":
                self.error = error
                return True
            warnings.warn(str(error), RuntimeWarning, stacklevel=3)
        return False

    def finish(self, run: Run) -> None:
        """Raise the error that ended the training, if one did, with the Run so far."""
        if self.error:
            self.error.run = run
            raise self.error

    def _write(self, done: int) -> None:
        work, run, best = self.work, self.work.run, self.best
        tensors = {f"state.{name}": array for name, array in work.state.items()}
        tensors |= {f"history.{name}": values[:done] for name, values in self.table.items()}
        tensors |= {"order": _packed(work.order), "noise": _packed(work.noise)}
        theta = run.theta
        if best:
            seen = best.epoch > 0
            theta = theta.copy()
            theta.reshape(best.theta.shape)[seen] = best.theta[seen]
            tensors |= {"theta": run.theta, "best.value": best.value, "best.epoch": best.epoch}
        reserved = {RESERVED + name: array for name, array in tensors.items()}
        progress = {"run": self.fixed | {"done": done, "stops": run.stops}}
        write(self.path, views(run.network, theta) | reserved, self.settings | progress)

    def restore(self) -> int:
        """Put back what was Found, if anything was; return after how many epochs the training goes on."""
        if self.found is None:
            return 0
        with refusing(self.path):
            return self._restore(self.found)

    def _restore(self, found: Found) -> int:
        run, work, best = found.run, self.work, self.best
        fixed, other = self.fixed["data"], run["data"]
        names = [name for name in fixed if not isinstance(other, dict) or fixed[name] != other.get(name)]
        require(not names, f"the training was started on other data: {', '.join(names)} differ")
        tensors = {name.removeprefix(RESERVED): array for name, array in found.tensors.items()}

        def take(name: str, like: Array) -> Array:
            """The tensor of this name, which has to be as `like`, the array that it stands for."""
            require(name in tensors, f"it has no tensor '{RESERVED}{name}'")
            array = tensors.pop(name)
            fits = array.shape == like.shape and array.dtype == like.dtype
            require(fits, f"'{RESERVED}{name}' should be {like.dtype} {like.shape}, got {array.dtype} {array.shape}")
            return array

        done, stops = int(run["done"]), stops_of(run, len(work.run.stops))
        for name, values in self.table.items():
            values[:done] = take(f"history.{name}", values[:done])
        if best:
            best.value[...] = take("best.value", best.value)
            best.epoch[...] = take("best.epoch", best.epoch)
            best.theta[...] = found.best_theta.reshape(best.theta.shape)
        out = np.array([stop.reason != "running" for stop in stops])
        work.stop(out, "", 0, [""] * int(out.sum()))
        work.run.stops[:] = stops
        for name, array in work.state.items():
            kept = take(f"state.{name}", array)
            if name != "rate" or found.keeps_rate:
                array[...] = kept
        for name, streams in ("order", work.order), ("noise", work.noise):
            _unpack(take(name, _packed(streams)), streams, name)
        require(not tensors, f"it has tensors that this training knows nothing of: {short(list(tensors))}")
        self.found = None
        return done


def stops_of(run: Mapping[str, Any], count: int) -> list[Stop]:
    """The stops that a file tells of, one a replica."""
    found = run["stops"]
    fits = (
        isinstance(found, list)
        and len(found) == count
        and all(isinstance(stop, list) and [type(part) for part in stop] == [str, int, str] for stop in found)
    )
    require(fits, f"stops should be {count} times [reason, epoch, message], got {short(found)}")
    return [Stop(*stop) for stop in found]


def _digests(work: Work) -> dict[str, str]:
    names = ["x", "y", "weight"][: len(work.data)] + ["validation x", "validation y"][: len(work.held_out)]
    arrays = zip(names, [*work.data, *work.held_out], strict=True)
    return {name: digest(name, array) for name, array in arrays}


def _packed(streams: Streams) -> Array:
    """The state of each PCG64 as 6 words: state and increment (high, low), and the half word that it has in hand."""
    rows = []
    for rng in streams.generators:
        state: Any = rng.bit_generator.state
        one, two = state["state"]["state"], state["state"]["inc"]
        rows.append([one >> 64, one % _WORD, two >> 64, two % _WORD, state["has_uint32"], state["uinteger"]])
    return np.array(rows, np.uint64).reshape(-1, 6)


def _unpack(rows: Array, streams: Streams, name: str) -> None:
    for row, rng in zip(rows.tolist(), streams.generators, strict=True):
        require(row[3] % 2 == 1 and row[4] <= 1 and row[5] < _HALF, f"'{RESERVED}{name}' holds no state of PCG64")
        rng.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": row[0] * _WORD + row[1], "inc": row[2] * _WORD + row[3]},
            "has_uint32": row[4],
            "uinteger": row[5],
        }
