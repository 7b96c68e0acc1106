"""One example through a small network and back, each number printed beside its formula, to be checked by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from minnet.activations import Activation
from minnet.lab.probes import Visit, walk
from minnet.layers import Dense, Residual
from minnet.losses import Loss, MeanSquaredError, mse
from minnet.network import Network
from minnet.settings import Array, require, require_finite

MOST = 200  # parameters: more than that nobody checks by hand
DENOMINATOR = 10**6  # the largest of a fraction that is printed as one
Show = Callable[[float], str]


@dataclass(frozen=True, repr=False)
class Trace:
    """What `trace` found, in float64: print it, or take the numbers. `value` is L, and `dy` its gradient (n_out,).

    Printed are fractions if all numbers are, else six digits. theta, gradient and after: (P,).
    """

    theta: Array
    x: Array
    target: Array
    loss: Loss
    rate: float | None
    visits: tuple[Visit, ...]
    value: float
    dy: Array

    @property
    def gradient(self) -> Array:
        """∂L/∂theta."""
        return np.concatenate([np.zeros(0), *(np.ravel(array) for visit in self._leaves for array in visit.grads)])

    @property
    def after(self) -> Array:
        """Theta after one step of gradient descent; as it was if no rate was given."""
        return self.theta - (self.rate or 0.0) * self.gradient

    def __str__(self) -> str:
        show, names = self._show(), self._names()
        lines = [f"x = {_row(self.x, show)}, target t = {_row(self.target, show)}"]
        lines += ["Units are counted from 1; W[i,j] leads from unit i to unit j.", "", "The way there"]
        for visit, name in zip(self.visits, names, strict=True):
            lines += _there(visit, name, show)
        lines += ["", f"The loss, {self.loss}", *_of_loss(self, names[-1][1], show), "", "The way back"]
        backwards = sorted(range(len(names)), key=lambda i: _place(self.visits[i]), reverse=True)
        for i in backwards:  # layer 1 after 1.1 and 1.0, which are inside
            lines += _back(self.visits[i], names[i], show)
        if self.rate is not None:
            lines += ["", f"The update, with η = {show(self.rate)}: W ← W − η ∂L/∂W", *self._updates(show)]
        return "\n".join(lines)

    @property
    def _leaves(self) -> list[Visit]:
        """The Visits of layers that have no layers inside, in the order of theta."""
        paths = [visit.path for visit in self.visits]
        return [v for v in self.visits if not any(path.startswith(f"{v.path}.") for path in paths)]

    def _names(self) -> list[tuple[str, str]]:
        """What the input and the output of each layer are called: z before an activation, a behind it, else x and y.

        The first layer inside of a Residual calls its input x too: what it sends back is not all of that gradient.
        """
        inside = {f"{visit.path}.0" for visit in self.visits if isinstance(visit.layer, Residual)}
        names = [("", "x")]
        for visit in self.visits:
            known = isinstance(visit.layer, Dense | Activation) and visit.path not in inside
            output = "z" if isinstance(visit.layer, Dense) else "a" if isinstance(visit.layer, Activation) else "y"
            names.append((names[-1][1] if known else "x", output))
        return names[1:]

    def _show(self) -> Show:
        """How numbers are printed: what was given has to be a fraction to the last bit, the rest to within rounding."""
        given: list[npt.ArrayLike] = [self.theta, self.x, self.target, self.rate or 0.0]
        found: list[npt.ArrayLike] = [self.value, self.dy, self.gradient, self.after]
        for visit in self.visits:
            found += [array for array in (visit.y, visit.dy, visit.dx) if array is not None]
            found += [visit.layer.derivative(visit.x)] if isinstance(visit.layer, Activation) else []
        exact = all(float(_fraction(v)) == v for v in _flat(given))
        near = 64 * np.finfo(float).eps
        if exact and all(abs(float(_fraction(v)) - v) <= near * max(abs(v), 1) for v in _flat(found)):
            return lambda v: str(_fraction(v))
        return lambda v: f"{v:.6g}"

    def _updates(self, show: Show) -> Iterator[str]:
        rows = zip(self.theta, self.gradient, self.after, strict=True)
        for visit in self._leaves:
            for parameter, array in zip(visit.layer.parameters, visit.params, strict=True):
                for place in _places(parameter.name, array):
                    before, slope, after = next(rows)
                    step = f"{show(self.rate or 0.0)}·{_factor(slope, show)}"
                    yield f"    layer {visit.path}: {place} ← {show(before)} − {step} = {show(after)}"


def trace(
    network: Network,
    theta: Array,
    x: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    loss: Loss = mse,
    rate: float | None = None,
) -> Trace:
    """Follow one example: every z, a, δ = ∂L/∂z and ∂L/∂W and, if there is a `rate`, the step of gradient descent.

    theta (P,), x (n_in,), target as `loss` takes it for one row: (n_out,), or a label. Raises ValueError for what does
    not fit or is not finite, and for networks that are too large to be followed.
    """
    theta, x, target = np.array(theta, float), np.array(x, float), np.asarray(target)
    require(network.size <= MOST, f"trace expects a network of at most {MOST} parameters, got {network.size}")
    require(theta.ndim == 1, f"trace follows one network, theta of shape ({network.size},), got {theta.shape}")
    require(x.ndim == 1, f"trace follows one example, x of shape (n_in,), got {x.shape}")
    require(rate is None or rate > 0, f"trace expects a learning rate > 0, got {rate}")
    require_finite(theta, "theta")
    visits = walk(network, theta, x[None], target[None], loss=loss)
    for visit in visits:
        require_finite(visit.y, f"the output of layer {visit.path}")
    encoded = loss.encode(target[None], visits[-1].y.shape[-1], float)
    value, dy = loss(visits[-1].y, encoded)
    return Trace(theta, x, encoded[0], loss, rate, tuple(visits), float(value), dy[0])


def _there(visit: Visit, names: tuple[str, str], show: Show) -> Iterator[str]:
    """The lines of one layer on the way there: visit.x has one row."""
    (a, z), x, y, layer = names, visit.x[0], visit.y[0], visit.layer
    if isinstance(layer, Dense):
        W, b = visit.params
        yield f"layer {visit.path}, {layer}: {z}_j = Σ_i {a}_i W[i,j] + b_j"
        for j in range(layer.n_out):
            terms = [f"{_factor(x[i], show)}·{_factor(W[i, j], show)}" for i in range(layer.n_in)]
            yield f"    {z}{j + 1} = {' + '.join([*terms, _factor(b[0, j], show)])} = {show(y[j])}"
    elif isinstance(layer, Activation):
        yield f"layer {visit.path}, {layer}: {z}_j = f({a}_j)"
        yield from (f"    {z}{j + 1} = f({show(x[j])}) = {show(y[j])}" for j in range(len(y)))
    else:
        what = " = x + f(x)" if isinstance(layer, Residual) else ""
        yield f"layer {visit.path}, {layer}: {z}{what} = {_row(y, show)}"


def _of_loss(trace: Trace, y: str, show: Show) -> Iterator[str]:
    outputs, n = trace.visits[-1].y[0], len(trace.target)
    pairs = list(zip(outputs, trace.target, trace.dy, strict=True))
    if isinstance(trace.loss, MeanSquaredError):
        squares = " + ".join(f"({show(a)} − {_factor(t, show)})²" for a, t, _ in pairs)
        yield f"    L = mean ({y} − t)² = ({squares}) / {n} = {show(trace.value)}"
        for j, (a, t, d) in enumerate(pairs, 1):
            yield f"    ∂L/∂{y}{j} = 2 ({y}{j} − t{j}) / {n} = 2·({show(a)} − {_factor(t, show)}) / {n} = {show(d)}"
    else:
        yield f"    L = {show(trace.value)}"
        yield from (f"    ∂L/∂{y}{j} = {show(d)}" for j, (_, _, d) in enumerate(pairs, 1))


def _back(visit: Visit, names: tuple[str, str], show: Show) -> Iterator[str]:
    """The lines of one layer on the way back. The gradient by a pre-activation z is what textbooks call δ."""
    assert visit.dy is not None
    a, x, layer, dy = names[0], visit.x[0], visit.layer, visit.dy[0]
    before, behind = ("δ" if name == "z" else f"∂L/∂{name}" for name in names)
    dx = None if visit.dx is None else visit.dx[0]
    if isinstance(layer, Dense):
        W, gradients = visit.params[0], visit.grads[0]
        more = "" if dx is None else f", {before}_i = Σ_j W[i,j] {behind}_j"
        yield f"layer {visit.path}, {layer}: ∂L/∂W[i,j] = {a}_i {behind}_j, ∂L/∂b_j = {behind}_j{more}"
        for i, j in np.ndindex(W.shape):
            product = f"{_factor(x[i], show)}·{_factor(dy[j], show)}"
            yield f"    ∂L/∂W[{i + 1},{j + 1}] = {product} = {show(gradients[i, j])}"
        yield from (f"    ∂L/∂b{j + 1} = {show(d)}" for j, d in enumerate(visit.grads[1][0]))
        for i, d in enumerate(() if dx is None else dx):
            terms = [f"{_factor(W[i, j], show)}·{_factor(dy[j], show)}" for j in range(layer.n_out)]
            yield f"    {before}{i + 1} = {' + '.join(terms)} = {show(d)}"
    elif isinstance(layer, Activation) and dx is not None:
        yield f"layer {visit.path}, {layer}: {before}_j = ∂L/∂{a}_j = {behind}_j f′({a}_j)"
        for j, (slope, d) in enumerate(zip(layer.derivative(x), dx, strict=True)):
            product = f"{_factor(dy[j], show)}·f′({show(x[j])}) = {_factor(dy[j], show)}·{_factor(slope, show)}"
            yield f"    {before}{j + 1} = {product} = {show(d)}"
    elif isinstance(layer, Residual) and dx is not None:
        yield f"layer {visit.path}, {layer}: {before} = {behind} + what came back through f"
        yield f"    {before} = {_row(dy, show)} + {_row(dx - dy, show)} = {_row(dx, show)}"
    elif not isinstance(layer, Activation | Residual):
        yield f"layer {visit.path}, {layer}"
        for parameter, gradient in zip(layer.parameters, visit.grads, strict=True):
            places = _places(parameter.name, gradient)
            yield from (f"    ∂L/∂{place} = {show(d)}" for place, d in zip(places, gradient.flat, strict=True))
        if dx is not None:
            yield f"    {before} = {_row(dx, show)}"


def _place(visit: Visit) -> list[int]:
    return [int(number) for number in visit.path.split(".")]


def _places(name: str, array: Array) -> Iterator[str]:
    """What each entry of a parameter is called: W[1,2], and b1 in a single row."""
    for index in np.ndindex(array.shape):
        one_row = array.ndim == 2 and len(array) == 1
        yield f"{name}{index[1] + 1}" if one_row else f"{name}[{','.join(str(i + 1) for i in index)}]"


def _flat(values: Iterable[npt.ArrayLike]) -> Iterator[float]:
    return (float(number) for value in values for number in np.ravel(value))


def _fraction(value: float) -> Fraction:
    return Fraction(value).limit_denominator(DENOMINATOR)


def _factor(value: float, show: Show) -> str:
    """A number within a formula."""
    text = show(value)
    return f"({text})" if text.startswith("-") else text


def _row(values: Array, show: Show) -> str:
    return f"({', '.join(show(value) for value in values)})"
