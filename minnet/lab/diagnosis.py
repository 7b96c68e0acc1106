"""What is wrong with a trained network, in words, with the number that says so and what to try.

Finiteness comes first: NaN <= 0 is False, so that whoever counts dead units in a network of NaNs finds it perfect. Then
comes what was learned, beside guessing and beside a straight line; only if that is too little, why. A sign without
harm, such as dead units in a network that has learned, is told as that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from minnet.adaptive import Adam
from minnet.lab.symptoms import (
    ABSURD,
    FADES,
    FALLING,
    HIGHER,
    LEARNED,
    LOWER,
    ROWS,
    TRY,
    UNREST,
    Finding,
    flat,
    jumping,
    references,
    signs,
    still_falling,
)
from minnet.losses import Loss, mse, softmax_cross_entropy
from minnet.pairing import check_logits
from minnet.run import DivergenceError, Run
from minnet.settings import Array, require
from minnet.training import train


@dataclass(frozen=True)
class Diagnosis:
    """What was found in one network, causes first; `state` says how far it has learned."""

    state: str
    findings: tuple[Finding, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing harmful was found."""
        return not any(finding.harm for finding in self.findings)

    @property
    def kind(self) -> str:
        """That of the first harmful finding, or "healthy"."""
        return next((finding.kind for finding in self.findings if finding.harm), "healthy")

    def __repr__(self) -> str:
        lines = [f"{'healthy' if self.healthy else 'not healthy'}: {self.state}"]
        for finding in self.findings:
            lines += [f"  {finding}"] + ([f"    try {finding.advice}"] if finding.harm else [])
        return "\n".join(lines)


@dataclass(frozen=True)
class Diagnoses:
    """One Diagnosis a replica; printed, those alike are told together."""

    each: tuple[Diagnosis, ...]

    @property
    def healthy(self) -> bool:
        """Whether all are."""
        return all(one.healthy for one in self.each)

    def __repr__(self) -> str:
        lines = []
        for kind in sorted({one.kind for one in self.each}, key=lambda kind: kind != "healthy"):
            rows = [k for k, one in enumerate(self.each) if one.kind == kind]
            lines.append(f"{len(rows)} of {len(self.each)} replicas: {kind} ({_listed(rows)}). Replica {rows[0]} is")
            lines += [f"  {line}" for line in repr(self.each[rows[0]]).splitlines()]
        return "\n".join(lines)


def diagnose(
    run: Run, x: npt.ArrayLike | None = None, y: npt.ArrayLike | None = None, *, loss: Loss | None = None
) -> Diagnosis | Diagnoses:
    """Say what is wrong with what `train` left, and what to try; for replicas, one Diagnosis each.

    x (N, n_in) or (K, N, n_in) and y are what it was trained on; without them only its history is looked at. `loss` is
    softmax_cross_entropy if y holds integers, else mse. If nothing is found in a network that has learned nothing, a
    copy of it is trained for some epochs with Adam, to see whether the rate was at fault.

    >>> from minnet import SGD, Dense, Network
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> run = train(Network(Dense(1, 1)), mse, SGD(0.1), x, 2 * x, epochs=50, batch_size=10, seed=0)
    >>> print(diagnose(run, x, 2 * x))  # doctest: +ELLIPSIS
    healthy: 100% of the loss of guessing is gone, 1.39 -> ...

    Raises ValueError for data that does not fit.
    """
    require((x is None) == (y is None), "diagnose expects x and y both, or neither")
    data = None if x is None else (np.asarray(x), np.asarray(y))
    loss = loss or (mse if data is None or data[1].dtype.kind not in "iub" else softmax_cross_entropy)
    with np.errstate(all="ignore"):
        if run.theta.ndim == 1:
            return _Patient(run, data, loss).diagnosis()
        each = []
        for k in range(len(run.theta)):
            history = {name: values[:, k] for name, values in run.history.items()}
            mine = replace(run, theta=run.theta[k], history=history, stops=run.stops[k : k + 1])
            own = None if data is None else tuple(part[k] if data[0].ndim == 3 else part for part in data)
            each.append(_Patient(mine, own, loss).diagnosis())
        return Diagnoses(tuple(each))


