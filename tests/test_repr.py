"""Tests of what objects print, of their HTML tables, of completion, and of suggestions for misspelt names."""

import inspect
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import scratchvae as sv
from scratchvae import layers, objectives, optim, probability, training
from scratchvae.errors import BackendError, ConfigError, DataError
from scratchvae.gradcheck import check
from scratchvae.layers import Linear, NaNToZero, ReLU, Sequential
from scratchvae.memory import Module
from scratchvae.models.parts import modules_in
from scratchvae.models.summary import _shape
from scratchvae.representation import LINES, WIDTH, fit_lines, join_lines, value_repr
from scratchvae.training import EarlyStopping, Epoch, History, KLWarmUp, Masking
from scratchvae.validation import ARGUMENTS, SYNONYMS, check_choice, nearest
from scratchvae.verification import CASES, CHECKS, compare

X = np.random.default_rng(0).random((20, 9), np.float32)
LABELS = np.arange(20) % 3


class RenamedAttribute(layers.Layer):
    """A custom layer that stores one argument under another name."""

    def __init__(self, size, table, *, scale=1.0):
        self.size, self.rows, self.scale = size, table, scale


class TwoArguments(layers.Layer):
    def __init__(self, table, function):
        self.table, self.function = table, function


def network(depth=40):
    return Sequential(*(layer for _ in range(depth) for layer in (Linear(9, 9), ReLU())))


def models():
    encoder, decoder = Sequential(Linear(9, 5), Sequential(ReLU(), Linear(5, 4))), Sequential(Linear(2, 9))
    return {
        "VAE": sv.VAE(9, 2, (4,)),
        "ConditionalVAE": sv.ConditionalVAE(9, 2, (4,), classes=3),
        "SemiSupervisedVAE": sv.SemiSupervisedVAE(9, 2, (4,), classes=3),
        "IWAE": sv.IWAE(9, 2, (4,), importance_samples=5),
        "Autoencoder": sv.Autoencoder(9, 2, (4,)),
        "missing": sv.VAE(9, 2, (4,), missing=True, likelihood="gaussian_learned"),
        "own parts": sv.VAE(encoder=encoder, decoder=decoder, latent_dim=2, prior=probability.StandardNormal()),
        "no hidden layer": sv.VAE(9, 2, ()),
        "many hidden layers": sv.VAE(9, 2, (4,) * 60, likelihood="gaussian_heteroscedastic"),
    }


MODELS = models()


