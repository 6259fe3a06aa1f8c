"""Tests of what the page holds, without a browser: the weights, the rows, the planes, and that it stays a page."""

import json
import re
import zlib
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest
from export.random_models import KINDS, labels_of, random_model, rows_of

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, FileError, RangeError, ShapeError
from scratchvae.explorer import page as page_module
from scratchvae.explorer import write_page
from scratchvae.explorer.page import FOLDER, SCRIPTS, as_script_data
from scratchvae.explorer.planes import separating_plane, widest_plane
from scratchvae.explorer.rows import choose_rows, pack_pictures, value_range
from scratchvae.explorer.weights import packed
from scratchvae.export.walk import FUNCTIONS
from scratchvae.layers import Layer, Linear, ReLU, Repeat, Residual, Sequential
from scratchvae.models.scale import Scale
from scratchvae.probability import DiagonalGaussian, Gaussian, StandardNormal
from scratchvae.tables import TableSchema

HOSTILE = ("</script><b>", "a\"b'c", "<!--", "שלום", "]]>", "\u2028", "&amp;")


def unpacked(entry):
    content = zlib.decompress(b64decode(entry["data"]))
    return np.frombuffer(content, entry["dtype"]).reshape(entry["shape"])


def data_of(path):
    """The data of a page, found as a browser does."""
    elements = elements_of(path.read_text(encoding="utf-8"))
    (text,) = [text for tag, attributes, text in elements if attributes.get("id") == "data"]
    return json.loads(text)


def elements_of(text):
    class Parser(HTMLParser):
        def __init__(self):
            super().__init__(convert_charrefs=True)
            self.elements = []

        def handle_starttag(self, tag, attributes):
            self.elements.append([tag, dict(attributes), ""])

        def handle_data(self, data):
            if self.elements:
                self.elements[-1][2] += data

    parser = Parser()
    parser.feed(text)
    parser.close()
    return parser.elements


def digits_vae(latent=3, **settings):
    vae = sv.VAE(64, latent, (8,), image_shape=(8, 8), **settings)
    data = sv.datasets.load("digits")
    return vae, data.test.images, data.test.labels


@pytest.fixture
def path(tmp_path):
    return tmp_path / "page.html"


# --- the model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", ["float16", "float32"])
def test_the_page_holds_the_weights_and_the_codes_of_the_model_with_these(kind, weights, path):
    model = random_model(kind, 0)
    x, labels = rows_of(model, 6, 1), labels_of(model, 6, 2).get("labels")
    assert write_page(model, path, x, labels, weights=weights) == (path.stat().st_size, 6)
    data = data_of(path)
    theta, held = unpacked(data["weights"]), model.theta.astype(weights)
    unused = theta != held
    assert theta.dtype == weights and not theta[unused].any()  # of a MaskedLinear alone
    assert unused.any() == (kind == "VAE of own layers")
    model.theta[...] = theta
    embedding = model.embed(
        x, **({} if labels is None or isinstance(model, sv.SemiSupervisedVAE) else {"labels": labels})
    )
    np.testing.assert_allclose(unpacked(data["rows"]["codes"]), embedding, rtol=1e-6, atol=1e-7)
    for name, place in data["model"]["parameters"].items():
        stop = place["start"] + int(np.prod(place["shape"]))
        assert (theta[place["start"] : stop].reshape(place["shape"]) == model.params[name]).all()


def test_writing_a_page_leaves_the_model_as_it_is(path):
    vae, images, _ = digits_vae()
    before = vae.theta.copy()
    write_page(vae, path, images)
    assert (vae.theta == before).all()


def test_there_is_javascript_for_the_function_of_every_layer():
    text = (FOLDER / "layers.js").read_text(encoding="utf-8")
    table = text[text.index("const LAYERS") : text.index("\n};\n")]
    names = set(re.findall(r"^  (\w+)(?:\(|:)", table, re.M))
    assert {function for function, _ in FUNCTIONS.values()} | {"nan_to_zero"} == names


def test_the_kl_of_each_dimension_is_that_of_active_units(path):
    vae, images, labels = digits_vae()
    write_page(vae, path, images, labels, weights="float32")
    kl = sv.evaluation.active_units(vae, images).kl
    np.testing.assert_allclose(data_of(path)["kl"], kl, rtol=1e-5)


