"""Models: their settings, and each method that takes anything."""

import numpy as np
from refusals.table import (
    CLASSES,
    COUNTS,
    FLAGS,
    INPUTS,
    LATENT,
    NAMES,
    POSITIVES,
    REALS,
    SEEDS,
    SIZES,
    WIDTHS,
    X,
    Y,
    Z,
    data,
    each,
    labels,
    make,
    model,
    row,
    wrong,
    wrong_rows,
)  # fmt: skip

import scratchvae as sv
from scratchvae.errors import BackendError, ConfigError, DTypeError, RangeError, ShapeError

PLAIN = ("VAE", "Autoencoder", "IWAE")
TOLD = ("ConditionalVAE", "SemiSupervisedVAE")
KINDS = PLAIN + TOLD
BACKENDS = wrong(BackendError, "choose 'numpy'", None, "", "gpu", "NumPy", 3, ["numpy"], {}, np)
HIDDEN = np.where(np.arange(24).reshape(6, 4) % 5 == 0, np.nan, X)


def settings(kind):
    def of(name):
        return lambda value: make(kind, **{name: value})

    def size(name):
        return lambda value: getattr(sv, kind)(**{"input_dim": 4, "latent_dim": 2, "hidden": (3,), name: value})

    yield from each(kind, "input_dim", COUNTS, size("input_dim"))
    yield from each(kind, "latent_dim", COUNTS, size("latent_dim"))
    yield from each(kind, "hidden", WIDTHS, size("hidden"))
    yield row(kind, "hidden", "of a huge one", lambda: size("hidden")((3, 10**30)), ConfigError, "at most")
    for name in ("activation", "likelihood", "dtype"):
        yield from each(kind, name, NAMES, of(name))
    yield from each(
        kind, "dtype", wrong(ConfigError, "choose one of", "float16", np.float32, np.dtype("f4")), of("dtype")
    )
    yield from each(kind, "init", [w for w in NAMES if w.value is not None], of("init"))
    yield from each(kind, "beta", REALS, of("beta"))
    yield from each(kind, "free_bits", REALS, of("free_bits"))
    yield from each(kind, "seed", SEEDS, of("seed"))
    yield from each(kind, "missing", FLAGS, of("missing"))
    yield from each(kind, "backend", BACKENDS, of("backend"))
    for likelihood in ("gaussian", "gaussian_learnt"):
        widths = [w for w in POSITIVES if w.value is not None] + list(
            wrong(ConfigError, "scale the data", 1e-200, 1e200)
        )
        yield from each(kind, "sigma", widths, lambda v, of=likelihood: make(kind, likelihood=of, sigma=v))
    yield row(
        kind, "sigma", "where there is none", lambda: make(kind, sigma=1.0), ConfigError, "sigma=1.0", "leave it out"
    )
    pairs = wrong(ConfigError, f"{INPUTS} pixels", (3, 3), (4,), (2, 2, 1), ())
    yield from each(kind, "image_shape", pairs, of("image_shape"))
    yield from each(kind, "image_shape", [w for w in WIDTHS if w.value is not None], of("image_shape"))


def of_settings():
    for kind in KINDS:
        yield from settings(kind)
    yield from each("IWAE", "importance_samples", COUNTS, lambda v: make("IWAE", importance_samples=v))
    yield row(
        "IWAE", "beta", "that weighs nothing", lambda: make("IWAE", beta=2.0), ConfigError, "beta=2.0", "leave beta out"
    )
    yield row(
        "IWAE", "free_bits", "of no KL", lambda: make("IWAE", free_bits=0.1), ConfigError, "0.1", "leave free_bits out"
    )
    for kind in TOLD:
        more = wrong(ConfigError, "expected a whole number of at least 2", 1, 0)
        yield from each(kind, "classes", SIZES + more, lambda v, kind=kind: getattr(sv, kind)(4, 2, (3,), classes=v))
        yield row(
            kind, "missing", "of labelled rows", lambda kind=kind: make(kind, missing=True), ConfigError, "missing=True"
        )
    alphas = [w for w in REALS if w.value is not None]
    yield from each("SemiSupervisedVAE", "alpha", alphas, lambda v: make("SemiSupervisedVAE", alpha=v))
    yield row(
        "SemiSupervisedVAE",
        "free_bits",
        "by row and class",
        lambda: make("SemiSupervisedVAE", free_bits=0.1),
        ConfigError,
        "leave them out",
    )


