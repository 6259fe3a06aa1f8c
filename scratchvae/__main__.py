"""Run the command `scratchvae` as `python -m scratchvae`."""

import sys

from scratchvae.cli import main

if __name__ == "__main__":
    sys.exit(main())
