"""Refusals of models: settings and the arguments of methods."""

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
    labels,
    make,
    model,
    refuse_all,
    refuse_one,
    row,
    wrong,
    wrong_rows,
)  # fmt: skip

import scratchvae as sv
from scratchvae import layers, probability
from scratchvae.errors import BackendError, ConfigError, DTypeError, RangeError, ShapeError

PLAIN = ("VAE", "Autoencoder", "IWAE")
LABELLED = ("ConditionalVAE", "SemiSupervisedVAE")
KINDS = PLAIN + LABELLED
BACKENDS = wrong(BackendError, "choose 'numpy'", None, "", "gpu", "NumPy", 3, ["numpy"], {}, np)
HIDDEN = np.where(np.arange(24).reshape(6, 4) % 5 == 0, np.nan, X)


def settings(kind):
    def function(name):
        return lambda value: make(kind, **{name: value})

    def size(name):
        return lambda value: getattr(sv, kind)(**{"input_dim": 4, "latent_dim": 2, "hidden": (3,), name: value})

    yield from refuse_one(kind, "input_dim", [w for w in COUNTS if w.value is not None], size("input_dim"))
    yield from refuse_one(kind, "latent_dim", COUNTS, size("latent_dim"))
    yield from refuse_one(kind, "hidden", [w for w in WIDTHS if w.value is not None], size("hidden"))
    yield row(kind, "hidden", "of a huge one", lambda: size("hidden")((3, 10**30)), ConfigError, "at most")
    for name in ("likelihood", "dtype", "architecture"):
        yield from refuse_one(kind, name, NAMES, function(name))
    activations = wrong(ConfigError, "choose one of", "", "nosuch")
    activations += wrong(ConfigError, "expected a name, or a layer", None, 3, True, ["relu"], {}, object, np.tanh)
    activations += wrong(ConfigError, "needs arguments", layers.Linear)
    yield from refuse_one(kind, "activation", activations, function("activation"))
    yield from refuse_one(
        kind, "dtype", wrong(ConfigError, "choose one of", "float16", np.float32, np.dtype("f4")), function("dtype")
    )
    yield from refuse_one(kind, "init", [w for w in NAMES if w.value is not None], function("init"))
    yield from refuse_one(kind, "beta", REALS, function("beta"))
    yield from refuse_one(kind, "free_bits", REALS, function("free_bits"))
    yield from refuse_one(kind, "seed", SEEDS, function("seed"))
    yield from refuse_one(kind, "missing", FLAGS, function("missing"))
    yield from refuse_one(
        kind, "decoder_hidden", [w for w in WIDTHS if w.value is not None], function("decoder_hidden")
    )
    conv = lambda **s: make(kind, architecture="conv", **s)  # noqa: E731
    yield row(kind, "image_shape", "none for convolutions", conv, ConfigError, "architecture='conv' needs image_shape")
    tiny = lambda: conv(image_shape=(2, 2))  # noqa: E731
    yield row(kind, "image_shape", "too small for convolutions", tiny, ConfigError, "(2, 2)", "at least 4 × 4", "'mlp'")
    yield from refuse_one(kind, "backend", BACKENDS, function("backend"))
    for likelihood in ("gaussian", "gaussian_learned"):
        widths = POSITIVES + wrong(ConfigError, "scale the data", 1e-200, 1e200)
        yield from refuse_one(
            kind, "sigma", widths, lambda v, function=likelihood: make(kind, likelihood=function, sigma=v)
        )
    yield row(
        kind, "sigma", "where there is none", lambda: make(kind, sigma=1.0), ConfigError, "sigma=1.0", "leave it out"
    )
    pairs = wrong(ConfigError, f"of {INPUTS} numbers", (3, 3), (4,), (2, 2, 2), (1, 2, 2, 1), ())
    yield from refuse_one(kind, "image_shape", pairs, function("image_shape"))
    numbers = wrong(ConfigError, "(height, width) or (height, width, channels), such as (64, 64)", 4, 2.0)
    yield from refuse_one(kind, "image_shape", numbers, function("image_shape"))
    own = getattr(sv, kind)
    yield from refuse_one(kind, "image_shape", numbers, lambda v: own(image_shape=v))
    yield from refuse_one(kind, "image_shape", [w for w in WIDTHS if w.value is not None], function("image_shape"))


