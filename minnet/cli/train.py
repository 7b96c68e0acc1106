"""`minnet train`: one network, or one a seed, on a data set or a CSV file; the best is kept in a file."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import minnet
from minnet.activations import Activation
from minnet.cli.answers import INTERRUPTED, Answer, Prose, note, quiet, table
from minnet.cli.models import brief
from minnet.cli.options import at_least, sizes, source, writable
from minnet.cli.resuming import given, refuse_changes
from minnet.keeping import Checkpoint
from minnet.lab.conditions import activation, initialiser, is_sgd, mlp, network_of, optimizer
from minnet.lab.datasets import Dataset, Split
from minnet.losses import mse, softmax_cross_entropy
from minnet.optimizers import with_rate
from minnet.resuming import read_training
from minnet.run import Run
from minnet.settings import Array, require

SHOWN = 10  # epochs of the history


def train(
    context: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="a CSV file, or the name of a data set")] = None,
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
    checkpoint: Annotated[Path | None, typer.Option(help="file that is written while training goes on")] = None,
    every: Annotated[int, typer.Option(help="epochs from one checkpoint to the next")] = 10,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on from the checkpoint, with its settings but for --epochs and --rate")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="start anew over an earlier checkpoint")] = False,
) -> Answer:
    """Train a network and say how well it does on test points."""
    at_least(seeds=(seeds, 1), epochs=(epochs, 1), batch_size=(batch_size, 1), seed=(seed, 0), every=(every, 1))
    require(file is None or data is None, f"expected one data set, got {file} and --data {data}")
    require(not resume or checkpoint is not None, "--resume expects --checkpoint, the file to go on from")
    require(not (resume and fresh), "expected one of --resume and --fresh, got both")
    writable(out, "model")
    layers, part, chosen = sizes(hidden), activation(act), optimizer(method)
    start, wishes, numbers = initialiser(init), given(context), range(seed, seed + seeds)
    same = out is not None and checkpoint is not None and out.resolve() == checkpoint.resolve()
    require(not same, f"expected two files, got {checkpoint} for both --out and --checkpoint")
    going = read_training(checkpoint, custom=[type(part)]) if checkpoint is not None and resume else None
    writable(checkpoint, "checkpoint", option="--checkpoint", asked=resume or fresh)
    read = source(file or data or "moons", target, points=points, noise=noise, task=task)
    for text in getattr(read, "notes", ()):
        note(text)
    if going is not None:
        refuse_changes(
            going, wishes, act=part, hidden=layers, init=start, method=chosen, batch_size=batch_size, every=every,
            seeds=numbers, sizes=(read.n_in, read.n_out),
        )  # fmt: skip
    split = read.splits(numbers)
    common: dict[str, Any] = {"validation": (split.x_val, split.y_val), "progress": not quiet()}
    if checkpoint is not None and resume:
        run = minnet.resume(checkpoint, split.x, split.y, custom=[type(part)], learning_rate=rate,
                            epochs=epochs if "epochs" in wishes else None, **common)  # fmt: skip
    else:
        if isinstance(part, Activation):
            network = mlp(part, read.n_in, layers, read.n_out, start)
        else:
            network = network_of(part, act, read.n_in, read.n_out)
        files = [Checkpoint(checkpoint, every=every)] if checkpoint else []
        step = rate if rate is not None else 0.1 if is_sgd(chosen) else 0.001
        loss = softmax_cross_entropy if read.task == "classification" else mse
        run = minnet.train(network, loss, with_rate(chosen, step), split.x, split.y, epochs=epochs, seed=numbers,
                           batch_size=batch_size, callbacks=files, **common)  # fmt: skip
    return _answer(read, split, run, numbers, out)


def _answer(data: Dataset, split: Split, run: Run, seeds: range, out: Path | None) -> Answer:
    """What came of it; the network of the seed that did best on its validation points is written to `out`."""
    from minnet.lab.summary import quoted

    (scores, right), best = _test_scores(data, split, run), _best(run)
    rows = [len(split.x[0]), len(split.x_val[0]), len(split.x_test[0])]
    document: dict[str, Any] = {
        "data": data.name,
        "task": data.task,
        "rows": dict(zip(("training", "validation", "test"), rows, strict=True)),
        "network": repr(run.network),
        "parameters": run.network.size,
        "seeds": list(seeds),
        "stops": [stop._asdict() for stop in run.stops],
        "history": run.history,
        "test_score": scores,
        "best_seed": seeds[best],
        "file": None if run.diverged.all() else out,
        **dict.fromkeys(("mean", "low", "high", "crossed_low", "crossed_high", "limit")),
    }
    parts = [
        Prose(
            f"{data.name}: {rows[0]} rows to train on, {rows[1]} to validate, {rows[2]} to test; {data.n_in} features, "
            + (f"{data.n_classes} classes" if data.task == "classification" else "a quantity to predict")
        ),
        Prose(f"{brief(run.network)}: {run.network.size} parameters\n"),
    ]
    if run.diverged.all():
        return Answer(document, [*parts, Prose(_diverged(run))], code=1)
    said, values = _told(data, scores, right, seeds, best)
    notes = []
    if out is not None:
        _write(out, data, run, best, seeds, float(scores[best]))
        notes.append(f"Saved: {out}. `minnet predict {out} new.csv` uses it, `minnet inspect {out}` looks into it.")
    if run.diverged.any():
        counted = f"each counts as guessing ({quoted(data, data.guess)})"
        notes.append(f"{run.diverged.sum()} of {len(seeds)} seeds diverged; {counted}.")
    interrupted = any(stop.reason == "interrupted" for stop in run.stops)
    notes += ["Interrupted: what you see is what was trained until then."] if interrupted else []
    return Answer(document | values, [*parts, *_history(data, run), Prose(said)],
                  code=INTERRUPTED if interrupted else 0, notes=notes)  # fmt: skip


def _test_scores(data: Dataset, split: Split, run: Run) -> tuple[Array, Array]:
    """Accuracy or R² of each seed on its test points (K,), and of classes which points it has right (K, N).

    A seed that diverged counts as guessing, as in `minnet compare`.
    """
    with np.errstate(all="ignore"):
        y = run(split.x_test)
        if data.task == "regression":
            score = mse.metric(y, mse.encode(split.y_test, y.shape[-1], y.dtype))
            return np.where(run.diverged, 0.0, score), np.zeros((len(y), 0), bool)
    guess = np.array([np.bincount(labels).argmax() for labels in split.y_test])
    right = np.where(run.diverged[:, None], guess[:, None], y.argmax(axis=-1)) == split.y_test
    return right.mean(axis=-1), right


def _best(run: Run) -> int:
    """Which row did best on its validation points at the end; the first, if none was validated."""
    metric = run.history["validation_metric"]
    last = metric[-1] if len(metric) else np.zeros(len(run.stops))
    return int(np.where(run.diverged | np.isnan(last), -np.inf, last).argmax())


def _diverged(run: Run) -> str:
    """Why there is nothing to show."""
    first = run.stops[0].message
    return first[0].upper() + first[1:] + ". A smaller --rate may help."


def _history(data: Dataset, run: Run) -> list[Any]:
    """Loss and metric at some epochs, averaged over the seeds that did not diverge."""
    metric = "accuracy" if data.task == "classification" else "R²"
    columns = {"loss": "loss", "validation_loss": "validation loss", "validation_metric": f"validation {metric}"}
    going = np.flatnonzero(~run.diverged)
    done = len(run.history["loss"])
    if not done:
        return []
    shown = np.unique(np.linspace(1, done, SHOWN).astype(int))
    rows = [[epoch, *(f"{run.history[name][epoch - 1, going].mean():.4f}" for name in columns)] for epoch in shown]
    rest = " that did not diverge" if run.diverged.any() else ""
    title = [f"Means over {len(going)} seeds{rest}:"] if len(run.stops) > 1 else []
    return [*title, table(["epoch", *columns.values()], rows, left=0), ""]


def _told(data: Dataset, scores: Array, right: Array, seeds: range, best: int) -> tuple[str, dict[str, Any]]:
    """The test score in words and as values: of one network, or the mean over the seeds with its intervals."""
    from minnet.lab.statistics import crossed_interval, mean_interval
    from minnet.lab.summary import bounds, limit, quoted, resolution

    level, name = limit(data)
    what = "Test accuracy" if data.task == "classification" else "Test R²"
    beside = f"{name[0].upper()}{name[1:]} on the same points: {quoted(data, level)}."
    mean, low, high = mean_interval(scores, bounds=bounds(data), resolution=resolution(data))
    new_low, new_high = crossed_interval(right)[1:] if right.size else (np.nan, np.nan)
    values = {"mean": mean, "low": low, "high": high, "limit": level}
    values |= {"crossed_low": new_low, "crossed_high": new_high}
    if len(seeds) == 1:
        return f"{what}: {quoted(data, mean)}. {beside}", values
    interval = f"95 % interval {quoted(data, low)} to {quoted(data, high)} on these {len(data.test[1]):,} points"
    if right.size:
        interval += f", {quoted(data, new_low)} to {quoted(data, new_high)} on new points"
    text = (
        f"{what}: {quoted(data, mean)}, mean of {len(seeds)} seeds, {interval}; worst "
        f"{quoted(data, scores.min())}. {beside}\nBest on its own validation rows: seed {seeds[best]}, "
        f"with {quoted(data, scores[best])} on the test rows."
    )
    return text, values


def _write(out: Path, data: Dataset, run: Run, best: int, seeds: range, score: float) -> None:
    from minnet.checkpoints import save
    from minnet.lab.preprocessing import preprocessing

    metadata = {
        "minnet": minnet.__version__,
        "data": data.name,
        "task": data.task,
        "seed": seeds[best],
        "epochs": run.stops[best].epoch,
        "test_score": round(score, 6),
        "preprocessing": preprocessing(data, seeds[best]).to_json(),
        "loss": [float(f"{loss:.6g}") for loss in run.history["loss"][:, best]],
    }
    save(out, run.network, run.theta[best], metadata=metadata)
