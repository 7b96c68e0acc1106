"""scikit-learn drop-ins: swap one import line, keep the program. What is chosen to differ: docs/estimators.md."""

from minnet.estimators.classifier import MLPClassifier
from minnet.estimators.divergence import DivergedError
from minnet.estimators.regressor import MLPRegressor

__all__ = ["DivergedError", "MLPClassifier", "MLPRegressor"]
