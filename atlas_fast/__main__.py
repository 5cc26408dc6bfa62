"""`python -m atlas_fast` is the command `atlas-fast`."""

import sys

from atlas_fast.cli import main

if __name__ == "__main__":
    sys.exit(main())
