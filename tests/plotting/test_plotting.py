"""Tests of mosaics, latent planes, histories and reports."""

import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from scratchvae import VAE, Autoencoder, ConditionalVAE, SemiSupervisedVAE, datasets, plotting
from scratchvae.errors import ConfigError
from scratchvae.evaluation import active_units
from scratchvae.plotting import colors
from scratchvae.plotting.images import mosaic
from scratchvae.plotting.latent import discriminant_plane, plane_of, principal_plane, prior_grid
from scratchvae.plotting.report import representative_rows
from scratchvae.plotting.table import correlated_columns
from scratchvae.probability import Prior
from scratchvae.training import Epoch, History


def images(count, pixels, seed=0):
    return np.random.default_rng(seed).random((count, pixels))


def image_of(figure):
    (axes,) = figure.axes
    (picture,) = axes.images
    return np.asarray(picture.get_array())


def history(*validation):
    result = History()
    result.epochs = [Epoch(k + 1, 30.0 - k, -28.0 + k, 2.0, score, 0.1) for k, score in enumerate(validation)]
    return result


def test_a_mosaic_places_each_image_with_white_gaps_and_a_padded_last_row():
    a, b, c = images(3, 6)
    expected = np.ones((2 + 1 + 2, 3 + 1 + 3))
    expected[:2, :3], expected[:2, 4:], expected[3:, :3] = (image.reshape(2, 3) for image in (a, b, c))
    assert np.array_equal(mosaic(np.stack([a, b, c]), (2, 3), 2), expected)


def test_a_mosaic_of_pictures_in_colour_has_red_green_and_blue():
    a, b = images(2, 18)
    expected = np.ones((2, 3 + 1 + 3, 3))
    expected[:, :3], expected[:, 4:] = (image.reshape(2, 3, 3) for image in (a, b))
    assert np.array_equal(mosaic(np.stack([a, b]), (2, 3, 3), 2), expected)


def test_every_picture_of_a_report_shows_colour():
    model = VAE(image_shape=(4, 4, 3), latent_dim=2, hidden=(8,))
    rows = datasets.Split(images(30, 48), None)
    data = datasets.Dataset("colour", rows, rows, (4, 4, 3))
    figures = plotting.plot_report(model, history(-3.0, -2.0), data)
    drawn = {name for name, figure in figures.items() for axes in figure.axes for image in axes.images}
    assert drawn == {"reconstructions", "interpolation", "manifold", "samples"}
    for name in drawn:
        assert image_of(figures[name]).ndim == 3, name
    assert image_of(plotting.plot_traversal(model)).ndim == 3
    assert image_of(plotting.plot_analogy(model, *images(2, 48), images(2, 48))).ndim == 3


def test_missing_pixels_of_a_picture_in_colour_are_blue():
    picture = images(1, 12).reshape(1, 2, 2, 3)
    picture[0, 0, 1, 2] = np.nan
    drawn = image_of(plotting.plot_images(picture.reshape(1, 12), (2, 2, 3), 1))
    assert np.array_equal(np.rint(drawn[0, 1] * 255), [0x56, 0xB4, 0xE9])
    np.testing.assert_allclose(drawn[1], picture[0, 1])


def test_the_gaps_of_a_mosaic_grow_with_the_image_size():
    assert mosaic(images(6, 784), (28, 28), 3).shape == (28 + 2 + 28, 28 + 2 + 28 + 2 + 28)


def test_plot_images_shows_the_mosaic_from_black_at_0_to_white_at_1():
    figure = plotting.plot_images(images(5, 4), (2, 2), 3, "a title")
    assert np.array_equal(image_of(figure), mosaic(images(5, 4), (2, 2), 3))
    (picture,) = figure.axes[0].images
    assert picture.get_clim() == (0.0, 1.0)
    assert [round(float(picture.to_rgba(np.array([[shade]]))[0, 0, 0])) for shade in (0.0, 1.0)] == [0, 1]
    assert figure.axes[0].get_title() == "a title"


def test_values_outside_the_range_are_drawn_black_or_white():
    rows = np.array([[-0.5, 0.25, 1.5, 1.0]])
    unit = plotting.plot_images(rows, (2, 2), 1, value_range=(0.0, 1.0))
    assert np.array_equal(image_of(unit), [[0.0, 0.25], [1.0, 1.0]])
    assert np.array_equal(image_of(plotting.plot_images(rows, (2, 2), 1)), [[0.0, 0.375], [1.0, 0.75]])
    assert np.array_equal(
        image_of(plotting.plot_images(rows, (2, 2), 1, value_range=(-0.5, 1.5))), [[0.0, 0.375], [1.0, 0.75]]
    )


