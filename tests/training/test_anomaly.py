"""AnomalyDetector: it names the first nonfinite tensor of a step and changes no number of the step."""

import pickle
from functools import wraps
from math import inf, isfinite, isnan, nan

import numpy as np
import pytest
from emulated_backend import ALL_BACKENDS, covering
from strategies import normal, uniform

import scratchvae as sv
from scratchvae.backend import to_numpy
from scratchvae.errors import DivergedError
from scratchvae.optim import SGD, Adam, AdamW, clip_by_global_norm
from scratchvae.probability import Posterior, Prior
from scratchvae.training import AnomalyDetector, Corruption, GaussianNoise, KLWarmUp, Masking
from scratchvae.training.minibatches import Minibatches, MinibatchSource
from scratchvae.training.preprocess import Preprocessor
from scratchvae.training.tensor_names import named_modules

D, Z, ROWS, CLASSES = 6, 2, 5, 3


class Shifted(Prior):
    """N(m, I) with learned m, without a closed form of the KL."""

    def __init__(self, latent):
        self.latent = latent

    def parameter_shapes(self):
        return {"m": (self.latent,)}

    def forward(self, z):
        self.away = z - self.m
        return (self.away * self.away).sum(axis=1) * -0.5

    def backward(self, dlog_p):
        dz = self.away * -dlog_p[:, None]
        self.dm[...] = -dz.sum(axis=0)
        return dz

    def draw(self, noise):
        return noise + self.m


KINDS = {
    "vae": lambda **more: sv.VAE(D, Z, (4,), **more),
    "deep": lambda **more: sv.VAE(D, Z, (4, 3), "gelu", free_bits=0.01, **more),
    "missing": lambda **more: sv.VAE(D, Z, (4,), missing=True, **more),
    "iwae": lambda **more: sv.IWAE(D, Z, (4,), importance_samples=3, **more),
    "miwae": lambda **more: sv.IWAE(D, Z, (4,), importance_samples=3, missing=True, **more),
    "conditional": lambda **more: sv.ConditionalVAE(D, Z, (4,), classes=CLASSES, **more),
    "semi-supervised": lambda **more: sv.SemiSupervisedVAE(D, Z, (4,), classes=CLASSES, **more),
    "autoencoder": lambda **more: sv.Autoencoder(D, Z, (4,), **more),
    "own prior": lambda **more: sv.VAE(D, Z, (4,), prior=Shifted(Z), **more),
}
LIKELIHOODS = ("bernoulli", "continuous_bernoulli", "gaussian", "gaussian_learned", "gaussian_heteroscedastic")
BACKENDS = pytest.mark.parametrize("backend", ALL_BACKENDS)
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


def rows(kind):
    x = uniform(0, ROWS, D).astype("float32")
    if kind in ("missing", "miwae"):
        x[uniform(1, ROWS, D) < 0.3] = nan
    return x


class Step:
    """One training step of a model, without a trainer."""

    def __init__(self, kind="vae", backend="numpy", optimizer=None, clip_norm=None, **settings):
        self.model = KINDS[kind](backend=backend, **settings)
        self.optimizer = optimizer or Adam()
        self.optimizer.bind(self.model.backend.xp, self.model.theta)
        self.clip_norm = clip_norm
        to_device = self.model.validator.to_device
        self.x, self.eps = to_device(rows(kind)), to_device(normal(2, ROWS, self.model.noise_dim))
        self.targets = to_device(np.eye(CLASSES)[[0, 1, 2, 0, 1]] * np.array([[1], [0], [1], [1], [0]]))
        self.arguments = {"targets": self.targets} if self.model.classes else {}
        if kind == "conditional":
            self.arguments["targets"] = to_device(np.eye(CLASSES)[[0, 1, 2, 0, 1]])

    def __call__(self):
        self.model.forward(self.x, self.eps, **self.arguments)
        self.model.backward()
        if self.clip_norm:
            clip_by_global_norm(self.model.backend.xp, self.model.dtheta, self.clip_norm)
        self.optimizer.step(self.model.dtheta)

    def state(self):
        return [to_numpy(a).copy() for a in (self.model.theta, *self.optimizer.state.values())]

    def error(self, epoch=None, batches=None):
        """The error of one step, which restores the state before; None for a finite step."""
        before, t = self.state(), self.optimizer.t
        try:
            with AnomalyDetector(self.model, self.optimizer, epoch, batches):
                self()
        except DivergedError as error:
            for a, b in zip(self.state(), before, strict=True):
                np.testing.assert_array_equal(a, b)
            assert self.optimizer.t == t
            return error
        return None


