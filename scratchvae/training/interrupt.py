"""Ctrl-C, deferred until the current step has ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class DeferredInterrupt:
    """While it is entered, a first Ctrl-C calls `stop("interrupted")`; a second one raises KeyboardInterrupt at once.

    So that no step is cut in half, with some weights updated and others not. Outside the main thread, and where
    SIGINT is ignored, nothing changes.
    """

    def __init__(self, stop: Callable[[str], None]) -> None:
        self._stop = stop
        self._requested = False

    def __enter__(self) -> DeferredInterrupt:
        """Take SIGINT over."""
        self._previous = signal.getsignal(signal.SIGINT)
        self._taken = threading.current_thread() is threading.main_thread() and self._previous not in (
            None,
            signal.SIG_IGN,
        )
        if self._taken:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give SIGINT back."""
        if self._taken:
            signal.signal(signal.SIGINT, self._previous)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        self._stop("interrupted")