class Lacking(probability.Prior):
    """Defines one of three methods."""

    def forward(self, z):
        return z.sum(axis=1)


class CustomBernoulli(probability.Bernoulli):
    """A custom likelihood."""


PARTS = {
    "encoder": "expected a layer",
    "decoder": "expected a layer",
    "posterior": "expected a posterior",
    "prior": "expected a prior",
    "objective": "expected an objective",
}


def part_rows(kind):
    """Custom parts."""
    for name, instruction in PARTS.items():
        refused = {"Autoencoder": ("posterior", "prior", "objective"), "IWAE": ("objective",)}
        odd = wrong(ConfigError, instruction, 3, "relu", [], {}, True, layers.ReLU, np.tanh, probability.Bernoulli())
        yield from refuse_one(kind, name, odd, lambda v, n=name, k=kind: make(k, **{n: v}))
        if name in refused.get(kind, ()) + ("objective",) * (kind == "SemiSupervisedVAE"):
            right = {
                "posterior": probability.DiagonalGaussian,
                "prior": probability.StandardNormal,
                "objective": sv.objectives.ELBO,
            }[name]
            unexpected = lambda n=name, r=right, k=kind: make(k, **{n: r()})  # noqa: E731
            yield row(kind, name, "where there is none of one's own", unexpected, ConfigError, "VAE")
    yield from refuse_one(
        kind,
        "likelihood",
        wrong(ConfigError, "choose one of", 3, [], {}, True, probability.Gaussian, layers.ReLU()),
        lambda v, k=kind: make(k, likelihood=v),
    )
    both = lambda k=kind: make(k, likelihood=probability.Gaussian(), sigma=0.5)  # noqa: E731
    yield row(kind, "sigma", "beside a likelihood", both, ConfigError, "pass sigma to the likelihood")
    if kind in ("VAE", "Autoencoder"):
        for name, wide in {"encoder": 4, "decoder": 2}.items():
            narrow = lambda n=name, w=wide, k=kind: make(k, **{n: layers.Linear(w, 3)})  # noqa: E731
            yield row(kind, name, "that puts out another width", narrow, ConfigError, "3 outputs", "expected")
            other = lambda n=name, k=kind: make(k, **{n: layers.Linear(7, 4)})  # noqa: E731
            yield row(kind, name, "that takes another width", other, ConfigError, "Linear(7, 4)", "expected 7")
        for name, value in {"hidden": (7,), "activation": "tanh", "init": "he_normal"}.items():
            own = {"encoder": layers.Linear(4, 4 if kind == "VAE" else 2), "decoder": layers.Linear(2, 4)}
            unused = lambda n=name, v=value, o=own, k=kind: getattr(sv, k)(4, 2, **o, **{n: v})  # noqa: E731
            yield row(kind, name, "beside networks of one's own", unused, ConfigError, "has no effect", "leave it out")
    make_model = lambda k=kind, **v: getattr(sv, k)(4, 2, **({"classes": 3} if k in LABELLED else {}), **v)  # noqa: E731
    conditional = lambda classes=3: layers.ConditionalSequential(layers.ConditionalLinear(4, classes, 4))  # noqa: E731
    for name in ("encoder", "decoder"):
        if kind in LABELLED:
            plain = lambda n=name, o=make_model: o(**{n: layers.Linear(4, 4)})  # noqa: E731
            yield row(kind, name, "that takes no class", plain, ConfigError, "expected a ConditionalSequential")
            fewer = lambda n=name, o=make_model: o(**{n: conditional(2)})  # noqa: E731
            yield row(kind, name, "of fewer classes", fewer, ConfigError, "2 classes", "classes=3", "make them equal")
        else:
            labelled = lambda n=name, o=make_model: o(**{n: conditional()})  # noqa: E731
            yield row(kind, name, "that takes a class", labelled, ConfigError, "use it in a ConditionalVAE")
    shared = {
        "encoder": lambda k=kind: conditional() if k in LABELLED else layers.Linear(4, 2 if k == "Autoencoder" else 4),
        "likelihood": CustomBernoulli,
        **({} if kind == "Autoencoder" else {"prior": probability.StandardNormal}),
    }
    for name, make_part in shared.items():
        shared_part = lambda n=name, m=make_part, o=make_model: [o(**{n: part}) for part in [m()] * 2]  # noqa: E731
        yield row(
            kind, name, "of another model", shared_part, ConfigError, "belongs to another model", "make a new one"
        )
    if kind == "VAE":
        lacking = lambda: make("VAE", prior=Lacking())  # noqa: E731
        yield row(kind, "prior", "that lacks methods", lacking, ConfigError, "Lacking", "backward and draw", "write it")
        for name, value in {"beta": 2.0, "free_bits": 0.1}.items():
            objective = lambda n=name, v=value: make("VAE", objective=sv.objectives.ELBO(), **{n: v})  # noqa: E731
            yield row(kind, name, "beside an objective", objective, ConfigError, "has no effect", "leave it out")


