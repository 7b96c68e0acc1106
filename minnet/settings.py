"""What layers, losses and optimizers have in common: frozen settings that print as the call that makes them."""

from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from minnet.allowed import check_settings

Array = npt.NDArray[Any]


class Settings:
    """Base of the frozen dataclasses: refuses what its annotations do not allow (minnet.allowed).

    Prints as the shortest call that makes an equal one.
    """

    def __post_init__(self) -> None:
        check_settings(self)

    def __repr__(self) -> str:
        shown = []
        for field in fields(self):  # type: ignore[arg-type]  # its subclasses are dataclasses
            value = getattr(self, field.name)
            if field.default is MISSING and not field.kw_only:
                shown.append(repr(value))
            elif value != field.default:
                shown.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds: the one way a constructor refuses its arguments."""
    if not condition:
        raise ValueError(message)


def require_finite(array: Array, name: str) -> None:
    """Raise ValueError naming the first place where `array` is NaN or infinite."""
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} has to be finite, got {array[place]} at index {place}")
