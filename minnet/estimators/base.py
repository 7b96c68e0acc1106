"""What classifier and regressor share: scikit-learn's parameters, and the way from data through training to coefs_."""

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass, fields
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPRegressor as Theirs
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from minnet.activations import Sigmoid
from minnet.estimators.building import build, packed, unpacked
from minnet.estimators.fitting import fit_lbfgs, fit_stochastic
from minnet.estimators.optimizers import Memory
from minnet.estimators.sparse import over_rows
from minnet.estimators.watching import Progress
from minnet.losses import Loss
from minnet.settings import Array, require
from minnet.special import softmax

HEADS: dict[str, Any] = {"identity": np.asarray, "logistic": Sigmoid(), "softmax": softmax, "exp": np.exp}
# Which values are allowed, and the words for those that are not; the activation has a look-up and words of its own.
CONSTRAINTS = {name: kinds for name, kinds in Theirs._parameter_constraints.items() if name != "activation"} | {
    "early_stopping_on": [StrOptions({"score", "loss"})],
    "n_replicas": [Interval(Integral, 1, None, closed="left")],
}


@dataclass(eq=False, repr=False)
class BaseMLP(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The parameters, as scikit-learn's MLP has them; after `max_fun` those it lacks: see docs/estimators.md."""

    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    solver: str = "adam"
    alpha: float = 0.0001
    batch_size: int | str = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000
    dropout: Any = 0.0
    early_stopping_on: str = "score"
    n_replicas: int = 1

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    @abstractmethod
    def _checked(self, X: Any, y: Any, sample_weight: Any, first: bool, incremental: bool) -> tuple[Any, Array, Any]:
        """X, the target (N, n_out) in the dtype of X, and the sample weights (N,) or None."""

    @abstractmethod
    def _loss_and_head(self) -> tuple[Loss, str]:
        """The loss, and the name of the function that makes predictions of the network's outputs."""

    @abstractmethod
    def _score(self, y: Array, target: Array, weight: Array | None) -> Array:
        """The validation score of predictions y (..., N, n_out), one a replica."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (N, n_features), an array, a table or sparse, and y; weights (N,) count samples more or less."""
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Self:
        self._check_parameters(incremental)
        sizes = self._sizes()
        require(not (incremental and self.early_stopping), "partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, target, weight = self._checked(X, y, sample_weight, first, incremental)
        if not first:
            self._check_same(sizes, target.shape[1])
        network = build([X.shape[1], *sizes, target.shape[1]], self.activation, self.dropout)
        if first or not incremental:
            self._random_state, self._memory = check_random_state(self.random_state), Memory()
        self.coefs_: list[Array]
        self.intercepts_: list[Array]
        if first:
            theta = network.init_theta(self._seeds(() if self.n_replicas == 1 else (self.n_replicas,)), X.dtype)
            self._progress, self.t_, self._first_replicas = Progress.none("", theta.shape[:-1]), 0, self.n_replicas
            self.loss_curve_: list[Any] = []
            self.validation_scores_ = self.validation_loss_curve_ = None
        else:
            theta = packed(self.coefs_, self.intercepts_)
        self.n_layers_, self.n_outputs_, self.out_activation_ = (
            len(sizes) + 2,
            target.shape[1],
            self._loss_and_head()[1],
        )
        fit = fit_lbfgs if self.solver == "lbfgs" else fit_stochastic
        theta = fit(self, network, theta, X, target, weight, incremental)
        self.coefs_, self.intercepts_ = unpacked(network, theta)
        return self

    def _check_parameters(self, incremental: bool) -> None:
        """Validate the parameters; in partial_fit only if one was set since: it takes long beside one epoch."""
        values = [getattr(self, field.name) for field in fields(self)]
        valid = getattr(self, "_valid", [])
        if not incremental or list(map(id, valid)) != list(map(id, values)):
            self._validate_params()
            self._valid = values

    def _sizes(self) -> list[int]:
        """The numbers of hidden units."""
        given = self.hidden_layer_sizes
        sizes = list(given) if hasattr(given, "__getitem__") and np.iterable(given) else [given]
        whole = all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes)
        require(whole, f"hidden_layer_sizes expects integers >= 1, got {given!r}")
        require(all(size > 0 for size in sizes), f"hidden_layer_sizes must be > 0, got {[int(s) for s in sizes]}.")
        return [int(size) for size in sizes]

    def _check_same(self, sizes: list[int], n_outputs: int) -> None:
        """Raise ValueError unless training can go on with the weights of the first fit."""
        *hidden, outputs = (b.shape[-1] for b in self.intercepts_)
        for name, was, now in (
            ("hidden_layer_sizes", hidden, sizes),
            ("the number of outputs in y", outputs, n_outputs),
            ("n_replicas", self._first_replicas, self.n_replicas),
        ):
            require(was == now, f"{name} has to be that of the first fit, {was}, got {now}")

    def _seeds(self, replicas: tuple[int, ...]) -> Any:
        """An int for a single network, (), or one a replica, (K,)."""
        return self._random_state.randint(np.iinfo(np.int32).max, size=replicas or None)

    def _keep(self, rows: Array) -> None:
        """Go on with these replicas only (row numbers)."""
        self._memory.state = {name: array[rows] for name, array in self._memory.state.items()}
        for name in ("best", "count", "factor"):
            setattr(self._progress, name, getattr(self._progress, name)[rows])
        for name in ("loss_", "best_loss_", "best_validation_score_"):
            if (value := getattr(self, name)) is not None:
                setattr(self, name, value[rows])
        for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_"):
            if (curve := getattr(self, name)) is not None:
                setattr(self, name, [value[rows] for value in curve])

    def _outputs(self, X: Any) -> Array:
        """What each network says of checked X: (N, n_outputs), or (K, N, n_outputs) of replicas."""
        n_hidden = [W.shape[-1] for W in self.coefs_]
        network = build([self.coefs_[0].shape[-2], *n_hidden], self.activation, self.dropout)
        theta = packed(self.coefs_, self.intercepts_)
        if issparse(X):
            network, X = over_rows(network, X, theta.dtype)
        return HEADS[self.out_activation_](network(theta, X))

    def _mean_and_std(self, X: Any) -> tuple[Array, Array]:
        """The mean prediction of the replicas and its standard deviation, (N, n_outputs) each."""
        check_is_fitted(self, "coefs_")
        y = self._outputs(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))
        return (y.mean(axis=0), y.std(axis=0)) if y.ndim == 3 else (y, np.zeros_like(y))

    def __sklearn_tags__(self) -> Any:
        tags = BaseEstimator.__sklearn_tags__(self)
        tags.input_tags.sparse = True
        return tags


def checked_weight(sample_weight: Any, X: Any) -> Array | None:
    """Sample weights (N,) in the dtype of X, if there are any."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
    require(bool((weight >= 0).all()), f"sample_weight has to be >= 0, got {weight.min()}")
    require(bool(weight.any()), "Sample weights must contain at least one non-zero number.")
    return weight


def is_stochastic(model: BaseMLP) -> bool:
    """Whether there is partial_fit; the error that says why not is the one of a missing attribute."""
    if model.solver == "lbfgs":
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {model.solver} is not stochastic."
        )
    return True
