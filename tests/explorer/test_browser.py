"""Tests of the page in a real browser: its numbers, and that it does what one does with it."""

import re
from functools import partial

import numpy as np
import pytest
from explorer.chromium import browser, skip_without_browser
from export.random_models import KINDS, D, K, labels_of, random_model, rows_of

import scratchvae as sv
from scratchvae.explorer import write_page
from scratchvae.explorer.weights import rounded
from scratchvae.models import latent_space
from scratchvae.probability import Categorical, GaussianDiagonal, Mixed, NegativeBinomial, Poisson
from scratchvae.tables import TableSchema

pytestmark = pytest.mark.slow

HOSTILE = ("</script><b>bold</b>", "a\"b'c", "<!-- no", "שלום עולם", "<img src=x onerror=alert(1)>")
INSIDE_95 = np.sqrt(-2 * np.log(0.05))


@pytest.fixture(scope="module")
def window():
    skip_without_browser()
    with browser() as opened:
        yield opened


@pytest.fixture
def page(window):
    """The browser; after the test, its console must hold no warning and no error."""
    window.messages()
    yield window
    assert window.messages() == []


def trained(kind=sv.VAE, **settings):
    data = sv.datasets.load("digits")
    model = kind(64, image_shape=(8, 8), seed=0, **settings)
    labels = {"labels": data.train.labels} if model.classes else {}
    sv.Trainer(model, seed=0).fit(data.train.images, 8, **labels)
    return model, data.test


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def digits(folder):
    """A trained VAE with 5 latent dimensions, as the page has it, the rows, and the page."""
    model, rows = trained(latent_dim=5, hidden=(64,))
    path = folder / "digits.html"
    write_page(model, path, rows.images, rows.labels, title="digits", part="test")
    return in_double_precision(model), rows, path


@pytest.fixture(scope="module")
def conditional(folder):
    model, rows = trained(sv.ConditionalVAE, latent_dim=2, hidden=(64,), classes=10)
    path = folder / "conditional.html"
    write_page(model, path, rows.images, rows.labels)
    return in_double_precision(model), rows, path


@pytest.fixture(scope="module")
def convolutional(folder):
    model, rows = trained(latent_dim=3, hidden=(16,), architecture="conv")
    path = folder / "convolutional.html"
    write_page(model, path, rows.images[:40], rows.labels[:40])
    return in_double_precision(model), rows, path


@pytest.fixture(scope="module")
def table(folder):
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    cells = {
        HOSTILE[0]: np.round(10 + 3 * kinds + rng.normal(size=90), 2),
        "visits": rng.poisson(2 + 3 * kinds),
        HOSTILE[3]: np.array(HOSTILE[1:4], object)[kinds],
        "well": rng.random(90) < 0.3 + 0.2 * kinds,
        "born": np.array("2020-01-01", "M8[D]") + 100 * kinds + rng.integers(0, 50, 90),
        "constant": np.full(90, "same", object),
    }
    schema = TableSchema.infer(cells, kinds={"visits": "count"})
    rows = schema.encode(cells)
    model = sv.VAE(schema.width, 3, (16,), likelihood=schema.likelihood(), missing=True, seed=0)
    sv.Trainer(model, seed=0).fit(rows, 30)
    path = folder / "table.html"
    write_page(model, path, rows, kinds, HOSTILE[:3], table=schema)
    return in_double_precision(model), rows, path, schema


def in_double_precision(model):
    return rounded(model, "float16").astype("float64")


def code(page):
    return np.array(page.value("scratchvae.state.z"))


def number(text):
    return float(re.search(r"[−\d.]+(?=\D*$)", text)[0].replace("−", "-"))


def place_of(page, z):
    """The place of a code on the screen, from the left and the top of the plane."""
    return page.run(
        "const p = scratchvae.plane; return p.toScreen(p.project(Float64Array.from(arguments[0])))", list(map(float, z))
    )


def decoded_matches(page, model, z, label=None):
    """True if the picture on the screen is the one that the model decodes the code to."""
    labels = {} if label is None else {"labels": label}
    expected = np.clip(np.rint(model.decode(np.array([z]), **labels)[0] * 255), 0, 255)
    shown = page.run(
        "const c = document.querySelector('#decoded canvas');"
        "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).filter((v, n) => n % 4 === 0)"
    )
    return np.abs(np.array(shown) - expected).max() <= 1


