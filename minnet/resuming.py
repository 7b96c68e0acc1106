"""Going on with a training from its checkpoint, exactly as if it had never stopped."""

from collections.abc import Iterable
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.blueprint import known_classes, rebuilt
from minnet.checkpoints import read_network
from minnet.keeping import Found, OnError, stops_of
from minnet.losses import Loss
from minnet.optimizers import Optimizer
from minnet.penalties import Penalty
from minnet.run import Run
from minnet.settings import require
from minnet.state_dict import RESERVED
from minnet.stopping import EarlyStopping
from minnet.tensor_files import StrPath, reading, short
from minnet.training import Callback, train

KINDS = {"loss": Loss, "optimizer": Optimizer, "penalty": Penalty | None, "stopping": EarlyStopping | None}
COUNTS = "epochs", "batch_size", "every"
LARGEST = 10**8  # epochs times replicas: more is no history that anyone has room for


def resume(
    path: StrPath,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
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

    Raises CheckpointError for a file that is damaged or holds no training, and for other data, validation data or
    weights than the training was started on.

    >>> from tempfile import TemporaryDirectory
    >>> from minnet import SGD, Dense, Network, mse
    >>> x, network = np.linspace(-1, 1, 32)[:, None], Network(Dense(1, 1))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "run.safetensors")
    ...     run = train(network, mse, SGD(0.1), x, 2 * x, epochs=3, batch_size=8, seed=0, checkpoint=path)
    ...     again = resume(path, x, 2 * x)
    >>> again.stops == run.stops, np.array_equal(again.theta, run.theta)
    (True, True)
    """
    known = known_classes(custom)
    with reading(path) as file:
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
        parts["shuffle"], seed = run.get("shuffle", True), run["seed"]
        require(type(parts["shuffle"]) is bool, f"shuffle has to be true or false, got {short(parts['shuffle'])}")
        seeds = seed if theta.ndim > 1 else [seed]
        fits = isinstance(seeds, list) and all(type(one) is int and 0 <= one < 2**63 for one in seeds)
        require(fits and len(seeds) == theta[..., 0].size, f"seed does not fit {theta.shape}: {short(seed)}")
        require(run["epochs"] * len(seeds) <= LARGEST, f"{run['epochs']} epochs of {len(seeds)} replicas are too many")
        stops_of(run, len(seeds))
        given = {"weight": weight is not None, "validation x": validation is not None}
        for name, there in given.items():
            fits = isinstance(run["data"], dict) and (name in run["data"]) == there
            require(fits, f"the training was started {'without' if there else 'with'} {name.removesuffix(' x')}")
        found = Found(path, run, tensors, theta)
        if parts["stopping"]:
            last = tensors.pop(RESERVED + "theta", theta[:0])
            fits = (last.shape, last.dtype) == (theta.shape, theta.dtype) and bool(np.isfinite(last).all())
            require(fits, f"it has no finite tensor '{RESERVED}theta' of {theta.dtype} {theta.shape}")
            theta = last
        for left in Path(path).parent.glob(f".{escape(Path(path).name)}.*.part"):  # of a process that was killed
            left.unlink(missing_ok=True)
    with np.errstate(
        all="ignore"
    ):  # a replica that diverged stands at huge numbers, which train() tries out at its door
        return train(
            network, x=x, y=y, **parts, seed=seed, theta=theta, validation=validation, weight=weight,
            callbacks=callbacks, progress=progress, checkpoint=found, on_checkpoint_error=on_checkpoint_error,
        )  # fmt: skip
