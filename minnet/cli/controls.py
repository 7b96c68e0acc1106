"""The comparison asked about itself: repeated where the answer is known beforehand, its verdicts counted."""

from enum import StrEnum
from typing import Any

from minnet.cli.answers import Answer, progress
from minnet.lab.datasets import Dataset, dataset


class Control(StrEnum):
    """What can be asked of the comparison itself, since the answer is known beforehand."""

    NULL = "null"
    POSITIVE = "positive"
    COVERAGE = "coverage"


def run_control(control: Control, source: Dataset, repeats: int, settings: dict[str, Any]) -> Answer:
    """Repeat a comparison whose outcome is known, and count how often that was the verdict."""
    from minnet.lab.controls import KNOWN_TO_BEND, null_control, positive_control
    from minnet.lab.statistics import SAME

    if control == Control.COVERAGE:
        return _coverage(repeats, settings["seeds"])
    with progress(f"{control} control") as watch:
        if control == Control.NULL:
            expected, told = SAME, "ReLU against ReLU, the copy with weights and order of its own"
            pairs = null_control(source, repeats, **settings, watch=watch)
        else:
            expected, told = "relu better", "linear-only against ReLU"
            pairs = positive_control(map(dataset, KNOWN_TO_BEND), repeats, **settings, watch=watch)
    lines = [f"The {control} control: {told}, {settings['seeds']} seeds, {settings['epochs']} epochs."]
    counts = {}
    for name, group in pairs.groupby("data", sort=False):
        right = int(group.verdict.str.startswith(expected).sum())
        low, high = 100 * group.difference.min(), 100 * group.difference.max()
        lines.append(
            f'{name}: "{expected}" in {right} of {len(group)} repeats; differences {low:+.1f} to {high:+.1f} points.'
        )
        counts[name] = {"expected": right, "repeats": len(group), "low": low / 100, "high": high / 100}
    return Answer({"control": control.value, "expected": expected, "data": counts}, lines)


def _coverage(repeats: int, seeds: int) -> Answer:
    from minnet.lab.controls import coverage_control

    normal, failing = coverage_control(repeats, seeds), coverage_control(repeats, seeds, 0.1)
    lines = [
        f"How often Student's t interval holds the true mean, {repeats} samples of {seeds} made-up scores:",
        f"normal scores: {normal:.1%}",
        f"where each seed fails with a chance of 10 %: {failing:.1%}",
        f"(in {0.9**seeds:.1%} of such samples no seed fails, so that nothing in them tells of failures;",
        "python -m experiments.interval_coverage measures all intervals)",
    ]
    return Answer({"control": "coverage", "seeds": seeds, "repeats": repeats, "normal": normal, "failing": failing},
                  lines)  # fmt: skip
