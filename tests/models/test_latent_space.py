"""Paths through the latent space: interpolation, analogy and traversal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, seeds, uniform

import scratchvae as sv
from scratchvae.backend.fake_cupy import FAKE_CUPY
from scratchvae.errors import RangeError
from scratchvae.models.latent_space import PATHS, linear, spherical

TIMES = np.linspace(0.0, 1.0, 9)[:, None]
KINDS = pytest.mark.parametrize("kind", PATHS)
SIZES, LENGTHS = st.integers(2, 40), st.floats(1e-3, 1e3)


@pytest.fixture(params=[sv.VAE, sv.Autoencoder])
def model(request):
    return request.param(12, 3, (8,), dtype="float64", seed=1)


def shoemake(a, b, t):
    """Shoemake's formula for spherical interpolation."""
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


@given(SIZES, seeds)
def test_spherical_is_shoemakes_formula_for_codes_of_equal_length(size, seed):
    a, b = normal(seed, 2, size)
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(spherical(a, b, TIMES), shoemake(a, b, TIMES), rtol=1e-6, atol=1e-6 * np.abs(a).max())


@given(SIZES, seeds, LENGTHS)
def test_spherical_changes_angle_and_length_evenly(size, seed, length):
    a, b = normal(seed, 2, size)
    b *= length
    codes = spherical(a, b, TIMES)
    lengths = np.linalg.norm(codes, axis=1)
    np.testing.assert_allclose(lengths, linear(np.linalg.norm(a), np.linalg.norm(b), TIMES[:, 0]), rtol=1e-12)
    unit = codes / lengths[:, None]
    chords = np.linalg.norm(np.diff(unit, axis=0), axis=1)
    np.testing.assert_allclose(chords, chords.mean(), rtol=1e-8)
    np.testing.assert_allclose(codes[[0, -1]], [a, b], rtol=1e-9, atol=1e-12 * np.abs([a, b]).max())
    plane = np.linalg.qr(np.stack([a, b]).T)[0]
    np.testing.assert_allclose(codes @ plane @ plane.T, codes, atol=1e-9 * lengths.max())


@given(SIZES, seeds, LENGTHS, st.floats(-16, -3))
def test_spherical_is_nearly_linear_for_nearly_parallel_codes(size, seed, length, power):
    a, aside = normal(seed, 2, size)
    b = length * (a + 10**power * aside)
    apart = np.linalg.norm(spherical(a, b, TIMES) - linear(a, b, TIMES), axis=1)
    angle = np.arctan2(10**power * np.linalg.norm(aside), np.linalg.norm(a))
    assert (apart <= (angle + 1e-14) * max(np.linalg.norm(a), np.linalg.norm(b))).all()


def test_spherical_is_linear_for_parallel_codes_and_zero():
    a = normal(0, 1, 5)[0]
    for start, end in ((a, a), (a, 2 * a), (3 * a, a), (0 * a, a), (a, 0 * a), (0 * a, 0 * a)):
        np.testing.assert_allclose(spherical(start, end, TIMES), linear(start, end, TIMES), rtol=1e-14)


@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("length", [1.0, 3.0])
def test_spherical_is_accurate_for_nearly_opposite_codes(apart, length):
    a, b = np.array([1.0, 0.0]), length * np.array([-np.cos(apart), np.sin(apart)])
    angles = TIMES * (np.pi - apart)
    expected = linear(1.0, length, TIMES) * np.hstack([np.cos(angles), np.sin(angles)])
    np.testing.assert_allclose(spherical(a, b, TIMES), expected, atol=1e-16 / apart + 1e-14)


@pytest.mark.parametrize("size", [1, 2, 30])
def test_opposite_codes_are_refused(size):
    a = normal(0, 1, size)[0]
    for b in (-a, -2 * a, -1e-30 * a):
        with pytest.raises(RangeError, match=r"opposite.*kind='linear'"):
            spherical(a, b, TIMES)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200])
def test_very_large_and_very_small_codes_do_not_overflow_or_vanish(scale):
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    np.testing.assert_allclose(spherical(scale * a, scale * b, TIMES) / scale, spherical(a, b, TIMES), atol=1e-6)


def test_spherical_preserves_the_norm_of_prior_draws_and_linear_shortens_it():
    a, b = normal(0, 2, 10_000)
    middle = np.array([[0.5]])
    assert np.linalg.norm(spherical(a, b, middle)) == pytest.approx(100, rel=0.03)
    assert np.linalg.norm(linear(a, b, middle)) == pytest.approx(100 / np.sqrt(2), rel=0.03)


def test_interpolation_begins_and_ends_at_the_reconstructions(model):
    a, b = uniform(0, 2, 12)
    frames = model.interpolate(a, b, steps=5)
    np.testing.assert_allclose(frames[[0, -1]], model.reconstruct(np.stack([a, b])))
    middle = model.decode((model.embed(a[None]) + model.embed(b[None])) / 2)
    np.testing.assert_allclose(frames[2], middle[0])
    assert len(model.interpolate(a, b)) == 10
    np.testing.assert_allclose(model.interpolate(a.tolist(), b.tolist(), steps=2), frames[[0, -1]])


