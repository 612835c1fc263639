"""`python -m plabctl` does what the console script does."""

import sys

from plabctl.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
