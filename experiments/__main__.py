"""Every experiment, one after another, and one page that links them: claim and verdict of each at the top.

    python -m experiments --quick
    python -m experiments --readme

The second also puts what was measured into experiments/README.md, and the figures that stand there into docs/.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from minnet import Activation, ReLU, Sigmoid, Softplus, Tanh
from minnet.lab.claims import Full, Out, Quick, write_page
from minnet.lab.datasets import DATASETS
from minnet.lab.drawing import write_files
from minnet.lab.markdown import filled, markdown_table

# In the order of the claims; the main job and the gallery make no claim that could fail, and are linked.
CLAIMS = (
    "nonlinearity",
    "firing",
    "gradient_learning",
    "output_range",
    "vanishing_gradients",
    "universal_approximation",
)
LINKS = {
    "compare_activations": ("moons.html", "the comparison of activations on moons"),
    "activation_gallery": ("activation_gallery.png", "the gallery of activations"),
}
README = Path(__file__).with_name("README.md")
TOYS = {
    "moons": "two interleaved half circles, noise 0.2",
    "circles": "a circle inside another, half as large, noise 0.1",
    "xor": "the square [-1, 1]², labelled by the sign of x₁x₂, noise 0.05",
    "spirals": "two arms of 1.5 turns, noise 0.05",
    "checkerboard": "4 × 4 squares on [0, 1]², no noise",
}
FORMULAS: dict[Activation, tuple[str, str]] = {
    Sigmoid(): ("1 / (1 + e⁻ˣ)", "σ(x) (1 - σ(x))"),
    Tanh(): ("tanh x", "1 - tanh² x"),
    ReLU(): ("max(0, x)", "1 if x > 0, else 0"),
    Softplus(): ("log(1 + eˣ)", "σ(x)"),
}


def main(
    full: Full = False,
    quick: Quick = False,
    out: Out = Path("results"),
    run: Annotated[bool, typer.Option(help="run them; or take what the folder holds")] = True,
    readme: Annotated[bool, typer.Option("--readme", help="put what was measured into experiments/README.md")] = False,
) -> None:
    """Run all experiments and write index.html; exit code 1 if one of them failed."""
    failed = []
    for name in (*CLAIMS, *LINKS) if run else ():
        flags = ["--full"] * full + ["--quick"] * quick if name in CLAIMS else []
        script = Path(__file__).with_name(f"{name}.py")
        print(f"\n{'=' * 100}\n{' '.join(['python', f'experiments/{script.name}', *flags])}\n", flush=True)
        if subprocess.run([sys.executable, script, *flags, "--out", out]).returncode:
            failed.append(name)
    written = [out / f"{name}.json" for name in CLAIMS if (out / f"{name}.json").exists()]
    summaries = {path.stem: json.loads(path.read_text("utf-8")) for path in written}
    links = {file: words for file, words in LINKS.values() if (out / file).exists()}
    write_page(list(summaries.values()), out / "index.html", links)
    print(f"\nThe page of all: {out / 'index.html'}.")
    if readme:
        text = filled(README.read_text("utf-8"), blocks(summaries))
        write_files({README: text.encode()})
        for figure in re.findall(r"\(\.\./docs/(\w+\.png)\)", text):
            if (out / figure).exists():
                shutil.copy(out / figure, README.parent.parent / "docs" / figure)
        print(f"What was measured stands in {README}.")
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr)
        raise typer.Exit(1)


def blocks(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """By name: the parts of each experiment that has been run, the data sets and the functions, as Markdown tables."""
    found = {"data": _data(), "functions": _functions()}
    for name, summary in summaries.items():
        rows = [(f"({p['letter']}) {p['title']}{', a law' if p['law'] else ''}", p["prediction"], p["measured"],
                 f"**{p['verdict']}**") for p in summary["parts"]]  # fmt: skip
        flag = "" if summary["effort"] == "default" else f" --{summary['effort']}"
        table = markdown_table(("part", "predicted", "measured", "verdict"), rows)
        more = [
            f"<details><summary>({part['letter']}) in full</summary>\n\n```\n{part['details']}\n```\n\n</details>"
            for part in summary["parts"]
            if part["details"]
        ]
        answer, counts = summary["whole"].split("; ", 1)
        in_all = f"On the whole, what was predicted: **{answer}**; {counts}."
        found[name] = "\n\n".join([in_all, table, f"Measured by `python experiments/{name}.py{flag}`.", *more])
    return found


def _data() -> str:
    rows = [(name, told, f"{DATASETS[name].guess:.1%}", f"{DATASETS[name].ceiling:.2%}") for name, told in TOYS.items()]
    return markdown_table(("", "points", "guessing", "best straight line"), rows)


def _functions() -> str:
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    rows = [
        (type(f).__name__.lower(), formula, _numbers(f(x)), slope, _numbers(f.derivative(x)))
        for f, (formula, slope) in FORMULAS.items()
    ]
    return markdown_table(("", "f(x)", "at -2, -1, 0, 1, 2", "f′(x)", "at -2, -1, 0, 1, 2"), rows)


def _numbers(values: Any) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


if __name__ == "__main__":
    typer.run(main)
