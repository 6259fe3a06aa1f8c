"""Model files: saving, loading, refusals, and files of earlier formats."""

import errno
import hashlib
import io
import json
import os
import threading
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import hidden_layers, seeds

from scratchvae import IWAE, VAE, Autoencoder, ConditionalVAE, SemiSupervisedVAE, Trainer, load, load_encoder, save
from scratchvae.errors import BackendError, ConfigError, FileError, ScratchVAEError
from scratchvae.io import archive, describe_file
from scratchvae.layers import Linear, Sequential
from scratchvae.models.network import ACTIVATIONS

METADATA = {"data": "digits", "epochs": 3, "nested": {"é": [1.5, None, True]}}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def small_model():
    model = VAE(6, 2, hidden=(3,), image_shape=(2, 3), beta=0.5, seed=3)
    model.metadata = METADATA
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
def test_a_loaded_model_is_equal_bit_for_bit_and_computes_the_same(tmp_path, kind, config, seed):
    path = tmp_path / "model.npz"
    rng = np.random.default_rng(seed)
    model = kind(**config)
    model.theta[...] = rng.normal(size=model.theta.size)
    model.metadata = {"seed": seed}
    save(model, path)
    loaded = load(path)
    assert type(loaded) is kind
    assert loaded.config == model.config
    assert loaded.metadata == model.metadata
    assert loaded.theta.dtype == model.theta.dtype
    assert loaded.theta.tobytes() == model.theta.tobytes()
    x = rng.random((4, config["input_dim"]))
    for one, other in zip(loaded.terms(x, seed=1), model.terms(x, seed=1), strict=True):
        assert one.tobytes() == other.tobytes()
    assert loaded.reconstruct(x).tobytes() == model.reconstruct(x).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nonfinite_and_subnormal_weights_are_saved_and_loaded(tmp_path, dtype):
    model = VAE(2, 1, hidden=(), dtype=dtype)
    odd = [np.nan, -np.nan, np.inf, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal]
    model.theta[...] = np.resize(np.array(odd, dtype), model.theta.size)
    save(model, tmp_path / "model.npz")
    assert load(tmp_path / "model.npz").theta.tobytes() == model.theta.tobytes()


def test_the_file_contains_plain_arrays_and_json_and_no_pickle(file):
    model, members = small_model(), members_of(file)
    text = str(members.pop("scratchvae"))
    assert str(members.pop("sha256")) == sha256(text.encode())
    header = json.loads(text)
    arrays = header.pop("arrays")
    assert header == {
        "format": 3,
        "content": "model",
        "model": "VAE",
        "config": model.to_config(),
        "notes": METADATA,
        "schema": model.schema.as_json(),
    }
    for name, array in members.items():
        assert arrays[name] == {"dtype": "<f4", "shape": list(array.shape), "sha256": sha256(array.tobytes())}
    assert members.keys() == arrays.keys()
    assert members.keys() == {f"params/{name}" for name in model.params}
    assert all(np.array_equal(members[f"params/{name}"], array) for name, array in model.params.items())


def test_a_loaded_model_shares_no_memory_and_can_be_saved_again(file, tmp_path):
    first, second = load(file), load(str(file))
    first.theta[...] = 0
    assert second.theta.any()
    save(second, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("error", "raised"), [(OSError(errno.ENOSPC, "full"), FileError), (KeyboardInterrupt(), None)])
