"""The machine and the versions of a measurement, and the peak memory of a process."""

import os
import platform
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import scratchvae

THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def facts(backend=None):
    """The date, the machine and the versions, as JSON values; with the GPU if `backend` is a GPU's."""
    machine = {"cpu": processor(), "cores": cores(), "cache_MB": cache_MB(), "memory_MB": memory_MB(), "load": load()}
    if backend is not None and not backend.on_host:
        machine["gpu"] = backend.xp.cuda.runtime.getDeviceProperties(0)["name"].decode()
    blas = np.show_config(mode="dicts")["Build Dependencies"].get("blas", {})
    versions = {"scratchvae": scratchvae.__version__, **{name: installed(name) for name in ("numpy", "torch", "jax")}}
    if backend is not None and not backend.on_host:
        versions[backend.name] = backend.xp.__version__
    return {
        "date": datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
        "machine": machine,
        "versions": {
            **versions,
            "BLAS of numpy": " ".join(filter(None, (blas.get("name"), blas.get("version")))) or None,
        },
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
    }


def describe(record):
    """A record of `facts` as two lines of text."""
    machine = record["machine"]
    busy = "" if machine["load"] is None else f", load {machine['load']:.1f} at the start"
    processors = [f"{machine['cpu']}, {machine['cores']} cores{busy}", *filter(None, [machine.get("gpu")])]
    versions = [f"{name} {number}" for name, number in record["versions"].items() if number]
    threads = ", ".join(f"{name} {count}" for name, count in record["threads"].items())
    text = f"{record['date']}; {'; '.join(processors)}\n{', '.join(versions)}"
    return f"{text}; threads: {threads}" if threads else text


class OtherWork:
    """The share of the processors' time that others use while this context lasts; None if unknown.

    Others are all processes but this one and its children, and other virtual machines on the same processors. The
    children must have ended at the end.
    """

    share = None

    def __enter__(self):
        self.start = processor_clock()
        return self

    def __exit__(self, *error):
        (start, before), (end, after) = self.start, processor_clock()
        if before is not None:
            self.share = max(0.0, (after - before) / (end - start) / os.cpu_count())


def describe_others(share):
    """The share of `OtherWork` as a line of text; "" if unknown."""
    return "" if share is None else f"\nother processes used {share:.1%} of the processors' time"


def processor_clock():
    """The time, and the time that others used the processors: seconds."""
    return time.monotonic(), busy_seconds()


def busy_seconds(file="/proc/stat"):
    """Seconds since the start of the machine that its processors were busy with others; None if unknown.

    The file counts: user, nice, system, idle, iowait, irq, softirq, and steal, taken by other virtual machines.
    """
    try:
        counts = Path(file).read_text(encoding="utf-8").splitlines()[0].split()[1:9]
        user, nice, system, _, _, irq, softirq, steal = (int(count) / os.sysconf("SC_CLK_TCK") for count in counts)
    except (OSError, ValueError):
        return None
    ours = os.times()
    busy = user + nice + system + irq + softirq + steal
    return busy - ours.user - ours.system - ours.children_user - ours.children_system


UNTIL_PARENT_ENDS = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(10**6): pass"


@contextmanager
def busy_processes(count):
    """A context with this number of processes, each of which keeps a processor busy until the context or we end."""
    command = [sys.executable, "-c", UNTIL_PARENT_ENDS, str(os.getpid())]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor():
    """The name of the CPU."""
    try:
        return re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def cores():
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def load():
    """The mean number of busy cores during the last minute; None if unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def cache_MB():
    """The size of the last-level cache; None if unknown."""
    caches = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    sizes = [re.match(r"(\d+)K", cache.read_text(encoding="utf-8")) for cache in caches]
    return max((int(size[1]) / 2**10 for size in sizes if size), default=None)


def memory_MB():
    """The size of the memory; None if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (AttributeError, ValueError, OSError):
        return None


def peak_MB():
    """The peak memory of this process so far.

    On Linux it is read from /proc/self/status: the value of `getrusage` includes the peak of the parent process.
    """
    if sys.platform == "win32":
        return windows_peak() / 2**20
    try:
        return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))[1]) / 2**10
    except (OSError, TypeError):
        from resource import RUSAGE_SELF, getrusage

        return getrusage(RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def windows_peak():
    """Bytes: PeakWorkingSetSize, the third member of PROCESS_MEMORY_COUNTERS: two DWORDs, then eight SIZE_Ts."""
    import ctypes

    class Counters(ctypes.Structure):
        _fields_ = (("cb", ctypes.c_uint32), ("faults", ctypes.c_uint32), ("sizes", ctypes.c_size_t * 8))

    counters, kernel = Counters(), ctypes.windll.kernel32
    counters.cb = ctypes.sizeof(counters)
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    succeeded = kernel.K32GetProcessMemoryInfo(
        ctypes.c_void_p(kernel.GetCurrentProcess()), ctypes.byref(counters), counters.cb
    )
    if not succeeded:
        raise ctypes.WinError()
    return counters.sizes[0]
