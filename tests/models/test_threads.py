"""Several threads and one model: each gets what it would get alone."""

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

LIMIT = 60  # seconds, of a machine that is busy with other work
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
    """Data of another size for each k, some of it more than a model computes at once."""
    return uniform(k, (5, 700, 31, 1100)[k % 4], 9).astype("float32")


def labelled(model, k, x):
    return {"labels": np.arange(len(x)) * (k + 1) % 4} if model.classes else {}


# Every public method that computes, as a call that is another one for each k.
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
    "impute": lambda m, k: m.impute(holes(rows(k)[:7]), samples=6, seed=k),
    "swap_class": lambda m, k: m.swap_class(rows(k)[:50], k % 4),
    "predict_proba": lambda m, k: m.predict_proba(rows(k)),
    "classify": lambda m, k: m.classify(rows(k)),
    "astype": lambda m, k: m.astype("float64").theta,
    "for_imputation": lambda m, k: m.for_imputation().theta,
}
# What is for one thread, or computes nothing, or is asked by whoever makes the model.
RAW = {
    *("forward", "backward", "backward_to_inputs", "chunks", "draw_codes", "to_config", "summary"),
    *(
        "bind",
        "ensure_capacity",
        "initialize",
        "allocate",
        "compose",
        "connect",
        "network",
        "extra_config",
        "check_network",
    ),
    *("mark_gradients", "check_gradients_written"),
    *("check_data", "check_noise", "check_labels", "encoder_labels", "decoder_labels", "label_settings"),
    *("one_hot", "targets", "initialize_output_bias", "write_lock"),
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
def impatient_threads():
    """Python hands over from thread to thread as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def together(*works):
    """What each of `works` returns, of which each has a thread of its own; they begin together."""
    start, answers, errors = threading.Barrier(len(works)), {}, []

    def run(number, work):
        try:
            start.wait(LIMIT)
            answers[number] = work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    with impatient_threads():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return [answers[number] for number in range(len(works))]


def same(one, other):
    one, other = (answer if isinstance(answer, tuple) else (answer,) for answer in (one, other))
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_method_gives_each_thread_what_it_would_get_alone(kind, name):
    model, call = MODELS[kind](), CALLS[name]
    alone = [call(MODELS[kind](), k) for k in range(THREADS)]

    def several(k):
        return lambda: [call(model, k) for _ in range(6)]

    for wanted, given in zip(alone, together(*map(several, range(THREADS))), strict=True):
        assert all(same(wanted, answer) for answer in given)


@pytest.mark.parametrize("kind", MODELS)
def test_different_methods_at_once_do_not_meet_either(kind):
    names = calls_of(MODELS[kind]())
    alone = [CALLS[name](MODELS[kind](), k) for k, name in enumerate(names)]
    model = MODELS[kind]()
    given = together(*(lambda k=k, name=name: CALLS[name](model, k) for k, name in enumerate(names)))
    assert [name for name, *both in zip(names, alone, given, strict=True) if not same(*both)] == []


class Recorder:
    """A lock that knows how deep it is held, and how often it was taken from outside."""

    def __init__(self):
        self.depth = self.taken = 0

    def __enter__(self):
        self.taken += not self.depth
        self.depth += 1

    def __exit__(self, *_):
        self.depth -= 1


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_method_computes_under_the_lock_which_it_takes_once(kind, name):
    """Twice would be weights of two moments, where another thread trains."""
    model = MODELS[kind]()
    model.locks.lock = lock = Recorder()
    free = []
    for net in (model.encoder, model.decoder):
        forward = net.forward
        net.forward = lambda *args, forward=forward: (free.append(not lock.depth), forward(*args))[1]
    CALLS[name](model, 2)
    assert not any(free)
    assert lock.taken == (2 if (kind, name) == ("missing", "impute") else 1)
    assert lock.depth == 0


@pytest.mark.parametrize("kind", MODELS)
def test_every_public_method_is_known_here(kind):
    model = MODELS[kind]()
    public = {name for name, _ in inspect.getmembers(type(model), inspect.isfunction) if not name.startswith("_")}
    assert public <= CALLS.keys() | RAW
    assert isinstance(model, Model)


def test_the_lock_lets_its_own_thread_in_again_and_no_other():
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


def test_a_refusal_lets_go_of_the_lock():
    model = MODELS["VAE"]()
    for _ in range(2):
        with pytest.raises(ValueError):
            model.encode(np.full((2, 9), np.nan))
    (codes,) = together(lambda: model.encode(rows(0)))
    assert same(codes, model.encode(rows(0)))


def test_several_threads_with_several_labels_at_once_get_each_its_own():
    model = MODELS["ConditionalVAE"]()
    codes = np.linspace(-3, 3, 11)[:, None] * [1, 0, 0]
    given = together(*(lambda k=k: [model.traverse(labels=k) for _ in range(50)] for k in range(THREADS)))
    for k, walks in enumerate(given):
        expected = model.decode(codes, k)
        assert all(same(walk, expected) for walk in walks)
        assert not any(same(expected, model.decode(codes, other)) for other in range(THREADS) if other != k)


@pytest.mark.parametrize("kind", ["ConditionalVAE", "SemiSupervisedVAE"])
def test_one_thread_without_labels_among_others_with_them_is_told_none_of_theirs(kind):
    model, x = MODELS[kind](), rows(2)
    alone = MODELS[kind]()

    def labelled_calls():
        return [model.terms(x, labels=1).value for _ in range(20)]

    def without():
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
    given, _, _ = together(labelled_calls, without, without)
    assert all(same(value, expected) for value in given)


@pytest.mark.parametrize("kind", MODELS)
def test_steps_of_several_threads_follow_each_other(kind):
    model, single = MODELS[kind](), MODELS[kind]()
    x = rows(2)
    labels = labelled(model, 0, x)
    trainer, alone = sv.Trainer(model, seed=1), sv.Trainer(single, seed=1)
    per_thread = together(*[lambda: [trainer.step(x, **labels) for _ in range(10)]] * THREADS)
    losses = [alone.step(x, **labels) for _ in range(10 * THREADS)]
    assert trainer.optimizer.t == 10 * THREADS
    assert np.array_equal(model.theta, single.theta)
    assert sorted(loss for each in per_thread for loss in each) == sorted(losses)


@pytest.mark.parametrize("settings", [{}, {"patience": 2}], ids=["to the end", "with patience"])
@pytest.mark.parametrize("kind", MODELS)
def test_training_has_the_same_bits_while_others_encode_and_they_get_theirs(kind, settings):
    x, some = rows(3), rows(0)
    labels = labelled(MODELS[kind](), 0, x)
    watched = {"validation_labels": labels["labels"][:40]} if labels else {}
    results = []
    for disturbed in (False, True):
        model = MODELS[kind]()
        trainer = sv.Trainer(model, batch_size=40, seed=1)
        over = threading.Event()

        def fit(trainer=trainer, over=over):
            try:
                return trainer.fit(x, 3, validation=x[:40], **labels, **watched, **settings)
            finally:
                over.set()

        def use(k, model=model, over=over):
            """Goes on until training is over, and tells whether each answer was of weights of one moment."""
            names, right = [name for name in calls_of(model) if name != "impute"], []
            while not over.is_set():
                for name in names:
                    CALLS[name](model, k)
                with model.lock:
                    twin = model.astype(str(model.dtype))
                    right.append(
                        same(model.embed(some, **labelled(model, k, some)), twin.embed(some, **labelled(twin, k, some)))
                    )
            return right

        works = [fit, *([lambda: use(0), lambda: use(2)] if disturbed else [])]
        history, *used = together(*works)
        assert all(right and all(right) for right in used)
        results.append((model.theta, [epoch._replace(seconds=0) for epoch in history.epochs]))
    assert np.array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


class Enough(Exception):
    pass


@contextmanager
def training(model, **settings):
    """A thread that trains `model` for as long as the block lasts; gives what is called there before each update."""
    begun, enough, error = threading.Event(), threading.Event(), []

    def rate(_):
        begun.set()
        if enough.is_set():
            raise Enough
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
        assert begun.wait(LIMIT)
        yield trainer
    finally:
        enough.set()
        thread.join(LIMIT)
    assert isinstance(error[0], Enough)


def test_a_long_training_lets_others_in_between_two_steps():
    model = MODELS["VAE"]()
    with training(model) as trainer:
        first, deadline = trainer.optimizer.t, time.monotonic() + LIMIT
        while trainer.optimizer.t < first + 3 and time.monotonic() < deadline:
            model.encode(rows(0))
        assert trainer.optimizer.t >= first + 3  # it went on meanwhile


def test_a_second_fit_or_step_is_refused_while_another_thread_trains_and_is_right_afterwards():
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


def test_a_fit_within_a_fit_is_refused_a_step_is_not():
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


def test_a_score_is_of_weights_of_one_moment():
    model = MODELS["VAE"]()
    model.locks.lock = lock = Recorder()
    sv.score(model, rows(3))
    assert lock.taken == 1


def test_a_file_has_weights_of_one_moment(tmp_path):
    model = MODELS["VAE"]()
    model.locks.lock = lock = Recorder()
    sv.save(model, tmp_path / "vae.npz")
    assert lock.taken == 1
