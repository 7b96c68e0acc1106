"""`minnet inspect`: what a file holds: layers, settings, how the weights are spread, and what it was trained on."""

from typing import Any

import numpy as np

from minnet.cli.answers import Answer, table, visible
from minnet.cli.models import Custom, Model, ModelPath, brief, read_model

SHOWN = 200  # lines on layers


def inspect(model: ModelPath, custom: Custom = None) -> Answer:
    """Show the layers and weights of a trained network, and what it was trained on."""
    found = read_model(model, custom)
    network, theta = found.network, found.theta
    layers: list[dict[str, Any]] = []
    rows = []
    for i, (layer, part) in enumerate(zip(network.layers, network.slices, strict=True)):
        parameters = []
        for parameter, array in zip(layer.parameters, _flat(layer.unpack(theta[..., part])), strict=True):
            spread = {
                "mean": float(array.mean(dtype=float)), "std": float(array.std(dtype=float)), "min": float(array.min()),
                "max": float(array.max()),
            }  # fmt: skip
            parameters.append({"name": parameter.name, "role": parameter.role, "shape": parameter.shape} | spread)
            first = not parameters[:-1]
            told = "x".join(map(str, parameter.shape))
            numbers = [f"{value:.4g}" for value in spread.values()]
            rows.append([i if first else "", brief(layer) if first else "", parameter.name, told, *numbers])
        if not parameters:
            rows.append([i, brief(layer), *[""] * 6])
        layers.append({"layer": repr(layer), "parameters": parameters})
    count = f"{len(theta)} networks of " if theta.ndim > 1 < len(theta) else ""
    document = {
        "file": model,
        "network": repr(network),
        "parameters": network.size,
        "networks": len(theta) if theta.ndim > 1 else 1,
        "dtype": str(theta.dtype),
        "layers": layers,
        "metadata": found.metadata,
    }
    headings = "", "layer", "numbers", "shape", "mean", "std", "min", "max"
    return Answer(
        document,
        [
            f"{model}: {count}{network.size} parameters, {theta.dtype}\n",
            table(headings, rows[:SHOWN], left=4),
            *([f"... and {len(rows) - SHOWN} lines more, which --json has"] if len(rows) > SHOWN else ()),
            *_told(found),
        ],
    )


def _flat(arrays: Any) -> list[Any]:
    """The arrays of a layer's parameters, those of a composite one after the other."""
    return [array for group in arrays for array in ([group] if isinstance(group, np.ndarray) else _flat(group))]


def _told(found: Model) -> list[str]:
    """What the file says of itself, a line an entry; of the columns only the names."""
    lines: list[tuple[str, Any]] = []
    for key, value in found.metadata.items():
        if key == "preprocessing" and (ready := _preprocessing(found)):
            columns = [column.name for column in ready.columns]
            shown = ", ".join(columns[:20]) + (f", ... ({len(columns)} in all)" if len(columns) > 20 else "")
            lines += [("columns", shown), ("target", ready.target)]
            lines += [("classes", ", ".join(ready.classes))] if ready.classes else []
        elif key == "loss" and (loss := found.losses):
            lines.append(("loss", f"{loss[0]:.4g} in the first epoch, {loss[-1]:.4g} in the last"))
        elif isinstance(value, dict):
            lines.append((key, ", ".join(f"{name} {inner}" for name, inner in value.items())))
        else:
            lines.append((key, value))
    texts = [tuple(visible(str(part)).replace("\n", "\\n") for part in line) for line in lines]
    width = max((len(key) for key, _ in texts), default=0)
    return ["", *(f"{key:{width}}  {text}" for key, text in texts)] if texts else []


def _preprocessing(found: Model) -> Any:
    try:
        return found.preprocessing
    except ValueError:  # a user's own entry of that name
        return None