def test_an_error_during_writing_leaves_the_old_file(file, monkeypatch, error, raised):
    def write_half(stream, _):
        stream.write(b"PK\x03\x04 half a file")
        raise error

    before = file.read_bytes()
    monkeypatch.setattr(archive, "write_arrays", write_half)
    with pytest.raises(raised or type(error)):
        save(VAE(6, 2, hidden=()), file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_path_that_cannot_be_written_is_refused(file):
    with pytest.raises(FileError, match="cannot write"):
        save(small_model(), file / "model.npz")
    with pytest.raises(FileError, match="cannot write"):
        save(small_model(), file.parent)


def assert_refused(path, *words):
    with pytest.raises(ScratchVAEError) as refusal:
        load(path)
    for word in words:
        assert word in refusal.value.message
    return refusal.value


def read_through(kind, content, tmp_path):
    """Yield an open file object of this kind that holds `content`."""
    (tmp_path / "object.npz").write_bytes(content)
    if kind == "bytes":
        yield io.BytesIO(content)
    elif kind == "zip member":
        with zipfile.ZipFile(tmp_path / "object.zip", "w", zipfile.ZIP_DEFLATED) as outer:
            outer.writestr("inner.npz", content)
        with zipfile.ZipFile(tmp_path / "object.zip") as outer, outer.open("inner.npz") as member:
            yield member
    elif kind == "pipe":
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as read_end, os.fdopen(writer, "wb") as write_end:
            thread = threading.Thread(target=lambda: (write_end.write(content), write_end.close()))
            thread.start()
            yield read_end
            thread.join()
    elif kind == "after a header":
        file = io.BytesIO(b"header" + content)
        file.seek(6)
        yield file
    else:
        with (tmp_path / "object.npz").open("rb", buffering=0 if kind == "unbuffered file" else -1) as file:
            yield file


@pytest.mark.parametrize("kind", ["bytes", "file", "unbuffered file", "zip member", "pipe", "after a header"])
def test_a_model_is_read_from_any_open_binary_file_which_stays_open(file, tmp_path, kind):
    content = file.read_bytes()
    x = np.random.default_rng(0).random((3, 6))
    for read in (load, load_encoder, describe_file):
        for source in read_through(kind, content, tmp_path):
            found = read(source)
            assert not source.closed
        if read is describe_file:
            assert found == {"file": "model, format 3"}
        else:
            assert np.array_equal(found.embed(x), small_model().embed(x)) and found.metadata == METADATA


def test_a_model_is_written_to_any_open_binary_file_as_to_a_path(file, tmp_path):
    content = file.read_bytes()
    buffer = io.BytesIO()
    save(small_model(), buffer)
    assert buffer.getvalue() == content and not buffer.closed
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer, outer.open("inner.npz", "w") as member:
        save(small_model(), member)  # not seekable
    assert zipfile.ZipFile(tmp_path / "outer.zip").read("inner.npz") == content
    with (tmp_path / "object.npz").open("wb") as opened:
        save(small_model(), opened)
        assert (tmp_path / "object.npz").read_bytes() == content and not opened.closed


def test_a_damaged_file_object_is_refused_by_its_name(file, tmp_path):
    content = file.read_bytes()
    for damaged in (content[:-50], b"x" * 100, b""):
        with pytest.raises(FileError, match="a BytesIO "):
            load(io.BytesIO(damaged))
    changed = bytearray(content)
    changed[content.index(b"params") + 200] ^= 1
    (tmp_path / "changed.npz").write_bytes(changed)
    with (tmp_path / "changed.npz").open("rb") as opened, pytest.raises(FileError) as refusal:
        load(opened)
    assert str(tmp_path / "changed.npz") in refusal.value.message


def test_a_model_that_cannot_be_saved_leaves_a_file_object_as_it_was():
    model, buffer = small_model(), io.BytesIO()
    model.metadata = {"x": float("nan")}
    with pytest.raises(ConfigError):
        save(model, buffer)
    assert buffer.getvalue() == b""


# --- what could not be loaded is not saved


class Lossy(Linear):
    def config(self):
        return {}


class Growing(Linear):
    def config(self):
        return {**super().config(), "outputs": self.outputs + 1}


class Narrow(VAE):
    def __init__(self, width):
        super().__init__(6, width, hidden=(3,))


class Mine(VAE):
    pass


def another_vae():
    return type("VAE", (VAE,), {})(6, 2, hidden=(3,))


def with_part(kind):
    return VAE(6, 2, encoder=Sequential(kind(6, 4)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: with_part(Lossy), "the VAE could not be loaded from its file: TypeError"),
        (lambda: with_part(Growing), "the VAE could not be loaded from its file: encoder has 5 outputs"),
        (lambda: Narrow(2), "the Narrow could not be loaded from its file: TypeError"),
        (another_vae, "both named VAE; rename one"),
        (lambda: with_part(type("Mine", (Linear,), {})), None),
        (lambda: Mine(6, 2, encoder=Sequential(type("Mine", (Linear,), {})(6, 4))), "both named Mine; rename one"),
    ],
)
def test_a_model_that_could_not_be_made_again_is_not_saved(tmp_path, make, message):
    path = tmp_path / "new" / "model.npz"
    model = make()
    if message is None:
        save(model, path)
        assert load(path, classes=[type(model.encoder.layers[0])]).theta.tobytes() == model.theta.tobytes()
        return
    with pytest.raises(ConfigError, match=message):
        save(model, path)
    assert not path.parent.exists()
    with pytest.raises(ConfigError, match=message):
        Trainer(model).fit(np.zeros((8, 6)), 1, checkpoint=path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"a": [0, {"b": float("nan")}]}, r"model.metadata\['a'\]\[1\]\['b'\] cannot be .* it is nan"),
        ({"a": float("-inf")}, "it is -inf, which JSON does not have; use None or a text"),
        ({"a": (1, 2)}, r"it is \(1, 2\), a tuple, which a file returns as a list"),
        ({"a": {1: 2}}, r"model.metadata\['a'\] cannot be written to a file: it has the key 1; use text"),
        ({None: 1}, "it has the key None"),
        ({"a": np.float32(1)}, r"model.metadata\['a'\] .* use plain values"),
        (["a"], r"model.metadata=\['a'\] .* use a dict"),
        (None, "use a dict"),
    ],
)
def test_metadata_that_a_file_would_change_are_refused(file, metadata, message):
    before, model = file.read_bytes(), small_model()
    model.metadata = metadata
    with pytest.raises(ConfigError, match=message):
        save(model, file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("inside", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_metadata_that_contain_themselves_are_refused(file, inside):
    model, loop = small_model(), []
    loop += [loop] * inside
    model.metadata = {"a": loop}
    with pytest.raises(ConfigError, match=r"cannot be written as JSON \(it "):
        save(model, file)


def test_metadata_that_are_nested_too_deeply_are_refused(file):
    model, deep = small_model(), []
    for _ in range(5000):
        deep = [deep]
    model.metadata = {"a": deep}
    with pytest.raises(ConfigError, match=r"cannot be written as JSON \(it "):
        save(model, file)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(metadata=st.dictionaries(st.text(), json_values, max_size=4))
def test_plain_metadata_are_loaded_as_they_were_saved(metadata):
    model, buffer = small_model(), io.BytesIO()
    model.metadata = metadata
    save(model, buffer)
    buffer.seek(0)
    loaded = load(buffer).metadata
    assert loaded == metadata and repr(loaded) == repr(metadata)


@pytest.mark.skipif(np.dtype("longdouble").itemsize == 8, reason="a long double is a double here")
def test_long_doubles_are_loaded_only_by_the_kind_of_machine_that_wrote_them(tmp_path):
    path, model = tmp_path / "wide.npz", VAE(6, 2, hidden=(3,), dtype="longdouble")
    model.theta[...] += np.longdouble(1) / 3
    save(model, path)
    assert np.array_equal(load(path).theta, model.theta)
    members = members_of(path)
    header = json.loads(str(members["scratchvae"]))
    info = np.finfo("longdouble")
    assert header["longdouble"] == {"mantissa": info.nmant, "exponent": info.iexp}
    write_with_checksums(path, {**header, "longdouble": {"mantissa": 105, "exponent": 11}}, members, version=3)
    with pytest.raises(FileError, match=r"long doubles of another kind of machine.*save model.astype\('float64'\)"):
        load(path)


def test_long_doubles_that_this_machine_lacks_are_told_as_such(tmp_path):
    path = tmp_path / "wide.npy"
    np.save(path, np.zeros(8))
    content = path.read_bytes()
    lacking = next(size for size in (10, 12, 16) if not hasattr(np, f"float{8 * size}"))
    path.write_bytes(content.replace(b"'<f8', ", f"'<f{lacking}',".encode()))
    with pytest.raises(FileError, match="long doubles of another kind of machine, which this one lacks"):
        load(path)


@pytest.mark.parametrize("name", ["x" * 70_000, "\ud800", "a\0b"])
def test_a_parameter_whose_name_a_file_cannot_have_is_refused(tmp_path, name):
    arrays = {f"params/{name}": np.zeros(3)}
    with pytest.raises((ConfigError, FileError)) as refusal:
        archive.write_archive(io.BytesIO(), {}, arrays)
    assert "use" in refusal.value.message


def test_a_file_that_is_no_model_is_refused_by_path(tmp_path):
    (tmp_path / "text.npz").write_text("a text\n" * 100, encoding="utf-8")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "array.npy", np.zeros((20, 4)))
    np.savez(tmp_path / "arrays.npz", a=np.zeros((20, 4)))
    for name in ("missing.npz", "text.npz", "empty.npz", "array.npy", "arrays.npz", "."):
        assert isinstance(assert_refused(tmp_path / name, str(tmp_path / name)), FileError)


@given(fraction=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(file, fraction):
    path = file.with_name("cut.npz")
    path.write_bytes(file.read_bytes()[: int(fraction * file.stat().st_size)])
    assert isinstance(assert_refused(path, str(path)), FileError)


OWN_FORMAT = object()  # the format of the written version


def header_with(**changes):
    return {"format": OWN_FORMAT, "model": "VAE", "config": dict(small_model().config), "notes": {}, **changes}


def write_with_checksums(file, header, members=None, version=3):
    """Rewrite the file with valid checksums, so that only the content is wrong."""
    members = members_of(file) if members is None else members
    arrays = {name: array for name, array in members.items() if name not in ("scratchvae", "sha256")}
    if isinstance(header, dict) and header["format"] is OWN_FORMAT:
        header = {**header, "format": version}
    if version > 1 and isinstance(header, dict):
        checksums = {
            name: {"dtype": a.dtype.str, "shape": a.shape, "sha256": sha256(a.tobytes())} for name, a in arrays.items()
        }
        header = {"arrays": checksums, **header}
    text = header if isinstance(header, str) else json.dumps(header)
    digest = {"sha256": np.array(sha256(text.encode()))} if version > 1 else {}
    np.savez(file, scratchvae=np.array(text), **digest, **arrays)


versions = pytest.mark.parametrize("version", [1, 2, 3])


@versions
@pytest.mark.parametrize("header", ["", "{", "null", "5", "[]", "{}", "[" * 100_000], ids=lambda header: header[:5])
def test_an_invalid_header_is_refused(file, header, version):
    write_with_checksums(file, header, version=version)
    assert_refused(file, str(file))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("format", value) for value in (4, 0, None, True, "3", 1.5)],
        *[("model", value) for value in ("Transformer", "Autoencoder", None, ["VAE"])],
        *[("config", value) for value in (None, [], "text")],
    ],
)
@versions
def test_a_header_with_an_invalid_field_is_refused(file, field, value, version):
    write_with_checksums(file, header_with(**{field: value}), version=version)
    assert_refused(file, str(file))


