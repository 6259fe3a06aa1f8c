"""Tests of the package as a whole: imports, public names and types."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import scratchvae as sv

PACKAGE = Path(sv.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, timeout=60
    ).stdout


def imported_packages(source):
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def test_only_the_backend_imports_cupy():
    users = {path.relative_to(PACKAGE).parts[0] for path in SOURCES if {"cupy", "cupyx"} & set(imported_packages(path))}
    assert users == {"backend"}


AUTODIFF = {"torch", "jax", "autograd"}
OPTIONAL = {  # packages that single files need, and import when they are used
    "estimators/estimator.py": {"sklearn"},
    "estimators/output.py": {"pandas", "polars", "sklearn"},
    "export/onnx_file.py": {"onnx"},
    "gradcheck/frameworks.py": AUTODIFF,
    "gradcheck/optimizers.py": {"torch"},
    "gradcheck/properties.py": {"hypothesis"},
    **{f"parallel/{name}.py": {"mpi4py"} for name in ("launch", "messages", "process_group")},
    "pytest_plugin.py": {"pytest"},
    "tables/writing.py": {"pandas", "polars", "pyarrow"},
    **{f"verification/oracles/{name}.py": {name} for name in AUTODIFF},
}


def test_the_package_imports_only_numpy_the_standard_library_and_its_extras():
    allowed = {*sys.stdlib_module_names, "numpy", "scratchvae", "cupy", "cupyx", "matplotlib", "tqdm", "PIL"}
    for path in SOURCES:
        optional = OPTIONAL.get(path.relative_to(PACKAGE).as_posix(), set())
        assert set(imported_packages(path)) <= allowed | optional, path


def test_the_import_loads_no_other_modules_than_numpy():
    def loaded(module):
        return set(run_python(f"import sys, {module}; print(*sys.modules)").split())

    expected = ("scratchvae", "importlib")  # importlib is always loaded, as a frozen module
    unexpected = {name for name in loaded("scratchvae") - loaded("numpy") if not name.startswith(expected)}
    # each additional module costs milliseconds at every start
    assert unexpected <= {"__future__"}


def test_no_module_has_a_vague_name():
    vague = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert not vague & {part.removesuffix(".py") for path in SOURCES for part in path.relative_to(PACKAGE).parts}


def test_the_package_is_typed_and_has_a_version():
    assert (PACKAGE / "py.typed").exists()
    assert sv.__version__.count(".") == 2


@pytest.mark.parametrize("name", sv.__all__)
def test_every_public_name_exists(name):
    assert getattr(sv, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'GAN'"):
        _ = sv.GAN