def test_the_mean_terms_are_those_of_elbo(path):
    vae, images, labels = digits_vae(beta=2.0)
    write_page(vae, path, images[:50], labels[:50], weights="float32")
    terms = vae.elbo(images[:50])
    expected = {name: float(np.mean(term)) for name, term in terms._asdict().items()}
    assert data_of(path)["rows"]["terms"] == pytest.approx(expected, rel=1e-5)


# --- the rows


def test_rows_are_chosen_at_random_always_the_same_ones_and_in_order():
    assert (choose_rows(5, 9) == np.arange(5)).all()
    numbers = choose_rows(1000, 100)
    assert len(set(numbers)) == 100 and (np.diff(numbers) > 0).all() and (numbers == choose_rows(1000, 100)).all()
    assert set(choose_rows(1000, 50)) < set(numbers) and abs(numbers.mean() - 500) < 100


@pytest.mark.parametrize(
    ("images", "levels"),
    [
        (np.array([[0.0, 1.0, 1.0]]), 1),
        (np.arange(17)[None] / 16, 16),
        (np.arange(256, dtype=np.uint8)[None], 255),
        ((np.arange(256) / 255).astype(np.float32)[None], 255),
        (np.arange(-3, 30, dtype=np.int64)[None], 32),
        (np.full((1, 4), 7.0), 1),
    ],
)
def test_pictures_of_few_grey_values_are_packed_without_loss(images, levels):
    entry = pack_pictures(images)
    assert entry["levels"] == levels and entry["dtype"] == "uint8"
    numbers = entry["low"] + (entry["high"] - entry["low"]) * unpacked(entry) / levels
    np.testing.assert_allclose(numbers, images, rtol=1e-6)


def test_other_pictures_are_rounded_to_256_grey_values_and_those_with_gaps_are_not():
    images = np.random.default_rng(0).normal(size=(4, 9))
    entry = pack_pictures(images)
    numbers = entry["low"] + (entry["high"] - entry["low"]) * unpacked(entry) / entry["levels"]
    assert entry["levels"] == 255 and np.abs(numbers - images).max() <= (images.max() - images.min()) / 509
    images[1, 2] = np.nan
    entry = pack_pictures(images)
    assert "levels" not in entry
    np.testing.assert_array_equal(unpacked(entry), images.astype(np.float32))


def test_black_and_white_are_0_and_1_or_the_extremes():
    assert value_range(np.array([[0.2, 0.7, np.nan]])) == (0.0, 1.0)
    assert value_range(np.array([[-2.0, 3.0]])) == (-2.0, 3.0)
    assert value_range(np.array([[np.nan]])) == (0.0, 1.0)


def test_the_number_of_rows_is_as_wished_or_fits_the_budget(path, monkeypatch):
    vae, images, labels = digits_vae()
    write_page(vae, path, images, labels, rows=17)
    rows = data_of(path)["rows"]
    assert rows["count"] == len(rows["labels"]) == len(rows["numbers"]) == 17 and rows["of"] == len(images)
    assert rows["labels"] == labels[rows["numbers"]].tolist()
    monkeypatch.setattr(page_module, "MOST_CHARACTERS", 2000)
    write_page(vae, path, images, labels)
    rows = data_of(path)["rows"]
    assert 30 < rows["count"] < len(images) and len(rows["values"]["data"]) <= 2000
    assert (unpacked(rows["values"]) == np.rint(images[rows["numbers"]] * 16)).all()


def test_without_rows_the_page_has_none_and_knows_black_and_white(path):
    vae, _, _ = digits_vae()
    vae.schema = vae.schema._replace(scale=Scale("255", None, 255.0))
    write_page(vae, path)
    data = data_of(path)
    assert (data["rows"]["count"], data["kl"], data["planes"], data["low"], data["high"]) == (0, None, {}, 0.0, 255.0)


