"""What can be said of a mean over seeds."""

import numpy as np

from minnet.settings import Array


def mean_interval(values: Array, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and Student's t interval for it: values (n,) -> mean, low, high. One value alone has no interval (NaN)."""
    from scipy import stats

    values = np.asarray(values, float)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, np.nan, np.nan
    half = float(stats.sem(values) * stats.t.ppf((1 + level) / 2, len(values) - 1))
    return mean, mean - half, mean + half
