"""Tests of mosaics, latent planes, histories and reports."""

import subprocess
import sys

import numpy as np
import pytest

from scratchvae import VAE, Autoencoder, ConditionalVAE, SemiSupervisedVAE, datasets, plotting
from scratchvae.errors import ConfigError
from scratchvae.plotting.latent import principal_plane, prior_grid
from scratchvae.plotting.mosaic import mosaic
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
    figures = plotting.draw_report(model, history(-3.0, -2.0), data)
    drawn = {name for name, figure in figures.items() for axes in figure.axes for image in axes.images}
    assert drawn == {"reconstructions", "interpolation", "latent", "samples"}
    for name in drawn:
        assert image_of(figures[name]).ndim == 3, name
    plotting.draw_traversals(images(6, 48), (4, 4, 3), ["z0", "z1"], [-1.0, 0.0, 1.0])
    analogy = plotting.draw_analogies(*images(2, 48), images(2, 48), images(2, 48), (4, 4, 3))
    assert image_of(analogy).ndim == 3


def test_missing_pixels_of_a_picture_in_colour_are_blue():
    picture = images(1, 12).reshape(1, 2, 2, 3)
    picture[0, 0, 1, 2] = np.nan
    drawn = image_of(plotting.draw_images(picture.reshape(1, 12), (2, 2, 3), 1))
    assert np.array_equal(np.rint(drawn[0, 1] * 255), [0x7D, 0x9C, 0xC9])
    np.testing.assert_allclose(drawn[1], picture[0, 1])


def test_the_gaps_of_a_mosaic_grow_with_the_image_size():
    assert mosaic(images(6, 784), (28, 28), 3).shape == (28 + 2 + 28, 28 + 2 + 28 + 2 + 28)


def test_rows_without_an_image_shape_become_strips_one_pixel_high():
    rows = images(2, 5)
    assert np.array_equal(mosaic(rows, None, 1), [rows[0], np.ones(5), rows[1]])


def test_draw_images_shows_the_mosaic_from_black_at_0_to_white_at_1():
    figure = plotting.draw_images(images(5, 4), (2, 2), 3, "a title")
    assert np.array_equal(image_of(figure), mosaic(images(5, 4), (2, 2), 3))
    (picture,) = figure.axes[0].images
    assert picture.get_clim() == (0.0, 1.0)
    assert [round(float(picture.to_rgba(np.array([[shade]]))[0, 0, 0])) for shade in (0.0, 1.0)] == [0, 1]
    assert figure.axes[0].get_title() == "a title"


def test_values_outside_the_range_are_drawn_black_or_white():
    rows = np.array([[-0.5, 0.25, 1.5, 1.0]])
    assert np.array_equal(image_of(plotting.draw_images(rows, (2, 2), 1)), [[0.0, 0.25], [1.0, 1.0]])
    assert np.array_equal(
        image_of(plotting.draw_images(rows, (2, 2), 1, value_range=(-0.5, 1.5))), [[0.0, 0.375], [1.0, 0.75]]
    )


def test_data_outside_0_to_1_is_drawn_from_its_minimum_to_its_maximum():
    assert plotting.value_range_of(images(5, 4)) == (0.0, 1.0)
    rows = 10 * images(3, 4, seed=1) - 5
    value_range = plotting.value_range_of(rows)
    assert value_range == (rows.min(), rows.max())
    pixels = image_of(plotting.draw_reconstructions(rows, rows + 100, (2, 2), columns=4))
    np.testing.assert_allclose(pixels[:2, :2].ravel(), (rows[0] - value_range[0]) / (value_range[1] - value_range[0]))
    assert (pixels[3:] == 1.0).all() and (pixels[:, 9:] == 1.0).all()  # reconstructions, and the padding of the row
    assert np.array_equal(
        image_of(plotting.draw_images(np.full((1, 4), 7.0), (2, 2), 1, value_range=(7.0, 7.0))), np.zeros((2, 2))
    )


