"""Refusals of the estimators. Their words are those of scikit-learn, where it asks for them."""

from functools import cache

import numpy as np
from refusals.table import row

import scratchvae as sv
from scratchvae.errors import BackendError, ConfigError, DTypeError, RangeError, ShapeError

ROWS_6 = np.random.default_rng(0).normal(size=(6, 3))
ESTIMATORS = ("VAEEmbedding", "VAEImputer", "VAEOutlierDetector")
PARAMETERS = {  # a wrong value of each, refused by fit
    "n_components": (0, ConfigError),
    "hidden_layer_sizes": (8, ConfigError),
    "activation": ("swish2", ConfigError),
    "likelihood": ("normal", ConfigError),
    "scale": ("log", ConfigError),
    "beta": (-1, ConfigError),
    "max_iter": (0, ConfigError),
    "learning_rate": (0, ConfigError),
    "batch_size": (0, ConfigError),
    "early_stopping": (1, ConfigError),
    "validation_fraction": (1, ConfigError),
    "n_iter_no_change": (0, ConfigError),
    "warm_start": (None, ConfigError),
    "random_state": (-1, ConfigError),
    "backend": ("jax", BackendError),
    "dtype": ("int8", ConfigError),
    "verbose": ("yes", ConfigError),
    "kinds": ({"year": "category"}, ConfigError),
}
OWN = {"contamination": (0.7, ConfigError), "method": ("density", ConfigError)}
ONLY_EARLY = {"validation_fraction", "n_iter_no_change"}


def estimator(name, **settings):
    return getattr(sv, name)(**{"max_iter": 1, **settings})


@cache
def fitted(name):
    return estimator(name).fit(ROWS_6)


def wrong_setting(name, parameter, value):
    early = {"early_stopping": True} if parameter in ONLY_EARLY else {}
    return lambda: estimator(name, **{parameter: value, **early}).fit(np.repeat(ROWS_6, 4, axis=0))


ROWS = []
for name in ESTIMATORS:
    for parameter, (value, error) in {**PARAMETERS, **(OWN if name == "VAEOutlierDetector" else {})}.items():
        ROWS += [row(name, parameter, "wrong", wrong_setting(name, parameter, value), error, parameter)]
    for method in ("fit", "partial_fit", *(["fit_predict"] if name == "VAEOutlierDetector" else ["fit_transform"])):
        where = f"{name}.{method}"

        def call(*args, name=name, method=method, **kwargs):
            return getattr(estimator(name), method)(*args, **kwargs)

        ROWS += [
            row(where, "X", "infinite", lambda call=call: call(np.full((3, 2), np.inf)), RangeError, "X", "infinity"),
            row(where, "X", "a vector", lambda call=call: call(np.zeros(3)), ShapeError, "X", "Reshape"),
            row(where, "X", "a text", lambda call=call: call([["a"]]), DTypeError, "X", "no numbers"),
            row(
                where,
                "sample_weight",
                "negative",
                lambda call=call: call(ROWS_6, sample_weight=-np.ones(6)),
                RangeError,
                "sample_weight",
            ),
        ]
        if method != "partial_fit":
            no_comm = lambda call=call: call(ROWS_6, comm=3)  # noqa: E731
            ROWS += [row(where, "comm", "a number", no_comm, ConfigError, "comm=3", "a communicator of mpi4py")]
    methods = {
        "VAEEmbedding": ("transform", "inverse_transform", "score_samples", "score"),
        "VAEImputer": ("transform",),
        "VAEOutlierDetector": ("score_samples", "decision_function", "predict"),
    }[name]
    for method in methods:
        where = f"{name}.{method}"
        ROWS += [
            row(
                where,
                "X",
                "too wide",
                lambda name=name, method=method: getattr(fitted(name), method)(np.zeros((2, 4))),
                ShapeError,
                "4",
                "expect" if method != "inverse_transform" else "codes (N, 2)",
            ),
        ]
    ROWS += [
        row(
            f"{name}.set_params",
            "colour",
            "unknown",
            lambda name=name: estimator(name).set_params(colour=1),
            ConfigError,
            "colour",
            "expected one of",
        )
    ]
    if name == "VAEOutlierDetector":
        continue
    ROWS += [
        row(
            f"{name}.set_output",
            "transform",
            "unknown",
            lambda name=name: estimator(name).set_output(transform="arrow"),
            ConfigError,
            "transform='arrow'",
        ),
        row(
            f"{name}.get_feature_names_out",
            "input_features",
            "too few",
            lambda name=name: fitted(name).get_feature_names_out(["a"]),
            ShapeError,
            "input_features",
            "should have length",
        ),
    ]
ROWS += [
    row(
        "VAEEmbedding.sample",
        "values",
        "unknown",
        lambda: fitted("VAEEmbedding").sample(1, values="random"),
        ConfigError,
        "values='random'",
        "drawn, mean",
    ),
    row(
        "VAEEmbedding.sample",
        "n_samples",
        "zero",
        lambda: fitted("VAEEmbedding").sample(0),
        ConfigError,
        "n_samples=0",
    ),
]
