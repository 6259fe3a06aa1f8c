"""What the house promises as a whole."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import scratchvae as sv
from scratchvae import probability

PACKAGE = Path(sv.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout


def imported(source):
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def test_cupy_is_imported_by_the_backend_and_by_kernels_only():
    users = {path.relative_to(PACKAGE).parts[0] for path in SOURCES if "cupy" in imported(path)}
    assert users <= {"backend.py", "kernels"}


def test_the_package_imports_numpy_the_standard_library_and_its_extras_only():
    allowed = {*sys.stdlib_module_names, "numpy", "scratchvae", "cupy", "matplotlib", "tqdm", "PIL"}
    assert {name for path in SOURCES for name in imported(path)} <= allowed


def test_import_brings_in_no_heavy_library_and_no_network():
    heavy = {"matplotlib", "cupy", "torch", "jax", "tqdm", "PIL", "scipy", "http.client", "ssl", "argparse"}
    loaded = set(python("import sys, scratchvae; print(*sys.modules)").split())
    assert not heavy & loaded


def test_import_costs_little_over_numpy():
    def seconds(module):
        start = time.perf_counter()
        python(f"import {module}")
        return time.perf_counter() - start

    rounds = [(seconds("scratchvae"), seconds("numpy")) for _ in range(8)]
    ours, numpys = map(min, zip(*rounds, strict=True))
    assert ours <= 1.3 * numpys


def test_rooms_have_names_that_mean_something():
    vague = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert not vague & {part.removesuffix(".py") for path in SOURCES for part in path.relative_to(PACKAGE).parts}


def test_files_stay_short():
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: count for name, count in lines.items() if count > 240} == {}


def test_it_is_typed_and_has_a_version():
    assert (PACKAGE / "py.typed").exists()
    assert sv.__version__.count(".") == 2


@pytest.mark.parametrize("name", sv.__all__)
def test_every_name_at_the_front_door_is_there(name):
    assert getattr(sv, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'GAN'"):
        _ = sv.GAN


def test_bug11_every_density_of_the_package_has_a_gradient_check_of_its_own():
    for name in probability.__all__:
        module = sys.modules[getattr(probability, name).__module__].__name__.rpartition(".")[2]
        source = (Path(__file__).parent / "probability" / f"test_{module}.py").read_text(encoding="utf-8")
        assert "oracle.vjp" in source and "check(" in source, name
