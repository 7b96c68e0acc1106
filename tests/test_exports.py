"""What leaves for ONNX Runtime, PyTorch, plain NumPy and scikit-learn computes there what it computes here.

PyTorch needs the extra `bench`, ONNX the extra `onnx`; without them those targets are skipped.
"""

import runpy
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import minnet as mn
from minnet import Dense, Network, ReLU, Residual, Sigmoid, Softmax, Tanh
from minnet.exports import to_code, to_onnx
from minnet.exports.onnx_model import RULES
from minnet.exports.programs import INLINE

VARIANTS = [mn.LeakyReLU(0.3), mn.ELU(1.5), mn.CELU(2.0), mn.SiLU(1.7), mn.Sine(1.0), mn.Snake(3.0)]
LAYERS = [
    mn.PReLU(), mn.PReLU(5), mn.LearnedSwish(), mn.LearnedSwish(5), mn.Maxout(5, 5, 3), mn.LayerNorm(5),
    mn.BatchNorm(5), mn.LayerNorm(5, 0.1), mn.BatchNorm(5, 0.1), mn.Dropout(0.3), Softmax(), mn.LogSoftmax(),
    Residual(Dense(5, 5)), Network(Dense(5, 7), Tanh(), Dense(7, 5)), Dense(5, 1),
    Residual(Network(mn.LayerNorm(5), Residual(Network(Dense(5, 5), mn.PReLU(5))), mn.BatchNorm(5))),
]  # fmt: skip
EVERY = [*mn.CATALOGUE, *VARIANTS, *LAYERS]
NETWORKS = [
    Network(
        Dense(3, 5, getattr(layer, "weight_init", mn.glorot_uniform)), layer, Dense(1 if layer == EVERY[-2] else 5, 2)
    )
    for layer in EVERY
]
NETWORKS += [Network(layer) for layer in (*mn.CATALOGUE, *VARIANTS)]
NETWORKS += [
    Network(Dense(3, 30), Sigmoid(), Dense(30, 20), Tanh(), Dense(20, 4), Softmax()),  # its weights go to a file
    Network(mn.BatchNorm(3), mn.Dropout()),
    Network(mn.Identity()),
    Network(),
]
SKLEARN = [
    Network(Dense(3, 1)),
    Network(Dense(3, 2), Dense(2, 4)),
    Network(Dense(3, 6), Tanh(), Dense(6, 2)),
    Network(Dense(3, 6), ReLU(), mn.Dropout(), Dense(6, 4), ReLU(), Dense(4, 1), mn.Identity()),
    Network(Dense(3, 6), Sigmoid(), Dense(6, 1), Sigmoid()),
    Network(Dense(3, 6), mn.Identity(), Dense(6, 2), Softmax()),
    Network(Network(Dense(3, 20), Tanh()), Dense(20, 20), Tanh(), Dense(20, 3), Softmax()),
]


def parts(network, dtype=np.float32):
    """theta of every kind of number, and inputs of every size that a network meets."""
    rng = np.random.default_rng(0)
    theta = network.init_theta(0, np.float64)
    for parameter, array in zip(network.parameters, mn.Layer.unpack(network, theta), strict=True):
        array[...] += rng.uniform(0.1, 0.3, array.shape) if parameter.role != "weight" else 0
    x = np.concatenate([rng.normal(size=(80, 3)), np.zeros((1, 3))])
    if not network.parameters:  # an activation alone, on one feature: its tails too
        x = np.concatenate([x[:, :1], np.linspace(-40, 40, 401)[:, None]])
    return theta.astype(dtype), x.astype(dtype)


def agree(network, theta, x, y):
    """To 1e-6 in float32, where the outputs are of the size of 1."""
    expected = network(theta, x)
    assert y.shape == expected.shape
    assert y.dtype == expected.dtype
    limit = 1e-6 if theta.dtype == np.float32 else 1e-12
    assert (abs(y - expected) / np.maximum(1, abs(expected))).max() <= limit


def from_torch(network, theta, x, path):
    torch = pytest.importorskip("torch")
    to_code(network, theta, "torch", path)
    with torch.inference_mode():
        return runpy.run_path(str(path))["network"](torch.tensor(x)).numpy()


