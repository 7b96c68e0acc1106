"""How measured times are shown: tables for the README and docs/speed.md, and a figure.

`found` holds for each part of experiments/speed.py the machine, the number of rounds, and its records: what was timed,
and the times in microseconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from minnet.lab.markdown import markdown_table
from minnet.lab.plots import styles

Records = Sequence[Mapping[str, Any]]
Found = Mapping[str, Mapping[str, Any]]  # part -> machine, rounds, records
ALONE = "minnet", "scikit-learn", "PyTorch eager", "JAX jit a step", "JAX jit an epoch", "products alone"
TOGETHER = "minnet", "PyTorch vmap", "PyTorch batched", "JAX vmap + scan", "products alone"


def blocks(found: Found) -> dict[str, str]:
    """The tables by name; below each its command, and the machine it ran on."""
    makers = {
        "steps": _steps, "replicas": _replicas, "process": _whole, "comparison": _whole, "load": _load,
        "growth": _growth,
    }  # fmt: skip
    made = {}
    for part, about in found.items():
        told = f"`python experiments/speed.py {part} --rounds {about['rounds']}`: {about['machine']}."
        made[f"speed: {part}"] = f"{makers[part](about['records'])}\n\n{told}"
        if part in ("steps", "replicas"):
            made[f"speed: {part} in full"] = f"{_in_full(about['records'])}\n\n{told}"
    return made


def _times(peer: float, ours: float) -> str:
    """A time, and how many times ours it is."""
    return f"{_short(peer)} ({peer / ours:#.3g} ×)"


def _short(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _beside(rows: Mapping[tuple[str, ...], Mapping[str, float]], headings: Sequence[str], peers: Sequence[str]) -> str:
    """A line for each work, a column for each peer, minnet's the first."""
    there = [peer for peer in peers if any(peer in times for times in rows.values())]
    lines = []
    for names, times in rows.items():
        ours = times["minnet"]
        cells = [_times(times[peer], ours) if peer in times else "" for peer in there[1:]]
        lines.append((*names, f"**{_short(ours)}**", *cells))
    return markdown_table((*headings, *there), lines)


def _steps(records: Records) -> str:
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for row in records:
        rows.setdefault((row["work"], str(row["threads"])), {})[row["peer"]] = row["microseconds"]
    return _beside(rows, ("µs a step", "threads"), ALONE)


def _replicas(records: Records) -> str:
    """Peers without replicas, and those on both cores, have columns of their own beside K."""
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for row in records:
        both = row["processes"] * row["threads"] > 1
        k = row["replicas"] * row["processes"] if row["replicas"] else 32  # timed beside K = 32
        key = row["work"], str(k), "2" if both else "1"
        rows.setdefault(key, {})[row["peer"]] = row["microseconds"]
    peers = (*TOGETHER, "scikit-learn", "PyTorch eager")
    return _beside(rows, ("µs a step, per network", "K", "cores"), peers)


def _whole(records: Records) -> str:
    ours = next(row["seconds"] for row in records if row["peer"] == "minnet")
    lines = [(row["peer"], f"{row['seconds']:.2f}", f"{row['seconds'] / ours:.1f} ×",
              f"{row['score']:.1%}" if "score" in row else "") for row in records]  # fmt: skip
    headings = "", "seconds", "minnet = 1", "test accuracy, one run"
    n = 4 if "score" in records[0] else 3
    return markdown_table(headings[:n], [line[:n] for line in lines])


def _load(records: Records) -> str:
    lines = [(row["work"], str(row["threads"]), row["peer"], _short(row["quiet"]), _short(row["busy"]),
              f"{row['busy'] / row['quiet']:.1f} ×") for row in records]  # fmt: skip
    return markdown_table(("µs a step", "threads allowed", "", "quiet", "every core busy", "slower"), lines)


def _growth(records: Records) -> str:
    lines = [(row["grid"], str(row["value"]), _short(row["microseconds"]), f"{row['peak']:.0f}") for row in records]
    return markdown_table(("over", "", "µs a step", "peak memory, MB"), lines)