def set_number(array, value, place=None):
    array[place or (0,) * array.ndim] = value


@pytest.mark.parametrize(("kind", "backend", "likelihood"), covering(KINDS, likelihood=LIKELIHOODS))
def test_a_finite_step_gives_the_same_bits_and_no_error(kind, backend, likelihood):
    steps = [Step(kind, backend, clip_norm=1.0, likelihood=likelihood) for _ in range(2)]
    for _ in range(3):
        assert steps[0].error() is None
        steps[1]()
    for traced, plain in zip(*(step.state() for step in steps), strict=True):
        np.testing.assert_array_equal(traced, plain)
    for owner in (steps[0].model, steps[0].optimizer, *(module for _, module in named_modules(steps[0].model))):
        assert not {name for name in vars(owner) if name.startswith(("forward", "backward"))} | (
            {"matmul", "step"} & set(vars(owner))
        )


@EACH_KIND
@pytest.mark.parametrize(
    "training",
    [
        {"corrupt": Masking(0.3), "kl_weight": KLWarmUp(5), "clip_norm": 1.0},
        {"corrupt": GaussianNoise(0.1), "optimizer": lambda: AdamW(1e-2)},
        {"binarize": "dynamic", "optimizer": lambda: SGD(1e-2, momentum=0.9)},
    ],
    ids=["masking and warm-up", "noise and AdamW", "binarised and SGD"],
)
def test_tracing_a_full_training_run_changes_no_bit(kind, training):
    training, ends = dict(training), []
    if kind == "autoencoder":
        training.pop("kl_weight", None)
    make = training.pop("optimizer", Adam)
    images = np.tile(rows(kind), (4, 1))
    labels = np.arange(len(images)) % CLASSES
    for traced in (True, False):
        model, optimizer = KINDS[kind](), make()
        trainer = sv.Trainer(model, batch_size=8, optimizer=optimizer, **training)
        label_arguments = {"labels": labels, "validation_labels": labels} if model.classes else {}
        if traced:
            with AnomalyDetector(model, trainer.optimizer, 1):
                trainer.fit(images, 2, validation=images, **label_arguments)
        else:
            trainer.fit(images, 2, validation=images, **label_arguments)
        ends.append(model.theta)
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize(("kind", "backend", "value"), covering(KINDS, value=[nan, inf, -inf]))
def test_a_nonfinite_parameter_is_named_with_its_position(kind, backend, value):
    likelihood = "gaussian_learned" if kind in ("vae", "miwae") else "bernoulli"
    step = Step(kind, backend, likelihood=likelihood)
    assert len(step.model.params) >= 8
    for name, view in step.model.params.items():
        before = step.model.theta.copy()
        place = tuple(size - 1 for size in view.shape)
        set_number(view, value, place)
        error = step.error(epoch=2)
        assert (error.tensor, error.layer) == (name, name.rpartition(".")[0])
        assert (error.step, error.epoch) == (1, 2)
        finding = error.finding
        assert (
            finding.kind == "weights"
            and finding.nonfinite == 1
            and finding.size == view.size
            and finding.position == place
        )
        assert isnan(finding.value) if isnan(value) else finding.value == value
        assert f"in step 1, epoch 2: 1 of {view.size} numbers of {name} is {value}" in str(error)
        step.model.theta[...] = before
    assert step.error() is None


@pytest.mark.parametrize("make", [Adam, AdamW, lambda: SGD(1e-2, 0.9)])
@BACKENDS
def test_nonfinite_optimizer_state_is_named(make, backend):
    step = Step(backend=backend, optimizer=make())
    step()
    for name, vector in step.optimizer.state.items():
        before = vector.copy()
        set_number(vector, inf, (D * 4,))  # just after encoder.0.W (D, 4)
        error = step.error()
        assert (error.tensor, error.layer, error.finding.kind) == (f"{name} of encoder.0.b", "encoder.0", "weights")
        assert error.step == 2 and error.epoch is None and error.finding.position == (0,)
        vector[...] = before