def test_data_outside_0_to_1_is_drawn_from_its_minimum_to_its_maximum():
    assert plotting.value_range_of(images(5, 4)) == (0.0, 1.0)
    rows = 10 * images(3, 4, seed=1) - 5
    value_range = plotting.value_range_of(rows)
    assert value_range == (rows.min(), rows.max())
    pixels = image_of(plotting.plot_rows({"a": rows, "b": rows + 100}, (2, 2), columns=2))
    np.testing.assert_allclose(pixels[:2, :2].ravel(), (rows[0] - value_range[0]) / (value_range[1] - value_range[0]))
    assert (pixels[3:5] == 1.0).all() and (pixels[8:, 3:] == 1.0).all()  # the second set, and the padding of the row
    assert np.array_equal(
        image_of(plotting.plot_images(np.full((1, 4), 7.0), (2, 2), 1, value_range=(7.0, 7.0))), np.zeros((2, 2))
    )


def test_a_report_draws_each_image_in_the_value_range_of_the_data():
    rows = 100 * images(20, 4) - 50
    data = datasets.Dataset("", datasets.Split(rows, None), datasets.Split(rows, None), (2, 2))
    vae = VAE(4, 2, hidden=(), likelihood="gaussian")
    vae.theta[...] = 0.0
    report = plotting.plot_report(vae, History(), data)
    grey = -rows.min() / (rows.max() - rows.min())
    for name in ("samples", "manifold"):  # a mean of 0 everywhere
        np.testing.assert_allclose(np.unique(image_of(report[name])), [grey, 1.0], rtol=1e-6)
    np.testing.assert_allclose(image_of(report["interpolation"])[:2, 5:7], grey, rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_each_reconstruction_is_drawn_below_its_original(count):
    vae, originals = VAE(4, 2, hidden=(), image_shape=(2, 2)), images(count, 4, seed=1)
    figure = plotting.plot_reconstructions(vae, originals, columns=3)
    pixels, reconstructions = image_of(figure), vae.reconstruct(originals)
    for k in range(count):
        top, left = 8 * (k // 3), 3 * (k % 3)  # a wide gap of 3 pixels between two pairs of rows
        np.testing.assert_allclose(pixels[top : top + 2, left : left + 2], originals[k].reshape(2, 2))
        np.testing.assert_allclose(pixels[top + 3 : top + 5, left : left + 2], reconstructions[k].reshape(2, 2))
    assert (pixels < 1.0).sum() == 2 * count * 4
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["original", "reconstruction"] * -(-count // 3)


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_an_interpolation_is_a_row_with_the_originals_apart_at_both_ends(kind):
    vae, (a, b, c, d) = VAE(4, 3, hidden=(), image_shape=(2, 2)), images(4, 4)
    pixels = image_of(plotting.plot_interpolation(vae, np.stack([a, b]), np.stack([c, d]), 3, kind))
    assert pixels.shape == (2 + 1 + 2, 5 * 2 + 4 + 2 * 2)
    for row, (start, end) in enumerate(((a, c), (b, d))):
        frames, top = vae.interpolate(start, end, 3, kind), 3 * row
        for left, picture in zip((0, 5, 8, 11, 16), (start, *frames, end), strict=True):
            np.testing.assert_allclose(pixels[top : top + 2, left : left + 2], picture.reshape(2, 2), rtol=1e-6)
    assert image_of(plotting.plot_interpolation(vae, a, c, 3, kind)).shape == (2, pixels.shape[1])


@pytest.mark.parametrize("shape", [(2, 2), (28, 28)])
def test_traversals_are_rows_with_their_kl_and_columns_with_their_values(shape):
    height, width = shape
    vae, rows = VAE(height * width, 3, hidden=(), image_shape=shape), images(20, height * width)
    figure = plotting.plot_traversal(vae, data=rows, reach=2.0, steps=3)
    kl = active_units(vae, rows).kl
    order = np.argsort(-kl)
    frames = np.concatenate([vae.traverse(None, int(k), np.array([-2.0, 0.0, 2.0])) for k in order])
    np.testing.assert_array_equal(image_of(figure), mosaic(frames, shape, 3))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"z{k}: {kl[k]:.2f} nats" for k in order]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["−2", "0", "2"]
    gap = max(1, height // 14)
    np.testing.assert_allclose(axes.get_yticks(), [k * (height + gap) + (height - 1) / 2 for k in range(3)])
    np.testing.assert_allclose(axes.get_xticks(), [k * (width + gap) + (width - 1) / 2 for k in range(3)])


def test_a_traversal_without_data_takes_the_dimensions_in_their_order_or_as_they_are_given():
    vae, x = VAE(4, 3, hidden=(), image_shape=(2, 2)), images(1, 4)[0]
    figure = plotting.plot_traversal(vae, x)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["z0", "z1", "z2"]
    figure = plotting.plot_traversal(vae, x, dimensions=[2, 0])
    expected = np.concatenate([vae.traverse(x, k) for k in (2, 0)])
    np.testing.assert_allclose(image_of(figure), mosaic(expected, (2, 2), 11), rtol=1e-6)


def test_an_analogy_shows_a_above_b_and_each_result_above_its_c():
    vae, (a, b, other, *c) = VAE(4, 2, hidden=(), image_shape=(2, 2)), images(5, 4)
    group = np.stack([a, other])
    figure = plotting.plot_analogy(vae, group, b, np.stack(c), ("eights", "threes"))
    codes = vae.embed(group).mean(axis=0)[None], vae.embed(b[None])
    results = vae.analogy(group, b, np.stack(c))
    expected = [*vae.decode(codes[0]), *results, *vae.decode(codes[1]), *c]
    np.testing.assert_allclose(image_of(figure), mosaic(np.stack(expected), (2, 2), 3, apart=[1]), atol=1e-6)
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert rows == ["eights  |  C + eights − threes", "threes  |  C"]
    assert "C + eights − threes" in figure.axes[0].get_title()


@pytest.mark.parametrize(("shape", "count"), [((8, 8), 14), ((8, 8), 42), ((28, 28), 4)])
def test_a_title_fits_the_figure_and_the_axes_take_most_of_the_width(shape, count):
    figure = plotting.plot_images(images(count, shape[0] * shape[1]), shape, count, "A walk, end to end")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    figure_box = figure.bbox
    box = axes.title.get_window_extent()
    assert figure_box.x0 <= box.x0 and box.x1 <= figure_box.x1 and figure_box.y0 <= box.y0 and box.y1 <= figure_box.y1
    assert axes.get_window_extent().width > 0.7 * figure_box.width


def test_codes_are_coloured_by_label_with_a_legend():
    labels = np.array([3, 1, 3, 2, 1, 3])
    (axes,) = plotting.plot_codes(images(6, 4), labels).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["1", "2", "3"]
    assert [len(dots.get_offsets()) for dots in axes.collections] == [2, 1, 3]
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3"]  # at the middle of each class
    assert len({tuple(dots.get_facecolor()[0]) for dots in axes.collections}) == 3


def test_codes_without_labels_have_one_colour_and_no_legend():
    (axes,) = plotting.plot_codes(images(6, 4), None).axes
    assert axes.get_legend() is None
    assert [len(dots.get_offsets()) for dots in axes.collections] == [6]


@pytest.mark.parametrize("count", [20, 21])
def test_more_than_20_labels_are_described_in_the_title(tmp_path, count):
    figure = plotting.plot_codes(images(count, 4), np.arange(964, 964 + count))
    (axes,) = figure.axes
    assert len(axes.collections) == count
    assert (axes.get_legend() is None) == (count > 20)
    assert (f"{count} labels, from 964 in blue to {963 + count} in yellow" in axes.get_title()) == (count > 20)
    # text that does not fit raises a warning, which is an error in tests
    plotting.save_picture(figure, tmp_path / "codes.png")


@pytest.mark.parametrize(("rows", "width"), [(7, 1), (1, 4), (1, 1), (2, 3)])
@pytest.mark.parametrize("labelled", [True, False])
def test_codes_of_one_dimension_or_one_row_can_be_drawn(tmp_path, rows, width, labelled):
    figure = plotting.plot_codes(images(rows, width), np.zeros(rows, int) if labelled else None)
    plotting.save_picture(figure, tmp_path / "codes.png")
    y = figure.axes[0].collections[0].get_offsets()[:, 1]
    assert len(y) == rows and (min(rows - 1, width) > 1 or np.allclose(y, 0.0))


def test_the_principal_plane_has_the_largest_variances_and_returns_their_shares():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    codes = rng.standard_normal((400, 4)) * [5.0, 3.0, 0.2, 0.1] @ axes + 7.0
    plane, shares = principal_plane(codes)
    variance = np.sort(np.linalg.eigvalsh(np.cov(codes.T, ddof=0)))[::-1]
    np.testing.assert_allclose(plane.var(axis=0), variance[:2])
    np.testing.assert_allclose(shares, variance[:2] / variance.sum())
    np.testing.assert_allclose(plane.mean(axis=0), 0.0, atol=1e-12)


def test_the_discriminant_plane_separates_classes_that_principal_components_hide():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 100)
    means = np.array([[3, 0], [-3, 0], [0, 3], [0, -3]])[labels]
    mixing = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    codes = np.concatenate([means + rng.standard_normal((400, 2)), 20 * rng.standard_normal((400, 4))], axis=1) @ mixing
    within = lambda points: np.mean([points[labels == k].std(axis=0) for k in range(4)])  # noqa: E731
    between = lambda points: np.std([points[labels == k].mean(axis=0) for k in range(4)], axis=0)  # noqa: E731
    plane = discriminant_plane(codes, labels, range(4))
    assert within(plane) == pytest.approx(1.0, abs=0.02)  # its unit is the standard deviation of a class
    np.testing.assert_allclose(between(plane), 3 / np.sqrt(2), rtol=0.1)
    hidden = principal_plane(codes)[0]
    assert (between(hidden) / within(hidden)).max() < 0.5
    np.testing.assert_array_equal(plane_of(codes, labels).points, plane)
    np.testing.assert_array_equal(plane_of(codes).points, hidden)
    np.testing.assert_array_equal(plane_of(codes, labels % 2).points, hidden)  # two classes have one discriminant


def test_codes_of_two_dimensions_are_drawn_as_they_are():
    codes = images(6, 2) + np.array([3.0, 7.0])
    (axes,) = plotting.plot_codes(codes).axes
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), codes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z₀", "z₁")


@pytest.mark.parametrize("labels", [[0, 1, -1, 2, 2, -1], ["a", "b", "no label", "c", "c", "no label"]])
def test_rows_without_a_label_are_grey_and_no_class(labels):
    (axes,) = plotting.plot_codes(images(6, 4), np.array(labels)).axes
    assert [len(dots.get_offsets()) for dots in axes.collections] == [2, 1, 1, 2]
    assert axes.get_legend().get_texts()[0].get_text() == "no label" and len(axes.texts) == 3
    red, green, blue, _ = axes.collections[0].get_facecolor()[0]
    assert red == green == blue


def test_a_manifold_has_the_prior_quantiles_of_z0_to_the_right_and_of_z1_upwards():
    vae = VAE(2, 2, hidden=(), dtype="float64", image_shape=(1, 2))
    vae.params["decoder.0.W"][...] = np.eye(2)
    pixels = image_of(plotting.plot_manifold(vae, side=4))
    assert pixels.shape == (4 + 3, 4 * 2 + 3)
    quartiles = np.array([-1.15034938, -0.31863936, 0.31863936, 1.15034938])
    expected = 1.0 / (1.0 + np.exp(-quartiles))
    np.testing.assert_allclose(pixels[::2, 0::3], np.tile(expected, (4, 1)))
    np.testing.assert_allclose(pixels[::2, 1::3], np.tile(expected[::-1, None], (1, 4)))


def test_a_manifold_with_a_custom_prior_is_refused_and_a_report_has_none():
    class Wide(Prior):
        def forward(self, z):
            self.z = z
            return -abs(z).sum(axis=1)

        def backward(self, dlog_p):
            return -np.sign(self.z) * dlog_p[:, None]

        def draw(self, noise):
            return 3 * noise

    vae, rows = VAE(4, 2, (), prior=Wide(), image_shape=(2, 2)), datasets.Split(images(10, 4), None)
    with pytest.raises(ConfigError, match="the prior Wide; expected StandardNormal"):
        plotting.plot_manifold(vae)
    report = plotting.plot_report(vae, History(), datasets.Dataset("", rows, rows, (2, 2)))
    assert set(report) == {"reconstructions", "interpolation", "latent", "samples"}


def test_a_prior_grid_has_the_requested_columns_and_rows_from_the_top():
    upper, lower = prior_grid(3, 2).reshape(2, 3, 2)
    np.testing.assert_allclose(upper, [[-0.96742157, 0.67448975], [0, 0.67448975], [0.96742157, 0.67448975]], atol=1e-8)
    np.testing.assert_allclose(lower, upper * [1, -1], atol=1e-12)


def test_a_report_contains_samples_of_a_vae_and_a_nonempty_history():
    digits = datasets.load("digits")
    common = {"reconstructions", "interpolation", "latent"}
    report = plotting.plot_report(VAE(64, 2, hidden=()), history(30.0), digits)
    assert set(report) == common | {"samples", "manifold", "history"}
    assert list(report) == [name for name in plotting.REPORT_PICTURES if name in report]
    assert set(plotting.plot_report(VAE(64, 3, hidden=()), history(30.0), digits)) == common | {"samples", "history"}
    assert set(plotting.plot_report(Autoencoder(64, 2, hidden=()), History(), digits)) == common


def test_a_report_of_a_table_has_its_codes_and_history():
    rows = datasets.Split(images(20, 4), None)
    report = plotting.plot_report(VAE(4, 2, hidden=()), history(30.0), datasets.Dataset("", rows, rows, None))
    assert list(report) == ["latent", "history"]


def test_the_interpolations_of_a_report_connect_the_first_rows_of_consecutive_labels():
    digits, vae = datasets.load("digits"), VAE(64, 2, hidden=(), image_shape=(8, 8))
    first_rows = [int(np.argmax(digits.test.labels == label)) for label in range(7)]
    assert representative_rows(digits.test, 7) == first_rows
    pixels = image_of(plotting.plot_report(vae, History(), digits)["interpolation"])
    for k, (start, end) in enumerate(pairwise(first_rows)):
        line = pixels[9 * k : 9 * k + 8]
        np.testing.assert_array_equal(line[:, :8], digits.test.images[start].reshape(8, 8))
        np.testing.assert_array_equal(line[:, -8:], digits.test.images[end].reshape(8, 8))


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        (None, [0, 10, 20]),
        ([5] * 30, [0, 10, 20]),
        ([0] * 15 + [1] * 15, [0, 15, 7]),
        ([2, 1, 0] * 10, [2, 1, 0]),
        ([1] + [0] * 29, [1, 0, 15]),
    ],
    ids=["none", "one", "two", "three", "one of a kind"],
)
def test_representative_rows_of_few_labels_are_evenly_spaced(labels, rows):
    split = datasets.Split(images(30, 4), None if labels is None else np.array(labels))
    assert representative_rows(split, 3) == rows


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_representative_rows_are_reused_if_there_are_fewer(rows):
    assert representative_rows(datasets.Split(images(rows, 4), None), 5) == [k % rows for k in range(5)]


