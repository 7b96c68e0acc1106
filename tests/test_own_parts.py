"""Parts of one's own that are no parts: on the command line each is refused in one line, never by a traceback."""

import pytest
from typer.testing import CliRunner

from minnet.cli.app import app

MODULE = """
from dataclasses import dataclass
from minnet import Activation, Dense, Network
from minnet.allowed import Count

def nothing(n_in, n_out): return None
def dense(n_in, n_out): return Dense(n_in, n_out)
def no_arguments(): return Network(Dense(2, 2))
def fails(n_in, n_out): raise KeyError("two\\nlines")
number = 3

@dataclass(frozen=True, repr=False)
class Line(Activation):
    def __call__(self, x): return x
    def derivative(self, x): return 0 * x + 1

@dataclass(frozen=True, repr=False)
class Needs(Line):
    a: float

class Breaks(Line):
    def __init__(self): raise RuntimeError("broken")

class Abstract(Activation):
    def __call__(self, x): return x

class Fails(Line):
    def __call__(self, x): raise KeyError("never")

class ReturnsNone(Line):
    def derivative(self, x): return None

class Sums(Line):
    def __call__(self, x): return x.sum(axis=-1)
"""
FACTORIES = {
    "nothing": "has to make a Network of (n_in, n_out), got None",
    "dense": "has to make a Network of (n_in, n_out), got Dense(2, 2)",
    "no_arguments": "cannot be called with (2, 2): TypeError",
    "fails": "cannot be called with (2, 2): KeyError",
}
ACTIVATIONS = {
    "number": "has to be an Activation or a function",
    "Needs": "missing 1 required positional argument: 'a'; make one, say EXAMPLE = Needs(...)",
    "Breaks": "RuntimeError: broken",
    "Abstract": "abstract method",
    "Fails": "KeyError: 'never'",
    "ReturnsNone": "has to act element by element",
    "Sums": "has to act element by element",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "strange_parts.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [*arguments])


@pytest.mark.parametrize(("name", "message"), [*FACTORIES.items(), *ACTIVATIONS.items()])
def test_train_and_compare_refuse_what_is_no_part(run, name, message):
    part = f"strange_parts:{name}"
    for command in (
        f"train --activation {part} --epochs 1",
        f"compare --activations relu,{part} --epochs 1 --seeds 2 --jobs 1",
    ):
        _refused(run(*command.split()), message)


@pytest.mark.parametrize(("name", "message"), ACTIVATIONS.items())
def test_activations_refuses_what_is_no_part(run, name, message):
    _refused(run("activations", f"strange_parts:{name}"), message)


@pytest.mark.parametrize("name", ["Needs", "Breaks", "Abstract", "nothing"])
def test_check_refuses_what_it_cannot_make(run, name):
    _refused(
        run("check", f"strange_parts:{name}"), "cannot be made without" if name[0].isupper() else "is no Activation"
    )


def test_check_makes_what_has_counts_and_rates(run):
    for name in ("minnet:Dense", "minnet:SGD", "minnet:Tanh"):
        assert run("check", name).exit_code == 0


@pytest.mark.parametrize("text", ["x/0", "log(-x*x-1)", "1", "x + ", "0*x/0"])
def test_a_formula_that_is_no_activation_is_refused(run, text):
    _refused(run("activations", text), "")


def test_x_is_a_formula_too(run):
    assert "Identity()" in run("activations", "x").stdout


def _refused(result, message):
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    text = " ".join(result.output.replace("│", " ").split())
    assert message in text, text