def objects():
    """Return one object of each class with a repr, by its constructor call."""
    return {
        "Linear(784, 512)": Linear(784, 512),
        "Linear(3, 2, init='he_normal', seed=1)": Linear(3, 2, "he_normal", 1),
        "ConditionalLinear(3, 10, 2)": layers.ConditionalLinear(3, 10, 2),
        "LeakyReLU(slope=0.2)": layers.LeakyReLU(0.2),
        "ReLU()": ReLU(),
        "Repeat(3)": layers.Repeat(3),
        "NaNToZero(Linear(3, 2))": NaNToZero(Linear(3, 2)),
        "Sequential(Linear(3, 2), ReLU())": Sequential(Linear(3, 2), ReLU()),
        "Sequential()": Sequential(),
        "Bernoulli()": probability.Bernoulli(),
        "Gaussian(sigma=0.1)": probability.Gaussian(0.1),
        "MaskedLikelihood(Gaussian(sigma=1.0))": probability.MaskedLikelihood(probability.Gaussian()),
        "Poisson(library_size=None)": probability.Poisson(),
        "NegativeBinomial(library_size=1000.0)": probability.NegativeBinomial(1000),
        "Categorical((3, 2))": probability.Categorical([3, 2]),
        "Mixed(((Poisson(library_size=None), 3), (Categorical((2,)), 2)))": probability.Mixed(
            [(probability.Poisson(), 3), (probability.Categorical((2,)), 2)]
        ),
        "Log1p(columns=None)": layers.Log1p(),
        "Log1p(columns=((0, 2),))": layers.Log1p([(0, 2)]),
        "DiagonalGaussian()": probability.DiagonalGaussian(),
        "StandardNormal()": probability.StandardNormal(),
        "FreeBits(0.5)": probability.FreeBits(0.5),
        "ELBO(beta=4.0)": objectives.ELBO(4.0),
        "ELBO(beta=1.0, free_bits=0.1)": objectives.ELBO(free_bits=0.1),
        "ImportanceWeighted(draws=5)": objectives.ImportanceWeighted(5),
        "Adam(lr=0.001)": optim.Adam(),
        "AdamW(lr=Cosine(0.001, 100), weight_decay=0.1)": optim.AdamW(optim.Cosine(1e-3, 100), weight_decay=0.1),
        "SGD(lr=0.01, momentum=0.9)": optim.SGD(momentum=0.9),
        "WarmUp(10, Constant(0.1))": optim.WarmUp(10, optim.Constant(0.1)),
        "Cosine(0.001, 100, final=0.0001)": optim.Cosine(1e-3, 100, 1e-4),
        "ScaledSchedule(Constant(1.0), 0.5)": optim.ScaledSchedule(optim.Constant(1.0), 0.5),
        "EarlyStopping(patience=5)": EarlyStopping(5),
        "EarlyStopping(patience=10, min_delta=0.1)": EarlyStopping(min_delta=0.1),
        "Checkpoint('run/last.npz', keep=3)": training.Checkpoint("run/last.npz", keep=3),
        "FiniteCheck(retries=2)": training.FiniteCheck(2),
        "MaxTime(60.0)": training.MaxTime(60),
        "Progress()": training.Progress(),
        "CollapseDetector()": training.CollapseDetector(),
        "ReduceLROnPlateau(factor=0.1)": training.ReduceLROnPlateau(0.1),
        "KLWarmUp(100)": KLWarmUp(100),
        "KLCycles(100, cycles=2)": training.KLCycles(100, 2),
        "Masking(0.3)": Masking(0.3),
        "GaussianNoise(0.1)": training.GaussianNoise(0.1),
        "SaltAndPepper(0.1, low=-1.0)": training.SaltAndPepper(0.1, -1.0),
    }


def words(text):
    return text.split()


def fits_screen(text):
    lines = text.split("\n")
    assert text and len(lines) <= LINES and max(map(len, lines)) <= WIDTH, text
    assert " object at 0x" not in text
    return True


# --- calls


@pytest.mark.parametrize("call", objects())
def test_the_repr_of_a_simple_object_is_its_constructor_call(call):
    instance = objects()[call]
    assert repr(instance) == str(instance) == call
    names = {**vars(layers), **vars(probability), **vars(objectives), **vars(optim), **vars(training)}
    rebuilt = eval(call, names)
    assert type(rebuilt) is type(instance) and repr(rebuilt) == call


@pytest.mark.parametrize(
    "package", [layers, probability, objectives, optim, training], ids=lambda package: package.__name__
)
def test_every_public_class_has_its_own_repr(package):
    for name in package.__all__:
        kind = getattr(package, name)
        if inspect.isclass(kind) and issubclass(
            kind, Module | optim.Optimizer | training.Callback | training.Corruption
        ):
            assert kind.__repr__ is not object.__repr__


@pytest.mark.parametrize("name", CASES)
def test_the_repr_of_every_checked_module_fits_a_screen(name):
    problem = CASES[name].draw(np.random.default_rng(0))
    assert fits_screen(repr(problem)) and fits_screen(repr(CASES[name]))


