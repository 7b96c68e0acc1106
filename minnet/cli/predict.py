"""`minnet predict`: labels and probabilities, or quantities, for the rows of a CSV file."""

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from minnet.cli.answers import Answer, note
from minnet.cli.models import Custom, ModelPath, read_model
from minnet.settings import require


def predict(
    model: ModelPath,
    rows: Annotated[Path, typer.Argument(metavar="CSV", help="a file with the columns that the training file had")],
    custom: Custom = None,
) -> Answer:
    """Predict the target for each row of a CSV file."""
    from minnet.softmax import Softmax

    found = read_model(model, custom)
    ready, notes = found.preprocessing, list[str]()
    x = ready.read(rows, notes)
    for text in notes:
        note(text)
    y = found.network(found.single, x)
    if not ready.classes:
        values = (y[:, 0].astype(float) * ready.scale + ready.mean).tolist()
        return Answer({"target": ready.target, "predictions": values},
                      [_csv([ready.target], [[f"{value:.7g}"] for value in values])])  # fmt: skip
    fits = y.shape[-1] == len(ready.classes)
    require(fits, f"{model} has {y.shape[-1]} outputs for {len(ready.classes)} classes")
    shares, _ = Softmax().forward((), y)
    labels = [ready.classes[i] for i in shares.argmax(axis=-1)]
    headings = [ready.target, *(f"p({name})" for name in ready.classes)]
    lines = [[label, *(f"{p:.6g}" for p in row)] for label, row in zip(labels, shares, strict=True)]
    document = {"target": ready.target, "classes": ready.classes, "predictions": labels, "probabilities": shares}
    return Answer(document, [_csv(headings, lines)])


def _csv(headings: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([headings, *rows])
    return text.getvalue().removesuffix("\n")
