"""Several threads use one model: each gets the same results as alone."""

import inspect
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.errors import BusyError, ConfigError
from scratchvae.models import Model
from scratchvae.models.fair_lock import FairLock

pytestmark = pytest.mark.filterwarnings("ignore::scratchvae.errors.DenoiseWarning")  # the models are untrained

LIMIT = 60  # seconds, on a busy machine
THREADS = 4
MODELS = {
    "VAE": lambda: sv.VAE(9, 3, (16,)),
    "missing": lambda: sv.VAE(9, 3, (16,), missing=True, free_bits=0.1),
    "IWAE": lambda: sv.IWAE(9, 3, (16,), importance_samples=3),
    "ConditionalVAE": lambda: sv.ConditionalVAE(9, 3, (16,), classes=4),
    "SemiSupervisedVAE": lambda: sv.SemiSupervisedVAE(9, 3, (16,), classes=4),
    "Autoencoder": lambda: sv.Autoencoder(9, 3, (16,)),
}


def rows(k):
    """Data (B, 9) whose size depends on k; some sizes need several chunks."""
    return uniform(k, (5, 700, 31, 1100)[k % 4], 9).astype("float32")


def labelled(model, k, x):
    return {"labels": np.arange(len(x)) * (k + 1) % 4} if model.classes else {}


# Every public method that computes, as a call that depends on k.
CALLS = {
    "encode": lambda m, k: m.encode(rows(k), **labelled(m, k, rows(k))),
    "embed": lambda m, k: m.embed(rows(k), **labelled(m, k, rows(k))),
    "decode": lambda m, k: m.decode(normal(k, len(rows(k)), 3), **labelled(m, k, rows(k))),
    "reconstruct": lambda m, k: m.reconstruct(rows(k), **labelled(m, k, rows(k))),
    "sample": lambda m, k: m.sample(50 + k, seed=k, **one_class(m, k)),
    "interpolate": lambda m, k: m.interpolate(*rows(k)[:2], steps=5 + k, **one_class(m, k)),
    "analogy": lambda m, k: m.analogy(*rows(k)[:2], rows(k)[2:4], **one_class(m, k)),
    "traverse": lambda m, k: m.traverse(rows(k)[0], dimension=k % 3, **one_class(m, k)),
    "denoise": lambda m, k: m.denoise(rows(k), **({"draws": 2, **one_class(m, k)} if is_vae(m) else {})),
    "terms": lambda m, k: m.terms(rows(k), seed=k, **labelled(m, k, rows(k))),
    "elbo": lambda m, k: m.elbo(rows(k), seed=k, **labelled(m, k, rows(k))),
    "loss_and_grads": lambda m, k: gradient(*m.loss_and_grads(rows(k), seed=k, **labelled(m, k, rows(k)))),
    "score_samples": lambda m, k: m.score_samples(rows(k)[:31], 4, k, **labelled(m, k, rows(k)[:31])),
    "anomaly_score": lambda m, k: m.anomaly_score(rows(k)[:31], **labelled(m, k, rows(k)[:31])),
    "posterior_sample": lambda m, k: m.posterior_sample(rows(k), 2, k, **labelled(m, k, rows(k))),
    "posterior_predictive": lambda m, k: m.posterior_predictive(rows(k), 2, seed=k, **labelled(m, k, rows(k))),
    "impute": lambda m, k: m.impute(holes(rows(k)[:7]), samples=6, seed=k),
    "swap_class": lambda m, k: m.swap_class(rows(k)[:50], k % 4),
    "predict_proba": lambda m, k: m.predict_proba(rows(k)),
    "classify": lambda m, k: m.classify(rows(k)),
    "astype": lambda m, k: m.astype("float64").theta,
    "for_imputation": lambda m, k: m.for_imputation().theta,
}
# Methods for a single thread, without computation, or called during construction.
RAW = {
    *("forward", "backward", "backward_to_inputs", "chunks", "draw_codes", "to_config", "summary"),
    *(
        "bind",
        "ensure_capacity",
        "initialize",
        "allocate",
        "compose",
        "connect",
        "make_decoder",
        "make_encoder",
        "extra_config",
        "check_network",
    ),
    *("mark_gradients", "check_gradients_written"),
    *("check_data", "check_noise", "check_labels", "encoder_labels", "decoder_labels", "label_settings"),
    *("one_hot", "targets", "scored_classes", "initialize_output_bias", "write_lock"),
    *("as_rows", "collect_terms", "in_data_units", "learning_schema", "scaled"),
}


def is_vae(model):
    return isinstance(model, sv.VAE)


def one_class(model, k):
    return {"labels": k % 4} if model.classes else {}


def gradient(loss, grads):
    return loss, *grads.values()


def holes(x):
    return np.where(np.arange(x.size).reshape(x.shape) % 3 == 0, np.nan, x)


def calls_of(model):
    names = [name for name in CALLS if hasattr(model, name)]
    return [name for name in names if name not in ("impute", "for_imputation") or not model.classes]


EACH = [(kind, name) for kind, make in MODELS.items() for name in calls_of(make())]