def test_a_report_draws_each_image_in_the_value_range_of_the_data():
    rows = 100 * images(20, 4) - 50
    data = datasets.Dataset("", datasets.Split(rows, None), datasets.Split(rows, None), (2, 2))
    vae = VAE(4, 2, hidden=(), likelihood="gaussian")
    vae.theta[...] = 0.0
    report = plotting.draw_report(vae, History(), data)
    grey = -rows.min() / (rows.max() - rows.min())
    for name in ("samples", "interpolation", "latent"):  # a mean of 0 everywhere
        np.testing.assert_allclose(np.unique(image_of(report[name])), [grey, 1.0], rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_each_reconstruction_is_drawn_below_its_original(count):
    originals, reconstructions = images(count, 4, seed=1), images(count, 4, seed=2)
    pixels = image_of(plotting.draw_reconstructions(originals, reconstructions, (2, 2), columns=3))
    for k in range(count):
        top, left = 6 * (k // 3), 3 * (k % 3)
        assert np.array_equal(pixels[top : top + 2, left : left + 2], originals[k].reshape(2, 2))
        assert np.array_equal(pixels[top + 3 : top + 5, left : left + 2], reconstructions[k].reshape(2, 2))
    image_pixels = pixels < 1.0
    assert image_pixels.sum() == 2 * count * 4


def test_each_interpolation_is_a_row():
    frames = images(6, 4)
    assert np.array_equal(image_of(plotting.draw_interpolations(frames, (2, 2), 3)), mosaic(frames, (2, 2), 3))


@pytest.mark.parametrize("shape", [(2, 2), None, (28, 28)])
def test_traversals_are_labelled_rows_with_the_values_below(shape):
    height, width = shape or (1, 5)
    frames = images(6, height * width)
    figure = plotting.draw_traversals(frames, shape, ["z4", "z0"], [-3.0, 0.0, 3.0])
    assert np.array_equal(image_of(figure), mosaic(frames, shape, 3))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["z4", "z0"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["-3", "0", "3"]
    gap = max(1, height // 14)
    np.testing.assert_allclose(axes.get_yticks(), [(height - 1) / 2, height + gap + (height - 1) / 2])
    np.testing.assert_allclose(axes.get_xticks(), [(width - 1) / 2 + k * (width + gap) for k in range(3)])


def test_an_analogy_shows_its_terms_before_its_result():
    a, b, *others = images(6, 4)
    c, results = np.stack(others[:2]), np.stack(others[2:])
    figure = plotting.draw_analogies(a, b, c, results, (2, 2))
    expected = np.stack([a, b, c[0], results[0], a, b, c[1], results[1]])
    assert np.array_equal(image_of(figure), mosaic(expected, (2, 2), 4))
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["A", "B", "C", "A − B + C"]


@pytest.mark.parametrize(("shape", "count"), [((8, 8), 14), ((8, 8), 42), ((28, 28), 4), (None, 14)])
def test_a_title_fits_the_figure_and_the_axes_take_most_of_the_width(shape, count):
    figure = plotting.draw_images(images(count, 64 if shape != (28, 28) else 784), shape, count, "A walk, end to end")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    figure_box = figure.bbox
    box = axes.title.get_window_extent()
    assert figure_box.x0 <= box.x0 and box.x1 <= figure_box.x1 and figure_box.y0 <= box.y0 and box.y1 <= figure_box.y1
    assert axes.get_window_extent().width > 0.7 * figure_box.width


def test_codes_are_coloured_by_label_with_a_legend():
    labels = np.array([3, 1, 3, 2, 1, 3])
    (axes,) = plotting.draw_codes(images(6, 4), labels).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["1", "2", "3"]
    assert [len(dots.get_offsets()) for dots in axes.collections] == [2, 1, 3]
    assert len({tuple(dots.get_facecolor()[0]) for dots in axes.collections}) == 3


def test_codes_without_labels_have_one_colour_and_no_legend():
    (axes,) = plotting.draw_codes(images(6, 4), None).axes
    assert axes.get_legend() is None
    assert [len(dots.get_offsets()) for dots in axes.collections] == [6]


@pytest.mark.parametrize("count", [20, 21])
def test_more_than_20_labels_are_described_in_the_title(tmp_path, count):
    figure = plotting.draw_codes(images(count, 4), np.arange(964, 964 + count))
    (axes,) = figure.axes
    assert len(axes.collections) == count
    assert (axes.get_legend() is None) == (count > 20)
    assert (f"{count} labels, from 964 in black to {963 + count}" in axes.get_title()) == (count > 20)
    # text that does not fit raises a warning, which is an error in tests
    plotting.save_picture(figure, tmp_path / "codes.png")


@pytest.mark.parametrize(("rows", "width"), [(7, 1), (1, 4), (1, 1), (2, 3)])
@pytest.mark.parametrize("labelled", [True, False])
def test_codes_of_one_dimension_or_one_row_can_be_drawn(tmp_path, rows, width, labelled):
    figure = plotting.draw_codes(images(rows, width), np.zeros(rows, int) if labelled else None)
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


def test_a_manifold_has_the_prior_quantiles_of_z0_to_the_right_and_of_z1_upwards():
    vae = VAE(2, 2, hidden=(), dtype="float64")
    vae.params["decoder.0.W"][...] = np.eye(2)
    pixels = image_of(plotting.draw_manifold(vae, (1, 2), side=4))
    assert pixels.shape == (4 + 3, 4 * 2 + 3)
    quartiles = np.array([-1.15034938, -0.31863936, 0.31863936, 1.15034938])
    expected = 1.0 / (1.0 + np.exp(-quartiles))
    np.testing.assert_allclose(pixels[::2, 0::3], np.tile(expected, (4, 1)))
    np.testing.assert_allclose(pixels[::2, 1::3], np.tile(expected[::-1, None], (1, 4)))


def test_a_latent_plane_with_a_custom_prior_is_drawn_by_its_codes():
    class Wide(Prior):
        def forward(self, z):
            self.z = z
            return -abs(z).sum(axis=1)

        def backward(self, dlog_p):
            return -np.sign(self.z) * dlog_p[:, None]

        def draw(self, noise):
            return 3 * noise

    vae, rows = VAE(4, 2, (), prior=Wide()), datasets.Split(images(10, 4), None)
    with pytest.raises(ConfigError, match="the prior Wide; expected StandardNormal"):
        plotting.draw_manifold(vae, (2, 2))
    assert not plotting.draw_latent(vae, rows, (2, 2)).axes[0].images


def test_a_prior_grid_has_the_requested_columns_and_rows_from_the_top():
    upper, lower = prior_grid(3, 2).reshape(2, 3, 2)
    np.testing.assert_allclose(upper, [[-0.96742157, 0.67448975], [0, 0.67448975], [0.96742157, 0.67448975]], atol=1e-8)
    np.testing.assert_allclose(lower, upper * [1, -1], atol=1e-12)


def test_a_report_contains_samples_of_a_vae_and_a_nonempty_history():
    digits = datasets.load("digits")
    common = {"reconstructions", "interpolation", "latent"}
    assert set(plotting.draw_report(VAE(64, 2, hidden=()), history(30.0), digits)) == common | {"samples", "history"}
    assert set(plotting.draw_report(Autoencoder(64, 2, hidden=()), History(), digits)) == common


def test_interpolations_connect_the_first_rows_of_consecutive_labels():
    digits, vae = datasets.load("digits"), VAE(64, 2, hidden=(), image_shape=(8, 8))
    first_rows = [int(np.argmax(digits.test.labels == label)) for label in (0, 1, 2)]
    reconstructions = vae.reconstruct(digits.test.images[first_rows]).reshape(3, 8, 8)
    pixels = image_of(plotting.draw_model_interpolations(vae, digits.test, (8, 8), paths=2, steps=3))
    assert pixels.shape == (8 + 1 + 8, 8 + 1 + 8 + 1 + 8)
    corners = [pixels[:8, :8], pixels[:8, 18:], pixels[9:, :8], pixels[9:, 18:]]
    np.testing.assert_allclose(corners, reconstructions[[0, 1, 1, 2]], atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "endpoints"),
    [
        (None, [0, 10, 20]),
        ([5] * 30, [0, 10, 20]),
        ([0] * 15 + [1] * 15, [0, 15, 7]),
        ([2, 1, 0] * 10, [2, 1, 0]),
        ([1] + [0] * 29, [1, 0, 15]),
    ],
    ids=["none", "one", "two", "three", "one of a kind"],
)
def test_interpolations_with_few_labels_use_evenly_spaced_rows(labels, endpoints):
    pictures, vae = images(30, 4), VAE(4, 2, hidden=())
    split = datasets.Split(pictures, None if labels is None else np.array(labels))
    pixels = image_of(plotting.draw_model_interpolations(vae, split, (1, 4), paths=2, steps=2))
    reconstructions = vae.reconstruct(pictures[endpoints])
    corners = [pixels[0, :4], pixels[0, 5:], pixels[2, :4], pixels[2, 5:]]
    np.testing.assert_allclose(corners, reconstructions[[0, 1, 1, 2]], atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_interpolations_reuse_rows_if_there_are_fewer_than_endpoints(rows):
    pictures, vae = images(rows, 4), VAE(4, 2, hidden=())
    pixels = image_of(plotting.draw_model_interpolations(vae, datasets.Split(pictures, None), (1, 4), paths=4, steps=2))
    np.testing.assert_allclose(pixels[::2, :4], vae.reconstruct(pictures)[np.arange(4) % rows], atol=1e-6)


@pytest.mark.parametrize("kind", [ConditionalVAE, SemiSupervisedVAE])
def test_images_of_a_model_with_classes_use_the_given_class(kind):
    pictures, model = images(20, 4), kind(4, 2, (8,), classes=3)
    split = datasets.Split(pictures, np.arange(20) % 3)
    pixels = image_of(plotting.draw_model_interpolations(model, split, (1, 4), paths=2, steps=2, labels=1))
    reconstructions = model.reconstruct(pictures[[0, 1, 1, 2]], 1)
    np.testing.assert_allclose([pixels[0, :4], pixels[0, 5:], pixels[2, :4], pixels[2, 5:]], reconstructions, atol=1e-6)
    for figure in (
        plotting.draw_manifold(model, (1, 4), side=3, labels=2),
        plotting.draw_latent(model, split, (1, 4), 2),
    ):
        side = 3 if image_of(figure).shape[0] == 5 else 20
        expected = mosaic(model.decode(prior_grid(side, side), 2), (1, 4), side)
        np.testing.assert_array_equal(image_of(figure), expected)
    for draw in (plotting.draw_model_interpolations, plotting.draw_latent):
        with pytest.raises(ConfigError, match="needs the class of each row"):
            draw(model, split, (1, 4))


def test_codes_of_a_conditional_model_use_the_class_of_each_row():
    pictures, labels, model = images(20, 4), np.arange(20) % 3, ConditionalVAE(4, 3, (8,), classes=3)
    split = datasets.Split(pictures, labels)
    drawn, expected = (
        np.concatenate([dots.get_offsets() for dots in figure.axes[0].collections])
        for figure in (
            plotting.draw_latent(model, split, (1, 4), labels),
            plotting.draw_codes(model.embed(pictures, labels), labels),
        )
    )
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize("kind", [ConditionalVAE, SemiSupervisedVAE])
def test_a_report_of_a_model_with_classes_has_class_swaps_and_no_interpolations(kind):
    digits = datasets.load("digits")
    report = plotting.draw_report(kind(64, 2, (8,)), history(30.0), digits)
    assert set(report) == {"reconstructions", "class_swaps", "samples", "latent", "history"}


def line_values(axes):
    return {line.get_label(): tuple(line.get_ydata()) for line in axes.lines}


def test_a_history_plot_shows_the_losses_and_the_terms():
    result = history(31.0, 29.0, 30.0)
    result.best_epoch = 2
    left, right = plotting.draw_history(result).axes
    assert line_values(left) == {"training": (30, 29, 28), "validation": (31, 29, 30), "best, epoch 2": (0, 1)}
    assert line_values(right) == {"−reconstruction": (28, 27, 26), "KL": (2, 2, 2)}
    assert left.lines[-1].get_xdata() == [2, 2]


def test_a_history_plot_without_validation_has_no_validation_line():
    left, _ = plotting.draw_history(history(None, None)).axes
    assert set(line_values(left)) == {"training"}


def test_the_axis_of_a_history_plot_includes_negative_terms():
    result = History()
    result.epochs = [Epoch(k + 1, 0.0, 50.0 * k - 20.0, 2.0, None, 0.1) for k in range(3)]
    _, right = plotting.draw_history(result).axes
    assert right.get_ylim()[0] < -80.0
    assert plotting.draw_history(history(31.0)).axes[1].get_ylim()[0] == 0.0


def test_a_history_plot_of_one_epoch_has_markers():
    for axes in plotting.draw_history(history(31.0)).axes:
        assert all(line.get_marker() not in ("None", "", None) for line in axes.lines)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG\r\n\x1a\n"), ("a.pdf", b"%PDF-"), ("a.svg", b"<?xml")])
def test_an_image_is_written_in_the_format_of_its_suffix(tmp_path, name, start):
    plotting.save_picture(plotting.draw_images(images(4, 4), (2, 2), 2), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.txt"])
def test_an_unknown_image_format_is_refused_and_no_file_is_written(tmp_path, name):
    figure = plotting.draw_images(images(4, 4), (2, 2), 2)
    with pytest.raises(ConfigError, match=r"\.png, \.pdf, \.svg"):
        plotting.save_picture(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_matplotlib_is_refused_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'scratchvae\[cli\]'"):
        plotting.draw_images(images(4, 4), (2, 2), 2)


def test_matplotlib_is_imported_with_the_first_figure_and_pyplot_never(tmp_path):
    script = """if True:
        import sys, numpy
        from scratchvae import plotting
        assert "matplotlib" not in sys.modules
        codes = numpy.eye(4)
        for figure in (plotting.draw_codes(codes, codes[0]), plotting.draw_images(codes, (2, 2), 2)):
            for suffix in ("png", "svg", "pdf"):
                plotting.save_picture(figure, "picture." + suffix)
        assert "matplotlib.pyplot" not in sys.modules
    """
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_draw_rows_repeats_the_names_of_the_sets_for_each_block_of_rows():
    sets = [images(5, 6, k) for k in range(3)]
    figure = plotting.draw_rows(sets, (2, 3), 4, "title", ["a", "b", "c"])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b", "c"] * 2
    assert list(axes.get_yticks()) == [0.5 + 3 * k for k in range(6)]
    assert axes.images[0].get_array().shape == (6 * 3 - 1, 4 * 4 - 1)
