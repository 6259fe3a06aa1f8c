"""Refusals of layers, densities and objectives: constructors, forward and backward."""

import copy
from typing import Any, NamedTuple

import numpy as np
from refusals.table import COUNTS, NAMES, POSITIVES, REALS, SEEDS, refuse_all, refuse_one, row, wrong, wrong_rows

from scratchvae import layers as ls
from scratchvae import objectives as ob
from scratchvae import probability as pr
from scratchvae.backend import NUMPY
from scratchvae.errors import ConfigError, DTypeError, ReadOnlyError, ShapeError
from scratchvae.flows import MADE, InverseAutoregressive
from scratchvae.memory import BatchBuffers
from scratchvae.models import VAE

B, D = 3, 4


class ModuleCase(NamedTuple):
    """A module with the widths of its inputs and of the gradients of `backward`; width 0 means one number per row."""

    make: Any
    inputs: dict[str, int]
    backward: dict[str, dict[str, int]]
    rows_back: int = B


ROW = {"dlog_likelihood": 0}
DENSITY = {"backward": ROW, "backward_data": ROW}
ACTIVATIONS = ("ReLU", "LeakyReLU", "Tanh", "Sigmoid", "Softplus", "SiLU", "GELU", "ELU")
ELEMENTWISE = {"backward": {"dy": D}, "backward_parameters": {"dy": D}}
PARAMETERS = {"backward": {"dy": 2}, "backward_parameters": {"dy": 2}}


def bound(layer, *shape):
    """A layer bound to rows of a shape, such as pictures."""
    layer.bind(BatchBuffers(NUMPY, np.float64, B), shape)
    return layer


