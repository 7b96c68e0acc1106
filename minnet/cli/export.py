"""`minnet export`: a trained network as an ONNX file, or as a short program for PyTorch, NumPy or scikit-learn."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from minnet.cli.answers import Answer
from minnet.cli.models import Custom, Model, ModelPath, read_model
from minnet.cli.options import writable


class Target(StrEnum):
    """Where a network can go."""

    ONNX = "onnx"
    TORCH = "torch"
    NUMPY = "numpy"
    SKLEARN = "sklearn"


def export(
    model: ModelPath,
    to: Annotated[Target, typer.Option(help="where the network is to go")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="file to write; a program may go to stdout")] = None,
    custom: Custom = None,
) -> Answer:
    """Turn a trained network into an ONNX file or a short program."""
    file = out or (model.with_suffix(".onnx") if to == Target.ONNX else None)
    writable(file, "onnx" if to == Target.ONNX else "program", reads=[model])
    found = read_model(model, custom)
    document: dict[str, Any] = {"network": repr(found.network), "to": to.value, "file": out}
    notes = _notes(found)
    if to == Target.ONNX:
        from minnet.exports import to_onnx

        to_onnx(found.network, found.single, file)
        return Answer(document | {"file": file}, [f"Written: {file}"], notes=notes)
    from minnet.exports.programs import to_code, weights_file

    if out is not None:
        writable(weights_file(found.network, to.value, out), "weights", reads=[model])
    code = to_code(found.network, found.single, cast(Any, to.value), out)
    said = code.rstrip("\n") if out is None else f"Written: {out}"
    return Answer(document | {"code": code}, [said], notes=notes)


def _notes(found: Model) -> list[str]:
    if "preprocessing" not in found.metadata:
        return []
    try:
        known = found.preprocessing
    except ValueError:  # a user's own entry of that name
        return []
    what = "logits, of which the largest is the class" if known.classes else "standardised targets"
    return [
        f"What goes in are features made ready as the model file says (minnet inspect --json), what comes out {what}."
    ]
