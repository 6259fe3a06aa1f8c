# %% [markdown]
# # Change it yourself
# Eight changes, each in at most twenty lines: a new activation, a layer with parameters, a convolutional VAE, another
# prior, another optimizer, another likelihood, dropout, and a callback that logs to TensorBoard. One line checks the
# gradient of each; then it is trained for seconds, saved and loaded.
#
#     python demos/change_it_yourself.py

# %%
import tempfile
from math import comb, log
from pathlib import Path

import numpy as np

import scratchvae as sv
from scratchvae.gradcheck import check_layer, check_likelihood, check_optimizer, check_prior
from scratchvae.layers import Conv2d, Flatten, Gated, Linear, ReLU, Reshape, Sequential, Upsample

data = sv.datasets.load("digits")  # 8 × 8 pixels, from 0 to 1
x, held_out = data.train.images, data.test.images


def try_out(vae, *classes, epochs=30, rows=x, optimizer=None, callbacks=()):
    """Train, save, load with the classes of one's own, and compare the codes."""
    history = sv.Trainer(vae, optimizer=optimizer, seed=0).fit(rows, epochs, callbacks=callbacks, progress=False)
    with tempfile.TemporaryDirectory() as folder:
        sv.save(vae, Path(folder) / "own.npz")
        loaded = sv.load(Path(folder) / "own.npz", classes=classes)
    assert np.array_equal(loaded.embed(rows), vae.embed(rows))
    print(f"{vae}\nloss {history.loss[0]:.2f} → {history.loss[-1]:.2f}; saved and loaded\n")
    return vae


# %% [markdown]
# ## 1. A new activation
# A layer is a function of rows, y = f(x), and its backward: dx from dy. `forward` keeps what `backward` needs. Write
# `self.xp` in place of `np`: it is NumPy or, on a GPU, CuPy. Do not write into x or dy; what is returned may be new.
#
# The squared rectifier of Primer (So et al. 2021): y = max(x, 0)², hence dx = 2 max(x, 0) dy.


# %%
class SquaredReLU(sv.layers.Layer):
    def output_shape(self, input_shape):  # of one row
        return input_shape

    def forward(self, x):
        self.positive = self.xp.maximum(x, 0.0)
        return self.positive**2

    def backward(self, dy):
        return 2.0 * self.positive * dy


print(check_layer(SquaredReLU()))
print(check_layer(SquaredReLU(), backend="fake-cupy").passed, "on a stand-in for CuPy, which needs no GPU")
try_out(sv.VAE(64, 5, hidden=(32,), activation=SquaredReLU), SquaredReLU)


# %% [markdown]
# `activation=` takes a name, a class or an instance. Each place in the network gets its own.
#
# ## 2. A layer with parameters
# List their shapes, and write their gradients in place: `out=self.da`, or `self.da[...] =`. `check_layer` finds them.
# Arguments of `__init__` are stored under their own names, so that the layer can be saved.
#
# The parametric rectifier (He et al. 2015): y = max(x, 0) + a min(x, 0), with a slope a for each column, which is
# learned. ∂y/∂x is 1 or a; ∂L/∂a is the sum of min(x, 0) dy over the rows.


# %%
class PReLU(sv.layers.Layer):
    def __init__(self, size):
        self.size = size

    def parameter_shapes(self):
        return {"a": (self.size,)}  # the attributes self.a and self.da

    def initial_values(self, rng):
        return {"a": np.full(self.size, 0.25)}

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.x = x
        return self.xp.maximum(x, 0.0) + self.a * self.xp.minimum(x, 0.0)

    def backward(self, dy):
        self.xp.sum(self.xp.minimum(self.x, 0.0) * dy, axis=0, out=self.da)
        return self.xp.where(self.x > 0.0, dy, self.a * dy)


print(check_layer(PReLU(6)))
try_out(sv.VAE(64, 5, hidden=(32,), activation=PReLU(32)), PReLU)

# %% [markdown]
# A layer is composed, not registered: it may stand anywhere in a `Sequential`. Layers that are attributes of a layer,
# or in a list, are found, trained, checked and saved with it. `config()` returns the arguments of `__init__`, if they
# are not attributes. Two layers are left out of this package, batch normalization and dropout, because with them a row
# depends on the other rows, or on a mode. You can add them: dropout is 7.
#
# ## 3. A convolutional VAE
# Pictures are rows too: `forward` gets flat rows (B, height · width · channels), channels last; `output_shape` sees the
# shape (height, width, channels) of one. A convolution learns it from `image_shape`, or from a `Reshape` before it;
# `Linear` takes rows of any shape. `Gated` multiplies the first half of the channels by the sigmoid of the second. An
# encoder that ends with an activation gets a last layer, to the 2 × latent_dim numbers of the posterior; so does a
# decoder, to those of a picture. For "gaussian_heteroscedastic", with two parameters for each number, the last
# convolution has twice the channels; `SplitChannels(2)` follows it, in place of `Flatten`, which would interleave them.

