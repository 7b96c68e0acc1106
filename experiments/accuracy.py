"""How accurate are the activations of minnet, and what does the accuracy cost?

Both answers stand beside PyTorch, JAX and scipy on the same numbers; a peer that is not installed is left out by name.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from mpmath import mpf

import minnet as mn
from minnet.settings import Array

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # the mpmath reference of the tests
from reference import error_in_ulp, exact, reference, sample  # type: ignore[import-not-found]  # found by path

Function = Callable[[Array], Array]
Peer = dict[mn.Activation, tuple[Function, Function | None]]


def pytorch() -> Peer:
    """torch.nn.functional, and the textbook expression where it has none."""
    import torch

    torch.set_num_threads(1)
    f = torch.nn.functional
    functions: dict[mn.Activation, Callable[[Any], Any]] = {
        mn.Sigmoid(): torch.sigmoid, mn.Tanh(): torch.tanh, mn.ReLU(): f.relu, mn.LeakyReLU(): f.leaky_relu,
        mn.ELU(): f.elu, mn.CELU(): f.celu, mn.SELU(): f.selu, mn.Softplus(): f.softplus, mn.Softsign(): f.softsign,
        mn.GELU(): f.gelu, mn.GELU(approximate="tanh"): lambda x: f.gelu(x, approximate="tanh"), mn.SiLU(): f.silu,
        mn.Mish(): f.mish, mn.HardSigmoid(): f.hardsigmoid, mn.HardTanh(): f.hardtanh, mn.HardSwish(): f.hardswish,
        mn.ReLU6(): f.relu6, mn.LogSigmoid(): f.logsigmoid,
        mn.Gaussian(): lambda x: torch.exp(-x * x), mn.Sine(): lambda x: torch.sin(30 * x),
        mn.Snake(): lambda x: x + torch.sin(x) ** 2,
    }  # fmt: skip

    def pair(function: Callable[[Any], Any]) -> tuple[Function, Function]:
        def derivative(x: Array) -> Array:
            leaf = torch.tensor(x, requires_grad=True)
            return torch.autograd.grad(function(leaf).sum(), leaf)[0].numpy()

        return lambda x: function(torch.tensor(x)).numpy(), derivative

    return {activation: pair(function) for activation, function in functions.items()}


def jax() -> Peer:
    """jax.nn, and the textbook expression where it has none."""
    os.environ["JAX_ENABLE_X64"] = "1"  # before jax is imported
    import jax
    import jax.numpy as jnp

    f = jax.nn
    functions: dict[mn.Activation, Callable[[Any], Any]] = {
        mn.Sigmoid(): f.sigmoid, mn.Tanh(): jnp.tanh, mn.ReLU(): f.relu, mn.LeakyReLU(): f.leaky_relu, mn.ELU(): f.elu,
        mn.CELU(): f.celu, mn.SELU(): f.selu, mn.Softplus(): f.softplus, mn.Softsign(): f.soft_sign,
        mn.GELU(): lambda x: f.gelu(x, approximate=False), mn.GELU(approximate="tanh"): f.gelu, mn.SiLU(): f.silu,
        mn.Mish(): f.mish, mn.HardSigmoid(): f.hard_sigmoid, mn.HardTanh(): f.hard_tanh, mn.HardSwish(): f.hard_silu,
        mn.ReLU6(): f.relu6, mn.LogSigmoid(): f.log_sigmoid,
        mn.Gaussian(): lambda x: jnp.exp(-x * x), mn.Sine(): lambda x: jnp.sin(30 * x),
        mn.Snake(): lambda x: x + jnp.sin(x) ** 2,
    }  # fmt: skip

    def pair(function: Callable[[Any], Any]) -> tuple[Function, Function]:
        slope = jax.vmap(jax.grad(function))
        return lambda x: np.asarray(function(jnp.asarray(x))), lambda x: np.asarray(slope(jnp.asarray(x)))

    return {activation: pair(function) for activation, function in functions.items()}


def scipy() -> Peer:
    """scipy.special has values only."""
    from scipy.special import expit, log_expit, ndtr

    return {
        mn.Sigmoid(): (expit, None),
        mn.LogSigmoid(): (log_expit, None),
        mn.GELU(): (lambda x: x * ndtr(x), None),
    }


def installed() -> Iterator[tuple[str, Peer]]:
    """The peers; those that are not there are named."""
    for name, load in (("PyTorch", pytorch), ("JAX", jax), ("scipy", scipy)):
        try:
            peer = load()
        except ImportError:
            typer.echo(f"{name} is not installed and left out.")
        else:
            yield name, peer


def worst(true: list[Any], x: Array, function: Function | None, normal: bool) -> str:
    """The largest error in ULP, in few characters."""
    if function is None:
        return ""
    info = np.finfo(x.dtype)
    with np.errstate(all="ignore"):
        pairs = zip(true, x, function(x), strict=True)
        errors = [
            error_in_ulp(t, float(y), info)
            for t, at, y in pairs
            if not normal or (abs(at) >= info.tiny and (t == 0 or abs(t) >= float(info.tiny)))
        ]
    error = max(errors)
    return f"{error:.1f}" if error < 1000 else f"{error:.0e}".replace("e+0", "e").replace("e+", "e")


def accuracy(peers: list[tuple[str, Peer]], points: int, normal: bool = False) -> None:
    """Print the largest errors."""
    for dtype in (np.float32, np.float64):
        x = sample(dtype, points, 7)
        x = x[~np.isin(np.abs(x), [0, 1, 3, 6])]  # at kinks the slope is a convention
        what = "normal numbers with normal results" if normal else "the whole range"
        typer.echo(f"\nLargest error in ULP over {len(x)} {dtype.__name__}, {what}: value, derivative")
        typer.echo(f"{'':26}" + "".join(f"{name:>16}" for name in ("minnet", *(name for name, _ in peers))))
        for activation in mn.CATALOGUE:
            pairs = [(activation, activation.derivative), *(peer.get(activation, (None, None)) for _, peer in peers)]
            value, slope = ([exact(f, mpf(float(v))) for v in x] for f in reference(activation))
            cells = (f"{worst(value, x, f, normal):>8}{worst(slope, x, df, normal):>8}" for f, df in pairs)
            typer.echo(f"{activation!r:26}" + "".join(cells).rstrip())
    typer.echo("inf: not finite where the true value is. JAX takes subnormal numbers for 0: see --normal.")


def seconds(function: Callable[..., Any], *arguments: Any) -> float:
    """The shortest of seven timings of one call."""
    function(*arguments)
    start = time.perf_counter()
    function(*arguments)
    repeats = max(1, int(0.01 / (time.perf_counter() - start + 1e-9)))
    timings = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(repeats):
            function(*arguments)
        timings.append((time.perf_counter() - start) / repeats)
    return min(timings)


def torch_seconds(activation: mn.Activation, x: Array) -> tuple[float, float]:
    """PyTorch's value, and its way back once the value is known; NaN where it is not there."""
    try:
        import torch
    except ImportError:
        return float("nan"), float("nan")
    torch.set_num_threads(1)
    f = torch.nn.functional
    names = {mn.GELU(): "gelu", mn.SiLU(): "silu", mn.Mish(): "mish", mn.Softplus(): "softplus", mn.ELU(): "elu",
             mn.CELU(): "celu", mn.SELU(): "selu", mn.ReLU(): "relu", mn.LeakyReLU(): "leaky_relu",
             mn.Softsign(): "softsign", mn.Sigmoid(): "sigmoid", mn.Tanh(): "tanh", mn.HardSigmoid(): "hardsigmoid",
             mn.HardTanh(): "hardtanh", mn.HardSwish(): "hardswish", mn.ReLU6(): "relu6",
             mn.LogSigmoid(): "logsigmoid"}  # fmt: skip
    if activation == mn.GELU(approximate="tanh"):
        function: Callable[[Any], Any] = lambda x: f.gelu(x, approximate="tanh")  # noqa: E731
    elif activation in names:
        function = getattr(f, names[activation])
    else:
        return float("nan"), float("nan")
    plain, leaf = torch.tensor(x), torch.tensor(x, requires_grad=True)
    y, dy = function(leaf), torch.ones_like(plain)
    return seconds(function, plain), seconds(lambda: torch.autograd.grad(y, leaf, dy, retain_graph=True))