def from_numpy(network, theta, x, path):
    to_code(network, theta, "numpy", path)
    return runpy.run_path(str(path))["network"](x)


def from_onnx(network, theta, x, path):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    to_onnx(network, theta, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def from_sklearn(network, theta, x, path):
    to_code(network, theta, "sklearn", path)
    estimator = runpy.run_path(str(path))["network"]
    if hasattr(estimator, "predict_proba"):
        y = estimator.predict_proba(x)
        return y[:, 1:] if network(theta, x).shape[1] == 1 else y
    return estimator.predict(x).reshape(len(x), -1)


@pytest.mark.parametrize("run", [from_numpy, from_torch, from_onnx])
@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_every_layer_agrees_to_1e_6(network, run, tmp_path):
    theta, x = parts(network)
    agree(network, theta, x, run(network, theta, x, tmp_path / "net.py"))


@pytest.mark.parametrize("run", [from_numpy, from_torch])
@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_programs_keep_float64(network, run, tmp_path):
    theta, x = parts(network, np.float64)
    agree(network, theta, x, run(network, theta, x, tmp_path / "net.py"))


@pytest.mark.parametrize("network", SKLEARN, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sklearn_agrees(network, dtype, tmp_path):
    theta, x = parts(network, dtype)
    agree(network, theta, x, from_sklearn(network, theta, x, tmp_path / "net.py"))


def test_every_layer_of_the_engine_is_among_those_tried():
    tried = {type(layer) for layer in EVERY}
    own = {value for name in mn.__all__ if isinstance(value := getattr(mn, name), type)}
    abstract = {mn.Layer, mn.Activation, Network, mn.Elementwise}
    assert {kind for kind in own if issubclass(kind, mn.Layer)} - abstract <= tried
    assert {*RULES} <= tried | {Network}


@pytest.mark.parametrize("target", ["numpy", "torch", "sklearn"])
def test_a_program_runs_by_itself_without_minnet(target, tmp_path):
    if target == "torch":
        pytest.importorskip("torch")
    network = SKLEARN[-1]
    assert network.size > INLINE
    theta, x = parts(network)
    to_code(network, theta, target, tmp_path / "net.py")
    use = {
        "numpy": "network(x)",
        "torch": "network(net.torch.tensor(x)).detach().numpy()",
        "sklearn": "network.predict_proba(x)",
    }
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np, net\nfrom net import network\nx = np.load('x.npy')\n"
        f"np.save('y.npy', {use[target]})\nassert 'minnet' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
    agree(network, theta, x, np.load(tmp_path / "y.npy"))


@pytest.mark.parametrize("target", ["numpy", "torch", "sklearn"])
def test_the_text_is_the_file_and_weights_stand_in_it_or_beside_it(target, tmp_path):
    small, large = SKLEARN[2], SKLEARN[-1]
    text = to_code(small, parts(small)[0], target, tmp_path / "small.py")
    assert text == (tmp_path / "small.py").read_text() == to_code(small, parts(small)[0], target)
    assert [path.name for path in tmp_path.iterdir()] == ["small.py"]
    assert max(map(len, text.splitlines())) <= 120
    to_code(large, parts(large)[0], target, tmp_path / "large.py")
    suffix = "safetensors" if target == "torch" else "npz"
    assert {path.name for path in tmp_path.iterdir()} == {"small.py", "large.py", f"large.{suffix}"}
    assert len((tmp_path / "large.py").read_text().splitlines()) < 35
    if target == "torch":  # the same file is a saved network
        assert mn.load(tmp_path / "large.safetensors").network == large
    with pytest.raises(ValueError, match=r"563 parameters are too many for a program of their own.* give a path"):
        to_code(large, parts(large)[0], target)


def test_torch_trains_on_what_it_is_given(tmp_path):
    torch = pytest.importorskip("torch")
    network = Network(Dense(3, 30), Sigmoid(), mn.Maxout(30, 3), mn.LearnedSwish())
    theta, x = parts(network)
    to_code(network, theta, "torch", tmp_path / "net.py")
    module = runpy.run_path(str(tmp_path / "net.py"))["network"]
    module(torch.tensor(x)).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert sum(parameter.numel() for parameter in module.parameters()) == network.size


@dataclass(frozen=True)
class Shifted(Sigmoid):
    def __call__(self, x):
        return Sigmoid()(x - 1)


def export(network, theta, target):
    return to_onnx(network, theta) if target == "onnx" else to_code(network, theta, target)


@pytest.mark.parametrize("target", ["numpy", "torch", "onnx", "sklearn"])
@pytest.mark.parametrize(
    ("layer", "name"),
    [(mn.Elementwise(np.tanh), r"Elementwise\(tanh\)"), (Shifted(), r"Shifted\(\).*: it is one of your own")],
)
def test_what_is_the_users_own_is_refused_by_name(layer, name, target):
    for network in (Network(layer), Network(Residual(Network(Tanh(), layer)))):
        if target == "sklearn" and len(network.layers) and isinstance(network.layers[0], Residual):
            name = "Residual"
        with pytest.raises(ValueError, match=rf"^[^\n]*{name}[^\n]*$") as refused:
            export(network, network.init_theta(0), target)
        assert "cannot be exported" in str(refused.value)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Network(Dense(3, 2), mn.GELU(), Dense(2, 1)), r"GELU\(\) cannot be exported, scikit-learn's MLP has no count"),
        (Network(Dense(3, 3), mn.LayerNorm(3)), "LayerNorm"),
        (Network(Residual(Dense(3, 3))), r"^Residual\(Dense\(3, 3\)\) cannot"),
        (Network(Dense(3, 2), Tanh(), Dense(2, 2), ReLU(), Dense(2, 1)), "the same one of .* this is Network"),
        (Network(Dense(3, 2), Tanh(), Dense(2, 2), Dense(2, 1)), "the same one of"),
        (Network(Dense(3, 2), Tanh()), "the same one of"),
        (Network(Tanh(), Dense(3, 2)), "the same one of"),
        (Network(Dense(3, 2), Sigmoid()), "Sigmoid on one"),
        (Network(Dense(3, 2), Softmax(), Dense(2, 2)), "the same one of"),
        (Network(Tanh()), "the same one of"),
        (Network(), "the same one of"),
    ],
)
def test_sklearn_refuses_what_its_mlp_is_not(network, message):
    with pytest.raises(ValueError, match=message):
        to_code(network, network.init_theta(0), "sklearn")


