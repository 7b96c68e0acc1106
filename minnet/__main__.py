"""`python -m minnet` is the `minnet` command."""

import os
import sys

first, own = sys.path[0], os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not sys.flags.safe_path:  # then `python -m` has put the working folder first: nothing there is to be taken for ours
    del sys.path[0]
    sys.path += [first] if first == own else []  # minnet itself lies there

from minnet.cli import main  # noqa: E402

main()
