"""A safetensors file that is read whole or refused: sizes are checked before memory is taken, sums before use.

It is written by safetensors and read here, because a stranger may have made it: safetensors takes the last of two
tensors of one name, and holds the file and its arrays in memory at once.
"""

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minnet.files import replace_file
from minnet.settings import Array, require

StrPath = str | os.PathLike[str]

FORMAT = 1
DTYPES = {
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
    "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
}  # fmt: skip
HEADER_LIMIT = 2**20  # bytes: some thousands of layers
LONGEST = 500  # letters of a message
PART_LIMIT = 100_000  # entries of lists and objects: together they bound what parsing a header takes


class CheckpointError(ValueError):
    """A file that is refused, or could not be written: the message says which and why.

    Where saving failed in the middle of a training, `run` is the Run so far.

    >>> from minnet import load
    >>> try:
    ...     load("missing.safetensors")
    ... except CheckpointError as error:
    ...     print(error)
    'missing.safetensors': No such file or directory
    """

    run: Any = None


@contextmanager
def refusing(path: StrPath) -> Iterator[None]:
    """Within it, whatever is wrong with a file or its content becomes a CheckpointError that names the file."""
    try:
        yield
    except CheckpointError:
        raise
    except (ValueError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        why = " ".join(why.split())  # one line, of a length to read: it may quote what a stranger wrote
        raise CheckpointError(
            f"{os.fspath(path)!r}: {why if len(why) <= LONGEST else why[:LONGEST] + '...'}"
        ) from error


def digest(name: str, array: Array) -> str:
    """SHA-256 over name, dtype, shape and numbers."""
    array = np.ascontiguousarray(array)
    found = sha256(json.dumps([name, array.dtype.str, array.shape]).encode())
    found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def write(path: StrPath, tensors: Mapping[str, Array], settings: Mapping[str, Any]) -> None:
    """Write named tensors and JSON-able settings, with a SHA-256 over all of them; CheckpointError if that fails."""
    from safetensors.numpy import save

    with refusing(path):
        for name, array in tensors.items():
            known = array.dtype.newbyteorder("<").str in DTYPES.values()
            require(known, f"{name} is of dtype {array.dtype}, which the file cannot hold")
        little = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in tensors.items()}
        sums = {name: digest(name, array) for name, array in little.items()}
        whole = {"format": FORMAT, **settings, "tensors": sums}
        text = json.dumps({**whole, "sha256": _settings_digest(whole)}, allow_nan=False)
        content = save(little, {"minnet": text})  # one entry: safetensors writes several in random order
        _check_header(content[8 : 8 + int.from_bytes(content[:8], "little")])
        replace_file(Path(path), content)


class TensorFile:
    """An open file whose header has been checked: its `settings`, and dtype and shape of each tensor in `table`."""

    def __init__(self, file: BinaryIO, path: StrPath):
        self.path = path
        size = os.fstat(file.fileno()).st_size
        self.start = 8 + int.from_bytes(file.read(8), "little")
        require(size > 8, f"it is no checkpoint: {size} bytes")
        require(self.start <= size, f"its header should be of {self.start - 8} bytes, but the file is of {size}")
        require(self.start <= 8 + HEADER_LIMIT, f"its header is of {self.start - 8} bytes, over {HEADER_LIMIT}")
        text = file.read(self.start - 8)
        require(len(text) == self.start - 8, "it became shorter while it was read")
        _check_header(text)
        header = _json(text.decode())
        del text
        require(isinstance(header, dict), "its header is no JSON object")
        metadata = header.pop("__metadata__", {})
        self.file, self.table, self._places = file, *_table(header, size - self.start)
        self.settings = _settings(metadata, self.table)

    def tensors(self) -> Iterator[tuple[str, Array]]:
        """One after the other as they stand in the file, each checked against its sum; they are read-only."""
        self.file.seek(self.start)
        for name, size in self._places:
            dtype, shape = self.table[name]
            data = self.file.read(size)
            require(len(data) == size, "it became shorter while it was read")
            array = np.frombuffer(data, dtype).reshape(shape)
            del data
            require(digest(name, array) == self.settings["tensors"][name], f"tensor {name!r} is damaged")
            yield name, array.astype(array.dtype.newbyteorder("="), copy=False)
            del array  # or it would be held while the next one is read