@pytest.mark.parametrize("target", ["numpy", "torch", "onnx", "sklearn"])
def test_bad_input_is_refused(target):
    network = Network(Dense(3, 2), Tanh(), Dense(2, 2))
    with pytest.raises(ValueError, match=r"got theta of shape \(4, 14\): pick one, theta\[k\]"):
        export(network, network.init_theta(range(4)), target)
    with pytest.raises(ValueError, match=r"of shape \(14,\) for this network, got float32 \(13,\)"):
        export(network, network.init_theta(0)[1:], target)
    with pytest.raises(ValueError, match="got int64"):
        export(network, np.zeros(14, int), target)
    with pytest.raises(ValueError, match="theta has to be finite"):
        export(network, np.full(14, np.nan), target)
    with pytest.raises(ValueError, match="only a Network can be exported"):
        export(Tanh(), np.zeros(0), target)
    wrong = Network(Dense(3, 2), Tanh(), Dense(3, 2))
    with pytest.raises(ValueError, match=r"layer 2: Dense\(3, 2\) expects 3 input features"):
        export(wrong, wrong.init_theta(0), target)


def test_an_unknown_target_is_refused():
    with pytest.raises(ValueError, match="'torch', 'numpy' or 'sklearn', got 'jax'"):
        to_code(Network(), np.zeros(0, "f4"), "jax")


def test_without_onnx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"minnet-nn\[onnx\]"):
        to_onnx(Network(Tanh()), np.zeros(0, "f4"))


def test_onnx_takes_any_batch_and_says_its_sizes():
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    network = Network(Residual(mn.PReLU()), Dense(1, 8), mn.GELU(), Dense(8, 2))
    model = to_onnx(network, network.init_theta(0, np.float64))
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [session.get_inputs()[0].shape, session.get_outputs()[0].shape] == [["batch", 1], ["batch", 2]]
    for n in (1, 7):
        assert session.run(None, {"x": np.ones((n, 1), "f4")})[0].shape == (n, 2)
