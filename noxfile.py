"""Checks of the supported Pythons and packages, and the reference:  pipx run nox

Python versions and lower bounds come from pyproject.toml. A Python that is not installed is skipped with a message; in
CI it is an error. Arguments after `--` go to the session's command:  nox -s tests-3.12 -- tests/layers
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import nox
from nox.project import load_toml, python_versions
from packaging.requirements import Requirement
from packaging.version import Version

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests", "oldest", "distribution", "audit"]

PYPROJECT = load_toml("pyproject.toml")
PROJECT, EXTRAS = PYPROJECT["project"], PYPROJECT["project"]["optional-dependencies"]
PYTHONS = python_versions(PYPROJECT)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The test suite on each Python, with the newest dependencies."""
    session.install("-e", ".[test]")
    run_tests(session)


@nox.session(python=[PYTHONS[0], PYTHONS[-1]])
def oldest(session: nox.Session) -> None:
    """The test suite on the first and the last Python, with the oldest supported dependencies."""
    session.install("-e", ".[test]", *oldest_of(str(session.python)))
    run_tests(session)


@nox.session
def verification(session: nox.Session) -> None:
    """The whole of tests/verification, with PyTorch and JAX as oracles and with more examples of each property."""
    session.install("-e", ".[test,oracles]", "pytest-xdist")
    run_tests(session, "-n", "auto", "-m", "", "--hypothesis-profile=thorough", "tests/verification")


@nox.session
def slow(session: nox.Session) -> None:
    """All other tests that are left out by default, and the property tests with more examples."""
    session.install(
        *("-e", ".[test,oracles,onnx,mpi]", "mpich", "onnxruntime", "scikit-learn", "pandas", "polars", "pyarrow"),
        "pytest-xdist",
    )
    run_tests(session, "-n", "auto", "-m", "", "--hypothesis-profile=thorough", "--ignore=tests/verification")


@nox.session(python=PYTHONS)
def null_device(session: nox.Session) -> None:
    """The real CuPy without a GPU: NVIDIA's compiler, then all tests for a GPU on a device that is the host (Linux)."""
    cuda = ("cupy-cuda12x==14.2.*", "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-runtime-cu12")
    session.install("-e", ".", "pytest", "pytest-xdist", "hypothesis", *cuda)
    run_tests(session, "-n", "2", "tests/kernels/test_cupy.py", "tests/test_backend.py")
    files = (path for path in Path("tests").rglob("test_*.py") if "mark.gpu" in path.read_text(encoding="utf-8"))
    for_gpu = ("-n", "2", "-m", "gpu or null_device", *sorted(map(str, files)))
    for mode, more in (("plain", ["tests/null_device"]), ("late", []), ("noise", [])):
        session.run("python", "-m", "pytest", *for_gpu, *more, *session.posargs, env={"SCRATCHVAE_NULL_DEVICE": mode})


@nox.session
def explore(session: nox.Session) -> None:
    """The pages of `scratchvae explore` in Chromium, which must be there with chromedriver; in CI it is required."""
    session.install("-e", ".[test]", "selenium")
    if "CI" in os.environ:
        session.env["SCRATCHVAE_REQUIRE_BROWSER"] = "1"
    run_tests(session, "-m", "", "tests/explorer", "tests/cli/test_explore.py")


@nox.session
def mutation(session: nox.Session) -> None:
    """Plant 600 small errors in the sources, one at a time, always the same ones: a test must find each.

    To go on later with a run that was stopped:  nox -s mutation -- --results FILE --limit-minutes 20
    """
    session.install("-e", ".[test,mutation]", "pandas", "polars", "pyarrow")
    session.run("python", "tests/mutation/run.py", "--sample", "600", "--seed", "0", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format, style, types, and the direction of imports."""
    session.install("-e", ".[cli,dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def distribution(session: nox.Session) -> None:
    """The test suite from an unpacked source archive, with the package installed from it."""
    session.install("hatchling")
    folder = Path(session.create_tmp(), "unpacked").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder))
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    with session.chdir(folder / archive.name.removesuffix(".tar.gz")):
        session.install(".[test]")
        run_tests(session)


@nox.session
def docs(session: nox.Session) -> None:
    """The reference from the docstrings, as HTML in build/docs; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("python", "tests/build_reference.py", "--out", "build/docs")


@nox.session
def notebooks(session: nox.Session) -> None:
    """Every demo as a notebook, in build/notebooks: its pictures below its cells, and no warning."""
    session.install("-e", ".[cli,notebooks]", "autograd", "scikit-learn")
    session.run("python", "tests/run_notebooks.py", "--out", "build/notebooks", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of every dependency for use, tests and development; an unknown package is an error."""
    session.install(".[cli,test,dev]", "pip-audit")
    session.run("python", "-m", "pip", "uninstall", "--yes", PROJECT["name"])  # it is on no package index
    session.run("pip-audit", "--local", "--strict", "--progress-spinner", "off")


def run_tests(session: nox.Session, *arguments: str) -> None:
    """Print the versions of Python and NumPy, then run the test suite."""
    session.run(
        "python", "-c", "import sys, numpy; print('Python', sys.version.split()[0], 'NumPy', numpy.__version__)"
    )
    session.run("python", "-m", "pytest", *arguments, *session.posargs)


def oldest_of(python: str) -> list[str]:
    """The lower bounds of pyproject.toml for a Python, as exact versions."""
    bounds: dict[str, Version] = {}
    for line in (*PROJECT["dependencies"], *EXTRAS["cli"], *EXTRAS["test"]):
        required = Requirement(line)
        applies = not required.marker or required.marker.evaluate({"python_version": python})
        if required.name != PROJECT["name"] and applies:
            (bound,) = (Version(part.version) for part in required.specifier if part.operator == ">=")
            bounds[required.name] = max(bound, bounds.get(required.name, bound))
    # the oldest Matplotlib uses names that newer versions of pyparsing deprecate, and warnings are errors in the tests
    return [*(f"{name}=={bound}" for name, bound in bounds.items()), "pyparsing<3.3"]