def setting_rows():
    for kind in KINDS:
        yield from settings(kind)
    for kind in KINDS:
        yield from part_rows(kind)
    yield from refuse_one("IWAE", "importance_samples", COUNTS, lambda v: make("IWAE", importance_samples=v))
    yield row(
        "IWAE", "beta", "that weighs nothing", lambda: make("IWAE", beta=2.0), ConfigError, "beta=2.0", "leave beta out"
    )
    yield row(
        "IWAE", "free_bits", "of no KL", lambda: make("IWAE", free_bits=0.1), ConfigError, "0.1", "leave free_bits out"
    )
    for kind in LABELLED:
        more = wrong(ConfigError, "expected a whole number of at least 2", 1, 0)
        yield from refuse_one(
            kind, "classes", SIZES + more, lambda v, kind=kind: getattr(sv, kind)(4, 2, (3,), classes=v)
        )
        yield row(
            kind, "missing", "of labelled rows", lambda kind=kind: make(kind, missing=True), ConfigError, "missing=True"
        )
    alphas = [w for w in REALS if w.value is not None]
    yield from refuse_one("SemiSupervisedVAE", "alpha", alphas, lambda v: make("SemiSupervisedVAE", alpha=v))
    yield row(
        "SemiSupervisedVAE",
        "free_bits",
        "by row and class",
        lambda: make("SemiSupervisedVAE", free_bits=0.1),
        ConfigError,
        "leave them out",
    )


def labels_for(kind):
    """Further arguments that the methods of a model need."""
    return {"labels": Y} if kind == "ConditionalVAE" else {}


def labels_of_first(kind, count):
    return {name: value[:count] for name, value in labels_for(kind).items()}


TAKE_ROWS = {
    "VAE": (
        *("encode", "embed", "reconstruct", "elbo", "terms", "loss_and_grads", "denoise"),
        *("score_samples", "anomaly_score", "posterior_sample", "posterior_predictive"),
    ),
    "IWAE": ("elbo", "loss_and_grads"),
    "Autoencoder": ("encode", "embed", "reconstruct", "terms", "loss_and_grads", "denoise", "anomaly_score"),
    "ConditionalVAE": ("encode", "embed", "reconstruct", "elbo", "terms", "loss_and_grads", "swap_class"),
    "SemiSupervisedVAE": ("encode", "elbo", "terms", "loss_and_grads", "predict_proba", "classify"),
}


