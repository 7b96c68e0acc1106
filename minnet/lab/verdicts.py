"""Verdicts: from an interval to one of three answers, and from several answers to one.

A statement *holds* if all of its interval lies on the right side of a threshold, *does not hold* if all of it lies on
the wrong side, and is *not decided* otherwise. A claim of several statements is *half true* if some of them hold and
others do not. Laws (of arithmetic, of a symmetry) are counted apart from findings, which may turn out either way.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

Ends = tuple[float, float]  # the lower and the upper end of an interval; NaN where one value alone has none


class Answer(StrEnum):
    """HALF is the answer to a claim of several statements; a single one has one of the other three."""

    HOLDS = "holds"
    HALF = "half true"
    UNDECIDED = "not decided"
    FAILS = "does not hold"


HOLDS, HALF, UNDECIDED, FAILS = Answer
MANY = {HOLDS: "hold", HALF: "are half true", UNDECIDED: "are not decided", FAILS: "do not hold"}
ONE = {HOLDS: "holds", HALF: "is half true", UNDECIDED: "is not decided", FAILS: "does not hold"}


@dataclass(frozen=True)
class Statement:
    """One thing that a claim states, and the answer to it; `about` names it where a claim has several: "in layer 2"."""

    answer: Answer
    about: str = ""
    law: bool = False


def law(answer: Answer, about: str = "") -> Statement:
    """A statement that may never fail: if it does, the program is wrong."""
    return Statement(answer, about, law=True)


def exact(holds: bool, *, tried: bool = True) -> Answer:
    """The answer where nothing is left to chance; `tried` is whether the case that the statement is about occurred."""
    return UNDECIDED if not tried else HOLDS if holds else FAILS


def above(ends: Ends, threshold: float) -> Answer:
    """Is a quantity above the threshold, as far as its interval shows?

    >>> str(above((0.1, 0.3), 0)), str(above((-0.1, 0.3), 0)), str(above((-0.3, -0.1), 0))
    ('holds', 'not decided', 'does not hold')
    """
    low, high = ends
    return HOLDS if low > threshold else FAILS if high < threshold else UNDECIDED


def below(ends: Ends, threshold: float) -> Answer:
    """Is a quantity below the threshold, as far as its interval shows?"""
    low, high = ends
    return HOLDS if high < threshold else FAILS if low > threshold else UNDECIDED


def within(ends: Ends, least: float, most: float) -> Answer:
    """Does a quantity lie from `least` to `most`, as far as its interval shows?"""
    low, high = ends
    return HOLDS if least <= low and high <= most else FAILS if high < least or low > most else UNDECIDED


def every(answers: Iterable[Answer]) -> Answer:
    """The answer to one statement that several answers have to bear out: one that fails refutes it; none say nothing.

    >>> str(every([HOLDS, UNDECIDED])), str(every([HOLDS, FAILS, UNDECIDED])), str(every([]))
    ('not decided', 'does not hold', 'not decided')
    """
    given = set(answers)
    return next((answer for answer in (FAILS, UNDECIDED) if answer in given), HOLDS if given else UNDECIDED)


def together(answers: Iterable[Answer]) -> Answer:
    """The answer to a claim of several statements: half true if they differ, not decided while an open one may turn it.

    >>> str(together([HOLDS, FAILS, UNDECIDED])), str(together([HOLDS, UNDECIDED])), str(together([FAILS, FAILS]))
    ('half true', 'not decided', 'does not hold')
    """
    given = set(answers)
    if HALF in given or {HOLDS, FAILS} <= given:
        return HALF
    return UNDECIDED if UNDECIDED in given or not given else given.pop()


def answered(statements: Sequence[Statement]) -> Answer:
    """The answer to a claim: that of its findings, or of its laws if it has nothing else."""
    laws, findings = _apart(statements)
    return together(findings) if findings else every(laws)


def worded(statements: Sequence[Statement]) -> str:
    """The answer to a claim, with what holds and what does not where its statements differ.

    >>> worded([Statement(HOLDS, "in layer 2"), Statement(FAILS, "in layer 1"), law(HOLDS)])
    'half true: holds in layer 2; does not hold in layer 1 (the law holds)'
    """
    laws, findings = _apart(statements)
    shown = [s for s in statements if not s.law] or statements
    about = {kind: _listed([s.about for s in shown if s.answer == kind]) for kind in Answer}
    differing = [f"{kind} {names}" for kind, names in about.items() if names]
    text = str(answered(statements)) + (f": {'; '.join(differing)}" if len(differing) > 1 else "")
    return f"{text} (the law {ONE[every(laws)]})" if laws and findings else text


def _listed(names: Sequence[str]) -> str:
    """Names with their preposition in front, which is not repeated: "for tanh, ReLU"."""
    first = names[0].partition(" ")[0] if names else ""
    return ", ".join([*names[:1], *(name.removeprefix(f"{first} ") for name in names[1:])])


def _apart(statements: Iterable[Statement]) -> tuple[list[Answer], list[Answer]]:
    """The answers of the laws, and those of the findings."""
    laws, findings = ([s.answer for s in statements if s.law == of] for of in (True, False))
    return laws, findings


def whole(parts: Sequence[Sequence[Statement]]) -> tuple[Answer, str]:
    """The answer to all of a paper's predictions, and the count: its findings by part, and its laws apart from them."""
    apart = [_apart(statements) for statements in parts]
    laws = [every(of) for of, _ in apart if of]
    findings = [together(of) for _, of in apart if of]
    answer = together(findings) if findings else every(laws)
    return answer, f"{answer}; {_counted('finding', findings)}; {_counted('law', laws)}"


def _counted(what: str, answers: Sequence[Answer]) -> str:
    counts = Counter(answers)
    found = ", ".join(f"{n} {(ONE if n == 1 else MANY)[kind]}" for kind in Answer if (n := counts[kind]))
    return f"of {len(answers)} {what}{'s' * (len(answers) != 1)} {found or 'none'}"
