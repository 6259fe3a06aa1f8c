"""The number of cores that a process may use."""

import os

import pytest

from scratchvae.backend.cores import available_cores


@pytest.mark.parametrize(
    ("cgroup", "files", "cores"),
    [
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "250000 100000"}, 2),
        ("0::/", {"cpu.max": "max 100000"}, 64),
        ("0::/", {"cpu.max": ""}, 64),
        ("0::/user.slice/a:b", {"user.slice/cpu.max": "300000 100000", "user.slice/a:b/cpu.max": "max 100000"}, 3),
        ("0::/of/the/host", {"cpu.max": "400000 100000"}, 4),
        ("3:memory:/x\n1:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        ("1:cpu:/x\n0::/", {"cpu/x/cpu.cfs_quota_us": "50000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 1),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "200000\n"}, 64),
        ("1:cpuset:/", {"cpuset/cpu.cfs_quota_us": "100000", "cpuset/cpu.cfs_period_us": "100000"}, 64),
        (None, {"cpu.max": "50000 100000"}, 64),
    ],
)
def test_a_cgroup_limits_the_threads(monkeypatch, tmp_path, cgroup, files, cores):
    for name, text in {"proc/self/cgroup": cgroup, **{f"sys/fs/cgroup/{name}": files[name] for name in files}}.items():
        if text is not None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(64), raising=False)
    assert available_cores(tmp_path) == cores
