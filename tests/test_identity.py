"""Two functions have the same identity only if they are the same function, in one process, the next, or a kernel."""

import ast
import functools
import importlib
import json
import pickle
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from minnet import Activation, Dense, Elementwise, Network, Tanh, VarianceScaling
from minnet.lab.compare import compare
from minnet.lab.datasets import dataset
from minnet.lab.identity import _package, _tree, by_value, file_hash, identity

ROOT = Path(__file__).parent.parent
SMALL = {"hidden": (4,), "seeds": 2, "epochs": 3, "rates": [0.3], "jobs": 1}
DATA = dataset("moons", n_train=40, n_val=40, n_test=100)

# Each kind as one writes it in a cell: NAME is new for each, BETA a number, OP one of NumPy's functions.
KINDS = {
    "lambda": "NAME = lambda x: BETA * np.OP(x)",
    "function": "def NAME(x):\n    return BETA * np.OP(x)",
    "global": "b_NAME = BETA\ndef NAME(x):\n    return b_NAME * np.OP(x)",
    "alias": "op_NAME = np.OP\ndef NAME(x):\n    return BETA * op_NAME(x)",
    "closure": "def m_NAME(b):\n    def f(x):\n        return b * np.OP(x)\n    return f\nNAME = m_NAME(BETA)",
    "array": "def m_NAME(c):\n    return lambda x: c[0] * np.OP(x) + c[1]\nNAME = m_NAME(np.array([BETA, 0.5]))",
    "list": "c_NAME = [0.5, BETA]\ndef NAME(x):\n    return sum(c * np.OP(x) for c in c_NAME)",
    "default": "def NAME(x, b=BETA):\n    return b * np.OP(x)",
    "keyword": "def NAME(x, *, b=BETA):\n    return b * np.OP(x)",
    "attribute": "def NAME(x):\n    return NAME.b * np.OP(x)\nNAME.b = BETA",
    "partial": "def s_NAME(b, x):\n    return b * np.OP(x)\nNAME = partial(s_NAME, BETA)",
    "partial by keyword": "def s_NAME(x, b):\n    return b * np.OP(x)\nNAME = partial(s_NAME, b=BETA)",
    "bound method": (
        "class C_NAME:\n    def __init__(self, b):\n        self.b = b\n    def at(self, x):\n"
        "        return self.b * np.OP(x)\nNAME = C_NAME(BETA).at"
    ),
    "callable object": (
        "class C_NAME:\n    def __init__(self, b):\n        self.b = b\n    def __call__(self, x):\n"
        "        return self.b * np.OP(x)\n    def __repr__(self):\n        return 'C()'\n"
        "    def __eq__(self, other):\n        return True\n    def __hash__(self):\n        return 0\n"
        "NAME = C_NAME(BETA)"
    ),
    "slots": (
        "class C_NAME:\n    __slots__ = ('b',)\n    def __init__(self, b):\n        self.b = b\n"
        "    def __call__(self, x):\n        return self.b * np.OP(x)\nNAME = C_NAME(BETA)"
    ),
    "class attribute": (
        "class B_NAME:\n    b = BETA\n    def __call__(self, x):\n        return self.b * np.OP(x)\n"
        "class C_NAME(B_NAME):\n    pass\nNAME = C_NAME()"
    ),
    "property": (
        "class C_NAME:\n    @property\n    def b(self):\n        return BETA\n    def __call__(self, x):\n"
        "        return self.b * np.OP(x)\nNAME = C_NAME()"
    ),
    "static": (
        "class C_NAME:\n    @staticmethod\n    def op(x):\n        return BETA * np.OP(x)\n"
        "    @classmethod\n    def at(cls, x):\n        return cls.op(x)\nNAME = C_NAME.at"
    ),
    "dataclass": (
        "@dataclass(frozen=True)\nclass C_NAME:\n    b: float = field(default=1.0, repr=False, compare=False)\n"
        "    def __call__(self, x):\n        return self.b * np.OP(x)\nNAME = C_NAME(BETA)"
    ),
    "super": (
        "class B_NAME:\n    def __call__(self, x):\n        return np.OP(x)\nclass C_NAME(B_NAME):\n"
        "    def __call__(self, x):\n        return BETA * super().__call__(x)\nNAME = C_NAME()"
    ),
    "subclass of float": (
        "class C_NAME(float):\n    def __call__(self, x):\n        return float(self) * np.OP(x)\n"
        "    def __repr__(self):\n        return 'C'\nNAME = C_NAME(BETA)"
    ),
    "decorated": (
        "def d_NAME(f):\n    @wraps(f)\n    def g(x):\n        return BETA * f(x)\n    return g\n"
        "@d_NAME\ndef NAME(x):\n    return np.OP(x)"
    ),
    "nested": "def NAME(x):\n    return (lambda: (lambda: BETA * np.OP(x))())()",
    "recursive": "def NAME(x, n=2):\n    return np.OP(x) if n == 0 else BETA * NAME(x, n - 1)",
    "helper": "import h_NAME\ndef NAME(x):\n    return h_NAME.f(x)",
    "helper by name": "from h_NAME import f as f_NAME\nNAME = lambda x: f_NAME(x)",
    "helper itself": "from h_NAME import f as NAME",
    "helper of a helper": "import g_NAME\ndef NAME(x):\n    return g_NAME.g(x)",
    "helper imported inside": "def NAME(x):\n    import h_NAME\n    return h_NAME.f(x)",
    "helper's name imported inside": "def NAME(x):\n    from h_NAME import f\n    return f(x)",
    "helper by getattr": "import h_NAME\ndef NAME(x):\n    return getattr(h_NAME, 'f')(x)",
    "helper passed on": (
        "import h_NAME\ndef a_NAME(m, x):\n    return m.f(x)\ndef NAME(x):\n    return a_NAME(h_NAME, x)"
    ),
    "helper's number": "import h_NAME\ndef NAME(x):\n    return h_NAME.b * np.OP(x)",
}  # fmt: skip
HELPER = "import numpy as np\nb = BETA\ndef f(x):\n    return b * np.OP(x)\n"
OPS, BETAS = ("tanh", "sin", "arctan"), ("1.0", "0.5", "2.0", "0.1", "0.1000001", "1e-6", "-1.0")
HEAD = """
import json, sys
from dataclasses import dataclass, field
from functools import lru_cache, partial, wraps
import numpy as np
from minnet import Elementwise
from minnet.lab.compare import compare
from minnet.lab.datasets import dataset
from minnet.lab.identity import identity
sys.path.insert(0, FOLDER)
sys.dont_write_bytecode = True
X = np.linspace(-5, 5, 1000)
"""
KEYS = "print('KEYS', json.dumps([[identity(f), np.asarray(f(X)).tobytes().hex()] for f in FOUND]))\n"
# How a session may come by its code: a script, a prompt, a kernel whose cells are compiled under a name of their own.
RUN = "import sys, __main__\nfor n, cell in enumerate(open(sys.argv[1]).read().split('#CELL')):\n" + (
    "    exec(compile(cell, f'<ipython-input-{n}>', 'exec'), vars(__main__))\n"
)