def test_a_newer_format_is_refused_with_a_hint(file):
    write_with_checksums(file, header_with(format=4), version=1)
    assert_refused(file, "format 4", "reads formats 1 to 3", "a newer one")


@pytest.mark.parametrize(
    ("argument", "value"),
    [(name, None) for name in ("surprise", "backend", "self", "hidden", "activation", "beta", "dtype")]
    + [
        ("input_dim", 7),
        ("latent_dim", 10**30),
        ("hidden", [10**13]),
        ("hidden", [2**62]),
        ("hidden", [4]),
        ("hidden", [[3]]),
    ]
    + [("activation", "bend"), ("likelihood", "poisson"), ("init", "zeros"), ("init", {"a": 1}), ("dtype", "float64")]
    + [("beta", float("nan")), ("beta", 10**400), ("seed", -1), ("image_shape", [3, 3])],
    ids=lambda value: str(value)[:12],
)
@versions
def test_an_invalid_or_different_configuration_is_refused(file, argument, value, version):
    write_with_checksums(file, header_with(config={**small_model().config, argument: value}), version=version)
    assert_refused(file)


def nested_part(depth):
    part = {"class": "Linear", "config": {"inputs": 6, "outputs": 4}}
    for _ in range(depth):
        part = {"class": "Sequential", "config": {"layers": [part]}}
    return part


