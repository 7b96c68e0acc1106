"""What a command answers, and how it is shown: results on stdout, as text or one JSON document; all else on stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from shutil import get_terminal_size
from textwrap import fill
from typing import Annotated, Any, TextIO

import numpy as np
import typer

INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell reports of a program ended by SIGINT and by SIGPIPE
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


class Prose(str):
    """A text whose lines break between words on a terminal, and nowhere when piped."""

    def shown(self, stream: TextIO) -> str:
        """As it is to be written there."""
        if not stream.isatty():
            return self
        width = get_terminal_size().columns
        lines = (fill(line, width, break_long_words=False, break_on_hyphens=False) for line in self.split("\n"))
        return "\n".join(lines)


@dataclass
class Answer:
    """Texts and rich tables to show, the same as a document for --json, the exit code, and what to say besides."""

    document: Mapping[str, Any]
    parts: Sequence[Any]
    code: int = 0
    notes: Sequence[str] = ()


def note(text: str) -> None:
    """Say on stderr what is not the result; --quiet leaves it out."""
    if not _quiet.get():
        print(Prose(text).shown(sys.stderr), file=sys.stderr)


def quiet() -> bool:
    """Whether only results and errors are wanted."""
    return _quiet.get()


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing when piped: the callback is given what is done and how much there is."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=_quiet.get() or not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, left: int = 1, wrap: bool = False) -> Any:
    """A rich table without lines. The first `left` columns hold text; with `wrap` the last may fill several lines."""
    from rich.table import Table
    from rich.text import Text

    built = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, heading in enumerate(headings):
        last = wrap and i == len(headings) - 1
        built.add_column(heading, justify="left" if i < left else "right", no_wrap=not last)
    for row in rows:
        built.add_row(*(Text(str(cell)) for cell in row))  # a Text: what a user named [red] is no colour
    return built


def printed(function: Callable[..., Answer]) -> Callable[..., None]:
    """A command that shows the answer of `function` and exits; what the function refuses is bad usage."""

    @wraps(function)
    def run(*args: Any, **options: Any) -> None:
        _answer(function, False, args, options)

    return run


def with_output_options(function: Callable[..., Answer]) -> Callable[..., None]:
    """As `printed`, with --json and --quiet."""

    @wraps(function)
    def run(*args: Any, json: bool = False, quiet: bool = False, **options: Any) -> None:
        token = _quiet.set(quiet)
        try:
            _answer(function, json, args, options)
        finally:
            _quiet.reset(token)

    added = {
        "json": Annotated[bool, typer.Option("--json", help="print one JSON document")],
        "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="no progress and no remarks on stderr")],
    }
    own = signature(function)
    flags = [Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=kind) for name, kind in added.items()]
    vars(run)["__signature__"] = own.replace(parameters=[*own.parameters.values(), *flags])
    run.__annotations__ = function.__annotations__ | added
    return run


def _answer(function: Callable[..., Answer], as_json: bool, args: Any, options: Any) -> None:
    sys.path.insert(0, os.getcwd())  # where package.module:NAME is looked for first
    try:
        answer = function(*args, **options)
        _write(json_text(answer.document) + "\n" if as_json else "".join(map(_text, answer.parts)))
    except KeyboardInterrupt as interrupt:
        note(str(interrupt) or "Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except (ValueError, TimeoutError, MemoryError, ImportError) as error:  # a cluster without workers is a TimeoutError
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        raise typer.BadParameter(f"{error.strerror or error}: {error.filename or 'standard output'}") from None
    finally:
        sys.path.remove(os.getcwd())
    for text in answer.notes:
        note(text)
    if answer.code:
        raise typer.Exit(answer.code)


def _text(part: Any) -> str:
    """A part as it is to be written: a table with colours on a terminal, without any elsewhere, never cut off."""
    if isinstance(part, str):
        return (part.shown(sys.stdout) if isinstance(part, Prose) else part) + "\n"
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    whole = Measurement.get(console, console.options.update(max_width=10_000), part).maximum
    if not console.is_terminal or all(column.no_wrap for column in part.columns):
        console.width = max(console.width, whole) if console.is_terminal else whole
    with console.capture() as shown:
        console.print(part)
    if console.is_terminal or part.box:
        return shown.get()
    return "".join(line.rstrip() + "\n" for line in shown.get().splitlines())


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try, and fail, again at exit
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(PIPE_CLOSED) from None
        raise


def json_text(document: Any) -> str:
    """Plain JSON: NaN is null, an infinity is the string "inf" or "-inf", arrays are lists."""
    return json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
