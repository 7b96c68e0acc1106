"""`python -m minnet` is the `minnet` command."""

from minnet.cli import main

main()
