"""What a fit raises when its training diverges."""

from minnet.run import DivergenceError, Run


class DivergedError(DivergenceError, ValueError):
    """Training met a number that is not finite: the learning rate is too high. `run` keeps the last finite weights.

    A ValueError too, because that is what scikit-learn's raises, and it travels between processes.
    """

    run: Run | None  # type: ignore[assignment]  # unpickling makes the error from its message first

    def __init__(self, message: str, run: Run | None = None):
        ArithmeticError.__init__(self, message)
        self.run = run
