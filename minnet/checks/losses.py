"""Is my own loss right? Its gradient, its mean, its weights, and what it must refuse."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.checks.findings import (
    Findings,
    Report,
    distance,
    dtype_pairs,
    expect_close,
    overflowed,
    settings_checked,
    unchanged,
)
from minnet.checks.gradients import TOLERANCE, compare
from minnet.losses import Loss
from minnet.settings import Array


def check_loss(
    loss: Loss,
    target: npt.ArrayLike | None = None,
    *,
    n_out: int | None = None,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> Report:
    """Try a loss on random outputs and an example of its targets, (batch, n_out) or integer labels (batch,).

    Without a target random numbers of shape (6, 3) are taken. Raises CheckError with all faults found.

    >>> from minnet import mse
    >>> check_loss(mse).notes
    ()
    """
    found, rng = Findings(loss), np.random.default_rng([seed, 3])  # no seed that made the target
    raw = np.asarray(rng.standard_normal((6, 3)) if target is None else target)
    n_out = n_out or (raw.shape[-1] if raw.ndim > 1 else int(raw.max()) + 1)
    y = rng.standard_normal((3, len(raw), n_out))
    with settings_checked(found, loss, Loss):
        _check_loss(found, loss, np.stack([np.roll(raw, k, axis=0) for k in range(3)]), y, tolerance)
    return found.report()


def _check_loss(found: Findings, loss: Loss, raw: Array, y: Array, tolerance: float) -> None:
    """raw: three replicas of targets, y: (3, batch, n_out)."""
    t = None
    with found.examine("encode"):
        before = raw.copy()
        t = loss.encode(raw, y.shape[-1], y.dtype)
        unchanged(found, before, raw, "encode writes into the target: expected it to stay as it was")
        _expect_array(found, "encode", t, y)
        again = loss.encode(t, y.shape[-1], y.dtype)
        found.expect(
            distance(again, t) == 0, "encode: expected an encoded target to stay as it is, but it is changed again"
        )
    if not isinstance(t, np.ndarray) or t.shape != y.shape:
        return
    weight = np.random.default_rng(0).uniform(0.5, 2, y.shape[:-1])
    working = False
    with found.examine("a first call"):
        for w in (None, weight[0]):
            L, dy = _call(loss, y[0], t[0], w)
            found.expect(np.shape(L) == (), f"L: expected one number for one network, got shape {np.shape(L)}")
            _expect_array(found, "dL/dy", dy, y[0])
            working = np.shape(L) == () and np.shape(dy) == y[0].shape
    if not working:
        return
    with found.examine("gradient"):
        for y_, t_, w in ((y[0], t[0], None), (y[0], t[0], weight[0]), (y, t, None)):
            L, dy = _call(loss, y_, t_, w)

            def value(moved: Array, t_: Array = t_, w: Array | None = w) -> Array:
                return np.asarray(_call(loss, moved, t_, w)[0])

            name = "dL/dy of 3 replicas" if y_.ndim > 2 else "dL/dy" if w is None else "dL/dy with weights"
            difference = compare(name, value, y_, dy, np.ones(np.shape(L)), tolerance=tolerance)
            found.expect(not difference.fault, difference.fault)
    with found.examine("mean over the batch"):
        L, dy = _call(loss, y[0], t[0])
        twice, dy_twice = _call(loss, np.concatenate([y[0], y[0]]), np.concatenate([t[0], t[0]]))
        expect_close(found, "L of every sample twice: expected the same mean", twice, L)
        expect_close(found, "dL/dy of every sample twice: expected half for each", dy_twice[: len(dy)], dy / 2)
    with found.examine("tails"):
        _tails(found, loss, raw[0], y[0])
    with found.examine("replicas"):
        for w in (None, weight):
            L, dy = _call(loss, y, t, w)
            found.expect(np.shape(L) == (3,), f"L of 3 replicas: expected one value a replica, got shape {np.shape(L)}")
            alone = [_call(loss, y[k], t[k], None if w is None else w[k]) for k in range(3)]
            expect_close(found, "replicas: L: expected that of each alone", L, np.array([one[0] for one in alone]))
            expect_close(found, "replicas: dL/dy: expected that of each alone", dy, np.array([one[1] for one in alone]))
        metric = np.shape(loss.metric(y, t))
        found.expect(metric == (3,), f"metric of 3 replicas: expected one value a replica, got shape {metric}")
    with found.examine("weights"):
        _weights(found, loss, y[0], t[0])
    with found.examine("wrong shapes refused"):
        _refusals(found, loss, raw, t, y)
    with found.examine("nothing written into"):
        for w in (None, weight):
            arrays = {"y": y.copy(), "target": t.copy(), "weight": weight.copy()}
            loss(arrays["y"], arrays["target"], None if w is None else arrays["weight"])
            for (name, after), before in zip(arrays.items(), (y, t, weight), strict=True):
                unchanged(found, before, after, f"the loss writes into {name}: expected it to stay as it was")
    with found.examine("no state between calls"):
        first = _call(loss, y[0], t[0])
        kept = copy.deepcopy(first)
        _call(loss, y[1], t[1])
        for name, a, b in zip(("L", "dL/dy"), first, kept, strict=True):
            found.expect(distance(a, b) == 0, f"{name} changes through another call: it has to be an array of its own")
        for name, a, b in zip(("L", "dL/dy"), _call(loss, y[0], t[0]), kept, strict=True):
            found.expect(distance(a, b) == 0, f"{name} is different after other calls: something is kept in between")
    with found.examine("dtype"):
        for dtype in (np.float32, np.float64):
            y_, w = y[0].astype(dtype), weight[0].astype(dtype)
            t_ = loss.encode(raw[0], y.shape[-1], dtype)
            for given in (None, w):
                for name, array in zip(("L", "dL/dy"), _call(loss, y_, t_, given), strict=True):
                    came = np.asarray(array).dtype
                    found.expect(came == dtype, f"{name}: expected {np.dtype(dtype)} as y is, got {came}")
            found.expect(t_.dtype == dtype, f"encode: expected {np.dtype(dtype)} as asked for, got {t_.dtype}")


def _expect_array(found: Findings, name: str, array: Any, like: Array) -> None:
    shape = getattr(array, "shape", None)
    found.expect(shape == like.shape, f"{name}: expected an array of y's shape {like.shape}, got {shape}")


def _call(loss: Loss, y: Array, target: Array, weight: Array | None = None) -> tuple[Array, Array]:
    """The loss on copies, so that one that writes into them spoils nothing else."""
    return loss(y.copy(), target.copy(), None if weight is None else weight.copy())


def _tails(found: Findings, loss: Loss, raw: Array, y: Array) -> None:
    """Far from 0, too, a sample's loss and gradient are finite where the same code in a wider dtype says so."""
    for narrow, wide in dtype_pairs():
        with np.errstate(all="ignore"):
            fault = next(_overflows(loss, raw, y, narrow, wide), "")
        found.expect(not fault, fault)