@pytest.mark.parametrize("kind", [ConditionalVAE, SemiSupervisedVAE])
def test_images_of_a_model_with_classes_use_the_given_class(kind):
    pictures, model = images(20, 4), kind(4, 2, (8,), classes=3, image_shape=(1, 4))
    frames = model.interpolate(pictures[0], pictures[1], 2, labels=1)
    pixels = image_of(plotting.plot_interpolation(model, pictures[0], pictures[1], 2, labels=1))
    np.testing.assert_allclose([pixels[0, 7:11], pixels[0, 12:16]], frames, rtol=1e-6)
    expected = mosaic(model.decode(prior_grid(3, 3), 2), (1, 4), 3)
    np.testing.assert_array_equal(image_of(plotting.plot_manifold(model, 3, labels=2)), expected)
    np.testing.assert_array_equal(
        image_of(plotting.plot_samples(model, 6, columns=3, labels=2)), mosaic(model.sample(6, labels=2), (1, 4), 3)
    )
    traversed = np.concatenate([model.traverse(None, k, labels=1) for k in range(2)])
    np.testing.assert_array_equal(image_of(plotting.plot_traversal(model, labels=1)), mosaic(traversed, (1, 4), 11))
    with pytest.raises(ConfigError, match="needs the class of each row"):
        plotting.plot_interpolation(model, *pictures[:2])


