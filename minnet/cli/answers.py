"""What a command answers, and how it is shown: results on stdout, as text or one JSON document; all else on stderr."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
OWN = re.compile(r"(^|,)\s*[\w.]+:[^\W\d]\w*\s*(,|$)")  # package.module:NAME, alone or in a list
CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # all but line breaks and tabs
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


def visible(text: str) -> str:
    r"""The text with whatever would steer a terminal written out, as \u001b; line breaks and tabs stay."""
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def note(text: str) -> None:
    """Say on stderr what is not the result; --quiet leaves it out."""
    if not _quiet.get():
        with suppress(OSError):  # what cannot be shown there is no reason to lose the result
            print(Prose(visible(text)).shown(sys.stderr), file=sys.stderr)


def quiet() -> bool:
    """Whether only results and errors are wanted."""
    return _quiet.get()


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing when piped: the callback is given what is done and how much there is."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=_quiet.get() or not console.is_terminal) as bar:
        task = bar.add_task(escape(title), total=None)
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
        built.add_row(*(Text(visible(str(cell))) for cell in row))  # a Text: what a user named [red] is no colour
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
    try:
        with _working_folder(args, options), np.errstate(all="ignore"):  # what overflows is shown as inf
            answer = function(*args, **options)
        _show(answer, as_json)
    except KeyboardInterrupt as interrupt:
        note(str(interrupt) or "Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except (ValueError, TimeoutError, MemoryError, ImportError) as error:  # a cluster without workers is a TimeoutError
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise typer.BadParameter(f"{error.strerror or error}{where}") from None
    for text in answer.notes:
        note(text)
    if answer.code:
        raise typer.Exit(answer.code)


@contextmanager
def _working_folder(args: Iterable[Any], options: Mapping[str, Any]) -> Iterator[None]:
    """Let a package.module:NAME that is given be found in the working folder too, after everywhere else."""
    before = list(sys.path)
    words = [word for value in (*args, *options.values()) for word in (value if isinstance(value, list) else [value])]
    if not sys.flags.safe_path and any(isinstance(word, str) and OWN.search(word) for word in words):
        with suppress(FileNotFoundError):  # it was deleted
            sys.path.append(os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = before


def _text(part: Any) -> str:
    """A part as it is to be written: a table with colours on a terminal, without any elsewhere, never cut off."""
    if isinstance(part, str):
        part = type(part)(visible(part)) if sys.stdout.isatty() else part  # a file gets what there is
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


def _show(answer: Answer, as_json: bool) -> None:
    try:
        text = json_text(answer.document) + "\n" if as_json else "".join(map(_text, answer.parts))
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        closed = lost_stdout(error)
        if closed:
            raise typer.Exit(closed) from None
        raise OSError(error.errno, error.strerror, "standard output") from None


def lost_stdout(error: OSError) -> int:
    """What is to be done when stdout takes no more; the exit code if its reader went away, which is no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try, and fail, again at exit
    return PIPE_CLOSED if isinstance(error, BrokenPipeError) else 0


def json_text(document: Any) -> str:
    """Plain JSON: NaN is null, an infinity is the string "inf" or "-inf", arrays are lists."""
    return visible(json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False))


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
