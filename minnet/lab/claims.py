"""A claim, taken apart into predictions that could fail: stated, measured, and the verdict computed from the two.

An experiment is a list of sections: functions that take an Effort and return a Part, or several that belong together
(b1, b2). `present` runs them one by one. What a part states is judged by functions of its table alone (see `verdicts`).
"""

import inspect
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from matplotlib import rc_context

from minnet.lab.drawing import DRAWING, Picture, inline, page_templates, saved, write_files
from minnet.lab.manifest import command, versions
from minnet.lab.statistics import COUNTS, RARE, SKEWED
from minnet.lab.verdicts import FAILS, Answer, Statement, answered, whole, worded

Full = Annotated[bool, typer.Option("--full", help="more seeds: minutes instead of seconds")]
Quick = Annotated[bool, typer.Option("--quick", help="fewer seeds, for a classroom")]
Out = Annotated[Path, typer.Option(help="folder for the figures and what was measured")]


class Effort(IntEnum):
    """How much an experiment may take: under 15 seconds, under 60, or as long as it needs."""

    QUICK = 0
    DEFAULT = 1
    FULL = 2

    def pick(self, quick: Any, default: Any, full: Any) -> Any:
        """One of three settings."""
        return (quick, default, full)[self]


@dataclass(frozen=True)
class Part:
    """One lettered part of a claim: what was predicted, what was measured (with its interval), and the answers.

    `statements` are what the prediction states, each with its answer; the verdict is computed from them. `details`, a
    table say, is printed under the measurement.
    """

    title: str
    prediction: str
    measured: str
    statements: Sequence[Statement]
    details: str = ""
    pictures: Sequence[Picture] = ()

    @property
    def law(self) -> bool:
        """Whether it states nothing that may fail."""
        return all(statement.law for statement in self.statements)

    @property
    def answer(self) -> Answer:
        return answered(self.statements)

    @property
    def verdict(self) -> str:
        """The answer in words, with what holds and what does not where the statements differ."""
        return worded(self.statements)


Section = Callable[[Effort], Part | Sequence[Part]]


def execute(main: Callable[..., None]) -> None:
    """Run a script's `main` as a command; what is wrong with its options is said in one line, with code 2."""
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
    app.command()(main)
    app()


def table(headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows under their headings, aligned: the first column on its left, numbers to three digits."""
    shown = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    columns = list(zip(headings, *shown, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = (
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in zip(*columns, strict=True)
    )
    return "\n".join(line.rstrip() for line in lines)


def present(
    name: str, paper: str | None, sections: Sequence[Section], out: Path, *, full: bool = False, quick: bool = False
) -> None:
    """Run the sections, print each Part as it is done, and write what was found to `out`.

    `name` is the script's, `paper` its docstring: the first line is the claim, the rest the abstract. In `out` stand
    then NAME.json, which the page of all experiments is made of, and each figure as NAME_<key>.png and .svg.
    Raises typer.Exit (code 1) if a law fails, typer.BadParameter for options or a folder that will not do.
    """
    if full and quick:
        raise typer.BadParameter("--full and --quick exclude each other")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"--out has to be a folder that can be written: {error}") from None
    how = Effort.FULL if full else Effort.QUICK if quick else Effort.DEFAULT
    claim, _, abstract = inspect.cleandoc(paper or name).partition("\n\n")
    print(claim, end="\n\n")
    started = time.perf_counter()
    parts: list[dict[str, Any]] = []
    stated: list[Sequence[Statement]] = []
    files: dict[Path, bytes] = {}
    for letter, section in zip("abcdefghijkl", sections, strict=False):
        with rc_context(DRAWING):
            found = section(how)
            several = [found] if isinstance(found, Part) else found
            for number, part in enumerate(several, 1):
                label = f"{letter}{number}" if len(several) > 1 else letter
                figures = []
                for picture in part.pictures:
                    svg, png = (saved(picture.figure, kind) for kind in ("svg", "png"))
                    files |= {out / f"{name}_{picture.key}.svg": svg, out / f"{name}_{picture.key}.png": png}
                    words = {"title": picture.title, "caption": picture.caption, "alt": picture.alt}
                    figures.append({**words, "figure": f"{name}_{picture.key}"})
                parts.append({**_words(part), "letter": label, "pictures": figures})
                stated.append(part.statements)
                print(_printed(label, part), flush=True)
    broken = [
        part["letter"] for part, of in zip(parts, stated, strict=True) if any(s.law and s.answer == FAILS for s in of)
    ]
    answer, in_words = whole(stated)
    print(f"On the whole, what was predicted: {in_words}.")
    summary = {
        "name": name,
        "claim": claim,
        "abstract": abstract,
        "effort": how.name.lower(),
        "parts": parts,
        "answer": answer,
        "whole": in_words,
        "command": command(),
        "versions": dict(versions()),
        "seconds": round(time.perf_counter() - started, 1),
    }
    files[out / f"{name}.json"] = json.dumps(summary, indent=2, ensure_ascii=False).encode()
    write_files(files)
    pictures = ", ".join(str(path) for path in files if path.suffix == ".png")
    print(f"{summary['seconds']} s. Figures: {pictures or 'none'}.")
    if broken:
        print(f"A law failed, in part {', '.join(broken)}: this is an error of the program.", file=sys.stderr)
        raise typer.Exit(1)


def _words(part: Part) -> dict[str, Any]:
    names = "title", "prediction", "measured", "law", "details", "answer", "verdict"
    return {name: getattr(part, name) for name in names} | {"statements": [asdict(each) for each in part.statements]}


def _printed(letter: str, part: Part) -> str:
    lines = [f"({letter}) {part.title}", f"    predicted  {part.prediction}", f"    measured   {part.measured}"]
    lines += [f"    {line}".rstrip() for line in part.details.splitlines()]
    return "\n".join([*lines, f"    → {part.verdict}", ""])


def write_page(summaries: Sequence[Mapping[str, Any]], path: Path, links: Mapping[str, str]) -> None:
    """One self-contained page of experiments: claim and verdict of each at the top, then their parts and figures.

    `summaries` are what `present` left as NAME.json in the folder of `path`, where the figures are; `links` name other
    files that the page points to, with the words to say it in.
    """
    for summary in summaries:
        for part in summary["parts"]:
            for picture in part["pictures"]:
                svg = (path.parent / f"{picture['figure']}.svg").read_text("utf-8")
                picture["svg"] = inline(svg, key=picture["figure"], alt=picture["alt"])
    page = (
        page_templates()
        .get_template("claims.html.jinja")
        .render(summaries=summaries, links=links, cautions=(SKEWED, COUNTS, RARE))
    )
    write_files({path: page.encode()})
