"""What the package promises as a whole."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import scratchvae as sv

PACKAGE = Path(sv.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, timeout=60
    ).stdout


def imported(source):
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def test_cupy_is_imported_by_the_backend_only():
    users = {path.relative_to(PACKAGE).parts[0] for path in SOURCES if {"cupy", "cupyx"} & set(imported(path))}
    assert users == {"backend"}


def test_the_package_imports_numpy_the_standard_library_and_its_extras_only():
    allowed = {*sys.stdlib_module_names, "numpy", "scratchvae", "cupy", "cupyx", "matplotlib", "tqdm", "PIL"}
    oracles = PACKAGE / "verification" / "oracles"
    assert {name for path in SOURCES if path.parent != oracles for name in imported(path)} <= allowed
    assert {name for path in oracles.glob("*.py") for name in imported(path)} <= {*allowed, "autograd", "torch", "jax"}


def test_import_loads_little_beside_numpy_and_the_models():
    def loaded(module):
        return set(python(f"import sys, {module}; print(*sys.modules)").split())

    ours = ("scratchvae", "importlib")  # the latter is in memory anyway, under the name of a frozen module
    beyond = {name for name in loaded("scratchvae") - loaded("numpy") if not name.startswith(ours)}
    # every one of these costs a user milliseconds at each start: a new one needs a reason
    assert beyond <= {"__future__"}


def test_no_module_has_a_vague_name():
    vague = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert not vague & {part.removesuffix(".py") for path in SOURCES for part in path.relative_to(PACKAGE).parts}


def test_it_is_typed_and_has_a_version():
    assert (PACKAGE / "py.typed").exists()
    assert sv.__version__.count(".") == 2


@pytest.mark.parametrize("name", sv.__all__)
def test_every_public_name_exists(name):
    assert getattr(sv, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'GAN'"):
        _ = sv.GAN
