"""Tests of the modules that an import loads."""

import ast
import pickle
import pkgutil
import pydoc
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import scratchvae as sv
import scratchvae.models as models

UNUSED_BY_A_VAE = {
    "scratchvae.cli",
    "scratchvae.datasets",
    "scratchvae.evaluation",
    "scratchvae.explorer",
    "scratchvae.export",
    "scratchvae.gradcheck",
    "scratchvae.io",
    "scratchvae.plotting",
    "scratchvae.training",
    "scratchvae.verification",
    "scratchvae.models.autoencoder",
    "scratchvae.models.conditional",
    "scratchvae.models.encoder",
    "scratchvae.models.iwae",
    "scratchvae.models.semi_supervised",
}
COSTLY = {
    "dataclasses",
    "importlib.metadata",
    "json",
    "argparse",
    "difflib",
    "tempfile",
    "zipfile",
    "matplotlib",
    "html",
}


def modules_after(code):
    output = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    ).stdout
    return set(output.split())


def test_the_import_alone_loads_no_submodule_and_not_numpy():
    loaded = modules_after("import scratchvae")
    assert {name for name in loaded if name.startswith("scratchvae")} == {"scratchvae"}
    assert "numpy" not in loaded


def test_a_model_loads_only_the_modules_that_it_uses():
    loaded = modules_after("import scratchvae; scratchvae.VAE(9, 2, (4,))")
    assert "scratchvae.models.vae" in loaded
    assert not loaded & UNUSED_BY_A_VAE
    assert not (loaded - modules_after("import numpy.random")) & COSTLY


def test_an_included_data_set_loads_no_network_code():
    loaded = modules_after("import scratchvae; scratchvae.datasets.load('digits')")
    assert not {"http.client", "urllib.request", "ssl", "PIL"} & loaded


@pytest.mark.parametrize("module", [sv, models], ids=lambda module: module.__name__)
def test_every_public_name_loads_and_is_imported_for_type_checkers(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    (type_checking,) = (
        node for node in tree.body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    )
    assert {alias.name for node in type_checking.body for alias in node.names} == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is getattr(module, name)
    with pytest.raises(AttributeError, match="has no attribute 'GAN'"):
        _ = module.GAN


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(sv.__path__)])
def test_every_submodule_is_an_attribute_of_the_package(name):
    if name != "__main__":
        assert getattr(sv, name) is import_module(f"scratchvae.{name}")


def test_star_import_help_and_pickle_work():
    names = {}
    exec("from scratchvae import *", names)
    assert set(sv.__all__) <= set(names) and names["VAE"] is sv.VAE
    text = pydoc.plain(pydoc.render_doc(sv))
    assert "class VAE" in text and "NAME" in text
    assert pickle.loads(pickle.dumps(sv.VAE)) is sv.VAE and pickle.loads(pickle.dumps(sv.load)) is sv.load