# %%
encoder = Sequential(Conv2d(1, 16, 3, stride=2, padding=1), ReLU(), Conv2d(16, 32, 3, stride=2, padding=1), ReLU())
decoder = Sequential(
    Linear(5, 2 * 2 * 32), ReLU(), Reshape(2, 2, 32),
    Upsample(2), Conv2d(32, 2 * 16, 3, padding=1), Gated(),
    Upsample(2), Conv2d(16, 1, 3, padding=1), Flatten(),
)  # fmt: skip
print(check_layer(Conv2d(2, 3, 3, stride=2), np.random.default_rng(0).random((4, 8, 8, 2))))
own = try_out(sv.VAE(encoder=encoder, decoder=decoder, latent_dim=5, image_shape=(8, 8)))
print(own.summary(), end="\n\n")


# %% [markdown]
# A convolution with a gate, made of two others. They get the shape for which `output_shape` asks them, or else that
# of the rows of the layer that they are in. If layers follow each other, ask them in turn, or use a `Sequential`.


# %%
class GatedConv(sv.layers.Layer):
    def __init__(self, inputs, outputs, size):
        self.inputs, self.outputs, self.size = inputs, outputs, size
        self.value, self.gate = (Conv2d(inputs, outputs, size, stride=2, padding=1) for _ in range(2))

    def output_shape(self, input_shape):
        return self.value.output_shape(input_shape)

    def forward(self, x):
        self.v = self.value.forward(x)
        self.s = 1.0 / (1.0 + self.xp.exp(-self.gate.forward(x)))
        return self.v * self.s

    def backward(self, dy):  # ∂y/∂v = s, ∂y/∂g = v s (1 − s), and x reaches y in both ways
        return self.value.backward(dy * self.s) + self.gate.backward(dy * self.v * self.s * (1.0 - self.s))


print(check_layer(GatedConv(2, 3, 3)))  # at random batches of pictures
gated = Sequential(GatedConv(1, 8, 3), GatedConv(8, 16, 3), Flatten())
try_out(sv.VAE(encoder=gated, latent_dim=5, image_shape=(8, 8)), GatedConv)


# %% [markdown]
# `architecture="conv"` makes such networks for pictures of any size.
#
# ## 4. Another prior
# log p(z), its gradient, and a draw from standard normal noise. The KL is then estimated by log q(z | x) − log p(z) at
# the draw of z. Heavier tails than those of the normal distribution: Student's t with 2 degrees of freedom,
# log p(z) = −Σ (3/2 log(1 + z²/2) + 3/2 log 2), hence ∂ log p/∂z = −3 z / (2 + z²). A draw is a standard normal number
# divided by the root mean square of two others.


# %%
class StudentT(sv.probability.Prior):
    noise_per_latent = 3  # standard normal numbers for each dimension of a draw

    def forward(self, z):
        self.z = z
        return -1.5 * self.xp.log(2.0 + z * z).sum(axis=1)  # 3/2 (log(1 + z²/2) + log 2)

    def backward(self, dlog_p):
        return -3.0 * self.z / (2.0 + self.z * self.z) * dlog_p[:, None]

    def draw(self, noise):
        numbers = noise.reshape(len(noise), -1, 3)
        return numbers[:, :, 0] / self.xp.sqrt((numbers[:, :, 1] ** 2 + numbers[:, :, 2] ** 2) / 2.0)


print(check_prior(StudentT()))
try_out(sv.VAE(64, 5, hidden=(32,), prior=StudentT()), StudentT)


# %% [markdown]
# ## 5. Another optimizer
# It updates one flat vector of all parameters, in place. `state` holds what a checkpoint must save. Lion (Chen et al.
# 2023, alg. 2): the sign of a moving average is the step. `check_optimizer` shows that the update works in place, on
# any coordinate alike, on float32, after a resumption; it cannot know which rule it should be.


# %%
class Lion(sv.optim.Optimizer):
    def __init__(self, lr=3e-4, beta1=0.9, beta2=0.99):
        super().__init__(lr)
        self.beta1, self.beta2 = beta1, beta2

    def bind(self, xp, theta):
        super().bind(xp, theta)
        self.m = xp.zeros_like(theta)
        self.state = {"m": self.m}

    def step(self, dtheta):
        lr = self.learning_rate()  # a number, or that of a schedule for this step
        self.t += 1
        self.theta -= lr * self.xp.sign(self.beta1 * self.m + (1.0 - self.beta1) * dtheta)
        self.m *= self.beta2
        self.m += (1.0 - self.beta2) * dtheta