@contextmanager
def frequent_thread_switches():
    """Make Python switch between threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(*functions):
    """Run each of `functions` in its own thread, all started at once, and return their results."""
    start, answers, errors = threading.Barrier(len(functions)), {}, []

    def run(number, function):
        try:
            start.wait(LIMIT)
            answers[number] = function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=numbered, daemon=True) for numbered in enumerate(functions)]
    with frequent_thread_switches():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return [answers[number] for number in range(len(functions))]


def same(one, other):
    one, other = (answer if isinstance(answer, tuple) else (answer,) for answer in (one, other))
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_method_called_in_threads_gives_the_same_as_alone(kind, name):
    model, call = MODELS[kind](), CALLS[name]
    alone = [call(MODELS[kind](), k) for k in range(THREADS)]

    def repeated(k):
        return lambda: [call(model, k) for _ in range(6)]

    for expected, results in zip(alone, together(*map(repeated, range(THREADS))), strict=True):
        assert all(same(expected, result) for result in results)


@pytest.mark.parametrize("kind", MODELS)
def test_different_methods_in_threads_give_the_same_as_alone(kind):
    names = calls_of(MODELS[kind]())
    alone = [CALLS[name](MODELS[kind](), k) for k, name in enumerate(names)]
    model = MODELS[kind]()
    results = together(*(lambda k=k, name=name: CALLS[name](model, k) for k, name in enumerate(names)))
    assert [name for name, *pair in zip(names, alone, results, strict=True) if not same(*pair)] == []


class Recorder(FairLock):
    """A lock that counts its depth and its outermost acquisitions."""

    def __init__(self):
        super().__init__()
        self.depth = self.acquired = 0

    def acquire(self, reads=False, timeout=-1.0):
        self.acquired += not self.depth
        self.depth += 1
        return super().acquire(reads, timeout)

    def release(self):
        self.depth -= 1
        super().release()


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_method_acquires_the_lock_once_and_computes_under_it(kind, name):
    """Two acquisitions could read different weights while another thread trains."""
    model = MODELS[kind]()
    model.locks.lock = lock = Recorder()
    free = []
    for net in (model.encoder, model.decoder):
        forward = net.forward
        net.forward = lambda *args, forward=forward: (free.append(not lock.depth), forward(*args))[1]
    CALLS[name](model, 2)
    assert not any(free)
    assert lock.acquired == (2 if (kind, name) == ("missing", "impute") else 1)
    assert lock.depth == 0


@pytest.mark.parametrize("kind", MODELS)
def test_every_public_method_is_covered(kind):
    model = MODELS[kind]()
    public = {name for name, _ in inspect.getmembers(type(model), inspect.isfunction) if not name.startswith("_")}
    assert public <= CALLS.keys() | RAW
    assert isinstance(model, Model)


def test_the_lock_is_reentrant_and_blocks_other_threads():
    model = MODELS["VAE"]()
    waiting, answers = threading.Event(), []

    def encode():
        waiting.set()
        answers.append(model.encode(rows(0)))

    other = threading.Thread(target=encode, daemon=True)
    with model.lock:
        other.start()
        assert waiting.wait(LIMIT)
        first = model.encode(rows(0))
        model.theta[...] += 1.0
        assert not same(first, model.encode(rows(0)))
        assert not answers
    other.join(LIMIT)
    assert same(answers[0], model.encode(rows(0)))


def test_a_refusal_releases_the_lock():
    model = MODELS["VAE"]()
    for _ in range(2):
        with pytest.raises(ValueError):
            model.encode(np.full((2, 9), np.nan))
    (codes,) = together(lambda: model.encode(rows(0)))
    assert same(codes, model.encode(rows(0)))


def test_threads_with_different_labels_get_their_own_results():
    model = MODELS["ConditionalVAE"]()
    codes = np.linspace(-3, 3, 11)[:, None] * [1, 0, 0]
    results = together(*(lambda k=k: [model.traverse(labels=k) for _ in range(50)] for k in range(THREADS)))
    for k, traversals in enumerate(results):
        expected = model.decode(codes, k)
        assert all(same(traversal, expected) for traversal in traversals)
        assert not any(same(expected, model.decode(codes, other)) for other in range(THREADS) if other != k)


@pytest.mark.parametrize("kind", ["ConditionalVAE", "SemiSupervisedVAE"])
def test_a_thread_without_labels_uses_no_labels_of_other_threads(kind):
    model, x = MODELS[kind](), rows(2)
    alone = MODELS[kind]()

    def labelled_calls():
        return [model.terms(x, labels=1).value for _ in range(20)]

    def unlabelled_calls():
        for _ in range(20):
            with pytest.raises(ConfigError, match="needs the class"):
                model.decode(np.zeros((3, 3)))
            if kind == "ConditionalVAE":
                with pytest.raises(ConfigError, match="needs the class"):
                    model.terms(x)
            else:
                assert same(model.terms(x).value, unlabelled)
        return []

    unlabelled = None if kind == "ConditionalVAE" else alone.terms(x).value
    expected = alone.terms(x, labels=1).value
    values, _, _ = together(labelled_calls, unlabelled_calls, unlabelled_calls)
    assert all(same(value, expected) for value in values)


@pytest.mark.parametrize("kind", MODELS)
def test_steps_of_several_threads_are_serialized(kind):
    model, single = MODELS[kind](), MODELS[kind]()
    x = rows(2)
    labels = labelled(model, 0, x)
    trainer, alone = sv.Trainer(model, seed=1), sv.Trainer(single, seed=1)
    per_thread = together(*[lambda: [trainer.step(x, **labels) for _ in range(10)]] * THREADS)
    losses = [alone.step(x, **labels) for _ in range(10 * THREADS)]
    assert trainer.optimizer.t == 10 * THREADS
    assert np.array_equal(model.theta, single.theta)
    assert sorted(loss for thread_losses in per_thread for loss in thread_losses) == sorted(losses)


@pytest.mark.parametrize(
    "settings",
    [pytest.param({}, id="to the end", marks=pytest.mark.slow), pytest.param({"patience": 2}, id="with patience")],
)
@pytest.mark.parametrize("kind", MODELS)
def test_training_gives_the_same_bits_while_other_threads_use_the_model(kind, settings):
    x, some = rows(3), rows(0)
    labels = labelled(MODELS[kind](), 0, x)
    validation_labels = {"validation_labels": labels["labels"][:40]} if labels else {}
    results = []
    for disturbed in (False, True):
        model = MODELS[kind]()
        trainer = sv.Trainer(model, batch_size=40, seed=1)
        finished = threading.Event()

        def fit(trainer=trainer, finished=finished):
            try:
                return trainer.fit(x, 3, validation=x[:40], **labels, **validation_labels, **settings)
            finally:
                finished.set()

        def use(k, model=model, finished=finished):
            """Use the model until training ends; return for each answer whether it came from consistent weights."""
            names, consistent = [name for name in calls_of(model) if name != "impute"], []
            while not finished.is_set():
                for name in names:
                    CALLS[name](model, k)
                with model.lock:
                    snapshot = model.astype(str(model.dtype))
                    consistent.append(
                        same(
                            model.embed(some, **labelled(model, k, some)),
                            snapshot.embed(some, **labelled(snapshot, k, some)),
                        )
                    )
            return consistent

        functions = [fit, *([lambda: use(0), lambda: use(2)] if disturbed else [])]
        history, *used = together(*functions)
        assert all(consistent and all(consistent) for consistent in used)
        results.append((model.theta, [epoch._replace(seconds=0) for epoch in history.epochs]))
    assert np.array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


class StopTraining(Exception):
    pass


@contextmanager
def training(model, **settings):
    """Train `model` in a thread while the block runs; yield the trainer."""
    started, stop, error = threading.Event(), threading.Event(), []

    def rate(_):
        started.set()
        if stop.is_set():
            raise StopTraining
        return 1e-3

    trainer = sv.Trainer(model, lr=rate, batch_size=4, **settings)

    def fit():
        try:
            trainer.fit(rows(2), 10**9)
        except BaseException as end:
            error.append(end)

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    try:
        assert started.wait(LIMIT)
        yield trainer
    finally:
        stop.set()
        thread.join(LIMIT)
    assert isinstance(error[0], StopTraining)


def test_other_threads_can_use_the_model_during_training():
    model = MODELS["VAE"]()
    with training(model) as trainer:
        first, deadline = trainer.optimizer.t, time.monotonic() + LIMIT
        while trainer.optimizer.t < first + 3 and time.monotonic() < deadline:
            model.encode(rows(0))
        assert trainer.optimizer.t >= first + 3  # training continued meanwhile


def test_a_second_fit_or_step_is_refused_during_training_and_works_afterwards():
    model = MODELS["VAE"]()
    other = sv.Trainer(model)
    with training(model) as trainer:
        for one in (trainer, other):
            with pytest.raises(BusyError, match=r"another fit is training.*copy\.deepcopy\(model\)"):
                one.fit(rows(0), 1)
            with pytest.raises(BusyError, match=r"another thread's fit is training.*copy\.deepcopy\(model\)"):
                one.step(rows(0))
    other.fit(rows(0), 1)
    other.step(rows(0))


def test_a_fit_within_a_fit_is_refused_and_a_step_is_not():
    model, losses = MODELS["VAE"](), []
    other = sv.Trainer(model)

    def rate(t):
        if not t:
            losses.append(other.step(rows(0)))
            other.fit(rows(0), 1)
        return 1e-3

    with pytest.raises(BusyError, match="another fit"):
        sv.Trainer(model, lr=rate).fit(rows(0), 1)
    assert len(losses) == 1


def test_a_score_acquires_the_lock_once():
    model = MODELS["VAE"]()
    model.locks.lock = lock = Recorder()
    sv.score(model, rows(3))
    assert lock.acquired == 1


def test_save_acquires_the_lock_once(tmp_path):
    model = MODELS["VAE"]()
    model.locks.lock = lock = Recorder()
    sv.save(model, tmp_path / "vae.npz")
    assert lock.acquired == 1
