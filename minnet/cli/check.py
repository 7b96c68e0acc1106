"""`minnet check`: whether an activation, layer, loss or optimizer of one's own keeps every promise of its contract."""

from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
import typer

from minnet.activations import Activation
from minnet.allowed import Count
from minnet.cli.answers import Answer, Prose
from minnet.lab.conditions import load
from minnet.layers import Layer
from minnet.losses import Loss
from minnet.optimizers import Optimizer
from minnet.settings import Array


class Targets(StrEnum):
    """What a loss is tried on: real numbers, labels of three classes, or zeros and ones."""

    NUMBERS = "numbers"
    LABELS = "labels"
    BINARY = "binary"


def check(
    part: Annotated[str, typer.Argument(metavar="MODULE:NAME", help="a class, or an object made of it")],
    inputs: Annotated[int, typer.Option(help="of a layer: the number of features that come in")] = 3,
    targets: Annotated[Targets, typer.Option(help="of a loss: what it is tried on")] = Targets.NUMBERS,
) -> Answer:
    """Try an activation, layer, loss or optimizer of your own.

    If it has faults, all of them are listed and the exit code is 1.
    """
    from minnet.checks import CheckError, check_activation, check_layer, check_loss, check_optimizer

    it = _made(load(part), part, inputs)
    try:
        if isinstance(it, Activation):
            report = check_activation(it)
        elif isinstance(it, Layer):
            report = check_layer(it, inputs)
        elif isinstance(it, Loss):
            report = check_loss(it, _targets(targets))
        elif isinstance(it, Optimizer):
            report = check_optimizer(it)
        else:
            raise ValueError(f"{part} is no Activation, Layer, Loss or Optimizer: got {it!r}")
    except CheckError as error:
        return Answer({"subject": part, "passed": False, "faults": error.faults}, [Prose(error)], code=1)
    return Answer(
        {"subject": part, "passed": True, "parts": report.passed, "notes": report.notes}, [Prose(repr(report))]
    )


def _made(thing: Any, name: str, inputs: int) -> Any:
    """An object of a class: sizes are `inputs`, a rate is 0.1; other settings have to have defaults."""
    if not isinstance(thing, type):
        return thing
    own = fields(thing) if is_dataclass(thing) else ()
    needed = {f.name: f.type for f in own if f.init and f.default is MISSING and f.default_factory is MISSING}
    counts = {key for key, kind in needed.items() if kind in (int, "int", Count, "Count")}
    given = {key: 0.1 if key == "rate" else inputs for key in needed if key == "rate" or key in counts}
    try:
        return thing(**given)
    except Exception:  # one's own may fail in any way
        left = ", ".join(needed.keys() - given.keys()) or "arguments"
        raise ValueError(
            f"{name} cannot be made without {left}: make one in that module, say EXAMPLE = {thing.__name__}(...), "
            f"and check {name.partition(':')[0]}:EXAMPLE"
        ) from None


def _targets(kind: Targets) -> Array | None:
    rng = np.random.default_rng(0)
    if kind == Targets.LABELS:
        return np.array([0, 1, 2, 2, 1, 0])
    return rng.integers(0, 2, (6, 3)).astype(float) if kind == Targets.BINARY else None