def test_samples_of_each_class_are_named_rows():
    model = ConditionalVAE(4, 2, (8,), classes=3, image_shape=(2, 2))
    figure = plotting.plot_classes(model, seed=5, columns=4)
    expected = np.concatenate([model.sample(4, 5, labels=k) for k in range(3)])
    np.testing.assert_array_equal(image_of(figure), mosaic(expected, (2, 2), 4))
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["0", "1", "2"]


def test_class_swaps_have_the_original_apart_and_a_column_named_by_each_class():
    model, x = ConditionalVAE(4, 2, (8,), classes=3, image_shape=(2, 2)), images(2, 4)
    figure = plotting.plot_class_swaps(model, x, [0, 2])
    rows = np.concatenate([x[:, None], model.swap_class(x, [0, 2])], axis=1).reshape(-1, 4)
    np.testing.assert_allclose(image_of(figure), mosaic(rows, (2, 2), 4, apart=[1]), rtol=1e-6)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["original", "0", "1", "2"]


def test_codes_of_a_conditional_model_use_the_class_of_each_row():
    pictures, labels, model = images(20, 4), np.arange(20) % 3, ConditionalVAE(4, 3, (8,), classes=3)
    split = datasets.Split(pictures, labels)
    drawn, expected = (
        np.concatenate([dots.get_offsets() for dots in figure.axes[0].collections])
        for figure in (
            plotting.plot_latent(model, split),
            plotting.plot_codes(model.embed(pictures, labels), labels),
        )
    )
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize("kind", [ConditionalVAE, SemiSupervisedVAE])
def test_a_report_of_a_model_with_classes_has_class_swaps_and_no_interpolations(kind):
    digits = datasets.load("digits")
    report = plotting.plot_report(kind(64, 2, (8,)), history(30.0), digits)
    assert set(report) == {"reconstructions", "class_swaps", "samples", "latent", "history"}


