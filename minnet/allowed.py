"""The values that a setting may have, written in the annotation of its field, and refused in one place.

`epsilon: Positive`, or `alpha: Annotated[float, Allowed("> 0 and <= 1")]`: what an error says is what is checked.
"""

import operator
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cache
from inspect import get_annotations
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np

NUMBER = int | float
_COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True)
class Allowed:
    """Objects of `kind`, a type or a tuple of texts.

    A number has to be within the bounds in `words`, and finite unless they name inf.
    """

    words: str
    kind: Any = NUMBER
    many: bool = False  # a sequence of such values, too

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, np.generic) or (self.many and isinstance(value, np.ndarray)):
            value = value.tolist()
        if self.many and isinstance(value, tuple | list):
            return len(value) > 0 and all(part in replace(self, kind=NUMBER, many=False) for part in value)
        if isinstance(self.kind, tuple):
            return isinstance(value, str) and value in self.kind
        if not isinstance(value, self.kind) or (isinstance(value, bool) and self.kind is not bool):
            return False
        bounds = re.findall(r"([<>]=?) ([-+.\de]+)", self.words) if isinstance(value, NUMBER) else ()
        finite = not isinstance(value, NUMBER) or abs(value) <= sys.float_info.max or "inf" in self.words
        return finite and all(_COMPARISONS[sign](value, float(bound)) for sign, bound in bounds)


def check_settings(settings: Any) -> None:
    """Raise ValueError, in one line, for the first field whose value its annotation does not allow."""
    for name, allowed in allowed_of(type(settings)).items():  # type: ignore[arg-type]  # a class has a hash
        value = getattr(settings, name)
        if value not in allowed:
            words = allowed.words if allowed.words[0] in "<>" else f"to be {allowed.words}"
            got = " ".join(repr(value).split())  # that of an array has many lines
            finite = " and finite" if "inf" in got and words[0] == ">" else ""
            raise ValueError(f"{type(settings).__name__} expects {name} {words}{finite}, got {got:.80}")


@cache
def allowed_of(kind: type) -> dict[str, Allowed]:
    """Which fields of a class have such an annotation; those of a Literal are its values."""
    hints: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        with suppress(NameError):  # of names that are known only where the class was written
            hints |= get_annotations(base, eval_str=True)  # of what is nested nothing is looked up, nor imported
    allowed = {}
    for name in (field.name for field in fields(kind)):
        hint = hints.get(name)
        if get_origin(hint) is Literal:
            allowed[name] = Allowed(" or ".join(map(repr, get_args(hint))), get_args(hint))
        for part in getattr(hint, "__metadata__", ()):
            if isinstance(part, Allowed):
                allowed[name] = part
    return allowed


Finite = Annotated[float, Allowed("a finite number")]
Positive = Annotated[float, Allowed("> 0")]
NotNegative = Annotated[float, Allowed(">= 0")]
Fraction = Annotated[float, Allowed(">= 0 and < 1")]
Moderate = Annotated[float, Allowed(">= 0.001 and <= 1000")]
Count = Annotated[int, Allowed("an integer >= 1", int)]
Switch = Annotated[bool, Allowed("True or False", bool)]
Text = Annotated[str, Allowed("a text", str)]
