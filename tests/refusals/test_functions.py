"""The table of what the front door refuses, row by row, and whether it is whole. How to add a row: see `table`."""

import inspect
import re

import pytest
from refusals import of_checks, of_data, of_figures, of_models, of_optim, of_pieces, of_training

import scratchvae as sv
from scratchvae import errors

ROOMS = of_models, of_pieces, of_optim, of_training, of_figures, of_data, of_checks
ROWS = [row for room in ROOMS for row in room.ROWS]
WHAT_TO_DO = re.compile(
    r"expected|choose|take|leave|pass|use|convert|make|give|try|name|set|call|fetch|install|divide|shift|fill|drop|write|keep|save|\blet\b"
)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_it_is_refused_by_name_with_what_was_given_and_what_to_do(row):
    with pytest.raises(errors.ScratchVAEError) as refusal:
        row.call()
    said = str(refusal.value)
    assert type(refusal.value) is row.error, said
    assert re.search(rf"(?<!\w){re.escape(row.argument)}(?!\w)", said), said
    assert [word for word in row.words if word not in said] == [], said
    assert WHAT_TO_DO.search(said), said
    assert len(said) < 1000 and "\n" not in said, said


# --- is the table whole?

# what nobody outside calls: pieces ask it of each other, in a step that looks at nothing twice
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
    "require_free",
    "output_shape",
    "children",
    "config",
    "check_inputs",
    "check_width",
    "check_gradients",
    "check_slope",
    "check_sums",
    "check_forward",
    "check_outputs",
    "check_mean",
    "backward_logvar",
    "product",
    "squares",
    "weigh",
    "input_std",
    "draw",
    "outputs",
    "noise",
    "kl",
    "exact_kl",
    "estimated_kl",
    "accumulate",
    "zeros",
    "loss",
    "unweighted",
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
    "writing",
    # of optimizers
    "corrections",
    "rate",
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
            "objectives.Terms",
            "training.Epoch",
            "training.Finding",
            "training.Score",
            "training.Traced",
            "verification.Check",
            "verification.Finding",
            "verification.GradientProblem",
            "verification.Measurement",
            "verification.StepProblem",
            "verification.Subject",
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
            "probability.Split",
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
    "verification.Finding.only": "a name that was not looked at is answered by None",
    "training.Traced.written": "nothing",
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
        thing, of = getattr(room, name), f"{prefix}{name}"
        if inspect.ismodule(thing):
            yield from public(thing, f"{of}.") if hasattr(thing, "__all__") else ()
        elif isinstance(thing, type):
            yield of, thing
            for method, function in inspect.getmembers(thing, inspect.isfunction):
                if not method.startswith("_") and function.__module__.startswith("scratchvae"):
                    yield f"{of}.{method}", function
            for setting, held in inspect.getmembers(thing, lambda held: isinstance(held, property) and held.fset):
                yield f"{of}.{setting}", held
        elif callable(thing):
            yield of, thing


PUBLIC = dict(public())
BASES = tuple(f"{of}." for of, why in NOTHING_TO_GET_WRONG.items() if why == "a base")


def test_there_is_much_to_be_held():
    assert len(PUBLIC) > 500 and len(ROWS) > 9000


def test_every_row_is_of_something_public():
    assert sorted({row.of for row in ROWS} - set(PUBLIC)) == []


def test_every_public_function_class_and_method_has_a_row():
    covered = {PUBLIC[row.of] for row in ROWS}
    left_out = [
        of
        for of, thing in PUBLIC.items()
        if thing not in covered
        and of not in NOTHING_TO_GET_WRONG
        and of.rpartition(".")[2] not in INSIDE
        and not of.startswith(BASES)
    ]
    assert left_out == []


def test_what_is_left_out_is_there():
    known = {of.rpartition(".")[2] for of in PUBLIC}
    assert [of for of in NOTHING_TO_GET_WRONG if of not in PUBLIC and "a type" not in NOTHING_TO_GET_WRONG[of]] == []
    assert sorted(set(INSIDE) - known) == []