def data_rows():
    for kind, methods in TAKE_ROWS.items():
        for method in methods:
            label_arguments = {} if kind != "ConditionalVAE" else {"labels": 0}
            function = f"{kind}.{method}"
            yield from refuse_one(
                function,
                "x",
                data("x", INPUTS),
                lambda x, k=kind, m=method, a=label_arguments: getattr(model(k), m)(x, **a),
            )
    gaussian = data("x", INPUTS, support=None)
    yield from refuse_one("VAE.encode", "x", gaussian, lambda x: model("VAE", likelihood="gaussian_learned").encode(x))
    yield from refuse_one(
        "VAE.elbo", "x", data("x", INPUTS, missing=True), lambda x: model("VAE", missing=True).elbo(x)
    )
    for kind in KINDS:
        m = lambda kind=kind: model(kind)  # noqa: E731
        label_arguments = {"labels": 0} if kind == "ConditionalVAE" else {}
        z = data("z", LATENT, support=None)
        yield from refuse_one(f"{kind}.decode", "z", z, lambda v, m=m, a=label_arguments: m().decode(v, **a))
        huge = np.full((2, LATENT), 1e300)
        yield row(
            f"{kind}.decode",
            "z",
            "beyond float32",
            lambda m=m, v=huge, a=label_arguments: m().decode(v, **a),
            RangeError,
            "1e+300",
        )


def noise_rows():
    for kind in ("VAE", "IWAE", "ConditionalVAE", "SemiSupervisedVAE"):
        noise = 20 * LATENT if kind == "IWAE" else LATENT
        for method in ("elbo", "terms", "loss_and_grads"):
            compute = lambda m=method, kind=kind, **v: getattr(model(kind), m)(X, **v, **labels_for(kind))  # noqa: E731
            function = f"{kind}.{method}"
            wrong_eps = [w for w in data("eps", noise, support=None) if w.value is not None]
            yield from refuse_one(function, "eps", wrong_eps, lambda v, a=compute: a(eps=v))
            short = np.zeros((5, noise))
            yield row(
                function,
                "eps",
                "of fewer rows",
                lambda a=compute, v=short: a(eps=v),
                ShapeError,
                "5 rows",
                "6",
                "one row of noise",
            )
            yield from refuse_one(function, "seed", SEEDS, lambda v, a=compute: a(seed=v))
            if method == "elbo":
                yield from refuse_one(function, "draws", COUNTS, lambda v, a=compute: a(draws=v))
    for method, count in (
        ("score_samples", "samples"),
        ("anomaly_score", "samples"),
        ("posterior_sample", "draws"),
        ("posterior_predictive", "draws"),
    ):
        compute = lambda m=method, **v: getattr(model("VAE"), m)(X, **v)  # noqa: E731
        yield from refuse_one(f"VAE.{method}", count, COUNTS, lambda v, a=compute, c=count: a(**{c: v}))
        yield from refuse_one(f"VAE.{method}", "seed", SEEDS, lambda v, a=compute: a(seed=v))
    for method, name in (("anomaly_score", "method"), ("posterior_predictive", "values")):
        choose = lambda v, m=method, n=name: getattr(model("VAE"), m)(X, **{n: v})  # noqa: E731
        yield from refuse_one(f"VAE.{method}", name, NAMES, choose)
    for kind in ("VAE", "Autoencoder", "ConditionalVAE", "SemiSupervisedVAE"):
        clean = [w for w in data("corrupted", INPUTS) if w.value is not None]
        function = f"{kind}.terms"
        yield from refuse_one(
            function, "corrupted", clean, lambda v, k=kind: model(k).terms(X[:2], corrupted=v, **labels_of_first(k, 2))
        )
        rows = np.full((5, INPUTS), 0.5)
        yield row(
            function,
            "corrupted",
            "of fewer rows",
            lambda k=kind, v=rows: model(k).terms(X, corrupted=v, **labels_for(k)),
            ShapeError,
            "5 rows",
            "6",
            "expected",
        )


