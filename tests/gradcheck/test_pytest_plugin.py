"""Tests of the pytest plugin: a failed assertion prints the whole report."""

import os
import subprocess
import sys
import textwrap

import pytest

TEST = """
    import numpy as np
    from scratchvae.gradcheck import check

    def wrong():
        return check(lambda *xs: sum(xs), lambda dy, *xs: [1.5 * dy for _ in xs], *np.ones((12, 3)))

    def test_directly():
        assert check(lambda *xs: sum(xs), lambda dy, *xs: [1.5 * dy for _ in xs], *np.ones((12, 3)))

    def test_by_passed():
        assert wrong().passed, "a message of my own"

    def test_by_name():
        report = wrong()
        assert report

    def test_of_another_error():
        report = wrong()
        raise ValueError("of my own")

    def test_of_a_right_gradient():
        report = check(np.sin, lambda dy, x: dy * np.cos(x), np.ones(3))
        assert report and 1 == 2
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    file = tmp_path_factory.mktemp("plugin") / "test_mine.py"
    file.write_text(textwrap.dedent(TEST), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "scratchvae.pytest_plugin", "-p", "no:cacheprovider", file.name]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=file.parent, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    ).stdout


def test_a_failed_assertion_prints_every_line_of_the_report(output):
    assert output.count("- Gradient check -") == 3
    assert all(output.count(f"\ninput {k} ") == 3 for k in range(12))
    assert output.count("\n12 of 12 WRONG (tolerance 1e-09, seed 0") == 3
    assert "5 failed" in output


def test_the_plugin_loads_nothing_of_the_package():
    code = "import sys, scratchvae.pytest_plugin; print(*sorted(m for m in sys.modules if m.startswith('scratchvae')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["scratchvae", "scratchvae.pytest_plugin"]