def test_the_codes_of_data_are_named_by_the_classes_of_the_data():
    split = datasets.Split(images(6, 4), np.array([0, 1, 1, 0, 2, -1]))
    data, vae = datasets.Dataset("", split, split, None, classes=("cat", "dog", "owl")), VAE(4, 3, hidden=())
    names = lambda *arguments: [  # noqa: E731
        text.get_text() for text in plotting.plot_latent(vae, *arguments).axes[0].get_legend().get_texts()
    ]
    assert names(data) == ["no label", "cat", "dog", "owl"]
    assert names(split) == ["no label", "0", "1", "2"]
    assert names(split.images, ["a", "b"] * 3) == ["a", "b"]
    assert plotting.plot_latent(vae, split.images).axes[0].get_legend() is None


def line_values(axes):
    return {line.get_label(): tuple(line.get_ydata()) for line in axes.lines}


def test_a_history_plot_shows_the_losses_and_the_terms():
    result = history(31.0, 29.0, 30.0)
    result.best_epoch = 2
    left, right = plotting.plot_history(result).axes
    assert line_values(left) == {"training": (30, 29, 28), "validation": (31, 29, 30), "best, epoch 2": (0, 1)}
    assert line_values(right) == {"−reconstruction": (28, 27, 26), "KL": (2, 2, 2)}
    assert left.lines[-1].get_xdata() == [2, 2]