def label_rows():
    for kind, methods in (
        (
            "ConditionalVAE",
            ("encode", "embed", "reconstruct", "elbo", "terms", "loss_and_grads", "swap_class", "score_samples"),
        ),
        ("SemiSupervisedVAE", ("encode", "elbo", "terms", "loss_and_grads")),
    ):
        some = kind == "SemiSupervisedVAE"
        for method in methods:
            compute = lambda v, k=kind, m=method: getattr(model(k), m)(X, labels=v)  # noqa: E731
            yield from refuse_one(f"{kind}.{method}", "labels", labels(6, CLASSES, some), compute)
            if not some:
                yield row(
                    f"{kind}.{method}",
                    "labels",
                    "left out",
                    lambda a=compute: a(None),
                    ConfigError,
                    "0 to 2: pass labels=",
                )
    for kind in LABELLED:
        wrong_labels = labels(6, CLASSES)
        yield from refuse_one(f"{kind}.decode", "labels", wrong_labels, lambda v, k=kind: model(k).decode(Z, labels=v))
        yield row(
            f"{kind}.decode", "labels", "left out", lambda k=kind: model(k).decode(Z), ConfigError, "pass labels="
        )
        yield from refuse_one(f"{kind}.sample", "labels", wrong_labels, lambda v, k=kind: model(k).sample(6, labels=v))
        yield row(
            f"{kind}.traverse", "labels", "left out", lambda k=kind: model(k).traverse(), ConfigError, "pass labels="
        )
        traverse = lambda v, k=kind: model(k).traverse(labels=v)  # noqa: E731
        yield from refuse_one(f"{kind}.traverse", "labels", labels(11, CLASSES), traverse)
        between = lambda v, k=kind: model(k).interpolate(X[0], X[1], labels=v)  # noqa: E731
        alike = lambda v, k=kind: model(k).analogy(X[:2], X[2:4], X[4:], labels=v)  # noqa: E731
        for name, call, rows in (("interpolate", between, 1), ("analogy", alike, 2)):
            wrongs = [w for w in labels(rows, CLASSES) if w.label != "too low" or kind == "ConditionalVAE"]
            yield from refuse_one(f"{kind}.{name}", "labels", wrongs, call)
            unknown = lambda c=call: c(-1)  # noqa: E731
            yield row(f"{kind}.{name}", "labels", "of no class", unknown, RangeError, "-1", "expected 0 to 2")
            none = lambda c=call: c(None)  # noqa: E731
            yield row(f"{kind}.{name}", "labels", "left out", none, ConfigError, "pass labels=")
    for method in ("encode", "embed", "reconstruct", "swap_class"):
        yield row(
            f"SemiSupervisedVAE.{method}",
            "labels",
            "of an unknown class to decode",
            lambda: model("SemiSupervisedVAE").decode(Z, labels=-1),
            RangeError,
            "labels hold -1",
            "expected 0 to 2",
        )


def latent_space_rows():
    for kind in KINDS:
        sampled = kind != "Autoencoder"
        m = lambda kind=kind: model(kind)  # noqa: E731
        if sampled:
            yield from refuse_one(f"{kind}.sample", "count", COUNTS, lambda v, m=m: m().sample(v))
            yield from refuse_one(f"{kind}.sample", "seed", SEEDS, lambda v, m=m: m().sample(2, seed=v))
        yield from refuse_one(f"{kind}.astype", "dtype", NAMES, lambda v, m=m: m().astype(v))
    steps = SIZES + wrong(ConfigError, "at least 2", 0, 1)
    for kind in ("VAE", "Autoencoder"):
        m = lambda kind=kind: model(kind)  # noqa: E731
        function = f"{kind}.interpolate"
        yield from refuse_one(function, "steps", steps, lambda v, m=m: m().interpolate(X[0], X[1], v))
        yield from refuse_one(function, "kind", NAMES, lambda v, m=m: m().interpolate(X[0], X[1], kind=v))
        for name in ("a", "b"):
            refuse = refuse_all if (kind, name) == ("VAE", "a") else refuse_one
            yield from refuse(
                function, name, one_row(name), lambda v, m=m, n=name: m().interpolate(**{"a": X[0], "b": X[1], n: v})
            )
            yield from refuse(f"{kind}.analogy", name, group(name), lambda v, m=m, n=name: analogy(m(), n, v))
        yield from refuse_one(f"{kind}.analogy", "c", group("c"), lambda v, m=m: analogy(m(), "c", v))
        yield from refuse_one(
            f"{kind}.traverse", "x", [w for w in one_row("x") if w.value is not None], lambda v, m=m: m().traverse(v)
        )
        dimensions = SIZES + wrong(ConfigError, "dimensions 0 to 1", LATENT, 100)
        yield from refuse_one(f"{kind}.traverse", "dimension", dimensions, lambda v, m=m: m().traverse(dimension=v))
        refuse = refuse_all if kind == "VAE" else refuse_one
        yield from refuse(f"{kind}.traverse", "values", PATH, lambda v, m=m: m().traverse(values=v))


