"""Are the estimators as good as scikit-learn's MLP, and how much sooner are they done?

Both fit the same splits of four data sets (a quarter held out, standardised on the rest) with their default settings,
seed by seed and in turns, on one BLAS thread. Scores are accuracy, or R² for diabetes, whose target is standardised.

    python experiments/estimators_beside_sklearn.py --seeds 20
"""

import platform
import time
import warnings
from typing import Annotated, Any

import numpy as np
import sklearn.neural_network as theirs
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import minnet.estimators as ours
from minnet.lab.statistics import mean_interval
from minnet.settings import Array

LOADERS = {"digits": load_digits, "breast cancer": load_breast_cancer, "wine": load_wine, "diabetes": load_diabetes}


def split(name: str, seed: int, dtype: str) -> list[Any]:
    """Training and test x, training and test y."""
    x, y = LOADERS[name](return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=seed)
    scaler = StandardScaler().fit(x_train)
    if name == "diabetes":
        middle, spread = y_train.mean(), y_train.std()
        y_train, y_test = (y_train - middle) / spread, (y_test - middle) / spread
    return [scaler.transform(x_train).astype(dtype), scaler.transform(x_test).astype(dtype), y_train, y_test]


def measure(name: str, seeds: int, settings: dict[str, Any], dtype: str) -> tuple[Array, Array]:
    """Scores and fit times in seconds, (2, seeds) each: theirs, ours."""
    kind = "MLPRegressor" if name == "diabetes" else "MLPClassifier"
    scores, times = np.empty((2, seeds)), np.empty((2, seeds))
    for seed in range(seeds):
        x_train, x_test, y_train, y_test = split(name, seed, dtype)
        both = list(enumerate((theirs, ours)))
        for i, package in both if seed % 2 else reversed(both):
            model = getattr(package, kind)(random_state=seed, **settings)
            start = time.perf_counter()
            model.fit(x_train, y_train)
            times[i, seed] = time.perf_counter() - start
            scores[i, seed] = model.score(x_test, y_test)
    return scores, times


def main(
    seeds: Annotated[int, typer.Option(min=2)] = 20,
    max_iter: Annotated[int, typer.Option(min=1)] = 200,
    solver: Annotated[str, typer.Option(help="adam, sgd or lbfgs")] = "adam",
    dtype: Annotated[str, typer.Option(help="of the data: float64 or float32")] = "float64",
    threads: Annotated[int, typer.Option(min=1, help="BLAS threads for both; minnet takes one for small products")] = 1,
) -> None:
    """Score and time scikit-learn's MLP and minnet's estimators side by side."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # that 200 epochs did not converge is known
    measure("wine", 2, {"max_iter": 2}, dtype)  # the first fits pay for imports and caches
    title = f"{solver}, {dtype}, {seeds} seeds: mean test score (95% interval), and time of a fit"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for heading in ("scikit-learn", "minnet", "minnet - it", "its ms", "ours", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in LOADERS:
        with threadpool_limits(threads, user_api="blas"):
            scores, times = measure(name, seeds, {"max_iter": max_iter, "solver": solver}, dtype)
        found = [
            *(mean_interval(values, bounds=(-np.inf, 1)) for values in scores),
            mean_interval(scores[1] - scores[0]),
        ]
        cells = [f"{mean:.3f} ({low:.3f}, {high:.3f})" for mean, low, high in found]
        median, ratio = np.median(times, axis=1) * 1e3, np.median(times[1] / times[0])
        table.add_row(name, *cells, f"{median[0]:.0f}", f"{median[1]:.0f}", f"{ratio:.3f}")
    Console(width=120).print(table)
    print("Intervals: Student's t over the seeds. Times: medians; the ratio is the median of the paired ratios.")
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, {threads} BLAS thread(s)."
    )


if __name__ == "__main__":
    typer.run(main)
