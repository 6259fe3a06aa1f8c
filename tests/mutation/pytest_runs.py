"""Runs of pytest on a copy of the repository, each in a process of its own: of all tests, or of chosen ones."""

import math
import os
import resource
import shutil
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMORY = 8 << 30  # bytes
OPTIONS = ["-q", "--tb=line", "--assert=plain", "-p", "no:cacheprovider", "--hypothesis-profile=mutation"]


def copy_repository(folder):
    for name in ("scratchvae", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", folder)
    return folder


def start(copy, cache, run, *arguments):
    """Call `run(*arguments)` in a forked process, in a copy of the repository; return the id of the process.

    What it returns is its exit code, and what it prints is in output.txt. A fork has NumPy and pytest imported.
    """
    if pid := os.fork():
        return pid
    code = 3
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()  # its children, and theirs, can be ended with it
        os.chdir(copy)
        with Path("output.txt").open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.environ |= {"PYTHONPATH": str(copy), "XDG_CACHE_HOME": str(cache)}
        sys.path.insert(0, str(copy))
        code = int(run(*arguments))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def end(pid):
    """End a process, and its children if any are left."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def processor_time():
    return sum(os.times()[:4])  # of its children too


class Recorder:
    """A plugin of pytest that notes which tests pass, their processor time, and which lines they run."""

    def __init__(self, coverage):
        self.coverage, self.seconds, self.passed, self.failed = coverage, {}, [], []

    def pytest_runtest_logstart(self, nodeid):
        self.test, self.began = nodeid, processor_time()
        self.coverage.switch_context(nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        if fixturedef.scope == "function":
            return (yield)
        self.coverage.switch_context(request.node.nodeid)  # the file of the tests that share the fixture, or ""
        try:
            return (yield)
        finally:
            self.coverage.switch_context(self.test)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = processor_time() - self.began
        if report.failed:
            self.failed.append(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid)


class Chooser:
    """A plugin of pytest that runs the tests {name: seconds} in this order; if one takes far too long, SIGALRM ends
    the process."""

    def __init__(self, tests, patience):
        self.tests, self.patience = tests, patience
        signal.alarm(patience)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        order = {name: position for position, name in enumerate(self.tests)}
        items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])

    def pytest_runtest_logstart(self, nodeid):
        signal.alarm(self.patience + math.ceil(10 * self.tests[nodeid]))


def run_chosen(tests, patience):
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    return pytest.main([*OPTIONS, "-x", *files], plugins=[Chooser(tests, patience)])