def group(name):
    """Values that are neither a row nor rows."""
    return [w for w in data(name, INPUTS) if w.label not in ("as one row", "an empty list")]


def one_row(name):
    """Values that are not a row (D,)."""
    wide = f"expected ({INPUTS},)"
    return (
        *(w for w in data(name, INPUTS) if w.error is DTypeError),
        *wrong_rows(name, ("a number", 0.5, ShapeError, "()", wide), ("an empty list", [], ShapeError, "(0,)", wide)),
        *wrong_rows(
            name, ("NaN", np.full(INPUTS, np.nan), RangeError, "NaN"), ("narrow", X[0, 1:], ShapeError, "(3,)", wide)
        ),
        *wrong_rows(name, ("two rows", X[:2], ShapeError, wide), ("above 2", X[0] + 2, RangeError, "-1 to 2")),
    )


def schema_rows():
    schemas = wrong(ConfigError, "expected a Schema", None, 3, {}, "x", sv.models.Schema)
    yield from refuse_all("VAE.schema", "schema", schemas, lambda v: setattr(make("VAE"), "schema", v))


def analogy(function, name, value):
    return function.analogy(**{"a": X[0], "b": X[1], "c": X[2], name: value})


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


def denoise_and_impute_rows():
    yield from refuse_one("VAE.denoise", "draws", SIZES, lambda v: model().denoise(X, draws=v))
    yield from refuse_one("VAE.denoise", "seed", SEEDS, lambda v: model().denoise(X, draws=1, seed=v))
    function, compute = "VAE.impute", lambda **v: model().impute(**{"x": HIDDEN, "samples": 2, **v})
    yield from refuse_one(function, "x", data("x", INPUTS, missing=True), lambda v: compute(x=v))
    yield from refuse_one(function, "method", NAMES, lambda v: compute(method=v))
    yield from refuse_one(function, "values", NAMES, lambda v: compute(values=v, draws=1))
    yield from refuse_one(function, "draws", [w for w in COUNTS if w.value is not None], lambda v: compute(draws=v))
    yield from refuse_one(function, "samples", COUNTS, lambda v: compute(samples=v))
    yield from refuse_one(function, "seed", SEEDS, lambda v: compute(seed=v))
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
    yield from refuse_all(function, "observed", masks, lambda v: compute(x=X, observed=v))
    for kind in LABELLED:
        yield row(
            f"{kind}.impute",
            "impute",
            "of classes",
            lambda k=kind: model(k).impute(X),
            ConfigError,
            "without labels",
            kind,
        )


def low_level_rows():
    """Methods for custom training loops."""
    for kind in ("VAE", "IWAE", "Autoencoder", "ConditionalVAE", "SemiSupervisedVAE"):
        yield row(
            f"{kind}.backward",
            "backward",
            "before forward",
            lambda k=kind: backward(k),
            ShapeError,
            "call forward first",
        )
    yield from refuse_one(
        "VAE.ensure_capacity",
        "batch",
        [w for w in SIZES if w.label[0] != "-" and "-1" not in w.label],
        lambda v: model().ensure_capacity(v),
    )
    far = np.full(INPUTS, 2.0)
    yield row(
        "VAE.initialize_output_bias",
        "mean",
        "beyond the support",
        lambda: model().initialize_output_bias(far),
        RangeError,
        "0 to 1",
    )


def backward(kind):
    fresh = make(kind)
    fresh.backward()


ROWS = [
    *setting_rows(), *data_rows(), *noise_rows(), *label_rows(), *latent_space_rows(), *denoise_and_impute_rows(),
    *low_level_rows(), *schema_rows(),
]  # fmt: skip