def cost(size: int = 65536) -> None:
    """Print ns an element."""
    typer.echo(f"\nns an element at {size} elements, one thread: value, derivative, slope; PyTorch: value, way back")
    typer.echo(f"{'':26}{'minnet float32':>24}{'float64':>24}{'PyTorch float32':>18}{'float64':>16}")
    z = np.random.default_rng(0).standard_normal(size)
    for activation in mn.CATALOGUE:
        mine: list[float] = []
        theirs: list[float] = []
        for dtype in (np.float32, np.float64):
            x = z.astype(dtype)
            y = activation(x)
            mine += [seconds(activation, x), seconds(activation.derivative, x), seconds(activation.slope, x, y)]
            theirs += torch_seconds(activation, x)
        cells = (
            "".join(f"{t / size * 1e9:8.2f}" for t in mine) + "  " + "".join(f"{t / size * 1e9:8.2f}" for t in theirs)
        )
        typer.echo(f"{activation!r:26}{cells}")


class Textbook(mn.Activation):
    """The shortest formulas, as tutorials have them: right in the middle, wrong in the tails."""

    def __init__(self, f: Function, df: Callable[[Array, Array], Array]):
        self.f, self.df = f, df

    def __call__(self, x: Array) -> Array:
        return self.f(x)

    def derivative(self, x: Array) -> Array:
        return self.df(x, self.f(x))

    def slope(self, x: Array, y: Array) -> Array:
        return self.df(x, y)


