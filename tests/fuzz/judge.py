"""Reading one case and judging the result."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from readers import Case, Reader

from scratchvae.errors import ScratchVAEError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MEMORY = 200 << 20  # bytes that reading may allocate
SECONDS = 5.0
LONGEST = 3000  # characters of a message
RIGHT = "right"


class Verdict(NamedTuple):
    """The outcome: RIGHT, the name of a ScratchVAEError, or, if `allowed` is False, a description of the fault."""

    outcome: str
    allowed: bool
    seconds: float
    memory: int


class TooSlowError(BaseException):
    """Raised if a reader takes too long; not caught by `except Exception`."""


class Bench:
    """A folder with the valid cases of a reader, and the results of reading them."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        self.reader, self.folder = reader, folder
        self.cases = reader.cases()
        self.expected: list[Any] = []
        for k, case in enumerate(self.cases):
            place = folder / str(k)
            place.mkdir()
            for name, content in case.items():
                (place / name).write_bytes(content)
            result = reader.read(place)
            self.expected.append(result)
            if not reader.right(result, self.expected, place, False):
                raise AssertionError(f"a valid case is read incorrectly: {place}: {result}")

    def judge(self, k: int, changed: Case, valid_checksums: bool = False) -> Verdict:
        """Judge the k-th case with some of its files temporarily changed."""
        place = self.folder / str(k)
        for name, content in changed.items():
            (place / name).write_bytes(content)
        try:
            return self.judge_folder(place, valid_checksums)
        finally:
            for name in changed:
                if name in self.cases[k]:
                    (place / name).write_bytes(self.cases[k][name])
                else:
                    (place / name).unlink()

    def judge_folder(self, place: Path, valid_checksums: bool = False) -> Verdict:
        """Judge the files in a folder."""
        before, start = _reset_peak(), time.perf_counter()
        try:
            with _memory_limit(), _limit(SECONDS):
                outcome, allowed = self._outcome(place, valid_checksums)
        except TooSlowError:
            outcome, allowed = f"longer than {SECONDS:g} s", False
        memory = max(0, _peak() - before)
        if memory > MEMORY and allowed:
            outcome, allowed = f"{memory >> 20} MB of memory", False
        return Verdict(outcome, allowed, time.perf_counter() - start, memory)

    def _outcome(self, place: Path, valid_checksums: bool) -> tuple[str, bool]:
        try:
            result = self.reader.read(place)
        except ScratchVAEError as error:
            return _refusal(error, place)
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:300], False
        if not self.reader.right(result, self.expected, place, valid_checksums):
            return f"a wrong result: {result!r}"[:300], False
        return RIGHT, True


def _refusal(error: ScratchVAEError, place: Path) -> tuple[str, bool]:
    cause: BaseException | None = error
    while cause := cause.__cause__ or cause.__context__:
        if isinstance(cause, MemoryError):  # too much memory was requested, even if the message is good
            return f"asked for too much memory: {cause}", False
    if len(str(error)) > LONGEST or str(place) not in error.message:
        return f"a message that is too long, or does not name the file: {str(error)[:200]}", False
    return type(error).__name__, True


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooSlowError

    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def memory_is_limited() -> bool:
    """True if this system can limit the memory of a process."""
    with _memory_limit():
        return resource is not None and resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


@contextmanager
def _memory_limit() -> Iterator[None]:
    """Limit the address space to the current size plus MEMORY."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    except OSError:
        pages = 0
    if resource is None or not pages:
        yield
        return
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _reset_peak() -> int:
    """Reset the peak and return the memory in use in bytes; 0 if the system does not report it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return 0
    return _peak()


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(status[status.index("VmHWM:") + 6 :].split(maxsplit=1)[0]) << 10
