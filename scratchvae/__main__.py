"""`python -m scratchvae` is the command `scratchvae`."""

import sys

from scratchvae.cli import main

if __name__ == "__main__":
    sys.exit(main())
