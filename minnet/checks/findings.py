"""What a check has found: all faults at once, each with what was expected and what came."""

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from minnet.settings import Array

ROUNDING = 1e-12  # between two right ways to compute the same in float64


class CheckError(AssertionError):
    """A check has failed. `faults` lists everything that is wrong.

    >>> str(CheckError("My()", ("dx: the sign is wrong",))).splitlines()[1]
    '  - dx: the sign is wrong'
    """

    def __init__(self, subject: str, faults: tuple[str, ...]):
        lines = [f"{subject} has {len(faults)} fault{'s' * (len(faults) > 1)}:", *faults]
        super().__init__("\n  - ".join(lines))
        self.faults = faults


@dataclass(frozen=True)
class Report:
    """A check that was passed: of what, which parts, and what else is worth knowing.

    >>> Report("My()", ("gradient", "replicas"))
    My() is all right: gradient, replicas
    """

    subject: str
    passed: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"{self.subject} is all right: {', '.join(self.passed)}", *(f"  note: {note}" for note in self.notes)]
        return "\n".join(lines)


class Findings:
    """Collects faults while a check goes on, and ends it with a Report or a CheckError."""

    def __init__(self, subject: Any):
        try:
            self.subject = repr(subject)
        except Exception:  # what is checked may be broken in any way, its repr too
            self.subject = type(subject).__name__
        self.faults: list[str] = []
        self.passed: list[str] = []
        self.notes: list[str] = []

    def expect(self, fine: bool, fault: str) -> None:
        """Record the fault, once, unless it is fine."""
        if not fine and fault not in self.faults:
            self.faults.append(fault)

    @contextmanager
    def examine(self, what: str) -> Iterator[None]:
        """One part of a check: an exception is a fault like any other, and the next part goes on."""
        before = len(self.faults)
        try:
            yield
        except Exception as error:
            self.expect(False, f"{what}: raised {type(error).__name__}: {error}")
        if len(self.faults) == before and what not in self.passed:
            self.passed.append(what)

    def report(self) -> Report:
        """The Report, or CheckError if there were faults."""
        if self.faults:
            raise CheckError(self.subject, tuple(self.faults))
        return Report(self.subject, tuple(self.passed), tuple(self.notes))


def distance(a: Any, b: Any) -> float:
    """max|a - b| / max|b|, for replicas broadcast; infinite where the shapes or the places of NaN differ."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    if np.array_equal(a, b, equal_nan=True):
        return 0.0
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(abs(a - b)) / max(float(np.nanmax(abs(b))), 1e-300))


def dtype_pairs() -> list[tuple[Any, Any]]:
    """float32 and float64, each with a wider dtype to compare with; float64 has one on some machines only."""
    pairs = ((np.float32, np.float64), (np.float64, np.longdouble))
    return [(narrow, wide) for narrow, wide in pairs if np.finfo(wide).max > np.finfo(narrow).max]


def overflowed(got: Array, right: Array, dtype: Any) -> Array:
    """Where `got` is not finite though it fits into the dtype: with room, lest a last factor of ½ count."""
    return ~np.isfinite(got) & (abs(right) < 1e-4 * np.finfo(dtype).max)


@contextmanager
def settings_checked(found: Findings, thing: Any, base: type) -> Iterator[None]:
    """Settings are frozen, equal to their copies, without arrays, and what happens inside leaves them alone."""
    if not isinstance(thing, base):
        found.expect(False, f"expected a subclass of {base.__name__}, got {type(thing).__name__}")
        found.report()
    before: dict[str, Any] = {}
    with found.examine("settings"):
        before = copy.deepcopy(vars(thing))
        options = getattr(type(thing), "__dataclass_params__", None)
        frozen = options is not None and options.frozen
        found.expect(frozen, "expected frozen settings: write @dataclass(frozen=True, repr=False) above the class")
        for name, value in vars(thing).items():
            found.expect(
                not isinstance(value, np.ndarray),
                f"setting {name!r} is an array: settings hold none; what is learned or measured goes into theta",
            )
        hash(thing)
        _expect_same(found, thing, copy.deepcopy(thing), "copy.deepcopy")
        try:
            pickled = pickle.dumps(thing)
        except Exception as error:
            found.notes.append(f"cannot be pickled (a lambda, or a class inside a function?): {error}")
        else:
            _expect_same(found, thing, pickle.loads(pickled), "pickle")
    yield
    with found.examine("settings"):
        after = vars(thing)
        changed = [name for name in before | after if not _alike(before.get(name), after.get(name))]
        found.expect(
            not changed,
            f"its own {', '.join(changed)} changed in use: settings hold no caches and no state between calls",
        )


def _expect_same(found: Findings, thing: Any, twin: Any, way: str) -> None:
    found.expect(thing == twin, f"after {way} it is not equal to what it was: equality has to go by the settings")
    found.expect(hash(thing) == hash(twin), f"after {way} it has another hash: equal settings have equal hashes")


def _alike(a: Any, b: Any) -> bool:
    try:
        return bool(np.all(a == b))
    except ValueError:  # arrays inside
        return False


def unchanged(found: Findings, before: Array, after: Array, fault: str) -> None:
    """Record the fault unless both arrays are the same to the last bit."""
    found.expect(np.array_equal(before, after, equal_nan=True), fault)


def expect_close(found: Findings, fault: str, got: Any, expected: Any) -> None:
    """Record the fault, with the numbers where there is one of each, unless they agree up to rounding."""
    got, expected = np.asarray(got), np.asarray(expected)
    numbers = f", {expected.flat[0]:.6g}, got {got.flat[0]:.6g}" if expected.size == 1 == got.size else ""
    found.expect(distance(got, expected) <= ROUNDING, fault + numbers)
