"""What is written on a command line, as what it means: lists, sizes, learning rates, data, parts of one's own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from minnet.lab.datasets import DATASETS, Dataset, dataset
from minnet.overwriting import Kind, check_output
from minnet.settings import require


def words(text: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def sizes(text: str) -> list[int]:
    """Sizes of hidden layers, such as 16,16: at least one."""
    found = [_size(word) for word in words(text)]
    require(len(found) > 0, "--hidden expects at least one size: without hidden layers there is no activation")
    return found


def _size(text: str) -> int:
    fits = text.isdigit() and int(text) >= 1
    require(fits, f"--hidden expects sizes >= 1 separated by commas, such as 16,16; got {text!r}")
    return int(text)


def rate(text: str) -> float:
    """One learning rate of --rates."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"--rates expects auto, or numbers separated by commas, such as 0.01,0.1; got {text!r}"
        ) from None


def at_least(**counts: tuple[int, int]) -> None:
    """Refuse a count below the least it may be; of each option, by name, its value and the least."""
    for name, (count, least) in counts.items():
        require(count >= least, f"--{name.replace('_', '-')} expects at least {least}, got {count}")


def writable(
    out: Path | None, kind: Kind, *, option: str = "--out", reads: Iterable[Path] = (), asked: bool = False
) -> None:
    """Refuse a file that cannot be written, or that holds something else, before any work is done."""
    if out is not None:
        require(out.parent.is_dir(), f"{option} expects a file in a folder that is there, got {out}")
        try:
            check_output(out, kind, reads=reads, asked=asked)
        except ValueError as error:
            raise ValueError(f"{option} {error}") from error


def source(data: str, target: str | None, *, points: int | None, noise: float | None, task: Any = None) -> Dataset:
    """A data set by name, a toy's with these settings; or a user's CSV file."""
    is_file = data not in DATASETS and Path(data).is_file()
    if target is None and not is_file and not data.lower().endswith(".csv"):
        require(task is None, f"--task goes with a CSV file, and {data} is none")
        toy = {"n_train": points, "n_val": points, "noise": noise}
        return dataset(data, **{name: value for name, value in toy.items() if value is not None})
    require(target is not None, f"--data {data} expects --target, the name of the column to predict")
    from minnet.lab.tables import read_table

    return read_table(data, str(target), task=task)