def test_a_history_plot_without_validation_has_no_validation_line():
    left, _ = plotting.plot_history(history(None, None)).axes
    assert set(line_values(left)) == {"training"}


def test_the_axis_of_a_history_plot_includes_negative_terms():
    result = History()
    result.epochs = [Epoch(k + 1, 0.0, 50.0 * k - 20.0, 2.0, None, 0.1) for k in range(3)]
    _, right = plotting.plot_history(result).axes
    assert right.get_ylim()[0] < -80.0
    assert plotting.plot_history(history(31.0)).axes[1].get_ylim()[0] == 0.0


def test_a_history_plot_of_one_epoch_has_markers():
    for axes in plotting.plot_history(history(31.0)).axes:
        assert all(line.get_marker() not in ("None", "", None) for line in axes.lines)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG\r\n\x1a\n"), ("a.pdf", b"%PDF-"), ("a.svg", b"<?xml")])
def test_an_image_is_written_in_the_format_of_its_suffix(tmp_path, name, start):
    plotting.save_picture(plotting.plot_images(images(4, 4), (2, 2), 2), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.txt"])
def test_an_unknown_image_format_is_refused_and_no_file_is_written(tmp_path, name):
    figure = plotting.plot_images(images(4, 4), (2, 2), 2)
    with pytest.raises(ConfigError, match=r"\.png, \.pdf, \.svg"):
        plotting.save_picture(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_matplotlib_is_refused_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "scratchvae.plotting.notebook_figure", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'scratchvae\[cli\]'"):
        plotting.plot_images(images(4, 4), (2, 2), 2)


def test_matplotlib_is_imported_with_the_first_figure_and_pyplot_never(tmp_path):
    script = """if True:
        import sys, numpy
        from scratchvae import plotting
        assert "matplotlib" not in sys.modules
        codes = numpy.eye(4)
        for figure in (plotting.plot_codes(codes, codes[0]), plotting.plot_images(codes, (2, 2), 2)):
            for suffix in ("png", "svg", "pdf"):
                plotting.save_picture(figure, "picture." + suffix)
        assert "matplotlib.pyplot" not in sys.modules
    """
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_plot_rows_repeats_the_names_of_the_sets_for_each_block_of_rows():
    sets = {name: images(5, 6, k) for k, name in enumerate("abc")}
    figure = plotting.plot_rows(sets, (2, 3), 4, "title")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b", "c"] * 2
    assert list(axes.get_yticks()) == [0.5 + 3 * k + 2 * (k > 2) for k in range(6)]
    assert axes.images[0].get_array().shape == (6 * 3 - 1 + 2, 4 * 4 - 1)


def dots_of(figure):
    """The x and y of each set in each panel that is drawn, and the names of the axes."""
    return [
        (axes.get_xlabel(), axes.get_ylabel(), [np.asarray(dots.get_offsets()) for dots in axes.collections])
        for axes in figure.axes
        if axes.collections
    ]


def test_a_table_is_drawn_as_dots_one_panel_for_each_pair_of_columns():
    sets = {"a": images(9, 3), "b": images(7, 3, seed=1)}
    sets["a"][2, 0] = np.nan
    figure = plotting.plot_table(sets, ["p", "q", "r"], "title")
    panels = dots_of(figure)
    assert [(x, y) for x, y, _ in panels] == [("", "q"), ("p", "r"), ("q", "")]
    for (_, _, dots), (i, j) in zip(panels, ((0, 1), (0, 2), (1, 2)), strict=True):
        for array, points in zip(sets.values(), dots, strict=True):
            np.testing.assert_array_equal(np.ma.filled(points, np.nan), array[:, [i, j]])
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"] and figure.get_suptitle() == "title"
    colors = {tuple(dots.get_facecolor()[0][:3]) for dots in figure.axes[0].collections}
    assert len(colors) == 2


def test_a_path_in_a_table_is_joined_and_a_single_column_is_a_histogram():
    rows = images(9, 2)
    (axes,) = plotting.plot_table({"path": rows}, ["p", "q"], joined=True).axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), rows)
    (axes,) = plotting.plot_table({"a": rows[:, :1], "b": rows[:4, 1:]}, ["p"]).axes
    assert [stairs.get_data().values.sum() for stairs in axes.patches] == [pytest.approx(1.0)] * 2


