"""`minnet diagnose`: what is wrong with a trained network, in words, and what to try."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import typer

from minnet.cli.answers import Answer, Prose, progress
from minnet.cli.models import Custom, ModelPath, read_model
from minnet.cli.options import source
from minnet.lab.datasets import DATASETS
from minnet.run import Run
from minnet.settings import require


def diagnose(
    model: ModelPath,
    data: Annotated[str | None, typer.Option(help="what it was trained on, if that was a CSV file")] = None,
    points: Annotated[int | None, typer.Option(help="of a toy, if they were given in training")] = None,
    noise: Annotated[float | None, typer.Option(help="of a toy, if it was given in training")] = None,
    custom: Custom = None,
) -> Answer:
    """Say what is wrong with a trained network and what to try.

    The exit code is 1 if it is not healthy.
    """
    from minnet.lab.diagnosis import diagnose as examine
    from minnet.lab.preprocessing import preprocessing

    found = read_model(model, custom)
    theta, ready = found.single, found.preprocessing
    trained_on, seed, task = found.origin
    name = data or trained_on
    require(data is not None or name in DATASETS, f"{model} was trained on a table, {name}: give it as --data FILE")
    target = None if name in DATASETS else ready.target
    read = source(name, target, points=points, noise=noise, task=None if target is None else task)
    same = _digits(preprocessing(read, seed)) == _digits(ready)
    require(same, f"{model} was trained on other data than {name} holds, or with other --points or --noise")

    split = read.split(seed)
    history = {"loss": np.array(found.losses, float)} if found.losses else {}
    with progress("looking into it"):
        answer: Any = examine(Run(found.network, theta, history), split.x, split.y)
    document = {"healthy": answer.healthy, "kind": answer.kind, "state": answer.state,
                "findings": [asdict(finding) for finding in answer.findings]}  # fmt: skip
    return Answer(document, [Prose(repr(answer))], code=0 if answer.healthy else 1)


def _digits(ready: Any) -> Any:
    """Its numbers to six digits, so that another processor may round the last ones otherwise."""
    return json.loads(json.dumps(ready.to_json()), parse_float=lambda text: f"{float(text):.6g}")
