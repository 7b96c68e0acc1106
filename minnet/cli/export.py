"""`minnet export`: a trained network as an ONNX file, or as a short program for PyTorch, NumPy or scikit-learn."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from minnet.cli.answers import Answer
from minnet.cli.models import Custom, ModelPath, read_model
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
    writable(out)
    found = read_model(model, custom)
    document: dict[str, Any] = {"network": repr(found.network), "to": to.value, "file": out}
    notes = _notes(found.metadata)
    if to == Target.ONNX:
        from minnet.exports import to_onnx

        file = out or model.with_suffix(".onnx")
        to_onnx(found.network, found.single, file)
        return Answer(document | {"file": file}, [f"Written: {file}"], notes=notes)
    from minnet.exports import to_code

    code = to_code(found.network, found.single, cast(Any, to.value), out)
    said = code.rstrip("\n") if out is None else f"Written: {out}"
    return Answer(document | {"code": code}, [said], notes=notes)


def _notes(metadata: dict[str, Any]) -> list[str]:
    known = metadata.get("preprocessing")
    if known is None:
        return []
    what = "logits, of which the largest is the class" if known["classes"] else "standardised targets"
    return [
        f"What goes in are features made ready as the model file says (minnet inspect --json), what comes out {what}."
    ]
