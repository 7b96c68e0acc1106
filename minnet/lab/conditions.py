"""What is compared: activations × initialisers × optimizers. Each combination is a condition, with its own network.

An activation is given by name, as an object, as `package.module:NAME`, or as a whole network: factory(n_in, n_out).
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

import minnet
from minnet.activations import Activation
from minnet.catalogue import CATALOGUE
from minnet.gains import Following, recommended
from minnet.initializers import Initializer, glorot_uniform
from minnet.lab.identity import identity
from minnet.layers import Dense
from minnet.network import Network
from minnet.optimizers import SGD, Optimizer
from minnet.settings import require

Factory = Callable[[int, int], Network]
Part = Activation | type[Activation] | str | Factory
RECOMMENDED, SAME = "recommended", "same"  # each activation's own weight_init, or glorot_uniform for all alike
UNNAMED = "no weight_init is named"
OWN_SEEDS = 1_000_000  # added to the seeds of a condition that draws weights and batch order of its own


@dataclass(frozen=True, eq=False)
class Condition:
    """One combination. `offset` is added to each seed for weights, batch order and noise; the data stay seed k's.

    `made_of` is the identity of network and method: conditions that share it are provably the same, and trained once.
    """

    name: str
    activation: str
    initialiser: str
    optimizer: str
    network: Network
    method: Optimizer
    made_of: str
    weights: str  # what starts those of the hidden layers
    offset: int = 0


def activation(name: str) -> Activation | Factory:
    """A catalogue activation by its class name in any case, with its default settings; or `package.module:NAME`.

    >>> activation("gelu")
    GELU()
    """
    if ":" in name:
        return _activation_or_factory(load(name), name)
    known = {type(member).__name__.lower(): type(member) for member in CATALOGUE}
    hint = "; one of your own is given as package.module:NAME"
    require(name.lower() in known, f"unknown activation {name!r}; known are {', '.join(sorted(known))}{hint}")
    return known[name.lower()]()


def _is_a(base: type, value: object) -> bool:
    return isinstance(value, type) and issubclass(value, base) and value is not base


def load(path: str) -> Any:
    """What `package.module:NAME` names, imported; ValueError in one line if that fails in any way."""
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # a module of one's own may fail in any way
        known = isinstance(error, ImportError | AttributeError | ValueError)
        why = str(error) if known else f"{type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError) and sys.flags.safe_path:
            why += " (Python was started with -P, -I or PYTHONSAFEPATH, so that the working folder is not searched)"
        raise ValueError(f"{path!r} expects package.module:NAME of something that can be imported: {why}") from error


def _activation_or_factory(part: Any, name: str) -> Activation | Factory:
    if isinstance(part, str):
        return activation(part)
    if _is_a(Activation, part):
        part = made(part, name)
    fits = callable(part) and not isinstance(part, type)
    require(fits, f"{name!r} has to be an Activation or a function (n_in, n_out) -> Network, got {part!r}")
    if isinstance(part, Activation):
        x = np.array([0.5])
        shapes = [np.shape(made(f, f"{name!r}", x)) for f in (part, part.derivative)]
        require(set(shapes) == {(1,)}, f"{name!r} has to act element by element, but x (1,) became {shapes}")
    return part


def made(part: Callable[..., Any], name: str, *arguments: Any) -> Any:
    """What a class or a function of one's own makes of the arguments; ValueError in one line if it cannot."""
    try:
        return part(*arguments)
    except Exception as error:  # it may fail in any way
        why = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "" if arguments else f"; make one, say EXAMPLE = {getattr(part, '__name__', 'It')}(...), and give that"
        raise ValueError(f"{name} cannot be called with {arguments or 'nothing'}: {why}{hint}") from error


def network_of(factory: Factory, name: str, n_in: int, n_out: int) -> Network:
    """The network that a function of one's own makes; ValueError in one line if it makes something else."""
    network = made(factory, name, n_in, n_out)
    require(isinstance(network, Network), f"{name} has to make a Network of (n_in, n_out), got {network!r:.200}")
    return network


def _named(parts: Mapping[str, Any] | Iterable[Any]) -> dict[str, Any]:
    """Parts by name; a list's are named by what was written, or by their class (functions: by their own name)."""
    if isinstance(parts, Mapping):
        names, parts = [str(name) for name in parts], list(parts.values())
    else:
        parts = [parts] if isinstance(parts, str) else list(parts)
        names = [p if isinstance(p, str) else getattr(p, "__name__", type(p).__name__).lower() for p in parts]
    require(len(set(names)) == len(names), f"two of {', '.join(names)} have the same name: give a dict of names")
    return dict(zip(names, parts, strict=True))


