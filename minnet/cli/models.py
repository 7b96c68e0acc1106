"""A trained network in a file, with what a prediction needs besides: how rows are made ready, and what y means."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minnet.lab.conditions import load
from minnet.layers import Dense, Layer, Residual
from minnet.network import Network
from minnet.settings import Array, require

if TYPE_CHECKING:
    from minnet.lab.preprocessing import Preprocessing

ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="a file that `minnet train --out` has written")]
Custom = Annotated[
    list[str] | None, typer.Option(help="a class of your own that the network is made of, as package.module:NAME")
]


@dataclass(frozen=True)
class Model:
    """A network, its theta (P,) or (K, P), and the metadata of its file."""

    path: Path
    network: Network
    theta: Array
    metadata: dict[str, Any]

    @property
    def preprocessing(self) -> "Preprocessing":
        """What `minnet train` keeps of the columns."""
        from minnet.lab.preprocessing import Preprocessing

        try:
            return Preprocessing.from_json(self.metadata.get("preprocessing"))
        except ValueError:
            raise ValueError(
                f"{self.path} does not say how its columns are made ready: `minnet train` writes that"
            ) from None

    @property
    def losses(self) -> list[float]:
        """The loss of each epoch; none if the file does not have it."""
        loss = self.metadata.get("loss")
        return loss if isinstance(loss, list) and all(type(value) in (int, float) for value in loss) else []

    @property
    def origin(self) -> tuple[str, int, Any]:
        """Name of the data, seed and task that `minnet train` writes: what it was trained on."""
        data, seed, task = (self.metadata.get(name) for name in ("data", "seed", "task"))
        fits = isinstance(data, str) and type(seed) is int and seed >= 0 and task in ("classification", "regression")
        require(fits, f"{self.path} does not say what it was trained on: `minnet train` writes that")
        return str(data), int(seed or 0), task

    @property
    def single(self) -> Array:
        """Theta (P,) of the one network in the file."""
        fits = self.theta.size == self.network.size
        require(
            fits, f"{self.path} holds {len(self.theta)} networks, expected one: it is a checkpoint of several seeds"
        )
        return self.theta.reshape(-1)


def brief(layer: Layer) -> str:
    """A layer without its initializers, which say nothing of what it does."""
    if isinstance(layer, Network):
        return f"Network({', '.join(map(brief, layer.layers))})"
    if isinstance(layer, Residual):
        return f"Residual({brief(layer.inner)})"
    return f"Dense({layer.n_in}, {layer.n_out})" if isinstance(layer, Dense) else repr(layer)


def read_model(path: Path, custom: Sequence[str] | None) -> Model:
    """The model in a file; classes that are not minnet's have to be named, since none is imported on a file's word."""
    from minnet.checkpoints import load as load_file

    require(path.exists(), f"there is no file {str(path)!r}")
    require(path.is_file(), f"{str(path)!r} is not a file")
    classes = [load(name) for name in custom or ()]
    for name, found in zip(custom or (), classes, strict=True):
        require(isinstance(found, type) and issubclass(found, Layer), f"--custom {name} is no layer or activation")
    try:
        saved = load_file(path, custom=classes)
    except ValueError as error:
        raise ValueError(str(error).replace("hand it in: custom=", "name it with --custom module:NAME, for ")) from None
    return Model(path, saved.network, saved.theta, dict(saved.metadata or {}))
