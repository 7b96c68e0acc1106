"""The `minnet` command: the common jobs, one a module. What is heavy to load is loaded by the job that needs it."""


def main() -> None:
    """Run the command that stands in sys.argv, and exit: 0 done, 1 done and the answer is no, 2 bad usage or input."""
    import os

    os.environ.setdefault("PYTHONSAFEPATH", "1")  # workers begin without the working folder too, and get our path
    from minnet.cli.app import app

    app()
