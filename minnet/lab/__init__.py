"""The laboratory: what the experiments share."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`diagnose` and the like are looked up when they are asked for, so that importing minnet.lab loads nothing."""
    if name == "diagnose":
        from minnet.lab.diagnosis import diagnose

        return diagnose
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
