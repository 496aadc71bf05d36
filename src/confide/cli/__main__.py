"""`python -m confide.cli` is `confide`."""

import sys

from confide.cli import main

if __name__ == "__main__":
    sys.exit(main())
