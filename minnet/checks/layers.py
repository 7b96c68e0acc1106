"""Is my own layer right? Gradient, replicas, dtype, threads, and no trace left between calls."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, get_args

import numpy as np

from minnet.checks.findings import ROUNDING, Findings, Report, distance, settings_checked, unchanged
from minnet.checks.gradients import TOLERANCE, Point, calibrated, columns, draw_theta, gradient_differences, statistics
from minnet.initializers import zeros
from minnet.layers import Layer, Role
from minnet.settings import Array


def check_layer(layer: Layer, n_in: int, *, batch: int = 6, seed: int = 0, tolerance: float = TOLERANCE) -> Report:
    """Try a layer on random x of shape (..., batch, n_in), in training and at inference.

    Raises CheckError with all faults found. `tolerance` is that of the gradient, relative to its norm.

    >>> from minnet import Dense
    >>> check_layer(Dense(3, 2), n_in=3).passed[:3]
    ('settings', 'parameters', 'init')
    """
    found = Findings(layer)
    with settings_checked(found, layer, Layer):
        examine_layer(found, layer, n_in, batch, seed, tolerance)
    return found.report()


def examine_layer(found: Findings, layer: Layer, n_in: int, batch: int, seed: int, tolerance: float) -> None:
    """What `check_layer` looks at, for other checks to begin with."""
    x = np.random.default_rng([seed, 4]).standard_normal((3, batch, n_in))
    seeds = (seed, seed + 1, seed + 2)
    with found.examine("parameters"):
        _parameters(found, layer)
    theta = None
    with found.examine("init"):
        theta = draw_theta(layer, seeds)
    if theta is None:
        return
    with found.examine("calibrate"):
        theta = calibrated(layer, theta, x + 0.5)
    for mode, noise in (("in training", seeds), ("at inference", (None, None, None))):
        a, b = (Point(layer, theta[i], x[i], noise[i]) for i in range(2))
        broken = True
        with found.examine(mode):
            replace(a, x=x[0, 1:]).round_trip()  # the last batch may be a short one
            y = a.round_trip()[0]
            found.expect(y.shape[:-1] == (batch,), f"y: expected shape ({batch}, n_out), got {y.shape}")
            broken = y.ndim != 2
        if broken:
            continue
        with found.examine("gradient"):
            differences = gradient_differences(a, tolerance)
            for difference in differences:
                found.expect(not difference.fault, difference.fault)
            found.notes.append(f"gradient error {mode}: {max(d.error for d in differences):.0e} of its norm")
        with found.examine("grads overwritten"):
            _overwritten(found, a)
        with found.examine("nothing else written into"):
            _writes(found, a)
        with found.examine("no state between calls"):
            _reentrant(found, a, b, mode)
        with found.examine("two threads"):
            _threads(found, a, b)
        with found.examine("dtype"):
            for dtype in (np.float32, np.float64):
                y, dx, _ = replace(a, theta=a.theta.astype(dtype), x=a.x.astype(dtype)).round_trip()
                for name, array in (("y", y), ("dx", dx)):
                    if array is not None:
                        fault = f"{name}: expected {dtype.__name__} as theta and x are, got {array.dtype}"
                        found.expect(array.dtype == dtype, fault)
        with found.examine("replicas"):
            _replicas(found, layer, theta, x, seeds if mode == "in training" else None)
    with found.examine("calibrate"):
        _calibrate(found, layer, theta, x)


def _parameters(found: Findings, layer: Layer) -> None:
    first, again = ([p._replace(init=zeros) for p in layer.parameters] for _ in range(2))
    found.expect(first == again, f"parameters differ from one call to the next: {first}, then {again}")
    names = [p.name for p in layer.parameters]
    found.expect(len(set(names)) == len(names), f"expected parameters with names of their own, got {names}")
    for p in layer.parameters:
        found.expect(p.role in get_args(Role), f"role of {p.name}: expected one of {get_args(Role)}, got {p.role!r}")
        a, b = (np.asarray(p.init(np.random.default_rng(0), p.shape)) for _ in range(2))
        found.expect(a.shape == p.shape, f"init of {p.name}: expected shape {p.shape}, got {a.shape}")
        found.expect(bool(np.isfinite(a).all()), f"init of {p.name}: expected finite numbers")
        unchanged(found, a, b, f"init of {p.name}: differs under the same rng, so it draws from elsewhere too")


def _calibrate(found: Findings, layer: Layer, theta: Array, x: Array) -> None:
    statistic = statistics(layer)
    after, x_after = theta.copy(), x.copy()
    y = layer.calibrate(layer.unpack(after), x_after)
    unchanged(found, x, x_after, "calibrate writes into x: expected it to stay as it was")
    unchanged(
        found, theta[:, ~statistic], after[:, ~statistic], "calibrate writes into parameters that are no statistics"
    )
    moved = not statistic.any() or not np.array_equal(theta[:, statistic], after[:, statistic])
    found.expect(moved, "calibrate leaves every statistic as it was: does it pass through to all inner layers?")
    expected = Point(layer, after, x).forward()[0]
    found.expect(
        distance(y, expected) <= ROUNDING,
        "calibrate's y: expected what forward gives at inference with the new statistics, got something else",
    )
    alone = theta[1].copy()
    layer.calibrate(layer.unpack(alone), x[1])
    found.expect(distance(after[1], alone) <= ROUNDING, "calibrate: replicas together differ from one by one")


def _overwritten(found: Findings, point: Point) -> None:
    fills = (3.0, -5.0)
    first, second = (point.round_trip(fill=fill)[2] for fill in fills)
    whole, lean = (point.round_trip(need_dx=need_dx)[2] for need_dx in (True, False))
    for parameter, part in columns(point.layer):
        name, a, b = f"d{parameter.name}", first[part], second[part]
        if (a == fills[0]).all() and (b == fills[1]).all():
            why = "is not written: grads still holds what stood there before (write `dW[...] = ...`, not `dW = ...`)"
        elif np.allclose(a - b, fills[0] - fills[1]):
            why = "is added to what stood in grads: expected it to be overwritten"
        else:
            why = "depends on what stood in grads before: expected all of it to be overwritten"
        found.expect(distance(a, b) <= ROUNDING, f"{name} {why}")
        found.expect(
            distance(lean[part], whole[part]) <= ROUNDING,
            f"{name} with need_dx=False differs from that with need_dx=True",
        )


def _writes(found: Findings, point: Point) -> None:
    theta, x, gradient = point.theta.copy(), point.x.copy(), np.zeros_like(point.theta)
    y, backward = point.layer.forward(point.layer.unpack(theta), x, point.streams())
    unchanged(found, x, point.x, "forward writes into x: expected it to stay as it was")
    unchanged(found, theta, point.theta, "forward writes into params: only the optimizer and calibrate may")
    x_before, theta_before, y_before, dy = x.copy(), theta.copy(), y.copy(), point.dy(y)
    backward(dy, point.layer.unpack(gradient))
    unchanged(found, dy, point.dy(y), "backward writes into dy: expected it to stay as it was")
    unchanged(found, x, x_before, "backward writes into x: expected it to stay as it was")
    unchanged(found, y, y_before, "backward writes into y, which the next layer still needs")
    unchanged(found, theta, theta_before, "backward writes into params: only the optimizer and calibrate may")


def _apart(got: Sequence[Any], expected: Sequence[Any]) -> list[str]:
    names = ("y", "dx", "gradient")
    return [name for name, a, b in zip(names, got, expected, strict=True) if not distance(a, b) <= ROUNDING]


def _reentrant(found: Findings, a: Point, b: Point, mode: str) -> None:
    alone, other = a.round_trip(), b.round_trip()
    apart = _apart(a.round_trip(), alone)
    source = "draw noise from streams only" if mode == "in training" else "inference draws no noise"
    found.expect(not apart, f"{mode}, two calls with the same arguments differ in {', '.join(apart)}: {source}")
    if apart:
        return
    for order in ("ab", "ba"):
        ways = {"a": (a, *a.forward()), "b": (b, *b.forward())}
        for which in order + "a":  # the way back may be gone twice
            point, y, backward = ways[which]
            gradient = np.zeros_like(point.theta)
            dx = backward(point.dy(y), point.layer.unpack(gradient))
            apart = _apart((y, dx, gradient), alone if which == "a" else other)
            found.expect(
                not apart,
                f"{' and '.join(apart)} changed because another forward or backward came in between: "
                "keep what backward needs in the closure, not in the layer or in a shared buffer",
            )


def _threads(found: Findings, a: Point, b: Point) -> None:
    start, expected = Barrier(2), {id(point): point.round_trip() for point in (a, b)}

    def work(point: Point) -> list[str]:
        start.wait()
        return [name for _ in range(20) for name in _apart(point.round_trip(), expected[id(point)])]

    with ThreadPoolExecutor(2) as pool:
        apart = sorted({name for names in pool.map(work, (a, b)) for name in names})
    found.expect(not apart, f"{', '.join(apart)} came out differently with two threads at once: something is shared")


def _replicas(found: Findings, layer: Layer, theta: Array, x: Array, seeds: tuple[int, ...] | None) -> None:
    for k in (1, 2, 3):
        for shared in (False, True):
            x_k = x[0] if shared else x[:k]
            what = f"{k} replica{'s' * (k > 1)} with {'one x for all' if shared else 'an x each'}"
            y = Point(layer, theta[0], x[0], seeds and seeds[0]).forward()[0]
            dy = np.random.default_rng([1, 1]).standard_normal((k, *y.shape))
            together = Point(layer, theta[:k], x_k, seeds and seeds[:k]).round_trip(dy=dy)
            for i in range(k):
                one = Point(layer, theta[i], x[0] if shared else x[i], seeds and seeds[i])
                expected = one.round_trip(dy=dy[i])
                got = [_row(array, i, e, k) for array, e in zip(together, expected, strict=True)]
                apart = _apart(got, expected)
                found.expect(
                    not apart,
                    f"replicas: {', '.join(apart)} of {what} differ from the same network alone: count axes from the "
                    "end (x @ W, axis=-1, array.mT), and draw noise with streams.draw",
                )
                if apart:
                    return


def _row(array: Any, i: int, like: Any, k: int) -> Any:
    """Row i of K replicas; what has no axis of replicas is the same for all."""
    return array[i] if np.ndim(array) == np.ndim(like) + 1 and len(array) == k else array
