"""The cores that this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def available_cores(root: Path = Path("/")) -> int:
    """The cores that this process may use, by its affinity and the limits of its cgroups, rounded down; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _cgroups(root):
        try:
            if (folder / "cpu.max").exists():  # version 2
                quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text("utf-8") for name in ("quota", "period"))
            if int(quota) > 0:
                cores = min(cores, max(1, int(quota) // int(period)))
        except (OSError, ValueError):  # no limit here: the files do not exist, or say "max"
            continue
    return cores


def _cgroups(root: Path) -> Iterator[Path]:
    """The folders of this process's cgroups and of those that they are in.

    In a container, a path may be one that only the host has. The folder above all is then the container's own.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        controllers, path = line.split(":", 2)[1:]
        if controllers == "" or "cpu" in controllers.split(","):
            top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            cgroup = PurePosixPath(path)
            yield from (top / folder.relative_to("/") for folder in (cgroup, *cgroup.parents))