@KINDS
def test_interpolation_decodes_the_path_of_its_kind(model, kind):
    a, b = uniform(0, 2, 12)
    codes = PATHS[kind](*model.embed(np.stack([a, b])), TIMES)
    np.testing.assert_allclose(model.interpolate(a, b, 9, kind), model.decode(codes), rtol=1e-12)


def test_the_kinds_differ_between_the_ends_and_linear_is_the_default(model):
    a, b = uniform(0, 2, 12)
    line, arc = (model.interpolate(a, b, 5, kind) for kind in ("linear", "spherical"))
    assert np.array_equal(line, model.interpolate(a, b, 5))
    np.testing.assert_allclose(line[[0, -1]], arc[[0, -1]])
    assert np.abs(line - arc)[2].max() > 1e-3


def test_analogy_decodes_the_sum_of_codes_in_the_shape_of_its_last_term(model):
    a, b, c = uniform(0, 4, 12), uniform(1, 3, 12), uniform(2, 2, 12)
    code = model.embed
    of_rows = model.decode(code(a[:1]) - code(b[:1]) + code(c[:1]))[0]
    assert of_rows.shape == (12,)
    np.testing.assert_allclose(model.analogy(a[0], b[0], c[0]), of_rows, rtol=1e-12)
    np.testing.assert_allclose(model.analogy(a[0].tolist(), b[:1].tolist(), c[0].tolist()), of_rows, rtol=1e-12)
    of_groups = model.decode(code(a).mean(axis=0) - code(b).mean(axis=0) + code(c))
    np.testing.assert_allclose(model.analogy(a, b, c), of_groups, rtol=1e-12)
    np.testing.assert_allclose(model.analogy(a, b, c[1]), of_groups[1], rtol=1e-12)


def test_analogy_of_equal_terms_is_the_reconstruction(model):
    a, c = uniform(0, 4, 12), uniform(1, 2, 12)
    np.testing.assert_allclose(model.analogy(a, a, c), model.reconstruct(c), rtol=1e-12)
    np.testing.assert_allclose(model.analogy(a[0], c[0], c[0]), model.reconstruct(a)[0], rtol=1e-10)


@pytest.mark.parametrize("dimension", [0, 2])
def test_traversal_changes_one_dimension_of_the_code(model, dimension):
    x, values = uniform(0, 1, 12)[0], [-2.0, 0.5, 7.0]
    codes = np.tile(model.embed(x[None]), (3, 1))
    codes[:, dimension] = values
    np.testing.assert_allclose(model.traverse(x, dimension, values), model.decode(codes), rtol=1e-12)
    np.testing.assert_allclose(model.traverse(x.tolist(), dimension, np.array(values)), model.decode(codes), rtol=1e-12)
    value = model.embed(x[None])[0, dimension]
    np.testing.assert_allclose(model.traverse(x, dimension, [value])[0], model.reconstruct(x[None])[0], rtol=1e-12)


def test_traversal_runs_from_minus_3_to_3_around_zero_by_default(model):
    codes = np.zeros((11, 3))
    codes[:, 1] = np.linspace(-3, 3, 11)
    np.testing.assert_allclose(model.traverse(dimension=1), model.decode(codes), rtol=1e-12)
    np.testing.assert_allclose(model.traverse()[5], model.decode(np.zeros((1, 3)))[0], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_every_path_has_the_dtype_of_the_model(dtype):
    vae, x = sv.VAE(6, 2, (4,), dtype=dtype), uniform(0, 3, 6)
    out = [vae.interpolate(*x[:2], kind=kind) for kind in PATHS] + [vae.analogy(*x), vae.traverse(x[0])]
    assert {array.dtype for array in out} == {np.dtype(dtype)}


def test_paths_on_a_device_are_the_same_and_take_device_arrays():
    host, device = (sv.VAE(6, 3, (4,), dtype="float64", backend=backend) for backend in ("numpy", FAKE_CUPY))
    x, values = uniform(0, 3, 6), np.array([-1.0, 2.0])
    u, v = FAKE_CUPY.upload(x), FAKE_CUPY.upload(values)
    pairs = [
        *((host.interpolate(x[0], x[1], 4, kind), device.interpolate(u[0], u[1], 4, kind)) for kind in PATHS),
        (host.analogy(x, x[0], x[1:]), device.analogy(u, u[0], u[1:])),
        (host.analogy(x, x[0], x[1]), device.analogy(u, u[0], u[1])),
        (host.traverse(x[0], 1, values), device.traverse(u[0], 1, v)),
    ]
    for ours, theirs in pairs:
        assert type(theirs) is FAKE_CUPY.array_type
        np.testing.assert_allclose(theirs.get(), ours, rtol=1e-12)


def test_only_spherical_interpolation_refuses_opposite_codes():
    ae = sv.Autoencoder(2, 1, (), dtype="float64")
    ae.params["encoder.0.W"][...] = [[1.0], [-1.0]]
    assert len(ae.interpolate([1.0, 0.0], [0.0, 1.0])) == 10
    with pytest.raises(RangeError, match="opposite"):
        ae.interpolate([1.0, 0.0], [0.0, 1.0], kind="spherical")