def test_the_repr_of_a_network_has_a_line_per_layer_and_omits_the_middle_of_a_deep_one():
    assert repr(Sequential(*network(3).layers[:5], Linear(9, 1234, "he_normal"))).split("\n") == [
        "Sequential(",
        *["    Linear(9, 9),", "    ReLU(),"] * 2,
        "    Linear(9, 9),",
        "    Linear(9, 1234, init='he_normal'),",
        ")",
    ]
    deep = repr(network())
    assert fits_screen(deep) and re.search(r"\n    … \d+ more lines\n", deep) and deep.endswith("ReLU(),\n)")
    nested = Linear(3, 3)
    for _ in range(100):
        nested = Sequential(nested, ReLU())
    assert fits_screen(repr(nested))


def test_arrays_functions_and_missing_attributes_are_abbreviated():
    table = np.zeros((100, 100))
    assert repr(TwoArguments(table, np.sin)) == "TwoArguments(<float64 array (100, 100)>, sin)"
    assert "[1.5, 1.5, 1.5, " in repr(TwoArguments([1.5] * 1000, {"a": table})) and "… 988 more]" in repr(
        TwoArguments([1] * 1000, 0)
    )
    assert fits_screen(repr(TwoArguments([table] * 1000, dict.fromkeys(range(1000), table))))
    assert repr(RenamedAttribute(3, table)) == "RenamedAttribute(3, …)"
    assert repr(RenamedAttribute(3, table, scale=2.0)) == "RenamedAttribute(3, …, scale=2.0)"
    assert fits_screen(repr(TwoArguments("x" * 10_000, 10**5000)))
    assert value_repr((1,)) == "(1,)" and value_repr([]) == "[]" and value_repr({}) == "{}"


def test_the_repr_of_a_part_does_not_change_when_a_model_uses_it():
    encoder = Sequential(Linear(9, 4), ReLU(), Linear(4, 4))
    before = repr(encoder)
    model = sv.VAE(encoder=encoder, latent_dim=2, hidden=(4,))
    assert repr(model.encoder) == before


def test_lines_are_broken_after_commas():
    text = join_lines("<", [str(k) * 30 for k in range(9)], ">")
    assert fits_screen(text) and text.replace("\n   ", "") == f"<{', '.join(str(k) * 30 for k in range(9))}>"
    assert fits_screen(fit_lines("\n".join("x" * 200 for _ in range(200))))


# --- models


@pytest.mark.parametrize("name", MODELS)
def test_a_model_and_its_trainer_fit_a_screen(name):
    model = MODELS[name]
    assert fits_screen(repr(model)) and f"{model.theta.size:,} parameters" in repr(model)
    trainer = sv.Trainer(model, binarize=None, kl_weight=None if name == "Autoencoder" else KLWarmUp(10))
    assert fits_screen(repr(trainer)) and "Adam(lr=0.001)" in repr(trainer)
    for part in model.parts.values():
        assert fits_screen(repr(part))


@pytest.mark.parametrize("name", MODELS)
def test_the_summary_counts_every_parameter_and_has_a_row_for_each_part(name):
    model = MODELS[name]
    summary = model.summary()
    assert sum(row.parameters for row in summary.rows) == summary.parameters == model.theta.size
    assert summary.nbytes == model.theta.nbytes and summary.activations > 0
    rows = {row.layer: row for row in summary.rows}
    assert rows["input"].output == ("B", 9)
    assert {"likelihood", "objective"} <= set(rows)
    assert {"posterior", "prior"} <= set(rows) or isinstance(model, sv.Autoencoder)
    text = repr(summary)
    assert str(summary) == text and max(map(len, text.split("\n"))) <= WIDTH
    assert f"{model.theta.size:,} parameters" in text and "memory: " in text and rows["encoder.0"].kind in text


