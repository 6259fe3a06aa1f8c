"""Models of counts, categories and mixed tables: training, draws, missing values, files, backends and refusals."""

import re

import numpy as np
import pytest
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import ConfigError, RangeError
from scratchvae.layers import Log1p
from scratchvae.probability import (
    Bernoulli,
    Categorical,
    Gaussian,
    GaussianLearned,
    Mixed,
    NegativeBinomial,
    Poisson,
)

N = 60


def one_hot(seed, *levels):
    rng = np.random.default_rng(seed)
    return np.hstack([np.eye(k)[rng.integers(k, size=N)] for k in levels])


COUNTS = np.random.default_rng(0).poisson(np.exp(normal(0, N, 4))).astype(float) + np.eye(N, 4)
CATEGORIES = one_hot(1, 3, 2)
TABLE = np.hstack([normal(2, N, 2), np.round(uniform(3, N, 1)), COUNTS, CATEGORIES])  # 2, 1, 4 and 5 columns


def mixed():
    return Mixed([(GaussianLearned(0.5), 2), (Bernoulli(), 1), (NegativeBinomial(), 4), (Categorical((3, 2)), 5)])


CASES = {
    "poisson": ({"input_dim": 4, "likelihood": "poisson"}, COUNTS),
    "negative_binomial": ({"input_dim": 4, "likelihood": "negative_binomial"}, COUNTS),
    "library size": ({"input_dim": 4, "likelihood": lambda: NegativeBinomial(9.0)}, COUNTS),
    "categories": ({"likelihood": lambda: Categorical((3, 2))}, CATEGORIES),
    "table": ({"likelihood": mixed}, TABLE),
}
KINDS = [sv.VAE, sv.IWAE, sv.Autoencoder]
EACH_CASE = pytest.mark.parametrize("case", CASES)
HOLES = {"poisson": [1], "negative_binomial": [1, 2], "categories": [0, 1, 2], "table": [0, 2, 4, 10, 11]}
EACH_WITH_HOLES = pytest.mark.parametrize("case", HOLES)


def model_of(case, kind=sv.VAE, **more):
    settings, x = CASES[case]
    settings = {"latent_dim": 2, "hidden": (8,), "dtype": "float64", **settings, **more}
    if callable(settings["likelihood"]):
        settings["likelihood"] = settings["likelihood"]()
    return kind(**settings), x


def incomplete(case):
    x = CASES[case][1].copy()
    x[::3, HOLES[case]] = np.nan
    return x


def assert_in_support(model, x):
    for s in model.likelihood.supports(model.input_dim):
        block = x[..., s.start : s.stop]
        assert (block >= s.low).all() and (block <= s.high).all()
        assert not s.whole or (block % 1 == 0).all()
        assert not s.one_hot or (np.sort(block, axis=-1) == np.eye(s.stop - s.start)[-1]).all()


@EACH_CASE
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_learns_and_is_the_same_after_saving(tmp_path, kind, case):
    model, x = model_of(case, kind)
    before = model.terms(x).value.mean()
    sv.Trainer(model, batch_size=16, lr=0.01).fit(x, 60)
    assert model.terms(x).value.mean() > before + 0.1
    sv.save(model, tmp_path / "model.npz")
    loaded = sv.load(tmp_path / "model.npz")
    assert loaded.config == model.config or case not in ("poisson", "negative_binomial")
    assert repr(loaded) == repr(model) and np.array_equal(loaded.reconstruct(x), model.reconstruct(x))
    assert np.array_equal(loaded.terms(x).value, model.terms(x).value)


@EACH_CASE
def test_draws_are_in_the_support_and_means_near_the_data(case):
    model, x = model_of(case)
    sv.Trainer(model, batch_size=16, lr=0.01).fit(x, 30)
    assert_in_support(model, model.posterior_predictive(x, 3))
    drawn = model.posterior_predictive(x, 100).mean(axis=(0, 1))
    expected = model.posterior_predictive(x, 100, values="mean").mean(axis=(0, 1))
    np.testing.assert_allclose(drawn, expected, rtol=0.1, atol=0.05)
    if case != "library size":  # the mean of a row of the typical total
        np.testing.assert_allclose(model.sample(2000).mean(axis=0), x.mean(axis=0), rtol=0.5, atol=0.3)


@EACH_CASE
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_starts_at_the_mean_of_the_data(kind, case):
    model, x = model_of(case, kind)
    sv.Trainer(model, lr=1e-12).fit(x, 1)
    mean = to_numpy(model.decode(np.zeros((1, 2))))[0]
    expected = x.mean(axis=0)
    if case == "library size":
        expected = expected * 9.0 / expected.sum()
    np.testing.assert_allclose(mean, expected, rtol=1e-6, atol=2e-3)


