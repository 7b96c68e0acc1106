"""`minnet train --resume`: what may change when a training goes on, and what would make it another one."""

from collections.abc import Collection, Sequence
from typing import Any

import typer

from minnet.activations import Activation
from minnet.gains import recommended
from minnet.layers import Dense
from minnet.optimizers import Optimizer, with_rate
from minnet.resuming import SavedTraining
from minnet.settings import require

OPTIONS = {
    "act": "--activation",
    "hidden": "--hidden",
    "init": "--initialiser",
    "method": "--optimizer",
    "batch_size": "--batch-size",
    "every": "--every",
}


def given(context: typer.Context) -> set[str]:
    """The parameters that stand on the command line, whatever their value."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def refuse_changes(
    going: SavedTraining,
    wishes: Collection[str],
    *,
    act: Any,
    hidden: Sequence[int],
    init: Any,
    method: Optimizer,
    batch_size: int,
    every: int,
    seeds: range,
    sizes: tuple[int, int],
) -> None:
    """Raise ValueError that names the options given which would make another training of it."""
    layers, parts = going.network.layers, going.parts
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    between = [layer for layer in layers if not isinstance(layer, Dense)]
    own = not isinstance(act, Activation)  # a function that makes the whole network
    activation = next((layer for layer in between if isinstance(layer, Activation)), None)
    start = recommended(activation) if init is None and activation else init
    same = {
        "act": act(*sizes) == going.network if own else all(layer == act for layer in between),
        "hidden": own or [layer.n_out for layer in dense[:-1]] == list(hidden),
        "init": own or all(layer.weight_init == start for layer in dense[:-1]),
        "method": with_rate(parts["optimizer"], 1.0) == method,
        "batch_size": parts["batch_size"] == batch_size,
        "every": going.every == every,
    }
    changed = [option for name, option in OPTIONS.items() if name in wishes and not same[name]]
    require(
        not changed,
        f"--resume goes on with the training of the checkpoint, and {', '.join(changed)} would make another one: "
        "only --epochs and --rate may change",
    )
    known = parts["seed"] if isinstance(parts["seed"], list) else [parts["seed"]]
    if known != list(seeds):
        whole = known == list(range(known[0], known[0] + len(known)))
        hint = f": give --seed {known[0]} --seeds {len(known)}" if whole else ""
        raise ValueError(f"the checkpoint was started with other seeds than --seed and --seeds name{hint}")
