"""A pytest plugin: a failed `assert check(…)` prints the whole report of the gradient check.

It is found through an entry point; nothing of the package is imported until a test fails.
"""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

import pytest

REPORT = ("scratchvae.gradcheck.report", "Report")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section with the report of each gradient check that failed in the frames of an AssertionError."""
    result = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, AssertionError):
        result.sections += [("Gradient check", str(report)) for report in failed_reports(call.excinfo.tb)]
    return result


def failed_reports(traceback: TracebackType | None) -> list[Any]:
    """Return the failed reports among the local variables, where pytest keeps the values of an assertion too."""
    reports: dict[int, Any] = {}
    while traceback is not None:
        for value in traceback.tb_frame.f_locals.values():
            if (type(value).__module__, type(value).__name__) == REPORT and not value.passed:
                reports[id(value)] = value
        traceback = traceback.tb_next
    return list(reports.values())
