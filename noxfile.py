"""What is promised of platforms and packages, and how it is checked:  pipx run nox

Python versions and lower bounds are those of pyproject.toml. A Python that is not installed is skipped, with a line
that says so; in CI it is an error. What follows `--` goes to pytest:  nox -s tests-3.12 -- tests/layers
"""

from __future__ import annotations

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
    """The suite on each Python, with the newest of what it needs."""
    session.install("-e", ".[test]")
    run_tests(session)


@nox.session(python=[PYTHONS[0], PYTHONS[-1]])
def oldest(session: nox.Session) -> None:
    """The suite on the first and the last Python, with the oldest of what is promised for them."""
    session.install("-e", ".[test]", *oldest_of(str(session.python)))
    run_tests(session)


@nox.session
def oracles(session: nox.Session) -> None:
    """The suite with PyTorch and JAX, which gradients are held against, and scikit-learn, which two demos need."""
    session.install("-e", ".[test,oracles]", "scikit-learn")
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Format, style, types, and imports that only go down."""
    session.install("-e", ".[cli,dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def distribution(session: nox.Session) -> None:
    """The suite from an unpacked source archive, with the package installed from there."""
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
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of all that is installed for use, tests and development; what is unknown is an error."""
    session.install(".[cli,test,dev]", "pip-audit")
    session.run("python", "-m", "pip", "uninstall", "--yes", PROJECT["name"])  # itself, which no index knows
    session.run("pip-audit", "--local", "--strict", "--progress-spinner", "off")


def run_tests(session: nox.Session) -> None:
    """The suite, under a line that says on what."""
    session.run(
        "python", "-c", "import sys, numpy; print('Python', sys.version.split()[0], 'NumPy', numpy.__version__)"
    )
    session.run("python", "-m", "pytest", *session.posargs)


def oldest_of(python: str) -> list[str]:
    """The lower bounds of pyproject.toml for a Python, each as the one version that will do."""
    bounds: dict[str, Version] = {}
    for line in (*PROJECT["dependencies"], *EXTRAS["cli"], *EXTRAS["test"]):
        asked = Requirement(line)
        if asked.name != PROJECT["name"] and (not asked.marker or asked.marker.evaluate({"python_version": python})):
            (bound,) = (Version(part.version) for part in asked.specifier if part.operator == ">=")
            bounds[asked.name] = max(bound, bounds.get(asked.name, bound))
    # a Matplotlib as old as that uses names which a newer parser warns of, and warnings are errors in the tests
    return [*(f"{name}=={bound}" for name, bound in bounds.items()), "pyparsing<3.3"]