def assert_elbo_matches(page, model, x):
    """The terms on the screen are those of the model, as means over the same noise."""
    terms = [model.elbo(x[None], np.array([eps])) for eps in page.value("scratchvae.formula.noise")]
    shown = [number(page.text(f"#elbo-{name}")) for name in ("value", "reconstruction", "kl")]
    expected = [np.mean([term[k] for term in terms]) for k in range(3)]
    np.testing.assert_allclose(shown, expected, atol=0.051)
    assert abs(shown[0] - (shown[1] - shown[2])) < 0.11


# --- the numbers


def counted(likelihood, width):
    model = sv.VAE(width, 3, (6,), likelihood=likelihood, seed=1)
    for array in model.params.values():
        array[...] = 0.4 * np.random.default_rng(array.size).standard_normal(array.shape)
    return model, np.random.default_rng(0).poisson(4.0, (5, width)).astype(np.float64)


def mixed():
    parts = [(GaussianDiagonal(2), 2), (Categorical((3, 2)), 5), (NegativeBinomial(), 2), (Poisson(), 1)]
    model = sv.VAE(10, 3, (6,), likelihood=Mixed(parts), missing=True, seed=1)
    rng = np.random.default_rng(0)
    groups = [np.eye(size)[rng.integers(0, size, 5)] for size in (3, 2)]
    x = np.hstack([rng.normal(size=(5, 2)), *groups, rng.poisson(3.0, (5, 3))])
    x[0, 2:5] = x[1, 0] = x[2, 8] = np.nan
    return model, x


def of_kind(kind):
    model = random_model(kind, 0)
    return model, rows_of(model, 4, 1), labels_of(model, 4, 2)


def categorical():
    return sv.VAE(5, 3, (6,), likelihood=Categorical((3, 2)), seed=1), np.eye(5)[[0, 1]] + np.eye(5)[[3, 4]]


CASES = {
    **{kind: partial(of_kind, kind) for kind in KINDS},
    "Poisson": partial(counted, "poisson", 6),
    "Poisson with a library size": lambda: counted(Poisson(20.0), 6),
    "negative binomial": partial(counted, "negative_binomial", 6),
    "Gaussian with a σ for each column": partial(counted, "gaussian_diagonal", 6),
    "VAE with beta": lambda: (
        sv.VAE(D, 3, (6,), beta=3.0, seed=1),
        np.random.default_rng(0).random((3, D), np.float32),
    ),
    "categorical": categorical,
    "mixed": mixed,
    "saturated": lambda: (random_saturated(), np.random.default_rng(0).random((3, D), np.float32)),
}


def random_saturated():
    """A model with logits of hundreds."""
    model = random_model("VAE", 3)
    for array in model.params.values():
        array[...] *= 4.0
    return model


@pytest.mark.parametrize("kind", CASES)
def test_the_page_computes_what_the_model_computes_with_the_same_weights(kind, page, folder):
    model, x, *rest = CASES[kind]()
    labels = rest[0] if rest else {}
    write_page(model, folder / "numbers.html", x, labels.get("labels"))
    page.open(folder / "numbers.html")
    exact, rng = in_double_precision(model), np.random.default_rng(5)
    z, eps = rng.standard_normal((2, len(x), model.latent_dim))
    found = page.run(
        """
        const { model, elboOf } = scratchvae;
        const [rows, codes, noise, labels] = arguments;
        const list = (numbers) => numbers && Array.from(numbers);
        return rows.map((row, k) => {
          const x = Float64Array.from(row, (number) => number ?? NaN);
          const { mu, logvar } = model.encode(x, labels[k]);
          const terms = elboOf(model, x, labels[k], [Float64Array.from(noise[k])]);
          const parts = list(terms.parts), mean = list(model.decode(codes[k], labels[k]));
          return { ...terms, parts, mu: list(mu), logvar: list(logvar), mean, classes: list(model.classify(x)) };
        })
        """,
        [[None if np.isnan(v) else float(v) for v in row] for row in x],
        z.tolist(),
        eps.tolist(),
        labels.get("labels", np.zeros(len(x))).tolist(),
    )

    def agrees(name, expected):
        np.testing.assert_allclose(
            [row[name] for row in found], expected, rtol=1e-8, atol=1e-8, err_msg=f"{kind}: {name}"
        )

    encoded = exact.encode(x, **labels)
    agrees("mu", encoded[0] if isinstance(encoded, tuple) else encoded)
    agrees("mean", exact.decode(z, **labels))
    if isinstance(exact, sv.SemiSupervisedVAE):
        agrees("classes", exact.predict_proba(x))
        return
    if isinstance(encoded, tuple):
        agrees("logvar", encoded[1])
    if not isinstance(exact, sv.IWAE):
        terms = exact.terms(x, None if isinstance(exact, sv.Autoencoder) else eps, **labels)
        agrees("value", terms.value)
        agrees("reconstruction", terms.reconstruction)
        if isinstance(exact, sv.VAE):
            agrees("kl", terms.kl)