@pytest.mark.parametrize(("kind", "backend", "value"), covering(KINDS, value=[nan, inf]))
def test_nonfinite_data_is_named_with_row_and_column(kind, backend, value):
    for name in ("x", "eps", "corrupted", "targets"):
        step = Step(kind, backend)
        array = step.model.validator.to_device(rows(kind)) if name == "corrupted" else getattr(step, name)
        if name == "corrupted":
            step.arguments["corrupted"] = array
        if name == "targets":
            if not step.model.classes:
                continue
            array = step.arguments["targets"]
        if 0 in array.shape:
            continue
        set_number(array, value, (3, 1))
        error = step.error()
        if isnan(value) and name in ("x", "corrupted") and kind in ("missing", "miwae"):
            assert error is None  # NaN marks a missing value
            continue
        assert (error.tensor, error.layer, error.finding.kind) == (name, "batch", "data")
        assert error.finding.position == (3, 1) and error.finding.row is None


def test_a_nonfinite_row_is_reported_by_its_index_in_the_data():
    step = Step()
    images = np.arange(10 * D, dtype="float32").reshape(10, D) / (10 * D)
    images[7, 2] = nan
    preprocess = Preprocessor(step.model, False, None, None, None)
    batches = Minibatches(MinibatchSource(step.model, images, ROWS, np.random.default_rng(0), preprocess))
    errors = []
    for step.x in batches:
        error = step.error(1, batches)
        errors += [error] if error else []
    (error,) = errors
    assert error.finding.row == 7 and error.finding.position[1] == 2
    assert f"at {list(error.finding.position)}, row 7 of the data" in str(error)


class Broken(Corruption):
    def draw(self, x, rng, noisy, masks, support):
        noisy[...] = x
        noisy[2, 3] = inf


def test_a_nonfinite_corruption_is_distinguished_from_the_data():
    trainer = sv.Trainer(sv.VAE(D, Z, (4,)), batch_size=ROWS, corrupt=Broken(0.1))
    with AnomalyDetector(trainer.model, trainer.optimizer), pytest.raises(DivergedError, match="lower level") as raised:
        trainer.fit(rows("vae"), 1)
    assert raised.value.tensor == "corrupted" and raised.value.finding.position == (2, 3)


# One result of every method of every module that a step calls becomes nonfinite, and so does everything after it.
def inject(module, method, value, calls):
    call = getattr(module, method)

    @wraps(call)
    def injected(*arguments, **named):
        result = call(*arguments, **named)
        calls.append(method)
        if result is not None:
            set_number(result[0] if isinstance(result, tuple) else result, value)
        else:
            set_number(getattr(module, f"d{next(iter(module.parameter_shapes()))}"), value)
        return result

    setattr(module, method, injected)


@pytest.mark.parametrize(("kind", "backend"), covering(KINDS))
def test_the_first_module_with_a_nonfinite_result_is_named(kind, backend):
    likelihood = "gaussian_learned" if kind in ("vae", "miwae") else "bernoulli"
    injected = set()
    for number, (name, module) in enumerate(named_modules(Step(kind, backend, likelihood=likelihood).model)):
        for method in dir(module):
            if method.startswith("backward_parameters") and not hasattr(module, "dW"):
                continue  # the inner layers compute them
            if not method.startswith(("forward", "backward")) and method != "matmul":
                continue
            step, calls = Step(kind, backend, likelihood=likelihood), []
            value = inf if name == "repeat_x" else nan  # NaN in the data would mean a missing value
            inject(list(named_modules(step.model))[number][1], method, value, calls)
            error = step.error()
            if not calls:
                assert error is None
                continue
            injected.add((name, method))
            assert error.layer == name, method
            assert error.finding.kind == ("gradient" if "backward" in method else error.finding.kind)
            assert error.finding.nonfinite == 1 and not isfinite(error.finding.value)
            if method == "backward_parameters":
                assert error.tensor == f"d {name}.W"
    assert len(injected) > 12


