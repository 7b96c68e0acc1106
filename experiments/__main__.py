"""Every experiment, one after another, and one page that links them: claim and verdict of each at the top.

python -m experiments --quick
"""

import json
import subprocess
import sys
from pathlib import Path

import typer

from minnet.lab.claims import Full, Out, Quick, write_page

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


def main(full: Full = False, quick: Quick = False, out: Out = Path("results")) -> None:
    """Run all experiments and write index.html; exit code 1 if one of them failed."""
    failed = []
    for name in (*CLAIMS, *LINKS):
        flags = ["--full"] * full + ["--quick"] * quick if name in CLAIMS else []
        script = Path(__file__).with_name(f"{name}.py")
        print(f"\n{'=' * 100}\npython {script.name} {' '.join(flags)}\n", flush=True)
        if subprocess.run([sys.executable, script, *flags, "--out", out]).returncode:
            failed.append(name)
    written = [out / f"{name}.json" for name in CLAIMS if (out / f"{name}.json").exists()]
    links = {file: words for file, words in LINKS.values() if (out / file).exists()}
    write_page([json.loads(path.read_text("utf-8")) for path in written], out / "index.html", links)
    print(f"\nThe page of all: {out / 'index.html'}.")
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
