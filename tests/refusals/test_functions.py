"""Every public function refuses wrong arguments, and the table of them is complete. To add a row, see `table`."""

import inspect

import pytest
from refusals import datasets, evaluation, gradcheck, models, modules, optim, training
from refusals.table import assert_refused

import scratchvae as sv

PACKAGES = models, modules, optim, training, evaluation, datasets, gradcheck
ROWS = [row for package in PACKAGES for row in package.ROWS]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_wrong_argument_is_refused_by_name(row):
    assert_refused(row)


# --- is the table complete?

# methods that only the package itself calls, with arguments that it has checked before
INSIDE = [
    # of modules
    "bind",
    "allocate",
    "bind_parameters",
    "initialize",
    "initial_values",
    "parameter_shapes",
    "all_parameter_shapes",
    "own_parameters",
    "mark_gradients",
    "check_network",
    "check_unbound",
    "output_shape",
    "children",
    "config",
    "check_inputs",
    "check_width",
    "check_gradients",
    "check_dkl",
    "check_sums",
    "check_forward",
    "check_outputs",
    "check_mean",
    "backward_logvar",
    "matmul",
    "squared_error",
    "scale_by_precision",
    "std",
    "draw",
    "outputs",
    "noise",
    "kl",
    "exact_kl",
    "estimated_kl",
    "accumulate",
    "zeros",
    "loss",
    "with_unweighted_kl",
    "invalidate",
    "add_kl",
    # of models
    "chunks",
    "check_network",
    "compose",
    "connect",
    "network",
    "extra_config",
    "to_config",
    "check_data",
    "check_labels",
    "check_noise",
    "one_hot",
    "targets",
    "label_settings",
    "encoder_labels",
    "decoder_labels",
    "draw_codes",
    "for_imputation",
    "backward_to_inputs",
    "write_lock",
    "check_gradients_written",
    "summary",
    # of optimizers
    "corrections",
    "learning_rate",
    # of training: the loop calls them
    "on_fit_begin",
    "on_epoch_begin",
    "on_before_update",
    "on_step_end",
    "on_epoch_end",
    "on_fit_end",
    "state_dict",
    "load_state_dict",
    "write",
    "recording",
    "arrays",
    "named_callbacks",
    "reset_epoch",
    "restart_epoch",
    "start_clock",
    "stop_clock",
    # of the gradient checker and the verification
    "value",
    "vjp",
    "constant",
    "sgd",
    "adam",
]
NOTHING_TO_GET_WRONG = {
    # records: they hold what they are given, and are given it by functions that have looked at it
    **dict.fromkeys(
        [
            "datasets.Dataset",
            "datasets.Split",
            "evaluation.Classification",
            "evaluation.ImputationError",
            "evaluation.ActiveUnits",
            "evaluation.MutualInformationGap",
            "gradcheck.Argument",
            "objectives.ELBOTerms",
            "training.Epoch",
            "training.NonFiniteTensor",
            "training.Score",
            "training.AnomalyDetector",
            "verification.Check",
            "verification.Comparison",
            "verification.GradientProblem",
            "verification.Measurement",
            "verification.StepProblem",
            "verification.VerificationCase",
        ],
        "a record",
    ),
    # what others are derived from: it promises, and takes nothing
    **dict.fromkeys(
        [
            "layers.Layer",
            "objectives.Objective",
            "optim.Optimizer",
            "probability.Divergence",
            "probability.Likelihood",
            "probability.Posterior",
            "probability.Prior",
            "training.Callback",
            "training.Corruption",
            "verification.Oracle",
        ],
        "a base",
    ),
    # made without arguments
    **dict.fromkeys(
        [
            "layers.GELU",
            "layers.ReLU",
            "layers.SiLU",
            "layers.Sigmoid",
            "layers.Softplus",
            "layers.Tanh",
            "probability.Bernoulli",
            "probability.ContinuousBernoulli",
            "probability.DiagonalGaussian",
            "probability.GaussianHeteroscedastic",
            "probability.GaussianKL",
            "probability.ImportanceBound",
            "probability.LogDensityRatio",
            "probability.LogSoftmax",
            "probability.MarginalBound",
            "probability.Reparameterize",
            "probability.SplitHalves",
            "probability.StandardNormal",
            "training.History",
            "training.Progress",
            "training.CollapseDetector",
        ],
        "no argument",
    ),
    # made by others, of what these have looked at
    **dict.fromkeys(
        ["probability.ExactKL", "probability.MonteCarloKL", "probability.GaussianDrawKL"],
        "a prior makes it, for the posterior of a model",
    ),
    "probability.ExactKL.forward": "it looks at no z",
    "probability.ExactKL.backward": "GaussianKL does, of which it is made",
    "training.TrainingState": "fit makes it",
    "io.Archive": "open_archive makes it, of a file that it has looked at",
    "io.Archive.read": "a name that is in described",
    "io.open_archive": "whoever calls it says what to do: see load",
    "io.diff_keys": "nothing",
    "optim.Schedule": "a type",
    "training.KLWeight": "a type",
    "verification.Problem": "a type",
    "verification.Comparison.only": "a name that was not looked at is answered by None",
    "training.GaussianNoise.check": "it writes nothing beyond any support",
    "VAE.forward": "looked at by each piece in turn: see the rows of pieces",
    "IWAE.forward": "the same",
    "Autoencoder.forward": "the same",
    "ConditionalVAE.forward": "the same",
    "SemiSupervisedVAE.forward": "the same",
}


def public(room=sv, prefix=""):
    """All that is public, as it is typed after `sv.`: functions, classes, methods, and attributes that can be set."""
    for name in room.__all__:
        thing, name = getattr(room, name), f"{prefix}{name}"
        if inspect.ismodule(thing):
            yield from public(thing, f"{name}.") if hasattr(thing, "__all__") else ()
        elif isinstance(thing, type):
            yield name, thing
            for method, function in inspect.getmembers(thing, inspect.isfunction):
                if not method.startswith("_") and function.__module__.startswith("scratchvae"):
                    yield f"{name}.{method}", function
            for setting, held in inspect.getmembers(thing, lambda held: isinstance(held, property) and held.fset):
                yield f"{name}.{setting}", held
        elif callable(thing):
            yield name, thing


PUBLIC = dict(public())
BASES = tuple(f"{name}." for name, reason in NOTHING_TO_GET_WRONG.items() if reason == "a base")


def test_the_search_finds_the_public_functions():
    assert len(PUBLIC) > 500


def test_every_row_is_about_a_public_function():
    assert sorted({row.function for row in ROWS} - set(PUBLIC)) == []


def test_every_public_function_class_and_method_has_a_row():
    covered = {PUBLIC[row.function] for row in ROWS}
    left_out = [
        name
        for name, thing in PUBLIC.items()
        if thing not in covered
        and name not in NOTHING_TO_GET_WRONG
        and name.rpartition(".")[2] not in INSIDE
        and not name.startswith(BASES)
    ]
    assert left_out == []


def test_every_exception_names_a_public_function():
    known = {name.rpartition(".")[2] for name in PUBLIC}
    assert [
        name for name in NOTHING_TO_GET_WRONG if name not in PUBLIC and "a type" not in NOTHING_TO_GET_WRONG[name]
    ] == []
    assert sorted(set(INSIDE) - known) == []
