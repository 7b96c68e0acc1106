"""A network as scikit-learn's own multilayer perceptron, which knows one activation for all hidden layers."""

from minnet.activations import Identity, ReLU, Sigmoid, Tanh
from minnet.dropout import Dropout
from minnet.exports.parts import Checked, parts
from minnet.layers import Dense, Layer
from minnet.settings import require
from minnet.softmax import Softmax

NAMES: dict[type[Layer], str] = {Sigmoid: "logistic", Tanh: "tanh", ReLU: "relu"}
KNOWN: set[type[Layer]] = {*NAMES, Identity, Dropout, Dense, Softmax}


def sklearn_code(checked: Checked) -> str:
    """An MLPClassifier if the network ends in Softmax or in one Sigmoid, else an MLPRegressor that gives its outputs.

    `w` of the program holds the weights by name. `partial_fit` is the public way to set an estimator's sizes.
    """
    layers = [layer for layer in parts(checked.network) if type(layer) not in (Dropout, Identity)]
    ends = Softmax if checked.n_out > 1 else Sigmoid
    end = type(layers.pop()) if layers and type(layers[-1]) is ends else Identity
    activation = _hidden_activation(checked, layers)
    sizes = tuple(layer.n_out for layer in layers if isinstance(layer, Dense))[:-1]
    settings = f'hidden_layer_sizes={sizes}, activation="{activation}"'
    W, b = [f'w["{name}"]' for name in checked.weights][::2], [f'w["{name}"][0]' for name in checked.weights][1::2]
    row = f"np.zeros((1, {checked.n_in}), np.{checked.dtype})"
    if end is Identity:
        text = f"network = MLPRegressor({settings})  # predict gives the network's outputs"
        text += f"\nnetwork.partial_fit({row}, np.zeros({1 if checked.n_out == 1 else (1, checked.n_out)}))"
    else:
        text = f"network = MLPClassifier({settings})  # predict_proba gives the network's outputs"
        text += f"\nnetwork.partial_fit({row}, [0], classes=range({max(checked.n_out, 2)}))"
    text += "  # sets the sizes; the weights follow"
    if end is Softmax and checked.n_out == 2:
        text += "\n# Two classes are one output there: the log-odds of the second, the difference of both logits."
        W[-1], b[-1] = f"{W[-1]}[:, 1:] - {W[-1]}[:, :1]", f"{b[-1]}[1:] - {b[-1]}[:1]"
    return f"{text}\nnetwork.coefs_ = [{', '.join(W)}]\nnetwork.intercepts_ = [{', '.join(b)}]"


def _hidden_activation(checked: Checked, layers: list[Layer]) -> str:
    """scikit-learn's name of what stands between all Dense layers; ValueError if that is not one and the same."""
    dense, between = [type(layer) for layer in layers[::2]], {type(layer) for layer in layers[1::2]}
    if layers and {*dense, *between} == {Dense}:
        return "identity"
    require(
        {*dense} == {Dense} and len(layers) % 2 == 1 and len(between) <= 1 and between <= {*NAMES},
        "scikit-learn's MLP is Dense layers with the same one of Identity, Sigmoid, Tanh and ReLU between all of them, "
        f"at the end Softmax on several outputs or Sigmoid on one, or nothing; this is {checked.network!r}",
    )
    return NAMES[between.pop()]
