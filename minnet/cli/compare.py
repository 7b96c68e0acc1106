"""`minnet compare`: which activation, each at its own best learning rate, on fresh seeds."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnet.catalogue import CATALOGUE
from minnet.cli.answers import Answer, Prose, note, progress
from minnet.cli.controls import Control, run_control
from minnet.cli.options import at_least, rate, sizes, source, words
from minnet.lab.conditions import activation
from minnet.lab.datasets import DATASETS
from minnet.settings import require

NAMES = dict.fromkeys(type(member).__name__.lower() for member in CATALOGUE)
EPILOG = (
    f"Data sets: {', '.join(DATASETS)}; or a CSV file of your own with --target. "
    f"Activations: {', '.join(NAMES)}; or one of your own as package.module:NAME."
)


def compare(
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
) -> Answer:
    """Compare activation functions fairly, each at its own best learning rate."""
    at_least(seeds=(seeds, 2), epochs=(epochs, 1), batch_size=(batch_size, 1), repeats=(repeats, 1))
    require(jobs == -1 or jobs >= 1, f"--jobs expects -1 (all cores) or at least 1, got {jobs}")
    chosen = dict(map(_activation, words(activations)))
    require(len(chosen) > 0, f"--activations expects at least one activation, got {activations!r}")
    read = source(data, target, points=points, noise=noise)
    settings: dict[str, Any] = {
        "hidden": sizes(hidden),
        "rates": "auto" if rates == "auto" else [rate(text) for text in words(rates)],
        "shared_rate": shared_rate,
        "seeds": seeds,
        "epochs": epochs,
        "batch_size": batch_size,
        "jobs": jobs,
    }
    if control is not None:
        return run_control(control, read, repeats, settings)
    for text in getattr(read, "notes", ()):  # what of a table was left out, or taken to mean what
        note(text)
    from minnet.lab.compare import compare as compare_all
    from minnet.lab.report import write_report

    settings |= {"initialisers": words(initialisers), "optimizers": words(optimizers)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        with progress(f"training on {data}") as watch:
            found = compare_all(chosen, read, **settings, cluster=cluster, out=out, fresh=fresh, watch=watch)
        page, *beside = write_report(found, out / f"{read.name}.html")
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Interrupted. What was trained is kept: the same command goes on from there.") from None
    except TimeoutError as error:  # an OSError, but of a cluster
        raise TimeoutError(f"{error}. What was trained is kept: the same command goes on from there.") from None
    except OSError as error:
        raise ValueError(f"--out has to be a folder that can be written: {error}") from None
    taken = found.manifest["pieces"]["found"]
    return Answer(
        {
            "data": found.data.name,
            "table": found.table.reset_index().to_dict("records"),
            "pairs": found.pairs.to_dict("records"),
            "best_straight_line": found.data.ceiling,
            "verdict": found.verdict(),
            "report": page,
            "manifest": found.manifest,
        },
        [
            *_table(found),
            "Ranking:\n" + found.rankings() + "\n",
            Prose(found.verdict()),
            Prose(
                f"\nThe report: {page}. "
                f"Beside it, every run, the table, all pairs, manifest and figures: {_listed(beside)}."
            ),
        ],
        notes=[f"{taken} pieces of work were taken from {out / 'trained'}; --fresh trains them anew."] if taken else [],
    )


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


def _table(found: Any) -> list[Any]:
    """The results on the fresh seeds, and what a straight line can do."""
    from rich import box
    from rich.table import Table

    seeds = found.runs[found.runs.phase == "test"].seed.nunique()
    share = found.data.task == "classification"
    what = "Test accuracy" if share else "Test R²"
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
            f"{found.show(max(row.low, 0) if share else row.low)} to {found.show(min(row.high, 1))}",
            found.show(row.worst),
            f"{row.failed:.0%}",
            found.show(row.shared_score),
        )
    ceiling = found.data.ceiling
    if ceiling is not None:
        table.add_section()
        table.add_row("best line", "", "", f"{ceiling:.1%}", "exact")
    line = "Best line: the best that any straight line can do on the same test points, computed."
    least = "the best straight line" if ceiling is not None else "guessing"
    return [
        table,
        *([line] if ceiling is not None else ()),
        "Rate: the learning rate best on validation data. Good rates: within one point of it there.",
        "Interval: Student's t for the mean over seeds. Worst: the worst seed.",
        f"Failed: seeds that diverged, or did no better than {least} plus one point.",
        f"At {found.shared_rate:g}: the mean if all had to share that learning rate.\n",
    ]
