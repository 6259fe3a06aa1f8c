"""The command `scratchvae`.

Exit codes: 0 done; 2 wrong usage or input, with one line that says what and how to mend it; 130 after Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scratchvae.cli.parser import make_parser
from scratchvae.errors import ScratchVAEError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = make_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except ScratchVAEError as error:
        print(f"scratchvae {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"scratchvae {args.command}: not enough memory ({error}); choose smaller sizes", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"scratchvae {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