def test_the_rows_in_the_page_are_those_of_the_data(page, digits):
    model, rows, path = digits
    page.open(path)
    shown = page.value("[0, 5, 296].map((k) => scratchvae.page.rows.row(k))")
    np.testing.assert_allclose(shown, rows.images[[0, 5, 296]], atol=1e-7)
    codes = page.value("[0, 5, 296].map((k) => scratchvae.page.rows.code(k))")
    np.testing.assert_allclose(codes, model.embed(rows.images[[0, 5, 296]]), atol=1e-4)


def test_the_arc_between_two_codes_is_that_of_the_model(page, digits):
    page.open(digits[2])
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 5))
    t = np.linspace(0, 1, 7)[:, None]
    page.run("[scratchvae.a, scratchvae.b] = arguments[0].map((z) => Float64Array.from(z))", [a.tolist(), b.tolist()])
    for kind, path in latent_space.PATHS.items():
        page.choose("#path-kind", kind)
        page.run("scratchvae.interpolation.ends = [scratchvae.a, scratchvae.b]")
        found = page.value("[0, 1, 2, 3, 4, 5, 6].map((n) => scratchvae.interpolation.at(n / 6))")
        np.testing.assert_allclose(found, path(a, b, t), atol=1e-12)


def test_nothing_is_requested_but_the_page(page, digits):
    page.addresses()
    page.open(digits[2])
    page.drag("#plane", (50, 50), (80, 90))
    assert {address.partition(":")[0] for address in page.addresses()} <= {"file", "data"}
    assert page.addresses() == set()


# --- the plane


def test_dragging_moves_the_code_within_the_plane_and_the_picture_with_it(page, digits):
    model, _, path = digits
    page.open(path)
    before, picture = code(page), page.pixels("#decoded canvas")
    start = np.array(place_of(page, before))
    page.drag("#plane", start, start + np.array([30, 20]), start + np.array([60, -40]))
    after = code(page)
    P = np.array(page.value("scratchvae.plane.directions"))
    np.testing.assert_allclose(P @ P.T, np.eye(2), atol=1e-9)
    moved = after - before
    np.testing.assert_allclose(moved, (moved @ P.T) @ P, atol=1e-12)  # its parts across the plane stay
    scale = page.value("2 * scratchvae.plane.half / scratchvae.plane.size")
    np.testing.assert_allclose(moved @ P.T, np.array([60, 40]) * scale, atol=1.5 * scale)
    assert page.pixels("#decoded canvas") != picture and decoded_matches(page, model, after)


def test_while_a_code_is_dragged_its_picture_is_beside_it(page, digits):
    page.open(digits[2])
    start = np.array(place_of(page, code(page)))
    page.drag("#plane", start, start + np.array([30, 30]), release=False)
    assert page.text("#plane-tip") == "decoded" and page.pixels("#plane-tip canvas") == page.pixels("#decoded canvas")
    page.drag("#plane", start + np.array([30, 30]))
    assert not page.find("#plane-tip").is_displayed()


def test_a_finger_moves_the_code_too(page, digits):
    page.open(digits[2], width=390, height=800, touch=True)
    before = code(page)
    start = np.array(place_of(page, before))
    page.drag("#plane", start, start + np.array([20, 10]), start + np.array([40, 30]), touch=True)
    assert np.abs(code(page) - before).max() > 0.1


def test_pressing_a_point_takes_its_row(page, digits):
    model, rows, path = digits
    page.open(path)
    k = lonely_point(page)
    page.drag("#plane", page.value(f"scratchvae.plane.toScreen(scratchvae.plane.points[{k}])"))
    assert page.value("scratchvae.state.row") == k
    np.testing.assert_allclose(code(page), model.embed(rows.images[[k]])[0], atol=1e-6)
    assert page.find("#row-number").get_property("value") == str(k)
    assert page.text("#row-class") == f"class {rows.labels[k]}"


