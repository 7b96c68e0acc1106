"""`minnet train`: one network, or one a seed, on a data set or a CSV file; the best is kept in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import minnet
from minnet.activations import Activation
from minnet.cli.answers import Answer, note, quiet, table
from minnet.cli.options import at_least, sizes, source
from minnet.lab.conditions import activation, initialiser, is_sgd, mlp, optimizer, with_rate
from minnet.lab.datasets import Dataset, Split
from minnet.losses import Loss, mse, softmax_cross_entropy
from minnet.network import Network
from minnet.run import Run
from minnet.settings import Array, require


def train(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="a CSV file, or the name of a data set")] = None,
    data: Annotated[str | None, typer.Option(help="the same as an option  [default: moons]")] = None,
    target: Annotated[str | None, typer.Option(help="the column of the CSV file to predict")] = None,
    task: Annotated[str | None, typer.Option(help="classification or regression, if the target leaves doubt")] = None,
    points: Annotated[int | None, typer.Option(help="of a toy: training points, and as many to validate")] = None,
    noise: Annotated[float | None, typer.Option(help="of a toy")] = None,
    act: Annotated[str, typer.Option("--activation", help="a name, or package.module:NAME")] = "relu",
    hidden: Annotated[str, typer.Option(help="sizes of the hidden layers")] = "16,16",
    init: Annotated[str, typer.Option("--initialiser", help="recommended: the activation's own")] = "recommended",
    method: Annotated[str, typer.Option("--optimizer", help="a name")] = "sgd",
    rate: Annotated[float | None, typer.Option(help="learning rate  [default: 0.1; adaptive ones 0.001]")] = None,
    epochs: Annotated[int, typer.Option(help="passes over the training data")] = 200,
    batch_size: Annotated[int, typer.Option(help="samples in a step")] = 32,
    seed: Annotated[int, typer.Option(help="the first seed")] = 0,
    seeds: Annotated[int, typer.Option(help="how many networks, one a seed, are trained")] = 1,
    out: Annotated[Path | None, typer.Option(help="file for the trained network")] = None,
) -> Answer:
    """Train a network and say how well it does on test points."""
    at_least(seeds=(seeds, 1), epochs=(epochs, 1), batch_size=(batch_size, 1), seed=(seed, 0))
    require(file is None or data is None, f"expected one data set, got {file} and --data {data}")
    read = source(file or data or "moons", target, points=points, noise=noise, task=task)
    for text in getattr(read, "notes", ()):
        note(text)
    if out is not None:
        require(out.parent.is_dir() and not out.is_dir(), f"--out expects a file in a folder that is there, got {out}")
    part: Any = activation(act)
    is_activation = isinstance(part, Activation)
    network = mlp(part, read.n_in, sizes(hidden), read.n_out, initialiser(init)) if is_activation else part(
        read.n_in, read.n_out
    )
    chosen = optimizer(method)
    chosen = with_rate(chosen, rate if rate is not None else 0.1 if is_sgd(chosen) else 0.001)
    work = _Training(read, network, range(seed, seed + seeds))
    run = work.run(chosen, epochs, batch_size)
    scores, best = work.test_scores(run), work.best(run)
    return _answer(work, run, scores, best, out)


@dataclass
class _Training:
    """Data, network and seeds; each seed has weights, batch order and a split of its own."""

    data: Dataset
    network: Network
    seeds: range

    def __post_init__(self) -> None:
        self.split: Split = self.data.splits(self.seeds)
        self.loss: Loss = softmax_cross_entropy if self.data.task == "classification" else mse

    def run(self, optimizer: Any, epochs: int, batch_size: int) -> Run:
        s = self.split
        return minnet.train(self.network, self.loss, optimizer, s.x, s.y, epochs=epochs, batch_size=batch_size,
                            seed=self.seeds, validation=(s.x_val, s.y_val), progress=not quiet())  # fmt: skip

    def test_scores(self, run: Run) -> Array:
        """Accuracy or R² of each seed on its test points, (K,); NaN where it diverged."""
        y = run(self.split.x_test)
        target = self.loss.encode(self.split.y_test, y.shape[-1], y.dtype)
        return np.where(run.diverged, np.nan, self.loss.metric(y, target))

    def best(self, run: Run) -> int:
        """The seed that did best on its validation points."""
        last = run.history["validation_metric"]
        return int(np.nan_to_num(np.where(run.diverged, -np.inf, last[-1] if len(last) else 0.0), nan=-1e300).argmax())
