"""The command `scratchvae`.

Exit codes: 0 done; 1 a check of `gradcheck` failed; 2 wrong usage or input, or a machine that cannot do it, with one
line that says what and how to mend it; 3 training has diverged, with a line that says where; 70 a bug of scratchvae
itself, with one line to report; 130 after Ctrl-C.
With --debug the traceback stands above that line, and the code is the same.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from scratchvae.cli.outputs import forget_stdout, reader_has_gone
from scratchvae.cli.parser import make_parser
from scratchvae.errors import DivergedError, ScratchVAEError

BUG, DIVERGED, INTERRUPTED = 70, 3, 130  # the first is EX_SOFTWARE of sysexits.h


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ± gets a question mark
    args = make_parser().parse_args(argv)
    debug: bool = vars(args).pop("debug")  # how to tell of errors is no setting of a command
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except (Exception, KeyboardInterrupt) as error:
        if reader_has_gone(error):
            forget_stdout()
            return 0
        if debug:
            print(traceback_of(error), end="", file=sys.stderr)
        code, line = verdict(error)
        print(f"scratchvae {args.command}: {' '.join(line.split())}", file=sys.stderr)
        return code


def verdict(error: BaseException) -> tuple[int, str]:
    """The exit code for an error, and the line that tells of it."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, DivergedError):
        return DIVERGED, str(error)
    if isinstance(error, ScratchVAEError):
        return 2, str(error)
    if isinstance(error, MemoryError):
        return 2, f"not enough memory ({error}); choose smaller sizes"
    if isinstance(error, OSError) and error.errno is not None:  # a full disk, a file that another program holds
        _forget_what_cannot_be_printed()
        return 2, f"the system refused: {error}; see that it can do this, and try again"
    return BUG, (
        f"this is a bug of scratchvae, not a mistake of yours: {type(error).__name__}: {error}; the same command with "
        "--debug shows where, please report what that prints"
    )


def traceback_of(error: BaseException) -> str:
    """Where an error came from, and what brought it about, also where the message was to stand without that."""
    import traceback

    cause: BaseException | None = error
    while cause is not None:
        cause.__suppress_context__ = cause.__cause__ is not None
        cause = cause.__cause__ or cause.__context__
    return "".join(traceback.format_exception(error))


def _forget_what_cannot_be_printed() -> None:
    """Lest Python complain at its end, where it is standard output that cannot be written to."""
    try:
        sys.stdout.flush()
    except OSError:
        forget_stdout()