@pytest.mark.parametrize("name", MODELS)
def test_the_summary_shows_the_shapes_of_a_forward(name):
    model = models()[name]
    rows = {row.layer: row for row in model.summary().rows}
    shapes = {}

    def record(path, forward):
        def call(*inputs):
            output = forward(*inputs)
            shapes[path] = output.shape
            return output

        return call

    for network in ("encoder", "decoder", "classifier"):
        for path, module in modules_in(model.parts[network], network) if network in model.parts else ():
            if path in rows and not isinstance(module, Sequential):
                module.forward = record(path, module.forward)
    x = np.where(X > 0.5, X, np.nan) if name == "missing" else X
    model.loss_and_grads(x, labels=LABELS if model.classes else None)
    assert shapes and {"encoder.0", "decoder.0"} <= set(shapes)
    for path, shape in shapes.items():
        count, *width = rows[path].output
        factor = 1 if count == "B" else int(count.removesuffix("·B"))
        assert shape == (factor * len(x), *width)


def test_the_summary_of_a_small_vae():
    assert repr(sv.VAE(9, 2, (4,), beta=4).summary()) == (
        "<VAE 9-4-2, relu, 117 parameters, float32 on numpy>\n"
        "──────────────────────────────────────────────────\n"
        "layer       class               output  parameters\n"
        "──────────────────────────────────────────────────\n"
        "input                           (B, 9)\n"
        "encoder.0   Linear              (B, 4)          40\n"
        "encoder.1   ReLU                (B, 4)\n"
        "encoder.2   Linear              (B, 4)          20\n"
        "decoder.0   Linear              (B, 4)          12\n"
        "decoder.1   ReLU                (B, 4)\n"
        "decoder.2   Linear              (B, 9)          45\n"
        "likelihood  Bernoulli()         (B,)\n"
        "posterior   DiagonalGaussian()  (B, 2)\n"
        "prior       StandardNormal()    (B,)\n"
        "objective   ELBO(beta=4.0)      (B,)\n"
        "──────────────────────────────────────────────────\n"
        "117 parameters\n"
        "memory: 468 B parameters, 468 B gradients, 136 B outputs for each row of a batch\n"
        "scale: not learned yet"
    )


def test_the_summary_of_a_model_with_missing_values():
    text = repr(MODELS["missing"].summary())
    assert "missing=True, " in text.splitlines()[0]
    assert "encoder input  NaNToZero                             (B, 9)\n" in text
    assert "likelihood     MaskedLikelihood(GaussianLearned(…))  (B,)  " in text
    assert text.endswith("scale: not learned yet")
    model = sv.VAE(9, 2, encoder=Linear(9, 4), missing=True)
    assert [row.layer for row in model.summary().rows if row.layer.startswith("enc")] == ["encoder input", "encoder"]


def test_a_model_of_several_draws_shows_their_number():
    assert repr(MODELS["IWAE"]) == "<IWAE 9-4-2, relu, 5 draws, 117 parameters, float32 on numpy>"
    assert ", own objective, 7 draws, " in repr(sv.VAE(9, 2, objective=objectives.ImportanceWeighted(7)))


def test_the_summary_is_a_table_in_a_notebook():
    model = sv.VAE(9, 2, (4,), likelihood="gaussian", scale="none", sigma=None)
    model.schema = model.schema._replace(columns=tuple("abcdefghi"))
    html = model.summary()._repr_html_()
    assert "<td>()</td>" not in html and all(line in html for line in ("parameters", "memory: ", "columns: a, b, c"))


def test_a_part_that_was_not_bound_has_no_shape_in_the_summary():
    assert _shape(()) == "" and _shape(("B", 3)) == "(B, 3)" and _shape(("B",)) == "(B,)"


def test_the_summary_names_the_plain_classes_of_fused_layers():
    try:
        model = sv.VAE(9, 2, (4,), backend="native")
    except BackendError as error:
        pytest.skip(str(error))
    assert "Fused" not in repr(model.summary())


