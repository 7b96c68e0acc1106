"""Checkpoints of a training while it runs: everything that its next epoch depends on, in a file."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np

from minnet.allowed import Allowed, Count
from minnet.blueprint import described
from minnet.randomness import seeds_of
from minnet.run import Stop
from minnet.settings import Array, Settings, require
from minnet.state_dict import RESERVED, network_settings, views
from minnet.tensor_files import CheckpointError, StrPath, digest, refusing, short, write
from minnet.training import Training

OnError = Literal["raise", "warn"]
_WORD, _HALF = 2**64, 2**32
_DIGESTS = WeakKeyDictionary[Training, dict[str, str]]()  # the data of a training never change


@dataclass(frozen=True, repr=False)
class Checkpoint(Settings):
    """A callback that writes the training to `path` after `every` epochs and at the end. `resume` goes on from there.

    The file is the network as the training would return it now, and under the reserved names all that its next epoch
    depends on: the last theta, the optimizer's state, random streams, history, stops, the memory of other callbacks.
    If it cannot be written, "warn" goes on, and "raise" ends the training with a CheckpointError, whose `run` is the
    Run so far.

    >>> Checkpoint("run.safetensors", every=5)
    Checkpoint('run.safetensors', every=5)
    """

    path: Annotated[StrPath, Allowed("a path", str | os.PathLike)]
    _: KW_ONLY
    every: Count = 1
    on_error: OnError = "raise"

    runs_last: ClassVar[bool] = True  # so that the file holds what the other callbacks remember of this epoch

    def memory(self, training: Training) -> dict[str, Array]:
        """Nothing to remember; what cannot be written is refused before the first step."""
        with refusing(self.path):
            require(Path(self.path).parent.is_dir(), "there is no such folder")
            self._settings(training)
        return {}

    def __call__(self, training: Training) -> None:
        done = training.epochs_done
        if done % self.every and done < training.epochs_planned and len(training.rows):
            return
        try:
            with refusing(self.path):
                self._write(training)
        except CheckpointError as error:
            if self.on_error == "raise":
                error.run = training.result("checkpoint", f"stopped by {error}")
                raise
            warnings.warn(str(error), RuntimeWarning, stacklevel=4)

    def _write(self, training: Training) -> None:
        run = training.result()
        snapshot = run.snapshot
        assert snapshot is not None
        tensors = {"theta": snapshot.theta, "order": packed(snapshot.shuffling), "noise": packed(snapshot.noise)}
        tensors |= {f"state.{name}": array for name, array in snapshot.state.items()}
        tensors |= {f"history.{name}": values for name, values in snapshot.history.items()}
        for i, callback in enumerate(_remembering(training)):
            tensors |= {f"memory.{i}.{name}": array for name, array in snapshot.memory[callback].items()}
        reserved = {RESERVED + name: array for name, array in tensors.items()}
        progress = {"done": training.epochs_done, "stops": snapshot.stops}
        settings = network_settings(run.network, run.theta) | {"run": self._settings(training) | progress}
        write(self.path, views(run.network, run.theta) | reserved, settings)

    def _settings(self, training: Training) -> dict[str, Any]:
        """The arguments of the training as JSON. Functions among the callbacks are left out."""
        parts = {"loss": training.loss, "optimizer": training.optimizer, "penalty": training.penalty}
        callbacks = [described(one, f"callbacks[{i}]") for i, one in enumerate(_remembering(training))]
        seeds = seeds_of(training.seed)
        return {name: described(part, name) for name, part in parts.items()} | {
            "callbacks": callbacks, "epochs": training.epochs_planned, "batch_size": int(training.batch_size),
            "seed": seeds if training.theta.ndim > 1 else seeds[0], "every": int(self.every),
            "shuffle": training.shuffle, "data": digests(training),
        }  # fmt: skip


def _remembering(training: Training) -> list[Any]:
    return [one for one in training.callbacks if isinstance(one, Settings) and not isinstance(one, Checkpoint)]


def digests(training: Training) -> dict[str, str]:
    """A digest of each array that the training was given, by name: `resume` refuses others."""
    if training not in _DIGESTS:
        names = "x", "y", "sample_weight", "validation x", "validation y"
        arrays = *training.all_data, *(training.all_validation or (None, None))[:2]
        given = {name: array for name, array in zip(names, arrays, strict=True) if array is not None}
        _DIGESTS[training] = {name: digest(name, array) for name, array in given.items()}
    return _DIGESTS[training]


def stops_of(run: Mapping[str, Any], count: int) -> list[Stop]:
    """The stops in a file, one per replica."""
    found = run["stops"]
    fits = (
        isinstance(found, list)
        and len(found) == count
        and all(isinstance(stop, list) and [type(part) for part in stop] == [str, int, str] for stop in found)
    )
    require(fits, f"stops should be {count} times [reason, epoch, message], got {short(found)}")
    return [Stop(*stop) for stop in found]


def packed(states: list[dict[str, Any]]) -> Array:
    """The state of each PCG64 as 6 words: state and increment (high, low), and the half word that it has in hand."""
    rows = []
    for state in states:
        one, two = state["state"]["state"], state["state"]["inc"]
        rows.append([one >> 64, one % _WORD, two >> 64, two % _WORD, state["has_uint32"], state["uinteger"]])
    return np.array(rows, np.uint64).reshape(-1, 6)


def unpacked(words: Array, name: str) -> list[dict[str, Any]]:
    """The states that were packed; ValueError for what is none of PCG64."""
    fits = words.ndim == 2 and words.shape[-1] == 6 and words.dtype == np.uint64
    require(fits, f"'{RESERVED}{name}' should be uint64 (K, 6), got {words.dtype} {words.shape}")
    states = []
    for row in words.tolist():
        require(row[3] % 2 == 1 and row[4] <= 1 and row[5] < _HALF, f"'{RESERVED}{name}' holds no state of PCG64")
        halves = {"state": row[0] * _WORD + row[1], "inc": row[2] * _WORD + row[3]}
        states.append({"bit_generator": "PCG64", "state": halves, "has_uint32": row[4], "uinteger": row[5]})
    return states
