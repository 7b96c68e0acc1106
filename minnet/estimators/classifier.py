"""The classifier: labels in, probabilities and labels out."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from minnet.estimators.base import CONSTRAINTS, BaseMLP, checked_weight, is_stochastic
from minnet.estimators.losses import SummedBinaryCrossEntropy, accuracy
from minnet.losses import Loss, softmax_cross_entropy
from minnet.settings import Array, require


@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]  # scikit-learn has no types
    """scikit-learn's MLPClassifier by another engine: log-loss, for two or more classes, or several labels a sample.

    Its parameters and attributes are scikit-learn's. Besides: any activation, `dropout`, `early_stopping_on`,
    `n_replicas`, `class_weight`; what differs is listed in docs/estimators.md.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), activation="gelu", learning_rate_init=0.02, max_iter=2000, n_replicas=4)
    >>> model = model.set_params(random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.95)
    True
    """

    _: KW_ONLY
    class_weight: Any = None
    loss: ClassVar[str] = "log_loss"

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS | {
        "class_weight": [StrOptions({"balanced"}), dict, list, None]
    }

    def _checked(self, X: Any, y: Any, sample_weight: Any, first: bool, incremental: bool) -> tuple[Any, Array, Any]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=(np.float64, np.float32), reset=first
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if (first and not incremental) or not hasattr(self, "classes_"):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y), incremental)
        weight = checked_weight(sample_weight, X)
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, y)
            fits = bool(((by_class >= 0) & np.isfinite(by_class)).all())
            require(fits, f"class_weight has to be finite and >= 0, got {self.class_weight}")
            weight = checked_weight(by_class if weight is None else by_class * weight, X)
        return X, self._label_binarizer.transform(y).astype(X.dtype), weight

    def _check_classes(self, classes: Array, incremental: bool) -> None:
        known = self.classes_
        if self.warm_start and not incremental:
            require(set(classes) == set(known), "warm_start can only be used where `y` has the same classes as in the "
                    f"previous call to fit. Previously got {known}, `y` has {classes}")  # fmt: skip
        unknown = set(classes) - set(known)
        require(not unknown, f"`y` has classes not in `self.classes_`. `self.classes_` has {known}. 'y' has {classes}.")

    def _loss_and_head(self) -> tuple[Loss, str]:
        if self._label_binarizer.y_type_ == "multiclass":
            return softmax_cross_entropy, "softmax"
        return SummedBinaryCrossEntropy(), "logistic"

    def _score(self, y: Array, target: Array, weight: Array | None) -> Array:
        return accuracy(y, target, weight, one_of_many=self.out_activation_ == "softmax")

    @available_if(is_stochastic)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on X and y; the first call needs `classes`, all labels that will come."""
        if not hasattr(self, "classes_"):
            require(classes is not None, "classes must be passed on the first call to partial_fit.")
            labels = y if type_of_target(y).startswith("multilabel") else unique_labels(classes)
            self._label_binarizer = LabelBinarizer().fit(labels)
            self.classes_ = self._label_binarizer.classes_
        elif classes is not None:
            same = np.array_equal(self.classes_, unique_labels(classes))
            require(same, f"`classes={classes!r}` is not the same as on last call to partial_fit, "
                    f"was: {self.classes_!r}")  # fmt: skip
        require(self.class_weight != "balanced", "class_weight 'balanced' is not supported for partial_fit: give a "
                "dict, compute_class_weight('balanced', classes=classes, y=y) of all the labels")  # fmt: skip
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """The most probable label of each sample, (N,), or of several labels which are there, (N, n_labels)."""
        y = self._mean_and_std(X)[0]
        return self._label_binarizer.inverse_transform(y.ravel() if self.n_outputs_ == 1 else y)

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """Probabilities (N, n_classes) in the order of `classes_`, the mean of the replicas'; and their spread."""
        y, std = self._mean_and_std(X)
        if self.n_outputs_ == 1:
            y, std = np.hstack([1 - y, y]), np.hstack([std, std])
        return (y, std) if return_std else y

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of predict_proba, -∞ where that is 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = ClassifierMixin.__sklearn_tags__(self)
        tags.classifier_tags.multi_label = True
        return tags
