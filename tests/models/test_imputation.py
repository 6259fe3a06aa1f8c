"""Imputation: draws from the conditional distribution, unchanged observed values, and refusals."""

import warnings

import numpy as np
import pytest
from strategies import in_support, normal, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.fake_cupy import FAKE_CUPY, DeviceArray
from scratchvae.errors import ConfigError, DivergedError, DTypeError, RangeError, ShapeError
from scratchvae.models.conditional_sampler import ConditionalSampler
from scratchvae.models.imputation import METHODS, _insert
from scratchvae.models.parts import LIKELIHOODS

ROWS, SIGMAS = 6000, 5.5
W = np.array([[1.2, -0.8, 0.5, 0.9], [0.4, 0.9, -0.6, 0.6]])  # (Z, D)
W[1] -= W[1] @ W[0] / (W[0] @ W[0]) * W[0]  # orthogonal rows: the posterior is diagonal, as q is
b, sigma = np.array([0.3, -0.2, 0.1, 0.5]), 0.5
X = np.array([0.9, -1.1, np.nan, np.nan])
OBSERVED = ~np.isnan(X)


def linear(exact, missing=False):
    """x = z W + b + σ ε, z ~ N(0, I); `exact`: q(z | x) is the posterior N((x − b) Wᵀ/σ² S, S), S = (I + W Wᵀ/σ²)⁻¹."""
    vae = sv.VAE(4, 2, (), likelihood="gaussian", sigma=sigma, dtype="float64", missing=missing)
    S = 1 / (1 + (W**2).sum(axis=1) / sigma**2)
    to_mu = W.T / sigma**2 * S
    vae.params["decoder.0.W"][...], vae.params["decoder.0.b"][...] = W, b
    vae.params["encoder.0.W"][...] = np.hstack([to_mu if exact else 0.6 * to_mu, np.zeros((4, 2))])
    vae.params["encoder.0.b"][...] = np.concatenate([-b @ to_mu, np.log(S if exact else 3 * S)])
    return vae


def conditional():
    """The mean and the covariance of x_m given x_o under N(b, Wᵀ W + σ² I)."""
    C = W.T @ W + sigma**2 * np.eye(4)
    gain = C[~OBSERVED][:, OBSERVED] @ np.linalg.inv(C[OBSERVED][:, OBSERVED])
    return b[~OBSERVED] + gain @ (X - b)[OBSERVED], C[~OBSERVED][:, ~OBSERVED] - gain @ C[OBSERVED][:, ~OBSERVED]


def distance(drawn):
    """Distance of draws (n, 2) from the conditional, in standard errors: of the mean and of the covariance."""
    mean, C = conditional()
    n, errors = len(drawn), np.sqrt(np.diag(C))
    off_mean = np.abs(drawn.mean(axis=0) - mean) / errors * np.sqrt(n)
    spread = np.sqrt((np.outer(errors, errors) ** 2 + C**2) / n)  # of the covariance of n normal rows
    return off_mean.max(), (np.abs(np.cov(drawn.T) - C) / spread).max()


@pytest.mark.parametrize(
    ("method", "exact", "samples"),
    [
        ("metropolis", True, 40),
        ("metropolis", False, 120),
        ("pseudo-gibbs", True, 40),
        ("importance", True, 400),
        ("importance", False, 400),
    ],
)
def test_draws_follow_the_closed_form_conditional_of_a_linear_gaussian_model(method, exact, samples):
    x = np.tile(X, (ROWS, 1))
    (drawn,) = linear(exact).impute(x, method=method, samples=samples, draws=1)
    off_mean, off_covariance = distance(drawn[:, ~OBSERVED])
    assert off_mean < SIGMAS and off_covariance < SIGMAS


def test_pseudo_gibbs_is_biased_where_the_encoder_is_not_the_posterior():
    (drawn,) = linear(exact=False).impute(np.tile(X, (ROWS, 1)), method="pseudo-gibbs", samples=120, draws=1)
    assert max(distance(drawn[:, ~OBSERVED])) > 3 * SIGMAS