print(check_optimizer(Lion()))
try_out(sv.VAE(64, 5, hidden=(32,)), optimizer=Lion())


# %% [markdown]
# ## 6. Another likelihood
# log p(x | outputs) of a row, its gradient with respect to the decoder's outputs, and the mean of x. Counts from 0 to n
# are binomial: with a logit t for each, log p = log C(n, x) + x t − n log(1 + exp t), ∂/∂t = x − n σ(t), E x = n σ(t).


# %%
class Binomial(sv.probability.Likelihood):
    def __init__(self, n):
        self.n = n

    @property
    def support(self):
        return 0.0, float(self.n)

    def forward(self, logits, x):
        self.x, self.sigma = x, 1.0 / (1.0 + self.xp.exp(-logits))
        log_choices = self.xp.asarray([log(comb(self.n, k)) for k in range(self.n + 1)], logits.dtype)
        terms = log_choices[x.astype(int)] + x * logits - self.n * self.xp.logaddexp(0.0, logits)
        return terms.sum(axis=1)

    def backward(self, dlog_p):
        return (self.x - self.n * self.sigma) * dlog_p[:, None]

    def mean(self, logits, out):
        out[...] = self.n / (1.0 + self.xp.exp(-logits))


counts = np.rint(4 * x)  # of 4
some = np.random.default_rng(0)
print(check_likelihood(Binomial(4), some.standard_normal((4, 6)), some.integers(0, 5, (4, 6))))
try_out(sv.VAE(64, 5, hidden=(32,), likelihood=Binomial(4), scale="none"), Binomial, rows=counts.astype(np.float32))


# %% [markdown]
# ## 7. Dropout, with its mask as an argument
# Noise is an argument here, never drawn inside a layer: so a forward can be repeated, and its gradient proven. Without
# a mask the layer is the identity, as it should be after training. Srivastava et al. 2014.


# %%
class Dropout(sv.layers.Layer):
    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x, mask=None):
        self.mask = 1.0 if mask is None else mask
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class WithDropout(Sequential):
    def forward(self, x, mask=None):
        for layer in self.layers:
            x = layer.forward(x, mask) if isinstance(layer, Dropout) else layer.forward(x)
        return x


rng = np.random.default_rng(0)
print(check_layer(Dropout(), (rng.standard_normal((4, 6)), rng.random((4, 6)) < 0.8), parameters=()))

# %% [markdown]
# A training step by hand, from the parts of the model, as in `models/vae.py`: so the mask reaches the encoder.

# %%
vae = sv.VAE(encoder=WithDropout(Linear(64, 32), ReLU(), Dropout(), Linear(32, 10)), latent_dim=5)
optimizer = sv.optim.Adam(1e-3)
optimizer.bind(np, vae.theta)
for _ in range(60):
    rows = x[rng.choice(len(x), 128)]
    mask = ((rng.random((128, 32)) < 0.8) / 0.8).astype(np.float32)
    z = vae.posterior.forward(vae.encoder.forward(rows, mask), rng.standard_normal((128, 5), np.float32))
    log_likelihood, kl = vae.likelihood.forward(vae.decoder.forward(z), rows), vae.kl.forward(z)
    loss = vae.objective.loss(vae.objective.forward(log_likelihood, kl))
    vae.backward()
    optimizer.step(vae.dtheta)
print(f"loss {loss:.2f} with dropout, {-vae.elbo(held_out).value.mean():.2f} without, on held-out rows")
try_out(vae, WithDropout, Dropout, epochs=10)


# %% [markdown]
# ## 8. A callback that logs to TensorBoard
# The training loop calls a callback at its points: see `help(sv.training.Callback)`. With tensorboard installed, the
# writer is `SummaryWriter("runs/own")` of `torch.utils.tensorboard`; any object with `add_scalar` will do, such as the
# one here, which prints.


# %%
class LogScalars(sv.training.Callback):
    def __init__(self, writer):
        self.writer = writer

    def on_epoch_end(self, state):
        for name in ("loss", "reconstruction", "kl"):
            self.writer.add_scalar(name, getattr(state.record, name), state.record.epoch)


class Printer:
    def add_scalar(self, name, value, step):
        print(f"{step}  {name:<14} {value:9.3f}")


try_out(sv.VAE(64, 5, hidden=(32,)), epochs=3, callbacks=[LogScalars(Printer())])
