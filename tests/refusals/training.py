"""Refusals of the trainer, callbacks, model files, scores, corruptions and the history."""

import functools
import tempfile
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
from refusals.table import (
    CLASSES,
    COUNTS,
    FLAGS,
    INPUTS,
    PATHS,
    POSITIVES,
    REALS,
    SEEDS,
    SIZES,
    X,
    Y,
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
from scratchvae import io, layers, optim, training
from scratchvae.errors import BackendError, ConfigError, FileError, RangeError, ShapeError

NO_MODELS = wrong(ConfigError, "expected a", None, 3, "vae", "vae.npz", {}, sv.VAE, np.ones(3), object())
NO_BINARIZATION = wrong(
    ConfigError, "expected 'dynamic'", 3, True, "often", "", b"dynamic", ["dynamic"], {}, np.ones(2)
)
NO_CORRUPTION = wrong(
    ConfigError, "expected one of GaussianNoise", 3, 0.3, True, "masking", [], training.Masking, np.ones(2)
)
NO_COMM = wrong(ConfigError, "expected a communicator of mpi4py", 3, True, "world", 0.5, [], {}, np.ones(2), object())
NO_CUDA_GRAPH = wrong(ConfigError, "expected True or False", 3, 0.0, 1, "yes", [], np.ones(2))


def trainer(kind="VAE", **settings):
    return sv.Trainer(make(kind), **settings)


def without_none(wrongs):
    return [w for w in wrongs if w.value is not None]


def trainer_rows():
    yield from refuse_one("Trainer", "model", NO_MODELS, sv.Trainer)
    yield from refuse_one(
        "Trainer", "lr", without_none(w for w in POSITIVES if "type" not in w.label), lambda v: trainer(lr=v)
    )
    yield row("Trainer", "lr", "a class", lambda: trainer(lr=optim.Cosine), ConfigError, "Cosine", "make one")
    both = lambda: trainer(lr=1e-3, optimizer=optim.Adam())  # noqa: E731
    yield row(
        "Trainer",
        "lr",
        "beside an optimizer",
        both,
        ConfigError,
        "optimizer",
        "pass the learning rate to the optimizer",
    )
    yield from refuse_one("Trainer", "batch_size", COUNTS, lambda v: trainer(batch_size=v))
    yield from refuse_one("Trainer", "seed", SEEDS, lambda v: trainer(seed=v))
    no_optimizer = wrong(
        ConfigError, "expected an optimizer", 3, 0.0, "adam", optim.Adam, optim.Constant(1e-3), {}, [], False
    )
    yield from refuse_one("Trainer", "optimizer", no_optimizer, lambda v: trainer(optimizer=v))
    shared_optimizer = lambda: [sv.Trainer(make("VAE"), optimizer=ours) for ours in [optim.Adam()] * 2]  # noqa: E731
    yield row("Trainer", "trainer", "another's optimizer", shared_optimizer, ConfigError, "make a new one")
    yield from refuse_one("Trainer", "clip_norm", without_none(POSITIVES), lambda v: trainer(clip_norm=v))
    yield from refuse_all("Trainer", "binarize", NO_BINARIZATION, lambda v: trainer(binarize=v))
    grey = lambda: sv.Trainer(make("VAE", likelihood="gaussian"), binarize="dynamic")  # noqa: E731
    yield row("Trainer", "binarize", "of a Gaussian", grey, ConfigError, "likelihood='gaussian'", "leave it out")
    no_weight = wrong(ConfigError, "expected a function", 3, 0.5, "warm up", True, training.KLWarmUp, {}, [])
    yield from refuse_one("Trainer", "kl_weight", no_weight, lambda v: trainer(kl_weight=v))
    no_kl = lambda: trainer("Autoencoder", kl_weight=training.KLWarmUp(3))  # noqa: E731
    yield row("Trainer", "kl_weight", "of no KL", no_kl, ConfigError, "Autoencoder", "leave it out")
    yield from refuse_one("Trainer", "corrupt", NO_CORRUPTION, lambda v: trainer(corrupt=v))
    above = lambda: trainer(corrupt=training.SaltAndPepper(0.1, high=2.0))  # noqa: E731
    yield row("Trainer", "SaltAndPepper", "beyond the support", above, ConfigError, "writes 2", "use another")
    yield from refuse_one("Trainer", "cuda_graph", NO_CUDA_GRAPH, lambda v: trainer(cuda_graph=v))
    yield from refuse_one("Trainer", "comm", NO_COMM, lambda v: trainer(comm=v))
    graph = lambda: trainer(cuda_graph=True)  # noqa: E731
    yield row("Trainer", "cuda_graph", "without a GPU", graph, ConfigError, "backend='cupy'", "leave it out")


def stream_rows():
    batches = lambda v: trainer().fit(lambda: [X], 1, steps_per_epoch=v)  # noqa: E731
    yield from refuse_one("Trainer.fit", "steps_per_epoch", without_none(COUNTS), batches)
    no_steps = lambda: trainer().fit(lambda: [X], 1)  # noqa: E731
    yield row(
        "Trainer.fit", "images", "a stream without steps", no_steps, ConfigError, "stream", "pass steps_per_epoch="
    )
    array = lambda: trainer().fit(X, 1, steps_per_epoch=1)  # noqa: E731
    yield row("Trainer.fit", "steps_per_epoch", "of an array", array, ConfigError, "images is none", "leave it out")
    states = wrong(ConfigError, "expected a dict", None, 3, "state", [], np.ones(3))
    yield from refuse_one("Trainer.load_state_dict", "state", states, lambda v: trainer().load_state_dict(v))


def attribute_rows():
    """The same refusals as in the constructor, for attributes of a trainer."""

    def set_attribute(name, kind="VAE"):
        return lambda v: setattr(trainer(kind), name, v)

    yield from refuse_one("Trainer.lr", "lr", [w for w in POSITIVES if "type" not in w.label], set_attribute("lr"))
    yield row(
        "Trainer.lr", "lr", "a class", lambda: set_attribute("lr")(optim.Cosine), ConfigError, "Cosine", "make one"
    )
    yield from refuse_one("Trainer.batch_size", "batch_size", COUNTS, set_attribute("batch_size"))
    yield from refuse_one("Trainer.clip_norm", "clip_norm", without_none(POSITIVES), set_attribute("clip_norm"))
    no_weight = wrong(ConfigError, "expected a function", 3, 0.5, "warm up", True, training.KLWarmUp, {}, [])
    yield from refuse_one("Trainer.kl_weight", "kl_weight", no_weight, set_attribute("kl_weight"))
    no_kl = lambda: set_attribute("kl_weight", "Autoencoder")(training.KLWarmUp(3))  # noqa: E731
    yield row("Trainer.kl_weight", "kl_weight", "of no KL", no_kl, ConfigError, "Autoencoder", "leave it out")
    yield from refuse_one("Trainer.binarize", "binarize", NO_BINARIZATION, set_attribute("binarize"))
    yield from refuse_one("Trainer.comm", "comm", NO_COMM, set_attribute("comm"))
    yield from refuse_one("Trainer.cuda_graph", "cuda_graph", NO_CUDA_GRAPH, set_attribute("cuda_graph"))
    yield from refuse_one("Trainer.corrupt", "corrupt", NO_CORRUPTION, set_attribute("corrupt"))
    above = lambda: set_attribute("corrupt")(training.SaltAndPepper(0.1, high=2.0))  # noqa: E731
    yield row("Trainer.corrupt", "SaltAndPepper", "beyond the support", above, ConfigError, "writes 2", "use another")


def callback_rows():
    function, fit = "Trainer.fit", lambda *callbacks, **v: trainer().fit(X, 1, callbacks=list(callbacks), **v)
    no_list = wrong(ConfigError, "expected a list of callbacks", None, 3, "early", {}, True, training.EarlyStopping)
    yield from refuse_all(function, "callbacks", no_list, lambda v: trainer().fit(X, 1, callbacks=v))
    alone = lambda: trainer().fit(X, 1, callbacks=training.EarlyStopping(5))  # noqa: E731
    yield row(function, "callbacks", "one alone", alone, ConfigError, "expected a list of callbacks")
    odd = wrong(ConfigError, "expected a callback", None, 3, "early", {}, True, training.EarlyStopping, print)
    yield from refuse_one(function, "callbacks[0]", odd, fit)
    shorthands = {
        "patience": (3, lambda: training.EarlyStopping(3)),
        "retries": (3, lambda: training.FiniteCheck(3)),
        "progress": (True, training.Progress),
        "checkpoint": ("a.npz", lambda: training.Checkpoint("b.npz")),
    }
    for name, (value, make_one) in shorthands.items():
        both = lambda n=name, v=value, m=make_one: fit(m(), **{n: v}, validation=X)  # noqa: E731
        yield row(function, name, "beside such a callback", both, ConfigError, "exclude each other", "leave one out")
    yield row(
        function,
        "patience",
        "of a callback, without validation",
        lambda: fit(training.EarlyStopping(3)),
        ConfigError,
        "pass validation=",
    )
    yield row(
        function, "on_before_update", "that answers otherwise", lambda: fit(ReturnsStop()), ConfigError, "expected None"
    )

    yield from refuse_one("training.EarlyStopping", "patience", COUNTS, training.EarlyStopping)
    yield from refuse_one("training.EarlyStopping", "min_delta", REALS, lambda v: training.EarlyStopping(3, v))
    yield from refuse_one("training.FiniteCheck", "retries", SIZES, training.FiniteCheck)
    yield from refuse_one("training.FiniteCheck", "every", COUNTS, lambda v: training.FiniteCheck(every=v))
    yield from refuse_one("training.MaxTime", "seconds", POSITIVES, training.MaxTime)
    plateau = training.ReduceLROnPlateau
    factors = POSITIVES + wrong(ConfigError, "expected a number between 0 and 1", 1, 1.0, 2)
    yield from refuse_one("training.ReduceLROnPlateau", "factor", factors, plateau)
    yield from refuse_one("training.ReduceLROnPlateau", "patience", COUNTS, lambda v: plateau(patience=v))
    yield from refuse_one("training.ReduceLROnPlateau", "min_delta", REALS, lambda v: plateau(min_delta=v))
    yield from refuse_one("training.ReduceLROnPlateau", "min_lr", REALS, lambda v: plateau(min_lr=v))
    function, checkpoint = "training.Checkpoint", lambda **v: training.Checkpoint(**{"path": "kept.npz", **v})
    yield from refuse_one(function, "checkpoint", PATHS, lambda v: checkpoint(path=v))
    for name in ("kept", "kept.npy", "", "."):
        yield row(
            function, "checkpoint", f"{name!r}", lambda n=name: checkpoint(path=n), ConfigError, "expected", ".npz"
        )
    yield from refuse_one(function, "every", without_none(COUNTS), lambda v: checkpoint(every=v))
    yield from refuse_one(function, "keep", COUNTS, lambda v: checkpoint(keep=v))
    yield from refuse_one(function, "resume", FLAGS, lambda v: checkpoint(resume=v))

    factor = lambda v: fit(CallbackWithAction(lambda state: state.scale_lr("mine", v)))  # noqa: E731
    yield from refuse_one("training.TrainingState.scale_lr", "factor", POSITIVES, factor)
    reasons = wrong(ConfigError, "expected a short text", None, "", 3, True, b"enough", [], {})
    stop = lambda v: fit(CallbackWithAction(lambda state: state.stop(v)))  # noqa: E731
    yield from refuse_all("training.TrainingState.stop", "reason", reasons, stop)


class ReturnsStop(training.Callback):
    def on_before_update(self, state):
        return "stop"


class CallbackWithAction(training.Callback):
    def __init__(self, action):
        self._action = action

    def on_step_end(self, state):
        self._action(state)


def step_rows():
    for kind in ("VAE", "ConditionalVAE"):
        yield from refuse_one(
            "Trainer.step", "x", data("x", INPUTS), lambda v, k=kind: trainer(k).step(v, 0 if k[0] == "C" else None)
        )
    for value in (None, -1.0):
        weight, rate = (lambda t, v=value: v for _ in range(2))
        problem = f"that answers {value!r}"
        yield row(
            "Trainer.step",
            "kl_weight",
            problem,
            lambda w=weight: trainer(kl_weight=w).step(X),
            ConfigError,
            "expected a finite",
        )
        yield row("Trainer.step", "lr", problem, lambda r=rate: trainer(lr=r).step(X), ConfigError, "expected a finite")
        yield row(
            "Trainer.fit", "lr", problem, lambda r=rate: trainer(lr=r).fit(X, 1), ConfigError, "expected a finite"
        )
    yield row("Trainer.step", "labels", "of a VAE", lambda: trainer().step(X, Y), ConfigError, "VAE", "takes no ")


def fit_rows():
    function = "Trainer.fit"
    yield from refuse_one(function, "images", data("images", INPUTS), lambda v: trainer().fit(v, 1))
    yield from refuse_one(function, "epochs", COUNTS, lambda v: trainer().fit(X, v))
    yield from refuse_one(
        function, "validation", without_none(data("validation", INPUTS)), lambda v: trainer().fit(X, 1, v)
    )
    yield from refuse_one(function, "patience", without_none(COUNTS), lambda v: trainer().fit(X, 1, X, patience=v))
    alone = lambda: trainer().fit(X, 1, patience=1)  # noqa: E731
    yield row(function, "patience", "without validation", alone, ConfigError, "pass validation=")
    alone = lambda: trainer("ConditionalVAE").fit(X, 1, labels=Y, validation_labels=Y)  # noqa: E731
    yield row(function, "validation_labels", "without validation", alone, ConfigError, "pass validation=")
    yield row(function, "labels", "of a VAE", lambda: trainer().fit(X, 1, labels=Y), ConfigError, "VAE", "takes no ")
    of_vae = lambda: trainer().fit(X, 1, X, validation_labels=Y)  # noqa: E731
    yield row(function, "validation_labels", "of a VAE", of_vae, ConfigError, "VAE", "takes no ")
    for name, value in {"labelled_share": 0.5, "input_std": np.ones_like(X)}.items():
        yield row(
            function,
            name,
            "of a VAE",
            lambda n=name, v=value: trainer().fit(X, 1, **{n: v}),
            ConfigError,
            "with labels",
            "leave",
        )
    for kind in ("ConditionalVAE", "SemiSupervisedVAE"):
        some = kind[0] == "S"
        fit = lambda k=kind, **v: trainer(k).fit(**{"images": X, "epochs": 1, "labels": Y, **v})  # noqa: E731
        yield from refuse_one(function, "labels", labels(6, CLASSES, some), lambda v, f=fit: f(labels=v))
        with_labels = lambda v, f=fit: f(validation=X, validation_labels=v)  # noqa: E731
        yield from refuse_one(function, "validation_labels", labels(6, CLASSES, some), with_labels)
        yield from refuse_one(
            "Trainer.step", "labels", labels(6, CLASSES, some), lambda v, k=kind: trainer(k).step(X, v)
        )
        yield row(
            function,
            "labelled",
            "of two classes of three",
            lambda f=fit: f(labels=Y % 2),
            RangeError,
            "2",
            "label at least one",
        )
        input_std = without_none(data("input_std", INPUTS, support=None))
        yield from refuse_one(function, "input_std", input_std, lambda v, f=fit: f(input_std=v))
        low, short = -np.ones_like(X), np.ones((5, INPUTS))
        yield row(
            function, "input_std", "negative", lambda f=fit, v=low: f(input_std=v), RangeError, "-1", "expected 0"
        )
        yield row(
            function,
            "input_std",
            "of fewer rows",
            lambda f=fit, v=short: f(input_std=v),
            ShapeError,
            "5 rows",
            "6",
            "expected",
        )
    some = np.where(np.arange(6) < 3, Y, -1)
    fit = lambda v: trainer("SemiSupervisedVAE").fit(X, 1, labels=some, labelled_share=v)  # noqa: E731
    shares = POSITIVES + wrong(ConfigError, "above 0 and below 1", 1, 1.0, 2)
    yield from refuse_one(function, "labelled_share", without_none(shares), fit)
    yield row(
        function, "labelled_share", "below that of the data", lambda: fit(0.1), ConfigError, "0.1", "leave it out"
    )


def checkpoint_rows():
    function, fit = "Trainer.fit", lambda **v: trainer().fit(X, 1, **{"checkpoint": place("kept.npz"), **v})
    yield from refuse_one(function, "checkpoint", without_none(PATHS), lambda v: fit(checkpoint=v))
    for name in ("kept", "kept.npy", "", "."):
        yield row(
            function, "checkpoint", f"{name!r}", lambda n=name: fit(checkpoint=n), ConfigError, "expected", ".npz"
        )
    for problem, name, *_ in PLACES:
        path = name if name.endswith(".npz") else f"{name}.npz/."
        if problem != "a folder":
            yield row(function, "cannot", problem, lambda p=path: fit(checkpoint=place(p)), FileError, "choose")
    yield from refuse_one(function, "every", without_none(COUNTS), lambda v: fit(every=v))
    yield from refuse_one(function, "keep", COUNTS, lambda v: fit(keep=v))
    yield from refuse_one(function, "resume", FLAGS, lambda v: fit(resume=v))
    yield from refuse_one(function, "retries", SIZES, lambda v: fit(retries=v))
    for name, value in {"every": 3, "resume": True}.items():
        alone = lambda n=name, v=value: trainer().fit(X, 1, **{n: v})  # noqa: E731
        yield row(function, name, "without a checkpoint", alone, ConfigError, "pass checkpoint=")


def score_rows():
    yield from refuse_one("score", "model", NO_MODELS, lambda v: sv.score(v, X))
    yield from refuse_one("score", "images", data("images", INPUTS), lambda v: sv.score(model(), v))
    yield from refuse_one("score", "seed", SEEDS, lambda v: sv.score(model(), X, seed=v))
    yield from refuse_one("score", "binarize", NO_BINARIZATION, lambda v: sv.score(model(), X, binarize=v))
    yield from refuse_one("score", "corrupt", NO_CORRUPTION, lambda v: sv.score(model(), X, corrupt=v))
    yield from refuse_one(
        "score", "labels", labels(6, CLASSES), lambda v: sv.score(model("ConditionalVAE"), X, labels=v)
    )
    yield row("score", "labels", "of a VAE", lambda: sv.score(model(), X, labels=Y), ConfigError, "takes no ")
    yield row("score", "labels", "left out", lambda: sv.score(model("ConditionalVAE"), X), ConfigError, "pass labels=")


class Folder:
    """A folder with files that are no models, created at first use."""

    @functools.cached_property
    def path(self):
        self._temporary = tempfile.TemporaryDirectory()
        path = Path(self._temporary.name)
        (path / "folder").mkdir()
        (path / "text").write_text("no numbers\n", encoding="utf-8")
        (path / "empty.npz").write_bytes(b"")
        np.savez(path / "arrays.npz", a=X)
        return path


FOLDER = Folder()
PLACES = (
    ("under a file", "text/vae.npz", FileError, "choose another place"),
    ("a folder", "folder", FileError, "choose another place"),
    ("with a NUL", "a\0b.npz", FileError, "choose another place"),
    ("too long", "a" * 300 + ".npz", FileError, "choose another place"),
)


def place(name):
    return FOLDER.path / name


def closed(file):
    file.close()
    return file


def file_rows():
    yield from refuse_one("save", "model", NO_MODELS, lambda v: sv.save(v, place("vae.npz")))
    yield from refuse_one("save", "path", PATHS, lambda v: sv.save(model(), v))
    for name in ("load", "load_encoder"):
        read = getattr(sv, name)
        yield from refuse_one(name, "path", PATHS, read)
        files = ("missing.npz", "folder", "text", "empty.npz", "arrays.npz", "a\0b.npz", "a" * 300)
        for file in files if name == "load" else files[:1]:
            what = file.split("\0")[-1] if len(file) < 100 else "cannot be read"  # a long name is shortened
            yield row(name, what, "no model", lambda n=file, r=read: r(place(n)), FileError, "scratchvae.save")
        backends = wrong(BackendError, "choose", None, "gpu", 3, [], np)
        yield from refuse_one(name, "backend", backends, lambda v, r=read: r(saved(), v))
        no_classes = wrong(
            ConfigError, "expected a list of classes", None, 3, "Square", Square, [Square()], ["Square"], [None],
            {"Square": Square}, np.ones(2),
        )  # fmt: skip
        refuse = refuse_all if name == "load" else refuse_one
        yield from refuse(name, "classes", no_classes, lambda v, r=read: r(saved(), classes=v))
        custom = lambda r=read: r(saved(custom=True))  # noqa: E731
        yield row(name, "classes", "left out", custom, FileError, "Square", "pass them", "classes=[Square]")
    for file in ("missing.npz", "arrays.npz"):
        yield row(
            "io.describe_file", file, "no model", lambda n=file: io.describe_file(place(n)), FileError, "expected"
        )
    yield from refuse_one("io.describe_file", "path", PATHS, io.describe_file)
    for name, read in {"load": sv.load, "load_encoder": sv.load_encoder, "io.describe_file": io.describe_file}.items():
        for problem, file in {"in text mode": StringIO("text"), "closed": closed(BytesIO(b"PK"))}.items():
            words = "binary" if problem == "in text mode" else "keep it open"
            yield row(name, "path", problem, lambda r=read, f=file: r(f), ConfigError, words)
    for problem, file in {"in text mode": StringIO(), "closed": closed(BytesIO())}.items():
        words = "binary" if problem == "in text mode" else "keep it open"
        yield row("save", "path", problem, lambda f=file: sv.save(model(), f), ConfigError, words)
    for name, call in {
        "as_text": lambda v: io.as_text("notes", v),
        "write_archive": lambda v: io.write_archive(BytesIO(), {"notes": v}, {}),
    }.items():
        values = (object(), {1, 2}, 1j, np.ones(2), b"text", "x" * 2**20, {"of": np})
        for value in values if name == "as_text" else values[:1]:
            what = "notes" if name == "as_text" else "header"
            problem = f"a {type(value).__name__}"
            yield row(f"io.{name}", what, problem, lambda c=call, v=value: c(v), ConfigError, "use")
    paths = wrong_rows("cannot write", *PLACES)
    yield from refuse_all("save", "cannot write", paths, lambda v: sv.save(model(), place(v)))
    save_object = lambda: sv.save(with_metadata({"x": object()}), place("vae.npz"))  # noqa: E731
    yield row("save", "model.metadata", "no JSON", save_object, ConfigError, "object", "use plain values")
    for problem, value in {"NaN": float("nan"), "a tuple": (1, 2), "a key of a number": {1: 2}}.items():
        save_value = lambda v=value: sv.save(with_metadata({"x": v}), place("vae.npz"))  # noqa: E731
        yield row("save", "model.metadata['x']", problem, save_value, ConfigError, "cannot be written to a file")
    for problem, part in {"of a layer": HiddenSetting(3), "of an odd one": UnwritableSetting({1, 2})}.items():
        function = lambda p=part: sv.VAE(INPUTS, 2, decoder=layers.Sequential(layers.Linear(2, INPUTS), p))  # noqa: E731
        argument = "secret" if problem == "of a layer" else "config"
        unwritable = lambda o=function: sv.save(o(), place("vae.npz"))  # noqa: E731
        yield row("save", argument, f"{problem} that cannot be written", unwritable, ConfigError)
    for method in ("to_csv", "kl_to_csv"):
        function = f"training.History.{method}"
        yield from refuse_one(function, "path", PATHS, lambda v, m=method: getattr(training.History(), m)(v))
        paths = wrong_rows("cannot write", *PLACES)
        yield from refuse_one(
            function, "cannot write", paths, lambda v, m=method: getattr(training.History(), m)(place(v))
        )


def with_metadata(metadata):
    labelled = make("VAE")
    labelled.metadata = metadata
    return labelled


class HiddenSetting(layers.Layer):
    """Has no attribute for its setting."""

    def __init__(self, secret):
        self._secret = secret

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        return x

    def backward(self, dy):
        return dy


class UnwritableSetting(HiddenSetting):
    """Has an attribute for its setting, which a file cannot store."""

    def __init__(self, secret):
        self.secret = secret


class Square(layers.Layer):
    """A custom layer."""

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dy):
        return 2.0 * self.x * dy


