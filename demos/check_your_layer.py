# %% [markdown]
# # Check your layer
# `scratchvae.gradcheck` needs a function, its hand-written backward and their inputs; it does not depend on the layers
# of this package. `forward(*inputs)` returns an array, `backward(dy, *inputs)` the gradient of ⟨dy, forward⟩ for each
# input.
#
#     python demos/check_your_layer.py

# %%
import numpy as np

from scratchvae.gradcheck import check, check_layer

rng = np.random.default_rng(0)
x, gain, bias = rng.standard_normal((4, 6)), rng.standard_normal(6), rng.standard_normal(6)


# %% [markdown]
# A layer that this package does not have: layer normalisation (Ba, Kiros, Hinton 2016, eq. 4). Each row is centred,
# divided by its standard deviation, scaled and shifted.


# %%
def forward(x, gain, bias):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True)) * gain + bias


# %% [markdown]
# With n = (x − m)/s, the mean m and the deviation s depend on every number of the row. Along a row,
# ∂n_i/∂x_j = (δ_ij − 1/D − n_i n_j/D)/s, so dx = (dn − mean(dn) − n · mean(dn · n))/s with dn = dy · gain.


# %%
def backward(dy, x, gain, bias):
    deviation = x.std(axis=1, keepdims=True)
    n = (x - x.mean(axis=1, keepdims=True)) / deviation
    dn = dy * gain
    dx = (dn - dn.mean(axis=1, keepdims=True) - n * (dn * n).mean(axis=1, keepdims=True)) / deviation
    return dx, (dy * n).sum(axis=0), dy.sum(axis=0)


# %%
print(check(forward, backward, x, gain, bias), end="\n\n")


# %% [markdown]
# The most common mistake: s is treated as a constant. The training loss falls all the same.


# %%
def careless(dy, x, gain, bias):
    _, dgain, dbias = backward(dy, x, gain, bias)
    dn = dy * gain
    return (dn - dn.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True), dgain, dbias


print(check(forward, careless, x, gain, bias), end="\n\n")

# %% [markdown]
# A single wrong number is found, and the report has its index. Where the function has no gradient, the verdict says so.


# %%
def slip(dy, x, gain, bias):
    dx, dgain, dbias = backward(dy, x, gain, bias)
    dgain[3] *= 1.01
    return dx, dgain, dbias


print(check(forward, slip, x, gain, bias), end="\n\n")

x_at_kink = np.array([1.0, 0.0, -2.0])
print(check(lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0), x_at_kink), end="\n\n")

# %% [markdown]
# A layer that is a class: `check_layer` checks dx and the gradient of every parameter, at batches of several sizes. It
# finds the parameters by their gradients: `gain` and `dgain`.


# %%
class LayerNorm:
    def __init__(self, width):
        self.gain, self.bias = np.ones(width), np.zeros(width)

    def forward(self, x):
        self.x = x
        return forward(x, self.gain, self.bias)

    def backward(self, dy):
        dx, self.dgain, self.dbias = backward(dy, self.x, self.gain, self.bias)
        return dx


print(check_layer(LayerNorm(6)))