@dataclass
class _Patient:
    """One network, its history, and the data it was trained on."""

    run: Run
    data: tuple[Array, ...] | None
    loss: Loss

    def __post_init__(self) -> None:
        self.network, self.theta = self.run.network, self.run.theta
        self.curve = self.run.history.get("loss", np.empty(0)).astype(float)
        self.unit = abs(float(self.curve[0])) if len(self.curve) else np.nan  # what changes of the loss are measured by
        if self.data is not None:
            self.x, self.y = (part[:: -(-len(part) // ROWS)] for part in self.data)
            self.at_end = self.loss_of(self.run)
            check_logits(self.network, self.loss, self.run(self.x[:1]).shape[-1])
            target = self.loss.encode(self.y, self.run(self.x).shape[-1], np.float64)
            self.guessing, self.line, self.perfect = references(self.loss, self.x.astype(float), target)
            self.unit = self.guessing - self.perfect

    def loss_of(self, run: Run) -> float:
        return float(self.loss(run(self.x), self.y)[0])

    def learned(self, level: float) -> float:
        """Share of the loss of guessing that is gone when the loss is at this level: 1 is perfect, 0 is guessing."""
        return 1 - (level - self.perfect) / self.unit if self.unit > 0 else float(level <= self.perfect)

    def diagnosis(self) -> Diagnosis:
        broken = list(self.not_finite())
        if broken:
            return Diagnosis("a number was met that is not finite", tuple(broken))
        if self.data is None:
            return self.from_history()
        share, line = self.learned(self.at_end), self.learned(self.line)
        state = f"{share:.0%} of the loss of guessing is gone, {self.guessing:.3g} -> {self.at_end:.3g}"
        if share < LEARNED:
            state = f"it has learned nothing: its loss is {self.at_end:.4g}, that of guessing {self.guessing:.4g}"
        elif share < line - LEARNED:
            state += f"; a straight line takes {line:.0%}"
        poor = share < max(LEARNED, line - LEARNED)
        return Diagnosis(state, tuple(self.unwell() if poor else self.well()))

    def not_finite(self) -> Iterator[Finding]:
        """Whatever is not finite; before all else, as no comparison with NaN is true."""
        stop = self.run.stops[0] if self.run.stops else None
        wild = np.flatnonzero(~np.isfinite(self.theta))
        if stop is not None and stop.reason == "diverged":
            found = Finding("diverged", "", stop.epoch + 1, stop.message, f"{LOWER}, or Clipped(...)")
        elif len(wild):
            at = next(i for i, part in enumerate(self.network.slices) if part.start <= wild[0] < part.stop)
            words = f"{len(wild)} of its {self.theta.size} parameters are not finite"
            found = Finding("diverged", f"{at}, {self.network.layers[at]}", len(wild), words, LOWER)
        elif self.data is not None and not np.isfinite(self.at_end):
            found = Finding("diverged", "", self.at_end, f"its parameters are finite, its loss is {self.at_end}", LOWER)
        else:
            return
        if self.data is not None:
            yield from (born for born in self.born if born.kind == "exploding")
            if (spread := float(np.std(self.x))) > 1 / FADES:
                found = replace(found, advice=f"inputs that are standardised: their spread is {spread:.3g}")
        yield found

    def unwell(self) -> Iterator[Finding]:
        """Why it has not learned: what explains it, the most direct first."""
        if self.learned(self.at_end) < -ABSURD:
            yield from (born for born in self.born if born.kind == "exploding")
            times = (self.at_end - self.perfect) / self.unit
            yield Finding("absurd loss", "", times, f"its loss is {times:.3g} times that of guessing", LOWER)
            return
        found = list(self.signs(self.theta))[:1]
        if not found:
            yield from (
                [*jumping(self.curve, self.unit)] or [*still_falling(self.curve, self.unit)] or self.another_try()
            )
            return
        (sign,) = found
        if any(born.kind == sign.kind for born in self.born):
            yield replace(sign, words=f"{sign.words}; at the start already")
        elif sign.kind == "exploding":
            yield replace(sign, kind="rate too high", words=f"{sign.words}, though not at the start", advice=LOWER)
        else:
            yield replace(sign, words=f"{sign.words}; not so at the start")

    def well(self) -> Iterator[Finding]:
        """What is to be said of a network that has learned, or has started so well that it need not."""
        yield from jumping(self.curve, self.unit)
        yield from still_falling(self.curve, self.unit)
        if len(self.curve) and self.curve[0] - self.curve[-1] < FALLING * self.unit:
            yield from (finding for finding in self.another_try() if finding.kind != "stuck")
        yield from (replace(sign, harm=False) for sign in flat(self.network, self.theta, self.x, some=0.0))

    @property
    def born(self) -> list[Finding]:
        """The signs of a network that starts anew from its initializers."""
        return list(self.signs(self.network.init_theta(0, self.theta.dtype)))

    def signs(self, theta: Array) -> Iterator[Finding]:
        return signs(self.network, theta, self.x, self.y, self.loss)

    def another_try(self) -> Iterator[Finding]:
        """Nothing is wrong with signal and gradient: train a copy some more, and see."""
        n = len(self.x)
        rows = slice(n - 1 if n % 32 == 1 and n > 1 else n)  # no last batch of one, which batch norm refuses
        try:
            more = train(self.network, self.loss, Adam(0.01), self.x[rows], self.y[rows], epochs=TRY, batch_size=32,
                         seed=0, start=self.theta)  # fmt: skip
        except DivergenceError as error:
            more = error.run
        after = self.loss_of(more)
        gain = self.learned(after) - self.learned(self.at_end)
        tried = f"{TRY} more epochs, with Adam, take the loss from {self.at_end:.3g} to {after:.3g}"
        if gain >= LEARNED:
            yield from [*jumping(self.curve, self.unit, UNREST)] or [Finding("rate too low", "", gain, tried, HIGHER)]
        else:
            cure = "a wider network, an activation that bends, or other features"
            yield Finding("stuck", "", gain, f"the gradient arrives, but {tried}", cure)

    def from_history(self) -> Diagnosis:
        """What the history tells by itself."""
        if len(self.curve) == 0:
            return Diagnosis("there is neither history nor data to judge it by")
        first, last = float(self.curve[0]), float(self.curve[-1])
        state = f"its loss went from {first:.3g} to {last:.3g} (x and y would tell more)"
        if last > ABSURD * max(first, 1):
            words = f"it ends at {last / self.unit:.3g} times the loss of the first epoch"
            return Diagnosis(state, (Finding("absurd loss", "", last / self.unit, words, LOWER),))
        findings = [*jumping(self.curve, self.unit), *still_falling(self.curve, self.unit)]
        fall = (first - last) / self.unit
        if not findings and fall < LEARNED:
            findings = [Finding("stuck", "", fall, f"it fell by {fall:.1%}", "diagnose(run, x, y), which tells more")]
        return Diagnosis(state, tuple(findings))


def _listed(rows: Sequence[int], most: int = 10) -> str:
    return ", ".join(map(str, rows[:most])) + (", ..." if len(rows) > most else "")
