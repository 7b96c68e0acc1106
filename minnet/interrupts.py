"""Ctrl-C that waits for a place where nothing is half done."""

import signal
import threading
from typing import Any


class LateInterrupt:
    """A context in which Ctrl-C only sets `pressed`, and the work inside ends at the next place that suits it.

    A second Ctrl-C raises KeyboardInterrupt at once, for work that does not come to such a place. Only the main thread
    receives Ctrl-C: in others this does nothing, and neither where the program has a handler of its own.

    >>> with LateInterrupt() as ctrl_c:
    ...     signal.raise_signal(signal.SIGINT)
    ...     ctrl_c.pressed
    True
    """

    pressed, depth = False, 0

    def __enter__(self) -> "LateInterrupt":
        self.depth += 1
        if self.depth > 1:  # entered by a caller too, who leaves it last
            return self
        main = threading.current_thread() is threading.main_thread()
        self.ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.ours:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self.depth -= 1
        if self.depth:
            return
        self.pressed = False
        if self.ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def check(self) -> None:
        """Raise the KeyboardInterrupt that was put off, if one was."""
        if self.pressed:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: Any) -> None:
        again, self.pressed = self.pressed, True
        if again:
            raise KeyboardInterrupt
