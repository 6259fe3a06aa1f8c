"""Steps as CUDA graphs: the same bits as steps that are launched kernel by kernel."""

import numpy as np
import pytest
from strategies import in_support

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.backend.cublas import RecordableCuPy
from scratchvae.errors import BackendError
from scratchvae.layers import Linear, Sequential
from scratchvae.models.network import ACTIVATIONS
from scratchvae.models.parts import LIKELIHOODS
from scratchvae.training import Callback, KLWarmUp, Masking
from scratchvae.training.cuda_graph import Graph

pytestmark = pytest.mark.gpu

RNG = np.random.default_rng(0)
X = RNG.random((70, 9)).astype(np.float32)
INCOMPLETE = np.where(RNG.random(X.shape) < 0.3, np.nan, X)
LABELS = RNG.integers(0, 3, 70)
PARTIAL_LABELS = np.where(RNG.random(70) < 0.5, LABELS, -1)


@pytest.fixture
def replays(monkeypatch):
    """A list that gets an entry for each replay."""
    calls, replay = [], Graph.replay

    def counted(self):
        calls.append(self)
        return replay(self)

    monkeypatch.setattr(Graph, "replay", counted)
    return calls


def train(kind, cuda_graph, data=X, trainer=None, fit=None, **settings):
    """The weights and the history of six epochs of five steps, the last of which has fewer rows."""
    model = kind(9, 2, (8, 4), backend="cupy", **settings)
    trainer = sv.Trainer(model, batch_size=16, cuda_graph=cuda_graph, **(trainer or {}))
    history = trainer.fit(data, 6, validation=data[:20], **(fit or {}))
    return to_numpy(model.theta), [epoch[:5] for epoch in history.epochs]


@pytest.fixture
def assert_same_bits(gpu, replays):
    def check(kind, *args, least=20, **settings):
        expected, history = train(kind, False, *args, **settings)
        assert not replays
        weights, recorded_history = train(kind, True, *args, **settings)
        assert len(replays) >= least
        assert np.array_equal(weights, expected) and recorded_history == history

    return check


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
def test_every_likelihood(assert_same_bits, likelihood, missing):
    data = in_support(likelihood, INCOMPLETE if missing else X)
    assert_same_bits(sv.VAE, data, likelihood=likelihood, missing=missing)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(assert_same_bits, activation):
    assert_same_bits(sv.VAE, activation=activation)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (sv.IWAE, {"importance_samples": 3}),
        (sv.Autoencoder, {}),
        (sv.VAE, {"free_bits": 0.1}),
        (sv.VAE, {"dtype": "float64"}),
        (sv.VAE, {"trainer": {"clip_norm": 0.1}}),
        (sv.VAE, {"trainer": {"binarize": "dynamic"}}),
        (sv.VAE, {"trainer": {"corrupt": Masking(0.2)}}),
        (sv.VAE, {"trainer": {"kl_weight": KLWarmUp(10)}, "least": 10}),
        (sv.ConditionalVAE, {"classes": 3, "fit": {"labels": LABELS, "validation_labels": LABELS[:20]}}),
        (sv.SemiSupervisedVAE, {"classes": 3, "fit": {"labels": PARTIAL_LABELS, "validation_labels": LABELS[:20]}}),
    ],
)
def test_every_model_and_setting(assert_same_bits, kind, settings):
    assert_same_bits(kind, **settings)


def test_convolutions(gpu, replays):
    weights = []
    for cuda_graph in (False, True):
        model = sv.VAE(image_shape=(8, 8), latent_dim=2, hidden=(8,), architecture="conv", backend="cupy")
        data = np.random.default_rng(1).random((64, 64)).astype(np.float32)
        sv.Trainer(model, batch_size=16, cuda_graph=cuda_graph).fit(data, 3)
        weights.append(to_numpy(model.theta))
    assert len(replays) >= 8 and np.array_equal(*weights)


class OtherCalls(Callback):
    """Uses the model between two steps, with other numbers of rows."""

    def on_step_end(self, state):
        if state.updates % 3:
            state.model.loss_and_grads(X[: 1 + state.updates % 7], np.zeros((1 + state.updates % 7, 2), np.float32))
            state.model.elbo(X[:5])


def test_other_calls_between_the_steps_change_nothing(assert_same_bits):
    assert_same_bits(sv.VAE, fit={"callbacks": [OtherCalls()]})


class Settings(Callback):
    """Changes settings during training."""

    def on_step_end(self, state):
        if state.updates == 12:
            state.model.objective.beta = 3.0
        if state.updates == 16:
            state.model.objective.beta = np.float32(0.5)
        if state.updates == 22:
            state.model.objective.beta = np.float32(2)
        if state.updates == 26:
            self.trainer.clip_norm = 0.01