def test_the_columns_of_a_table_are_described_by_its_schema(path):
    table = {
        "weight": np.array([1.5, 2.5, 4.0, np.nan]),
        "kind": np.array(["a", "b", "b", "c"], object),
        "visits": np.array([0, 3, 9, 1]),
        "well": np.array([True, False, True, True]),
    }
    schema = TableSchema.infer(table, kinds={"visits": "count"})
    vae = sv.VAE(schema.width, 2, (4,), likelihood=schema.likelihood(), missing=True)
    write_page(vae, path, schema.encode(table), table=schema)
    columns = {column["name"]: column for column in data_of(path)["columns"]}
    assert list(columns) == ["weight", "kind", "visits", "well"]
    assert columns["kind"]["values"] == ["a", "b", "c"] and columns["kind"]["width"] == 3
    assert (columns["visits"]["low"], columns["visits"]["high"]) == (0.0, 9.0)
    weight = columns["weight"]
    assert weight["low"] * weight["factor"] + weight["shift"] == pytest.approx(1.5)
    assert {name: column["start"] for name, column in columns.items()} == {
        name: schema.slices[name].start for name in columns
    }


@pytest.mark.slow
def test_mnist_with_20_latent_dimensions_takes_at_most_3_megabytes(path, real_set):
    data = real_set("mnist")
    vae = sv.VAE(784, 20, (512,), image_shape=(28, 28))
    page = write_page(vae, path, data.test.images, data.test.labels)
    rows = data_of(path)["rows"]
    assert page.size <= 3_000_000 and page.rows == 2000 and len(rows["values"]["data"]) <= 700_000


# --- planes


def cloud(latent, classes=3, noise=0.2):
    rng = np.random.default_rng(0)
    labels = np.arange(300) % classes
    centres = rng.normal(size=(classes, 2)) * 2
    codes = rng.normal(size=(300, latent))
    codes[:, :2] = centres[labels] + noise * rng.normal(size=(300, 2))
    rotation, _ = np.linalg.qr(rng.normal(size=(latent, latent)))
    return codes @ rotation.T, labels, rotation


@pytest.mark.parametrize("latent", [3, 7])
def test_the_separating_plane_finds_the_directions_in_which_the_classes_differ(latent):
    codes, labels, rotation = cloud(latent)
    P = separating_plane(codes, np.full(latent, 0.01), labels)
    np.testing.assert_allclose(P.T @ P, np.eye(2), atol=1e-12)
    assert np.linalg.svd(P.T @ rotation[:, :2])[1].min() > 0.98


def test_two_classes_and_rows_without_a_class_have_a_separating_plane_too():
    codes, labels, _ = cloud(5, classes=2)
    labels = np.where(np.arange(300) < 50, -1, labels)
    P = separating_plane(codes, np.full(5, 0.01), labels)
    np.testing.assert_allclose(P.T @ P, np.eye(2), atol=1e-12)
    along = codes @ P[:, 0]
    assert abs(along[labels == 0].mean() - along[labels == 1].mean()) > 3 * along[labels == 0].std()


def test_unused_dimensions_do_not_seem_to_separate():
    codes, labels, _ = cloud(4)
    unused = 1e-4 * labels[:, None] + 1e-6 * np.random.default_rng(1).normal(size=(300, 1))
    P = separating_plane(np.hstack([codes, unused]), np.array([0.01] * 4 + [1.0]), labels)
    assert np.abs(P[4]).max() < 0.01


def test_the_widest_plane_has_the_first_two_principal_components():
    codes, _, rotation = cloud(6)
    stretched = codes @ rotation * np.array([5.0, 1, 1, 4, 1, 1])
    P = widest_plane(stretched)
    np.testing.assert_allclose(np.abs(P[[0, 3], [0, 1]]), 1.0, atol=0.05)
    same = widest_plane(np.ones((5, 4)))  # any two directions
    np.testing.assert_allclose(same.T @ same, np.eye(2), atol=1e-12)


# --- the page


def test_names_cannot_end_the_data_or_the_page(path):
    vae = sv.ConditionalVAE(64, 3, (8,), classes=HOSTILE, image_shape=(8, 8))
    x = np.random.default_rng(0).random((14, 64), np.float32)
    write_page(vae, path, x, np.arange(14) % 7, title="".join(HOSTILE))
    text = path.read_text(encoding="utf-8")
    tags = [tag for tag, _, _ in elements_of(text)]
    assert tags.count("script") == 2 and "b" in tags  # of the help text
    assert text.count("<script") == 2 == text.count("</script>")
    data = data_of(path)
    assert data["classNames"] == list(HOSTILE) and data["title"] == "".join(HOSTILE)


