"""The datasheet of an activation, built in or your own: everything that can be computed of it, computed."""

import pickle
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

from minnet.activations import Activation
from minnet.findings import (
    GRID,
    breakpoints,
    breaks,
    extreme,
    flat,
    limit,
    lost_digits,
    moments,
    monotone,
    saturation,
    zeros,
)
from minnet.settings import require
from minnet.shown import Rows, Shown


@dataclass(frozen=True, repr=False)
class Datasheet(Shown):
    """What `datasheet` found. Limits and ends that do not exist are NaN; intervals are pairs.

    >>> from minnet import GELU
    >>> sheet = datasheet(GELU())
    >>> sheet.monotone, sheet.kinks, round(sheet.lipschitz, 3)
    ('no', (), 1.129)
    """

    activation: Activation
    range: tuple[float, float]
    attained: tuple[bool, bool]  # whether the ends of the range are values at finite x
    limits: tuple[float, float]  # at -inf and +inf
    monotone: str
    kinks: tuple[float, ...]  # where f′ jumps
    jumps: tuple[float, ...]  # where f jumps
    zeros: tuple[float | tuple[float, float], ...]  # in [-30, 30]
    lipschitz: float
    f0: float
    df0: float
    mean: float  # E[f(Z)], Z ~ N(0, 1)
    second_moment: float  # E[f(Z)²]
    slope_moment: float  # E[f′(Z)²]
    saturation: dict[str, tuple[float, float]]  # by dtype: where f is its left, right limit to the last digit
    breaks: tuple[str, ...]
    equals: tuple[str, ...]
    pickles: bool

    @property
    def forward_variance(self) -> float:
        """n_in Var(W) that keeps E[z²] = 1 from layer to layer: 1 / E[f²] (He et al. 2015 for ReLU: 2)."""
        return float(np.divide(1.0, self.second_moment)) if self.second_moment else np.inf

    @property
    def backward_variance(self) -> float:
        """n_out Var(W) that keeps the gradient's variance: 1 / E[f′²]."""
        return float(np.divide(1.0, self.slope_moment)) if self.slope_moment else np.inf

    def shown(self) -> tuple[str, Rows]:
        low, high = self.range
        ends = ("[" if self.attained[0] else "(") + f"{low:.6g}, {high:.6g}" + ("]" if self.attained[1] else ")")
        lines = {
            "range": ends,
            "limits": f"{_number(self.limits[0])} at -∞, {_number(self.limits[1])} at +∞",
            "monotone": self.monotone,
            "kinks": _listed(self.kinks),
            "jumps": _listed(self.jumps),
            "zeros": _listed(self.zeros) + " (looked for in [-30, 30])",
            "Lipschitz": f"{self.lipschitz:.6g}",
            "f(0), f′(0)": f"{self.f0:.6g}, {self.df0:.6g}",
            "under N(0, 1)": f"E[f] {self.mean:.6g}, E[f²] {self.second_moment:.6g}, E[f′²] {self.slope_moment:.6g}",
            "steady with": f"Var(W) = {self.forward_variance:.4g} / n_in (signal), "
            f"{self.backward_variance:.4g} / n_out (gradient)",
            **{f"saturated in {name}": _saturated(ends) for name, ends in self.saturation.items()},
            "breaks": "; ".join(self.breaks) or "nowhere: finite and NaN-safe over all floats",
            "same as": "; ".join(self.equals) or "no other of the catalogue",
            "pickles": "yes" if self.pickles else "no (a lambda does not; a function defined in a module does)",
        }
        return repr(self.activation), list(lines.items())

    def plot(self, ax: Any = None) -> Any:
        """Curve, derivative, and where unit normal inputs fall; kinks and jumps are marked. Returns the Axes.

        Axes of its own get a legend; with `ax` given that is left to whoever draws on it.
        """
        import matplotlib.pyplot as plt

        alone = ax is None
        ax = plt.subplots(figsize=(5, 3.5), layout="constrained")[1] if ax is None else ax
        waves = sum(isinstance(zero, float) and abs(zero) < 4 for zero in self.zeros)
        span = 4 if waves < 20 else 40 / waves  # a fast wave is drawn over about five periods
        unit = 1 if self.lipschitz < 5 else self.lipschitz
        x = np.linspace(-span, span, 1601)
        with np.errstate(all="ignore"):
            y, d = self.activation(x), self.activation.derivative(x) / unit
        for jump in self.jumps:
            y[np.abs(x - jump).argmin()] = np.nan
        for kink in self.kinks:
            d[np.abs(x - kink).argmin()] = np.nan
        density = np.exp(-x * x / 2)
        finite = np.concatenate([y, d])[np.isfinite(np.concatenate([y, d]))]
        low, high = max(min(finite.min(), 0), -4.2), min(max(finite.max(), 0.5), 4.2)
        low, high = low - 0.06 * (high - low), high + 0.06 * (high - low)
        ax.fill_between(x, low, low + 0.25 * (high - low) * density, color="0.85", lw=0, label="N(0, 1) inputs")
        ax.plot(x, y, color="#0072B2", lw=1.8, label="f")
        ax.plot(x, d, color="#D55E00", lw=1.4, ls="--", label="f′")
        marks = [k for k in (*self.kinks, *self.jumps) if abs(k) < span]
        if marks:
            ax.plot(
                marks, self.activation(np.array(marks)), "o", mfc="white", mec="#0072B2", ms=5, label="kink or jump"
            )
        ax.set(xlim=(-span, span), ylim=(low, high))
        ax.set_title(repr(self.activation) + (f", f′ / {unit:.4g}" if unit != 1 else ""), fontsize=10)
        if alone:
            ax.set_xlabel("x")
            ax.legend(fontsize="small")
        return ax