@pytest.mark.parametrize("name", ["encoder", "decoder", "posterior", "prior", "likelihood", "objective"])
@pytest.mark.parametrize(
    "part",
    [
        *(
            {"class": name, "config": {}}
            for name in ("os.system", "Trainer", "Layer", "Terms", "Divergence", "", None, ["VAE"])
        ),
        {"class": "Linear"},
        {"config": {}},
        {"class": "Linear", "config": {"inputs": 6, "outputs": 4, "seed": -1}},
        {"class": "Linear", "config": {"inputs": 10**9, "outputs": 10**9}},
        {"class": "Linear", "config": {"inputs": 6, "outputs": 4, "surprise": 1}},
        {"class": "Linear", "config": [6, 4]},
        {"class": "Repeat", "config": {"times": 10**12}},
        {"class": "ImportanceWeighted", "config": {"draws": 10**12}},
        nested_part(300),
        3,
        "relu",
        ["Linear"],
    ],
    ids=lambda part: str(part)[:40],
)
def test_an_invalid_or_different_part_is_refused(file, name, part):
    config = {**small_model().config, name: part}
    write_with_checksums(file, header_with(config=config))
    tracemalloc.start()
    assert isinstance(assert_refused(file, str(file)), FileError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


@pytest.mark.parametrize(("argument", "value"), [("latent_dim", 10**9), ("hidden", [2**24]), ("hidden", [1] * 100_000)])
def test_a_configuration_larger_than_the_file_is_refused_without_allocation(file, argument, value):
    write_with_checksums(file, header_with(config={**small_model().config, argument: value}))
    tracemalloc.start()
    assert_refused(file, str(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


@versions
def test_invalid_metadata_do_not_prevent_loading(file, version):
    write_with_checksums(file, header_with(notes=[1]), version=version)
    assert load(file).metadata == {}


@pytest.mark.parametrize("metadata", [{"long": "x" * 2**20}, {"number": 10**500}, {"object": object()}, {1, 2}])
def test_unreadable_metadata_are_refused_and_nothing_is_written(file, metadata):
    before, model = file.read_bytes(), small_model()
    model.metadata = metadata
    with pytest.raises(ConfigError):
        save(model, file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["params/encoder.0.W", "scratchvae"])
def test_a_change_with_a_valid_zip_checksum_is_refused(file, name):
    members = members_of(file)
    if name == "scratchvae":
        members[name] = np.array(str(members[name]).replace('"beta": 0.5', '"beta": 0.6'))
    else:
        members[name][0, 0] = np.nextafter(members[name][0, 0], np.float32(1))
    np.savez(file, **members)
    assert_refused(file, str(file), "digest", "header" if name == "scratchvae" else name)


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
@pytest.mark.parametrize("version", [1, 2, 3, "no checksums"])
def test_a_parameter_that_does_not_fit_is_refused_by_name(file, change, version):
    members = members_of(file)
    name = "encoder.0.W"
    array = change(members.pop(f"params/{name}"))
    if array is not None:
        members[f"params/{name}"] = array
    if version == "no checksums" or (array is not None and array.dtype == object):
        np.savez(file, **members)
    else:
        write_with_checksums(file, header_with(), members, version)
    refusal = assert_refused(file, str(file))
    assert name in str(refusal) or array.dtype == object


@pytest.mark.parametrize("content", [b"no array", small_model().params["encoder.0.b"]], ids=["bytes", "array"])
def test_an_additional_parameter_is_refused_by_name(file, content):
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
def test_a_zip_python_cannot_unpack_is_refused(file, offset, value):
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\1\2") + offset] = value
    file.write_bytes(content)
    assert isinstance(assert_refused(file, str(file)), FileError)


@settings(max_examples=200)
@given(flips=st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_file_with_damaged_bytes_is_refused_or_gives_the_same_model(file, flips):
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
    assert (model.config, model.metadata) == (small_model().config, METADATA)


def test_an_unknown_backend_is_refused(file):
    with pytest.raises(BackendError, match="abacus"):
        load(file, backend="abacus")


def test_save_replaces_the_old_file_only_after_verifying_the_new_one(file, monkeypatch):
    before, write = file.read_bytes(), archive.write_arrays

    def write_wrongly(stream, members):
        write(stream, {**members, "params/encoder.0.b": members["params/encoder.0.b"] + 1})

    monkeypatch.setattr(archive, "write_arrays", write_wrongly)
    with pytest.raises(FileError, match=r"encoder\.0\.b is damaged"):
        save(VAE(6, 2, hidden=()), file)
    assert file.read_bytes() == before


MODELS = [
    VAE(6, 2, hidden=(3,)),
    VAE(6, 2, hidden=(3,), likelihood="gaussian_learned", missing=True),
    IWAE(6, 2, hidden=(3,), importance_samples=4),
    ConditionalVAE(6, 2, hidden=(3,), classes=3),
    SemiSupervisedVAE(6, 2, hidden=(3,), classes=3),
    Autoencoder(6, 2, hidden=(3,)),
]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_the_encoder_alone_gives_the_same_bits_with_fewer_weights(tmp_path, model):
    path = tmp_path / "model.npz"
    model.metadata = {"data": "digits"}
    save(model, path)
    encoder, x = load_encoder(path), np.random.default_rng(0).random((5, 6))
    label_arguments = {"labels": [0, 1, 2, 0, 1]} if model.classes else {}
    assert encoder.embed(x, **label_arguments).tobytes() == model.embed(x, **label_arguments).tobytes()
    for one, other in zip(encoder.encode(x, **label_arguments), model.encode(x, **label_arguments), strict=True):
        assert one.tobytes() == other.tobytes()
    assert encoder.config == model.config
    assert encoder.metadata == model.metadata
    assert encoder.params.keys() == {name for name in model.params if name.startswith(("encoder", "classifier"))}
    assert "Encoder of " + type(model).__name__ in repr(encoder)


def test_the_encoder_is_loaded_from_a_file_with_a_damaged_decoder(file):
    members = members_of(file)
    members["params/decoder.0.W"] = members["params/decoder.0.W"] + 1
    np.savez(file, **members)
    assert_refused(file, "decoder.0.W is damaged")
    x = np.zeros((1, 6))
    assert load_encoder(file).embed(x).tobytes() == small_model().embed(x).tobytes()


def test_labels_for_an_encoder_without_classes_are_refused(file):
    with pytest.raises(ConfigError, match="labels"):
        load_encoder(file).embed(np.zeros((1, 6)), labels=[1])


# --- files of earlier versions

HERE = Path(__file__).parent
FORMAT_2 = {  # written by the version of that format, after six training steps
    "format_2.npz": lambda: VAE(
        6,
        2,
        (4,),
        "tanh",
        "gaussian_learned",
        beta=0.5,
        seed=3,
        scale="none",
        sigma=0.5,
        free_bits=0.05,
        image_shape=(2, 3),
    ),
    "format_2_IWAE.npz": lambda: IWAE(6, 2, (4,), seed=3, scale="none", importance_samples=3, missing=True),
    "format_2_ConditionalVAE.npz": lambda: ConditionalVAE(
        6, 2, (4, 3), likelihood="continuous_bernoulli", seed=3, scale="none", classes=3
    ),
    "format_2_SemiSupervisedVAE.npz": lambda: SemiSupervisedVAE(
        6, 2, (4,), seed=3, scale="none", classes=3, alpha=2.0, init="glorot_normal"
    ),
    "format_2_Autoencoder.npz": lambda: Autoencoder(
        6, 2, (4,), likelihood="gaussian_heteroscedastic", seed=3, scale="none", dtype="float64"
    ),
}
X_2 = np.linspace(0, 1, 72, dtype="float32").reshape(12, 6)[np.random.default_rng(7).permutation(12)]


def test_a_model_of_format_1_is_loaded():
    model, expected = load(HERE / "format_1.npz"), VAE(3, 1, hidden=(2,), seed=3, scale="none")
    assert model.theta.tobytes() == expected.theta.tobytes()
    assert model.metadata == {"data": "digits"} and model.config == expected.config
    x = np.linspace(0, 1, 12).reshape(4, 3)
    assert model.reconstruct(x).tobytes() == expected.reconstruct(x).tobytes()
    assert load_encoder(HERE / "format_1.npz").embed(x).tobytes() == expected.embed(x).tobytes()


@pytest.mark.parametrize("name", FORMAT_2)
def test_a_model_of_format_2_is_loaded_with_the_same_results(name):
    model, fresh = load(HERE / name), FORMAT_2[name]()
    assert type(model) is type(fresh) and model.config == fresh.config and repr(model) == repr(fresh)
    expected = model.metadata
    assert sha256(model.theta.tobytes()) == expected["theta"]
    label_arguments = {"labels": [0, 1]} if model.classes else {}
    x = X_2[:2]
    np.testing.assert_allclose(model.embed(x, **label_arguments), expected["embed"], atol=2e-6)
    np.testing.assert_allclose(model.reconstruct(x, **label_arguments), expected["reconstruct"], atol=2e-6)
    np.testing.assert_allclose(model.terms(x, seed=1, **label_arguments).value, expected["terms"], atol=5e-6)
    np.testing.assert_allclose(load_encoder(HERE / name).embed(x, **label_arguments), expected["embed"], atol=2e-6)


@pytest.mark.parametrize("name", ["format_1.npz", *FORMAT_2, "format_2_checkpoint.npz"])
def test_a_model_of_an_earlier_format_is_saved_in_the_current_one(tmp_path, name):
    model = load(HERE / name)
    save(model, tmp_path / "again.npz")
    assert json.loads(str(members_of(tmp_path / "again.npz")["scratchvae"]))["format"] == 3
    loaded = load(tmp_path / "again.npz")
    assert loaded.theta.tobytes() == model.theta.tobytes()
    assert (loaded.config, loaded.metadata) == (model.config, model.metadata)


CHECKPOINT_2 = HERE / "format_2_checkpoint.npz"  # from the training run that wrote format_2.npz


def test_the_model_of_a_checkpoint_of_format_2_is_loaded():
    model = load(CHECKPOINT_2)
    assert model.theta.tobytes() == load(HERE / "format_2.npz").theta.tobytes()
    assert describe_file(CHECKPOINT_2)["file"] == "checkpoint, format 2"
    assert describe_file(CHECKPOINT_2)["updates"] == 6 and describe_file(CHECKPOINT_2)["epochs"] == 2


def test_the_description_of_a_checkpoint_says_how_to_resume(tmp_path):
    path, members = tmp_path / "run.npz", members_of(CHECKPOINT_2)
    assert describe_file(CHECKPOINT_2)["training"] == "finished"
    write_with_checksums(path, {**json.loads(str(members["scratchvae"])), "stopped": ""}, members, version=2)
    assert describe_file(path)["training"] == "not ended; resume it by scratchvae 0.1.0"
    with pytest.raises(KeyError):
        Trainer(VAE(6, 2, (4,)), batch_size=4, kl_weight=raising_at(2)).fit(X_2, 2, checkpoint=tmp_path / "run_2.npz")
    assert describe_file(tmp_path / "run_2.npz")["training"] == "not ended; resume it by --resume"


def raising_at(updates):
    def weight(t):
        if t == updates:
            raise KeyError
        return 1.0

    return weight


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("ended", [True, False])
def test_resuming_a_checkpoint_of_format_2_is_refused_with_a_valid_hint(tmp_path, resume, ended):
    path = tmp_path / "run.npz"
    members = members_of(CHECKPOINT_2)
    header = json.loads(str(members["scratchvae"]))
    write_with_checksums(path, {**header, "stopped": "finished" if ended else ""}, members, version=2)
    before = path.read_bytes()
    trainer = Trainer(FORMAT_2["format_2.npz"](), lr=1e-2, batch_size=4, seed=5)
    theta = trainer.model.theta.copy()
    if ended and not resume:
        trainer.fit(X_2, 2, checkpoint=path)  # the run has finished, so its file may be overwritten
        assert json.loads(str(members_of(path)["scratchvae"]))["format"] == 3
        return
    with pytest.raises(FileError) as refusal:
        trainer.fit(X_2, 3, checkpoint=path, resume=resume)
    assert refusal.value.message == (
        f"{path} is a checkpoint of scratchvae 0.1.0, which this version cannot resume: load its model and "
        "train that further, or resume it with 0.1.0"
    )
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    assert np.array_equal(trainer.model.theta, theta)
    model = load(path)
    Trainer(model, lr=1e-2, batch_size=4).fit(X_2, 1)  # the hint of the message
    assert not np.array_equal(model.theta, load(path).theta)