def lonely_point(page):
    """The row whose point is farthest from all others, and from the code."""
    points = np.array(page.value("scratchvae.plane.points.map((p) => scratchvae.plane.toScreen(p))"))
    points = np.vstack([points, place_of(page, code(page))])
    apart = np.hypot(*(points[:, None] - points).transpose(2, 0, 1)) + 1e9 * np.eye(len(points))
    return int(apart.min(axis=1)[:-1].argmax())


def test_pointing_at_a_point_shows_its_picture(page, digits):
    _, rows, path = digits
    page.open(path)
    k = lonely_point(page)
    page.hover("#plane", page.value(f"scratchvae.plane.toScreen(scratchvae.plane.points[{k}])"))
    assert page.text("#plane-tip") == f"Row {k}, class {rows.labels[k]}"
    shown = page.run(
        "return Array.from(document.querySelector('#plane-tip canvas').getContext('2d').getImageData(0, 0, 8, 8).data)"
    )
    np.testing.assert_allclose(shown[::4], np.clip(rows.images[k] * 255, 0, 255), atol=1)
    page.hover("#plane", (1, 1))
    assert not page.find("#plane-tip").is_displayed()


def test_the_arrow_keys_move_the_code_and_enter_takes_the_nearest_row(page, digits):
    page.open(digits[2])
    before = code(page)
    page.press("#plane", "\ue014", "\ue014", "\ue013")  # right, right, up
    P = np.array(page.value("scratchvae.plane.directions"))
    np.testing.assert_allclose((code(page) - before) @ P.T, [0.2, 0.1], atol=1e-9)
    page.wait_for("document.getElementById('announcer').textContent.startsWith('Code at ')")
    nearest = page.value(
        "scratchvae.plane.nearest(scratchvae.plane.toScreen(scratchvae.plane.project(scratchvae.state.z)), Infinity)"
    )
    page.press("#plane", "\ue007")
    assert page.value("scratchvae.state.row") == nearest


def test_the_ellipse_holds_95_percent_of_the_posterior(page, digits):
    page.open(digits[2])
    variance = np.array([0.3, 0.02, 0.5, 0.1, 0.05])
    page.run(
        """
        const { plane, state } = scratchvae;
        state.posterior = { mu: new Float64Array(5), logvar: Float64Array.from(arguments[0]) };
        const context = plane.codeContext;
        const draw = context.ellipse;
        context.ellipse = (...all) => { window.drawn = all; draw.apply(context, all); };
        plane.drawCode();
        """,
        np.log(variance).tolist(),
    )
    left, top, across, up, angle, first, last = page.value("window.drawn")
    assert [left, top] == pytest.approx(place_of(page, np.zeros(5))) and last - first == pytest.approx(2 * np.pi)
    P = np.array(page.value("scratchvae.plane.directions"))
    # the covariance whose ellipse was drawn; on the screen, up is negative
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    unit = page.value("scratchvae.plane.size / (2 * scratchvae.plane.half)") * INSIDE_95
    drawn = turn @ np.diag([across / unit, up / unit]) ** 2 @ turn.T * [[1, -1], [-1, 1]]
    np.testing.assert_allclose(drawn, P @ np.diag(variance) @ P.T, atol=1e-9)


def test_the_plane_can_be_that_of_two_dimensions(page, digits):
    page.open(digits[2])
    assert page.value("[...document.querySelectorAll('#plane-choice option')].map((o) => o.value)") == [
        "separating", "widest", "dimensions",
    ]  # fmt: skip
    points = page.pixels("#plane-points")
    page.choose("#plane-choice", "dimensions")
    page.choose("#plane-across", 3)
    page.choose("#plane-up", 1)
    np.testing.assert_array_equal(page.value("scratchvae.plane.directions"), np.eye(5)[[3, 1]])
    assert page.pixels("#plane-points") != points
    before = code(page)
    start = np.array(place_of(page, before))
    page.drag("#plane", start, start + np.array([40, 0]), start + np.array([50, -50]))
    assert set(np.flatnonzero(code(page) != before)) == {1, 3}
    page.choose("#plane-across", 1)  # never the same one twice
    assert (
        page.value("new Set([...document.querySelectorAll('#plane-across, #plane-up')].map((s) => s.value)).size") == 2
    )


def test_the_legend_hides_a_class(page, digits):
    _, rows, path = digits
    page.open(path)
    shown = page.pixels("#plane-points")
    buttons = page.find_all("#legend button")
    assert [button.text.split()[-1] for button in buttons] == list("0123456789")
    buttons[3].click()
    page.settle()
    assert buttons[3].get_attribute("aria-pressed") == "false" and page.pixels("#plane-points") != shown
    hidden = page.value(
        "scratchvae.plane.points.map((p) => scratchvae.plane.nearest(scratchvae.plane.toScreen(p), 1e-6))"
    )
    assert not set(np.flatnonzero(rows.labels == 3)) & set(hidden)
    buttons[3].click()
    page.settle()
    assert page.pixels("#plane-points") == shown