def test_of_many_columns_the_most_correlated_are_drawn():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((500, 7))
    rows[:, [1, 2, 4, 6]] += 3 * rng.standard_normal((500, 1))
    rows[:, 0] = 2.0
    assert correlated_columns(rows, 4) == [1, 2, 4, 6]
    rows[::3, 2] = np.nan
    figure = plotting.plot_table({"a": rows}, [f"c{k}" for k in range(7)], "title")
    assert figure.get_suptitle() == "title\n4 of 7 columns, the most correlated ones"
    assert {axes.get_xlabel() for axes in figure.axes} - {""} == {"c1", "c2", "c4"}


def test_a_model_of_a_table_is_drawn_as_one():
    x, vae = images(12, 3), VAE(3, 2, hidden=(), likelihood="gaussian")
    for figure, sets in (
        (plotting.plot_samples(vae, 12), [vae.sample(12)]),
        (plotting.plot_reconstructions(vae, x), [x, vae.reconstruct(x)]),
        (plotting.plot_analogy(vae, x[0], x[1], x[2:]), [x[2:], vae.analogy(x[0], x[1], x[2:])]),
    ):
        _, name, dots = dots_of(figure)[0]
        assert name == "x1"
        for points, expected in zip(dots, sets, strict=True):
            np.testing.assert_allclose(points, expected[:, :2], rtol=1e-6)
    for figure, lines in (
        (plotting.plot_interpolation(vae, x[0], x[1]), [vae.interpolate(x[0], x[1], 10)]),
        (plotting.plot_traversal(vae), [vae.traverse(None, k) for k in range(2)]),
    ):
        for line, expected in zip(figure.axes[0].lines, lines, strict=True):
            np.testing.assert_allclose(line.get_xydata(), expected[:, :2], rtol=1e-6)
    with pytest.raises(ConfigError, match="that are no pictures; expected a model with image_shape="):
        plotting.plot_manifold(vae)


