"""The lock of a model: one thread at a time, first come first served; a long read gives way between its chunks."""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Turn:
    """The turn of a thread, from the time it asks for the lock until it releases it.

    number   the order in which the turns came
    reads    the thread does not write to the weights
    gate     a lock that the thread waits for, and that is free for a moment, when the turn begins; made when it waits
    """

    __slots__ = ("depth", "gate", "may_give_way", "number", "reads", "thread")
    gate: Any

    def __init__(self, number: int, thread: int, reads: bool) -> None:
        self.number, self.thread = number, thread
        self.reads = self.may_give_way = reads
        self.depth, self.gate = 1, None


class FairLock:
    """A re-entrant lock. One thread at a time holds it, and uses the buffers of the model.

    acquire(reads=True) is for methods that do not change the weights. A thread that reads may call `give_way` between
    two chunks of rows: readers that wait then run, each until its own next chunk. Writers wait until all reads have
    ended that came before them, since a read is of one state of the weights. Readers that come after a waiting writer
    wait for it, unless one of those earlier reads is still under way: then they run between its chunks.
    """

    def __init__(self) -> None:
        self._mutex = allocate_lock()  # protects the attributes below; held for microseconds
        self._count = 0
        self._running: Turn | None = None
        self._paused: list[Turn] = []  # reads that gave way
        self._waiting: list[Turn] = []  # in the order in which they are to run; paused reads are among them

    def acquire(self, reads: bool = False, timeout: float = -1.0) -> bool:
        """Acquire the lock; return False if that takes longer than `timeout` seconds, unless it is negative."""
        thread, running = get_ident(), self._running
        if running is not None and running.thread == thread:  # as in `held`
            running.depth += 1
            running.may_give_way &= reads
            return True
        mutex = self._mutex
        mutex.acquire()  # faster than `with`, by a quarter of a microsecond
        try:
            self._count += 1
            turn = Turn(self._count, thread, reads)
            if self._running is None and (not self._waiting or self._may_run(turn)):
                self._running = turn
                return True
            self._wait_in_line(turn)
        finally:
            mutex.release()
        try:
            acquired: bool = turn.gate.acquire(timeout=timeout)
        except BaseException:  # such as Ctrl-C
            with self._mutex:
                self._leave(turn)
            raise
        if not acquired:
            with self._mutex:
                acquired = self._running is turn
                if not acquired:
                    self._leave(turn)
        return acquired

    @property
    def held(self) -> bool:
        """True if this thread holds the lock, which no other thread can change."""
        turn = self._running
        return turn is not None and turn.thread == get_ident()

    def release(self) -> None:
        """Release the lock. Raises RuntimeError if this thread does not hold it."""
        turn = self._running
        if turn is None or turn.thread != get_ident():
            raise RuntimeError("the lock of a model was released by a thread that does not hold it")
        turn.depth -= 1
        if not turn.depth:
            mutex = self._mutex
            mutex.acquire()
            try:
                self._running = None
                if self._waiting:
                    self._run_next()
            finally:
                mutex.release()

    def give_way(self) -> None:
        """Let waiting readers run, if this thread reads; call it where the buffers hold nothing that is needed."""
        turn = self._running
        if not self._waiting or turn is None or not turn.may_give_way or turn.thread != get_ident():
            return
        with self._mutex:
            self._running = None
            self._paused.append(turn)
            self._wait_in_line(turn)
            self._run_next()
        interrupt = None
        while self._running is not turn:  # the method that called must hold the lock when it ends
            try:
                turn.gate.acquire()
            except BaseException as error:  # such as Ctrl-C
                interrupt = error
        turn.gate.acquire(blocking=False)  # if the exception came just when the turn began
        if interrupt is not None:
            raise interrupt

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A context in which the lock is held for reading."""
        self.acquire(reads=True)
        try:
            yield
        finally:
            self.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def _wait_in_line(self, turn: Turn) -> None:
        if turn.gate is None:
            turn.gate = allocate_lock()
            turn.gate.acquire()
        self._waiting.append(turn)

    def _may_run(self, turn: Turn) -> bool:
        """True if a turn, a waiting or a new one, can begin now. Called with the mutex held."""
        if self._running is not None:
            return False
        if turn in self._paused:
            return True
        if not turn.reads:
            return not self._paused
        writers = [other.number for other in self._waiting if not other.reads and other.number < turn.number]
        return not writers or any(read.number < min(writers) for read in self._paused)

    def _run_next(self) -> None:
        """Begin the first turn that can begin, if no other runs. Called with the mutex held."""
        for turn in self._waiting:
            if self._may_run(turn):
                self._waiting.remove(turn)
                if turn in self._paused:
                    self._paused.remove(turn)
                self._running = turn
                turn.gate.release()
                return

    def _leave(self, turn: Turn) -> None:
        """End a turn that has not begun, or has just begun. Called with the mutex held."""
        if self._running is turn:
            self._running = None
        else:
            self._waiting.remove(turn)
        self._run_next()
