"""Does a network need an activation function, and does it matter which?

Linear-only, sigmoid, tanh and ReLU networks learn the same data from the same seeds. Each activation gets the learning
rate that serves it best on validation data; then every one is trained anew on fresh seeds and scored on test points.
Beside it stands the best that any straight line could do on those test points, computed exactly: no network without
activations, however deep, can pass it.

    python experiments/compare_activations.py --data circles --activations identity,tanh,gelu --hidden 8,8
    python experiments/compare_activations.py --initialisers recommended,same --optimizers sgd,adam
    python experiments/compare_activations.py --control null --repeats 100 --seeds 10 --epochs 50
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from minnet.catalogue import CATALOGUE
from minnet.lab.compare import Comparison, compare
from minnet.lab.conditions import activation
from minnet.lab.controls import KNOWN_TO_BEND, coverage_control, null_control, positive_control
from minnet.lab.datasets import DATASETS, Dataset, dataset
from minnet.lab.report import write_report
from minnet.lab.tables import read_table
from minnet.settings import require

NAMES = dict.fromkeys(type(member).__name__.lower() for member in CATALOGUE)
EPILOG = (
    f"Data sets: {', '.join(DATASETS)}; or a CSV file of your own with --target. "
    f"Activations: {', '.join(NAMES)}; or one of your own as package.module:NAME."
)


class Control(StrEnum):
    """What can be asked of the comparison itself, since the answer is known beforehand."""

    NULL = "null"
    POSITIVE = "positive"
    COVERAGE = "coverage"


def main(
    data: Annotated[str, typer.Option(help="data set, or a CSV file of your own")] = "moons",
    target: Annotated[str | None, typer.Option(help="the column of the CSV file to predict")] = None,
    points: Annotated[int | None, typer.Option(help="of a toy: training points, and as many to validate")] = None,
    noise: Annotated[float | None, typer.Option(help="of a toy")] = None,
    activations: Annotated[str, typer.Option(help="names, separated by commas")] = "identity,sigmoid,tanh,relu",
    hidden: Annotated[str, typer.Option(help="sizes of the hidden layers")] = "16,16",
    initialisers: Annotated[str, typer.Option(help="recommended: each one's own; same: one for all")] = "recommended",
    optimizers: Annotated[str, typer.Option(help="names, separated by commas")] = "sgd",
    rates: Annotated[str, typer.Option(help="learning rates to try: auto, or some separated by commas")] = "auto",
    shared_rate: Annotated[float | None, typer.Option(help="the rate that all are tested at too")] = None,
    seeds: Annotated[int, typer.Option(help="seeds for tuning, and as many fresh ones for the test")] = 20,
    epochs: Annotated[int, typer.Option(help="passes over the training data")] = 200,
    batch_size: Annotated[int, typer.Option(help="samples in a step")] = 32,
    out: Annotated[Path, typer.Option(help="folder for figures, CSV and what was trained")] = Path("results"),
    fresh: Annotated[bool, typer.Option("--fresh", help="train anew what the folder already holds")] = False,
    jobs: Annotated[int, typer.Option(help="cores; -1: all")] = -1,
    cluster: Annotated[str | None, typer.Option(help="address of a Dask scheduler, tcp://...")] = None,
    control: Annotated[Control | None, typer.Option(help="run a control of the comparison itself")] = None,
    repeats: Annotated[int, typer.Option(help="of a control")] = 100,
) -> None:
    """Compare activation functions fairly, each at its own best learning rate."""
    sys.path.insert(0, os.getcwd())  # where package.module:NAME is looked for first
    try:
        counts = {"seeds": (seeds, 2), "epochs": (epochs, 1), "batch-size": (batch_size, 1), "repeats": (repeats, 1)}
        for name, (count, least) in counts.items():
            require(count >= least, f"--{name} expects at least {least}, got {count}")
        require(jobs == -1 or jobs >= 1, f"--jobs expects -1 (all cores) or at least 1, got {jobs}")
        chosen = dict(map(_activation, _words(activations)))
        require(len(chosen) > 0, f"--activations expects at least one activation, got {activations!r}")
        table = target is not None or data.lower().endswith(".csv")
        require(not table or target is not None, f"--data {data} expects --target, the name of the column to predict")
        toy = {"n_train": points, "n_val": points, "noise": noise}
        toy = {name: value for name, value in toy.items() if value is not None}
        source = read_table(data, str(target)) if table else dataset(data, **toy)
        notes = getattr(source, "notes", ())  # what of a table was left out, or taken to mean what
        sizes = [_size(size) for size in _words(hidden)]
        require(len(sizes) > 0, "--hidden expects at least one size: without hidden layers there is no activation")
        settings: dict[str, Any] = {
            "hidden": sizes,
            "rates": "auto" if rates == "auto" else [_rate(rate) for rate in _words(rates)],
            "shared_rate": shared_rate,
            "seeds": seeds,
            "epochs": epochs,
            "batch_size": batch_size,
            "jobs": jobs,
        }
        if control is not None:
            run_control(control, source, repeats, settings)
            return
        print(*notes, sep="\n", end="\n" if notes else "", file=sys.stderr)
        out.mkdir(parents=True, exist_ok=True)
        settings |= {"initialisers": _words(initialisers), "optimizers": _words(optimizers)}
        with _progress(f"training on {data}") as watch:
            found = compare(chosen, source, **settings, cluster=cluster, out=out, fresh=fresh, watch=watch)
    except (ValueError, TimeoutError) as error:  # the latter: a cluster without workers
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        raise typer.BadParameter(f"--out has to be a folder that can be written: {error}") from None
    print_table(found)
    print("Ranking:\n" + found.rankings(), found.verdict(), sep="\n\n")
    page, *beside = write_report(found, out / f"{source.name}.html")
    print(f"\nThe report: {page}. Beside it, every run, the table, all pairs, manifest and figures: {_listed(beside)}.")
    if taken := found.manifest["pieces"]["found"]:
        print(f"{taken} pieces of work were taken from {out / 'trained'}; --fresh trains them anew.", file=sys.stderr)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing when piped."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _listed(paths: list[Path]) -> str:
    """File names, those of one stem together: moons_pairs.csv, moons_bands.png/.svg."""
    endings: dict[str, list[str]] = {}
    for path in paths:
        endings.setdefault(path.stem, []).append(path.suffix)
    return ", ".join(stem + "/".join(suffixes) for stem, suffixes in endings.items())


def _activation(text: str) -> tuple[str, Any]:
    """Its name in the table, and itself; a network whose activation is the identity is called what it is."""
    linear = text.lower() in ("identity", "linear", "linear-only")
    return ("linear-only", activation("identity")) if linear else (text, activation(text))


def _size(text: str) -> int:
    fits = text.isdigit() and int(text) >= 1
    require(fits, f"--hidden expects sizes >= 1 separated by commas, such as 16,16; got {text!r}")
    return int(text)


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"--rates expects auto, or numbers separated by commas, such as 0.01,0.1; got {text!r}"
        ) from None


def run_control(control: Control, source: Dataset, repeats: int, settings: dict[str, Any]) -> None:
    """Repeat a comparison whose outcome is known, and count how often that was the verdict."""
    if control == Control.COVERAGE:
        seeds = settings["seeds"]
        print(f"How often Student's t interval holds the true mean, {repeats} samples of {seeds} made-up scores:")
        print(f"normal scores: {coverage_control(repeats, seeds):.1%}")
        print(f"where each seed fails with a chance of 10 %: {coverage_control(repeats, seeds, 0.1):.1%}")
        print(f"(in {0.9**seeds:.1%} of such samples no seed fails, so that nothing in them tells of failures)")
        return
    with _progress(f"{control} control") as watch:
        if control == Control.NULL:
            expected, told = "no detectable difference", "ReLU against ReLU, the copy with weights and order of its own"
            pairs = null_control(source, repeats, **settings, watch=watch)
        else:
            expected, told = "relu better", "linear-only against ReLU"
            pairs = positive_control(map(dataset, KNOWN_TO_BEND), repeats, **settings, watch=watch)
    print(f"The {control} control: {told}, {settings['seeds']} seeds, {settings['epochs']} epochs.")
    for name, group in pairs.groupby("data", sort=False):
        right = (group.verdict == expected).sum()
        low, high = 100 * group.difference.min(), 100 * group.difference.max()
        print(f'{name}: "{expected}" in {right} of {len(group)} repeats; differences {low:+.1f} to {high:+.1f} points.')


def print_table(found: Comparison) -> None:
    """The results on the fresh seeds, and what a straight line can do."""
    seeds = found.runs[found.runs.phase == "test"].seed.nunique()
    what = "Test accuracy" if found.data.task == "classification" else "Test R²"
    table = Table(
        title=f"{what} on {found.data.name}, {seeds} fresh seeds",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("activation", no_wrap=True)
    headings = "rate", "good rates", "mean", "95 % interval", "worst", "failed", f"at {found.shared_rate:g}"
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for act, row in found.table.iterrows():
        table.add_row(
            act,
            f"{row.rate:.3g}",
            f"{row.window_low:.3g}-{row.window_high:.3g}",
            found.show(row.score),
            f"{found.show(row.low)} to {found.show(min(row.high, 1))}",
            found.show(row.worst),
            f"{row.failed:.0%}",
            found.show(row.shared_score),
        )
    if found.data.ceiling is not None:
        table.add_section()
        table.add_row("best line", "", "", f"{found.data.ceiling:.1%}", "exact")
    console = Console()
    if not console.is_terminal:
        console = Console(width=110)
    console.print(table)
    least = "the best straight line" if found.data.ceiling is not None else "guessing"
    if found.data.ceiling is not None:
        print("Best line: the best that any straight line can do on the same test points, computed.")
    print("Rate: the learning rate best on validation data. Good rates: within one point of it there.")
    print("Interval: Student's t for the mean over seeds. Worst: the worst seed.")
    print(f"Failed: seeds that diverged, or did no better than {least} plus one point.")
    print(f"At {found.shared_rate:g}: the mean if all had to share that learning rate.\n")


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
    app.command(epilog=EPILOG)(main)
    try:
        app()
    except KeyboardInterrupt:
        print("Interrupted. What was trained is kept: the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
