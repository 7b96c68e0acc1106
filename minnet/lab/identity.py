"""The identity of a value: two have the same one only if they are provably the same, in this session or another.

A function is its bytecode, constants, defaults and closure, and the globals it uses, followed to the end, into modules
of yours too; an object is its class and all its state. What comes with Python or an installed package is its name and
the package's version. Names, file names and line numbers do not count.
"""

import builtins
import dis
import functools
import hashlib
import platform
import re
import struct
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

# What is not a function of its arguments: it asks files, clocks, random states, or a text for code.
_WORLD = {"io", "_io", "os", "posix", "nt", "time", "random", "_random", "secrets", "uuid", "datetime", "_datetime",
          "pathlib", "socket", "_socket", "subprocess", "importlib", "inspect", "tempfile", "glob", "ctypes",
          "numpy.random"}  # fmt: skip
_ASKING = re.compile(
    r"builtins\.(input|eval|exec|compile|globals|__import__)$|.*\.(load|read|open|fetch|genfromtxt|fromfile|memmap)\w*$"
)
# Of a class: where it was written and what it is called, or what is there by another name too.
_BESIDE = {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__annotate__",
           "__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__", "_abc_impl",
           "__abstractmethods__", "__orig_bases__", "__parameters__", "__type_params__", "__dataclass_params__",
           "__dataclass_fields__"}  # fmt: skip
_CODE = ("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags", "co_code", "co_names", "co_varnames",
         "co_freevars", "co_cellvars", "co_exceptiontable")  # fmt: skip
_ATOMS = (types.NoneType, bool, int, str, bytes, types.EllipsisType, types.NotImplementedType)
_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.GetSetDescriptorType,
                types.MemberDescriptorType, types.ClassMethodDescriptorType)  # fmt: skip
_LOADS, _ATTRIBUTE = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"), ("LOAD_ATTR", "LOAD_METHOD")
# The content of a subclass of these, past whatever the subclass says of itself.
_CONTENT: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: (*tuple.__iter__(value),),
    list: lambda value: [*list.__iter__(value)],
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: {*set.__iter__(value)},
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}


ONCE = "once"  # how the identity of what is never the same again begins


def identity(*values: Any) -> str:
    """A text that other values have only if they are provably the same.

    Where that cannot be proved (an open file, a random state, an object whose state cannot be seen), the text is one
    that no other call gives, so that nothing found under another can be taken for it.
    """
    walk = _Walk(values)
    return hashlib.sha256("".join(walk.parts).encode()).hexdigest() if walk.proved else f"{ONCE} {uuid4().hex}"


def own_modules(*values: Any) -> set[str]:
    """The modules of yours, by name, that hold what these values are made of; not the one that runs."""
    return _Walk(values).modules


def by_value(value: Any) -> bytes:
    """`value` pickled together with the code of your modules as it is here.

    By name, as pickle sends it, a worker would take what it imported when it started, or what the file holds by now.
    """
    try:
        import cloudpickle
    except ImportError:  # older versions of joblib brought it along
        from joblib.externals import cloudpickle
    ours = own_modules(value) - cloudpickle.list_registry_pickle_by_value()
    try:
        for name in ours:
            cloudpickle.register_pickle_by_value(sys.modules[name])
        return cloudpickle.dumps(value)
    except Exception:  # something beside what is used cannot be sent
        pass
    finally:
        for name in ours & cloudpickle.list_registry_pickle_by_value():
            cloudpickle.unregister_pickle_by_value(sys.modules[name])
    return cloudpickle.dumps(value)


