"""A CSV file, read only once every line is known to fit; what does not fit is named in one line."""

import csv
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from minnet.settings import require

SEPARATORS = ",;\t|"


def nearest(name: str, names: Sequence[str]) -> str:
    """The end of a sentence on a name that is none of `names`: the one that was meant, perhaps, and what there is."""
    lower = {other.lower(): other for other in names}
    near = get_close_matches(name.lower(), lower, n=1)
    listed = ", ".join(map(repr, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    headless = all(other.replace(".", "").replace("-", "").isdigit() for other in names)
    hint = "; its first line has to hold the names of the columns" if headless else ""
    return f"{f'; did you mean {lower[near[0]]!r}?' if near else ';'} Its columns are {listed}{hint}"


def refuse_duplicates(names: Sequence[str]) -> None:
    """Raise ValueError that says which two columns have the same name."""
    first: dict[str, int] = {}
    for i, name in enumerate(names, 1):
        require(name not in first, f"columns {first.get(name)} and {i} are both called {name!r}: rename or delete one")
        first[name] = i


def read_csv(path: Path, *, least: int = 2, as_text: Sequence[str] = ()) -> tuple[str, pd.DataFrame]:
    """The separator, and the file as pandas reads it once every line is known to have as many fields as the first.

    It has to have `least` columns; those named in `as_text` are read as text, whatever they hold.
    """
    require(path.exists(), f"there is no file {str(path)!r}")
    require(path.is_file(), f"{str(path)!r} is not a file")
    with path.open("rb") as file:
        head = file.read(65536)
    require(bool(head.strip()), f"{path.name} is empty")
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = encoding == "utf-16" or b"\0" not in head
    require(text, f"{path.name} is not a text file: export the table as CSV, or read it into a DataFrame with pandas")
    try:
        separator, names = _checked_lines(path, encoding, least)
    except UnicodeDecodeError as error:
        raise ValueError(_where_not_utf8(path, error)) from None
    try:
        frame = pd.read_csv(
            path,
            sep=separator,
            encoding=encoding,
            names=names,
            header=0,
            index_col=False,
            skipinitialspace=True,
            low_memory=False,  # one type a column, also where a late row holds the first text
            dtype=dict.fromkeys(as_text, str),
        )
        return separator, frame
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name} cannot be read as CSV: {' '.join(str(error).split())}") from None


def _checked_lines(path: Path, encoding: str, least: int) -> tuple[str, list[str]]:
    """The separator and the names of the columns, or a ValueError that names the first line that does not fit."""
    with path.open(encoding=encoding, newline="") as file:
        separator, names = max(((s, _header(file, s)) for s in SEPARATORS), key=lambda found: len(found[1]))
        many = "one column name" if least == 1 else "two column names"
        require(len(names) >= least, f"{path.name} has to begin with a line of {many} or more, parted by , ; tab or |")
        names = [name.strip() or f"column {i}" for i, name in enumerate(names, 1)]
        refuse_duplicates(names)
        reader = _reader(file, separator)
        try:
            for record in reader:
                if len(record) not in (0, len(names)):
                    number, cut_off = reader.line_num, len(record) < len(names) and next(reader, None) is None
                    raise ValueError(
                        f"line {number} of {path.name} has {len(record)} of {len(names)} fields: "
                        f"{'the file seems to be cut off there' if cut_off else 'correct that line'}"
                    )
        except csv.Error as error:
            if "unexpected end" in str(error) or "field limit" in str(error):
                what = "a quotation mark is opened and never closed: close it, or complete the file if it was cut off"
            else:
                what = f"in line {reader.line_num}, {error}"
            raise ValueError(f"{path.name} cannot be read as CSV: {what}") from None
    return separator, names


def _reader(file: Any, separator: str) -> Any:
    file.seek(0)
    return csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)


def _header(file: Any, separator: str) -> list[str]:
    """The fields of the first line that is not blank; none if it does not parse with this separator."""
    try:
        return next(filter(None, _reader(file, separator)), [])
    except csv.Error:
        return []


def _where_not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    if error.encoding != "utf-8":
        return f"{path.name} is not {error.encoding} all through: save it as UTF-8"
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as bad:
                start = line[max(0, bad.start - 12) : bad.start + 12].decode("cp1252", "replace").strip()
                return (
                    f"{path.name} is not UTF-8: line {number} holds byte 0x{line[bad.start]:02X}, perhaps {start!r} in "
                    "Windows-1252. Save it as UTF-8, or give pandas.read_csv(..., encoding='cp1252')"
                )
    return f"{path.name} is not UTF-8: save it as UTF-8"
