"""Every public function refuses wrong arguments, and the table of rows is complete. To add a row, see `table`."""

import inspect

import pytest
from refusals import datasets, estimators, evaluation, export, gradcheck, models, modules, optim, tables, training
from refusals.table import assert_refused

import scratchvae as sv

PACKAGES = models, modules, optim, training, evaluation, export, estimators, datasets, gradcheck, tables
ROWS = [row for package in PACKAGES for row in package.ROWS]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_wrong_argument_is_refused_by_name(row):
    assert_refused(row)


# --- completeness of the table

# methods called only by the package, with checked arguments
INTERNAL_METHODS = [
    # modules
    "bind",
    "allocate",
    "bind_parameters",
    "unbound_copy",
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
    "name_sources",
    "make_patches",
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
    "at_fixed_weights",
    "add_shared_gradients",
    "share_encoder",
    "dz_factors",
    "estimated_kl",
    "accumulate",
    "zeros",
    "loss",
    "with_unweighted_kl",
    "invalidate",
    "add_kl",
    # models
    "as_rows",
    "collect_terms",
    "in_data_units",
    "learning_schema",
    "scaled",
    "set_factor",
    "masked",
    "supports",
    "sum_of_groups",
    "write_log_softmax",
    "data_derivative",
    "host_log_dispersion",
    "log_factorial",
    "write_log_dispersion",
    "write_log_mean",
    "chunks",
    "check_network",
    "compose",
    "connect",
    "tell_children",
    "make_decoder",
    "make_encoder",
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
    "scored_classes",
    "backward_to_inputs",
    "write_lock",
    "check_gradients_written",
    "summary",
    # optimizers
    "corrections",
    "learning_rate",
    "check_gradient",
    # training: called by the loop
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
    # the gradient checker and the verification
    "value",
    "vjp",
    "constant",
    "sgd",
    "adam",
]
WITHOUT_ROWS = {
    # records: made by functions from checked values
    **dict.fromkeys(
        [
            "datasets.Dataset",
            "datasets.Split",
            "evaluation.Classification",
            "evaluation.ImputationError",
            "evaluation.ActiveUnits",
            "evaluation.LogLikelihood",
            "evaluation.MutualInformationGap",
            "gradcheck.Argument",
            "gradcheck.Report.to_json",
            "objectives.ELBOTerms",
            "probability.Support",
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
    # its argument changes nothing
    **dict.fromkeys(
        [f"{name}.get_params" for name in ("VAEEmbedding", "VAEImputer", "VAEOutlierDetector")], "anything"
    ),
    # abstract base classes
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
    # classes without arguments
    **dict.fromkeys(
        [
            "layers.Flatten",
            "layers.GELU",
            "layers.Gated",
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
    # made by other objects from checked values
    **dict.fromkeys(
        ["probability.ExactKL", "probability.MonteCarloKL", "probability.GaussianDrawKL", "probability.PathwiseKL"],
        "made by a prior for the posterior of a model",
    ),
    "flows.InverseAutoregressive.parameters": "it returns its argument",
    "probability.ExactKL.forward": "it ignores z",
    "probability.ExactKL.backward": "checked by its GaussianKL",
    "training.TrainingState": "made by fit",
    "training.TrainingState.must_stop": "it has no arguments",
    "training.TrainingState.remaining_batches": "it has no arguments",
    "training.TrainingState.require_same_weights": "it has no arguments",
    "training.TrainingState.warn": "the arguments of warnings.warn",
    "io.Archive": "made by open_archive from a checked file",
    "io.Archive.read": "a name in headers",
    "io.open_archive": "the caller adds the instruction: see load",
    "io.diff_keys": "nothing",
    "tables.TableSchema.likelihood": "nothing",
    "tables.TableSchema.to_json": "nothing",
    "optim.Schedule": "a type",
    "training.KLWeight": "a type",
    "verification.Problem": "a type",
    "verification.Comparison.only": "None for an unknown name",
    "training.GaussianNoise.check": "it never writes outside the support",
    "VAE.forward": "checked by each module: see the rows of modules",
    "IWAE.forward": "the same",
    "Autoencoder.forward": "the same",
    "ConditionalVAE.forward": "the same",
    "SemiSupervisedVAE.forward": "the same",
}


def public(package=sv, prefix=""):
    """All public functions, classes, methods and settable attributes, by their names after `sv.`."""
    for name in package.__all__:
        thing, name = getattr(package, name), f"{prefix}{name}"
        if inspect.ismodule(thing):
            yield from public(thing, f"{name}.") if hasattr(thing, "__all__") else ()
        elif isinstance(thing, type):
            yield name, thing
            for method, function in inspect.getmembers(thing, inspect.isfunction):
                if not method.startswith("_") and function.__module__.startswith("scratchvae"):
                    yield f"{name}.{method}", function
            for setting, value in inspect.getmembers(thing, lambda v: isinstance(v, property) and v.fset):
                yield f"{name}.{setting}", value
        elif callable(thing):
            yield name, thing


PUBLIC = dict(public())
BASES = tuple(f"{name}." for name, reason in WITHOUT_ROWS.items() if reason == "a base")


def test_public_functions_are_found():
    assert len(PUBLIC) > 500


def test_every_row_names_a_public_function():
    assert sorted({row.function for row in ROWS} - set(PUBLIC)) == []


def test_every_public_function_class_and_method_has_a_row():
    covered = {PUBLIC[row.function] for row in ROWS}
    left_out = [
        name
        for name, thing in PUBLIC.items()
        if thing not in covered
        and name not in WITHOUT_ROWS
        and name.rpartition(".")[2] not in INTERNAL_METHODS
        and not name.startswith(BASES)
    ]
    assert left_out == []


def test_every_exception_names_a_public_function():
    known = {name.rpartition(".")[2] for name in PUBLIC}
    assert [name for name in WITHOUT_ROWS if name not in PUBLIC and "a type" not in WITHOUT_ROWS[name]] == []
    assert sorted(set(INTERNAL_METHODS) - known) == []
