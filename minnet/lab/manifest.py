"""What a result depends on, so that it can be had again: versions, code, data, and the command."""

import hashlib
import platform
import shlex
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

import minnet
from minnet.lab.datasets import Dataset


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


def data_hash(data: Dataset, *seeds: int) -> str:
    """Of the numbers of the seeds' splits; of minnet's own data sets the first, which has all their settings in it."""
    digest = hashlib.sha256(f"{data.name} {data.task}".encode())
    for seed in seeds[:1] if type(data).__module__.startswith("minnet.") else seeds:
        for part in data.split(seed):
            digest.update(f"{part.shape} {part.dtype}".encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]
