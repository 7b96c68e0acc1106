"""`minnet activations`: the catalogue as a table, or all that can be computed of one activation."""

from dataclasses import fields
from typing import Annotated, Any

import typer

from minnet.activations import Activation
from minnet.catalogue import CATALOGUE
from minnet.cli.answers import Answer, table
from minnet.elementwise import Elementwise
from minnet.lab.expressions import formula
from minnet.settings import require


def activations(
    name: Annotated[str | None, typer.Argument(help="a name, package.module:NAME, or an expression of x")] = None,
) -> Answer:
    """List the activations, or compute the datasheet of one.

    It may be built in, your own, or an expression of x.
    """
    if name is None:
        return _catalogue()
    from minnet.datasheet import datasheet

    sheet = datasheet(_activation(name))
    document = {field.name: getattr(sheet, field.name) for field in fields(sheet)}
    document |= {"forward_variance": sheet.forward_variance, "backward_variance": sheet.backward_variance}
    return Answer(document, [str(sheet)])


def _activation(text: str) -> Activation:
    if ":" in text or (text.isidentifier() and text != "x"):
        from minnet.lab.conditions import activation

        found: Any = activation(text)
    else:
        found = Elementwise(formula(text))
    require(isinstance(found, Activation), f"{text!r} is not an activation but {found!r}")
    return found


def _catalogue() -> Answer:
    import minnet

    inits = {id(value): name for name, value in vars(minnet).items()}
    rows = []
    for member in CATALOGUE:
        start = type(member).weight_init
        what = (type(member).__doc__ or "").partition("\n")[0]
        rows.append((repr(member), inits.get(id(start), repr(start)), what))
    listed = [{"activation": name, "weights": start, "what": what} for name, start, what in rows]
    rows = [(name, start if start.isidentifier() else "its own", what) for name, start, what in rows]
    said = "Weights: the recommended initializer. `minnet activations NAME` computes the datasheet of one."
    headings = "activation", "weights", "what it is"
    return Answer({"activations": listed}, [table(headings, rows, left=3, wrap=True), f"\n{said}"])
