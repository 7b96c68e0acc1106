"""A progress bar for long work: on a terminal, and nothing when piped."""

from collections.abc import Iterable


def counted(epochs: int) -> Iterable[int]:
    """The epochs from 0 on, with a bar on stderr while they go by."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(range(epochs), "training", console=console, disable=not console.is_terminal, transient=True)
