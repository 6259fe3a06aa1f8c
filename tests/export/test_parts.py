"""Tests of what can be exported: parts that use no class of the user's own, and subclasses that change nothing."""

import builtins

import pytest
from export.random_models import random_model
from refusals.export import Square, own

import scratchvae as sv
from scratchvae.errors import ConfigError, FileError
from scratchvae.export.parts import check_replaceable
from scratchvae.layers import Linear, Sequential, Tanh


class TwoLayers(Sequential):
    def __init__(self, width):
        super().__init__(Linear(6, width), Tanh(), Linear(width, 4))
        self.width = width


def test_a_part_that_does_not_use_the_class_of_one_s_own_is_exported(tmp_path):
    sv.export.as_numpy_source(own(Square()), tmp_path / "decoder.py", "decoder")
    assert (tmp_path / "decoder.py").exists()


def test_a_sequential_that_only_chooses_its_layers_is_exported(tmp_path):
    vae = sv.VAE(6, 2, encoder=TwoLayers(5))
    sv.export.as_numpy_source(vae, tmp_path / "encoder.py")
    assert set(sv.export.to_torch_state_dict(vae)) >= {"encoder.0.weight", "encoder.2.bias"}


def test_without_the_package_onnx_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    plain_import = builtins.__import__

    def refuse(name, *arguments):
        if name == "onnx":
            raise ImportError(name)
        return plain_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"pip install 'scratchvae\[onnx\]'"):
        sv.export.onnx(random_model("VAE", 0), tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())


def test_files_of_other_kinds_are_replaced_and_those_of_scratchvae_are_not(tmp_path):
    model, path = random_model("VAE", 0), tmp_path / "encoder.npz"
    check_replaceable(path)
    sv.save(model, path)
    content = path.read_bytes()
    with pytest.raises(FileError, match=r"encoder\.npz is a model file or a checkpoint, .* choose another path"):
        check_replaceable(path)
    for other in (b"", b"text", b"PK and text", content[:-9]):
        path.write_bytes(other)
        check_replaceable(path)