def test_the_names_of_columns_may_be_anything(path):
    vae = sv.VAE(7, 2, (4,), likelihood="gaussian")
    vae.schema = vae.schema._replace(columns=HOSTILE)
    write_page(vae, path, np.random.default_rng(0).random((5, 7)))
    assert [column["name"] for column in data_of(path)["columns"]] == list(HOSTILE)


def test_the_data_is_json_in_ascii_without_an_opening_bracket():
    text = as_script_data({"name": "".join(HOSTILE) + "\udc80"})
    assert text.isascii() and "<" not in text and json.loads(text)["name"].endswith("\udc80")


def test_the_page_has_no_address_of_a_network_and_forbids_it(path):
    vae, images, _ = digits_vae()
    write_page(vae, path, images)
    elements = elements_of(path.read_text(encoding="utf-8"))
    (policy,) = [a["content"] for tag, a, _ in elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "http" not in policy
    addresses = [a[name] for _, a, _ in elements for name in ("src", "href") if name in a]
    assert addresses == ["data:,"]
    for name in (*SCRIPTS, "style.css", "page.html"):
        assert "://" not in (FOLDER / name).read_text(encoding="utf-8"), name


def test_every_file_of_the_page_is_in_it_once(path):
    assert {file.name for file in FOLDER.iterdir()} == {*SCRIPTS, "page.html", "style.css"}
    assert len(set(SCRIPTS)) == len(SCRIPTS)
    vae, images, _ = digits_vae()
    write_page(vae, path, images)
    page = path.read_text(encoding="utf-8")
    for name in (*SCRIPTS, "style.css"):
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert page.count(text) == 1 and "</script" not in text and "<!--" not in text, name


def test_no_line_is_longer_than_those_of_the_python_files():
    for name in (*SCRIPTS, "style.css", "page.html"):
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if len(line) > 120] == [], name


def test_every_script_begins_with_what_it_is_about():
    for name in SCRIPTS:
        assert (FOLDER / name).read_text(encoding="utf-8").startswith("// "), name


def test_every_control_has_a_name():
    elements = elements_of((FOLDER / "page.html").read_text(encoding="utf-8"))
    for k, (tag, attributes, text) in enumerate(elements):
        if tag == "button":
            assert text.strip() and (text.strip() not in "←→" or "aria-label" in attributes)
        elif tag in ("select", "input"):
            assert "label" in [before for before, _, _ in elements[max(0, k - 2) : k]], attributes


def test_every_element_that_a_script_names_is_in_the_page():
    ids = {a["id"] for _, a, _ in elements_of((FOLDER / "page.html").read_text(encoding="utf-8")) if "id" in a}
    for name in SCRIPTS:
        text = (FOLDER / name).read_text(encoding="utf-8")
        made = set(re.findall(r'id: "([\w-]+)"', text))
        assert set(re.findall(r'byId\("([\w-]+)"\)', text)) <= ids | made, name


# --- the colours of the classes

