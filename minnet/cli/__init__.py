"""The `minnet` command: the common jobs, one a module. What is heavy to load is loaded by the job that needs it."""


def main() -> None:
    """Run the command that stands in sys.argv, and exit: 0 done, 1 done and the answer is no, 2 bad usage or input."""
    from minnet.cli.app import app

    app()