# (CPython compiles np.tanh(x) in two ways, after whether np was imported in the same cell: the three have other keys.)
HOW = "script", "kernel", "prompt"


def written(kind, name, beta, op, folder):
    """The cell of a function of this kind; its helpers go into the folder."""
    fill = lambda text: text.replace("NAME", name).replace("BETA", beta).replace("OP", op)
    if "helper" in kind:
        (folder / f"h_{name}.py").write_text(fill(HELPER))
        (folder / f"g_{name}.py").write_text(f"import h_{name}\ndef g(x):\n    return h_{name}.f(x)\n")
    return fill(KINDS[kind])


def session(cells, last, folder, how="script"):
    """What a new process finds in these cells."""
    head = HEAD.replace("FOLDER", repr(str(folder)))
    path = folder / "session.py"
    if how == "prompt":
        text = "\n".join([head, *cells])
        lines, given = text.split("\n"), ""
        for part in ast.parse(text).body:  # at a prompt an empty line ends what is indented
            first = min([part, *getattr(part, "decorator_list", [])], key=lambda node: node.lineno).lineno
            given += "\n".join(lines[first - 1 : part.end_lineno]) + "\n\n"
        command, given = [sys.executable, "-i", "-q"], given + last
    else:
        path.write_text("\n#CELL\n".join([head, *cells, last]))
        command, given = [sys.executable, *(["-c", RUN] if how == "kernel" else []), str(path)], None
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, timeout=300)
    line = next((line for line in done.stdout.splitlines() if "KEYS " in line), None)
    assert line, done.stderr
    return json.loads(line[line.index("KEYS ") + 5 :])