@EACH_CASE
def test_rows_have_scores(case):
    model, x = model_of(case)
    sv.Trainer(model, batch_size=16).fit(x, 20)
    scores = model.score_samples(x, samples=2000)
    elbo = -model.anomaly_score(x, "elbo", samples=2000)
    assert (scores >= elbo).all() and np.array_equal(model.score_samples(x[7:9], samples=2000), scores[7:9])
    assert np.isfinite(model.anomaly_score(x, "reconstruction")).all()


@EACH_WITH_HOLES
@pytest.mark.parametrize("kind", [sv.VAE, sv.IWAE])
def test_missing_values_are_imputed(kind, case):
    model, _ = model_of(case, kind, missing=True)
    x = incomplete(case)
    sv.Trainer(model, batch_size=16).fit(x, 5)
    observed = ~np.isnan(x)
    assert np.isfinite(model.score_samples(x, samples=3)).all()
    for method in ("metropolis", "pseudo-gibbs", "importance"):
        filled = model.impute(x, method=method, samples=20)
        assert np.isfinite(filled).all() and np.array_equal(filled[observed], x[observed])
        assert_in_support(model, model.impute(x, method=method, draws=2, samples=20))


@EACH_WITH_HOLES
def test_a_model_of_complete_rows_imputes_too(case):
    model, x = model_of(case)
    sv.Trainer(model, batch_size=16).fit(x, 5)
    x = incomplete(case)
    assert_in_support(model, model.impute(x, draws=2, samples=20))
    assert np.isfinite(model.impute(x, samples=20)).all()


@EACH_WITH_HOLES
def test_a_missing_value_is_as_if_it_were_integrated_out(case):
    model, _ = model_of(case, missing=True)
    x, eps = incomplete(case), normal(8, N, 2)
    value, grads = model.loss_and_grads(x, eps)
    assert np.isfinite(value) and all(np.isfinite(grad).all() for grad in grads.values())
    complete, x = CASES[case][1], x.copy()
    reconstruction = model.terms(x, eps).reconstruction
    rows = ~np.isnan(x).any(axis=1)
    np.testing.assert_allclose(reconstruction[rows], model.terms(complete, eps).reconstruction[rows], rtol=1e-13)


@EACH_CASE
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("backend", ["native", FAKE_CUPY], ids=["native", "stand-in"])
def test_other_backends_give_the_same(tmp_path, case, missing, backend):
    if missing and case not in HOLES:
        pytest.skip("refused: totals need complete rows")
    results = []
    for place in ("numpy", backend):
        model, x = model_of(case, backend=place, missing=missing)
        x = incomplete(case) if missing else x
        sv.Trainer(model, batch_size=16).fit(x, 3)
        sv.save(model, tmp_path / "model.npz")
        loaded = sv.load(tmp_path / "model.npz")
        arrays = model.theta, loaded.theta, model.reconstruct(x), model.posterior_predictive(x, 2), model.embed(x)
        results.append([to_numpy(array) for array in arrays])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-10)


def test_a_conditional_and_a_semi_supervised_model_of_a_table_train():
    labels = np.arange(N) % 2
    for kind in (sv.ConditionalVAE, sv.SemiSupervisedVAE):
        model, x = model_of("table", kind, classes=2)
        history = sv.Trainer(model, batch_size=16).fit(x, 5, labels=labels)
        assert np.isfinite(history.loss).all()
        assert_in_support(model, model.posterior_predictive(x, 2, labels=labels))


@pytest.mark.parametrize("case", ["poisson", "table"])
def test_the_encoder_takes_the_logarithm_of_counts(case):
    model, x = model_of(case)
    first = model.encoder.layers[0]
    assert isinstance(first, Log1p)
    y = first.forward(x)
    columns = slice(None) if case == "poisson" else slice(3, 7)
    np.testing.assert_allclose(y[:, columns], np.log1p(COUNTS))
    if case == "table":
        others = [0, 1, 2, *range(7, 12)]
        assert np.array_equal(y[:, others], x[:, others])
    assert not any(isinstance(layer, Log1p) for layer in model_of("categories")[0].encoder.layers)


def test_counts_of_any_dtype_are_taken_as_they_are():
    model, _ = model_of("poisson", dtype="float32")
    expected = model.elbo(COUNTS)
    for dtype in ("uint8", "uint16", "int64", "float32"):
        assert np.array_equal(model.elbo(COUNTS.astype(dtype)).value, expected.value)
        other, _ = model_of("poisson", dtype="float32")
        sv.Trainer(other).fit(COUNTS.astype(dtype), 1)
        assert other.scale is None or other.scale.kind == "none"


# --- what is refused

