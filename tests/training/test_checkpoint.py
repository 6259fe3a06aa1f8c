"""Models in files."""

import errno
import io
import json
import zipfile

import numpy as np
import pytest
from drawing import hidden_layers, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchvae import VAE, Autoencoder, load, save
from scratchvae.errors import BackendError, FileError, ScratchVAEError
from scratchvae.models.network import ACTIVATIONS

NOTES = {"data": "digits", "epochs": 3, "nested": {"é": [1.5, None, True]}}


def small_model():
    model = VAE(6, 2, hidden=(3,), image_shape=(2, 3), beta=0.5, seed=3)
    model.notes = NOTES
    return model


def members_of(path):
    with np.load(path, allow_pickle=False) as members:
        return {name: members[name] for name in members}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.npz"
    save(small_model(), path)
    return path


architectures = st.fixed_dictionaries(
    {
        "input_dim": st.integers(1, 6),
        "latent_dim": st.integers(1, 3),
        "hidden": hidden_layers,
        "activation": st.sampled_from(sorted(ACTIVATIONS)),
        "beta": st.floats(0, 10),
        "seed": st.integers(0, 2**64),
        "dtype": st.sampled_from(["float32", "float64"]),
        "init": st.sampled_from([None, "he_uniform", "glorot_normal"]),
    }
)


@given(kind=st.sampled_from([VAE, Autoencoder]), config=architectures, seed=seeds)
def test_a_model_comes_back_bit_for_bit_and_computes_the_same(tmp_path, kind, config, seed):
    path = tmp_path / "model.npz"
    rng = np.random.default_rng(seed)
    model = kind(**config)
    model.theta[...] = rng.normal(size=model.theta.size)
    model.notes = {"seed": seed}
    save(model, path)
    again = load(path)
    assert type(again) is kind
    assert again.config == model.config
    assert again.notes == model.notes
    assert again.theta.dtype == model.theta.dtype
    assert again.theta.tobytes() == model.theta.tobytes()
    x = rng.random((4, config["input_dim"]))
    for one, other in zip(again.terms(x, seed=1), model.terms(x, seed=1), strict=True):
        assert one.tobytes() == other.tobytes()
    assert again.reconstruct(x).tobytes() == model.reconstruct(x).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_no_training_should_reach_come_back_too(tmp_path, dtype):
    model = VAE(2, 1, hidden=(), dtype=dtype)
    odd = [np.nan, -np.nan, np.inf, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal]
    model.theta[...] = np.resize(np.array(odd, dtype), model.theta.size)
    save(model, tmp_path / "model.npz")
    assert load(tmp_path / "model.npz").theta.tobytes() == model.theta.tobytes()


def test_the_file_holds_plain_arrays_and_json_and_no_pickle(file):
    model, members = small_model(), members_of(file)
    header = json.loads(str(members.pop("scratchvae")))
    assert header == {"format": 1, "model": "VAE", "config": model.config, "notes": NOTES}
    assert members.keys() == {f"params/{name}" for name in model.params}
    assert all(np.array_equal(members[f"params/{name}"], array) for name, array in model.params.items())


def test_a_loaded_model_shares_nothing_with_another_and_can_be_saved_again(file, tmp_path):
    first, second = load(file), load(str(file))
    first.theta[...] = 0
    assert second.theta.any()
    save(second, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("error", "seen"), [(OSError(errno.ENOSPC, "full"), FileError), (KeyboardInterrupt(), None)])
def test_an_error_while_writing_leaves_the_old_file(file, monkeypatch, error, seen):
    def write_a_little(to, **_):
        to.write(b"PK\x03\x04 half a file")
        raise error

    before = file.read_bytes()
    monkeypatch.setattr(np, "savez", write_a_little)
    with pytest.raises(seen or type(error)):
        save(VAE(6, 2, hidden=()), file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_refused(file):
    with pytest.raises(FileError, match="cannot write"):
        save(small_model(), file / "model.npz")
    with pytest.raises(FileError, match="cannot write"):
        save(small_model(), file.parent)


def assert_refused(path, *words):
    with pytest.raises(ScratchVAEError) as refusal:
        load(path)
    for word in words:
        assert word in str(refusal.value)
    return refusal.value


def test_what_is_no_model_is_refused_by_name(tmp_path):
    (tmp_path / "text.npz").write_text("a text\n" * 100)
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "array.npy", np.zeros((20, 4)))
    np.savez(tmp_path / "arrays.npz", a=np.zeros((20, 4)))
    for name in ("missing.npz", "text.npz", "empty.npz", "array.npy", "arrays.npz", "."):
        assert isinstance(assert_refused(tmp_path / name, str(tmp_path / name)), FileError)