def saved(custom=False):
    path = place("vae.npz")
    function = sv.VAE(INPUTS, 2, decoder=layers.Sequential(layers.Linear(2, INPUTS), Square())) if custom else model()
    sv.save(function, path)
    return path


def corruption_rows():
    levels = {"GaussianNoise": POSITIVES}
    for kind in ("GaussianNoise", "Masking", "SaltAndPepper"):
        noise = getattr(training, kind)
        chances = POSITIVES + wrong(ConfigError, "expected a probability", 1.5, 2)
        yield from refuse_one(f"training.{kind}", "level", levels.get(kind, chances), noise)
        refuse = refuse_all if kind == "GaussianNoise" else refuse_one
        function, corrupt = f"training.{kind}", lambda n=noise, **v: n(0.5)(**{"x": X, **v})
        rows = [w for w in data("x", INPUTS, missing=True) if w.label not in ("too narrow", "too wide")]
        rows = [w._replace(words=("x", "expected") if w.error is ShapeError else w.words) for w in rows]
        yield from refuse(function, "x", rows, lambda v, c=corrupt: c(x=v))
        yield from refuse_one(function, "seed", SEEDS, lambda v, c=corrupt: c(seed=v))
        supports = wrong(
            ConfigError, "expected two numbers", None, 1.0, "01", (0.0,), (0.0, 1.0, 2.0), (1.0, 0.0), ("a", "b"),
            (np.nan, 1.0), {}, (None, 1.0), (0j, 1j),
        )  # fmt: skip
        yield from refuse(function, "support", supports, lambda v, c=corrupt: c(support=v))
        if kind != "GaussianNoise":
            yield row(
                f"{function}.check",
                kind,
                "beyond the support",
                lambda n=noise: n(0.5).check((0.5, 0.7)),
                ConfigError,
                "use another",
            )
    for name in ("low", "high"):
        ends = wrong(
            ConfigError, "expected a finite number", None, "a", True, np.nan, np.inf, -np.inf, 1j, [], {}, 10**400
        )
        yield from refuse_one(
            "training.SaltAndPepper", name, ends, lambda v, n=name: training.SaltAndPepper(0.1, **{n: v})
        )
    swapped = lambda: training.SaltAndPepper(0.1, 1.0, 0.0)  # noqa: E731
    yield row("training.SaltAndPepper", "low", "above high", swapped, ConfigError, "high=0.0", "low < high")
    yield from refuse_one("training.KLWarmUp", "steps", COUNTS, training.KLWarmUp)
    yield from refuse_one("training.KLCycles", "steps", COUNTS, training.KLCycles)
    yield from refuse_one("training.KLCycles", "cycles", COUNTS, lambda v: training.KLCycles(10, v))
    yield row(
        "training.KLCycles",
        "cycles",
        "of less than a step",
        lambda: training.KLCycles(3, 4),
        ConfigError,
        "no more cycles",
    )
    rises = POSITIVES + wrong(ConfigError, "at most 1", 1.5, 2)
    yield from refuse_one("training.KLCycles", "rise", rises, lambda v: training.KLCycles(10, rise=v))


ROWS = [
    *trainer_rows(), *stream_rows(), *attribute_rows(), *callback_rows(), *step_rows(), *fit_rows(), *checkpoint_rows(),
    *score_rows(), *file_rows(), *corruption_rows(),
]  # fmt: skip
