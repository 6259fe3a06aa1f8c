"""The tests without a mutant: how long each takes, and which lines of the sources it runs."""

import ast
import hashlib
import json
import os
import re
import sys
from collections import Counter

import pytest
from coverage import Coverage, CoverageData
from pytest_runs import OPTIONS, ROOT, Recorder, start

SECONDS = 30  # of processor time of the tests for one mutant
CPP_TESTS = ("tests/kernels/", "tests/native/", "tests/fused/")  # they compile and run the C++ on any machine

# A child process of a test, which reads this too, adds its lines to those of the test.
COVERAGE_SETTINGS = """
[run]
core = ctrace
source = {copy}/scratchvae
data_file = {cache}/coverage
parallel = true
sigterm = true
context = ${{PYTEST_CURRENT_TEST-}}
"""


class Baseline:
    """The tests that pass, {name: seconds}, and which of them run a line."""

    def __init__(self, copy, cache, tests):
        state = {"sources": hash_sources(), "tests": tests}
        recorded = cache / "baseline.json"
        if not recorded.exists() or json.loads(recorded.read_text(encoding="utf-8"))["state"] != state:
            for old in cache.glob("coverage.*"):
                old.unlink()
            _, status = os.waitpid(start(copy, cache, record, copy, cache, tests, state), 0)
            if status:
                sys.exit((copy / "output.txt").read_text(encoding="utf-8"))
        recorded = json.loads(recorded.read_text(encoding="utf-8"))
        self.seconds, self.failed = recorded["seconds"], recorded["failed"]
        self.coverage = CoverageData(str(cache / "coverage"))
        self.coverage.read()
        self.measured = {file[file.index("/scratchvae/") + 1 :]: file for file in self.coverage.measured_files()}

    def tests_for(self, mutant):
        """Return {name: seconds} of the tests that run the line of a mutant, or else of those that run its function.

        Half of SECONDS is for the quickest, such as refusals. Then come the tests of its package, of each test function
        one case before the others, so that one that is slow has its turn.
        """
        if mutant.is_cpp:
            return {name: self.seconds[name] for name in self.seconds if name.startswith(CPP_TESTS)}
        statement, function = lines_around((ROOT / mutant.file).read_text(encoding="utf-8"), mutant.line)
        by_line = self.coverage.contexts_by_lineno(self.measured.get(mutant.file, mutant.file))
        contexts = {context for line in statement for context in by_line.get(line, ())}
        contexts = contexts or {context for line in function for context in by_line.get(line, ())}
        names = {re.sub(r" \((setup|call|teardown)\)$", "", context) for context in contexts}
        shared = tuple(name for name in names if "::" not in name)  # a file of tests; "" for code that imports run
        own = f"tests/{mutant.file.split('/')[1]}/"
        candidates = [name for name in self.seconds if name in names or name.startswith(shared)]
        quickest = sorted(candidates, key=lambda name: (name not in names, self.seconds[name]))
        cases, case = Counter(), {}
        for name in quickest:
            test_function = name.partition("[")[0]
            case[name] = cases[test_function]
            cases[test_function] += 1
        own_first = sorted(quickest, key=lambda name: (name not in names, not name.startswith(own), case[name]))
        chosen, took = {}, 0
        for order, limit in ((quickest, SECONDS / 2), (own_first, SECONDS)):
            for name in order:
                if name not in chosen and took < limit:
                    chosen[name] = self.seconds[name]
                    took += self.seconds[name]
        return chosen


def hash_sources():
    files = sorted(file for name in ("scratchvae", "tests") for file in (ROOT / name).rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if "mutation" not in file.parts)).hexdigest()


def record(copy, cache, tests, state):
    settings = cache / "settings.ini"
    settings.write_text(COVERAGE_SETTINGS.format(copy=copy, cache=cache), encoding="utf-8")
    os.environ["COVERAGE_PROCESS_START"] = str(settings)
    coverage = Coverage(config_file=str(settings), context="")
    recorder = Recorder(coverage)
    with coverage.collect():
        code = pytest.main([*OPTIONS, *tests], plugins=[recorder])
    coverage.save()
    of_all_processes = Coverage(config_file=str(settings))
    of_all_processes.combine()
    of_all_processes.save()
    seconds = {name: recorder.seconds[name] for name in recorder.passed if name not in recorder.failed}
    recorded = {"state": state, "seconds": seconds, "failed": recorder.failed}
    (cache / "baseline.json").write_text(json.dumps(recorded), encoding="utf-8")
    return 0 if code in (0, 1) else code


def lines_around(code, line):
    """Return the numbers of the lines of the statement, or of the head of the block, at a line, and of its function."""
    statement = function = range(line, line + 1)
    for node in ast.walk(ast.parse(code)):  # from the outside to the inside
        if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno:
            statement = range(node.lineno, node.end_lineno + 1)
            if isinstance(node, ast.FunctionDef):
                function = statement
            elif hasattr(node, "body"):
                statement = range(node.lineno, max(node.lineno, node.body[0].lineno - 1) + 1)
    return statement, function
