"""A progress bar for long work: on a terminal, and nothing when piped."""

from collections.abc import Iterable


def progress_bar(epochs: range, *, displayed: bool) -> Iterable[int]:
    """The epochs; if `displayed`, with a bar on stderr while they go by."""
    if not displayed:
        return epochs
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(epochs, "training", console=console, disable=not console.is_terminal, transient=True)