def told(kind):
    """What a model needs besides rows, to be asked of them."""
    return {"labels": Y} if kind == "ConditionalVAE" else {}


def few(kind, count):
    return {name: value[:count] for name, value in told(kind).items()}


TAKE_ROWS = {
    "VAE": ("encode", "embed", "reconstruct", "elbo", "terms", "loss_and_grads", "denoise"),
    "IWAE": ("elbo", "loss_and_grads"),
    "Autoencoder": ("encode", "embed", "reconstruct", "terms", "loss_and_grads", "denoise"),
    "ConditionalVAE": ("encode", "embed", "reconstruct", "elbo", "terms", "loss_and_grads", "transfer"),
    "SemiSupervisedVAE": ("encode", "elbo", "terms", "loss_and_grads", "predict_proba", "classify"),
}


def of_rows():
    for kind, methods in TAKE_ROWS.items():
        for method in methods:
            asked = {} if kind != "ConditionalVAE" else {"labels": 0}
            of = f"{kind}.{method}"
            yield from each(
                of, "x", data("x", INPUTS), lambda x, k=kind, m=method, a=asked: getattr(model(k), m)(x, **a)
            )
    gaussian = data("x", INPUTS, support=None)
    yield from each("VAE.encode", "x", gaussian, lambda x: model("VAE", likelihood="gaussian_learnt").encode(x))
    yield from each("VAE.elbo", "x", data("x", INPUTS, missing=True), lambda x: model("VAE", missing=True).elbo(x))
    for kind in KINDS:
        m = lambda kind=kind: model(kind)  # noqa: E731
        asked = {"labels": 0} if kind == "ConditionalVAE" else {}
        z = data("z", LATENT, support=None)
        yield from each(f"{kind}.decode", "z", z, lambda v, m=m, a=asked: m().decode(v, **a))
        huge = np.full((2, LATENT), 1e300)
        yield row(
            f"{kind}.decode",
            "z",
            "beyond float32",
            lambda m=m, v=huge, a=asked: m().decode(v, **a),
            RangeError,
            "1e+300",
        )


def of_noise():
    for kind in ("VAE", "IWAE", "ConditionalVAE", "SemiSupervisedVAE"):
        noise = 20 * LATENT if kind == "IWAE" else LATENT
        for method in ("elbo", "terms", "loss_and_grads"):
            asks = lambda m=method, kind=kind, **v: getattr(model(kind), m)(X, **v, **told(kind))  # noqa: E731
            of = f"{kind}.{method}"
            wrong_eps = [w for w in data("eps", noise, support=None) if w.value is not None]
            yield from each(of, "eps", wrong_eps, lambda v, a=asks: a(eps=v))
            short = np.zeros((5, noise))
            yield row(
                of,
                "eps",
                "of fewer rows",
                lambda a=asks, v=short: a(eps=v),
                ShapeError,
                "5 rows",
                "6",
                "one row of noise",
            )
            yield from each(of, "seed", SEEDS, lambda v, a=asks: a(seed=v))
    for kind in ("VAE", "Autoencoder", "ConditionalVAE", "SemiSupervisedVAE"):
        clean = [w for w in data("corrupted", INPUTS) if w.value is not None]
        of = f"{kind}.terms"
        yield from each(of, "corrupted", clean, lambda v, k=kind: model(k).terms(X[:2], corrupted=v, **few(k, 2)))
        rows = np.full((5, INPUTS), 0.5)
        yield row(
            of,
            "corrupted",
            "of fewer rows",
            lambda k=kind, v=rows: model(k).terms(X, corrupted=v, **told(k)),
            ShapeError,
            "5 rows",
            "6",
            "expected",
        )


