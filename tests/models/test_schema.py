"""The schema: names of columns and classes, and the scale, learned in training and applied ever after."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.models import Schema
from scratchvae.models.scale import Scale, learn_scale

GAUSSIANS = ("gaussian", "gaussian_learned", "gaussian_heteroscedastic")
UNITS = np.array([170.0, 68_000.0, -3.0]), np.array([9.0, 8_000.0, 1e-4])


def table(rows=60, seed=0):
    """Rows (N, 3) in three very different units."""
    return UNITS[0] + UNITS[1] * normal(seed, rows, 3)


def trained(x, epochs=2, likelihood="gaussian", kind=sv.VAE, labels=None, **settings):
    model = kind(x.shape[1], 2, (6,), likelihood=likelihood, seed=1, dtype="float64", **settings)
    sv.Trainer(model, batch_size=16, lr=1e-2).fit(x, epochs, **({} if labels is None else {"labels": labels}))
    return model


# --- the scale


@given(seeds, st.integers(1, 40), st.integers(1, 5), st.sampled_from(["float32", "float64", "int64", "uint8"]))
def test_standardized_columns_have_mean_0_and_deviation_1(seed, rows, columns, dtype):
    x = (100 * uniform(seed, rows, columns)).astype(dtype)
    scale = learn_scale("standardize", x, False, False)
    expected = x.astype(np.float64).std(axis=0)
    np.testing.assert_allclose(scale.shift, x.astype(np.float64).mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(scale.factor, np.where(expected > 0, expected, 1), rtol=1e-9)
    u = scale.to_networks(x)
    assert abs(u.mean(axis=0)).max() < 1e-9
    np.testing.assert_allclose(scale.to_data(u), x, rtol=1e-12, atol=1e-12)


@given(seeds, st.integers(2, 40))
def test_columns_of_one_unit_have_a_common_factor(seed, rows):
    x = table(rows, seed)
    scale = learn_scale("common", x, False, False)
    np.testing.assert_allclose(scale.factor, np.full(x.shape[1], np.sqrt(x.var(axis=0).mean())), rtol=1e-9)
    u = scale.to_networks(x)
    np.testing.assert_allclose(u.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(u.var(axis=0).mean(), 1, rtol=1e-9)


@given(seeds, st.integers(1, 40))
def test_minmax_columns_reach_from_0_to_1(seed, rows):
    x = table(rows, seed)
    u = learn_scale("minmax", x, False, False).to_networks(x)
    assert (u.min(axis=0) == 0).all() and (u.max(axis=0) <= 1).all()
    assert rows == 1 or (u.max(axis=0) == 1).all()


@pytest.mark.parametrize("value", [0.0, 1e-300, 0.1, 1.7e9, -3e15])
@pytest.mark.parametrize("kind", ["standardize", "common", "minmax"])
def test_a_constant_column_keeps_a_factor_of_1(kind, value):
    scale = learn_scale(kind, np.full((1000, 1), value), False, False)
    assert scale.factor.tolist() == [1.0]
    np.testing.assert_allclose(scale.shift, value, rtol=1e-12)


def test_large_data_are_scaled_as_in_one_piece(tmp_path):
    x = table(70_000)
    np.save(tmp_path / "x.npy", x)
    scale = learn_scale("standardize", np.load(tmp_path / "x.npy", mmap_mode="r"), False, False)
    np.testing.assert_allclose(scale.shift, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale.factor, x.std(axis=0), rtol=1e-12)


def test_missing_values_do_not_count():
    x = table()
    gaps = x.copy()
    gaps[::2, 0] = np.nan
    scale = learn_scale("standardize", gaps, False, False)
    np.testing.assert_allclose(scale.shift, [x[1::2, 0].mean(), *x[:, 1:].mean(axis=0)], rtol=1e-12)
    np.testing.assert_allclose(scale.factor, [x[1::2, 0].std(), *x[:, 1:].std(axis=0)], rtol=1e-12)


@pytest.mark.parametrize(
    ("x", "settings", "kind"),
    [
        (np.array([[0, 255]] * 4, np.uint8), {}, "255"),
        (np.array([[0, 65535]] * 4, np.uint16), {}, "65535"),
        (np.array([[0, 1]] * 4, np.uint8), {}, "none"),
        (np.array([[0.0, 1.0]] * 4), {}, "none"),
        (np.array([[0.0, 1.0]] * 4), {"scale": "minmax"}, "minmax"),
        (np.array([[0.0, 9.0]] * 4), {"likelihood": "gaussian"}, "standardize"),
        (np.array([[0.0, 9.0]] * 4), {"likelihood": "gaussian_learned"}, "standardize"),
        (np.array([[0.0, 9.0]] * 4), {"likelihood": "gaussian_heteroscedastic"}, "standardize"),
        (np.array([[0.0, 9.0]] * 4), {"likelihood": "gaussian", "sigma": 1.0}, "none"),
        (np.array([[0.0, 9.0]] * 4), {"likelihood": "gaussian", "image_shape": (1, 2)}, "none"),
        (np.array([[0.0, 9.0]] * 4), {"likelihood": "gaussian", "scale": "none"}, "none"),
        (np.array([[0, 255]] * 4, np.uint8), {"likelihood": "gaussian"}, "255"),
        (np.array([[0, 255]] * 4, np.uint8), {"likelihood": "gaussian", "scale": "standardize"}, "standardize"),
    ],
)
def test_auto_chooses_the_scale(x, settings, kind):
    model = sv.VAE(2, 1, (3,), **settings)
    assert model.schema.scale is None
    sv.Trainer(model).step(x)
    assert model.schema.scale.kind == kind


@pytest.mark.parametrize("likelihood", GAUSSIANS)
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder, sv.SemiSupervisedVAE, sv.IWAE])
def test_a_scaled_training_is_that_of_scaled_rows_in_other_units(kind, likelihood):
    x, new = table(), table(7, seed=5)
    mean, std = x.mean(axis=0), x.std(axis=0)
    settings = {"classes": 3} if kind is sv.SemiSupervisedVAE else {}
    labels = np.arange(60) % 3 if settings else None
    scaled = trained(x, likelihood=likelihood, kind=kind, labels=labels, **settings)
    plain = trained((x - mean) / std, likelihood=likelihood, kind=kind, labels=labels, scale="none", **settings)
    np.testing.assert_allclose(scaled.theta, plain.theta, rtol=1e-9, atol=1e-9)  # the means differ by rounding
    new_labels = {"labels": np.arange(7) % 3} if settings else {}
    np.testing.assert_allclose(
        scaled.embed(new, **new_labels), plain.embed((new - mean) / std, **new_labels), rtol=1e-8
    )
    expected = mean + std * plain.reconstruct((new - mean) / std, **new_labels)
    np.testing.assert_allclose(scaled.reconstruct(new, **new_labels), expected, rtol=1e-8)
    terms, plain_terms = (
        m.terms(rows, seed=3, **new_labels) for m, rows in ((scaled, new), (plain, (new - mean) / std))
    )
    for name in ("value", "reconstruction"):  # log p(x) = log p(u) − Σ log s
        np.testing.assert_allclose(getattr(terms, name), getattr(plain_terms, name) - np.log(std).sum(), rtol=1e-8)
    np.testing.assert_allclose(terms.kl, plain_terms.kl, rtol=1e-8, atol=1e-12)
    loss, grads = scaled.loss_and_grads(new, seed=1, **new_labels)
    plain_loss, plain_grads = plain.loss_and_grads((new - mean) / std, seed=1, **new_labels)
    assert loss == pytest.approx(plain_loss + np.log(std).sum(), rel=1e-8)
    for name in grads:
        np.testing.assert_allclose(grads[name], plain_grads[name], rtol=1e-6, atol=1e-10)


def test_of_a_row_with_gaps_only_the_observed_columns_change_the_density():
    x = table()
    x[::3, 1] = np.nan
    mean, std = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    scaled, plain = trained(x, missing=True), trained((x - mean) / std, missing=True, scale="none")
    volume = (~np.isnan(x)) @ np.log(std)
    np.testing.assert_allclose(scaled.elbo(x).value, plain.elbo((x - mean) / std).value - volume, rtol=1e-8)
    imputed = scaled.impute(x, samples=20, seed=2)
    np.testing.assert_allclose(imputed, mean + std * plain.impute((x - mean) / std, samples=20, seed=2), rtol=1e-7)
    assert np.array_equal(imputed[~np.isnan(x)], x[~np.isnan(x)])


@pytest.mark.parametrize("missing", [False, True])
def test_bernoulli_is_no_density_and_has_no_term(missing):
    x = table()
    settings = {"likelihood": "bernoulli", "missing": missing}
    scaled = trained(x, scale="minmax", **settings)
    u = scaled.scaled(x).clip(0, 1)
    plain = trained(u, scale="none", **settings)
    np.testing.assert_allclose(scaled.elbo(x).value, plain.elbo(u).value, rtol=1e-8)


def test_the_history_is_in_the_units_of_the_data():
    x = table()
    model = sv.VAE(3, 2, (6,), likelihood="gaussian", dtype="float64")
    history = sv.Trainer(model, batch_size=60).fit(x, 1, validation=x)
    plain = sv.VAE(3, 2, (6,), likelihood="gaussian", dtype="float64", scale="none")
    u = (x - x.mean(axis=0)) / x.std(axis=0)
    expected = sv.Trainer(plain, batch_size=60).fit(u, 1, validation=u)
    volume = np.log(x.std(axis=0)).sum()
    assert history.loss[0] == pytest.approx(expected.loss[0] + volume, rel=1e-9)
    assert history.validation[0] == pytest.approx(expected.validation[0] + volume, rel=1e-9)


def test_divided_bytes_have_no_term_in_the_density_and_come_back_as_bytes():
    pixels = (255 * uniform(0, 40, 6)).astype(np.uint8)
    scaled, plain = trained(pixels, likelihood="bernoulli"), trained(pixels / 255, likelihood="bernoulli")
    np.testing.assert_allclose(scaled.elbo(pixels).value, plain.elbo(pixels / 255).value, rtol=1e-9)
    np.testing.assert_allclose(scaled.reconstruct(pixels), 255 * plain.reconstruct(pixels / 255), rtol=1e-9)
    np.testing.assert_allclose(scaled.sample(3), 255 * plain.sample(3), rtol=1e-9)
    dark = np.ones((2, 6), np.uint8)  # taken by the scale of the training, not as 0 and 1
    np.testing.assert_allclose(scaled.embed(dark), plain.embed(dark / 255), rtol=1e-9)


@pytest.mark.parametrize("likelihood", GAUSSIANS)
def test_rows_in_any_units_are_learned(likelihood):
    x = UNITS[0] + UNITS[1] * (normal(1, 200, 1) + 0.1 * normal(2, 200, 3))
    model = sv.VAE(3, 2, (16,), likelihood=likelihood)
    sv.Trainer(model, lr=1e-2).fit(x, 40)
    assert np.isfinite(model.elbo(x).value).all()
    assert (np.std(model.reconstruct(x) - x, axis=0) < 0.9 * x.std(axis=0)).all()


def test_numbers_too_large_to_scale_are_refused():
    with pytest.raises(RangeError, match="numbers too large to scale in column 2; divide that column"):
        trained(np.array([[0.0, 1e200], [1.0, -1e200]]))


def test_sigma_is_in_units_of_the_data_and_excludes_scaled_columns():
    for scale in ("standardize", "common", "minmax"):
        with pytest.raises(ConfigError, match=f"sigma=0.5 is in the units of the data, and scale='{scale}'"):
            sv.VAE(3, 2, likelihood="gaussian", sigma=0.5, scale=scale)
    with pytest.raises(ConfigError, match="scale='zscore' is unknown"):
        sv.VAE(3, 2, scale="zscore")


# --- what only the likelihood minds


def test_what_only_the_likelihood_minds_is_encoded():
    x, model = uniform(0, 20, 6), sv.VAE(6, 2, (5,))
    model.metadata["corrupt"] = {"kind": "masking", "level": 0.3}  # so that denoise does not warn
    for method in (model.embed, model.encode, model.reconstruct, model.denoise):
        method(3 * x - 1)
        with pytest.raises(RangeError, match="expected -1 to 2: divide"):
            method(x + 1.5)
    with pytest.raises(RangeError, match="expected 0 to 1"):
        model.elbo(3 * x - 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_value_beyond_the_support_by_rounding_is_in_range(dtype):
    x = np.full((10, 3), np.nextafter(np.array(1, dtype), np.array(2, dtype)))
    x[0] = -np.finfo(dtype).eps
    model = sv.VAE(3, 2, (4,))
    sv.Trainer(model).fit(x, 1)
    assert np.isfinite(model.elbo(x).value).all()
    with pytest.raises(RangeError, match="expected 0 to 1"):
        model.elbo(x + 1e-4)


@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
def test_no_rows_give_no_codes(kind):
    model = kind(6, 2, (5,))
    assert model.embed(np.empty((0, 6))).shape == (0, 2)
    encoded = model.encode(np.empty((0, 6)))
    assert [part.shape for part in (encoded if kind is sv.VAE else (encoded,))] == [(0, 2)] * (1 + (kind is sv.VAE))
    assert model.reconstruct(np.empty((0, 6))).shape == model.decode(np.empty((0, 2))).shape == (0, 6)
    with pytest.raises(ShapeError, match="B ≥ 1"):
        sv.Trainer(model).fit(np.empty((0, 6)), 1)


# --- names of classes

NAMED = np.array(["bee", "ant", "cow", "ant"] * 5)


@pytest.mark.parametrize("dtype", [str, object])
def test_names_of_classes_are_learned_and_mapped_ever_after(dtype):
    x, labels = uniform(0, 20, 6), NAMED.astype(dtype)
    model = trained(x, likelihood="bernoulli", kind=sv.SemiSupervisedVAE, labels=labels, classes=3)
    assert model.schema.classes == ("ant", "bee", "cow")
    index = np.array([1, 0, 2, 0] * 5)
    assert np.array_equal(model.elbo(x, labels=labels).value, model.elbo(x, labels=index).value)
    later = labels[index > 0]  # no ant among them
    assert np.array_equal(
        model.elbo(x[index > 0], labels=later).value, model.elbo(x[index > 0], labels=index[index > 0]).value
    )
    assert set(model.classify(x)) <= {"ant", "bee", "cow"}
    by_name = sv.evaluation.classification(model, x, labels)
    assert by_name.accuracy == np.mean(model.classify(x) == labels)
    assert np.array_equal(model.decode(np.zeros((1, 2)), "cow"), model.decode(np.zeros((1, 2)), 2))
    with pytest.raises(RangeError, match="labels hold dog, which the model has not learned; expected ant, bee, cow"):
        model.elbo(x, labels=np.where(index == 1, "dog", labels))


@pytest.mark.parametrize("nothing", [None, np.nan, ""])
def test_no_name_is_no_label(nothing):
    x, labels = uniform(0, 20, 6), NAMED.astype(object)
    labels[::4] = nothing
    model = sv.SemiSupervisedVAE(6, 2, (5,), classes=["ant", "bee", "cow"])
    labels[0] = "bee"
    sv.Trainer(model).fit(x, 1, labels=labels)
    assert model.schema.classes == ("ant", "bee", "cow")
    with pytest.raises(RangeError, match="hold -1"):
        sv.ConditionalVAE(6, 2, (5,), classes=["ant", "bee", "cow"]).elbo(x, labels=labels)


def test_minus_1_is_a_class_only_if_it_is_named():
    x, sign = uniform(0, 20, 6), np.array([-1, 1] * 10)
    named = sv.SemiSupervisedVAE(6, 2, (5,), classes=[-1, 1], seed=2)
    plain = sv.SemiSupervisedVAE(6, 2, (5,), classes=2, seed=2)
    sv.Trainer(named).fit(x, 2, labels=sign)
    sv.Trainer(plain).fit(x, 2, labels=(sign + 1) // 2)
    assert np.array_equal(named.theta, plain.theta)
    assert set(named.classify(x).tolist()) <= {-1, 1}
    with pytest.raises(RangeError, match="hold 0, which the model has not learned; expected -1, 1"):
        named.elbo(x, labels=np.zeros(20, int))


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (np.array(["a", "b"] * 10), ConfigError, "labels hold 2 classes, a, b, and the model has 3: make it with"),
        (np.linspace(0, 2, 20), DTypeError, "number the classes from 0"),
        (np.eye(3)[np.arange(20) % 3], DTypeError, "for one-hot rows, use .argmax"),
        (np.eye(3, dtype=int)[np.arange(20) % 3], ShapeError, "for one-hot rows, use .argmax"),
        (["a"] * 20, ConfigError, "only the class a; expected at least two classes"),
        (np.arange(20.0) % 3, DTypeError, r"use \.astype\(int\)"),
        (np.array([b"a", b"b"] * 10), DTypeError, "number the classes, as by numpy.unique"),
        (np.array(["a", 1] * 10, object), DTypeError, "number the classes, as by numpy.unique"),
    ],
)
def test_labels_that_are_no_classes_are_refused_with_what_to_do(labels, error, words):
    model = sv.SemiSupervisedVAE(6, 2, (5,), classes=3)
    with pytest.raises(error, match=words):
        sv.Trainer(model).fit(uniform(0, 20, 6), 1, labels=labels)
    assert model.schema == Schema()


@pytest.mark.parametrize("classes", [["a"], ["a", "a"], [1.5, 2.5], "", None, [None, "a"]])
def test_names_that_are_not_different_texts_or_integers_are_refused(classes):
    with pytest.raises(ConfigError, match="classes="):
        sv.ConditionalVAE(6, 2, (5,), classes=classes)


# --- a copy, a file


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_has_the_schema(copied):
    x = table()
    model = trained(x, labels=np.arange(60) % 2, kind=sv.ConditionalVAE, classes=["a", "b"])
    other = copied(model)
    assert repr(other.schema) == repr(model.schema)
    assert np.array_equal(other.elbo(x, labels="a").value, model.elbo(x, labels="a").value)
    assert np.array_equal(model.astype("float32").schema.scale.factor, model.schema.scale.factor)


def test_a_file_has_the_schema(tmp_path):
    x = table()
    model = trained(x)
    model.schema = model.schema._replace(columns=("height", "weight", "rest"))
    sv.save(model, tmp_path / "m.npz")
    for loaded in (sv.load(tmp_path / "m.npz"), sv.load_encoder(tmp_path / "m.npz")):
        assert loaded.schema.columns == ("height", "weight", "rest")
        assert np.array_equal(loaded.schema.scale.factor, model.schema.scale.factor)
        assert np.array_equal(loaded.embed(x), model.embed(x))
    assert np.array_equal(sv.load(tmp_path / "m.npz").elbo(x).value, model.elbo(x).value)


@pytest.mark.parametrize(
    "damage",
    [
        {"columns": ["a"]},
        {"columns": ["a", "a", "b"]},
        {"columns": [1, 2, 3]},
        {"classes": ["a", "b"]},
        {"scale": {"kind": "standardize", "shift": [0, 0, 0], "factor": [1, 0, 1]}},
        {"scale": {"kind": "standardize", "shift": [0, 0], "factor": [1, 1, 1]}},
        {"scale": {"kind": "standardize", "shift": None, "factor": None}},
        {"scale": {"kind": "none", "shift": None, "factor": 2.0}},
        {"scale": {"kind": "other", "shift": None, "factor": 2.0}},
        {"scale": {"kind": "255", "shift": None, "factor": float("nan")}},
        {"scale": {"kind": "255", "shift": None, "factor": "x"}},
        {"more": 1},
    ],
)
def test_a_damaged_schema_is_refused(damage):
    with pytest.raises(ConfigError):
        Schema.from_json({**Schema().as_json(), **damage}, 3, 0)


def test_the_schema_is_learned_once_and_restored_after_a_refusal():
    x = table()
    model = trained(x)
    before = model.schema
    sv.Trainer(model).fit(x[:20] + np.array([5, 0, 0]), 1)
    assert model.schema is not None and np.array_equal(model.schema.scale.factor, before.scale.factor)
    fresh = sv.VAE(3, 2, (6,), likelihood="gaussian")
    with pytest.raises(RangeError):
        sv.Trainer(fresh).fit(np.where(x == x[0, 0], np.nan, x), 1)
    with pytest.raises(ConfigError):
        sv.Trainer(fresh).fit(x, 0)
    assert fresh.schema == Schema()


def test_a_scale_may_be_set_by_hand():
    model = sv.VAE(2, 1, (3,), likelihood="gaussian")
    model.schema = Schema(scale=Scale("standardize", np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    sv.Trainer(model).fit(np.array([[1.0, 2.0]] * 4), 1)
    assert model.schema.scale.factor.tolist() == [3.0, 4.0]
    with pytest.raises(ConfigError, match="columns of the schema are damaged: expected 2 different names"):
        model.schema = Schema(columns=("a",))
    with pytest.raises(ConfigError, match="schema="):
        model.schema = {"columns": None}


def test_a_run_is_resumed_with_the_same_schema(tmp_path):
    x, path = table(), tmp_path / "c.npz"
    whole = trained(x, 4)
    half = sv.VAE(3, 2, (6,), likelihood="gaussian", seed=1, dtype="float64")
    sv.Trainer(half, batch_size=16, lr=1e-2).fit(x, 2, checkpoint=path)
    resumed = sv.VAE(3, 2, (6,), likelihood="gaussian", seed=1, dtype="float64")
    sv.Trainer(resumed, batch_size=16, lr=1e-2).fit(x, 4, checkpoint=path, resume=True)
    assert np.array_equal(resumed.theta, whole.theta)
    assert np.array_equal(resumed.elbo(x).value, whole.elbo(x).value)
    assert np.array_equal(sv.load(path).schema.scale.factor, whole.schema.scale.factor)


def test_a_schema_is_described_by_the_names_of_its_columns_and_classes():
    schema = Schema(columns=("age", "height"), classes=("no", "yes"))
    assert schema.describe() == {"columns": "age, height", "classes": "no, yes", "scale": "not learned yet"}
    assert Schema(shape=(2, 3)).describe() == {"shape": "2 × 3", "scale": "not learned yet"}


def test_a_scale_writes_into_the_array_that_it_is_given():
    scale, out = Scale("standardize", np.array([1.0, 2.0]), np.array([2.0, 4.0])), np.empty((1, 2))
    assert scale.to_networks(np.array([[3.0, 10.0]]), out=out) is out and out.tolist() == [[1.0, 2.0]]


def test_rows_on_a_device_are_scaled_on_the_device():
    model = sv.VAE(2, 1, (3,), likelihood="gaussian", scale="standardize", backend="fake-cupy")
    x = normal(0, 5, 2) + 3.0
    sv.Trainer(model, seed=0, batch_size=5).fit(x, 1)
    on_device = model.backend.upload(x)
    assert type(model.scaled(on_device)) is type(on_device)
    np.testing.assert_allclose(model.scaled(on_device).get(), model.scaled(x))


def test_standardized_columns_are_refused_for_a_likelihood_of_numbers_between_0_and_1():
    for likelihood in ("bernoulli", "continuous_bernoulli"):
        for scale in ("standardize", "common"):
            with pytest.raises(
                ConfigError, match=rf"scale='{scale}' gives numbers outside \[0, 1\].* use scale='minmax'"
            ):
                sv.VAE(4, 2, likelihood=likelihood, scale=scale)


def test_bytes_are_refused_by_a_model_of_fractions():
    x = uniform(0, 40, 64)
    model = sv.VAE(image_shape=(8, 8), latent_dim=2, hidden=(6,), likelihood="gaussian")
    bytes_ = (255 * x).astype("u1")
    model.embed(bytes_)  # its units are not known yet
    sv.Trainer(model).fit(x, 1)
    for rows, divisor in ((bytes_, 255), (bytes_.astype(">u2"), 65535)):
        with pytest.raises(RangeError, match=f"x holds uint[0-9]+ numbers up to 25[0-9],.*divide them by {divisor}"):
            model.embed(rows)
    zeros_and_ones = (x > 0.5).astype("u1")
    assert np.array_equal(model.embed(zeros_and_ones), model.embed(zeros_and_ones.astype("float32")))
    assert len(model.embed(bytes_[:0])) == 0