class _Walk:
    """Through a value and all that it is made of; what was seen before is written as a number, so circles end."""

    def __init__(self, values: tuple[Any, ...]):
        self.parts, self.seen, self.proved = list[str](), dict[int, tuple[int, Any]](), True
        self.modules = set[str]()  # of yours
        self.used, self.passed_on = set[str](), list[types.ModuleType]()  # names in code, installed modules as values
        try:
            for value in values:
                self.walk(value)
            for module in self.passed_on:
                self.proved &= not any(_asks(f"{module.__name__}.{name}") for name in self.used)
        except Exception:  # an object of one's own may fail in any way, and be too deep
            self.proved = False

    def write(self, *words: object) -> None:
        self.parts += [f"{len(text)}:{text}" for text in map(str, words)]

    def each(self, what: str, values: Iterable[Any]) -> None:
        values = list(values)
        self.write(what, len(values))
        for value in values:
            self.walk(value)

    def walk(self, value: Any) -> None:
        kind = type(value)
        if kind in _ATOMS:
            self.write(kind.__name__, repr(value))
        elif kind is float or kind is complex:
            self.write(kind.__name__, struct.pack(">2d", value.real, value.imag).hex())  # -0.0 and every NaN
        elif kind is tuple:
            self.each("tuple", value)
        elif kind is types.CodeType:
            self.code(value)
        elif kind is frozenset or kind is set:  # in an order of their own, each by itself
            parts = [_Walk((one,)) for one in value]
            self.proved &= all(part.proved for part in parts)
            self.modules.update(*(part.modules for part in parts))
            self.each(kind.__name__, sorted("".join(part.parts) for part in parts))
        elif issubclass(kind, np.generic) and not kind.__dictoffset__ and value.dtype.kind not in "OV":
            self.write("scalar", value.dtype.str, value.tobytes().hex())
        elif issubclass(kind, np.dtype):
            self.proved &= value.metadata is None
            self.write("dtype", repr(value))
        elif (name := _installed(value)) is not None:
            self.proved &= not _asks(name)
            self.write("installed", name)
            self.passed_on += [value] if issubclass(kind, types.ModuleType) else []
        elif is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            self.object(value)
        elif id(value) in self.seen:
            self.write("again", self.seen[id(value)][0])
        else:
            self.seen[id(value)] = len(self.seen), value  # held, so that no other takes its number
            self.write("new")
            self.what_may_change(value, kind)

    def what_may_change(self, value: Any, kind: type) -> None:
        if kind is list:
            self.each("list", value)
        elif kind is dict or kind is types.MappingProxyType:
            self.each("dict", value.items())
        elif kind is np.ndarray:
            self.write("array", value.shape, value.strides)
            self.walk(value.dtype)
            if value.dtype.hasobject:
                self.walk(value.tolist())
            else:
                self.write(hashlib.sha256(value.tobytes()).hexdigest())
        elif kind is types.FunctionType:
            self.of(value)
            self.each("function", (value.__code__, value.__defaults__, value.__kwdefaults__, value.__closure__))
            self.walk(vars(value))
            self.names(value.__code__, value.__globals__)
        elif kind is types.CellType:
            self.each("cell", _cell(value))
        elif kind is types.MethodType:
            self.each("method", (value.__func__, value.__self__))
        elif kind is functools.partial:
            self.each("partial", (value.func, value.args, value.keywords, vars(value)))
        elif kind is functools._lru_cache_wrapper:
            self.proved &= value.cache_info().currsize == 0  # what it holds may be older than what it depends on
            self.each("cached", (value.__wrapped__, value.cache_parameters()))
        elif kind is functools.cached_property:
            self.each("property", (value.func,))
        elif kind is property:
            self.each("property", (value.fget, value.fset, value.fdel))
        elif kind is classmethod or kind is staticmethod:
            self.each(kind.__name__, (value.__func__,))
        elif kind in _DESCRIPTORS:
            self.each("of a class", (value.__objclass__, value.__name__))
        elif kind is types.BuiltinMethodType or kind is types.MethodWrapperType:  # as array.dot
            self.each("method", (value.__name__, value.__self__))
        elif issubclass(kind, types.ModuleType):
            self.of(value)
            there = {k: v for k, v in vars(value).items() if not k.startswith("__") or k == "__getattr__"}
            own = {
                k: v for k, v in there.items() if not isinstance(v, types.ModuleType) or _package(v.__name__) is None
            }
            self.walk(own)
        elif issubclass(kind, type):
            self.of(value)
            self.each("class", (kind, value.__bases__))
            self.walk({k: v for k, v in vars(value).items() if k not in _BESIDE})
            settings = vars(value).get("__dataclass_fields__", {}).values()
            self.each("fields", [(f.name, f.default, f.default_factory, f.init, f.kw_only) for f in settings])
        else:
            self.object(value)

    def of(self, value: Any) -> None:
        """Note the module of yours that this function, class or module stands in; a compiled one is its file."""
        name = value.__name__ if issubclass(type(value), types.ModuleType) else value.__module__
        if name in sys.modules and name != "__main__" and _package(name) is None:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.endswith((".so", ".pyd", ".dll")):
                self.write(file_hash(Path(file)))
            else:
                self.modules.add(name)

    def object(self, value: Any) -> None:
        """The class and the state, whatever the object says of itself."""
        kind = type(value)
        self.each("object", (kind,))
        base = next(c for c in kind.__mro__ if type(c.__new__) is types.BuiltinMethodType and c.__new__.__self__ is c)
        slots = [s for c in kind.__mro__ if "__slots__" in vars(c) for s in vars(c).values()]
        slots = [slot for slot in slots if type(slot) is types.MemberDescriptorType]
        words = len(slots) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
        in_sight = base is object and kind.__basicsize__ <= object.__basicsize__ + words * struct.calcsize("P")
        if base in _CONTENT:
            self.walk(_CONTENT[base](value))
        elif not in_sight:
            made = value.__reduce_ex__(2) if _installed(kind) else ""  # how it is made again, in its maker's words
            self.proved &= type(made) is tuple
            self.each("made", [list(part) if isinstance(part, Iterator) else part for part in made])
            return
        if is_dataclass(kind) and kind.__module__.startswith("minnet.") and _installed(kind):
            self.walk({field.name: getattr(value, field.name) for field in fields(kind)})
            return
        try:
            self.walk(object.__getattribute__(value, "__dict__"))
        except AttributeError:
            self.write("no dict")
        self.each("slots", [_slot(slot, value) for slot in slots])

    def code(self, code: types.CodeType) -> None:
        self.write("code", *(getattr(code, name) for name in _CODE))
        self.each("constants", code.co_consts)

    def names(self, code: types.CodeType, scope: dict[str, Any]) -> None:
        """What the globals it uses stand for; of a module the part that is used, if no more than parts are."""
        self.used.update(code.co_names)
        steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
        for i, step in enumerate(steps):
            if step.opname in _LOADS:
                found = scope.get(step.argval, vars(builtins).get(step.argval, types.NotImplementedType))
                for further in steps[i + 1 :]:
                    if further.opname not in _ATTRIBUTE or not isinstance(found, types.ModuleType):
                        break
                    lazy = vars(found).get("__getattr__")
                    found = getattr(found, further.argval, lazy)
                self.walk(found)
            elif step.opname == "IMPORT_NAME":
                self.imported(code, steps, i, scope)
        for inner in code.co_consts:
            if isinstance(inner, types.CodeType):
                self.names(inner, scope)

    def imported(self, code: types.CodeType, steps: list[dis.Instruction], i: int, scope: dict[str, Any]) -> None:
        """A module that the function imports: whatever in it has a name that the function uses."""
        level, wanted, kept = steps[i - 2].argval, steps[i - 1].argval or (), steps[i + 1].argval
        name = "." * level + steps[i].argval
        module = __import__(steps[i].argval, scope, None, wanted, level)
        self.write("import", name)
        whole = not wanted and any(
            step.argval == kept and step.opname.startswith("LOAD") and after.opname not in _ATTRIBUTE
            for step, after in pairwise(steps)
        )
        if whole or kept in code.co_cellvars or "*" in wanted:
            self.walk(module)
            return
        todo, inside = [module], set(code.co_names) | set(steps[i].argval.split("."))
        while todo:
            module = todo.pop()
            for part in (getattr(module, part, None) for part in sorted(inside)):
                if isinstance(part, types.ModuleType) and id(part) not in self.seen:
                    self.seen[id(part)] = len(self.seen), part
                    todo.append(part)
                elif part is not None:
                    self.walk(part)


