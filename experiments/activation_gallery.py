"""The whole catalogue of activations in one figure and one table, every entry computed from the function itself.

A dashed line is the derivative; the grey hill shows where unit normal inputs, those of a well initialised layer, fall.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import minnet as mn
from minnet.datasheet import Datasheet, datasheet


def figure(sheets: list[Datasheet]) -> Any:
    import matplotlib.pyplot as plt

    columns = 5
    rows = -(-(len(sheets) + 1) // columns)  # one place is left for the legend
    fig, axes = plt.subplots(rows, columns, figsize=(3.0 * columns, 2.35 * rows), layout="constrained")
    for ax, sheet in zip(axes.flat, sheets, strict=False):
        sheet.plot(ax)
        ax.axhline(0, color="0.6", lw=0.6, zorder=0)
        ax.axvline(0, color="0.6", lw=0.6, zorder=0)
        ax.tick_params(labelsize=8)
    for ax in axes.flat[len(sheets) :]:
        ax.axis("off")
    handles = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    axes.flat[len(sheets)].legend(handles.values(), handles.keys(), loc="center", frameon=False, fontsize=11)
    return fig


def table(sheets: list[Datasheet]) -> str:
    """One line an activation."""
    head = f"{'':26}{'range':>17}{'monotone':>12}{'kinks':>7}{'f′(0)':>8}{'Lipschitz':>10}"
    head += (
        f"{'E[f]':>8}{'E[f²]':>8}{'E[f′²]':>8}{'n_in Var(W)':>12}{'n_out Var(W)':>13}{'its limit in float32':>26}  also"
    )
    lines = [head]
    for s in sheets:
        low, high = (f"{end:.3g}".replace("inf", "∞") for end in s.range)
        ends = "[("[not s.attained[0]] + f"{low}, {high}" + "])"[not s.attained[1]]
        left, right = s.saturation["float32"]
        flat = " ".join([f"< {left:.4g}"] * (not np.isnan(left)) + [f"> {right:.4g}"] * (not np.isnan(right)))
        line = f"{s.activation!r:26}{ends:>17}{s.monotone:>12}{len(s.kinks) + len(s.jumps):>7}{s.df0:>8.3g}"
        line += f"{s.lipschitz:>10.4g}{s.mean:>8.3f}{s.second_moment:>8.3f}{s.slope_moment:>8.3f}"
        line += f"{s.forward_variance:>12.3g}{s.backward_variance:>13.3g}{flat or 'nowhere':>26}  {'; '.join(s.equals)}"
        lines.append(line.rstrip())
    lines.append(
        "E under inputs from N(0, 1). n_in Var(W) keeps the signal's second moment at 1, n_out Var(W) the gradient's."
    )
    return "\n".join(lines)


def main(out: Annotated[Path, typer.Option(help="Folder for the figure.")] = Path("results")) -> None:
    """Write the figure and print the table."""
    import matplotlib

    matplotlib.use("Agg")
    sheets = [datasheet(activation) for activation in mn.CATALOGUE]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"--out has to be a folder that can be written: {error}") from None
    path = out / "activation_gallery.png"
    beside = path.with_suffix(".part.png")
    figure(sheets).savefig(beside, dpi=110)
    beside.replace(path)
    typer.echo(table(sheets))
    typer.echo(f"The figure is in {path}.")


if __name__ == "__main__":
    typer.run(main)