def _overflows(loss: Loss, raw: Array, y: Array, narrow: Any, wide: Any) -> Iterator[str]:
    largest = abs(y) == abs(y).max(axis=-1, keepdims=True)
    for size in (*range(1, 101), *10.0 ** np.arange(2.25, 30, 0.25)):
        for far in (size * np.sign(y) * np.where(largest, sign, 0.5 * sign) for sign in (1, -1)):
            for i, row in enumerate(far[:, None].astype(narrow)):
                t = loss.encode(raw[i : i + 1], y.shape[-1], narrow)
                results = [_call(loss, row, t)]
                try:
                    results.append(_call(loss, row.astype(wide), t.astype(wide)))
                except Exception:
                    if wide is np.float64:
                        raise
                    return  # what float64 does is asked of code that knows nothing wider
                for name, got, right in zip(("L", "dL/dy"), *results, strict=True):
                    if overflowed(got, right, narrow).any():
                        yield (
                            f"{name} in {np.dtype(narrow)} at y = {row[0].tolist()}: got {got}, where the same code in "
                            f"{np.dtype(wide)} gives {right}: something overflows, or is rounded to 0, in between"
                        )


def _weights(found: Findings, loss: Loss, y: Array, t: Array) -> None:
    n = len(y)
    plain, ones = _call(loss, y, t), _call(loss, y, t, np.ones(n))
    zero, without = _call(loss, y, t, 1.0 * (np.arange(n) > 0)), _call(loss, y[1:], t[1:])
    two = _call(loss, y, t, 1.0 + (np.arange(n) == 0))
    double = _call(loss, np.concatenate([y[:1], y]), np.concatenate([t[:1], t]))
    expect_close(found, "weight 1 for all: L: expected the plain mean", ones[0], plain[0])
    expect_close(found, "weight 1 for all: dL/dy: expected that of the plain mean", ones[1], plain[1])
    expect_close(found, "weight 0: L: expected the same as leaving the sample out", zero[0], without[0])
    expect_close(found, "weight 0: dL/dy: expected the same as leaving the sample out", zero[1][1:], without[1])
    found.expect(not zero[1][0].any(), "weight 0: dL/dy of that sample: expected 0")
    expect_close(found, "weight 2: L: expected the same as the sample twice", two[0], double[0])
    expect_close(found, "weight 2: dL/dy: expected the sum of the sample's two", two[1][0], double[1][:2].sum(axis=0))


def _refusals(found: Findings, loss: Loss, raw: Array, t: Array, y: Array) -> None:
    weight = np.ones(len(y[0]))
    wrong: dict[str, tuple[Any, ...]] = {
        "a target too few": (y[0], raw[0][:-1]),
        "one target for all": (y[0], raw[0][:1]),
        "one encoded target for all": (y[0], t[0][:1]),
        "a column too many": (y[0], np.concatenate([t[0], t[0][:, :1]], axis=1)),
        "the targets of one replica for three": (y, t[0]),
        "the targets of three replicas for one": (y[0], t),
        "a weight too few": (y[0], t[0], weight[:-1]),
        "a single weight": (y[0], t[0], weight[:1]),
        "a column of weights": (y[0], t[0], weight[:, None]),
    }
    if y.shape[-1] > 1:
        wrong["one column for all"] = (y[0], t[0][:, :1])
    for what, arguments in wrong.items():
        shapes = " and ".join(str(np.shape(a)) for a in arguments)
        try:
            _call(loss, *arguments)
            found.expect(False, f"{what} (shapes {shapes}): expected ValueError, but it was accepted and broadcast")
        except ValueError:
            pass
        except Exception as error:
            found.expect(False, f"{what} (shapes {shapes}): expected ValueError, got {type(error).__name__}: {error}")