def every_plot():
    """A call of each function that draws, by name."""
    x, y = images(12, 4), np.arange(12) % 3
    vae = VAE(4, 2, (8,), image_shape=(2, 2))
    labelled = ConditionalVAE(4, 2, (8,), classes=3, image_shape=(2, 2))
    return {
        "plot_analogy": lambda **ax: plotting.plot_analogy(vae, x[0], x[1], x[2:5], **ax),
        "plot_class_swaps": lambda **ax: plotting.plot_class_swaps(labelled, x[:3], y[:3], **ax),
        "plot_classes": lambda **ax: plotting.plot_classes(labelled, **ax),
        "plot_codes": lambda **ax: plotting.plot_codes(x, y, **ax),
        "plot_history": lambda **ax: plotting.plot_history(history(3.0, 2.0), **ax),
        "plot_images": lambda **ax: plotting.plot_images(x, (2, 2), **ax),
        "plot_interpolation": lambda **ax: plotting.plot_interpolation(vae, x[0], x[1], **ax),
        "plot_latent": lambda **ax: plotting.plot_latent(vae, x, y, **ax),
        "plot_manifold": lambda **ax: plotting.plot_manifold(vae, 5, **ax),
        "plot_reconstructions": lambda **ax: plotting.plot_reconstructions(vae, x, **ax),
        "plot_rows": lambda **ax: plotting.plot_rows({"a": x, "b": x}, (2, 2), **ax),
        "plot_samples": lambda **ax: plotting.plot_samples(vae, 5, **ax),
        "plot_table": lambda **ax: plotting.plot_table({"a": x, "b": x}, list("abcd"), "title", **ax),
        "plot_traversal": lambda **ax: plotting.plot_traversal(vae, **ax),
    }


EVERY_PLOT = sorted(set(plotting.__all__) - {"plot_report"} - {n for n in plotting.__all__ if "plot_" not in n})


@pytest.mark.parametrize("name", EVERY_PLOT)
def test_every_figure_shows_itself_in_a_notebook_without_pyplot(name):
    figure = every_plot()[name]()
    assert figure._repr_png_().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("name", EVERY_PLOT)
def test_every_figure_can_be_drawn_in_axes_of_the_caller(name):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert every_plot()[name](ax=right) is figure
    figure.draw_without_rendering()
    assert not left.has_data() and not left.get_title()
    panels = [right, *right.child_axes]
    assert any(axes.has_data() for axes in panels)
    for axes in panels:
        assert right.bbox.x0 - 1 <= axes.bbox.x0 and axes.bbox.x1 <= right.bbox.x1 + 1
    with pytest.raises(ConfigError, match="ax='left': expected matplotlib Axes"):
        every_plot()[name](ax="left")


def test_colours_of_classes_and_sets_are_all_different():
    for style, count in ((colors.class_style, 40), (colors.set_style, 28)):
        assert len({tuple(style(k).items()) for k in range(count)}) == count


def test_a_saved_picture_is_shown_in_a_notebook_that_runs_if_asked_for(tmp_path, monkeypatch):
    shown = []
    notebook = SimpleNamespace(get_ipython=lambda: object(), display=SimpleNamespace(display=shown.append))
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    figure = plotting.plot_images(images(4, 4), (2, 2), 2)
    plotting.save_picture(figure, tmp_path / "a.png")
    assert shown == []
    plotting.save_picture(figure, tmp_path / "a.png", show=True)
    assert shown == [figure]
    notebook.get_ipython = lambda: None  # IPython is imported, and no notebook runs
    plotting.save_picture(figure, tmp_path / "a.png", show=True)
    assert shown == [figure]


def test_the_names_of_classes_are_apart_from_each_other():
    codes = np.repeat([[0.0, 0.0], [0.01, 0.0], [0.0, 0.02], [5.0, 5.0]], 3, axis=0)
    figure = plotting.plot_codes(codes, np.repeat(["a", "b", "c", "d"], 3))
    places = np.array([text.get_position() for text in figure.axes[0].texts])
    distances = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(4, 1)]
    assert len(places) == 4 and distances.min() > 0.15
    np.testing.assert_allclose(places[3], 5.0)
