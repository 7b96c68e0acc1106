"""The signs of a network that does not learn, each with the number that says so and what to try.

Some are seen in the network (dead, saturated, exploding, vanishing), some in the history of its loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minnet.activations import Activation
from minnet.lab.gradients import gradients
from minnet.lab.probes import FLAT, signals, steepest, walk
from minnet.losses import Loss
from minnet.network import Network
from minnet.settings import Array

# Few thresholds, each far from what networks that train show (tests/test_diagnosis.py has both kinds).
LEARNED = 0.1  # share of the loss of guessing that is gone: less is as good as nothing; or so much less than a line's
FADES = 0.01  # ‖δ_1‖ / ‖δ_L‖: those that train at depth 20 have 0.1 to 10, and by what it grows for exploding
MOST = (
    0.9  # of a layer's outputs on the flat part of its activation: a sigmoid layer that has learned well can have half
)
ABSURD = 10.0  # times worse than guessing: no sound start is
JUMPS = 0.15  # mean change of the loss from epoch to epoch, over that of guessing: healthy ones have up to 0.08
FALLING = 0.04  # share of the whole fall in each of the last tenths of the epochs: one that has ended has 0.01
ROWS = 1000  # of the data are looked at: shares and norms need no more
UNREST = 0.02  # the same, of a network that has not learned but could: is its rate too high or too low?
TRY = 30  # epochs of Adam that show whether a network that has not learned still could


LOWER = "a learning rate 3 to 10 times lower"
HIGHER = "a learning rate 3 to 10 times higher, more epochs, or Adam"
START = "weights that follow the activation (its own weight_init, or Following), LayerNorm, or Residual blocks"
CURES = {
    "dead": f"{LOWER}, wider layers, he_normal, or LeakyReLU",
    "saturated": f"smaller initial weights, inputs that are standardised, {LOWER}, or LayerNorm",
    "exploding": f"{START}; inputs that are standardised",
    "vanishing": f"{START}; for sigmoid, tanh_equivalent",
}


@dataclass(frozen=True)
class Finding:
    """One sign: its kind, at which layer (or ""), the number that says so, that in words, what to try, and harm."""

    kind: str
    where: str
    number: float
    words: str
    advice: str
    harm: bool = True

    def __str__(self) -> str:
        at = f", layer {self.where}" if self.where else ""
        return f"{self.kind}{at}: {self.words}{'' if self.harm else ', without harm'}"


def signs(network: Network, theta: Array, x: Array, y: Array, loss: Loss) -> Iterator[Finding]:
    """What keeps signal or gradient from passing."""
    yield from flat(network, theta, x, some=MOST)
    found = gradients(network, theta, x, y, loss=loss)
    if len(found) < 2:
        return
    unit = max(float(np.std(x)), float(np.finfo(float).tiny))
    up, down = [float(g.spread) / unit for g in found], [float(g.delta) for g in found]
    for values, words in ((up, "the signal's spread is {:.2g} times the input's"),
                          (down, "the gradient is {:.2g} times what it is at the last layer")):  # fmt: skip
        at = int(np.argmax(np.nan_to_num(values, nan=np.inf)))
        if not values[at] < 1 / FADES:  # NaN is no small number
            yield _sign("exploding", found[at].path, found[at].layer, values[at], words)
            return
    at = int(np.argmin(down))
    if down[at] < FADES:
        words = "{:.2g} of the gradient arrives there, of what it is at the last layer"
        yield _sign("vanishing", found[at].path, found[at].layer, down[at], words)


def flat(network: Network, theta: Array, x: Array, *, some: float) -> Iterator[Finding]:
    """Layers on a flat part of their activation: dead if it has one on one side only, as ReLU; else saturated.

    Dead is told from a share `some` of units on; saturated from MOST of the outputs on.
    """
    stuck, off, saturated = ([(0.0, "", "")] for _ in range(3))
    for visit, signal in zip(walk(network, theta, x), signals(network, theta, x), strict=True):
        if isinstance(visit.layer, Activation):
            place = signal.path, signal.layer
            if _flat_on_both_sides(visit.layer):
                saturated.append((float(signal.saturated), *place))
            else:
                stuck.append((float(signal.stuck), *place))
                off.append((float(signal.saturated), *place))
    outputs = f"{{:.0%}} of its outputs are where the slope is below {FLAT:g} of the steepest"
    for kind, seen, least, words in (
        ("dead", stuck, some, "{:.0%} of its units pass no gradient on any sample"),
        ("dead", off, 0.999, outputs),  # such as GELU far to the left, whose slope is nowhere exactly 0
        ("saturated", saturated, MOST, outputs),
    ):
        share, path, layer = max(seen)
        if share > 0 and share >= least:
            yield _sign(kind, path, layer, share, words)
            return


def _sign(kind: str, path: str, layer: str, number: float, words: str) -> Finding:
    return Finding(kind, f"{path}, {layer}", number, words.format(number), CURES[kind])


def jumping(curve: Array, unit: float, least: float = JUMPS) -> Iterator[Finding]:
    """Whether the loss, one an epoch, still jumps in the second half; `unit` is that of guessing."""
    late = curve[len(curve) // 2 :]
    if len(late) >= 5 and (mean := float(np.abs(np.diff(late)).mean()) / unit) > least:
        words = f"from one epoch to the next the loss changes by {mean:.0%} of that of guessing"
        yield Finding("rate too high", "", mean, words, f"{LOWER}, or a schedule")


def still_falling(curve: Array, unit: float) -> Iterator[Finding]:
    """Whether the loss was still on its way down, and no chance jump, when the training ended."""
    n = len(curve) // 10
    if n and (whole := curve[0] - curve[-n:].mean()) > FALLING * unit:
        tenths = [float(np.median(part)) for part in curve[-4 * n :].reshape(4, n)]
        falls = -np.diff(tenths) / whole
        if falls.min() > FALLING:
            words = f"{falls[-1]:.0%} of the fall of the loss came in the last tenth of the epochs"
            yield Finding("rate too low", "", float(falls[-1]), words, HIGHER)


def references(loss: Loss, x: Array, target: Array) -> tuple[float, float, float]:
    """The loss of the best constant, that of the best straight line, and that of the best output at all.

    x: (N, n_in), target: (N, n_out), encoded. With fewer than ten samples a feature no line is looked for.
    """
    from scipy.optimize import minimize

    def best(features: Array | None, start: Array) -> float:
        def value(flat: Array) -> tuple[float, Array]:
            B = flat.reshape(start.shape)
            L, dy = loss(B.copy() if features is None else features @ B, target)
            return float(L), (dy if features is None else features.T @ dy).ravel()

        return float(minimize(value, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200}).fun)

    one, mean = np.ones((len(x), 1)), target.mean(axis=0, keepdims=True)
    guessing = best(one, mean)
    scaled = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    enough = len(x) >= 10 * x.shape[-1]
    line = best(np.hstack([one, scaled]), np.vstack([mean, 0 * x[:1].T * mean])) if enough else guessing
    return guessing, line, best(None, target)


def _flat_on_both_sides(activation: Activation) -> bool:
    ends = np.abs(activation.derivative(np.array([-30.0, 30.0])))
    return bool((ends <= FLAT * steepest(activation)).all())
