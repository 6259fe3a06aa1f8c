"""Ctrl-C as a wish that is granted between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interruption:
    """While it is entered, a first Ctrl-C only sets `asked`; a second one raises KeyboardInterrupt at once.

    So that no step is cut in half, with some weights updated and others not. Outside the main thread, and where
    SIGINT is ignored, nothing changes.
    """

    asked = False

    def __enter__(self) -> Interruption:
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
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