def of_labels():
    for kind, methods in (
        ("ConditionalVAE", ("encode", "embed", "reconstruct", "elbo", "terms", "loss_and_grads", "transfer")),
        ("SemiSupervisedVAE", ("encode", "elbo", "terms", "loss_and_grads")),
    ):
        some = kind == "SemiSupervisedVAE"
        for method in methods:
            asks = lambda v, k=kind, m=method: getattr(model(k), m)(X, labels=v)  # noqa: E731
            yield from each(f"{kind}.{method}", "labels", labels(6, CLASSES, some), asks)
            if not some:
                yield row(
                    f"{kind}.{method}",
                    "labels",
                    "left out",
                    lambda a=asks: a(None),
                    ConfigError,
                    "0 to 2: pass labels=",
                )
    for kind in TOLD:
        every = labels(6, CLASSES)
        yield from each(f"{kind}.decode", "labels", every, lambda v, k=kind: model(k).decode(Z, labels=v))
        yield row(
            f"{kind}.decode", "labels", "left out", lambda k=kind: model(k).decode(Z), ConfigError, "pass labels="
        )
        yield from each(f"{kind}.sample", "labels", every, lambda v, k=kind: model(k).sample(6, labels=v))
        yield row(f"{kind}.walk", "labels", "left out", lambda k=kind: model(k).walk(), ConfigError, "pass labels=")
    yield from each("ConditionalVAE.told", "labels", labels(6, CLASSES), during_told)
    for method in ("encode", "embed", "reconstruct", "transfer"):
        yield row(
            f"SemiSupervisedVAE.{method}",
            "labels",
            "of an unknown class to decode",
            lambda: model("SemiSupervisedVAE").decode(Z, labels=-1),
            RangeError,
            "labels hold -1",
            "expected 0 to 2",
        )


def during_told(labels):
    with model("ConditionalVAE").told(labels):
        model("ConditionalVAE").reconstruct(X)


def of_latent_space():
    for kind in KINDS:
        sampled = kind != "Autoencoder"
        m = lambda kind=kind: model(kind)  # noqa: E731
        if sampled:
            yield from each(f"{kind}.sample", "count", COUNTS, lambda v, m=m: m().sample(v))
            yield from each(f"{kind}.sample", "seed", SEEDS, lambda v, m=m: m().sample(2, seed=v))
        yield from each(f"{kind}.astype", "dtype", NAMES, lambda v, m=m: m().astype(v))
    steps = SIZES + wrong(ConfigError, "at least 2", 0, 1)
    for kind in ("VAE", "Autoencoder"):
        m = lambda kind=kind: model(kind)  # noqa: E731
        of = f"{kind}.interpolate"
        yield from each(of, "steps", steps, lambda v, m=m: m().interpolate(X[0], X[1], v))
        yield from each(of, "kind", NAMES, lambda v, m=m: m().interpolate(X[0], X[1], kind=v))
        for name in ("a", "b"):
            end = one_row(name)
            yield from each(of, name, end, lambda v, m=m, n=name: m().interpolate(**{"a": X[0], "b": X[1], n: v}))
            yield from each(f"{kind}.analogy", name, group(name), lambda v, m=m, n=name: analogy(m(), n, v))
        yield from each(f"{kind}.analogy", "c", group("c"), lambda v, m=m: analogy(m(), "c", v))
        yield from each(
            f"{kind}.walk", "x", [w for w in one_row("x") if w.value is not None], lambda v, m=m: m().walk(v)
        )
        few = SIZES + wrong(ConfigError, "dimensions 0 to 1", LATENT, 100)
        yield from each(f"{kind}.walk", "dimension", few, lambda v, m=m: m().walk(dimension=v))
        yield from each(f"{kind}.walk", "values", PATH, lambda v, m=m: m().walk(values=v))


def group(name):
    """What is neither a row nor rows."""
    return [w for w in data(name, INPUTS) if w.label not in ("as one row", "an empty list")]


def one_row(name):
    """What is no row (D,)."""
    wide = f"expected ({INPUTS},)"
    return (
        *(w for w in data(name, INPUTS) if w.error is DTypeError),
        *wrong_rows(name, ("a number", 0.5, ShapeError, "()", wide), ("an empty list", [], ShapeError, "(0,)", wide)),
        *wrong_rows(
            name, ("NaN", np.full(INPUTS, np.nan), RangeError, "NaN"), ("narrow", X[0, 1:], ShapeError, "(3,)", wide)
        ),
        *wrong_rows(name, ("two rows", X[:2], ShapeError, wide), ("above 1", X[0] + 1, RangeError, "0 to 1")),
    )


