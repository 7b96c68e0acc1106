"""`minnet compare`: which activation, each at its own best learning rate, on fresh seeds."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minnet.catalogue import CATALOGUE
from minnet.cli.answers import Answer, Prose, note, progress, visible
from minnet.cli.controls import Control, run_control
from minnet.cli.options import at_least, rate, sizes, source, words, writable
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
    widen: Annotated[
        bool | None,
        typer.Option("--widen/--no-widen", help="more rates while a best one is at the edge  [default: if auto]"),
    ] = None,
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
        "widen": widen,
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

    _refuse_others(out / f"{read.name}.html")
    settings |= {"initialisers": words(initialisers), "optimizers": words(optimizers)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        with progress(f"training on {data}") as watch:
            found = compare_all(chosen, read, **settings, cluster=cluster, out=out, fresh=fresh, watch=watch,
                                note=note)  # fmt: skip
        page, *beside = write_report(found, out / f"{read.name}.html")
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Interrupted. What was trained is kept: the same command goes on from there.") from None
    except TimeoutError as error:  # an OSError, but of a cluster
        raise TimeoutError(f"{error}. What was trained is kept: the same command goes on from there.") from None
    except OSError as error:
        raise ValueError(f"--out has to be a folder that can be written: {error}") from None
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
    )


def _refuse_others(page: Path) -> None:
    """Refuse to write a report over files that are not those of an earlier one."""
    if page.exists():
        return writable(page, "report")
    beside = [page.with_name(f"{page.stem}_{name}") for name in ("runs.csv", "table.csv", "pairs.csv")]
    there = [str(path) for path in beside if path.exists()]
    return require(
        not there, f"--out: {', '.join(there)} would be replaced, and no report stands beside: name a folder"
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
    """The results on the fresh seeds, what a straight line can do, and the learning rates."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from minnet.lab.summary import good_rates, passing

    seeds = found.runs[found.runs.phase == "test"].seed.nunique()
    share, points = found.data.task == "classification", f"{found.test_points:,} test points"
    what = "Test accuracy" if share else "Test R²"
    look: dict[str, Any] = {"box": box.SIMPLE_HEAD, "pad_edge": False, "collapse_padding": True}
    name = visible(found.data.name)
    title = Text(f"{what} on {name}, {seeds} fresh seeds, with 95 % intervals")  # a Text: [red] is no colour
    table = Table(title=title, **look)
    rates = Table(title="Learning rates", **look)
    table.add_column("activation", no_wrap=True)
    rates.add_column("activation", no_wrap=True)
    for heading in ("mean", "these points", *(["new points"] if share else []), "worst", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("own rate", "good rates", f"mean at {found.shared_rate:g}"):
        rates.add_column(heading, justify="right", no_wrap=True)
    for act, row in found.table.iterrows():
        new = [f"{found.show(row.crossed_low)} to {found.show(row.crossed_high)}"] if share else []
        table.add_row(
            Text(act),
            found.show(row.score),
            f"{found.show(row.low)} to {found.show(row.high)}",
            *new,
            found.show(row.worst),
            found.failed(act),
        )
        rates.add_row(Text(act), f"{row.rate:.3g}", good_rates(row), found.show(row.shared_score))
    ceiling = found.data.ceiling
    if ceiling is not None:
        table.add_section()
        table.add_row("best line", f"{ceiling:.1%}", "exact")
    line = "Best line: the best that any straight line can do on the same test points, computed."
    new_points = (
        "New points: seeds and test points both vary."
        if share
        else "For new points there is no interval: R² is not made of points that are right or wrong."
    )
    return [
        table,
        *([line] if ceiling is not None else ()),
        f"These points: Student's t over seeds, on these {points}. {new_points}",
        "Worst: the worst seed. A diverged seed counts as guessing.",
        f"Failed: seeds that diverged, or did no better than {passing(found.data)}; Wilson's interval.",
        *found.cautions()[:-1],
        found.cautions()[-1] + "\n",
        rates,
        "Own rate: best on validation data. Good rates: within one point of it there; ≤ and ≥: the grid ends.",
        f"At {found.shared_rate:g}: the mean if all had to share that learning rate.\n",
    ]
