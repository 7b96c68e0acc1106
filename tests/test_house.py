"""The house stands as it was planned: imports point down, the door is light, no file has grown into two ideas."""

import ast
import subprocess
import sys
from doctest import DocTestParser
from importlib import import_module
from pathlib import Path
from types import FunctionType

import pytest

import minnet
import minnet.checks
import minnet.exports

PACKAGE = Path(minnet.__file__).parent
# Each module may import those on lower floors only. A module that is missing here has no place in the house yet.
FLOORS = {
    "allowed": -1,
    "settings": 0,
    "shown": 1,
    "files": 0,
    "tensor_files": 1,
    "products": 1,
    "progress": 0,
    "machine": 0,
    "interrupts": 0,
    "divergence": 4,
    "randomness": 1,
    "initializers": 1,
    "orthogonal": 1,
    "blueprint": 2,
    "overwriting": 2,
    "schedules": 1,
    "losses": 2,
    "layers": 2,
    "normalization": 3,
    "dropout": 3,
    "more_losses": 3,
    "penalties": 1,
    "optimizers": 3,
    "precision": 1,
    "normal": 2,
    "periodic": 2,
    "special": 2,
    "softmax": 3,
    "activations": 3,
    "rectifiers": 4,
    "catalogue": 5,
    "duals": 4,
    "elementwise": 5,
    "equivalents": 6,
    "datasheet": 7,
    "network": 3,
    "adaptive": 4,
    "learned": 4,
    "findings": 4,
    "gains": 5,
    "run": 4,
    "doors": 4,
    "pairing": 4,
    "state_dict": 4,
    "checkpoints": 5,
    "replicas": 5,
    "stopping": 7,
    "keeping": 7,
    "training": 6,
    "resuming": 8,
    "full_batch": 6,
    "later": 9,
    "exports.parts": 6,
    "exports.numpy_code": 7,
    "exports.torch_code": 7,
    "exports.sklearn_code": 7,
    "exports.onnx_model": 7,
    "exports.programs": 8,
    "estimators.divergence": 5,
    "estimators.losses": 4,
    "estimators.optimizers": 4,
    "estimators.sparse": 4,
    "estimators.watching": 7,
    "estimators.building": 7,
    "estimators.fitting": 8,
    "estimators.base": 9,
    "estimators.classifier": 10,
    "estimators.regressor": 10,
    "checks.findings": 4,
    "checks.gradients": 4,
    "checks": 7,
    "exports": 9,
    "checks.layers": 5,
    "checks.losses": 5,
    "checks.optimizers": 5,
    "checks.activations": 6,
    "lab.half_plane": 4,
    "lab.probes": 5,
    "lab.gradients": 6,
    "lab.mean_field": 6,
    "lab.symptoms": 7,
    "lab.diagnosis": 8,
    "lab.tracing": 6,
    "lab.datasets": 5,
    "lab.columns": 5,
    "lab.csv_files": 5,
    "lab.statistics": 5,
    "lab.conditions": 6,
    "lab.identity": 4,
    "lab.cluster": 0,
    "lab.work": 5,
    "lab.manifest": 6,
    "lab.summary": 6,
    "lab.trials": 7,
    "lab.comparison": 7,
    "lab.preprocessing": 6,
    "lab.tables": 7,
    "lab.compare": 8,
    "lab.tuned": 9,
    "lab.controls": 9,
    "lab.peers": 7,
    "lab.replica_peers": 8,
    "lab.programs": 4,
    "lab.markdown": 4,
    "lab.speed_tables": 10,
    "lab.stopwatch": 9,
    "lab.whole_times": 10,
    "lab.heads": 9,
    "lab.expressions": 4,
    "lab.approximation": 7,
    "lab.targets": 6,
    "lab.pieces": 4,
    "lab.collapse": 4,
    "lab.plots": 9,
    "lab.drawing": 10,
    "lab.pictures": 11,
    "lab.report": 12,
    "lab.verdicts": 6,
    "lab.claims": 12,
    "cli.answers": 13,
    "cli.options": 13,
    "cli.controls": 14,
    "cli.models": 14,
    "cli.resuming": 14,
    "cli.compare": 15,
    "cli.train": 15,
    "cli.predict": 15,
    "cli.inspect": 15,
    "cli.diagnose": 15,
    "cli.activations": 15,
    "cli.check": 15,
    "cli.export": 15,
    "cli.app": 16,
    "cli": 17,
    "__main__": 18,
    "lab.nonlinearity_pictures": 12,
    "lab.universal_pictures": 12,
}
# What a plain call of train() runs through, in reading order; what has to be asked for (penalties, early stopping,
# schedules, a progress bar) is not counted.
TRAINING_PATH = (
    "settings",
    "randomness",
    "initializers",
    "products",
    "losses",
    "layers",
    "optimizers",
    "network",
    "doors",
    "pairing",
    "run",
    "divergence",
    "replicas",
    "training",
)