def test_settings_may_change_during_training(gpu, replays):
    weights = []
    for cuda_graph in (False, True):
        model, callback = sv.VAE(9, 2, (8,), backend="cupy"), Settings()
        callback.trainer = sv.Trainer(model, batch_size=16, cuda_graph=cuda_graph)
        callback.trainer.fit(X, 8, callbacks=[callback])
        weights.append(to_numpy(model.theta))
    assert replays and np.array_equal(*weights)


class Larger(Callback):
    """Enlarges the buffers of the model after each epoch."""

    def on_fit_begin(self, state):
        self.rows = 0

    def on_step_end(self, state):
        assert state.model.encoder._buffers.rows >= self.rows

    def on_epoch_end(self, state):
        self.rows = 100 * state.record.epoch
        state.model.ensure_capacity(self.rows)


def test_larger_buffers_during_training(assert_same_bits):
    assert_same_bits(sv.VAE, fit={"callbacks": [Larger()]}, least=10)


class OwnArrays(Callback):
    """Allocates arrays between two steps, and checks that no step writes into them."""

    def on_fit_begin(self, state):
        self.arrays = []

    def on_step_end(self, state):
        xp = state.model.backend.xp
        assert all(float(array.sum()) == array.size for array in self.arrays)
        xp.get_default_memory_pool().free_all_blocks()  # as CuPy does by itself when memory runs short
        self.arrays = [xp.ones(size, np.float32) for size in (1, 2, 16, 32, 128, 269, 1000) for _ in range(3)]


def test_temporary_arrays_of_a_recording_are_its_own(assert_same_bits):
    settings = {"likelihood": "gaussian_learned", "trainer": {"clip_norm": 0.1}}
    assert_same_bits(sv.VAE, fit={"callbacks": [OwnArrays()]}, **settings)


class ReadsANumber(Linear):
    """A layer of a user's whose step cannot be recorded: it reads a number of the device."""

    def forward(self, x):
        self.seen = float(x.sum())
        return super().forward(x)


def test_a_step_that_cannot_be_recorded(gpu, replays):
    def model():
        return sv.VAE(9, 2, encoder=Sequential(ReadsANumber(9, 4)), backend="cupy")

    sv.Trainer(model(), batch_size=16).fit(X, 2)
    assert not replays
    with pytest.raises(BackendError, match=r"cuda_graph=True: this step cannot be recorded.*captur"):
        sv.Trainer(model(), batch_size=16, cuda_graph=True).fit(X, 2)


def test_own_parts_are_recorded_on_request(gpu, replays):
    def model():
        return sv.VAE(9, 2, encoder=Sequential(Linear(9, 4)), backend="cupy")

    sv.Trainer(model(), batch_size=16).fit(X, 2)
    assert not replays
    sv.Trainer(model(), batch_size=16, cuda_graph=True).fit(X, 2)
    assert replays


def test_divergence_is_located(gpu, replays):
    rows = X.copy()
    trainer = sv.Trainer(sv.VAE(9, 2, (8,), backend="cupy", likelihood="gaussian"), lr=1e4, batch_size=16)
    with pytest.raises(sv.errors.DivergedError):
        trainer.fit(rows * 1e4, 200)
    assert replays


def test_products_of_any_layout(gpu):
    xp = gpu.xp
    assert isinstance(xp, RecordableCuPy)
    for dtype in (np.float32, np.float64):
        a, b = (gpu.upload(RNG.normal(size=shape).astype(dtype)) for shape in ((7, 9), (9, 5)))
        turned = [gpu.upload(np.ascontiguousarray(to_numpy(matrix).T)).T for matrix in (a, b)]
        lefts = [a, turned[0], a[:, ::2], a[::2], a[:1], a[0], a[:, 0], a[:, :1], a[::-1], turned[0][:, :1]]
        rights = [b, turned[1], b[:, :1], b[:, 0], b[:5], b[:5, 0], b[:7, 0], b[::3], b[:1], b[:, ::2], b[:1, :4]]
        for left in lefts:
            for right in rights:
                if left.shape[-1] != right.shape[0] or left.ndim + right.ndim == 2:
                    continue
                expected = to_numpy(left) @ to_numpy(right)
                out = gpu.upload(np.full(expected.shape, np.nan, dtype))
                assert xp.matmul(left, right, out=out) is out
                np.testing.assert_allclose(to_numpy(out), expected, rtol=1e-5, atol=1e-5)
    square = gpu.upload(np.arange(9.0).reshape(3, 3))
    expected = to_numpy(square) @ to_numpy(square)
    assert np.array_equal(to_numpy(xp.matmul(square, square, out=square)), expected)  # the output overlaps the inputs