def textbooks() -> dict[mn.Activation, mn.Activation]:
    from scipy.special import erf

    def silu_slope(x: Array, y: Array) -> Array:
        s = 1 / (1 + np.exp(-x))
        return s * (1 + x * (1 - s))

    def gelu_slope(x: Array, y: Array) -> Array:
        return 0.5 * (1 + erf(x * 0.7071067811865476)) + x * np.exp(-0.5 * x * x) * 0.3989422804014327

    return {
        mn.Tanh(): Textbook(np.tanh, lambda x, y: 1 - y * y),
        mn.Sigmoid(): Textbook(lambda x: 1 / (1 + np.exp(-x)), lambda x, y: y * (1 - y)),
        mn.SiLU(): Textbook(lambda x: x / (1 + np.exp(-x)), silu_slope),
        mn.GELU(): Textbook(lambda x: 0.5 * x * (1 + erf(x * 0.7071067811865476)), gelu_slope),
    }


def step(activation: mn.Activation) -> Callable[[], None]:
    """One step of plain SGD on 2-16-16-2, batch 32, float32."""
    network = mn.Network(mn.Dense(2, 16), activation, mn.Dense(16, 16), activation, mn.Dense(16, 2))
    theta = network.init_theta(0)
    gradient = np.zeros_like(theta)
    params, grads = network.unpack(theta), network.unpack(gradient)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 2)).astype(np.float32)
    target = mn.softmax_cross_entropy.encode(rng.integers(0, 2, 32), 2, np.float32)
    sgd = mn.SGD(0.01)
    state = sgd.init(theta, network.parameters)

    def run() -> None:
        y, backward = network.forward(params, x)
        backward(mn.softmax_cross_entropy(y, target)[1], grads, need_dx=False)
        sgd.step(theta, gradient, state)

    return run


def steps(rounds: int = 400, burst: int = 25) -> None:
    """Print the training step beside the one with textbook formulas: alternating bursts, the median of their ratios."""
    typer.echo("\nA training step of 2-16-16-2, batch 32, float32, beside the shortest textbook formulas")
    typer.echo(f"{'':14}{'minnet µs':>10}{'textbook µs':>12}{'ratio':>8}   (quartiles of the paired ratios)")
    for activation, plain in textbooks().items():
        runs = step(activation), step(plain)
        times = np.empty((rounds, 2))
        for i in range(rounds):
            for j in (0, 1) if i % 2 else (1, 0):
                start = time.perf_counter()
                for _ in range(burst):
                    runs[j]()
                times[i, j] = (time.perf_counter() - start) / burst
        ratios = times[:, 0] / times[:, 1]
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        mine, theirs = np.median(times, axis=0) * 1e6
        typer.echo(f"{activation!r:14}{mine:10.1f}{theirs:12.1f}{middle:8.3f}   ({low:.3f} to {high:.3f})")


def main(
    points: Annotated[int, typer.Option(help="Numbers a function and dtype, about.")] = 2000,
    normal: Annotated[bool, typer.Option(help="Leave out subnormal numbers and results.")] = False,
    rounds: Annotated[int, typer.Option(help="Paired bursts of training steps.")] = 400,
) -> None:
    """Print the tables of accuracy and of cost."""
    accuracy(list(installed()), points, normal)
    cost()
    steps(rounds)


if __name__ == "__main__":
    typer.run(main)