MODULES = [
    (".".join(path.relative_to(PACKAGE).with_suffix("").parts), path)
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem != "__init__"
]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (
                f"minnet.{alias.name}" for alias in node.names if node.module == "minnet" and alias.name in FLOORS
            )
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def code_lines(path):
    """Lines that are neither blank, comment nor docstring."""
    tree = ast.parse(path.read_text())
    documented = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(path.read_text().splitlines(), 1)
    return sum(1 for i, line in lines if line.strip() and not line.lstrip().startswith("#") and i not in documented)


@pytest.mark.parametrize(("name", "path"), MODULES)
def test_imports_point_down(name, path):
    for imported in imports(path):
        if imported.startswith("minnet."):
            below = imported.removeprefix("minnet.")
            assert FLOORS[below] < FLOORS[name], f"{name} imports {below}, which is not below it"


@pytest.mark.parametrize(("name", "path"), MODULES)
def test_no_engine_file_is_two_ideas(name, path):
    limit = 250
    assert len(path.read_text().splitlines()) <= limit or name.startswith("lab."), f"{name} is over {limit} lines"


def test_the_training_path_is_read_in_an_hour():
    # 700 before snapshots, steps in the hand, late interrupts and the checks of parts that do not go together.
    assert sum(code_lines(PACKAGE / f"{name}.py") for name in TRAINING_PATH) <= 940


def test_the_door_is_light():
    """`import minnet` loads, beside NumPy, nothing that takes long: no other package, not even NumPy's own random."""
    heavy = {
        "sklearn",
        "pandas",
        "matplotlib",
        "scipy",
        "rich",
        "typer",
        "joblib",
        "safetensors",
        "onnx",
        "threadpoolctl",
        "decimal",
    }
    code = "import sys, numpy; there = {*sys.modules}; import minnet; print(*({*sys.modules} - there))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "minnet.network" in loaded
    assert not {name.partition(".")[0] for name in loaded} & heavy
    assert "numpy.random" not in loaded


def test_every_name_is_there_however_it_is_asked_for():
    """Those of minnet.later too: by dir, by attribute, by star, beside a module of the same name, and no other."""
    code = (
        "import minnet, minnet.datasheet, minnet.orthogonal\nassert {*minnet.__all__} <= {*dir(minnet)}\n"
        "from minnet import train, datasheet\nassert minnet.train is train and callable(datasheet)\n"
        "from minnet import *\nassert {*minnet.__all__} <= {*globals()} and not hasattr(minnet, 'nothing')\n"
        "assert not [name for name in minnet.__all__ if type(globals()[name]) is type(minnet)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# What people call besides minnet.__all__, minnet.checks and minnet.exports.
CALLED = {
    "minnet.lab.compare": ("compare",),
    "minnet.lab.conditions": ("activation", "mlp"),
    "minnet.lab.datasets": ("dataset",),
    "minnet.lab.statistics": ("all_pairs", "holm", "mean_interval", "paired_p", "superiority"),
    "minnet.lab.tables": ("read_table",),
    "minnet.shown": ("as_html",),
}
# Examples too long for a docstring, or that several names share; they run where they stand.
README = (Path(__file__).parents[1] / "README.md").read_text()
ELSEWHERE = {
    "compare": README,
    "differentiate": minnet.checks.__doc__,
    "gradient_error": minnet.checks.__doc__,
    "train": README,
}
PUBLIC = [
    *((module, name) for module in (minnet, minnet.checks, minnet.exports) for name in module.__all__),
    *((import_module(module), name) for module, names in CALLED.items() for name in names),
]


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=lambda part: getattr(part, "__name__", part))
def test_every_public_name_has_a_docstring_with_an_example(module, name):
    value = getattr(module, name)
    if not isinstance(value, type | FunctionType):  # a ready-made loss or initializer is documented with its class
        value = type(value)
    if value is tuple:  # the catalogue: each of its members is tried
        return
    assert value.__doc__
    if name in ELSEWHERE:
        assert any(f"{name}(" in example.source for example in DocTestParser().get_examples(ELSEWHERE[name]))
    else:
        assert ">>> " in value.__doc__, f"{name} has no example"


def test_code_lines_counts_code_only(tmp_path):
    path = tmp_path / "some.py"
    path.write_text('"""Doc."""\n\n# comment\ndef f():\n    """Doc.\n\n    More.\n    """\n    return 1  # code\n')
    assert code_lines(path) == 2
