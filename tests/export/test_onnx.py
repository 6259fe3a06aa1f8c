"""Tests of ONNX files: onnxruntime computes what the model does."""

import json

import numpy as np
import pytest
from export.random_models import KINDS, random_model, results, rows_of
from hypothesis import given
from strategies import seeds

import scratchvae as sv
from scratchvae.errors import ConfigError, FileError
from scratchvae.export import PARTS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TOLERANCE = {"float32": 1e-5, "float64": 1e-11}


def session_of(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(path, inputs):
    session = session_of(path)
    dtypes = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    return session.run(None, {each.name: inputs[each.name].astype(dtypes[each.type]) for each in session.get_inputs()})


def relative_error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS)
@given(seed=seeds)
def test_onnxruntime_agrees_with_the_model(tmp_path, kind, part, seed):
    dtype = ("float32", "float64")[seed % 2]
    model = random_model(kind, seed, dtype)
    sv.export.onnx(model, tmp_path / "exported.onnx", part)
    for count in (1, 6):
        inputs, expected = results(model, part, count, seed)
        found = run(tmp_path / "exported.onnx", inputs)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            assert relative_error(a, b) <= TOLERANCE[dtype]


def test_the_number_of_rows_is_free_and_may_be_0(tmp_path):
    model = random_model("convolutional VAE", 0)
    sv.export.onnx(model, tmp_path / "exported.onnx")
    for count in (0, 1, 600):
        mu, logvar = run(tmp_path / "exported.onnx", {"x": rows_of(model, count, 0)})
        assert mu.shape == logvar.shape == (count, model.latent_dim)


def test_large_numbers_keep_their_digits(tmp_path):
    model = random_model("VAE of Gaussian rows", 0)  # the columns are near 1e6, and differ by 1
    sv.export.onnx(model, tmp_path / "exported.onnx")
    session = session_of(tmp_path / "exported.onnx")
    assert [each.type for each in session.get_inputs()] == ["tensor(double)"]
    x = rows_of(model, 50, 1)
    assert relative_error(session.run(["mu"], {"x": x})[0], model.embed(x)) < 1e-5


def test_inputs_outputs_and_metadata_are_those_of_the_documentation(tmp_path):
    model = sv.ConditionalVAE(input_dim=6, latent_dim=2, hidden=(4,), classes=["ant", "bee"])
    model.schema = model.schema._replace(columns=tuple("abcdef"))
    sv.export.onnx(model, tmp_path / "exported.onnx")
    session = session_of(tmp_path / "exported.onnx")
    assert [(each.name, each.shape) for each in session.get_inputs()] == [("x", ["batch", 6]), ("labels", ["batch"])]
    assert [(each.name, each.shape) for each in session.get_outputs()] == [
        ("mu", ["batch", 2]), ("logvar", ["batch", 2]),
    ]  # fmt: skip
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["columns"]) == list("abcdef") and json.loads(metadata["classes"]) == ["ant", "bee"]
    assert (metadata["model"], metadata["part"]) == ("ConditionalVAE", "encoder")


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_out_of_range_is_an_error_of_the_runtime(tmp_path, label):
    model = random_model("ConditionalVAE", 0)
    sv.export.onnx(model, tmp_path / "exported.onnx")
    inputs = {"x": rows_of(model, 2, 0), "labels": np.array([0, label])}
    with pytest.raises(Exception, match="out of data bounds"):
        run(tmp_path / "exported.onnx", inputs)


def test_convolutions_of_float32_are_transposed_once_at_each_end(tmp_path):
    model = sv.VAE(image_shape=(16, 16), latent_dim=2, architecture="conv")
    sv.export.onnx(model, tmp_path / "exported.onnx", "reconstruct")
    operators = [node.op_type for node in onnx.load(tmp_path / "exported.onnx").graph.node]
    assert operators.count("Conv") == operators.count("ConvTranspose") == 2
    assert operators.count("Transpose") == 4


@pytest.mark.parametrize("backend", ["native"])
def test_a_model_on_another_backend_is_exported_as_well(tmp_path, backend):
    try:
        model = sv.VAE(image_shape=(9, 8, 3), latent_dim=2, architecture="conv", backend=backend)
    except sv.errors.BackendError as error:
        pytest.skip(str(error))
    x = np.random.default_rng(0).random((5, model.input_dim), np.float32)
    for part, expected in (("encoder", model.embed(x)), ("reconstruct", model.reconstruct(x))):
        sv.export.onnx(model, tmp_path / "exported.onnx", part)
        assert relative_error(run(tmp_path / "exported.onnx", {"x": x})[0], expected) < 1e-5


def test_the_encoder_alone_is_exported_as_that_of_the_model(tmp_path):
    model = random_model("SemiSupervisedVAE", 0)
    sv.save(model, tmp_path / "model.npz")
    sv.export.onnx(model, tmp_path / "a.onnx")
    sv.export.onnx(sv.load_encoder(tmp_path / "model.npz"), tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_model_file_is_not_replaced(tmp_path):
    model = random_model("VAE", 0)
    sv.save(model, tmp_path / "model.npz")
    with pytest.raises(FileError, match="is a model file"):
        sv.export.onnx(model, tmp_path / "model.npz")


def test_a_model_of_more_than_2_gb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("scratchvae.export.onnx_file.LARGEST", 100)
    with pytest.raises(ConfigError, match="at most 2 GB; use as_numpy_source"):
        sv.export.onnx(random_model("VAE", 0), tmp_path / "exported.onnx")
    assert not list(tmp_path.iterdir())
