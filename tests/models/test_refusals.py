"""Data and settings that models refuse."""

import numpy as np
import pytest
from strategies import uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, RangeError, ScratchVAEError, ShapeError


@pytest.fixture(scope="module")
def vae():
    return sv.VAE(4, 2, (3,))


WITH_NAN = uniform(0, 3, 4)
WITH_NAN[1, 2] = np.nan

BAD_DATA = {  # the messages are tested in tests/refusals
    "nan": (WITH_NAN, RangeError),
    "infinite": (np.full((2, 4), np.inf), RangeError),
    "one infinite": (np.array([[0.0, 1.0, 0.0, np.inf]]), RangeError),
    "too large": (np.full((2, 4), 255.0), RangeError),
    "bytes": (np.array([[0, 255, 0, 255]], np.uint8), RangeError),
    "negative": (np.full((2, 4), -0.5), RangeError),
    "empty": (np.empty((0, 4)), ShapeError),
    "too narrow": (np.ones((2, 3)), ShapeError),
    "complex": (np.ones((2, 4), complex), DTypeError),
    "ragged": ([[0.0, 1.0], [0.0]], DTypeError),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("method", ["encode", "elbo", "loss_and_grads", "step", "fit"])
def test_bad_data_is_refused_before_weights_change(case, method):
    x, error = BAD_DATA[case]
    vae = sv.VAE(4, 2, (3,))
    trainer, before = sv.Trainer(vae), vae.theta.copy()
    with pytest.raises(error):
        if (method, case) in (("encode", "negative"), ("encode", "empty"), ("step", "bytes"), ("fit", "bytes")):
            pytest.skip("taken: see tests/models/test_schema.py")
        trainer.fit(x, 1) if method == "fit" else getattr(trainer if method == "step" else vae, method)(x)
    assert np.array_equal(vae.theta, before)


REFUSED = {
    "nan": "NaN",
    "infinite": "infinite",
    "one infinite": "infinite",
    "complex": "complex128",
    "empty": r"\(0, 4\)",
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_learned", "gaussian_heteroscedastic"])
def test_a_gaussian_takes_finite_numbers_only(likelihood, case):
    vae = sv.VAE(4, 2, (3,), likelihood=likelihood)
    for x in ("too large", "bytes", "negative"):
        assert np.isfinite(vae.elbo(BAD_DATA[x][0]).value).all()
    for call in (vae.elbo, sv.Trainer(vae).step, *([] if case == "empty" else [vae.encode])):
        with pytest.raises((RangeError, ShapeError, DTypeError), match=REFUSED[case]):
            call(BAD_DATA[case][0])


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli"])
def test_values_outside_0_to_1_are_refused_and_gaussian_is_suggested(likelihood):
    vae = sv.VAE(4, 2, (3,), likelihood=likelihood)
    for value in (-1e-3, 1.001):
        with pytest.raises(RangeError, match=r"expected 0 to 1.*, or use likelihood='gaussian'"):
            vae.elbo(np.full((2, 4), value))


@pytest.mark.parametrize(
    "likelihood", ["continuous_bernoulli", "gaussian", "gaussian_learned", "gaussian_heteroscedastic"]
)
def test_binarize_is_refused_except_for_bernoulli(likelihood):
    vae, x = sv.VAE(4, 2, (3,), likelihood=likelihood), uniform(0, 3, 4)
    for call in (lambda: sv.Trainer(vae, binarize="dynamic"), lambda: sv.score(vae, x, binarize="dynamic")):
        with pytest.raises(ConfigError, match=f"binarize='dynamic' .*likelihood='{likelihood}'.*use .*'bernoulli'"):
            call()


def test_lists_booleans_and_integers_are_accepted(vae):
    ones = np.eye(4)
    expected = vae.encode(ones)[0]
    for x in (ones.tolist(), ones.astype(bool), ones.astype(np.uint8), ones.astype(np.int64), ones.astype(np.float16)):
        assert np.array_equal(vae.encode(x)[0], expected)


def test_every_error_is_a_value_error_or_a_type_error():
    kinds = [kind for kind in vars(sv.errors).values() if isinstance(kind, type) and issubclass(kind, ScratchVAEError)]
    assert len(kinds) > 5
    assert all(issubclass(kind, ValueError | TypeError) for kind in kinds if kind is not ScratchVAEError)