# --- the decoder


def test_the_sliders_are_ordered_by_kl_and_move_the_code(page, digits):
    model, rows, path = digits
    page.open(path)
    kl = sv.evaluation.active_units(model, rows.images).kl
    order = np.argsort(-kl)
    labels = [slider.accessible_name for slider in page.find_all("#sliders input")]
    assert labels == [f"z{k}, KL {kl[k]:.2f} nats" for k in order]
    picture, before = page.pixels("#decoded canvas"), code(page)
    page.choose(f"#slider-{order[0]}", 2.5)
    after = code(page)
    assert after[order[0]] == 2.5 and np.flatnonzero(after != before).tolist() == [order[0]]
    assert page.pixels("#decoded canvas") != picture and decoded_matches(page, model, after)
    page.press(f"#slider-{order[1]}", "\ue014")  # an arrow key
    assert code(page)[order[1]] > before[order[1]]


def test_the_buttons_set_the_code(page, digits):
    page.open(digits[2])
    mu = page.value("scratchvae.state.posterior.mu")
    page.click("#code-zero")
    assert (code(page) == 0).all() and page.find("#slider-0").get_property("value") == "0"
    page.click("#code-draw")
    drawn = code(page)
    page.click("#code-draw")
    assert (code(page) != drawn).all() and (drawn != 0).all()
    page.click("#code-posterior")
    np.testing.assert_array_equal(code(page), mu)


def test_the_class_chooser_keeps_the_code_and_changes_the_picture(page, conditional):
    model, rows, path = conditional
    page.open(path)
    assert page.value("scratchvae.state.label") == rows.labels[0]
    before, picture = code(page), page.pixels("#decoded canvas")
    page.choose("#class-choice", 7)
    assert (code(page) == before).all() and page.pixels("#decoded canvas") != picture
    assert decoded_matches(page, model, before, label=7)
    samples = page.pixels("#samples button:first-child canvas")
    page.choose("#class-choice", 1)
    assert page.pixels("#samples button:first-child canvas") != samples  # those of the class
    page.choose("#row-number", 5)  # a row brings its class
    assert page.find("#class-choice").get_property("value") == str(rows.labels[5])


# --- the encoder and the ELBO


def test_drawing_changes_the_code_the_reconstruction_and_the_elbo(page, digits):
    model, _, path = digits
    page.open(path)
    before = code(page), page.pixels("#reconstruction canvas"), page.text("#elbo-value")
    page.click("#pad-clear")
    assert not np.any(page.value("scratchvae.state.x"))
    side = page.run("return document.querySelector('.pad').clientWidth")
    page.drag(".pad", (0.3 * side, 0.2 * side), (0.7 * side, 0.2 * side), (0.4 * side, 0.9 * side))
    x = np.array(page.value("scratchvae.state.x"))
    assert x.max() == 1 and 3 < x.sum() < 40 and page.value("scratchvae.state.row") is None
    np.testing.assert_allclose(code(page), model.embed(x[None])[0], atol=1e-8)
    assert (code(page) != before[0]).all()
    assert page.pixels("#reconstruction canvas") != before[1] and page.text("#elbo-value") != before[2]
    page.click("#pad-erase")
    page.drag(".pad", (0, 0.2 * side), (side, 0.2 * side))
    assert np.sum(page.value("scratchvae.state.x")) < x.sum() - 1


def test_the_elbo_beside_the_picture_is_the_mean_of_the_model_s_over_the_same_noise(page, digits):
    model, _, path = digits
    page.open(path)
    for row in (0, 17):
        page.choose("#row-number", row)
        x = np.array(page.value("scratchvae.state.x"))
        assert_elbo_matches(page, model, x)
    table = [[cell.text for cell in row.find_elements("css selector", "td")] for row in page.find_all("#elbo tbody tr")]
    mu, logvar = (part[0] for part in model.encode(x[None]))
    for name, m, s, kl in table:
        k = int(name.removeprefix("z"))
        assert (number(m), number(s)) == pytest.approx((mu[k], np.exp(0.5 * logvar[k])), abs=0.0051)
        assert number(kl) == pytest.approx(0.5 * (mu[k] ** 2 + np.exp(logvar[k]) - 1 - logvar[k]), abs=0.0051)