def analogy(of, name, value):
    return of.analogy(**{"a": X[0], "b": X[1], "c": X[2], name: value})


PATH = wrong_rows(
    "values",
    ("a number", 3.0, ShapeError, "()", "expected (T,)"),
    ("empty", [], ShapeError, "(0,)", "expected (T,)"),
    ("a table", np.ones((2, 2)), ShapeError, "(2, 2)", "expected (T,)"),
    ("a str", "steps", DTypeError, "'steps'", "expected"),
    ("ragged", [[1.0], [1.0, 2.0]], DTypeError, "expected"),
    ("complex", [1j], DTypeError, "complex128", "expected"),
    ("a dict", {}, DTypeError, "{}", "expected"),
    ("NaN", [np.nan], RangeError, "NaN"),
    ("inf", [np.inf], RangeError, "infinite"),
    ("beyond float32", [1e300], RangeError, "1e+300"),
)


def of_denoising_and_completion():
    yield from each("VAE.denoise", "draws", SIZES, lambda v: model().denoise(X, draws=v))
    yield from each("VAE.denoise", "seed", SEEDS, lambda v: model().denoise(X, draws=1, seed=v))
    of, asks = "VAE.complete", lambda **v: model().complete(**{"x": HIDDEN, "samples": 2, **v})
    yield from each(of, "x", data("x", INPUTS, missing=True), lambda v: asks(x=v))
    yield from each(of, "method", NAMES, lambda v: asks(method=v))
    yield from each(of, "values", NAMES, lambda v: asks(values=v, draws=1))
    yield from each(of, "draws", [w for w in COUNTS if w.value is not None], lambda v: asks(draws=v))
    yield from each(of, "samples", COUNTS, lambda v: asks(samples=v))
    yield from each(of, "seed", SEEDS, lambda v: asks(seed=v))
    masks = wrong_rows(
        "observed",
        ("of numbers", np.ones_like(X), DTypeError, "float64", "expected booleans"),
        ("of bytes", np.ones(X.shape, np.uint8), DTypeError, "uint8", "expected booleans"),
        ("a str", "all", DTypeError, "expected booleans"),
        ("a bool", True, ShapeError, "()", "expected the same"),
        ("of one row", np.ones(INPUTS, bool), ShapeError, f"({INPUTS},)", "expected the same"),
        ("of fewer rows", np.ones((5, INPUTS), bool), ShapeError, f"(5, {INPUTS})", "expected the same"),
        ("ragged", [[True], [True, False]], DTypeError, "expected"),
        ("a dict", {}, DTypeError, "expected booleans"),
    )
    yield from each(of, "observed", masks, lambda v: asks(x=X, observed=v))
    for kind in TOLD:
        yield row(
            f"{kind}.complete",
            "complete",
            "of classes",
            lambda k=kind: model(k).complete(X),
            ConfigError,
            "told no class",
            kind,
        )


def of_what_is_underneath():
    """What the methods above are made of, for those who train with a loop of their own."""
    for kind in ("VAE", "IWAE", "Autoencoder", "ConditionalVAE", "SemiSupervisedVAE"):
        yield row(
            f"{kind}.backward",
            "backward",
            "before forward",
            lambda k=kind: backward(k),
            ShapeError,
            "call forward first",
        )
    yield from each(
        "VAE.reserve",
        "batch",
        [w for w in SIZES if w.label[0] != "-" and "-1" not in w.label],
        lambda v: model().reserve(v),
    )
    far = np.full(INPUTS, 2.0)
    yield row(
        "VAE.start_output_bias",
        "mean",
        "beyond the support",
        lambda: model().start_output_bias(far),
        RangeError,
        "0 to 1",
    )


def backward(kind):
    fresh = make(kind)
    fresh.backward()


ROWS = [
    *of_settings(), *of_rows(), *of_noise(), *of_labels(), *of_latent_space(), *of_denoising_and_completion(),
    *of_what_is_underneath(),
]  # fmt: skip
