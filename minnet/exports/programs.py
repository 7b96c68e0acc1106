"""The source text of a short program that rebuilds a trained network elsewhere."""

import io
import os
import sys
from pathlib import Path
from textwrap import fill, indent
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from minnet.checkpoints import save
from minnet.exports.numpy_code import RULES as NUMPY_RULES
from minnet.exports.numpy_code import numpy_code
from minnet.exports.parts import checked
from minnet.exports.sklearn_code import KNOWN, sklearn_code
from minnet.exports.torch_code import RULES as TORCH_RULES
from minnet.exports.torch_code import torch_code
from minnet.files import replace_file
from minnet.layers import Layer, Residual
from minnet.network import Network
from minnet.overwriting import check_output
from minnet.settings import Array, require
from minnet.state_dict import views

Target = Literal["torch", "numpy", "sklearn"]
INLINE = 500  # as many numbers stand in the program itself; more of them go to a file beside it
_KNOWN: dict[str, tuple[str, set[type[Layer]]]] = {
    "torch": ("PyTorch", {*TORCH_RULES, Residual}),
    "numpy": ("plain NumPy", {*NUMPY_RULES, Residual}),
    "sklearn": ("scikit-learn's MLP", KNOWN),
}
_IMPORTS = {
    "torch": ["import torch", "from torch import nn"],
    "numpy": ["import numpy as np"],
    "sklearn": ["import numpy as np", "from sklearn.neural_network import {estimator}"],
}


def to_code(network: Network, theta: npt.ArrayLike, target: Target, path: str | os.PathLike[str] | None = None) -> str:
    """A program that rebuilds the network as `network`, for PyTorch, plain NumPy or scikit-learn; theta (P,).

    In PyTorch `network` is a module in evaluation mode, in NumPy a function x (batch, n_in) -> (batch, n_out). In
    scikit-learn it is an MLPRegressor, or an MLPClassifier if the network ends in Softmax() or in one Sigmoid():
    Network(*network.layers, Softmax()) has the same theta.

    With a `path` the program is written there, and with over 500 numbers also a file of weights beside it, under the
    same name: for PyTorch .safetensors, as minnet.save writes it, else .npz. These go over an earlier program's weights
    only, never over another file. Raises ValueError for what has no counterpart there, and for replicas: pick theta[k].

    >>> from minnet import Dense, Network, Tanh
    >>> print(to_code(Network(Dense(1, 2), Tanh()), np.array([0.5, -1, 0, 0.25]), "numpy"))
    \"\"\"Network(Dense(1, 2), Tanh()): written by minnet.\"\"\"
    <BLANKLINE>
    import numpy as np
    <BLANKLINE>
    w = {
        "0.W": np.array([[ 0.5, -1. ]], np.float64),
        "0.b": np.array([[0.  , 0.25]], np.float64),
    }
    <BLANKLINE>
    <BLANKLINE>
    def network(x):
        \"\"\"x (batch, 1) -> (batch, 2).\"\"\"
        x = np.asarray(x, np.float64)
        x = x @ w["0.W"] + w["0.b"]
        x = np.tanh(x)
        return x
    <BLANKLINE>
    """
    require(target in get_args(Target), f"target has to be 'torch', 'numpy' or 'sklearn', got {target!r}")
    it = checked(network, theta, *_KNOWN[target])
    require(
        network.size <= INLINE or path is not None,
        f"{network.size} parameters are too many for a program of their own, which holds up to {INLINE}: give a path, "
        "and the weights are written beside it",
    )
    file = None if path is None else weights_file(network, target, path)
    weights = views(network, np.asarray(theta)) if target == "torch" else it.weights
    imports, numbers = list(_IMPORTS[target]), _numbers(weights, target, file.name if file else None)
    if target == "torch":
        body = f"{torch_code(it)}\n{numbers}\nnetwork.load_state_dict(w)\nnetwork.eval()"
    elif target == "numpy":
        body = f"{numbers}\n\n\n{numpy_code(it)}"
    else:
        lines = sklearn_code(it)
        imports[1] = imports[1].format(estimator=lines.split("(")[0].split()[-1])
        body = f"{numbers}\n{lines}"
    if file:
        imports = ["from pathlib import Path\n", *imports]
        if target == "torch":
            imports.append("from safetensors.torch import load_file")
    space = "\n\n\n" if body.startswith("class") else "\n\n"
    title = repr(network).replace("\\", r"\\").replace('"', r"\"")  # or a setting could end the docstring
    opening = fill(f'"""{title}: written by minnet."""', 110, break_on_hyphens=False)
    text = f"{opening}\n\n" + "\n".join(imports) + space + body + "\n"
    if file:
        check_output(file, "weights")
        if target == "torch":
            save(file, network, np.asarray(theta))
        else:
            packed = io.BytesIO()
            np.savez(packed, allow_pickle=False, **weights)
            replace_file(file, packed.getvalue())
    if path is not None:
        replace_file(Path(path), text.encode())
    return text


def weights_file(network: Network, target: str, path: str | os.PathLike[str]) -> Path | None:
    """Where the weights of a program at `path` go; None if they stand in the program."""
    if network.size <= INLINE:
        return None
    file = Path(path).with_suffix(".safetensors" if target == "torch" else ".npz")
    require(file != Path(path), f"path has to be the program's, such as network.py: its weights go to {file.name!r}")
    return file


def _numbers(weights: dict[str, Array], target: str, file: str | None) -> str:
    """The statement that gives `w`, the weights by name."""
    if file:
        place = f"Path(__file__).with_name({file!r})"
        return f"w = load_file({place})" if target == "torch" else f"w = dict(np.load({place}))"
    make = "torch.tensor" if target == "torch" else "np.array"
    module = "torch" if target == "torch" else "np"
    with np.printoptions(threshold=sys.maxsize, floatmode="unique", linewidth=110):
        lines = [
            f'    "{name}": {make}({_digits(array)}, {"dtype=" * (module == "torch")}{module}.{array.dtype}),'
            for name, array in weights.items()
        ]
    return "\n".join(["w = {", *lines, "}"])


def _digits(array: Array) -> str:
    """The shortest digits that give the same numbers again."""
    text = np.array2string(array, separator=", ")
    return f"\n{indent(text, ' ' * 8)}" if "\n" in text or len(text) > 60 else text
