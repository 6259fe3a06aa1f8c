"""What a measurement was made on, and what a process took of it."""

import platform
import re
from pathlib import Path


def peak_MB():
    """The most memory that this process has held so far.

    Linux tells it of the program that runs. What `getrusage` tells begins with the peak of whoever started it.
    """
    try:
        return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))[1]) / 2**10
    except (OSError, TypeError):
        from resource import RUSAGE_SELF, getrusage

        return getrusage(RUSAGE_SELF).ru_maxrss / (2**20 if platform.system() == "Darwin" else 2**10)