WRONG_ROWS = {
    "negative": ("poisson", (4, 2), -1.0, "x holds -1 in row 5, column 3; expected counts, 0, 1, 2, …"),
    "a fraction": ("negative_binomial", (4, 2), 0.5, "x holds 0.5 in row 5, column 3; expected counts.*gaussian"),
    "infinite": ("poisson", (4, 2), np.inf, "infinite"),
    "NaN": ("poisson", (4, 2), np.nan, "NaN"),
    "a fraction of a count of a table": ("table", (0, 3), 2.5, "x holds 2.5 in row 1, column 4; expected counts"),
    "a number of a table beyond [0, 1]": ("table", (9, 2), 2.0, "x holds 2 in row 10, column 3; expected 0 to 1"),
    "two ones": ("categories", (3, slice(0, 3)), [1, 1, 0], "the sum 2 in columns 1 to 3 of row 4; expected zeros and"),
    "no one": ("categories", (3, slice(3, 5)), 0.0, "the sum 0 in columns 4 to 5 of row 4.*correct that row, or the"),
    "a negative one": ("table", (3, 8), -1.0, r"x holds -1 in row 4, column 9; expected zeros and a one \(one-hot\)"),
}


@pytest.mark.parametrize("problem", WRONG_ROWS)
def test_rows_outside_the_support_are_refused_by_their_place(problem):
    case, place, value, message = WRONG_ROWS[problem]
    model, x = model_of(case)
    x = x.copy()
    x[place] = value
    before = model.theta.copy()
    for call in (model.elbo, model.score_samples, model.loss_and_grads):
        with pytest.raises(RangeError, match=message):
            call(x)
    with pytest.raises(RangeError, match=message.replace("x holds", "images holds")):
        sv.Trainer(model).fit(x, 1)
    assert np.array_equal(model.theta, before)


def test_a_part_of_a_group_is_not_missing():
    model, _ = model_of("categories", missing=True)
    x = CATEGORIES.copy()
    x[2, 1] = np.nan
    with pytest.raises(RangeError, match="NaN in a part of columns 1 to 3 of row 3; mark all columns of a group"):
        model.elbo(x)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"likelihood": mixed, "input_dim": 9},
            "Mixed is for rows of 12 numbers, and input_dim=9: leave input_dim out",
        ),
        ({"likelihood": "poisson", "input_dim": 4, "scale": "standardize"}, "scale='standardize' changes the unit"),
        ({"likelihood": mixed, "scale": "minmax"}, "scale='minmax' .*"),
        ({"likelihood": "poisson", "input_dim": 4, "sigma": 0.5}, "sigma=0.5"),
        ({"likelihood": lambda: Poisson(3.0), "input_dim": 4, "missing": True}, "library_size=3 needs the total"),
        (
            {"likelihood": lambda: Mixed([(Gaussian(), 60), (Bernoulli(), 4)]), "image_shape": (8, 8)},
            "architecture='conv' gives all pixels one likelihood, not a Mixed one: use architecture='mlp'",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    settings = dict(settings)
    settings |= {"architecture": "conv"} if "image_shape" in settings else {}
    if callable(settings["likelihood"]):
        settings["likelihood"] = settings["likelihood"]()
    with pytest.raises(ConfigError, match=message):
        sv.VAE(latent_dim=2, **settings)


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial"])
def test_counts_are_not_binarized(likelihood):
    model = sv.VAE(4, 2, (3,), likelihood=likelihood)
    with pytest.raises(ConfigError, match=f"binarize='dynamic' .*likelihood='{likelihood}' is for other data"):
        sv.Trainer(model, binarize="dynamic")


@EACH_CASE
def test_the_summary_names_the_likelihood(case):
    model, _ = model_of(case)
    name = re.sub(r"\W.*", "", repr(model.likelihood))
    assert name in str(model.summary()) and name in ("Poisson", "NegativeBinomial", "Categorical", "Mixed")


@pytest.mark.parametrize("case", ["poisson", "library size", "table"])
def test_exported_models_of_counts_compute_the_same(tmp_path, case):
    model, x = model_of(case)
    sv.Trainer(model, batch_size=16).fit(x, 3)
    source = tmp_path / "encoder.py"
    sv.export.as_numpy_source(model, source, part="encoder")
    expected = [to_numpy(array) for array in model.encode(x)]
    namespace = {"__file__": str(source), "__name__": "encoder"}
    exec(source.read_text(), namespace)
    assert all(map(np.array_equal, namespace["encode"](x), expected))
    if case == "table":
        with pytest.raises(ConfigError, match=r"likelihood is a Mixed, which cannot be exported; .*part='encoder'"):
            sv.export.as_numpy_source(model, tmp_path / "all.py", part="decoder")
        return
    sv.export.as_numpy_source(model, source, part="reconstruct")
    exec(source.read_text(), namespace)
    assert np.array_equal(namespace["reconstruct"](x), model.reconstruct(x))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "part"), [("poisson", "reconstruct"), ("negative_binomial", "reconstruct"), ("table", "encoder")]
)
def test_onnx_computes_the_same(tmp_path, case, part):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    model, x = model_of(case)
    sv.Trainer(model, batch_size=16).fit(x, 3)
    sv.export.onnx(model, tmp_path / "model.onnx", part=part)
    outputs = runtime.InferenceSession(tmp_path / "model.onnx").run(None, {"x": x})
    expected = model.encode(x) if part == "encoder" else [model.reconstruct(x)]
    for ours, theirs in zip(expected, outputs, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-10)