@pytest.mark.parametrize(
    ("count", "how"), [(len(KINDS), ("script",)), pytest.param(200, HOW, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_equal_keys_only_where_functions_agree(count, how, tmp_path):
    """Random pairs, of all kinds: in one process, and one written in a process, the other in a prompt or kernel."""
    rng = random.Random(0)
    pairs = []
    for i in range(count):
        kind = list(KINDS)[i % len(KINDS)]
        settings = rng.choice(BETAS), rng.choice(OPS)
        pairs.append((kind, settings, settings if rng.random() < 0.4 else (rng.choice(BETAS), rng.choice(OPS))))
    found = {}
    for side in (0, 1):  # of one name, in folders of their own: nothing but the code and the numbers differs
        folder = tmp_path / str(side)
        folder.mkdir()
        cells = [written(kind, f"f{i}", *settings[side], folder) for i, (kind, *settings) in enumerate(pairs)]
        last = KEYS.replace("FOUND", f"[{', '.join(f'f{i}' for i in range(count))}]")
        for way in how:
            found[side, way] = session(cells, last, folder, way)
            assert not [key for key, _ in found[side, way] if key.startswith("once")]
            if side == 0:  # unchanged, though it stands in other lines now, it is found again in another process
                assert session(["# moved\n", *cells], last, folder, way) == found[side, way]
    for way in how:
        for (kind, *settings), (a, at_a), (b, at_b) in zip(pairs, found[0, way], found[1, way], strict=True):
            assert (a == b) == (settings[0] == settings[1]), (kind, settings)
            assert a != b or at_a == at_b
    # and in one process, under names and in lines of their own
    folder = tmp_path / "both"
    folder.mkdir()
    cells = [
        written(kind, f"{'ab'[side]}{i}", *settings[side], folder)
        for i, (kind, *settings) in enumerate(pairs)
        for side in (0, 1)
    ]
    both = session(cells, KEYS.replace("FOUND", f"[{', '.join(f'a{i}, b{i}' for i in range(count))}]"), folder)
    for (a, at_a), (b, at_b) in zip(both[::2], both[1::2], strict=True):
        assert a != b or at_a == at_b


@pytest.mark.parametrize("how", ["script", *(pytest.param(how, marks=pytest.mark.slow) for how in HOW[1:])])
def test_each_kind_is_found_again_and_trained_again_once_it_changed(how, tmp_path):
    """In a second process and in a kernel nothing is trained; then every function is changed, and nothing is found."""
    last = (
        "FOUND = compare({k: Elementwise(f) for k, f in FS.items()}, dataset('moons', n_train=40, n_val=40, n_test=100)"
    )
    last += f", hidden=(4,), seeds=2, epochs=1, rates=[0.3], jobs=1, initialisers=['same'], out={str(tmp_path)!r})\n"
    last += "print('KEYS', json.dumps([FOUND.manifest['pieces'], FOUND.table.score.to_dict()]))\n"

    def trained(beta):
        cells = [written(kind, f"f{i}", beta, "tanh", tmp_path) for i, kind in enumerate(KINDS)]
        named = "FS = {" + ", ".join(f"{kind!r}: f{i}" for i, kind in enumerate(KINDS)) + "}\n"
        return session(cells, named + ("#CELL\n" if how == "kernel" else "") + last, tmp_path, how)

    first, scores = trained("1.0")
    assert first["found"] == 0
    pieces, again = trained("1.0")
    assert (pieces["trained"], again) == (0, scores)
    assert trained("0.0001")[0]["found"] == 0


def compared(activations, **settings):
    """The test scores of each, and how many pieces were found."""
    found = compare(activations, DATA, **SMALL | {"initialisers": ["same"]} | settings)
    return {name: found.runs[found.runs.condition == name].validation_loss.tolist() for name in activations}, found


def number(beta):
    return lambda x: beta * x


class Hidden:
    """Whatever it is asked, it says the same."""

    def __init__(self, beta):
        self.beta = beta

    def __call__(self, x):
        return self.beta * np.tanh(x)

    def __repr__(self):
        return "Hidden()"

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


@dataclass(frozen=True)
class Quiet(Activation):
    """Its setting is neither printed nor compared."""

    beta: float = field(default=1.0, repr=False, compare=False)

    def __call__(self, x):
        return self.beta * x

    def derivative(self, x):
        return x * 0 + self.beta


def whole(beta):
    return lambda n_in, n_out: Network(Dense(n_in, 4), Elementwise(number(beta)), Dense(4, n_out))


@pytest.mark.parametrize(
    ("dead", "alive"),
    [
        (Elementwise(lambda x: 1e-6 * x), Elementwise(lambda x: np.tanh(x))),
        (Elementwise(number(1e-6)), Elementwise(number(1.0))),
        (Elementwise(functools.partial(np.multiply, 1e-6)), Elementwise(functools.partial(np.multiply, 1.0))),
        (Elementwise(Hidden(1e-6)), Elementwise(Hidden(1.0))),
        (Elementwise(Hidden(1e-6).__call__), Elementwise(Hidden(1.0).__call__)),
        (Quiet(1e-6), Quiet(1.0)),
        (whole(1e-6), whole(1.0)),
    ],
    ids=["lambda", "closure", "partial", "object", "method", "dataclass", "network"],
)
def test_no_two_conditions_share_an_outcome_that_is_one_s_only(dead, alive, tmp_path):
    both, _ = compared({"dead": dead, "alive": alive}, out=tmp_path)
    assert both == {**compared({"dead": dead})[0], **compared({"alive": alive})[0]}
    assert both["dead"] != both["alive"]
    assert compared({"alive": dead}, out=tmp_path)[0]["alive"] == both["dead"]


def test_initialisers_that_only_look_alike_are_two(tmp_path):
    def scaled(scale):
        return lambda rng, shape: scale * rng.standard_normal(shape)

    @dataclass(frozen=True)
    class Scaled:
        scale: float = field(repr=False, compare=False)

        def __call__(self, rng, shape):
            return self.scale * rng.standard_normal(shape)

    for make in (scaled, Scaled):
        found = compare(["tanh"], DATA, initialisers={"small": make(1e-6), "large": make(1.0)}, **SMALL)
        assert list(found.table.index) == ["tanh/small", "tanh/large"]
        scores = found.runs.groupby("condition").validation_loss.mean()
        assert scores["tanh/small"] != scores["tanh/large"]
    same = {"a": VarianceScaling(1.0, "in", "normal"), "b": VarianceScaling(1.0, "in", "normal")}
    assert list(compare(["tanh"], DATA, initialisers=same, **SMALL).table.index) == ["tanh"]


BETA = 1.0


def scaled_by_a_global(x):
    return BETA * np.tanh(x)


def test_a_global_that_changed_is_seen_by_all_workers(monkeypatch, tmp_path):
    act = {"mine": Elementwise(scaled_by_a_global)}
    before, _ = compared(act, out=tmp_path)
    assert compared(act, out=tmp_path)[1].manifest["pieces"]["trained"] == 0
    monkeypatch.setitem(globals(), "BETA", 1e-4)
    after, found = compared(act, out=tmp_path, jobs=2)  # by its name a worker would find the function as it was written
    assert found.manifest["pieces"]["found"] == 0
    assert before != after == compared(act)[0]


def test_workers_train_the_code_that_was_loaded_anew(monkeypatch, tmp_path):
    """A worker that imported a module before it was edited has the former code under the same name."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "reloaded.py"
    path.write_text("import numpy as np\ndef f(x):\n    return np.tanh(x)\n")
    module = importlib.import_module("reloaded")
    before, _ = compared({"mine": Elementwise(module.f)}, jobs=2)
    path.write_text("def f(x):\n    return 1e-4 * x\n")
    importlib.reload(module)
    after, _ = compared({"mine": Elementwise(module.f)}, jobs=2)
    assert before != after == compared({"mine": Elementwise(module.f)})[0]
    path.write_text("import threading\nlock = threading.Lock()\ndef f(x):\n    return 1e-4 * x\n")
    importlib.reload(module)
    assert pickle.loads(by_value(lambda: module.f(1.0)))() == 1e-4  # a lock cannot be sent: then by name


@pytest.mark.parametrize(
    "value",
    [
        lambda x: x * np.random.random(),  # noqa: NPY002
        lambda x: x * time.time(),
        lambda x: np.loadtxt("beta.txt") * x,
        lambda x: eval("2 * x"),
        lambda x: (lambda m: m.random.random())(np) * x,
        functools.partial(np.multiply, np.random.default_rng(0)),
        np.frompyfunc(lambda x: x, 1, 1),
        threading.Lock(),
        (number(n) for n in (1, 2)),
        {"a": [random.Random(0)]},
    ],
    ids=["random", "clock", "file", "eval", "numpy passed on", "generator", "ufunc", "lock", "iterator", "deep"],
)
def test_what_cannot_be_proved_is_never_the_same(value):
    assert identity(value) != identity(value)


def test_what_cannot_be_proved_is_trained_again_and_said(tmp_path):
    """Within a call each of its pieces is trained once, and two of the same object are not taken for each other."""
    lock, remarks = threading.Lock(), []

    def locked(x):
        with lock:
            return np.tanh(x)

    act = Elementwise(locked)
    for _ in range(2):
        losses, found = compared({"a": act, "b": act, "tanh": "tanh"}, out=tmp_path, note=remarks.append)
        assert losses["a"] == losses["b"] == pytest.approx(losses["tanh"], rel=1e-4)
    assert found.manifest["pieces"] == {"trained": 4, "found": 2}  # tuning and test
    assert remarks[0] == remarks[1] == "Trained anew each time, as it cannot be proved to be the same as before: a, b."


def test_what_was_kept_from_before_is_not_proved():
    """A function remembers what a global was."""

    @functools.lru_cache
    def remembered():
        return BETA

    def function(x):
        return remembered() * x

    assert identity(function) == identity(function)
    function(1.0)
    assert identity(function) != identity(function)


def test_an_object_that_lies_about_its_class_is_looked_into():
    class Lying(Hidden):
        __class__ = property(lambda self: np.dtype)

    assert identity(Lying(1.0)) != identity(Lying(2.0))
    assert identity(Lying(1.0)) == identity(Lying(1.0))


def test_what_comes_with_a_package_is_known_by_its_version(tmp_path, monkeypatch):
    """And a package without one by its files."""
    site = tmp_path / "site-packages" / "bent"
    site.mkdir(parents=True)
    monkeypatch.syspath_prepend(site.parent)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def found(files):
        for name, text in files.items():
            (site / name).write_text(text)
        for name in [name for name in sys.modules if name.partition(".")[0] == "bent"]:
            del sys.modules[name]
        for cached in (_package, file_hash, _tree):
            cached.cache_clear()
        importlib.invalidate_caches()
        return identity(importlib.import_module("bent.door").f)

    inner, door = "def g(x):\n    return x\n", "from .inner import g\ndef f(x):\n    return g(x)\n"
    first = found({"__init__.py": "__version__ = '1.0'\n", "inner.py": inner, "door.py": door})
    assert found({}) == first
    assert found({"__init__.py": "__version__ = '1.1'\n"}) != first
    without = found({"__init__.py": ""})
    assert found({}) == without != found({"inner.py": inner.replace("return x", "return 2 * x")})


def test_a_circle_ends():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n > 0 and even(n - 1)

    circle = [even]
    circle.append(circle)
    assert identity(circle) == identity(circle)
    assert not identity(circle).startswith("once")


def test_numbers_are_told_apart_by_their_bits():
    values = [0, 0.0, -0.0, False, None, "0", b"0", (0,), [0], {0}, {0: 0}, np.float32(0), np.float64(0), np.zeros(1),
              np.zeros((1, 1)), np.zeros(1, np.float32), float("nan"), -float("nan"), 0j, -0j, (0, 0), ((0,), 0),
              ("ab", "c"), ("a", "bc"), frozenset({0})]  # fmt: skip
    assert len({identity(value) for value in values}) == len(values)
    assert identity({f"{i}" for i in range(50)}) == identity({f"{i}" for i in reversed(range(50))})
    shared, other = [0], [0]
    assert identity([shared, shared]) != identity([shared, other])  # what changes one changes both, or not
    assert identity(Network(Dense(2, 3), Tanh())) == identity(Network(Dense(2, 3), Tanh()))


def test_the_command_line_tells_functions_apart_and_sees_an_edited_helper(tmp_path):
    text = "from minnet import Elementwise\nimport my_helper\ndead = Elementwise(lambda x: 1e-6 * x)\n"
    (tmp_path / "my_module.py").write_text(text + "f = Elementwise(lambda x: my_helper.g(x))\n")
    helper, options = (
        "import numpy as np\ndef g(x):\n    return np.tanh(x)\n",
        "--seeds 2 --epochs 20 --rates 0.3 --jobs 1",
    )
    words = [sys.executable, "-B", "-m", "minnet", "compare", "--json", "--activations", "my_module:dead,my_module:f"]
    found = []
    for text in (helper, helper, helper.replace("np.tanh(x)", "1e-6 * x")):
        (tmp_path / "my_helper.py").write_text(text)
        done = subprocess.run([*words, *options.split(), "--initialisers", "same", "--out", "r", "--hidden", "4"],
                              cwd=tmp_path, capture_output=True, text=True, timeout=300)  # fmt: skip
        answer = json.loads(done.stdout)
        found.append(
            ({row["condition"]: row["score"] for row in answer["table"]}, answer["manifest"]["pieces"]["found"])
        )
    (first, none), (again, all_of_it), (edited, half) = found
    assert (none, all_of_it, half) == (0, 4, 2)
    assert again == first
    assert first["my_module:dead"] == edited["my_module:dead"] == edited["my_module:f"] == 0.5 < first["my_module:f"]
