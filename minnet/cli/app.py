"""The `minnet` command put together: its jobs, their examples, and one line for whatever goes wrong."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import typer
import typer.core

import minnet
from minnet.cli.activations import activations
from minnet.cli.answers import Answer, lost_stdout, visible, with_output_options
from minnet.cli.check import check
from minnet.cli.compare import EPILOG, compare
from minnet.cli.diagnose import diagnose
from minnet.cli.export import export
from minnet.cli.inspect import inspect
from minnet.cli.predict import predict
from minnet.cli.train import train

MODEL = "model.safetensors"
LONGEST = 2000  # letters of what is said to be wrong
EXAMPLES: dict[Callable[..., Answer], list[str]] = {
    compare: [
        "minnet compare",
        "minnet compare --data circles --activations identity,tanh,gelu --hidden 8,8",
        "minnet compare --initialisers recommended,same --optimizers sgd,adam",
        "minnet compare --data my.csv --target species --jobs 2",
        "minnet compare --activations relu,my_module:MyActivation",
        "minnet compare --control null --seeds 10 --epochs 50",
    ],
    train: [
        "minnet train",
        f"minnet train my.csv --target species --hidden 16,16 --out {MODEL}",
        "minnet train --data spirals --activation tanh --optimizer adam --rate 0.01",
        "minnet train --data moons --seeds 20            the mean with its interval",
        "minnet train --data digits --checkpoint run.safetensors",
        "minnet train --data digits --checkpoint run.safetensors --resume",
    ],
    predict: [
        f"minnet predict {MODEL} new.csv > predicted.csv",
        f"minnet predict {MODEL} new.csv --json",
        f"minnet predict {MODEL} new.csv --custom my_module:MyActivation",
    ],
    inspect: [f"minnet inspect {MODEL}", f"minnet inspect {MODEL} --json"],
    diagnose: [f"minnet diagnose {MODEL}", f"minnet diagnose {MODEL} --data my.csv"],
    activations: [
        "minnet activations",
        "minnet activations gelu",
        "minnet activations my_module:MyActivation",
        "minnet activations 'x * tanh(log1p(exp(x)))'",
    ],
    check: [
        "minnet check my_module:MyActivation",
        "minnet check my_module:MyLayer --inputs 4",
        "minnet check my_module:MyLoss --targets labels",
    ],
    export: [
        f"minnet export {MODEL} --to torch -o network.py",
        f"minnet export {MODEL} --to numpy",
        f"minnet export {MODEL} --to onnx -o network.onnx",
    ],
}
ALL = f"""\b
Examples:
  minnet train my.csv --target species --out {MODEL}
  minnet predict {MODEL} new.csv
  minnet compare --data moons --activations identity,tanh,relu
  minnet activations gelu

Results go to stdout, all else to stderr. Exit codes: 0 done; 1 done, and the answer is no: training diverged, a check
found faults, a network is not healthy; 2 bad usage or input. minnet COMMAND --help shows examples of each.
"""


class OneLine(typer.core.TyperGroup):
    """A group of commands that tells what is wrong in one line."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run, and exit."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:  # closed by the caller; or a file that is opened later would take its place
                setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # it stays open
            elif hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a terminal without σ gets a question mark, not a traceback
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except OSError as lost:  # of the help: what went wrong in a command was told there
            code = lost_stdout(lost)
            if not code:
                _say(f"{lost.strerror}: standard output")
                code = 2
        except Exception as caught:
            error: Any = caught  # one of typer's, or of the click that older ones stand on
            if not hasattr(error, "format_message"):
                raise
            # one's own is told as it is; what typer found out, with the option that it stands at
            own = type(error) is typer.BadParameter and getattr(error, "param", None) is None
            _say(str(error) if own else error.format_message())
            code = error.exit_code
        sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    """Tell in one line what is wrong."""
    line = visible(" ".join(message.split()))
    with suppress(OSError):  # what cannot be told there still has its exit code
        print("Error:", line if len(line) <= LONGEST else f"{line[:LONGEST]}...", file=sys.stderr)


app = typer.Typer(cls=OneLine, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True, epilog=ALL)
def _minnet(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Train neural networks, look into them, and find out which activation function they need."""
    if version:
        typer.echo(f"minnet {minnet.__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


for command, examples in EXAMPLES.items():
    text = "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)
    app.command(
        epilog=f"{text}\n\n{EPILOG}" if command in (compare, train) else text,
        short_help="Compare activation functions fairly." if command is compare else None,
    )(with_output_options(command))
