"""The data the experiments run on: toys to draw, real sets to split, and the best that a straight line can do on each.

Seed k draws (or splits off) its own training and validation points; the test points are the same for every seed.
Features are standardised on the training part of each seed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from inspect import signature
from typing import Any, Literal, NamedTuple

import numpy as np

from minnet.lab.half_plane import best_half_plane
from minnet.randomness import generator
from minnet.settings import Array, require

Rng = np.random.Generator


def moons(n: int, rng: Rng, noise: float = 0.2) -> tuple[Array, Array]:
    """Two interleaved half circles, with Gaussian noise (scikit-learn's make_moons): x (n, 2), y (n,) in {0, 1}."""
    from sklearn.datasets import make_moons

    x, y = make_moons(n, noise=noise, random_state=int(rng.integers(2**32)))
    return x, y


def circles(n: int, rng: Rng, noise: float = 0.1, factor: float = 0.5) -> tuple[Array, Array]:
    """A circle inside a circle, with Gaussian noise (scikit-learn's make_circles): x (n, 2), y (n,) in {0, 1}."""
    from sklearn.datasets import make_circles

    x, y = make_circles(n, noise=noise, factor=factor, random_state=int(rng.integers(2**32)))
    return x, y


def xor(n: int, rng: Rng, noise: float = 0.05) -> tuple[Array, Array]:
    """Uniform on the square [-1, 1]², labelled by the sign of x₁x₂; Gaussian noise is added after the labelling."""
    x = rng.uniform(-1, 1, (n, 2))
    return x + noise * rng.standard_normal((n, 2)), (x[:, 0] * x[:, 1] > 0).astype(int)


def spirals(n: int, rng: Rng, noise: float = 0.05, arms: int = 2, turns: float = 1.5) -> tuple[Array, Array]:
    """Archimedean spirals, one arm a class, uniform along the arm, outer radius 1; Gaussian noise."""
    y = rng.permutation(np.arange(n) % arms)
    radius = np.sqrt(rng.uniform(0, 1, n))
    angle = 2 * np.pi * (turns * radius + y / arms)
    x = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return x + noise * rng.standard_normal((n, 2)), y


def checkerboard(n: int, rng: Rng, noise: float = 0.0, squares: int = 4) -> tuple[Array, Array]:
    """Uniform on [0, 1]², labelled by the colour of a board of squares × squares; noise comes after the labelling."""
    x = rng.uniform(0, 1, (n, 2))
    y = np.floor(x * squares).astype(int).sum(axis=1) % 2
    return x + noise * rng.standard_normal((n, 2)), y


def blobs(n: int, rng: Rng, noise: float = 0.5, centers: int = 3) -> tuple[Array, Array]:
    """Gaussian clouds of standard deviation `noise` around points evenly spaced on the unit circle, one a class."""
    y = rng.permutation(np.arange(n) % centers)
    angle = 2 * np.pi * y / centers
    return np.column_stack([np.cos(angle), np.sin(angle)]) + noise * rng.standard_normal((n, 2)), y


class Split(NamedTuple):
    """Training, validation and test part: x (N, n_in) or (K, N, n_in), y (N,) or (K, N)."""

    x: Array
    y: Array
    x_val: Array
    y_val: Array
    x_test: Array
    y_test: Array


class Dataset(ABC):
    """What a comparison needs of its data.

    `task` is "classification" (y: integer labels) or "regression" (y: (N, n_out) real targets, scored by R²).
    """

    name: str
    task: Literal["classification", "regression"] = "classification"

    @property
    @abstractmethod
    def test(self) -> tuple[Array, Array]:
        """The common test points, not standardised: x (N, n_in), y (N,)."""

    @abstractmethod
    def training(self, seed: int) -> tuple[Array, Array, Array, Array]:
        """x, y, x_val, y_val of one seed, not standardised."""

    @property
    def n_in(self) -> int:
        """Number of features."""
        return int(self.test[0].shape[-1])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.test[1].max()) + 1

    @property
    def n_out(self) -> int:
        """Number of a network's outputs: one a class, or one a target."""
        return self.n_classes if self.task == "classification" else int(self.test[1].shape[-1])

    @property
    def guess(self) -> float:
        """Test score of guessing: always the class that is most frequent there, or the mean of the targets (R² 0)."""
        if self.task == "regression":
            return 0.0
        return float(np.bincount(self.test[1]).max() / len(self.test[1]))

    @property
    def ceiling(self) -> float | None:
        """Test accuracy of the best straight line on these very points (two classes in 2-D, up to 10,000), or None.

        The time grows with the square of the number of points: some seconds for 10,000, and an hour for 200,000.
        """
        fits = (self.task, self.n_in, self.n_out) == ("classification", 2, 2) and len(self.test[1]) <= 10_000
        return _cached_ceiling(self) if fits else None

    def split(self, seed: int) -> Split:
        """The three parts under one seed, standardised on its training part."""
        x, y, x_val, y_val = self.training(seed)
        x_test, y_test = self.test
        mean, std = x.mean(axis=0), x.std(axis=0)
        std = np.where(std > 0, std, 1.0)
        return Split((x - mean) / std, y, (x_val - mean) / std, y_val, (x_test - mean) / std, y_test)

    def splits(self, seeds: Iterable[int]) -> Split:
        """One split a seed, stacked on a new first axis, as `train` takes them for replicas."""
        return Split(*(np.stack(parts) for parts in zip(*map(self.split, seeds), strict=True)))


