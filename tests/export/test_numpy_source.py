"""Tests of Python files that need NumPy alone: the same bits as the model, in a process without the package."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from export.random_models import KINDS, random_model, results
from hypothesis import given
from strategies import seeds

import scratchvae as sv
from scratchvae.errors import ConfigError, FileError
from scratchvae.export import PARTS
from scratchvae.export.parts import METHODS

COUNTS = (1, 5, 1030)  # 1030 rows are three chunks, and several blocks of a convolution


def import_file(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(path, part, inputs):
    outputs = getattr(import_file(path), METHODS[part])(**inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def assert_same_bits(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and np.ascontiguousarray(a).tobytes() == b.tobytes()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS)
@given(seed=seeds)
def test_the_file_gives_the_same_bits_as_the_model(tmp_path, kind, part, seed):
    model = random_model(kind, seed, ("float32", "float64")[seed % 2])
    sv.export.as_numpy_source(model, tmp_path / "exported.py", part)
    for count in COUNTS[: 1 + seed % 3] if "onv" in kind else COUNTS:
        inputs, expected = results(model, part, count, seed)
        assert_same_bits(call(tmp_path / "exported.py", part, inputs), expected)


@pytest.mark.parametrize("kind", ["convolutional VAE", "SemiSupervisedVAE"])
def test_no_rows_give_no_rows(tmp_path, kind):
    model = random_model(kind, 0)
    for part in PARTS:
        sv.export.as_numpy_source(model, tmp_path / "exported.py", part)
        inputs, _ = results(model, part, 0, 0)
        outputs = call(tmp_path / "exported.py", part, inputs)
        assert {array.shape for array in outputs} == {(0, model.latent_dim if part == "encoder" else model.input_dim)}


@pytest.mark.parametrize("kind", ["VAE of Gaussian rows", "convolutional VAE", "SemiSupervisedVAE", "Autoencoder"])
def test_the_file_of_a_loaded_encoder_is_that_of_the_model(tmp_path, kind):
    model = random_model(kind, 0)
    sv.save(model, tmp_path / "model.npz")
    sv.export.as_numpy_source(model, tmp_path / "a" / "exported.py")
    sv.export.as_numpy_source(sv.load_encoder(tmp_path / "model.npz"), tmp_path / "b" / "exported.py")
    for name in ("exported.py", "exported.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_may_be_pictures_or_in_another_layout(tmp_path, order):
    model = random_model("convolutional VAE", 3)
    sv.export.as_numpy_source(model, tmp_path / "exported.py")
    inputs, expected = results(model, "encoder", 40, 3)
    x = np.asarray(inputs["x"], order=order)
    assert_same_bits(call(tmp_path / "exported.py", "encoder", {"x": x}), model.encode(x))
    pictures = inputs["x"].reshape(40, *model.image_shape)
    assert_same_bits(call(tmp_path / "exported.py", "encoder", {"x": pictures}), expected)


def test_the_file_runs_where_the_package_is_not_installed(tmp_path):
    model = random_model("VAE", 0)
    sv.export.as_numpy_source(model, tmp_path / "exported.py")
    x = np.random.default_rng(0).random((4, model.input_dim), np.float32)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys; sys.modules['scratchvae'] = None; import numpy as np; from exported import encode; "
        "np.save('mu.npy', encode(np.load('x.npy'))[0]); "
        "print(*{name.partition('.')[0] for name in sys.modules} & {'scratchvae', 'torch', 'onnx'})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert done.stdout.split() == [b"scratchvae"]
    assert (np.load(tmp_path / "mu.npy") == model.encode(x)[0]).all()


def test_the_file_has_a_line_for_each_layer_and_only_the_functions_that_it_calls(tmp_path):
    model = sv.VAE(input_dim=6, latent_dim=2, hidden=(4,))
    sv.export.as_numpy_source(model, tmp_path / "exported.py")
    lines = (tmp_path / "exported.py").read_text(encoding="utf-8").splitlines()
    begin = lines.index("def encoder(x):")
    assert lines[begin + 1 : begin + 5] == [
        '    x = linear(x, w["encoder.0.W"], w["encoder.0.b"])',
        "    x = relu(x)",
        '    x = linear(x, w["encoder.2.W"], w["encoder.2.b"])',
        "    return x",
    ]
    functions = [line.split("(")[0].removeprefix("def ") for line in lines if line.startswith("def ")]
    assert functions == ["linear", "relu", "encoder", "encode_rows", "encode"]
    assert len(lines) < 60


def test_labels_out_of_range_are_an_error_of_the_file(tmp_path):
    model = random_model("ConditionalVAE", 0)
    sv.export.as_numpy_source(model, tmp_path / "exported.py")
    x = np.zeros((2, model.input_dim))
    for label in (-1, model.classes):
        with pytest.raises(ValueError, match="expected 0 to 3"):
            import_file(tmp_path / "exported.py").encode(x, label)


def test_weights_of_another_export_are_refused(tmp_path):
    sv.export.as_numpy_source(random_model("VAE", 0), tmp_path / "exported.py")
    weights = (tmp_path / "exported.npz").read_bytes()
    sv.export.as_numpy_source(random_model("VAE", 1), tmp_path / "exported.py")
    import_file(tmp_path / "exported.py")
    (tmp_path / "exported.npz").write_bytes(weights)
    with pytest.raises(ImportError, match="different exports"):
        import_file(tmp_path / "exported.py")


def test_a_model_file_is_not_replaced_by_the_weights(tmp_path):
    model = random_model("VAE", 0)
    sv.save(model, tmp_path / "model.npz")
    before = (tmp_path / "model.npz").read_bytes()
    with pytest.raises(FileError, match=r"model\.npz is a model file"):
        sv.export.as_numpy_source(model, tmp_path / "model.py")
    assert (tmp_path / "model.npz").read_bytes() == before and not (tmp_path / "model.py").exists()


@pytest.mark.parametrize("name", ["encoder.txt", "encoder", "my encoder.py", "2.py", "class.py", "numpy.py", "code.py"])
def test_a_name_that_python_cannot_import_or_has_itself_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="expected a file that Python can import"):
        sv.export.as_numpy_source(random_model("VAE", 0), tmp_path / name)