@given(part=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(file, part):
    path = file.with_name("cut.npz")
    path.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
    assert isinstance(assert_refused(path, str(path)), FileError)


def header_with(**changes):
    return json.dumps({"format": 1, "model": "VAE", "config": small_model().config, "notes": {}, **changes})


def put_header(file, header):
    np.savez(file, **{**members_of(file), "scratchvae": np.array(header)})


@pytest.mark.parametrize("header", ["", "{", "null", "5", "[]", "{}", "[" * 100_000], ids=lambda header: header[:5])
def test_a_header_that_is_no_description_is_refused(file, header):
    put_header(file, header)
    assert_refused(file, str(file))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("format", value) for value in (2, None)],
        *[("model", value) for value in ("Transformer", "Autoencoder", None, ["VAE"])],
        *[("config", value) for value in (None, [], "text")],
    ],
)
def test_a_header_that_describes_another_file_is_refused(file, field, value):
    put_header(file, header_with(**{field: value}))
    assert_refused(file, str(file))


@pytest.mark.parametrize(
    ("argument", "value"),
    [(name, None) for name in ("surprise", "backend", "self", "input_dim", "hidden", "activation", "beta", "dtype")]
    + [("latent_dim", 10**30), ("hidden", [10**13]), ("hidden", [2**62]), ("hidden", [4]), ("hidden", [[3]])]
    + [("activation", "bend"), ("likelihood", "poisson"), ("init", "zeros"), ("init", {"a": 1}), ("dtype", "float64")]
    + [("beta", float("nan")), ("beta", 10**400), ("seed", -1), ("image_shape", [3, 3])],
    ids=lambda value: str(value)[:12],
)
def test_a_configuration_that_makes_no_or_another_model_is_refused(file, argument, value):
    put_header(file, header_with(config={**small_model().config, argument: value}))
    assert_refused(file)


def test_notes_that_are_no_notes_do_not_keep_a_model_from_loading(file):
    put_header(file, header_with(notes=[1]))
    assert load(file).notes == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda array: None,
        lambda array: array[:-1],
        lambda array: array.T,
        lambda array: array[None],
        lambda array: array.astype(np.float64),
        lambda array: array.astype(np.int32),
        lambda array: array.astype(str),
        lambda array: np.array(array, object),
    ],
    ids=["missing", "shorter", "transposed", "of more axes", "float64", "int32", "text", "object"],
)
def test_a_parameter_that_does_not_fit_is_refused_by_name(file, change):
    members = members_of(file)
    name = "encoder.0.W"
    array = change(members.pop(f"params/{name}"))
    if array is not None:
        members[f"params/{name}"] = array
    np.savez(file, **members)
    refusal = assert_refused(file, str(file))
    assert name in str(refusal) or array.dtype == object


@pytest.mark.parametrize("content", [b"no array", small_model().params["encoder.0.b"]], ids=["bytes", "array"])
def test_a_parameter_too_many_is_refused_by_name(file, content):
    if not isinstance(content, bytes):
        buffer = io.BytesIO()
        np.save(buffer, content)
        content = buffer.getvalue()
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("params/one.more", content)
    assert_refused(file, "one.more")


@pytest.mark.parametrize(
    ("offset", "value"),
    [(6, 255), (8, 1), (8, 32), (8, 64), (10, 99)],
    ids=["a later zip", "encrypted", "patched data", "strong encryption", "an unknown compression"],
)
def test_a_zip_that_python_cannot_unpack_is_refused(file, offset, value):
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\1\2") + offset] = value
    file.write_bytes(content)
    assert isinstance(assert_refused(file, str(file)), FileError)


@settings(max_examples=200)
@given(flips=st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_file_with_damaged_bytes_is_refused_or_gives_the_very_model(file, flips):
    path = file.with_name("damaged.npz")
    content = bytearray(file.read_bytes())
    for place, flip in flips:
        content[place % len(content)] ^= flip
    path.write_bytes(content)
    try:
        model = load(path)
    except ScratchVAEError:
        return
    assert model.theta.tobytes() == small_model().theta.tobytes()
    assert (model.config, model.notes) == (small_model().config, NOTES)


def test_a_backend_that_is_none_is_refused(file):
    with pytest.raises(BackendError, match="abacus"):
        load(file, backend="abacus")
