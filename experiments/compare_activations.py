"""Does a network need an activation function, and does it matter which?

Linear-only, sigmoid, tanh and ReLU networks learn the same data from the same seeds. Each activation gets the learning
rate that serves it best on validation data; then every one is trained anew on fresh seeds and scored on test points.
Beside it stands the best that any straight line could do on those test points, computed exactly: no network without
activations, however deep, can pass it.

    python experiments/compare_activations.py --data circles --activations identity,tanh,gelu --hidden 8,8
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from minnet.lab.compare import Comparison, activation, compare
from minnet.lab.datasets import DATASETS, dataset
from minnet.settings import require

EPILOG = f"Data sets: {', '.join(DATASETS)}."


def main(
    data: Annotated[str, typer.Option(help="data set")] = "moons",
    activations: Annotated[str, typer.Option(help="names, separated by commas")] = "identity,sigmoid,tanh,relu",
    hidden: Annotated[str, typer.Option(help="sizes of the hidden layers")] = "16,16",
    seeds: Annotated[int, typer.Option(help="seeds for tuning, and as many fresh ones for the test")] = 20,
    epochs: Annotated[int, typer.Option(help="passes over the training data")] = 200,
    out: Annotated[Path, typer.Option(help="folder for figures and CSV")] = Path("results"),
) -> None:
    """Compare activation functions fairly, each at its own best learning rate."""
    try:
        chosen = {act if act != "identity" else "linear-only": activation(act) for act in _words(activations)}
        require(len(chosen) > 0, f"--activations expects at least one activation, got {activations!r}")
        sizes = [_size(size) for size in _words(hidden)]
        for name, count, least in (("seeds", seeds, 2), ("epochs", epochs, 1)):
            require(count >= least, f"--{name} expects at least {least}, got {count}")
        source = dataset(data)
        out.mkdir(parents=True, exist_ok=True)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        raise typer.BadParameter(f"--out has to be a folder that can be written: {error}") from None
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"training on {data}", total=None)
        found = compare(
            chosen,
            source,
            hidden=sizes,
            seeds=seeds,
            epochs=epochs,
            watch=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print_table(found)
    print(found.verdict())
    found.runs.to_csv(out / f"{data}_runs.csv", index=False)
    names = draw(
        found,
        out,
        f"{'-'.join(map(str, (source.n_in, *sizes, source.n_classes)))}, {epochs} epochs, plain SGD, {seeds} seeds",
    )
    print(f"Every run: {out / f'{data}_runs.csv'}. Figures: {', '.join(map(str, names))}.")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.lower().split(",") if word.strip()]


def _size(text: str) -> int:
    fits = text.isdigit() and int(text) >= 1
    require(fits, f"--hidden expects sizes >= 1 separated by commas, such as 16,16; got {text!r}")
    return int(text)


def print_table(found: Comparison) -> None:
    """The results on the fresh seeds, and what a straight line can do."""
    seeds = found.runs[found.runs.phase == "test"].seed.nunique()
    table = Table(
        title=f"Test accuracy on {found.data.name}, {seeds} fresh seeds",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("activation", no_wrap=True)
    for heading in ("own rate", "accuracy", "95 % interval", "worst", "failed", f"at rate {found.shared_rate:g}"):
        table.add_column(heading, justify="right", no_wrap=True)
    for act, row in found.table.iterrows():
        interval = f"{row.low:.1%} to {min(row.high, 1):.1%}"
        accuracies = (
            f"{row.accuracy:.1%}",
            interval,
            f"{row.worst:.1%}",
            f"{row.failed:.0%}",
            f"{row.shared_accuracy:.1%}",
        )
        table.add_row(act, f"{row.rate:.3g}", *accuracies)
    if found.data.ceiling is not None:
        table.add_section()
        table.add_row("best line", "", f"{found.data.ceiling:.1%}", "exact")
    Console().print(table)
    limit = "the best straight line" if found.data.ceiling is not None else "always guessing the most frequent class"
    if found.data.ceiling is not None:
        print("Best line: the best that any straight line can do on the same test points, computed.")
    print("Own rate: the learning rate best on validation data. Interval: Student's t for the mean over seeds.")
    print(f"Worst: the worst seed. Failed: seeds that diverged, or did no better than {limit} plus one point.")
    print(f"At rate {found.shared_rate:g}: mean accuracy if all had to share that rate.\n")


def draw(found: Comparison, out: Path, setting: str) -> list[Path]:
    """Write the figures and return their paths."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.figure import Figure

    from minnet.lab import plots

    name, ceiling, paths = found.data.name, found.data.ceiling, []

    def save(figure: Figure, kind: str, caption: str) -> None:
        figure.supxlabel(caption, fontsize=9, color="0.3")
        paths.append(out / f"{name}_{kind}.png")
        figure.savefig(paths[-1], dpi=120)
        plt.close(figure)

    if found.data.n_in == 2:
        columns = min(4, len(found.examples))
        rows = -(-len(found.examples) // columns)
        figure, axes = plt.subplots(rows, columns, figsize=(3.2 * columns, 3.3 * rows + 0.5), squeeze=False,
                                    layout="constrained")  # fmt: skip
        for ax in axes.flat[len(found.examples) :]:
            ax.set_axis_off()
        for ax, (act, (network, theta, split)) in zip(axes.flat, found.examples.items(), strict=False):
            plots.decision_boundary(network, theta, split, ax)
            right = (network(theta, split.x_test).argmax(axis=-1) == split.y_test).mean()
            ax.set_title(f"{act}: {right:.1%}")
        line = "" if ceiling is None else f" The best straight line has {ceiling:.1%}."
        save(
            figure, "boundaries", f"Test accuracy of the first fresh seed, each at its own best rate.{line}\n{setting}"
        )
    best = found.table.rate.to_dict()
    figure, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
    plots.learning_curves(found.curves, ceiling, ax).legend()
    ax.set_title(f"Learning curves on {name}, each at its own best rate")
    save(figure, "learning_curves", f"Mean of the fresh seeds, band: 95 % t interval of the mean.\n{setting}")
    figure, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
    plots.accuracy_over_rate(found.runs, best, found.shared_rate, ceiling, ax).legend()
    ax.set_title(f"Accuracy on {name} over the learning rate (ring: chosen on validation data)")
    save(figure, "accuracy_over_rate", f"Mean of the tuning seeds, band: 95 % t interval of the mean.\n{setting}")
    return paths


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
    app.command(epilog=EPILOG)(main)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