def _cell(cell: Any) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # nothing is in it yet
        return ()


def _slot(slot: Any, value: Any) -> tuple[Any, ...]:
    try:
        return slot.__name__, slot.__get__(value)
    except AttributeError:  # nothing is in it
        return (slot.__name__,)


def _asks(installed: str) -> bool:
    name = installed.partition(" ")[0]
    return bool(_ASKING.match(name)) or any(f"{name}.".startswith(f"{part}.") for part in _WORLD)


def _installed(value: Any) -> str | None:
    """The name and version of what comes with Python or an installed package, if it is what that name stands for."""
    if issubclass(type(value), types.ModuleType):
        version = _package(value.__name__)
        return None if version is None else f"{value.__name__} {version}"
    if type(value) is np.ufunc:
        places: Iterable[tuple[Any, Any]] = (("numpy", value.__name__), ("scipy.special", value.__name__))
    elif callable(value):
        places = [(getattr(value, "__module__", None), getattr(value, "__qualname__", None))]
    else:
        return None
    for module, name in places:
        if isinstance(module, str) and isinstance(name, str) and (version := _package(module)) is not None:
            found: Any = sys.modules.get(module)
            for part in name.split("."):
                found = getattr(found, part, None)
            if found is value:
                return f"{module}.{name} {version}"
    return None


@cache
def _package(module: str) -> str | None:
    """The version of an installed package's module, with a hash of its file; None for a module of yours."""
    there = sys.modules.get(module)
    file = getattr(there, "__file__", None)
    if module == "__main__" or there is None:
        return None
    if file is None:
        return platform.python_version() if module in sys.stdlib_module_names else None
    path, top = Path(file), module.partition(".")[0]
    if top == "minnet":  # the engine's own hash stands in every key
        root = Path(sys.modules[top].__file__ or "").parent
        return "engine" if path.parent == root else _tree(root)
    if {"site-packages", "dist-packages"} & {*path.parts}:
        whole = sys.modules[top]
        version = getattr(whole, "__version__", None) or "".join(map(_tree, map(Path, getattr(whole, "__path__", ()))))
        return f"{version} {file_hash(path)}"
    return platform.python_version() if path.is_relative_to(sysconfig.get_path("stdlib")) else None


@cache
def file_hash(path: Path) -> str:
    """Of what is in the file when it is first asked for."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@cache
def _tree(root: Path) -> str:
    files = sorted(root.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