def test_completion_offers_the_public_names():
    internal = {"allocate", "bind", "connect", "compose", "check_network", "ensure_capacity", "initialize", "validator"}
    for model in MODELS.values():
        names = dir(model)
        assert not internal & set(names) and not [name for name in names if re.match("_[a-z]", name)]
        assert {"decode", "embed", "encode", "params", "reconstruct", "summary", "theta", "__class__"} <= set(names)
        assert all(hasattr(model, name) for name in internal & set(dir(type(model))))
        for name in names:
            getattr(model, name)
    model = MODELS["VAE"]
    assert [name for name in dir(model) if name[0] != "_"] == words("""
        analogy anomaly_score astype backend backward backward_to_inputs classes config decode decoder denoise
        dtheta dtype elbo embed encode encoder forward grads image_shape impute input_dim interpolate latent_dim
        likelihood lock loss_and_grads metadata noise_dim objective params parts posterior posterior_predictive
        posterior_sample prior reconstruct sample schema score_samples shapes summary support terms theta
        traverse write_lock
    """)
    assert {"swap_class"} <= set(dir(MODELS["ConditionalVAE"]))
    assert {"classify", "predict_proba"} <= set(dir(MODELS["SemiSupervisedVAE"]))
    trainer = sv.Trainer(model)
    assert [name for name in dir(trainer) if name[0] != "_"] == words("""
        batch_size binarize clip_norm comm corrupt cuda_graph fit history kl_weight load_state_dict lr model optimizer
        seed state_dict step
    """)
    assert "recording" not in dir(trainer.history) and "to_csv" in dir(trainer.history)


def test_completion_offers_names_added_by_a_user():
    class CustomVAE(sv.VAE):
        def frechet(self):
            """A method of the user."""

    model = CustomVAE(9, 2, (4,))
    model.note = 1
    assert {"frechet", "note"} <= set(dir(model))


# --- results


