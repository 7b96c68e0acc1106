"""Settings as JSON and back: a network, an optimizer, a schedule by the names of their classes, and no code at all.

A name in a file is looked up among minnet's public classes and those that the caller hands in; never imported.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np

from minnet.settings import Settings, require
from minnet.tensor_files import short

DEPTH = 64  # of settings within settings
MOST = 10_000  # settings in all: some thousands of layers


class _Class(NamedTuple):
    make: type
    hints: Mapping[str, Any]
    starred: str  # the one field that the constructor takes as *args, as Network does; or ""


@cache
def _minnets_own() -> dict[str, _Class]:
    import minnet

    found = ((name, getattr(minnet, name)) for name in minnet.__all__)
    settings = ((name, one) for name, one in found if isinstance(one, type) and issubclass(one, Settings))
    return {name: _class(one) for name, one in settings if is_dataclass(one) and not inspect.isabstract(one)}


def _class(one: type) -> _Class:
    starred = [p.name for p in inspect.signature(one).parameters.values() if p.kind is p.VAR_POSITIONAL]
    try:
        hints = get_type_hints(one)
    except NameError:  # an annotation that can only be understood where it was written
        hints = {}
    return _Class(one, hints, starred[0] if starred else "")


def known_classes(custom: Iterable[type] = ()) -> dict[str, _Class]:
    """minnet's own classes and the caller's by name; ValueError for what is no dataclass, and for a name twice."""
    known = dict(_minnets_own())
    for one in custom:
        right = isinstance(one, type) and is_dataclass(one)
        require(right, f"custom has to be dataclasses (the classes, not what they make), got {short(one)}")
        taken = one.__name__ in known and known[one.__name__].make is not one
        require(not taken, f"two classes are called {one.__name__!r}, and a file knows them by name alone")
        if one.__name__ not in known:
            known[one.__name__] = _class(one)
    return known


def described(settings: Any, name: str) -> Any:
    """What `json` can write of a network, an optimizer, ...; ValueError, naming the place, for what has no such form.

    That `rebuilt` makes an equal one of it is tried out here.
    """
    classes: set[type] = set()
    value = _described(settings, name, None, classes)
    custom = classes - {known.make for known in _minnets_own().values()}
    again = rebuilt(value, type(settings), name, known_classes(custom))
    require(again == settings, f"{name}: {short(settings)} comes back from a file as {short(again)}")
    return value


def _described(value: Any, where: str, owner: Any, classes: set[type]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in (bool, int, str, NoneType):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is tuple:
        return [_described(one, f"{where}[{i}]", owner, classes) for i, one in enumerate(value)]
    if not is_dataclass(value) or isinstance(value, type):
        whose = "" if owner is None else f", of {short(owner)}"
        hint = "; make it a frozen dataclass with __call__" if callable(value) else ""
        raise ValueError(f"{where}{whose}: {short(value)} cannot be written to a file{hint}")
    classes.add(type(value))
    parts = {f.name: _described(getattr(value, f.name), f"{where}.{f.name}", value, classes) for f in fields(value)}
    return {"class": type(value).__name__, **parts}


def rebuilt(value: Any, kind: Any, where: str, known: Mapping[str, _Class], depth: int = 0) -> Any:
    """The settings that `described` wrote, which have to be of type `kind`; ValueError naming the place if not."""
    require(depth < DEPTH, f"{where}: settings nested more than {DEPTH} deep")
    require(depth > 0 or _count(value) <= MOST, f"{where} is made of more than {MOST} settings")
    if isinstance(value, list):
        kinds = get_args(kind)[:1] if get_origin(kind) is tuple else [Any]
        value = tuple(rebuilt(one, kinds[0], f"{where}[{i}]", known, depth + 1) for i, one in enumerate(value))
    elif isinstance(value, dict) and value.keys() == {"float"}:
        require(value["float"] in ("inf", "-inf"), f"{where}: {short(value['float'])} is no infinite number")
        value = float(value["float"])
    elif isinstance(value, dict):
        name = value.get("class", 0)
        require(type(name) is str, f"{where}: {short(value)} names no class")
        hint = f"if it is yours, hand it in: custom=({name},)" if str(name).isidentifier() else "it cannot be one"
        require(name in known, f"{where}: class {short(name)} is unknown; {hint}")
        value = _made(known[name], value, where, known, depth)
    require(fits(value, kind), f"{where}: expected {getattr(kind, '__name__', kind)}, got {short(value)}")
    return value


def _count(value: Any) -> int:
    """How many classes' settings stand in some JSON."""
    count, left = 0, [value]
    while left:
        inner = left.pop()
        count += isinstance(inner, dict)
        left += inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
    return count


def _made(one: _Class, value: dict[str, Any], where: str, known: Mapping[str, _Class], depth: int) -> Any:
    names = [field.name for field in fields(one.make)]
    unknown = value.keys() - {"class", *names}
    require(not unknown, f"{where}: {one.make.__name__} has no field {short(sorted(unknown)[:1])}")
    parts = {
        name: rebuilt(value[name], one.hints.get(name, Any), f"{where}.{name}", known, depth + 1)
        for name in names
        if name in value
    }
    starred = parts.pop(one.starred, ()) if one.starred else ()
    try:
        return one.make(*starred, **parts)
    except Exception as error:  # a constructor, perhaps a caller's own, refuses what it is given in its own way
        raise ValueError(f"{where}: {one.make.__name__} cannot be made: {error}") from error


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type; whatever the annotation leaves open is left open here."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in args)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in args)
    if origin is tuple:
        return type(value) is tuple and (args[1:] != (...,) or all(fits(one, args[0]) for one in value))
    if origin is Callable or kind is Callable:
        return callable(value)
    if kind is float:
        return type(value) is float or (type(value) is int and abs(value) < 2**1023)
    if kind in (bool, int, str, NoneType, None):
        return type(value) is (NoneType if kind is None else kind)
    try:
        return not isinstance(kind, type) or isinstance(value, kind)
    except TypeError:  # Any, a Protocol, an Array[...]: nothing that a value could be asked
        return True