@pytest.mark.parametrize("layer", ["encoder.0", "encoder.2", "decoder.0", "decoder.2"])
@BACKENDS
def test_only_the_layer_with_a_wrong_gradient_is_named(layer, backend, monkeypatch):
    for parameter in ("W", "b"):
        step = Step(backend=backend)
        guilty = dict(named_modules(step.model))[layer]
        right = type(guilty).backward_parameters

        def wrong(self, dy, parameter=parameter, guilty=guilty, right=right):
            right(self, dy)
            if self is guilty:
                set_number(getattr(self, f"d{parameter}"), inf)

        with monkeypatch.context() as patch:
            patch.setattr(type(guilty), "backward_parameters", wrong)
            error = step.error()
        assert (error.tensor, error.layer, error.finding.kind) == (f"d {layer}.{parameter}", layer, "gradient")
        assert "scratchvae.gradcheck.check" in str(error)


def test_nonfinite_values_between_modules_are_named_where_they_enter():
    step = Step("iwae")
    step.arguments["kl_weight"] = inf  # multiplies the log-ratio, between two modules
    error = step.error()
    assert error.tensor == "log_w, given to objective.importance_bound (ImportanceBound)"
    assert error.finding.kind == "loss"


class Precise(Posterior):
    """N(h₁, exp(h₂⁴) I): its log σ², and so its density, may overflow where z does not."""

    def __init__(self, sign):
        self.sign = sign

    def forward(self, h, eps):
        width = h.shape[1] // 2
        self.h, self.eps = h, eps
        self.logvar = self.sign * (h[:, width:] * 1e30) ** 4
        self.sigma = np.exp(self.logvar / 2)
        return h[:, :width] + self.sigma * eps

    def backward(self, dz, dlog_q=None):
        return np.hstack([dz, dz * self.sigma])

    def log_prob(self):
        return -0.5 * (self.eps**2 + self.logvar).sum(axis=1)


@pytest.mark.parametrize(
    ("sign", "tensor"), [(-1.0, "log q of posterior (Precise)"), (1.0, "z of posterior (Precise)")]
)
def test_a_posterior_whose_variance_overflows_is_named_instead_of_the_kl(sign, tensor):
    vae = sv.VAE(D, Z, (4,), posterior=Precise(sign))
    with pytest.raises(DivergedError) as caught:
        sv.Trainer(vae).fit(uniform(0, ROWS, D).astype("float32"), 1)
    error = caught.value
    assert (error.tensor, error.layer, error.finding.kind) == (tensor, "posterior", "activation")
    assert f"of {tensor}" in str(error) and "MonteCarloKL" not in str(error)


def test_the_density_of_a_diagonal_gaussian_is_named_before_the_kl_of_a_custom_prior():
    vae = sv.VAE(D, 3, (4,), prior=Shifted(3))
    vae.params["encoder.2.b"][3:] = -3e38  # σ is 0, and ½ of the sum of the three log σ² overflows
    with pytest.raises(DivergedError, match=r"log q of posterior \(DiagonalGaussian\)"):
        sv.Trainer(vae).fit(uniform(0, ROWS, D).astype("float32"), 1)


def test_a_nonfinite_clipping_is_distinguished_from_the_gradient(monkeypatch):
    monkeypatch.setitem(globals(), "clip_by_global_norm", lambda xp, dtheta, norm: set_number(dtheta, nan))
    error = Step(clip_norm=1.0).error()
    assert error.tensor == "d encoder.0.W, given to the optimizer" and "clipping" in str(error)


@pytest.mark.parametrize(
    ("change", "layer", "kind", "advice"),
    [
        ({"decoder.0.b": 3e38, "decoder.2.W": 3e38}, "decoder.2", "activation", "smaller learning rate"),
        ({"encoder.2.b": 100.0}, "kl", "loss", "exp"),  # log σ², whose exponential is beyond float32
        ({"encoder.2.b": 1000.0}, "posterior.reparameterize", "activation", "float64"),  # so is σ, and comes first
    ],
)
@BACKENDS
def test_an_overflow_within_a_step_is_named_where_it_occurs(change, layer, kind, advice, backend):
    step = Step(backend=backend)
    for name, value in change.items():
        step.model.params[name][...] = value
    error = step.error()
    assert (error.layer, error.finding.kind) == (layer, kind) and advice in str(error)
    assert error.finding.value == inf
    assert all(np.isfinite(array).all() for array in step.state())


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_learned", "gaussian_heteroscedastic"])
def test_the_error_for_data_too_large_for_a_gaussian_suggests_scaling(likelihood):
    step = Step(likelihood=likelihood)
    step.x[...] = 1e30
    step.arguments["corrupted"] = np.zeros_like(step.x)  # the encoder's input may have any size
    error = step.error()
    assert error.layer == "likelihood" and error.finding.kind == "loss" and "data scaled" in str(error)


