"""Where a command may write: over nothing but a file of the kind that it writes, and never over what it reads."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile, ZipFile

from minnet.files import try_file
from minnet.settings import require
from minnet.tensor_files import StrPath, reading

Kind = Literal["model", "checkpoint", "weights", "program", "onnx", "report"]
LOOKED_AT = 2**20  # bytes of a text


def check_output(path: StrPath, kind: Kind, *, reads: Iterable[StrPath] = (), asked: bool = False) -> None:
    """Raise ValueError if an output of this kind cannot go to `path`, or would replace something else there.

    An earlier output of the same kind may be replaced, and so may an empty file; a checkpoint only if that was `asked`
    for. A link is followed. What is at `reads` is never replaced.
    """
    path = Path(path)
    try:
        try_file(path)
        if not path.exists():
            return
        for other in reads:
            same = os.path.exists(other) and path.samefile(other)
            require(not same, f"{str(path)!r} is what is read here: give the output another name")
        require(os.access(path, os.W_OK), f"{str(path)!r} is write-protected: give another name")
        what, fits = KINDS[kind]
        fine = path.stat().st_size == 0 or fits(path)
    except (OSError, UnicodeError) as error:  # a name may have letters that the system's encoding lacks
        raise ValueError(f"{str(path)!r} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    require(fine, f"{str(path)!r} is there already and is not {what} written by minnet: give another name or delete it")
    if kind == "checkpoint" and not asked and (run := _settings(path).get("run")):
        done = f", {run['done']} epochs done" if isinstance(run, dict) and type(run.get("done")) is int else ""
        raise ValueError(f"{str(path)!r} holds a training{done}: --resume goes on with it, --fresh starts anew")


def _settings(path: Path) -> Mapping[str, Any]:
    """Those of a file of minnet's; of any other none."""
    try:
        with reading(path) as file:
            return file.settings
    except ValueError:
        return {}


def _model(path: Path) -> bool:
    settings = _settings(path)
    return "network" in settings and "run" not in settings


def _checkpoint(path: Path) -> bool:
    return "run" in _settings(path)


def _weights(path: Path) -> bool:
    """Whether it holds what stands beside a program: one network's numbers, and nothing that is not in the program."""
    if path.suffix == ".npz":
        try:
            with ZipFile(path) as archive:
                return all(re.fullmatch(r"(\d+\.)+\w+\.npy", name) for name in archive.namelist())
        except BadZipFile:
            return False
    settings = _settings(path)
    return _model(path) and not settings.get("metadata") and not settings.get("replicas")


def _start(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(LOOKED_AT).decode(errors="replace")


def _program(path: Path) -> bool:
    before, _, text = _start(path).partition('"""')
    return not before and "".join(text.partition('"""')[0].split()).endswith("):writtenbyminnet.")


def _onnx(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(10)[2:] == b"\x12\x06minnet"  # behind the version of the format: the producer's name


def _report(path: Path) -> bool:
    return "? A fair comparison</title>" in _start(path)


KINDS: dict[Kind, tuple[str, Callable[[Path], bool]]] = {
    "model": ("a network", _model),
    "checkpoint": ("a checkpoint of a training", _checkpoint),
    "weights": ("the weights of a program", _weights),
    "program": ("a program", _program),
    "onnx": ("an ONNX model", _onnx),
    "report": ("a report", _report),
}