MODULES = {
    **{f"layers.{kind}": ModuleCase(getattr(ls, kind), {"x": D}, ELEMENTWISE) for kind in ACTIVATIONS},
    "layers.Linear": ModuleCase(lambda: ls.Linear(D, 2, seed=0), {"x": D}, PARAMETERS),
    "layers.MaskedLinear": ModuleCase(lambda: ls.MaskedLinear((0,) * D, (1, 2), seed=0), {"x": D}, PARAMETERS),
    "flows.InverseAutoregressive": ModuleCase(
        lambda: InverseAutoregressive(D, 1, (3,), 0), {"h": 2 * D, "eps": D}, {"backward": {"dz": D}}
    ),
    "layers.ConditionalLinear": ModuleCase(
        lambda: ls.ConditionalLinear(D, 2, 2, seed=0), {"x": D, "targets": 2}, PARAMETERS
    ),
    "layers.ConditionalSequential": ModuleCase(
        lambda: ls.ConditionalSequential(ls.ConditionalLinear(D, 2, 3, seed=0), ls.Tanh(), ls.Linear(3, 2)),
        {"x": D, "targets": 2},
        PARAMETERS,
    ),
    "layers.Sequential": ModuleCase(
        lambda: ls.Sequential(ls.Linear(D, 3), ls.Tanh(), ls.Linear(3, 2)), {"x": D}, PARAMETERS
    ),
    "layers.NaNToZero": ModuleCase(lambda: ls.NaNToZero(ls.Linear(D, 2)), {"x": D}, PARAMETERS),
    "layers.Conv2d": ModuleCase(lambda: bound(ls.Conv2d(1, 2, 2), 2, 2, 1), {"x": D}, PARAMETERS),
    "layers.ConvTranspose2d": ModuleCase(lambda: bound(ls.ConvTranspose2d(4, 2, 1), 1, 1, 4), {"x": D}, PARAMETERS),
    "layers.SplitChannels": ModuleCase(lambda: bound(ls.SplitChannels(2), 1, 2, 2), {"x": D}, ELEMENTWISE),
    "layers.Upsample": ModuleCase(lambda: bound(ls.Upsample(1), 2, 2), {"x": D}, ELEMENTWISE),
    "layers.Reshape": ModuleCase(lambda: ls.Reshape(2, 2), {"x": D}, ELEMENTWISE),
    "layers.Flatten": ModuleCase(lambda: bound(ls.Flatten(), 2, 2), {"x": D}, ELEMENTWISE),
    "layers.LayerNorm": ModuleCase(lambda: ls.LayerNorm(D), {"x": D}, ELEMENTWISE),
    "layers.Log1p": ModuleCase(ls.Log1p, {"x": D}, {"backward": {"dy": D}}),
    "layers.Gated": ModuleCase(ls.Gated, {"x": D}, PARAMETERS),
    "layers.Residual": ModuleCase(lambda: ls.Residual(ls.Linear(D, D)), {"x": D}, ELEMENTWISE),
    "layers.Repeat": ModuleCase(lambda: ls.Repeat(2), {"x": D}, ELEMENTWISE, rows_back=2 * B),
    "probability.SplitHalves": ModuleCase(pr.SplitHalves, {"x": D}, {"backward": {"dleft": D // 2, "dright": D // 2}}),
    "probability.Reparameterize": ModuleCase(
        pr.Reparameterize, {"mu": D, "logvar": D, "eps": D}, {"backward": {"dz": D}, "backward_noise": {"dz": D}}
    ),
    "probability.DiagonalGaussian": ModuleCase(
        pr.DiagonalGaussian,
        {"h": 2 * D, "eps": D},
        {"backward": {"dz": D}, "backward_parameters": {"dz": D}, "backward_noise": {"dz": D}},
    ),
    "probability.StandardNormal": ModuleCase(pr.StandardNormal, {"z": D}, {"backward": {"dlog_p": 0}}),
    "probability.MixturePrior": ModuleCase(
        lambda: pr.MixturePrior(2, D, seed=0), {"z": D}, {"backward": {"dlog_p": 0}}
    ),
    "probability.VampPrior": ModuleCase(
        lambda: VAE(6, D, (3,), dtype="float64", prior=pr.VampPrior(np.zeros((2, 6)))).prior,
        {"z": D},
        {"backward": {"dlog_p": 0}},
    ),
    "probability.GaussianKL": ModuleCase(pr.GaussianKL, {"mu": D, "logvar": D}, {"backward": {"dkl": 0}}),
    "probability.FreeBits": ModuleCase(lambda: pr.FreeBits(0.5), {"per_dimension": D}, {"backward": {"dpenalized": 0}}),
    "probability.LogDensityRatio": ModuleCase(
        pr.LogDensityRatio, {"z": D, "eps": D, "logvar": D}, {"backward": {"dlog_ratio": 0}}
    ),
    "probability.LogSoftmax": ModuleCase(pr.LogSoftmax, {"logits": D}, {"backward": {"dlog_q": D}}),
    "probability.ImportanceBound": ModuleCase(pr.ImportanceBound, {"log_w": D}, {"backward": {"dbound": 0}}),
    "probability.Bernoulli": ModuleCase(pr.Bernoulli, {"logits": D, "x": D}, DENSITY),
    "probability.ContinuousBernoulli": ModuleCase(pr.ContinuousBernoulli, {"logits": D, "x": D}, DENSITY),
    "probability.Gaussian": ModuleCase(pr.Gaussian, {"mu": D, "x": D}, DENSITY),
    "probability.GaussianLearned": ModuleCase(pr.GaussianLearned, {"mu": D, "x": D}, DENSITY),
    "probability.GaussianDiagonal": ModuleCase(lambda: pr.GaussianDiagonal(D), {"mu": D, "x": D}, DENSITY),
    "probability.GaussianHeteroscedastic": ModuleCase(
        pr.GaussianHeteroscedastic, {"parameters": 2 * D, "x": D}, DENSITY
    ),
    "probability.Poisson": ModuleCase(pr.Poisson, {"parameters": D, "x": D}, DENSITY),
    "probability.NegativeBinomial": ModuleCase(pr.NegativeBinomial, {"parameters": 2 * D, "x": D}, DENSITY),
    "probability.Categorical": ModuleCase(lambda: pr.Categorical((2, D - 2)), {"logits": D, "x": D}, DENSITY),
    "probability.Mixed": ModuleCase(
        lambda: pr.Mixed([(pr.Poisson(), 1), (pr.Gaussian(), 3)]), {"parameters": D, "x": D}, DENSITY
    ),
    "probability.MaskedLikelihood": ModuleCase(
        lambda: pr.MaskedLikelihood(pr.Gaussian()), {"parameters": D, "x": D}, DENSITY
    ),
    "probability.ScaledLikelihood": ModuleCase(
        lambda: pr.ScaledLikelihood(pr.MaskedLikelihood(pr.Gaussian()), np.full(D, 2.0)),
        {"parameters": D, "u": D},
        DENSITY,
    ),
}


def array(width, rows=B, dtype="float64"):
    return np.full((rows, width) if width else rows, 0.25, dtype)


def after_forward(case):
    """The module after a forward, so bound."""
    module = case.make()
    module.forward(**{name: array(width) for name, width in case.inputs.items()})
    return module


def not_arrays(name, right):
    """Wrong values for an argument like the array `right`."""
    like = right.shape
    return wrong_rows(
        name,
        ("None", None, DTypeError, "None", "expected"),
        ("a number", 0.5, DTypeError, "0.5", "expected"),
        ("a list", right.tolist(), DTypeError, "expected", "numpy.asarray"),
        ("a str", "rows", DTypeError, "'rows'", "expected"),
        ("a dict", {}, DTypeError, "{}", "expected"),
        ("a generator", (r for r in right), DTypeError, "generator", "expected"),
        ("of ints", right.astype(int), DTypeError, "int64", "convert"),
        ("complex", right.astype(complex), DTypeError, "complex128", "convert"),
        ("of objects", right.astype(object), DTypeError, "object", "convert"),
        ("of no axes", np.array(0.5), ShapeError, "()", "expected"),
        ("of an axis more", right[None], ShapeError, str((1, *like)), "expected"),
        ("without rows", right[:0], ShapeError, str((0, *like[1:])), "expected"),
        ("too wide", np.zeros((*like[:-1], like[-1] + 2)), ShapeError, str((*like[:-1], like[-1] + 2)), "expected"),
        ("of float32 among float64", right.astype("f4"), DTypeError, "float32", "float64", "convert"),
    )


def forward_rows():
    for function, case in MODULES.items():
        right = {key: array(width) for key, width in case.inputs.items()}
        for name, width in case.inputs.items():

            def forward(v, case=case, name=name, right=right):
                return after_forward(case).forward(**{**right, name: v})

            yield from refuse_one(f"{function}.forward", name, not_arrays(name, array(width)), forward)


def backward_rows():
    for function, case in MODULES.items():
        for method, gradients in case.backward.items():
            right = {key: array(w, case.rows_back) for key, w in gradients.items()}
            for name, value in right.items():

                def backward(v, case=case, method=method, name=name, right=right):
                    return getattr(after_forward(case), method)(**{**right, name: v})

                yield from refuse_one(f"{function}.{method}", name, not_arrays(name, value), backward)


def shape_rows():
    """Rows of the wrong shape: which layer, what it was given, what it wants."""
    for layer, shape, *words in (
        (ls.Conv2d(3, 8, 3), (5, 5, 1), "Conv2d(3, 8, 3)", "1 channel;", "expected 3"),
        (ls.Conv2d(3, 8, 3), (5, 5), "(5, 5)", "1 channel;", "expected 3"),
        (ls.Conv2d(1, 8, 3), (5, 5, 2), "2 channels;", "expected 1"),
        (ls.Conv2d(3, 8, 3), (75,), "(75,)", "expected pictures", "Reshape(height, width, 3)", "image_shape"),
        (ls.Conv2d(1, 8, 5, padding=1), (2, 7), "(2, 7)", "smaller than its kernel with padding=1; choose a smaller"),
        (ls.ConvTranspose2d(3, 8, 3), (5, 5, 1), "ConvTranspose2d(3, 8, 3)", "1 channel;", "expected 3"),
        (ls.ConvTranspose2d(3, 8, 3), (75,), "(75,)", "Reshape(height, width, 3)"),
        (ls.ConvTranspose2d(1, 8, 3, padding=2), (2, 2), "(2, 2)", "leaves nothing", "choose a smaller padding"),
        (ls.Upsample(2), (16,), "Upsample(2)", "(16,)", "expected pictures", "Reshape"),
        (ls.SplitChannels(2), (4, 4, 3), "SplitChannels(2)", "(4, 4, 3)", "a multiple of 2 channels"),
        (ls.LayerNorm(3), (4, 4, 2), "LayerNorm(3)", "(4, 4, 2)", "expected 3 numbers in the last axis"),
        (ls.Gated(), (4, 4, 3), "Gated()", "(4, 4, 3)", "expected an even number"),
        (ls.Reshape(7, 7, 2), (49,), "Reshape(7, 7, 2)", "49 numbers", "expected 98"),
        (ls.Residual(ls.Linear(4, 3)), (4,), "Residual", "(4,)", "(3,)", "expected as many numbers"),
    ):
        kind = f"layers.{type(layer).__name__}"
        yield row(kind, "shape", f"{shape}", lambda v=layer, s=shape: bound(v, *s), ShapeError, *words)


def constructor_rows():
    for function, make in {
        "layers.Linear": ls.Linear,
        "layers.ConditionalLinear": lambda i, o, **s: ls.ConditionalLinear(i, 3, o, **s),
    }.items():
        yield from refuse_one(function, "inputs", COUNTS, lambda v, m=make: m(v, 3))
        yield from refuse_one(function, "outputs", COUNTS, lambda v, m=make: m(3, v))
        yield from refuse_one(function, "init", NAMES, lambda v, m=make: m(3, 3, init=v))
        yield from refuse_one(
            function, "seed", [w for w in SEEDS if w.value is not None], lambda v, m=make: m(3, 3, seed=v)
        )
    yield from refuse_one("layers.ConditionalLinear", "classes", COUNTS, lambda v: ls.ConditionalLinear(3, v, 3))
    slopes = POSITIVES + wrong(ConfigError, "expected a slope", 2, 1.0)
    yield from refuse_one("layers.LeakyReLU", "slope", slopes, ls.LeakyReLU)
    yield from refuse_one("layers.Repeat", "times", COUNTS, ls.Repeat)
    yield from refuse_one("layers.ELU", "alpha", POSITIVES, ls.ELU)
    yield from refuse_one("layers.LayerNorm", "size", COUNTS, ls.LayerNorm)
    yield from refuse_one("layers.LayerNorm", "eps", POSITIVES, lambda v: ls.LayerNorm(3, v))
    yield from refuse_one("layers.Upsample", "scale", COUNTS, ls.Upsample)
    yield from refuse_one("layers.SplitChannels", "groups", COUNTS, ls.SplitChannels)
    yield from refuse_one("layers.Reshape", "shape[1]", COUNTS, lambda v: ls.Reshape(3, v))
    yield row("layers.Reshape", "shape", "of no sizes", lambda: ls.Reshape(), ConfigError, "Reshape()", "pass that")
    for function, kind in {"layers.Conv2d": ls.Conv2d, "layers.ConvTranspose2d": ls.ConvTranspose2d}.items():
        right = {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "stride": 2}
        for name in right:
            yield from refuse_one(function, name, COUNTS, lambda v, k=kind, n=name, r=right: k(**{**r, n: v}))
        paddings = wrong(ConfigError, "at least 0", -1) + wrong(
            ConfigError, "at most 2, kernel_size − 1: with more, some windows would hold no pixel", 3
        )
        yield from refuse_one(function, "padding", paddings, lambda v, k=kind: k(1, 1, 3, padding=v))
        yield from refuse_one(function, "init", NAMES, lambda v, k=kind: k(1, 1, 3, init=v))
        seeds = [w for w in SEEDS if w.value is not None]
        yield from refuse_one(function, "seed", seeds, lambda v, k=kind: k(1, 1, 3, seed=v))
    more = wrong(ConfigError, "at least 0", -1) + wrong(ConfigError, "expected less than the stride, which is 2", 2)
    more += wrong(ConfigError, "expected one number, or a pair (height, width)", (1, 0, 1), (), [1])
    transposed = lambda v: ls.ConvTranspose2d(1, 1, 3, 2, output_padding=v)  # noqa: E731
    yield from refuse_one("layers.ConvTranspose2d", "output_padding", more, transposed)
    yield from shape_rows()
    no_layer = wrong(ConfigError, "expected a layer", None, 3, "relu", [], ls.ReLU, np.tanh, pr.Bernoulli())
    yield from refuse_one("layers.NaNToZero", "inner", no_layer, ls.NaNToZero)
    yield from refuse_one("layers.Residual", "layer", no_layer, ls.Residual)
    yield from refuse_one("layers.Sequential", "layers[1]", no_layer, lambda v: ls.Sequential(ls.ReLU(), v))
    for problem, layers in {
        "of none": (),
        "of another": (ls.ReLU(),),
        "of two": [ls.ConditionalLinear(3, 2, 3)] * 2,
    }.items():
        layers = [copy.deepcopy(layer) for layer in layers]
        words = ConfigError, "expected one ConditionalLinear"
        call = lambda v=layers: ls.ConditionalSequential(*v)  # noqa: E731
        yield row("layers.ConditionalSequential", "layers", problem, call, *words)
    conditional = lambda v: ls.ConditionalSequential(ls.ConditionalLinear(3, 2, 3), v)  # noqa: E731
    yield from refuse_one("layers.ConditionalSequential", "layers[1]", no_layer, conditional)
    twice = ls.ReLU()
    yield row(
        "layers.Sequential",
        "layers[2]",
        "one that is there already",
        lambda: ls.Sequential(twice, ls.Tanh(), twice),
        ConfigError,
        "layers[0]",
        "make a new one",
    )
    width = lambda layer, w: layer.forward(array(w))  # noqa: E731
    yield row(
        "layers.Linear.forward",
        "width",
        "of another layer",
        lambda: width(ls.Linear(4, 2), 3),
        ShapeError,
        "width 3",
        "expected",
    )
    yield row(
        "layers.Sequential.forward",
        "width",
        "of another layer inside",
        lambda: width(ls.Sequential(ls.Linear(4, 2), ls.Linear(3, 1)), 4),
        ShapeError,
        "Linear(3, 1)",
        "width 2",
        "expected",
    )
    yield row(
        "probability.SplitHalves.forward",
        "width",
        "odd",
        lambda: width(pr.SplitHalves(), 3),
        ShapeError,
        "expected an even width",
    )
    yield row(
        "probability.DiagonalGaussian.forward",
        "width",
        "odd",
        lambda: pr.DiagonalGaussian().forward(array(3), array(1)),
        ShapeError,
        "expected 2 numbers for each latent dimension",
    )
    degrees = wrong(ConfigError, "expected a whole number for each unit", None, 3, "12", ())
    yield from refuse_one("layers.MaskedLinear", "input_degrees", degrees, lambda v: ls.MaskedLinear(v, (1,)))
    yield from refuse_one("layers.MaskedLinear", "output_degrees", degrees, lambda v: ls.MaskedLinear((1,), v))
    yield from refuse_one(
        "probability.FreeBits", "free", REALS + wrong(ConfigError, "leave FreeBits out", 0, 0.0), pr.FreeBits
    )
    sigmas = POSITIVES + wrong(ConfigError, "scale the data", 1e-200, 1e200)
    for kind in ("Gaussian", "GaussianLearned"):
        yield from refuse_one(f"probability.{kind}", "sigma", sigmas, getattr(pr, kind))
    yield from refuse_one("probability.GaussianDiagonal", "sigma", sigmas, lambda v: pr.GaussianDiagonal(D, v))
    yield from refuse_one("probability.GaussianDiagonal", "columns", COUNTS, pr.GaussianDiagonal)
    no_density = wrong(ConfigError, "expected a likelihood", None, 3, "gaussian", [], pr.Gaussian, ls.ReLU())
    yield from refuse_one("probability.MaskedLikelihood", "inner", no_density, pr.MaskedLikelihood)
    yield from refuse_one("probability.ScaledLikelihood", "inner", no_density, pr.ScaledLikelihood)
    factors = wrong(ConfigError, "positive", 0.0, "x", [1.0, -1.0], [[1.0]], [np.inf], [np.nan])
    yield from refuse_all(
        "probability.ScaledLikelihood", "factor", factors, lambda v: pr.ScaledLikelihood(pr.Gaussian(), v)
    )
    for kind in ("Poisson", "NegativeBinomial"):
        sizes = [w for w in POSITIVES if w.value is not None]
        yield from refuse_one(f"probability.{kind}", "library_size", sizes, getattr(pr, kind))
    yield from table_rows()
    yield from refuse_one("objectives.ELBO", "beta", REALS, ob.ELBO)
    yield from refuse_one("objectives.ELBO", "free_bits", REALS, lambda v: ob.ELBO(free_bits=v))
    yield from refuse_one("objectives.StickingTheLanding", "beta", REALS, ob.StickingTheLanding)
    for kind in (ob.ImportanceWeighted, ob.DoublyReparameterized):
        yield from refuse_one(f"objectives.{kind.__name__}", "draws", COUNTS, kind)


def table_rows():
    """The likelihoods of categories and of mixed tables, and the layer of counts."""
    columns = wrong(ConfigError, "expected pairs (start, stop)", 3, "columns", [3], [(1, 2, 3)], [(2, 2)], [(3, 1)])
    yield from refuse_all("layers.Log1p", "columns", columns, ls.Log1p)
    narrow = lambda: ls.Log1p([(1, D + 1)]).forward(array(D))  # noqa: E731
    yield row("layers.Log1p", "Log1p", "of more columns", narrow, ShapeError, "rows of 4 numbers", "at least 5")
    levels = wrong(ConfigError, "expected", None, "levels", 3.5, [])
    yield from refuse_all("probability.Categorical", "levels", levels, pr.Categorical)
    one = lambda: pr.Categorical((3, 1))  # noqa: E731
    yield row("probability.Categorical", "levels[1]", "of one category", one, ConfigError, "1", "at least 2")
    part = lambda: pr.Categorical((2, 2.5))  # noqa: E731
    yield row("probability.Categorical", "levels[1]", "a fraction", part, ConfigError, "2.5", "whole number")
    wide = lambda: pr.Categorical((3, 2)).forward(array(D), array(D))  # noqa: E731
    yield row("probability.Categorical", "Categorical", "of wider rows", wide, ShapeError, "4 numbers", "expected 5")
    parts = wrong(ConfigError, "expected pairs", None, 3, "parts", [], [pr.Poisson()], [(pr.Poisson(), 1, 2)])
    yield from refuse_all("probability.Mixed", "parts", parts, pr.Mixed)
    for argument, problem, wrong_parts, *words in (
        ("parts[1][0]", "a name", [(pr.Gaussian(), 1), ("poisson", 3)], "'poisson'", "expected a likelihood"),
        ("parts[0][1]", "no width", [(pr.Gaussian(), 0)], "0", "at least 1"),
        ("parts[0]", "of another width", [(pr.Categorical((3,)), 2)], "2 columns", "3", "Categorical"),
        ("parts[1]", "one that is there already", [(same := pr.Gaussian(), 1), (same, 2)], "make one for each"),
    ):
        call = lambda v=wrong_parts: pr.Mixed(v)  # noqa: E731
        yield row("probability.Mixed", argument, problem, call, ConfigError, *words)
    twice = lambda: pr.MaskedLikelihood(pr.Categorical((2, 2)))  # noqa: E731
    yield row("probability.MaskedLikelihood", "Categorical", "masked by itself", twice, ConfigError, "use", "masked()")
    total = lambda: pr.MaskedLikelihood(pr.Poisson(9.0))  # noqa: E731
    words = "needs the total of each row", "missing", "leave library_size out"
    yield row("probability.MaskedLikelihood", "library_size", "of rows with NaN", total, ConfigError, *words)


def picture_rows():
    """The mean, the draw and the output bias of a likelihood."""
    for function in (function for function, case in MODULES.items() if case.backward is DENSITY):
        case = MODULES[function]
        (first, width), right = next(iter(case.inputs.items())), array(D)
        mean = lambda p=case, w=width, **v: after_forward(p).mean(**{"out": array(D), **v})  # noqa: E731
        draw = lambda p=case, **v: after_forward(p).draw(**{"noise": array(D), "out": array(D), **v})  # noqa: E731
        for method, call in (("mean", mean), ("draw", draw)):
            for name, w in {first: width, **({"noise": D} if method == "draw" else {}), "out": D}.items():
                others = {} if name == first else {first: array(width)}
                yield from refuse_one(
                    f"{function}.{method}",
                    name,
                    not_arrays(name, array(w)),
                    lambda v, c=call, n=name, g=others: c(**{n: v, **g}),
                )
            closed = array(D)
            closed.flags.writeable = False
            yield row(
                f"{function}.{method}",
                "out",
                "read-only",
                lambda c=call, v=closed, f=first, w=width: c(**{f: array(w), "out": v}),
                ReadOnlyError,
                "copy",
            )
        means = wrong_rows(
            "mean",
            ("None", None, DTypeError, "None", "expected"),
            ("a str", "grey", DTypeError, "'grey'", "expected"),
            ("complex", np.full(D, 1j), DTypeError, "complex128", "expected"),
            ("a number", 0.5, ShapeError, "()", "expected (D,)"),
            ("a table", right, ShapeError, f"({B}, {D})", "expected (D,)"),
        )
        yield from refuse_one(f"{function}.output_bias", "mean", means, lambda v, p=case: p.make().output_bias(v))


def kl_rows():
    function = "probability.GaussianKL.backward"
    for name, right in {"dkl": array(D)}.items():  # per dimension; the gradient per row is tested with the others
        wrongs = [w for w in not_arrays(name, right) if getattr(w.value, "shape", None) != (B,)]
        yield from refuse_one(
            function, name, wrongs, lambda v: after_forward(MODULES["probability.GaussianKL"]).backward(v)
        )
    function = "probability.GaussianKL.accumulate"
    early = lambda: pr.GaussianKL().accumulate(array(D))  # noqa: E731
    yield row(function, "forward", "not called", early, ShapeError, "call forward first")
    sums = [w for w in not_arrays("sums", array(D)) if "float32" not in w.label]
    yield from refuse_one(
        function, "sums", sums, lambda v: after_forward(MODULES["probability.GaussianKL"]).accumulate(v)
    )
    closed = array(D)
    closed.flags.writeable = False
    accumulate = lambda: after_forward(MODULES["probability.GaussianKL"]).accumulate(closed)  # noqa: E731
    yield row(function, "sums", "read-only", accumulate, ReadOnlyError, "sums.copy()")


def posterior_rows():
    """Further methods of a posterior, and divergences between posterior and prior."""
    function, right = "probability.DiagonalGaussian", array(2 * D)
    for method, name in (("mean", "h"), ("parameters", "x")):
        wrongs = [w for w in not_arrays(name, right) if w.label != "too wide"]  # SplitHalves takes any even width
        yield from refuse_one(
            f"{function}.{method}", name, wrongs, lambda v, m=method: getattr(after_forward(MODULES[function]), m)(v)
        )
    early = lambda: pr.DiagonalGaussian().log_prob()  # noqa: E731
    yield row(f"{function}.log_prob", "forward", "not called", early, ShapeError, "call forward first")
    for method in ("backward", "backward_noise"):
        call = lambda v, m=method: getattr(after_forward(MODULES[function]), m)(array(D), v)  # noqa: E731
        wrongs = [w for w in not_arrays("dlog_q", array(0)) if w.value is not None]
        yield from refuse_one(f"{function}.{method}", "dlog_q", wrongs, call)
    wrongs = not_arrays("dlog_q", array(0))
    drawn = lambda v: after_forward(MODULES[function]).backward_density(v)  # noqa: E731
    yield from refuse_one(f"{function}.backward_density", "dlog_q", wrongs, drawn)
    yield from flow_rows()
    for kind, make in {
        "MonteCarloKL": lambda q: pr.MonteCarloKL(q, pr.StandardNormal()),
        "GaussianDrawKL": pr.GaussianDrawKL,
        "PathwiseKL": lambda q: pr.PathwiseKL(q, pr.GaussianDrawKL(q), lambda: None),
    }.items():

        def divergence(make=make):
            q = after_forward(MODULES["probability.DiagonalGaussian"])
            kl = make(q)
            kl.forward(array(D))
            return kl

        yield from refuse_one(
            f"probability.{kind}.forward", "z", not_arrays("z", array(D)), lambda v, b=divergence: b().forward(v)
        )
        yield from refuse_one(
            f"probability.{kind}.backward",
            "dkl",
            not_arrays("dkl", array(0)),
            lambda v, b=divergence: b().backward(v, array(D)),
        )
        early = lambda m=make: m(pr.DiagonalGaussian()).backward(array(0), array(D))  # noqa: E731
        yield row(f"probability.{kind}.backward", "forward", "not called", early, ShapeError, "call forward first")


def flow_rows():
    """Constructors and further methods of mixtures and flows."""
    yield from refuse_one("flows.MADE", "inputs", COUNTS, MADE)
    yield from refuse_one("flows.MADE", "outputs", COUNTS, lambda v: MADE(2, outputs=v))
    yield from refuse_one("probability.MixturePrior", "components", COUNTS, lambda v: pr.MixturePrior(v, 2))
    yield from refuse_one("probability.MixturePrior", "latent_dim", COUNTS, lambda v: pr.MixturePrior(2, v))
    yield from refuse_one("probability.GaussianMixture", "components", COUNTS, pr.GaussianMixture)
    none = lambda: pr.VampPrior(np.zeros((0, 6)))  # noqa: E731
    yield row("probability.VampPrior", "pseudo_inputs", "none", none, ShapeError, "(0, 6)", "at least one row")
    right = {"z": array(2), "log_w": np.zeros(4), "mu": np.zeros((4, 2)), "logvar": np.zeros((4, 2))}

    def mixture():
        module = pr.GaussianMixture(4)
        module.forward(**right)
        return module

    for name, value in right.items():
        yield from refuse_one(
            "probability.GaussianMixture.forward",
            name,
            not_arrays(name, value),
            lambda v, n=name: mixture().forward(**{**right, n: v}),
        )
    yield from refuse_one(
        "probability.GaussianMixture.backward",
        "dlog_p",
        not_arrays("dlog_p", array(0)),
        lambda v: mixture().backward(v),
    )
    function, case = "flows.InverseAutoregressive", MODULES["flows.InverseAutoregressive"]
    for name, make in (("latent_dim", InverseAutoregressive), ("steps", lambda v: InverseAutoregressive(2, v))):
        yield from refuse_one(function, name, COUNTS, make)
    for method in ("backward", "backward_noise"):
        call = lambda v, m=method: getattr(after_forward(case), m)(array(D), v)  # noqa: E731
        wrongs = [w for w in not_arrays("dlog_q", array(0)) if w.value is not None]
        yield from refuse_one(f"{function}.{method}", "dlog_q", wrongs, call)
    early = lambda: InverseAutoregressive(2).log_prob()  # noqa: E731
    yield row(f"{function}.log_prob", "forward", "not called", early, ShapeError, "call forward first")
    no_density = lambda: after_forward(case).backward_density(array(0))  # noqa: E731
    yield row(f"{function}.backward_density", "backward_density", "missing", no_density, ConfigError, "write it in")
    yield from refuse_one(f"{function}.mean", "h", not_arrays("h", array(2 * D)), lambda v: after_forward(case).mean(v))


def objective_rows():
    right = {"log_likelihood": array(0), "kl": array(0)}
    kinds = {
        "ELBO": ob.ELBO,
        "StickingTheLanding": ob.StickingTheLanding,
        "ImportanceWeighted": lambda: ob.ImportanceWeighted(1),
        "DoublyReparameterized": lambda: ob.DoublyReparameterized(1),
    }
    for function, make in kinds.items():

        def objective_after_forward(make=make):
            objective = make()
            objective.forward(**right)
            return objective

        for name in right:
            yield from refuse_one(
                f"objectives.{function}.forward",
                name,
                [
                    w for w in not_arrays(name, array(0)) if w.label != "too wide" or name == "kl"
                ],  # otherwise kl is too short
                lambda v, n=name, r=objective_after_forward: r().forward(**{**right, n: v}),
            )
        early = lambda m=make: m().backward()  # noqa: E731
        yield row(
            f"objectives.{function}.backward", "backward", "before forward", early, ShapeError, "call forward first"
        )
    per_dimension = not_arrays("per_dimension", array(D))
    penalized = lambda v: elbo_with_free_bits().forward(array(0), array(0), 1.0, v)  # noqa: E731
    wrongs = [w for w in per_dimension if w.value is not None]
    yield from refuse_one("objectives.ELBO.forward", "per_dimension", wrongs, penalized)


def elbo_with_free_bits():
    objective = ob.ELBO(free_bits=0.5)
    objective.forward(array(0), array(0), 1.0, array(D))
    return objective


def marginal_bound_rows():
    right = {
        "log_q": np.log(array(2, 3) * 2),
        "targets": np.zeros((3, 2)),
        "log_likelihood": np.zeros(6),
        "kl": np.zeros(6),
    }
    back = {"devidence": np.zeros(3), "ddivergence": np.zeros(3)}

    def bound_after_forward():
        module = pr.MarginalBound()
        module.forward(**right)
        return module

    for name, value in right.items():
        yield from refuse_one(
            "probability.MarginalBound.forward",
            name,
            not_arrays(name, value),
            lambda v, n=name: bound_after_forward().forward(**{**right, n: v}),
        )
    for name, value in back.items():
        yield from refuse_one(
            "probability.MarginalBound.backward",
            name,
            not_arrays(name, value),
            lambda v, n=name: bound_after_forward().backward(**{**back, n: v}),
        )
    early = lambda: pr.MarginalBound().backward(**back)  # noqa: E731
    yield row("probability.MarginalBound.backward", "forward", "not called", early, ShapeError, "call forward first")


ROWS = [
    *constructor_rows(), *forward_rows(), *backward_rows(), *picture_rows(), *kl_rows(),
    *posterior_rows(), *objective_rows(), *marginal_bound_rows(),
]  # fmt: skip