def test_the_pad_can_be_drawn_on_with_the_keyboard(page, digits):
    page.open(digits[2])
    page.click("#pad-clear")
    page.press(".pad", "\ue012", "\ue013", " ")  # left, up
    x = np.array(page.value("scratchvae.state.x")).reshape(8, 8)
    assert x.max() > 0.5 and np.unravel_index(x.argmax(), x.shape) in [(2, 2), (2, 3), (3, 2), (3, 3)]


def test_rows_can_be_taken_by_their_number_and_one_after_the_other(page, digits):
    page.open(digits[2])
    page.choose("#row-number", 40)
    assert page.value("scratchvae.state.row") == 40
    page.click("#row-after")
    page.click("#row-after")
    page.click("#row-before")
    assert page.value("scratchvae.state.row") == 41
    page.choose("#row-number", 10**6)  # the last one
    page.click("#row-after")
    assert page.value("scratchvae.state.row") == 0


def test_a_convolutional_model_is_drawn_on_too(page, convolutional):
    model, _, path = convolutional
    page.open(path)
    side = page.run("return document.querySelector('.pad').clientWidth")
    page.click("#pad-clear")
    page.drag(".pad", (0.5 * side, 0.1 * side), (0.5 * side, 0.9 * side))
    x = np.array(page.value("scratchvae.state.x"))
    np.testing.assert_allclose(code(page), model.embed(x[None])[0], atol=1e-8)
    assert decoded_matches(page, model, code(page))


# --- paths and samples


def test_the_path_leads_from_a_to_b(page, digits):
    model, rows, path = digits
    page.open(path)
    ends = np.array(page.value("scratchvae.interpolation.ends"))
    assert rows.labels[0] != rows.labels[[(np.abs(model.embed(rows.images) - ends[1])).sum(axis=1).argmin()]][0]
    strip = page.find_all("#path-strip button")
    assert len(strip) == 9 and strip[0].accessible_name == "Go to A"
    strip[8].click()
    page.settle()
    np.testing.assert_allclose(code(page), ends[1], atol=1e-9)
    page.choose("#path-place", 0.5)
    np.testing.assert_allclose(code(page), ends.mean(axis=0), atol=1e-9)
    page.choose("#slider-0", 3)
    page.click("#path-to")
    np.testing.assert_allclose(page.value("scratchvae.interpolation.ends[1]"), code(page))
    before = code(page)
    page.click("#path-play")
    assert (code(page) != before).any() and page.text("#path-play") == "Stop"
    page.click("#path-play")
    stopped = code(page)
    page.settle()
    assert (code(page) == stopped).all()


def test_samples_are_decoded_draws_from_the_prior(page, digits):
    model, _, path = digits
    page.open(path)
    codes = np.array(page.value("scratchvae.samples.codes"))
    assert len(codes) == len(page.find_all("#samples button")) == 18
    page.click("#samples button:nth-child(3)")
    assert (code(page) == codes[2]).all() and decoded_matches(page, model, codes[2])
    picture = page.pixels("#samples canvas")
    page.click("#samples-again")
    assert page.pixels("#samples canvas") != picture


def test_the_noise_of_the_page_is_standard_normal(page, digits):
    page.open(digits[2])
    z = np.array(page.value("scratchvae.priorDraws(4000, 5, 3)")).ravel()
    assert abs(z.mean()) < 0.03 and abs(z.std() - 1) < 0.03 and abs((z**4).mean() - 3) < 0.3
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.03


# --- tables


def test_a_table_has_bars_that_show_what_the_model_decodes(page, table):
    model, rows, path, schema = table
    page.open(path)
    page.click("#code-zero")
    page.choose("#slider-0", 2)
    decoded = model.decode(code(page)[None])
    names = [cell.text for cell in page.find_all("#decoded dt")]
    assert names == [column.name for column in schema.columns]
    cells = {
        name: cell.find_element("css selector", "bdi").text
        for name, cell in zip(names, page.find_all("#decoded dd"), strict=True)
    }
    expected = {column.name: column.decode(decoded[:, schema.slices[column.name]])[0][0] for column in schema.columns}
    assert float(cells[HOSTILE[0]]) == pytest.approx(expected[HOSTILE[0]], abs=0.006)
    assert cells[HOSTILE[3]] == expected[HOSTILE[3]] and cells["constant"] == "same"
    assert cells["born"] == str(expected["born"]) and cells["well"].split()[0] == str(expected["well"]).lower()
    assert round(float(cells["visits"])) == expected["visits"]
    width = page.run("return document.querySelector('#decoded dd .bar-fill').style.width")
    low, high = rows[:, 0].min(), rows[:, 0].max()
    assert float(width[:-1]) / 100 == pytest.approx(np.clip((decoded[0, 0] - low) / (high - low), 0, 1), abs=0.01)