# Machado, Oliveira and Fernandes 2009: linear RGB as people without one kind of cone see it
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def perceived(color, vision):
    """L*a*b* of a colour such as "#ff0000" for a kind of vision: a distance of 10 is plain to see."""
    rgb = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = RGB_TO_XYZ @ np.clip(np.array(VISIONS[vision]) @ linear, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_colours_of_the_classes_differ_for_every_kind_of_vision(theme, vision):
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", re.findall(r":root \{(.*?)\}", style, re.S)[theme]))
    seen = [perceived(colors[name], vision) for name in ("card", *(f"class-{k}" for k in range(8)))]
    apart = [np.linalg.norm(a - b) for k, a in enumerate(seen) for b in seen[:k]]
    assert len(apart) == 36 and min(apart) > 24


# --- what is refused


class Square(Layer):
    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        return x * x

    def backward(self, dy):
        return dy


class OwnPosterior(DiagonalGaussian):
    pass


class OwnPrior(StandardNormal):
    pass


class OwnLikelihood(Gaussian):
    pass


class OwnModel(sv.VAE):
    def embed(self, x, labels=None):
        return super().embed(x, labels)


def own(**parts):
    return sv.VAE(9, 2, (4,), **parts)


REFUSED = {
    "encoder.1 is a Square, a class of your own": lambda: own(encoder=Sequential(Linear(9, 4), Square(), Linear(4, 4))),
    "decoder.0.layer.1 is a Square": lambda: own(
        decoder=Sequential(Residual(Sequential(ReLU(), Square())), Linear(2, 9))
    ),
    "encoder.1 is a Repeat, for which": lambda: own(encoder=Sequential(Linear(9, 4), Repeat(1))),
    "posterior is a OwnPosterior, a class of your own": lambda: own(posterior=OwnPosterior()),
    "prior is a OwnPrior, a class of your own": lambda: own(prior=OwnPrior()),
    "likelihood is a OwnLikelihood, a class of your own": lambda: own(likelihood=OwnLikelihood()),
    "OwnModel, which has a method embed of its own": lambda: OwnModel(9, 2, (4,)),
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_part_without_javascript_is_named(words, path):
    with pytest.raises(ConfigError, match="the page has no JavaScript") as error:
        write_page(REFUSED[words](), path)
    assert words in str(error.value) and "use " in str(error.value)
    assert not path.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"weights": "float64"}, "weights='float64' is unknown; choose one of float16, float32"),
        ({"max_mb": 0.01}, r"max_mb=0.01 is less than the page needs: 0\.\d MB for 1,\d\d\d weights"),
        ({"max_mb": 0}, "max_mb=0: expected a positive number"),
        ({"rows": -1}, "rows=-1: expected a whole number of at least 0"),
        ({"path": 3}, "path=3: expected a path"),
    ],
)
def test_wrong_settings_are_refused(settings, words, path):
    vae, images, labels = digits_vae()
    with pytest.raises(ConfigError, match=words):
        write_page(vae, **{"path": path, "images": images, "labels": labels, **settings})
    assert not path.exists()


def test_a_model_that_is_too_large_is_refused_before_the_work(path):
    vae = sv.VAE(784, 20, (512,))
    with pytest.raises(ConfigError, match=r"max_mb=1 is less than the page needs: 1\.8 MB for 835,384 weights; pass"):
        write_page(vae, path, "no rows: they are not looked at", max_mb=1)


def test_a_weight_beyond_float16_is_refused_unless_the_page_has_float32(path):
    vae, images, _ = digits_vae()
    vae.theta[5] = 1e5
    with pytest.raises(ConfigError, match="weights='float16' ends at 65504, and the model has a weight of 1e"):
        write_page(vae, path, images)
    write_page(vae, path, weights="float32")
    assert unpacked(data_of(path)["weights"])[5] == np.float32(1e5)


@pytest.mark.parametrize(
    ("labels", "error"),
    [([0, 1], ShapeError), ([0.5] * 5, DTypeError), ([0, 1, 2, 3, -2], RangeError), ([[0]] * 5, ShapeError)],
)
def test_labels_are_one_class_for_each_row(labels, error, path):
    with pytest.raises(error, match="labels"):
        write_page(sv.VAE(9, 2, (4,)), path, np.ones((5, 9)), labels)


def test_rows_of_another_width_are_refused(path):
    with pytest.raises(ShapeError, match=r"images has shape \(5, 8\)"):
        write_page(sv.VAE(9, 2, (4,)), path, np.ones((5, 8)))


def test_labels_may_be_names(path):
    write_page(sv.VAE(9, 2, (4,)), path, np.ones((4, 9)), ["cat", "ant", "", "cat"])
    data = data_of(path)
    assert (data["classNames"], data["rows"]["labels"]) == (["ant", "cat"], [1, 0, -1, 1])


def test_only_a_whole_model_is_shown(path):
    with pytest.raises(ConfigError, match=r"model='runs/digits': expected a model, as sv\.load returns"):
        write_page("runs/digits", path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    vae, _, _ = digits_vae()
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError):
        write_page(vae, tmp_path / "file" / "page.html")


def test_arrays_are_packed_with_their_dtype_and_shape():
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(">f4")
    entry = packed(array)
    assert entry["dtype"] == "float32" and (unpacked(entry) == array).all()
