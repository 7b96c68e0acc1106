"""A comparison as one self-contained HTML page, with its figures and numbers as files beside it.

The page asks nothing of the network: figures are inline SVG whose colours follow the reader's light or dark scheme.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment
from matplotlib import rc_context

from minnet.lab.comparison import Comparison
from minnet.lab.diagnosis import Diagnosis, diagnose
from minnet.lab.drawing import DRAWING, inline, page_templates, saved, write_files
from minnet.lab.pictures import is_share, pictures, shared_rates, shown_pairs
from minnet.lab.summary import WHERE, failed, good_rates, limit, passing, quoted
from minnet.run import Run


def write_report(comparison: Comparison, path: str | os.PathLike[str]) -> list[Path]:
    """Write the page to `path` (say results/moons.html), its figures and numbers beside it; return all paths.

    Beside it: moons_<figure>.png and .svg, moons_runs.csv, moons_table.csv, moons_pairs.csv, moons_table.json and
    moons_manifest.json.
    """
    page = Path(path)
    page.parent.mkdir(parents=True, exist_ok=True)
    contents: dict[Path, bytes] = {}

    def beside(suffix: str, content: bytes | str) -> None:
        contents[page.with_name(f"{page.stem}_{suffix}")] = content if isinstance(content, bytes) else content.encode()

    figures = []
    with rc_context(DRAWING):
        for picture in pictures(comparison):
            svg, png = (saved(picture.figure, kind) for kind in ("svg", "png"))
            beside(f"{picture.key}.svg", svg)
            beside(f"{picture.key}.png", png)
            figures.append({**picture._asdict(), "svg": inline(svg.decode(), key=picture.key, alt=picture.alt)})
    for name in ("runs", "table", "pairs"):
        beside(f"{name}.csv", getattr(comparison, name).to_csv(index=name == "table"))
    beside("table.json", comparison.table.to_json(orient="index", indent=2))
    beside("manifest.json", json.dumps(comparison.manifest, indent=2))
    template = _environment(comparison).get_template("report.html.jinja")
    html = template.render(_facts(comparison), figures={figure["key"]: figure for figure in figures},
                           files=[other.name for other in contents])  # fmt: skip
    contents = {page: html.encode(), **contents}
    write_files(contents)
    return list(contents)


def _environment(comparison: Comparison) -> Environment:
    """How a number is written in the page. Everything else that comes from a user is escaped."""
    share = is_share(comparison)
    environment = page_templates()

    def number(show: Callable[[float], str]) -> Callable[[float], str]:
        return lambda value: "–" if value is None or np.isnan(value) else show(value).replace("-", "−")

    environment.filters.update(
        score=number(lambda value: quoted(comparison.data, value)),
        difference=number(lambda value: f"{100 * value:+.1f}" if share else f"{value:+.3f}"),
        percent=number(lambda value: f"{value:.0%}"),
        plain=number(lambda value: f"{value:.3g}"),
        p=number(lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}"),
    )
    return environment


def _facts(comparison: Comparison) -> dict[str, Any]:
    """What the template is filled with."""
    runs, data = comparison.runs, comparison.data
    tuning, test = runs[runs.phase == "tuning"], runs[runs.phase == "test"]
    split = next(iter(comparison.examples.values()))[2]
    return {
        "data": data,
        "notes": getattr(data, "notes", ()),
        "share": is_share(comparison),
        "verdict": comparison.verdict(),
        "limit": limit(data),
        "passing": passing(data),
        "cautions": comparison.cautions(),
        "aside": WHERE,
        "failed": {name: comparison.failed(name) for name in comparison.table.index},
        "table": [(name, _window(row), row) for name, row in comparison.table.iterrows()],
        "pairs": list(shown_pairs(comparison).itertuples()),
        "hidden_pairs": len(comparison.pairs) - len(shown_pairs(comparison)),
        "shared_rates": shared_rates(comparison),
        "failures": list(_failures(comparison)),
        "tuning_seeds": tuning.seed.nunique(),
        "test_seeds": test.seed.nunique(),
        "grids": sorted({tuple(sorted(mine.rate.unique())) for _, mine in tuning.groupby("condition")}),
        "rows": [len(split.x), len(split.x_val), len(split.x_test)],
        "n_in": split.x.shape[-1],
        "manifest": [entry for entry in _flat(comparison.manifest) if entry[0] != "command"],
        "command": comparison.manifest.get("command"),
    }


def _window(row: pd.Series) -> str:
    """The window of good learning rates, by its ends and in decades."""
    width = f"{row.window:.2g}\u00a0decade{'' if row.window == 1 else 's'}"
    return f"{good_rates(row)} ({width})" if row.window_low != row.window_high else good_rates(row)


def _failures(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Condition and what went wrong with it: in the test at its own best rate, and at which rates when tuning."""
    runs, (ceiling, name) = comparison.runs, limit(comparison.data)
    for condition, row in comparison.table.iterrows():
        mine = runs[runs.condition == condition]
        own = mine[(mine.phase == "test") & (mine.rate == row.rate)]
        low = own[failed(comparison.data, own.test_score, own.diverged) & ~own.diverged]
        if len(low):
            worst = f"seed {low.seed[low.test_score.idxmin()]}, has {quoted(comparison.data, low.test_score.min())}"
            least = f"{passing(comparison.data)} ({name}: {quoted(comparison.data, ceiling)})"
            yield str(condition), f"{len(low)} of {len(own)} test seeds did no better than {least}; the worst, {worst}"
            if own.seed.iloc[0] in set(low.seed):
                yield str(condition), _diagnosis(comparison, str(condition), int(own.seed.iloc[0]))
        for phase, group in mine.groupby("phase"):
            lost = group[group.diverged]
            if len(lost):
                counts = group.groupby("rate").diverged.agg(["sum", "size"]).query("sum > 0")
                where = ", ".join(f"{n} of {size} at learning rate {rate:g}" for rate, n, size in counts.itertuples())
                why = str(lost.iloc[0].get("message") or "").rpartition(": ")[2]
                yield str(condition), f"{phase} runs diverged: {where}{f'. In one of them, {why}' if why else ''}"


def _diagnosis(comparison: Comparison, condition: str, seed: int) -> str:
    """What is the matter with the one network of a condition that is kept, that of its first test seed."""
    network, theta, split = comparison.examples[condition]
    y = split.y if comparison.data.task == "classification" else split.y.reshape(len(split.y), -1)
    found = diagnose(Run(network, theta, {}), split.x, y)
    assert isinstance(found, Diagnosis)  # one network, not replicas
    told = [f"{finding}; to try: {finding.advice}" for finding in found.findings if finding.harm]
    return f"diagnosis of seed {seed}: {'. '.join(told) or f'nothing wrong within; {found.state}'}"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and texts."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