def test_the_cells_of_a_table_can_be_set_and_left_out(page, table):
    model, _, path, schema = table
    page.open(path)
    before = code(page)
    page.choose("#input select", 2)  # the first category
    x = np.array(page.value("scratchvae.state.x"))
    np.testing.assert_array_equal(x[schema.slices[HOSTILE[3]]], [0, 0, 1])
    np.testing.assert_allclose(code(page), model.embed(x[None])[0], atol=1e-8)
    assert (code(page) != before).all()
    assert_elbo_matches(page, model, x)
    page.choose("#input input[type=range]", 1.0)
    assert page.value("scratchvae.state.x[0]") == pytest.approx(1.0, abs=0.05)
    page.find("#input input[type=checkbox]").click()
    page.settle()
    x = np.array([np.nan if v is None else v for v in page.value("scratchvae.state.x")])
    assert np.isnan(x[0]) and not page.find("#input input[type=range]").is_enabled()
    np.testing.assert_allclose(code(page), model.embed(x[None])[0], atol=1e-8)
    assert_elbo_matches(page, model, x)
    page.find("#input input[type=checkbox]").click()
    page.settle()
    assert page.find("#input input[type=range]").is_enabled()


def test_the_samples_of_a_table_are_a_table(page, table):
    page.open(table[2])
    assert len(page.find_all("#samples tbody tr")) == 6
    page.click("#samples tbody tr:nth-child(2) button")
    assert (code(page) == np.array(page.value("scratchvae.samples.codes[1]"))).all()
    assert not page.find("#path-strip").is_displayed()


# --- other pages


def test_names_stay_texts(page, table, folder):
    page.open(table[2])
    assert [button.text[2:] for button in page.find_all("#legend button")] == list(HOSTILE[:3])
    assert not page.find_all("main b:not(.term b, .hint b)") and not page.find_all("main img")
    model = sv.ConditionalVAE(64, 2, (8,), classes=HOSTILE, image_shape=(8, 8))
    x = np.random.default_rng(0).random((10, 64), np.float32)
    write_page(model, folder / "names.html", x, np.arange(10) % 5, title="".join(HOSTILE))
    page.open(folder / "names.html")
    options = page.run("return [...document.querySelectorAll('#class-choice option')].map((o) => o.textContent)")
    assert options == list(HOSTILE)
    assert page.text("h1 bdi") == "".join(HOSTILE) and page.driver.title.startswith(HOSTILE[0])
    assert len(page.find_all("script")) == 2 and not page.find_all("img")


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("name", ["digits", "conditional", "table"])
def test_nothing_is_wider_than_the_window(name, width, page, request):
    page.open(request.getfixturevalue(name)[2], width=width, height=740)
    assert page.run("return document.documentElement.scrollWidth") <= width
    beyond = page.run(
        """
        const scrolls = (e) => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
        return [...document.querySelectorAll('main *')]
          .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e.parentElement))
          .map((e) => e.outerHTML.slice(0, 80))
        """
    )
    assert beyond == []


def test_light_and_dark_have_colours_of_their_own(page, digits):
    colors = {}
    for theme in ("light", "dark"):
        page.open(digits[2], theme=theme)
        colors[theme] = (
            page.run("return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"),
            page.pixels("#plane-points"),
        )
    assert colors["light"][0] == ["rgb(246, 246, 244)", "rgb(29, 33, 38)"]
    assert colors["dark"][0] == ["rgb(20, 23, 26)", "rgb(232, 234, 236)"]
    assert colors["light"][1] != colors["dark"][1]


