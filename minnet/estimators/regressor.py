"""The regressor: numbers in, numbers or counts out."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from minnet.estimators.base import BaseMLP, checked_weight, is_stochastic
from minnet.estimators.losses import HalfPoissonDeviance, HalfSquaredError, r2
from minnet.losses import Loss
from minnet.settings import Array


@dataclass(eq=False, repr=False)
class LossFirst:
    """The parameter that stands first in scikit-learn's regressor, before those it shares with the classifier."""

    loss: str = "squared_error"


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, BaseMLP, LossFirst):  # type: ignore[misc]  # scikit-learn has no types
    """scikit-learn's MLPRegressor by another engine: squared error, or Poisson deviance for counts; several outputs.

    Its parameters and attributes are scikit-learn's. Besides: any activation, `dropout`, `early_stopping_on`,
    `n_replicas`; what differs is listed in docs/estimators.md.

    >>> X = np.linspace(-3, 3, 200)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(16,), activation="tanh", solver="lbfgs", random_state=0)
    >>> bool(model.fit(X, np.sin(X[:, 0])).score(X, np.sin(X[:, 0])) > 0.99)
    True
    """

    def _checked(self, X: Any, y: Any, sample_weight: Any, first: bool, incremental: bool) -> tuple[Any, Array, Any]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True,
            dtype=(np.float64, np.float32), reset=first,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y.reshape(len(y), -1).astype(X.dtype), checked_weight(sample_weight, X)

    def _loss_and_head(self) -> tuple[Loss, str]:
        return (HalfPoissonDeviance(), "exp") if self.loss == "poisson" else (HalfSquaredError(), "identity")

    def _score(self, y: Array, target: Array, weight: Array | None) -> Array:
        return r2(np.exp(y) if self.loss == "poisson" else y, target, weight)

    @available_if(is_stochastic)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on X and y."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The predictions, (N,) or (N, n_outputs), the mean of the replicas'; and their spread."""
        found = [y.ravel() if self.n_outputs_ == 1 else y for y in self._mean_and_std(X)]
        return tuple(found) if return_std else found[0]

    def __sklearn_tags__(self) -> Any:
        tags = RegressorMixin.__sklearn_tags__(self)
        tags.target_tags.multi_output = True
        return tags