def _number(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.6g}".replace("inf", "∞")


def _listed(places: tuple[Any, ...]) -> str:
    def one(place: Any) -> str:
        if isinstance(place, tuple):
            low, high = place
            return (
                f"x ≤ {high:.6g}"
                if np.isinf(low)
                else f"x ≥ {low:.6g}"
                if np.isinf(high)
                else f"[{low:.6g}, {high:.6g}]"
            )
        return f"{place:.6g}"

    shown = ", ".join(map(one, places[:6])) or "none"
    return shown if len(places) <= 6 else f"{shown}, ... ({len(places)} in all)"


def _saturated(ends: tuple[float, float]) -> str:
    texts = [f"{side} {end:.6g}" for side, end in zip(("below", "above"), ends, strict=True) if not np.isnan(end)]
    return ", ".join(texts) or "never"


def datasheet(activation: Activation) -> Datasheet:
    """Compute the datasheet of an activation; takes about a second.

    >>> from minnet import Elementwise
    >>> datasheet(Elementwise(lambda x: np.maximum(x, 0))).equals
    ('ReLU()',)
    """
    from minnet.equivalents import equivalents  # which loads what nothing else needs

    sheet = _shape(activation)
    found = equivalents(activation, sheet, _shape_of_member)
    values = {field.name: getattr(sheet, field.name) for field in fields(sheet)}
    values["equals"] = tuple(match.text for match in found)
    exact = [match.member for match in found if match.is_itself]
    if exact:
        with np.errstate(all="ignore"):
            values["breaks"] = (*sheet.breaks, *lost_digits(activation, exact[0]))
    return Datasheet(**values)


def _shape(activation: Activation) -> Datasheet:
    """Everything but `equals`. It is computed each time: code of one's own may compute otherwise and yet be equal."""
    with np.errstate(all="ignore"):
        y, d = activation(GRID), activation.derivative(GRID)
        require(bool(np.isfinite(y).any()), f"{activation} is not finite at any x: there is nothing to compute")
        limits = limit(y[::-1]), limit(y)
        jumps = breakpoints(activation)
        kinks = tuple(k for k in breakpoints(activation.derivative) if k not in jumps)
        expected = moments(activation, (*kinks, *jumps))
        low, low_inside = extreme(activation, y, limits, -1)
        high, high_inside = extreme(activation, y, limits, 1)
        zero = np.zeros(1)
        return Datasheet(
            activation=activation,
            range=(low, high),
            attained=(low_inside and flat(y, d, low), high_inside and flat(y, d, high)),
            limits=limits,
            monotone=monotone(y[np.isfinite(y)]),
            kinks=kinks,
            jumps=jumps,
            zeros=zeros(activation, jumps),
            lipschitz=extreme(lambda x: np.abs(activation.derivative(x)), np.abs(d), (), 1)[0],
            f0=float(activation(zero)[0]) + 0.0,
            df0=float(activation.derivative(zero)[0]) + 0.0,
            mean=expected[0],
            second_moment=expected[1],
            slope_moment=expected[2],
            saturation={t.__name__: saturation(activation, limits, t) for t in (np.float32, np.float64)},
            breaks=tuple(breaks(activation, y, d)),
            equals=(),
            pickles=_pickles(activation),
        )


_shape_of_member = lru_cache(maxsize=128)(_shape)  # of built-in activations alone, where equal is the same


def _pickles(activation: Activation) -> bool:
    try:
        pickle.dumps(activation)
    except Exception:
        return False
    return True
