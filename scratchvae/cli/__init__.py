"""The command `scratchvae`.

Exit codes: 0 done; 1 a check of `gradcheck` failed; 2 wrong usage or input, with one line that says what and how to
mend it; 130 after Ctrl-C.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from scratchvae.cli.outputs import forget_stdout
from scratchvae.cli.parser import make_parser
from scratchvae.errors import ScratchVAEError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ± gets a question mark
    args = make_parser().parse_args(argv)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        forget_stdout()
        return 0
    except ScratchVAEError as error:
        print(f"scratchvae {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"scratchvae {args.command}: not enough memory ({error}); choose smaller sizes", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"scratchvae {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
