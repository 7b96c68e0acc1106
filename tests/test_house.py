"""The house stands as it was planned: imports point down, the door is light, no file has grown into two ideas."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minnet

PACKAGE = Path(minnet.__file__).parent
# Each module may import those on lower floors only. A module that is missing here has no place in the house yet.
FLOORS = {
    "settings": 0,
    "products": 1,
    "progress": 0,
    "randomness": 1,
    "initializers": 1,
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
    "stopping": 5,
    "training": 6,
    "full_batch": 6,
    "checks.findings": 4,
    "checks.gradients": 4,
    "checks.layers": 5,
    "checks.losses": 5,
    "checks.optimizers": 5,
    "checks.activations": 6,
    "lab.half_plane": 4,
    "lab.datasets": 5,
    "lab.columns": 5,
    "lab.csv_files": 5,
    "lab.statistics": 5,
    "lab.conditions": 6,
    "lab.work": 5,
    "lab.manifest": 6,
    "lab.summary": 6,
    "lab.trials": 7,
    "lab.comparison": 7,
    "lab.tables": 6,
    "lab.compare": 8,
    "lab.controls": 9,
    "lab.expressions": 4,
    "lab.approximation": 7,
    "lab.targets": 6,
    "lab.pieces": 4,
    "lab.collapse": 4,
    "lab.plots": 9,
    "lab.drawing": 10,
    "lab.pictures": 11,
    "lab.report": 12,
    "lab.claims": 12,
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
    "run",
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
    assert sum(code_lines(PACKAGE / f"{name}.py") for name in TRAINING_PATH) < 700


def test_the_door_is_light():
    heavy = "sklearn", "pandas", "matplotlib", "scipy.special", "scipy", "rich", "typer", "joblib"
    code = f"import sys, minnet; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_documented_and_there():
    for name in minnet.__all__:
        value = getattr(minnet, name)
        assert value.__doc__, name


def test_code_lines_counts_code_only(tmp_path):
    path = tmp_path / "some.py"
    path.write_text('"""Doc."""\n\n# comment\ndef f():\n    """Doc.\n\n    More.\n    """\n    return 1  # code\n')
    assert code_lines(path) == 2
