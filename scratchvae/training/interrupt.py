"""Ctrl-C, deferred until the current step has ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class DeferredInterrupt:
    """A context in which a first Ctrl-C calls `stop("interrupted")`, and a second one raises KeyboardInterrupt.

    No step is interrupted in the middle, with only some weights updated. Outside the main thread, and if SIGINT is
    ignored, the context has no effect.
    """

    def __init__(self, stop: Callable[[str], None]) -> None:
        self._stop = stop
        self._requested = False

    def __enter__(self) -> DeferredInterrupt:
        """Install the handler of SIGINT."""
        self._previous = signal.getsignal(signal.SIGINT)
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._installed = in_main_thread and self._previous not in (None, signal.SIG_IGN)
        if self._installed:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the previous handler of SIGINT."""
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        self._stop("interrupted")