@pytest.mark.parametrize("method", ["metropolis", "pseudo-gibbs", "importance"])
def test_impute_without_draws_gives_the_conditional_mean(method):
    x = np.tile(X, (400, 1))
    imputed = linear(exact=method == "pseudo-gibbs").impute(x, method=method, samples=200)[:, ~OBSERVED]
    mean, C = conditional()
    # a row averages 100 correlated states, so it varies less than a draw around the same mean
    assert (imputed.std(axis=0) < 0.5 * np.sqrt(np.diag(C))).all()
    assert (np.abs(imputed.mean(axis=0) - mean) < SIGMAS * imputed.std(axis=0) / np.sqrt(400) + 0.003).all()


# With the exact posterior, each state of a chain multiplies E(x_m − E[x_m | x_o]) by A, the encoder's map from x_m to μ
# times the decoder's from z to x_m. The chain starts at x_m = 0, which is far away if the mean of x_m is large.
@pytest.mark.parametrize("method", ["metropolis", "pseudo-gibbs"])
def test_a_burn_in_is_not_part_of_the_mean(method):
    vae, shift, samples = linear(exact=True), np.array([0.0, 0.0, 3e4, -2e4]), 9
    vae.params["decoder.0.b"][...] += shift
    vae.params["encoder.0.b"][:2] -= shift @ vae.params["encoder.0.W"][:, :2]
    mean, C = conditional()
    mean += shift[~OBSERVED]
    A = vae.params["encoder.0.W"][~OBSERVED, :2] @ W[:, ~OBSERVED]
    offsets = [-mean @ np.linalg.matrix_power(A, k + 1) for k in range(samples)]
    imputed = vae.impute(np.tile(X, (300, 1)), method=method, samples=samples)[:, ~OBSERVED]
    (drawn,) = vae.impute(np.tile(X, (300, 1)), method=method, samples=samples, draws=1)
    allowed = SIGMAS * np.sqrt(np.diag(C) / 300)
    for rows, offset in ((imputed, np.mean(offsets[samples // 2 :], axis=0)), (drawn[:, ~OBSERVED], offsets[-1])):
        assert (np.abs(offset) > 20 * allowed).all()  # so large that one state more or less is seen
        assert (np.abs(rows.mean(axis=0) - mean - offset) < allowed).all()


def test_encoder_draws_use_zeros_for_missing_values():
    vae, x = linear(exact=False), np.tile(X, (ROWS, 1))
    mu, logvar = vae.encode(np.nan_to_num(X)[None])
    (drawn,) = vae.impute(x, method="encoder", draws=1)
    imputed = vae.impute(x[:50], method="encoder", samples=2000)
    C = (W.T * np.exp(logvar[0])) @ W + sigma**2 * np.eye(4)
    expected = (mu @ W + b)[0]
    assert (np.abs(drawn.mean(axis=0) - expected) < SIGMAS * np.sqrt(np.diag(C) / ROWS))[~OBSERVED].all()
    assert (np.abs(imputed.mean(axis=0) - expected) < SIGMAS * np.sqrt(np.diag(C) / 1e5))[~OBSERVED].all()
    spread = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / ROWS)
    assert (np.abs(np.cov(drawn.T) - C) < SIGMAS * spread)[np.ix_(~OBSERVED, ~OBSERVED)].all()


@pytest.fixture(scope="module")
def vae():
    return sv.VAE(6, 2, (8,), seed=3)


MASK = uniform(5, 9, 6) < 0.6
MASK[2], MASK[3] = False, True  # a row with nothing observed, and one with everything


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("draws", [None, 3])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_observed_values_are_returned_bit_for_bit(vae, method, draws, dtype):
    x = uniform(1, 9, 6).astype(dtype)
    x[0], x[3, 0] = 0.0, -0.0
    before = x.copy()
    y = vae.impute(x, MASK, method, draws, samples=6)
    assert y.shape == ((9, 6) if draws is None else (3, 9, 6))
    assert y.dtype == np.promote_types(dtype, "float32")
    for rows in np.reshape(y, (-1, 9, 6)):
        assert np.array_equal(rows[MASK], x[MASK]) and np.array_equal(np.signbit(rows[MASK]), np.signbit(x[MASK]))
        assert ((rows >= 0) & (rows <= 1)).all()
    assert np.array_equal(x, before)


@pytest.mark.parametrize("method", METHODS)
def test_nan_and_a_mask_are_equivalent_and_masked_values_are_ignored(vae, method):
    x = uniform(1, 9, 6)
    expected = vae.impute(np.where(MASK, x, np.nan), method=method, samples=6)
    for hidden in (x, np.where(MASK, x, -999.0), np.where(MASK, x, np.inf), np.where(MASK, x, np.nan)):
        assert np.array_equal(vae.impute(hidden, MASK, method, samples=6), expected)
    both = np.where(uniform(2, 9, 6) < 0.2, np.nan, x)  # NaN is missing even where the mask is True
    together = MASK & ~np.isnan(both)
    assert np.array_equal(vae.impute(both, MASK, method, samples=6), vae.impute(x, together, method, samples=6))


def test_integers_and_booleans_are_imputed_as_floats(vae):
    ones = uniform(1, 9, 6) < 0.5
    for x in (ones, ones.astype(np.uint8), ones.astype(np.int64), ones.tolist()):
        y = vae.impute(x, MASK, samples=4)
        assert y.dtype.kind == "f" and np.array_equal(y[MASK], ones[MASK])


@pytest.mark.parametrize("method", METHODS)
def test_a_row_with_nothing_observed_is_drawn_from_the_prior(method):
    vae = linear(exact=False)  # its encoder maps an empty row to another distribution than the prior
    (drawn,) = vae.impute(np.full((ROWS, 4), np.nan), method=method, samples=20, draws=1)
    C = W.T @ W + sigma**2 * np.eye(4)
    assert (np.abs(drawn.mean(axis=0) - b) < SIGMAS * np.sqrt(np.diag(C) / ROWS)).all()
    spread = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / ROWS)
    assert (np.abs(np.cov(drawn.T) - C) < SIGMAS * spread).all()


@pytest.mark.parametrize("method", METHODS)
def test_equal_seeds_give_equal_imputations_and_other_seeds_differ(vae, method):
    x = uniform(1, 9, 6)
    for draws in (None, 2):
        first, again, other = (vae.impute(x, MASK, method, draws, 6, seed=seed) for seed in (4, 4, 5))
        assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert not np.array_equal(*vae.impute(x, MASK, method, 2, 6))


@pytest.mark.parametrize("method", METHODS)
def test_draws_are_binary_or_on_request_means(vae, method):
    x = uniform(1, 9, 6)
    drawn, means = (vae.impute(x, MASK, method, 2, 6, values)[:, ~MASK] for values in ("drawn", "mean"))
    assert np.isin(drawn, (0.0, 1.0)).all()
    assert not np.isin(means, (0.0, 1.0)).any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [sv.VAE, sv.IWAE])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_impute_gives_the_same_on_a_device(method, kind, likelihood):
    x = np.where(MASK, in_support(likelihood, uniform(1, 9, 6)), np.nan)
    answers = []
    for backend in ("numpy", FAKE_CUPY):
        vae = kind(6, 2, (8,), likelihood=likelihood, missing=kind is sv.IWAE, dtype="float64", backend=backend)
        vae.theta[...] = vae.theta * 0.3  # otherwise the chain of an untrained model may diverge
        rows = x if backend == "numpy" else DeviceArray(x)
        mask = MASK if backend == "numpy" else DeviceArray(MASK)
        answers += [vae.impute(rows, None, method, draws, 6) for draws in (None, 2)]
        answers += [vae.impute(rows, mask, method, samples=6)]
    for host, device in zip(answers[:3], answers[3:], strict=True):
        assert isinstance(device, DeviceArray)
        np.testing.assert_allclose(to_numpy(device), host, rtol=1e-12)


def test_a_diverging_chain_raises_and_metropolis_does_not_diverge():
    vae = sv.VAE(2, 1, (), likelihood="gaussian", dtype="float64")
    vae.theta[...] = 4.0
    x = np.array([[1.0, np.nan], [np.nan, np.nan]])
    with pytest.raises(DivergedError, match="draws of 1 rows became infinite with method='pseudo-gibbs'"):
        vae.impute(x, method="pseudo-gibbs", samples=2000)
    assert np.isfinite(vae.impute(x, samples=2000)).all()


@pytest.mark.parametrize(("method", "other"), [("metropolis", "encoder"), ("pseudo-gibbs", "metropolis")])
def test_infinite_draws_are_reported_with_another_method_to_try(method, other):
    imputed = np.array([[0.0, np.inf], [0.0, 1.0]])
    with pytest.raises(DivergedError, match=rf"draws of 1 rows .* method='{method}'.* try method='{other}'"):
        _insert(np.zeros((2, 2)), np.ones((2, 2), bool), imputed, method)


def test_impute_changes_neither_weights_nor_configuration(vae):
    before, config = vae.theta.copy(), dict(vae.config)
    vae.impute(uniform(1, 9, 6), MASK, samples=4)
    assert np.array_equal(vae.theta, before) and vae.config == config


def test_rows_are_imputed_in_chunks(vae, monkeypatch):
    sizes = []
    monkeypatch.setattr(sv.VAE, "chunk_rows", 4)
    monkeypatch.setattr(
        ConditionalSampler, "mean", lambda self, *_: (sizes.append(len(self.x)), [self.observed_values])[1]
    )
    x = uniform(1, 9, 6)
    assert np.array_equal(vae.impute(x, MASK), np.where(MASK, x, 0.0)) and sizes == [4, 4, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"observed": MASK[:4]}, ShapeError, r"observed has shape \(4, 6\) and x \(9, 6\)"),
        ({"observed": MASK[0]}, ShapeError, r"observed has shape \(6,\)"),
        (
            {"observed": MASK.astype(int)},
            DTypeError,
            "observed has dtype int64; expected booleans, True where a value is observed",
        ),
        ({"observed": MASK.astype(float)}, DTypeError, "float64; expected booleans"),
        ({"x": uniform(1, 9, 5)}, ShapeError, r"x has shape \(9, 5\); expected \(B, 6\)"),
        ({"x": uniform(1, 6)}, ShapeError, r"x\[None, :\]"),
        ({"x": np.full((9, 6), "a"), "observed": MASK}, DTypeError, "dtype"),
        ({"x": [[0.0, 1.0], [0.0]]}, DTypeError, "list"),
        ({"x": np.where(MASK, 2.0, np.nan)}, RangeError, "expected 0 to 1"),
        ({"x": np.where(MASK, np.inf, np.nan)}, RangeError, "infinite"),
        ({"method": "gibbs"}, ConfigError, "method='gibbs' is unknown; choose one of metropolis, pseudo-gibbs"),
        ({"draws": 0}, ConfigError, "draws=0"),
        ({"samples": 0}, ConfigError, "samples=0"),
        ({"values": "noisy"}, ConfigError, "values='noisy'"),
        ({"seed": -1}, ConfigError, "seed=-1"),
    ],
)
def test_invalid_arguments_are_refused(vae, arguments, error, message):
    with pytest.raises(error, match=message):
        vae.impute(**{"x": uniform(1, 9, 6), "samples": 2, **arguments})


def test_a_model_learns_from_incomplete_tables():
    z = normal(0, 2000, 1)
    complete = z * [1.0, -0.8, 0.9, 0.7] + 0.3 * normal(1, 2000, 4)
    observed = uniform(2, 2000, 4) < 0.6
    incomplete = np.where(observed, complete, np.nan)
    vae = sv.IWAE(4, 1, (16,), "tanh", "gaussian_learned", sigma=0.7, missing=True, importance_samples=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sv.Trainer(vae, lr=1e-2, batch_size=64).fit(incomplete, 8)
    # given two observed values, the least squared error, the conditional variance, is about 0.15
    error = sv.evaluation.imputation_error(complete, vae.impute(incomplete, method="importance", samples=50), observed)
    mean = sv.evaluation.imputation_error(
        complete, np.broadcast_to(np.nanmean(incomplete, axis=0), complete.shape), observed
    )
    assert error.value < 0.5 * mean.value