@contextmanager
def reading(path: StrPath) -> Iterator[TensorFile]:
    """The opened file; within it whatever is wrong becomes a CheckpointError."""
    with refusing(path):
        require(stat.S_ISREG(os.stat(path).st_mode), "it is no regular file")  # a pipe would be waited for
        with open(path, "rb") as file:
            yield TensorFile(file, path)


def _check_header(text: bytes) -> None:
    parts = sum(map(text.count, (b",", b"[", b"{")))
    require(len(text) <= HEADER_LIMIT, f"its header is of {len(text)} bytes, over {HEADER_LIMIT}")
    require(parts <= PART_LIMIT, f"its header has {parts} parts, over {PART_LIMIT}")


def _json(text: str) -> Any:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        require(len(found) == len(pairs), f"a name stands twice in its header: {short([name for name, _ in pairs])}")
        return found

    def finite(number: str) -> float:
        require(math.isfinite(float(number)), f"its header holds the number {short(number)}")
        return float(number)

    try:
        return json.loads(text, object_pairs_hook=no_duplicates, parse_float=finite, parse_constant=finite)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None


def _table(header: dict[str, Any], size: int) -> tuple[dict[str, tuple[str, tuple[int, ...]]], list[tuple[str, int]]]:
    """Dtype and shape of each tensor, and their names and sizes in bytes in the order of the file."""
    table, places = {}, []
    for name, entry in header.items():
        fits = isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"}
        require(fits, f"tensor {name!r} is described by {short(entry)}")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        require(isinstance(dtype, str) and dtype in DTYPES, f"tensor {name!r} is of dtype {short(dtype)}")
        require(_sizes(shape) and len(shape) <= 16, f"tensor {name!r} is of shape {short(shape)}")
        require(_sizes(offsets) and len(offsets) == 2, f"tensor {name!r} stands at {short(offsets)}")
        expected = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
        fits = offsets[1] - offsets[0] == expected
        require(fits, f"tensor {name!r} of shape {short(shape)} and dtype {dtype} stands at {short(offsets)}")
        table[name] = DTYPES[dtype], tuple(shape)
        places.append((offsets[0], offsets[1], name))
    end = 0
    for first, last, name in sorted(places):
        require(first == end, f"tensor {name!r} starts at byte {first} of the data, expected {end}")
        end = last
    require(end == size, f"its tensors take {end} bytes, but {size} bytes of data are there")
    return table, [(name, last - first) for first, last, name in sorted(places)]


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)


def _settings(metadata: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    own = isinstance(metadata, dict) and metadata.keys() == {"minnet"} and isinstance(metadata["minnet"], str)
    require(own, "it was not written by minnet: its metadata should be one text, 'minnet'")
    settings = _json(metadata["minnet"])
    require(isinstance(settings, dict), f"its settings are no JSON object: {short(settings)}")
    version, expected = settings.get("format"), settings.pop("sha256", None)
    require(version == FORMAT, f"it is of format {short(version)}, and this minnet reads format {FORMAT}")
    require(_settings_digest(settings) == expected, "its settings are damaged")
    sums = settings.get("tensors")
    require(isinstance(sums, dict) and sums.keys() == table.keys(), "its sums are not those of its tensors")
    return settings


def _settings_digest(settings: Mapping[str, Any]) -> str:
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def short(value: Any) -> str:
    """For an error message: whatever it is, in one line."""
    try:
        text = repr(value)
    except Exception:  # of a class of one's own that cannot print itself
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."
