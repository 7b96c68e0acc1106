"""A network with its theta in a file, and back: safetensors, which PyTorch reads too, with the settings as JSON.

No pickle anywhere: a file holds numbers and names, and whatever is wrong with it is a CheckpointError.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minnet.blueprint import known_classes, rebuilt
from minnet.network import Network
from minnet.settings import Array, require, require_finite
from minnet.state_dict import RESERVED, network_settings, tensors_of, views
from minnet.tensor_files import StrPath, TensorFile, reading, refusing, short, write


@dataclass(frozen=True, eq=False)
class Saved:
    """What a file held: the network, theta (P,) or (K, P), and the metadata given to `save`.

    >>> Saved(Network(), np.zeros(0), {"classes": ["no", "yes"]}).metadata
    {'classes': ['no', 'yes']}
    """

    network: Network
    theta: Array
    metadata: dict[str, Any]


def save(path: StrPath, network: Network, theta: Array, *, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a network and its theta to a safetensors file; what was at `path` is replaced when all is on the disk.

    `metadata` is any dict that JSON can hold, such as class names. The tensors have PyTorch's names and shapes
    ("0.weight": (n_out, n_in), "0.bias": (n_out,), ...): `torch_network.load_state_dict(safetensors.torch.load_file(
    path))` reads them into the equivalent torch.nn.Sequential.

    Raises CheckpointError for what cannot be written: theta that is not finite or not the network's, an activation
    or initializer made of a function (its layer is named), and for a disk that is full or may not be written to.

    >>> from tempfile import TemporaryDirectory
    >>> from minnet import Dense
    >>> network = Network(Dense(2, 1))
    >>> with TemporaryDirectory() as folder:
    ...     save(f"{folder}/net.safetensors", network, network.init_theta(seed=0))
    ...     saved = load(f"{folder}/net.safetensors")
    >>> saved.network, saved.theta.shape
    (Network(Dense(2, 1)), (3,))
    """
    theta = np.asarray(theta)
    with refusing(path):
        fits = theta.ndim in (1, 2) and theta.shape[-1] == network.size and theta.dtype.kind == "f"
        require(fits, f"theta has to be floats (..., {network.size}), got {theta.dtype} of shape {theta.shape}")
        _check_theta(network, theta)
        try:
            kept = json.loads(json.dumps(dict(metadata or {}), allow_nan=False))
        except (TypeError, RecursionError) as error:
            raise ValueError(f"metadata has to be what JSON can hold: {error}") from error
        changed = "metadata changes in JSON (keys have to be strings, tuples lists)"
        require(kept == dict(metadata or {}), f"{changed}: {short(metadata)} becomes {short(kept)}")
        write(path, views(network, theta), network_settings(network, theta) | {"metadata": kept})


def load(path: StrPath, *, custom: Iterable[type] = ()) -> Saved:
    """Read what `save` wrote, or the network of a training's checkpoint.

    Classes of your own in it are handed in as `custom`, and matched by name; nothing is imported, and nothing run,
    because a file says so. From a training's checkpoint comes the theta that the training would have returned had it
    been stopped there: with early stopping that of the best epoch so far, else the last.

    Raises CheckpointError for a file that is damaged, cut off, of a later format, or not a checkpoint at all.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save(f"{folder}/net.safetensors", Network(), np.zeros(0), metadata={"classes": ["no", "yes"]})
    ...     saved = load(f"{folder}/net.safetensors")
    >>> saved.metadata["classes"]
    ['no', 'yes']
    """
    known = known_classes(custom)
    with reading(path) as file:
        network, theta, _ = read_network(file, known, keep=False)
        return Saved(network, theta, file.settings["metadata"])


def read_network(
    file: TensorFile, known: Mapping[str, Any], *, keep: bool = True
) -> tuple[Network, Array, dict[str, Array]]:
    """The network, its theta, and, if asked to keep them, the file's other tensors; ValueError if anything is wrong."""
    settings = file.settings
    extra = {"run"} if "run" in settings else set()
    expected = {"format", "network", "replicas", "dtype", "metadata", "tensors"} | extra
    require(settings.keys() == expected, f"its settings should be {sorted(expected)}, got {short(sorted(settings))}")
    network = rebuilt(settings["network"], Network, "network", known)
    lead, dtype = settings["replicas"], settings["dtype"]
    replicas = isinstance(lead, list) and len(lead) <= 1 and all(type(n) is int and 0 < n < 2**31 for n in lead)
    require(replicas, f"replicas should be [] or [K], got {short(lead)}")
    require(dtype in ("float16", "float32", "float64"), f"theta cannot be of dtype {short(dtype)}")
    require(isinstance(settings["metadata"], dict), f"metadata is no dict, but {short(settings['metadata'])}")
    require(isinstance(settings.get("run", {}), dict), f"run is no dict, but {short(settings.get('run'))}")

    parts = list(tensors_of(network))
    wanted = {part.name: (np.dtype(dtype), (*lead, *part.file_shape)) for part in parts}
    for name, (kind, shape) in wanted.items():
        require(name in file.table, f"it has no tensor {name!r}")
        found = np.dtype(file.table[name][0]), file.table[name][1]
        require(
            found == (kind, shape),
            f"tensor {short(name)} should be {kind} {short(shape)}, got {found[0]} {short(found[1])}",
        )
    foreign = [name for name in file.table if name not in wanted and not (extra and name.startswith(RESERVED))]
    require(not foreign, f"the network has no tensors {short(foreign)}")

    theta, rest = np.empty((*lead, sum(math.prod(part.shape) for part in parts)), dtype), {}
    into = views(network, theta)
    for name, array in file.tensors():
        if name in into:
            into[name][...] = array
        elif keep:
            rest[name] = array
        del array
    _check_theta(network, theta)
    return network, theta, rest


def _check_theta(network: Network, theta: Array) -> None:
    require_finite(theta, "theta")
    for name, array in views(network, theta).items():
        variance = name.endswith("running_var")
        require(not variance or bool((array >= 0).all()), f"{name!r} holds a variance below 0: {array.min()}")
