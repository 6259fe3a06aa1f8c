"""The command `scratchvae`.

Exit codes: 0 success; 1 a failed comparison of `gradcheck`; 2 a mistake in the usage or the input, or a lack of memory,
disk space or hardware, or a process of several that fails; 3 training diverged; 70 a bug of scratchvae; 130 Ctrl-C.
Each error is one line of at most 200 characters on standard error, below the traceback with --debug; the report of a
training that diverged has several such lines.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from functools import partial

from scratchvae.cli.messages import in_option_names, shorten, split_clauses, without_clipping
from scratchvae.cli.options import Option, check_positive_options, option_names
from scratchvae.cli.outputs import discard_stdout, is_broken_pipe, print_warning, redirect_warnings
from scratchvae.cli.parser import make_parser
from scratchvae.cli.processes import Processes
from scratchvae.cli.train_options import OPTIONS
from scratchvae.errors import DivergedError, ScratchVAEError

BUG, DIVERGED, INTERRUPTED = 70, 3, 130  # the first is EX_SOFTWARE of sysexits.h


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    processes = Processes()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± prints a question mark
    parser = make_parser()
    args = parser.parse_args(argv)
    debug: bool = vars(args).pop("debug")  # no setting of a run
    args.processes = processes
    try:
        processes.join(args.command)
        check_positive_options(args, parser.commands[args.command].options.values())
        with redirect_warnings(partial(print_warning, command=args.command), UserWarning):
            code = int(args.run(args))
        sys.stdout.flush()
        return code
    except (Exception, KeyboardInterrupt) as error:
        if is_broken_pipe(error):
            discard_stdout()
            return 0
        traceback = format_traceback(error) if debug else ""
        code, message = code_and_message(error)
        if code == DIVERGED and hasattr(args, "clip_norm"):
            message = without_clipping(message)
        options = parser.commands[args.command].options.values()
        names = [
            word for option in options if option.type is str and not option.choices for word in _words(args, option)
        ]
        message = in_option_names(message, option_names((*OPTIONS, *options)), names)
        line = f"scratchvae {args.command}: {message}"
        typed = sys.argv[1:] if argv is None else argv
        line = split_clauses(line) if code == DIVERGED else shorten(line, typed)
        processes.fail(lambda stream: print(f"{traceback}{line}", file=stream, flush=True), code)
        return code


def _words(args: argparse.Namespace, option: Option) -> list[str]:
    """The words that were typed for an option of texts."""
    value = getattr(args, option.dest, "")
    return value if isinstance(value, list) else [str(value)]


def code_and_message(error: BaseException) -> tuple[int, str]:
    """The exit code for an error, and its message."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, ScratchVAEError):  # the whole message, in which Python arguments are yet to be replaced
        return DIVERGED if isinstance(error, DivergedError) else 2, error.message
    if isinstance(error, MemoryError):
        return 2, f"not enough memory ({error}); choose smaller sizes"
    if isinstance(error, OSError) and error.errno is not None:  # a full disk, a file that another program uses
        _flush_or_discard_stdout()
        return 2, f"the operating system reports: {error}; check the file or the disk, and try again"
    return BUG, (
        "this is a bug of scratchvae; please report it with the output of the same command with --debug: "
        f"{type(error).__name__}: {error}"
    )


def format_traceback(error: BaseException) -> str:
    """The traceback of an error and its causes, including causes suppressed by `raise … from None`."""
    import traceback

    cause: BaseException | None = error
    while cause is not None:
        cause.__suppress_context__ = cause.__cause__ is not None
        cause = cause.__cause__ or cause.__context__
    return "".join(traceback.format_exception(error))


def _flush_or_discard_stdout() -> None:
    """Discard the output that cannot be written, so that Python does not report it again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_stdout()
