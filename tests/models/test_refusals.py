"""What the front door does not let in, and how it says so."""

import numpy as np
import pytest
from drawing import normal, uniform

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, RangeError, ScratchVAEError, ShapeError


@pytest.fixture(scope="module")
def vae():
    return sv.VAE(4, 2, (3,))


WITH_NAN = uniform(0, 3, 4)
WITH_NAN[1, 2] = np.nan

BAD_DATA = {
    "nan": (WITH_NAN, RangeError, "NaN"),
    "infinite": (np.full((2, 4), np.inf), RangeError, "infinite"),
    "one infinite": (np.array([[0.0, 1.0, 0.0, np.inf]]), RangeError, "NaN or infinite"),
    "too large": (np.full((2, 4), 255.0), RangeError, "0 to 1: divide 8-bit images by 255"),
    "bytes": (np.array([[0, 255, 0, 255]], np.uint8), RangeError, "from 0 to 255; expected 0 to 1: divide"),
    "negative": (np.full((2, 4), -0.5), RangeError, "shift"),
    "empty": (np.empty((0, 4)), ShapeError, r"\(0, 4\)"),
    "too narrow": (np.ones((2, 3)), ShapeError, r"expected \(B, 4\)"),
    "one row": (np.ones(4), ShapeError, r"x\[None, :\]"),
    "pictures": (np.ones((5, 2, 2)), ShapeError, "reshape"),
    "number": (0.5, ShapeError, r"\(\)"),
    "complex": (np.ones((2, 4), complex), DTypeError, "complex128"),
    "text": ("digits", DTypeError, "dtype"),
    "objects": (np.full((2, 4), None), DTypeError, "object"),
    "ragged": ([[0.0, 1.0], [0.0]], DTypeError, "list"),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("method", ["encode", "embed", "reconstruct", "elbo", "loss_and_grads"])
def test_bad_data_is_refused_with_what_to_do(vae, method, case):
    x, error, message = BAD_DATA[case]
    before = vae.theta.copy()
    with pytest.raises(error, match=message):
        getattr(vae, method)(x)
    assert np.array_equal(vae.theta, before)


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("method", ["step", "fit"])
def test_bad_data_is_refused_before_a_weight_moves(case, method):
    x, error, message = BAD_DATA[case]
    vae = sv.VAE(4, 2, (3,))
    before = vae.theta.copy()
    trainer = sv.Trainer(vae)
    with pytest.raises(error, match=message.replace(r"x\[None", r"(x|images)\[None")):
        trainer.step(x) if method == "step" else trainer.fit(x, 1)
    assert np.array_equal(vae.theta, before)


REFUSED = {
    "nan": "NaN",
    "infinite": "infinite",
    "one infinite": "infinite",
    "complex": "complex128",
    "empty": r"\(0, 4\)",
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_learnt", "gaussian_decoded"])
def test_a_gaussian_takes_any_finite_numbers_and_no_others(likelihood, case):
    vae = sv.VAE(4, 2, (3,), likelihood=likelihood)
    for x in ("too large", "bytes", "negative"):
        assert np.isfinite(vae.elbo(BAD_DATA[x][0]).value).all()
    for call in (vae.elbo, vae.encode, sv.Trainer(vae).step):
        with pytest.raises((RangeError, ShapeError, DTypeError), match=REFUSED[case]):
            call(BAD_DATA[case][0])


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli"])
def test_grey_values_beyond_0_and_1_are_refused_and_a_likelihood_for_them_is_named(likelihood):
    vae = sv.VAE(4, 2, (3,), likelihood=likelihood)
    for value in (-1e-3, 1.001):
        with pytest.raises(RangeError, match=r"expected 0 to 1.*, or take likelihood='gaussian'"):
            vae.elbo(np.full((2, 4), value))


@pytest.mark.parametrize("likelihood", ["continuous_bernoulli", "gaussian", "gaussian_learnt", "gaussian_decoded"])
def test_zeros_and_ones_are_drawn_for_a_bernoulli_alone(likelihood):
    vae, x = sv.VAE(4, 2, (3,), likelihood=likelihood), uniform(0, 3, 4)
    for call in (lambda: sv.Trainer(vae, binarize="dynamic"), lambda: sv.score(vae, x, binarize="dynamic")):
        with pytest.raises(ConfigError, match=f"binarize='dynamic' .*likelihood='{likelihood}'.*take .*'bernoulli'"):
            call()


def test_accepted_are_lists_booleans_and_zeros_and_ones_of_any_type(vae):
    ones = np.eye(4)
    expected = vae.encode(ones)[0]
    for x in (ones.tolist(), ones.astype(bool), ones.astype(np.uint8), ones.astype(np.int64), ones.astype(np.float16)):
        assert np.array_equal(vae.encode(x)[0], expected)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"latent_dim": 0}, "latent_dim=0"),
        ({"latent_dim": 2.0}, "latent_dim=2.0"),
        ({"latent_dim": True}, "latent_dim=True"),
        ({"input_dim": -1}, "input_dim=-1"),
        ({"hidden": (0,)}, "hidden=0"),
        ({"hidden": 512}, "hidden=512"),
        ({"hidden": "512"}, "hidden='512'"),
        ({"activation": "rele"}, "activation='rele'"),
        ({"activation": None}, "activation=None"),
        ({"likelihood": "poisson"}, "likelihood='poisson'"),
        ({"likelihood": None}, "likelihood=None"),
        ({"sigma": 1.0}, "sigma=1.0 does nothing for likelihood='bernoulli'"),
        ({"likelihood": "gaussian", "sigma": 0.0}, "sigma=0.0"),
        ({"likelihood": "gaussian", "sigma": -1.0}, "sigma=-1.0"),
        ({"likelihood": "gaussian", "sigma": 1e-200}, "sigma=1e-200"),
        ({"likelihood": "gaussian_learnt", "sigma": float("inf")}, "sigma=inf"),
        ({"likelihood": "gaussian_learnt", "sigma": "1"}, "sigma='1'"),
        ({"beta": -1.0}, "beta=-1.0"),
        ({"beta": float("nan")}, "beta=nan"),
        ({"beta": "1"}, "beta='1'"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": None}, "seed=None"),
        ({"dtype": "float16"}, "dtype='float16'"),
        ({"init": "zeros"}, "init='zeros'"),
        ({"image_shape": (3, 3)}, "image_shape"),
        ({"image_shape": (16,)}, "image_shape"),
    ],
)
@pytest.mark.parametrize("kind", [sv.VAE, sv.Autoencoder])
def test_settings_that_make_no_sense_are_refused_by_name(kind, settings, names):
    with pytest.raises(ConfigError, match=names.replace("(", r"\(")):
        kind(**{"input_dim": 16, "latent_dim": 2, **settings})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda vae: vae.decode(np.ones((2, 3))), ShapeError, r"z has shape \(2, 3\); expected \(B, 2\)"),
        (lambda vae: vae.decode(np.full((2, 2), np.nan)), RangeError, "z holds NaN"),
        (lambda vae: vae.decode(np.full((2, 2), 1e300)), RangeError, "z holds values"),
        (lambda vae: vae.elbo(uniform(0, 3, 4), normal(0, 2, 2)), ShapeError, "one row of noise for each row of x"),
        (lambda vae: vae.elbo(uniform(0, 3, 4), normal(0, 3, 1)), ShapeError, "eps"),
        (lambda vae: vae.elbo(uniform(0, 3, 4), seed=-1), ConfigError, "seed=-1"),
        (lambda vae: vae.sample(0), ConfigError, "count=0"),
        (lambda vae: vae.sample(1.5), ConfigError, "count=1.5"),
    ],
)
def test_bad_arguments_of_methods_are_refused(vae, call, error, message):
    with pytest.raises(error, match=message):
        call(vae)


def test_every_error_is_a_value_error_or_a_type_error():
    kinds = [kind for kind in vars(sv.errors).values() if isinstance(kind, type) and issubclass(kind, ScratchVAEError)]
    assert len(kinds) > 5
    assert all(issubclass(kind, ValueError | TypeError) for kind in kinds if kind is not ScratchVAEError)