def mlp(
    act: Activation, n_in: int, hidden: Sequence[int], n_out: int, weight_init: Initializer | None = None
) -> Network:
    """Dense layers of these sizes, each hidden one followed by `act`; started as is recommended for it by default.

    >>> from minnet import Tanh
    >>> mlp(Tanh(), 2, [16, 16], 3)
    Network(Dense(2, 16), Tanh(), Dense(16, 16), Tanh(), Dense(16, 3))
    """
    sizes = [n_in, *hidden]
    init = recommended(act) if weight_init is None else weight_init
    layers = [part for a, b in pairwise(sizes) for part in (Dense(a, b, init), act)]
    return Network(*layers, Dense(sizes[-1], n_out))


def initialiser(name: str) -> Initializer | None:
    """The initializer of hidden Dense layers by name; None is each activation's own ("recommended")."""
    known = {key: init for key, init in vars(minnet).items() if key.split("_")[0] in ("glorot", "he", "lecun")}
    known |= {"orthogonal": minnet.orthogonal, SAME: glorot_uniform}
    require(name in known or name == RECOMMENDED, f"unknown initialiser {name!r}; known are {RECOMMENDED}, "
            f"{SAME} (glorot_uniform for all), {', '.join(sorted(known.keys() - {SAME}))}")  # fmt: skip
    return known.get(name)


def optimizer(name: str) -> Optimizer:
    """A catalogue optimizer by its class name in any case, with its default settings."""
    known = {k.lower(): cls for k, cls in vars(minnet).items() if _is_a(Optimizer, cls) and k != "Clipped"}
    require(name.lower() in known, f"unknown optimizer {name!r}; known are {', '.join(sorted(known))}")
    return known[name.lower()](1.0)


def _start(part: Activation, init: Initializer | None) -> tuple[Initializer, str]:
    """The initializer of the hidden layers, and the same in words."""
    start = recommended(part) if init is None else init
    if init is not None or type(part).weight_init is not None:
        return start, repr(start)
    why = "E[f²] = {:.4g}, E[f′²] = {:.4g}".format(*start.moments) if isinstance(start, Following) else "no moments"
    return start, f"{start!r} ({UNNAMED}; {why})"


def is_sgd(method: Optimizer) -> bool:
    """Whether the learning rates to try are those of gradient descent, ten to a hundred times an adaptive one's."""
    return isinstance(getattr(method, "optimizer", method), SGD)


def conditions(
    activations: Mapping[str, Part] | Iterable[Part],
    n_in: int,
    n_out: int,
    *,
    hidden: Sequence[int],
    initialisers: Mapping[str, Initializer] | Iterable[str],
    optimizers: Mapping[str, Optimizer] | Iterable[str],
    own_seeds: Collection[str] = (),
) -> list[Condition]:
    """The whole grid, named by what differs.

    An activation that two initialisers start alike stands there once ("recommended = same"), and so does a whole
    network, which has initialisers of its own.
    """
    parts = {name: _activation_or_factory(part, name) for name, part in _named(activations).items()}
    inits = {name: initialiser(i) if isinstance(i, str) else i for name, i in _named(initialisers).items()}
    methods = {name: optimizer(o) if isinstance(o, str) else o for name, o in _named(optimizers).items()}
    for what, found in (("activation", parts), ("initialiser", inits), ("optimizer", methods)):
        require(len(found) > 0, f"compare expects at least one {what}, got none")
    require(all(size >= 1 for size in hidden), f"hidden sizes have to be >= 1, got {tuple(hidden)}")
    unknown = set(own_seeds) - set(parts)
    require(not unknown, f"own_seeds names {', '.join(sorted(unknown))}, which is not compared")
    grid = []
    for index, (name, part) in enumerate(parts.items()):
        networks: list[tuple[str, Network, Any, str]] = []  # those that start differently, and how
        for init_name, init in inits.items() if isinstance(part, Activation) else [("its own", None)]:
            if isinstance(part, Activation):
                start, weights = _start(part, init)
                network = mlp(part, n_in, hidden, n_out, start)
            else:
                start, weights = None, "as the network says"
                network = network_of(part, name, n_in, n_out)
            alike = [i for i, n in enumerate(networks) if n[2] is start or identity(n[2]) == identity(start)]
            if alike:
                first, *rest = networks[alike[0]]
                networks[alike[0]] = (f"{first} = {init_name}", *rest)
            else:
                networks.append((init_name, network, start, weights))
        offset = OWN_SEEDS * (index + 1) if name in own_seeds else 0
        for init_name, network, _, weights in networks:
            for method_name, method in methods.items():
                told = [name, *([init_name] if len(networks) > 1 else ()), *([method_name] if len(methods) > 1 else ())]
                grid.append(Condition("/".join(told), name, init_name, method_name, network, method,
                                      identity(network, method), weights, offset))  # fmt: skip
    return grid