def _in_full(records: Records) -> str:
    lines = []
    for row in records:
        k = f", K = {row['replicas'] * row['processes']}" if row["replicas"] else ""
        at_work = f"{row['processes']} processes" if row["processes"] > 1 else str(row["threads"])
        times = (_short(row[name]) for name in ("microseconds", "fastest", "slowest"))
        lines.append((f"{row['work']}{k}", row["peer"], at_work, *times, f"{row['first']:.2f}", f"{row['peak']:.0f}"))
    headings = ("", "", "threads", "µs a step, per network", "fastest", "slowest", "start to first epoch, once, s",
                "peak memory, MB")  # fmt: skip
    return markdown_table(headings, lines)


def figure(found: Found) -> Figure:
    """A step of one network beside minnet's, over its size; and a replica's share of a step, over K."""
    looks = styles(["minnet", "scikit-learn", "PyTorch eager", "JAX", "products alone", "PyTorch vmap",
                    "PyTorch batched"])  # fmt: skip
    looks |= {"JAX jit a step": looks["JAX"], "JAX vmap + scan": looks["JAX"]}
    looks["JAX jit an epoch"] = looks["JAX"] | {"marker": "x", "linestyle": "--"}
    steps, replicas = found["steps"]["records"], found["replicas"]["records"]
    drawn = Figure(figsize=(9, 4.8), layout="constrained")
    left, right = drawn.subplots(1, 2)
    ours: dict[str, Mapping[str, Any]] = {}  # one work of each size
    for row in steps:
        if row["peer"] == "minnet":
            ours.setdefault(row["work"].split(",")[0], row)
    works = [row["work"] for row in ours.values()]
    for i, peer in enumerate(ALONE):
        mine = [row for row in steps if row["peer"] == peer and row["work"] in works]
        ratios = [row["microseconds"] / ours[row["work"].split(",")[0]]["microseconds"] for row in mine]
        aside = (i - (len(ALONE) - 1) / 2) * 0.06  # or marks of the same height would hide each other
        left.plot([works.index(row["work"]) + aside for row in mine], ratios, label=peer, markersize=5, **looks[peer])
    left.set(yscale="log", title="One network: time of a step, minnet = 1", xlim=(-0.35, len(works) - 0.65))
    left.set_xticks(range(len(works)), [_lines(row) for row in ours.values()], fontsize=7)
    ticks = [0.25, 0.5, 1, 2, 4, 8, 16]
    left.set_yticks(ticks, [f"{tick:g} ×" for tick in ticks])
    first = replicas[0]["work"]
    rows = [row for row in replicas if row["work"] == first and row["processes"] == row["threads"] == 1]
    for peer in TOGETHER:
        mine = [row for row in rows if row["peer"] == peer and row["replicas"]]
        right.plot([row["replicas"] for row in mine], [row["microseconds"] for row in mine], label=peer, **looks[peer])
    for row in rows:
        if row["replicas"] is None:
            right.axhline(row["microseconds"], **{**looks[row["peer"]], "marker": ""}, linewidth=1)
            right.annotate(f"{row['peer']}, one network", (128, row["microseconds"]), xytext=(0, 3),
                           textcoords="offset points", fontsize=8, ha="right")  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel="replicas K",
              title=f"K networks {first.split(',')[0]}: µs a step, per network")  # fmt: skip
    right.set_xticks(sorted({row["replicas"] for row in rows if row["replicas"]}))
    ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500]
    right.set_yticks(ticks, [str(tick) for tick in ticks])
    right.xaxis.set_major_formatter("{x:.0f}")
    for ax in (left, right):
        ax.minorticks_off()
        ax.grid(axis="y", color="0.9")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2,
                  handlelength=4)  # fmt: skip
    return drawn


def _lines(row: Mapping[str, Any]) -> str:
    sizes, batch, activation = row["work"].split(", ")
    return f"{sizes}\n{batch}, {activation}\n{row['threads']} thread{'s' * (row['threads'] > 1)}"
