"""The semi-supervised model M2: bound, predictions, and training on rows without labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, uniform
from trained_state import state_after

import scratchvae as sv
from scratchvae.errors import ConfigError, DTypeError, RangeError, ShapeError
from scratchvae.evaluation import classification
from scratchvae.training import Callback

X, Y = uniform(0, 7, 6), np.array([0, 1, 2, -1, -1, 0, -1])
EPS = normal(3, 7, 2)


def make(**settings):
    return sv.SemiSupervisedVAE(6, 2, (5,), "tanh", classes=3, dtype="float64", seed=1, **settings)


def conditional_vae(model):
    """The conditional VAE with the weights of `model`."""
    other = sv.ConditionalVAE(6, 2, (5,), "tanh", classes=3, dtype="float64")
    for name, view in other.params.items():
        view[...] = model.params[name]
    return other


@given(beta=st.sampled_from([0.5, 1.0, 4.0]), rows=st.integers(1, 7))
def test_the_bound_is_that_of_the_conditional_vae_summed_over_classes(beta, rows):
    model = make(beta=beta)
    x, labels, eps = X[:rows], Y[:rows], EPS[:rows]
    terms, q = model.terms(x, eps, labels=labels), model.predict_proba(x)
    per_class = [conditional_vae(model).elbo(x, eps, labels=k) for k in range(3)]
    reconstruction, kl = (
        np.stack([getattr(terms_of_class, name) for terms_of_class in per_class], axis=1)
        for name in ("reconstruction", "kl")
    )
    w = np.where(labels[:, None] < 0, q, np.eye(3)[labels])
    np.testing.assert_allclose(terms.reconstruction, (w * reconstruction).sum(axis=1), rtol=1e-10)
    entropy = np.where(labels < 0, -(q * np.log(q)).sum(axis=1), 0.0)
    np.testing.assert_allclose(terms.kl, (w * kl).sum(axis=1) + np.log(3) - entropy, rtol=1e-10)
    np.testing.assert_allclose(terms.value, terms.reconstruction - beta * terms.kl, rtol=1e-12)


def test_the_bound_is_below_the_marginal_over_classes():
    model, per_class = make(), [conditional_vae(make()).elbo(X, EPS, labels=k).value for k in range(3)]
    exact = np.log(np.mean(np.exp(per_class), axis=0))
    assert (model.terms(X, EPS).value <= exact + 1e-12).all()
    assert np.array_equal(model.terms(X, EPS).value, model.terms(X, EPS, labels=-1).value)


def test_alpha_weights_the_classifier_in_the_loss_and_not_in_the_terms():
    model = make(alpha=5.0)
    known = Y >= 0
    q = model.predict_proba(X)
    loss, _ = model.loss_and_grads(X, EPS, labels=Y)
    assert model.bound.alpha == 5.0
    value = model.terms(X, EPS, labels=Y).value
    extra = 5.0 * np.log(q[known, Y[known]]).sum() / len(X)
    assert loss == pytest.approx(-value.mean() - extra, rel=1e-12)
    default_loss = make().loss_and_grads(X, EPS, labels=Y)[0]
    assert default_loss == pytest.approx(-value.mean() - extra / 5.0 * 0.1 * 7 / 4, rel=1e-12)
    assert make().loss_and_grads(X, EPS)[0] == pytest.approx(-model.terms(X, EPS).value.mean(), rel=1e-12)


def test_alpha_follows_the_share_of_labelled_rows_by_default():
    assert make(alpha=5.0).label_settings(Y, None) == make(alpha=5.0).label_settings(Y, 0.2) == {"alpha": 5.0}
    assert make(alpha=0.0).label_settings(Y, 0.2) == {"alpha": 0.0}
    assert make().label_settings(Y, None)["alpha"] == pytest.approx(0.1 * 7 / 4)
    assert make().label_settings(Y, 0.2)["alpha"] == pytest.approx(0.5)
    assert make().label_settings(np.full(7, -1), None) == {"alpha": 0.0}
    assert make().label_settings(None, None) == {"alpha": 0.0}
    assert conditional_vae(make()).label_settings(np.array([0, 1, 2]), 1.0) == {}


def test_forward_does_not_depend_on_earlier_calls():
    model, targets = make(), np.eye(3)[np.maximum(Y, 0)] * (Y >= 0)[:, None]
    plain = model.forward(X, EPS, targets=targets).value.copy()
    weighted = model.forward(X, EPS, targets=targets, alpha=5.0).value.copy()
    assert not np.allclose(weighted, plain)
    assert np.array_equal(model.forward(X, EPS, targets=targets).value, plain)
    model.loss_and_grads(X, EPS, labels=Y)
    assert np.array_equal(model.forward(X, EPS, targets=targets).value, plain)
    assert np.array_equal(model.forward(X, EPS, targets=np.zeros((7, 3))).value, model.terms(X, EPS).value)


def test_missing_labels_are_replaced_by_the_most_likely_class():
    model, x = make(), uniform(1, 300, 6)
    q = model.predict_proba(x)
    assert q.shape == (300, 3) and len(x) > model.chunk_rows
    np.testing.assert_allclose(q.sum(axis=1), 1.0, rtol=1e-12)
    assert np.array_equal(model.classify(x), q.argmax(axis=1))
    assert np.array_equal(model.embed(x), model.embed(x, model.classify(x)))
    assert np.array_equal(model.reconstruct(X, Y)[Y >= 0], model.reconstruct(X, np.maximum(Y, 0))[Y >= 0])
    assert model.swap_class(X).shape == (7, 3, 6)


def test_invalid_labels_are_refused_with_a_hint():
    model = make()
    for labels, error, message in (
        ([3] * 7, RangeError, "hold 3, and there are 3 classes; expected 0 to 2, or −1 for a row without a label"),
        ([-2] * 7, RangeError, "hold -2"),
        ([0.5] * 7, DTypeError, "float64; expected whole numbers"),
        ([0] * 6, ShapeError, r"\(7,\)"),
    ):
        for method in (model.terms, model.loss_and_grads, model.encode):
            with pytest.raises(error, match=message):
                method(X, labels=labels)
        with pytest.raises(error, match=message):
            sv.Trainer(model).fit(X, 1, labels=labels)
    with pytest.raises(RangeError, match="no row is labelled 1, 2"):
        sv.Trainer(model).fit(X, 1, labels=np.where(Y > 0, -1, Y))
    with pytest.raises(RangeError, match="no row is labelled 0, 1, 2"):
        sv.Trainer(model).fit(X, 1)
    with pytest.raises(ConfigError, match="needs the class of each row"):
        model.decode(EPS)
    with pytest.raises(RangeError, match=r"hold -1, for no label; .* leave those rows out"):
        model.decode(EPS, -1)
    with pytest.raises(ConfigError, match="alpha=-1"):
        make(alpha=-1.0)


def test_unlabelled_rows_improve_the_classifier():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=900)
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 3.5]])
    x = centres[labels] + rng.standard_normal((900, 2)) @ [[0.6, 0.3], [-0.2, 0.6]]
    partial_labels = np.full(900, -1)
    labelled_rows = [np.flatnonzero(labels == k)[:2] for k in range(3)]
    for k, rows in enumerate(labelled_rows):
        partial_labels[rows] = k
    model = sv.SemiSupervisedVAE(2, 1, (32,), "tanh", "gaussian_learned", classes=3, seed=0)
    weights = set()

    class AlphaRecorder(Callback):
        def on_step_end(self, state):
            weights.add(model.bound.alpha)

    trainer, validation = sv.Trainer(model, lr=1e-2, batch_size=60), {"validation_labels": labels[:100]}
    history = trainer.fit(
        x, 40, x[:100], labels=partial_labels, labelled_share=0.1, callbacks=[AlphaRecorder()], **validation
    )
    figures = classification(model, x, labels)
    assert figures.accuracy > 0.97
    assert history.validation[-1] < history.validation[0]
    (weight,) = weights
    assert weight == pytest.approx(1.0, rel=0.01)
    drawn = model.sample(400, labels=2)
    assert np.abs(drawn.mean(axis=0) - centres[2]).max() < 0.4


def test_a_warm_step_allocates_no_arrays():
    from tracemalloc import get_traced_memory, start, stop

    peaks = []
    for batch in (64, 256):
        model = sv.SemiSupervisedVAE(60, 8, (32,), classes=5)
        trainer = sv.Trainer(model, batch_size=batch)
        images = uniform(0, 2 * batch, 60).astype("float32")
        labels = np.resize([0, 1, 2, 3, 4, -1, -1], 2 * batch)
        state = state_after(trainer, images, 2, labels=labels)
        for x in state.batches:
            state.train_step(x)
        start()
        before = get_traced_memory()[0]
        state.train_step(x)
        peaks.append(get_traced_memory()[1] - before)
        stop()
    assert max(peaks) < 64_000 and abs(peaks[1] - peaks[0]) < 1_000