@pytest.mark.parametrize("name", ["digits", "conditional", "table"])
def test_every_control_and_picture_has_a_name_for_screen_readers(name, page, request):
    page.open(request.getfixturevalue(name)[2])
    nodes = [node for node in page.command("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    nodes = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    roles = {role.lower() for role, _ in nodes}
    assert {"button", "slider", "combobox", "application", "spinbutton"} <= roles
    controls = ("button", "slider", "combobox", "application", "spinbutton", "checkbox", "textbox", "image", "img")
    assert [node for node in nodes if node[0].lower() in controls and not node[1].strip()] == []


def test_an_autoencoder_has_no_elbo_and_no_samples(page, folder):
    model, rows = trained(sv.Autoencoder, latent_dim=2, hidden=(16,))
    write_page(model, folder / "autoencoder.html", rows.images, rows.labels)
    page.open(folder / "autoencoder.html")
    exact, x = in_double_precision(model), rows.images[:1]
    assert page.text("#elbo-title") == "log p(x|z) of this picture"
    assert number(page.text("#elbo-value")) == pytest.approx(exact.terms(x).value[0], abs=0.051)
    assert "has no prior" in page.text("#samples-note") and not page.find("#samples-again").is_displayed()
    start = np.array(place_of(page, code(page)))
    page.drag("#plane", start, start + np.array([30, 0]), start + np.array([60, 0]))
    assert decoded_matches(page, exact, code(page))


def test_a_page_without_rows_works(page, folder):
    model, _ = trained(latent_dim=3, hidden=(16,))
    write_page(model, folder / "without.html")
    page.open(folder / "without.html")
    assert "This page holds no rows of data." in page.text("footer")
    assert not page.find("#row-number").is_displayed()
    page.drag("#plane", (100, 100), (140, 160))
    assert decoded_matches(page, in_double_precision(model), code(page))


def test_one_latent_dimension_is_a_line(page, folder):
    model, rows = trained(latent_dim=1, hidden=(16,))
    write_page(model, folder / "one.html", rows.images, rows.labels)
    page.open(folder / "one.html")
    page.drag("#plane", (100, 100), (140, 160))
    assert np.isfinite(code(page)).all() and decoded_matches(page, in_double_precision(model), code(page))


def test_a_picture_in_colour_is_drawn_in_colour(page, folder):
    model = sv.VAE(6 * 5 * 3, 2, (8,), image_shape=(6, 5, 3), seed=0)
    x = np.random.default_rng(0).random((4, 90), np.float32)
    write_page(model, folder / "colour.html", x)
    page.open(folder / "colour.html")
    page.click("#pad-clear")
    page.choose("#drawing-tools input[type=color]", "#ff0000")
    width, height = page.run("const p = document.querySelector('.pad'); return [p.clientWidth, p.clientHeight]")
    assert height / width == pytest.approx(6 / 5, abs=0.02)
    page.drag(".pad", (width * 2.5 / 5, height * 3.5 / 6))  # the middle of a pixel
    red, green, blue = np.array(page.value("scratchvae.state.x")).reshape(-1, 3).T
    assert red.max() > 0.9 and not green.any() and not blue.any()
    pixels = page.run(
        "return Array.from(document.querySelector('.pad').getContext('2d').getImageData(2, 3, 1, 1).data)"
    )
    assert pixels[0] > 200 and pixels[1:] == [0, 0, 255]


def test_an_old_browser_is_told_so(window, digits):
    window.open(digits[2], before="delete window.DecompressionStream")
    assert window.text("#failure").startswith("This browser is too old")
    assert not window.find("#main").is_displayed()
    window.messages()


def test_the_reference_network_is_smooth(page, folder):
    model = sv.VAE(784, 20, (512,), image_shape=(28, 28))
    x = np.random.default_rng(0).random((3, 784), np.float32)
    write_page(model, folder / "reference.html", x)
    page.open(folder / "reference.html")
    milliseconds = page.run(
        """
        const { model, state } = scratchvae;
        const times = Array.from({ length: 30 }, () => {
          const start = performance.now();
          state.setCode(state.z.map((number) => number + 0.01));
          state.tell();
          return performance.now() - start;
        });
        return times.sort((a, b) => a - b)[15]
        """
    )
    assert milliseconds < 33  # of a frame, with all that follows a move of the code; 4 on an idle machine


def test_every_class_has_a_label_that_the_model_knows(page, folder):
    model = random_model("SemiSupervisedVAE", 0)
    x = rows_of(model, 8, 1)
    write_page(model, folder / "semi.html", x, np.array([0, 1, 2, 3, -1, -1, 0, 1]))
    page.open(folder / "semi.html")
    exact = in_double_precision(model)
    assert page.value("scratchvae.state.label") == exact.predict_proba(x[:1])[0].argmax()
    assert len(page.find_all("#class-choice option")) == K
    assert "The classifier takes the input for" in page.text("#class-note")
    assert page.text("#legend").split()[-2:] == ["no", "class"] or "no class" in page.text("#legend")