@dataclass(frozen=True)
class Toy(Dataset):
    """A data set that can be drawn without end: draw(n, rng) -> x, y."""

    name: str
    draw: Callable[[int, Rng], tuple[Array, Array]]
    n_train: int = 300
    n_val: int = 300
    n_test: int = 2000

    @property
    def test(self) -> tuple[Array, Array]:
        return _cached_test(self)

    def training(self, seed: int) -> tuple[Array, Array, Array, Array]:
        rng = generator(seed, "data")
        return (*self.draw(self.n_train, rng), *self.draw(self.n_val, rng))


@lru_cache(maxsize=32)
def _cached_test(toy: Toy) -> tuple[Array, Array]:
    return toy.draw(toy.n_test, generator(0, "test"))


@dataclass(frozen=True)
class Bundled(Dataset):
    """A real data set that comes with scikit-learn: a fifth is the test part, a fifth of each seed's validates."""

    name: str

    @property
    def test(self) -> tuple[Array, Array]:
        _, x_test, _, y_test = self._parts
        return x_test, y_test

    @property
    def _parts(self) -> tuple[Array, Array, Array, Array]:
        return _load_bundled(self.name)

    def training(self, seed: int) -> tuple[Array, Array, Array, Array]:
        from sklearn.model_selection import train_test_split

        x, _, y, _ = self._parts
        state = int(generator(seed, "data").integers(2**32))
        x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, stratify=y, random_state=state)
        return x_train, y_train, x_val, y_val


@lru_cache(maxsize=8)
def _load_bundled(name: str) -> tuple[Array, Array, Array, Array]:
    import sklearn.datasets
    from sklearn.model_selection import train_test_split

    data = getattr(sklearn.datasets, f"load_{name}")()
    state = int(generator(0, "test").integers(2**32))
    parts = train_test_split(data.data, data.target, test_size=0.2, stratify=data.target, random_state=state)
    return parts[0], parts[1], parts[2], parts[3]


DATASETS: dict[str, Dataset] = {
    **{draw.__name__: Toy(draw.__name__, draw) for draw in (moons, circles, xor, spirals, checkerboard, blobs)},
    **{name: Bundled(name) for name in ("breast_cancer", "wine", "digits")},
}


def dataset(name: str, **settings: Any) -> Dataset:
    """A data set by name. Settings of a toy: n_train, n_val, n_test, and what its function takes, such as noise.

    >>> dataset("spirals", n_train=100, arms=3).n_classes
    3
    """
    require(name in DATASETS, f"unknown data set {name!r}; known are {', '.join(DATASETS)}")
    found = DATASETS[name]
    own = [*list(signature(found.draw).parameters)[2:], "n_train", "n_val", "n_test"] if isinstance(found, Toy) else []
    for setting in settings:
        require(setting in own, f"{name} has no setting {setting!r}; it has {', '.join(own) or 'none'}")
    if not isinstance(found, Toy):
        return found
    sizes = {key: value for key, value in settings.items() if key.startswith("n_")}
    require(all(size >= 1 for size in sizes.values()), f"{name} expects at least 1 point in each part, got {sizes}")
    drawn = {key: value for key, value in settings.items() if key not in sizes}
    return replace(found, draw=partial(found.draw, **drawn) if drawn else found.draw, **sizes)


@lru_cache(maxsize=32)
def _cached_ceiling(data: Dataset) -> float:
    x, y = data.test
    return best_half_plane(x, y) / len(y)