class TableParser(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.cells = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        assert not attrs
        self.tags.append(tag)

    def handle_data(self, data):
        self.cells.append(data)


def epoch(number, loss=100.0, validation=None, **settings):
    return Epoch(number, loss, -90.0, 10.0, validation, 0.5, **settings)


def history_of(*epochs, stopped="finished"):
    history = History()
    history.epochs, history.stopped = list(epochs), stopped
    return history


def test_a_history_shows_its_last_epochs_and_the_best_one():
    losses = [float(100 - k if k < 20 else 60 + k) for k in range(50)]
    history = history_of(*(epoch(k + 1, losses[k], losses[k] + 1, kl_per_dimension=(0.5,) * 500) for k in range(50)))
    text = repr(history)
    assert fits_screen(text) and text.startswith("History: 50 epochs, finished, lowest validation loss in epoch 21\n")
    assert re.findall(r"^ *(\d+) ", text, re.MULTILINE) == ["1", "21", "46", "47", "48", "49", "50"]
    first_words = [line.split()[0] for line in text.splitlines()[1:]]
    assert first_words == ["epoch", "1", "…", "21", "…", "46", "47", "48", "49", "50"]
    parsed = TableParser(history._repr_html_())
    assert set(parsed.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert {"epoch", "validation", "active units", "500", "81.00"} <= set(parsed.cells)
    assert "kl weight" not in parsed.cells


@pytest.mark.parametrize(
    "history",
    [
        History(),
        history_of(epoch(1)),
        history_of(epoch(1, np.nan)),
        history_of(epoch(1, 1e300, 1e-300), epoch(2, 3.0, np.nan, kl_weight=0.5)),
        history_of(epoch(1), stopped="<script>" * 99),
    ],
)
def test_any_history_fits_a_screen_and_is_escaped(history):
    assert fits_screen(repr(history))
    assert "script" not in TableParser(history._repr_html_()).tags
    assert all(fits_screen(repr(epoch)) for epoch in history.epochs)


def test_a_gradient_report_is_a_table_with_failures_first():
    def forward(*inputs):
        return sum(np.sin(x) for x in inputs)

    def vjp(dy, *inputs):
        return [dy * np.cos(x) * (1.01 if k == 28 else 1) for k, x in enumerate(inputs)]

    names = [f"<b>{k}</b>" * (1 + 9 * (k == 28)) for k in range(30)]
    report = check(forward, vjp, *(np.full((2, 3), k / 9) for k in range(30)), names=names)
    text = repr(report)
    assert fits_screen(text) and "<b>28</b>" in text.split("\n")[1] and "wrong" in text.split("\n")[1]
    assert "… 22 more" in text and "1 of 30 WRONG" in text
    parsed = TableParser(report._repr_html_())
    assert {"table", "tr", "td"} <= set(parsed.tags) and "b" not in parsed.tags
    assert {"verdict", "wrong", "agrees", "<b>0</b>"} <= set(parsed.cells)
    assert all(fits_screen(repr(argument)) for argument in report.arguments)
    small = check(forward, lambda dy, x: [dy * np.cos(x)], np.ones((2, 3)))
    assert (
        fits_screen(repr(small))
        and "every gradient agrees" in repr(small)
        and "agrees" in TableParser(small._repr_html_()).cells
    )


def test_the_repr_of_a_result_abbreviates_long_arrays():
    vae, classifier = MODELS["VAE"], MODELS["SemiSupervisedVAE"]
    x = np.random.default_rng(1).random((1000, 9), np.float32)
    results = [
        vae.elbo(x),
        sv.score(vae, x),
        sv.evaluation.active_units(vae, x),
        sv.evaluation.classification(classifier, x[:20], LABELS),
        sv.evaluation.imputation_error(x, x, x > 0.5),
        sv.evaluation.mutual_information_gap(x, {"first": x[:, 0] > 0.5, "second": x[:, 1]}),
        compare(CASES["Linear"].draw(np.random.default_rng(0)), None),
        next(iter(CHECKS.values())),
        sv.evaluation.log_likelihood(vae, x, samples=3),
    ]
    for result in results:
        assert fits_screen(repr(result)) and repr(result).startswith(f"{type(result).__name__}(")
    assert repr(results[0]).startswith("ELBOTerms(value=<float32 array (1000,)>, ")
    assert "confusion=<int64 array (3, 3)>" in repr(results[3])
    assert re.fullmatch(r"Score\(value=-\d+\.\d+, .*, rows=1000\)", repr(results[1]))


def test_a_data_set_shows_its_name_rows_shape_and_classes():
    digits = sv.datasets.load("digits")
    assert repr(digits) == "<Dataset 'digits': 1,500 train, 297 test rows of 64 float32 numbers (8×8), 10 classes>"
    assert repr(digits.train) == "<Split: 1,500 rows of 64 float32 numbers, 10 classes>"
    assert repr(digits._replace(name="x" * 999, image_shape=None).part("all")).startswith("<Split: 1,797 rows of 64")
    assert fits_screen(repr(digits._replace(name="x" * 999, factors={f"factor {k}": LABELS for k in range(99)})))
    unlabelled = digits._replace(train=digits.train._replace(labels=None), test=digits.test._replace(labels=None))
    assert repr(unlabelled).endswith("(8×8), no labels>") and repr(unlabelled.train).endswith(", no labels>")


# --- near names


@pytest.mark.parametrize(
    ("call", "expected"),
    {
        "sv.VAE(latent=5)": "VAE has no argument latent: did you mean latent_dim?",
        "sv.VAE(9, Hidden=(3,))": "VAE has no argument Hidden: did you mean hidden?",
        "sv.VAE(zzz=1)": "VAE has no argument zzz: see help(VAE)",
        "sv.IWAE(importance_sample=3)": "IWAE has no argument importance_sample: did you mean importance_samples?",
        "sv.ConditionalVAE(n_classes=3)": "ConditionalVAE has no argument n_classes: did you mean classes?",
        "sv.ConditionalVAE(n_labels=3)": "ConditionalVAE has no argument n_labels: did you mean classes?",
        "sv.Trainer(MODELS['VAE'], learning_rate=1e-3)": "Trainer has no argument learning_rate: did you mean lr?",
        "sv.Trainer(MODELS['VAE'], batchsize=8)": "Trainer has no argument batchsize: did you mean batch_size?",
        "sv.Trainer(MODELS['VAE']).fit(X, 1, validaton=X)": (
            "Trainer.fit has no argument validaton: did you mean validation?"
        ),
        "optim.Adam(learning_rate=1.0)": "Adam has no argument learning_rate: did you mean lr?",
        "optim.AdamW(decay=1.0)": "AdamW has no argument decay: did you mean weight_decay?",
        "sv.VAE(z_dim=3)": "VAE has no argument z_dim: did you mean latent_dim?",
        "sv.VAE(hidden_layer_sizes=(3,))": "did you mean hidden?",
        "sv.VAE(device='cuda')": "did you mean backend?",
        "sv.VAE(classes=3)": "VAE has no argument classes: classes is an argument of ConditionalVAE",
        "sv.Trainer(MODELS['VAE'], epochs=3)": "Trainer has no argument epochs: epochs is an argument of Trainer.fit",
        "sv.Trainer(MODELS['VAE'], callbacks=[])": "callbacks is an argument of Trainer.fit",
        "sv.Trainer(MODELS['VAE'], max_iter=3)": "epochs is an argument of Trainer.fit",
        "sv.Trainer(MODELS['VAE'], weight_decay=0.1)": "weight_decay is an argument of sv.optim.AdamW",
        "sv.Trainer(MODELS['VAE'], optimizer='adam')": "such as sv.optim.Adam(1e-3)",
        "sv.Trainer(MODELS['VAE']).fit(X, 1, batch_size=16)": "batch_size is an argument of Trainer",
        "sv.Trainer(MODELS['VAE']).fit(X, 1, batchsize=16)": "batch_size is an argument of Trainer",
        "sv.Trainer(MODELS['VAE']).fit(X, n_epochs=1)": "did you mean epochs?",
        "sv.Trainer(MODELS['VAE']).fit(X, 1, verbose=True)": "did you mean progress?",
        "sv.Trainer(MODELS['VAE']).fit(X, 1, validation_data=X)": "did you mean validation?",
        "MODELS['VAE'].sample(n=4)": "VAE.sample has no argument n: did you mean count?",
        "MODELS['ConditionalVAE'].sample(n=4)": "ConditionalVAE.sample has no argument n: did you mean count?",
        "MODELS['VAE'].embed(X, mean=True)": "VAE.embed has no argument mean: expected x, labels",
        "MODELS['VAE'].impute(X, mask=X > 0)": "VAE.impute has no argument mask: did you mean observed?",
        "MODELS['VAE'].traverse(X, dim=9)": "VAE.traverse has no argument dim: did you mean dimension?",
        "sv.score(MODELS['VAE'], X, samples=0)": "score has no argument samples: expected model, images, seed, ",
        "sv.datasets.load('digits', split='train')": "load has no argument split: expected source, folder, key",
        "sv.gradcheck.check(np.sin, np.cos, X, atol=1e-3)": "check has no argument atol: did you mean tolerance?",
        "training.EarlyStopping(patiense=3)": "EarlyStopping has no argument patiense: did you mean patience?",
        "training.KLWarmUp(epochs=3)": "KLWarmUp has no argument epochs: expected steps",
        "sv.gradcheck.check_gradient(np.sin, np.cos, np.ones(3), atol=1e-3)": "did you mean tolerance?",
        "sv.VAE(activation='Relu')": "; did you mean 'relu'?",
        "sv.VAE(likelihood='gausian')": "; did you mean 'gaussian'?",
        "sv.VAE(likelihood='Continuous Bernoulli')": "; did you mean 'continuous_bernoulli'?",
        "sv.VAE(init='HeNormal')": "; did you mean 'he_normal'?",
        "sv.VAE(dtype='Float64')": "; did you mean 'float64'?",
        "MODELS['VAE'].impute(X, method='Gibbs')": "choose one of metropolis, ",
        "MODELS['VAE'].interpolate(X[0], X[1], kind='spheric')": "; did you mean 'spherical'?",
    }.items(),
)
def test_a_misspelt_name_gets_a_suggestion(call, expected):
    with pytest.raises(ConfigError) as caught:
        eval(call)
    assert expected in str(caught.value) and len(str(caught.value)) <= 200


# one argument or none, names that the user chooses, or called by the loop of training
UNCHECKED = words("""
    backward backward_to_inputs check_gradient factor_grid forward get_backend properties summary to_numpy write_lock
""")


def public_functions():
    """Functions, and methods with an instance to call them on, by name."""
    for package in (sv, sv.datasets, sv.evaluation, sv.gradcheck, sv.plotting, sv.training):
        for name in package.__all__:
            if inspect.isfunction(function := getattr(package, name)) and name not in UNCHECKED:
                yield name, (function,)
    trainer = sv.Trainer(sv.VAE(9, 2, (4,)))
    for owner in (*map(MODELS.get, ("VAE", "SemiSupervisedVAE", "Autoencoder")), trainer, trainer.history):
        for name in dir(owner):
            function = getattr(type(owner), name, None)
            if inspect.isfunction(function) and name[0] != "_" and name not in UNCHECKED:
                yield f"{type(owner).__name__}.{name}", (function, owner)


@pytest.mark.parametrize(("name", "call"), list(public_functions()))
def test_every_public_function_refuses_an_unknown_argument_by_name(name, call):
    function, *owner = call
    with pytest.raises(ConfigError, match=f"^{name} has no argument zzzz: (expected|see help)"):
        function(*owner, zzzz=1)
    assert "kwargs" not in str(inspect.signature(function))


def test_the_table_of_arguments_agrees_with_the_signatures():
    for owner, names in ARGUMENTS.items():
        function = eval(owner if owner.startswith("sv.") else f"sv.{owner}")
        plain = function if inspect.isfunction(function) else function.__init__
        inherited = inspect.signature(sv.VAE.__init__ if owner == "VAE" else plain).parameters
        assert set(names) <= set(inherited), owner
    known = {name for names in ARGUMENTS.values() for name in names}
    assert set(SYNONYMS.values()) <= known | {"count", "dimension", "observed", "seed", "tolerance"}


def test_misspelt_backends_and_data_sets_get_a_suggestion():
    with pytest.raises(BackendError, match="did you mean 'numpy'"):
        sv.get_backend("NumPy")
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        sv.datasets.load("mnsit")


@pytest.mark.parametrize("length", [1, 10, 60, 1000, 10**6])
def test_messages_stay_short(length):
    for call in (
        lambda text: sv.VAE(**{text: 1}),
        lambda text: sv.VAE(activation=text),
        lambda text: sv.datasets.load(text),
        lambda text: sv.get_backend(text),
        lambda text: sv.Trainer(MODELS["VAE"], optimizer=text),
        lambda text: check_choice("name", text, [f"choice {k}" for k in range(1000)]),
        lambda text: type("V" * length, (sv.VAE,), {})(**{text: 1}),
    ):
        for text in ("x" * length, "é\n" * length, "mnsit" * length):
            with pytest.raises((ConfigError, DataError, BackendError)) as caught:
                call(text)
            assert len(str(caught.value)) <= 200


def test_nearest_ignores_case_and_knows_initials():
    assert nearest("RELU", ["tanh", "relu"]) == "relu"
    assert nearest("learning-rate", ["lr", "learned"]) == "lr" and nearest("bs", ["batch_size", "seed"]) == "batch_size"
    assert nearest("", ["lr"]) is None and nearest(3, ["lr"]) is None and nearest("lr", []) is None


def test_a_decorated_method_keeps_its_signature():
    assert list(inspect.signature(sv.VAE).parameters)[:3] == ["input_dim", "latent_dim", "hidden"]
    assert "validation" in inspect.signature(sv.Trainer.fit).parameters
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'model'"):
        sv.Trainer()
