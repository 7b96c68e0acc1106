"""Does a network need an activation function, and does it matter which?

Linear-only, sigmoid, tanh and ReLU networks learn the same data from the same seeds. Each activation gets the learning
rate that serves it best on validation data; then every one is trained anew on fresh seeds and scored on test points.
Beside it stands the best that any straight line could do on those test points, computed exactly: no network without
activations, however deep, can pass it.

    python experiments/compare_activations.py --data circles --activations identity,tanh,gelu --hidden 8,8
    python experiments/compare_activations.py --initialisers recommended,same --optimizers sgd,adam
    python experiments/compare_activations.py --control null --repeats 100 --seeds 10 --epochs 50

It is what `minnet compare` does: the options and what they lead to stand in minnet/cli/compare.py.
"""

import typer

from minnet.cli.answers import printed
from minnet.cli.compare import EPILOG, compare

if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
    app.command(epilog=EPILOG)(printed(compare))
    app()