def test_an_overflow_of_the_sum_alone_is_reported_as_the_loss():
    step = Step("autoencoder", likelihood="gaussian", sigma=1e-15)
    step.x[...] = 5e3  # −½ e²/σ² is −7.5e37 a row
    error = step.error()
    assert (error.tensor, error.layer) == ("the loss", "objective") and error.finding.position == ()
    assert "the loss is " in str(error)


@pytest.mark.parametrize(
    "make", [lambda lr: SGD(lr), lambda lr: SGD(lr, 0.5), lambda lr: Adam(lr), lambda lr: AdamW(lr)]
)
@BACKENDS
def test_an_overflowing_update_is_named_and_undone(make, backend):
    step = Step(backend=backend, optimizer=make(1e39))
    error = step.error(epoch=1)
    assert error.finding.kind == "update" and error.tensor in ("encoder.0.W", "v of encoder.0.W")
    assert error.layer == "encoder.0" and error.step == 1
    assert "a smaller learning rate than 1e+39" in str(error)


def test_overflowing_moments_are_named_even_if_the_weights_stay_finite():
    step = Step("autoencoder", likelihood="gaussian", sigma=1e-10)  # gradients of some 1e20, whose squares overflow
    error = step.error()
    assert error.finding.kind == "update" and error.tensor.startswith("v of ")


def test_the_step_number_is_that_of_the_optimizer():
    step = Step()
    for _ in range(4):
        assert step.error() is None
    set_number(step.x, nan)
    error = step.error(epoch=3)
    assert (error.step, error.epoch) == (5, 3)
    assert str(error).startswith("training diverged in step 5, epoch 3: 1 of 30 numbers of x is nan (at [0, 0]) in the")


def test_an_error_can_be_pickled():
    step = Step()
    set_number(step.x, nan)
    error = step.error(epoch=3)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DivergedError and str(again) == str(error) and again.finding[:6] == error.finding[:6]
    for name in ("step", "epoch", "layer", "tensor"):
        assert getattr(again, name) == getattr(error, name)
    alone = pickle.loads(pickle.dumps(DivergedError("so")))
    assert str(alone) == "so" and alone.finding is alone.step is alone.layer is None


def test_instance_attributes_are_restored_afterwards():
    step = Step()
    linear = dict(named_modules(step.model))["encoder.0"]
    patched = linear.forward
    linear.forward = patched
    assert step.error() is None
    assert vars(linear)["forward"] is patched


def test_tracing_works_without_an_optimizer():
    vae = sv.VAE(D, Z, (4,))
    vae.params["decoder.2.b"][1] = nan
    with (
        AnomalyDetector(vae),
        pytest.raises(DivergedError, match=r"training diverged: 1 of 6 numbers of decoder\.2\.b") as raised,
    ):
        vae.loss_and_grads(rows("vae"))
    assert raised.value.step is None


@BACKENDS
def test_a_nonfinite_weight_without_a_step_is_reported_without_step_number(backend):
    step = Step(backend=backend)
    traced = AnomalyDetector(step.model, step.optimizer, 2)
    assert traced.check_inputs() is None and traced.check_inputs(x=step.x, corrupted=None) is None
    set_number(step.x, nan, (2, 1))
    error = traced.check_inputs(x=step.x, eps=step.eps)
    assert (error.tensor, error.finding.position, error.step, error.epoch) == ("x", (2, 1), 1, 2)
    set_number(step.model.params["decoder.2.b"], inf, (3,))
    error = traced.check_inputs()
    assert (error.tensor, error.finding.position, error.finding.kind) == ("decoder.2.b", (3,), "weights")
    assert "other tensors" not in str(error)
    step.model.theta[...] = nan
    assert "7 other tensors are not finite either" in str(traced.check_inputs())
