"""What a result depends on, so that it can be had again: versions, code, data, and the command."""

import hashlib
import inspect
import platform
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

import minnet
from minnet.lab.datasets import Dataset

_SESSION = uuid4().hex


@cache
def versions() -> dict[str, str]:
    """Of Python and of the packages whose numbers these are."""
    packages = ("numpy", "scipy", "pandas", "scikit-learn", "joblib")
    found = {"minnet": minnet.__version__, "python": platform.python_version()}
    return found | {name: version(name) for name in packages}


def command() -> str:
    """The command line of this process."""
    return shlex.join(["python", *sys.orig_argv[1:]])


@cache
def engine_hash() -> str:
    """Of the source of everything that trains: the engine, without the laboratory around it."""
    files = sorted(Path(minnet.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def data_hash(data: Dataset, seed: int) -> str:
    """Of the numbers of one seed's split, the test points among them."""
    digest = hashlib.sha256(f"{data.name} {data.task}".encode())
    for part in data.split(seed):
        digest.update(f"{part.shape} {part.dtype}".encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def described(settings: Any) -> str:
    """A network, an optimizer, ...: all its settings, and a hash of the source of every module of yours it is made of.

    A class typed in at a prompt has no source that could be compared: its description fits no other session.
    """
    with np.printoptions(threshold=sys.maxsize):
        text = re.sub(r" at 0x[0-9a-f]+", "", repr(settings))
    return text + "".join(f" {name} {_source_hash(name)}" for name in sorted(set(_modules(settings))))


def _modules(value: Any) -> Iterator[str]:
    """The modules, other than minnet's own, of the classes and functions that `value` is made of."""
    if is_dataclass(value) or inspect.isfunction(value):
        owners: Any = (value,) if inspect.isfunction(value) else type(value).__mro__
        for owner in owners:
            if owner.__module__.partition(".")[0] not in ("minnet", "abc", "builtins"):
                yield owner.__module__
    parts = [getattr(value, field.name) for field in fields(value)] if is_dataclass(value) else value
    if isinstance(parts, list | tuple):
        for part in parts:
            yield from _modules(part)


def _source_hash(module: str) -> str:
    try:
        return hashlib.sha256(inspect.getsource(sys.modules[module]).encode()).hexdigest()[:16]
    except (OSError, TypeError, KeyError):
        return _SESSION
