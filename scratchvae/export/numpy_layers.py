# mypy: disable-error-code="no-untyped-def, no-untyped-call"
"""The layers as functions of NumPy alone. `as_numpy_source` copies those that a model needs into a file.

They have the arithmetic of `scratchvae.layers`, operation by operation, so that their results have the same bits. They
have no types, so that the file stays short. A function that uses another one, or a constant, is copied with it.
"""

import numpy as np

from scratchvae.kernels.continuous_bernoulli import SERIES
from scratchvae.kernels.normal import MILLS_P, MILLS_Q


def linear(x, W, b):
    """x W + b."""
    return x @ W + b


def conditional_linear(x, targets, W, V):
    """x W + c V for the one-hot rows c of the classes."""
    return x @ W + targets @ V


def one_hot(labels, classes, dtype):
    """The rows of ones and zeros (B, K) of labels (B,) from 0 to K - 1."""
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels are from {labels.min()} to {labels.max()}; expected 0 to {classes - 1}")
    return (labels[:, None] == np.arange(classes)).astype(dtype)


def most_probable(logits):
    """The most probable class (B,) of logits (B, K)."""
    exponentials = np.exp(logits - logits.max(axis=1)[:, None])
    return (exponentials / (exponentials @ np.ones(logits.shape[1], logits.dtype))[:, None]).argmax(axis=1)


# At most 2**20 bytes of windows are computed at once, as in scratchvae: other numbers of rows may round differently.
def conv2d(x, W, b, picture, stride, padding):
    """The convolution of pictures (H, W, I), as the product of their windows with W."""
    k, _, inputs, outputs = W.shape
    border = (0, 0), (padding, padding), (padding, padding), (0, 0)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x.reshape(-1, *picture), border), (k, k), axis=(1, 2))
    windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    count, width = windows.shape[1] * windows.shape[2], k * k * inputs
    y = np.empty((len(x) * count, outputs), x.dtype)
    rows = max(1, 2**20 // (count * width * x.itemsize))
    for n in range(0, len(x), rows):
        product = windows[n : n + rows].reshape(-1, width) @ W.reshape(width, outputs)
        y[n * count : n * count + len(product)] = product
    return (y + b).reshape(len(x), count * outputs)


def conv_transpose2d(x, W, b, places, picture, stride, padding):
    """The transposed convolution of pictures (P, Q, I): each pixel adds a multiple of W to y (H, W, O)."""
    k, _, outputs, inputs = W.shape
    (P, Q), (height, width), s = places, picture, stride
    y = np.zeros((len(x), height + 2 * padding, width + 2 * padding, outputs), x.dtype)
    rows = max(1, 2**20 // (P * Q * k * k * outputs * x.itemsize))
    for n in range(0, len(x), rows):
        block = x[n : n + rows].reshape(-1, inputs) @ W.reshape(-1, inputs).T
        windows = block.reshape(-1, P, Q, k, k, outputs)
        for a in range(k):
            for c in range(k):
                y[n : n + rows, a : a + s * P : s, c : c + s * Q : s] += windows[:, :, :, a, c]
    inside = y[:, padding : padding + height, padding : padding + width]
    return (inside + b).reshape(len(x), height * width * outputs)


def upsample(x, picture, scale):
    """Each pixel of pictures (H, W, C), repeated downwards and across."""
    pictures = x.reshape(-1, *picture).repeat(scale, axis=1).repeat(scale, axis=2)
    return pictures.reshape(len(x), x.shape[1] * scale**2)


def split_channels(x, pixels, groups):
    """The channels of each pixel, group after group."""
    return x.reshape(len(x), pixels, groups, x.shape[1] // (pixels * groups)).transpose(0, 2, 1, 3).reshape(x.shape)


def layer_norm(x, gain, bias, eps):
    """Each group of numbers as long as the gain, less its mean and divided by its standard deviation."""
    groups = x.reshape(-1, len(gain))
    x_hat = groups - groups.sum(axis=1, keepdims=True) / len(gain)
    variance = (x_hat * x_hat).sum(axis=1, keepdims=True) / len(gain)
    return (x_hat / np.sqrt(variance + eps) * gain + bias).reshape(x.shape)


def gated(x, half):
    """h * sigmoid(g) for each [h, g] of twice `half` numbers."""
    groups = x.reshape(-1, 2 * half)
    return (groups[:, :half] * sigmoid(groups[:, half:])).reshape(len(x), x.shape[1] // 2)


def relu(x):
    """max(x, 0)."""
    return np.maximum(x, np.zeros(x.shape[1], x.dtype))


def leaky_relu(x, slope):
    """max(x, slope * x)."""
    return np.maximum(x, x * slope)


def log_of_counts(x, columns):
    """sign(x) log(1 + |x|) in the columns (start, stop) of counts, x in the others."""
    y = np.array(x)
    for start, stop in columns:
        y[:, start:stop] = np.copysign(np.log1p(np.abs(x[:, start:stop])), x[:, start:stop])
    return y


def elu(x, alpha):
    """x where it is positive, alpha * (exp(x) - 1) elsewhere."""
    return np.expm1(np.minimum(x, 0.0)) * alpha + np.maximum(x, 0.0)


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return np.reciprocal(np.exp(-x) + 1.0)


def silu(x):
    """x * sigmoid(x)."""
    return x * sigmoid(x)


def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.log1p(np.exp(-np.abs(x))) + (x + np.abs(x)) * 0.5


def gelu(x):
    """x times the CDF of the standard normal, whose tail is the density times Mills' ratio P / Q."""
    a = np.minimum(np.abs(x), 40.0)
    density = np.exp(a * a * -0.5) * 0.3989422804014327
    return x * np.abs(polynomial(MILLS_P, a) / polynomial(MILLS_Q, a) * density - (x >= 0.0))


def polynomial(coefficients, x):
    """The polynomial, with the coefficient of the highest power first."""
    y = x * coefficients[0]
    for c in coefficients[1:-1]:
        y = (y + c) * x
    return y + coefficients[-1]


def nan_to_zero(x):
    """0 where x is NaN."""
    return np.add(np.fmax(x, 0.0), np.fmin(x, 0.0), order="C")


def continuous_bernoulli_mean(t):
    """1 / (1 - exp(-t)) - 1 / t, by a series near 0."""
    a = np.maximum(np.abs(t), 1e-30)
    far, square = np.maximum(a, 0.25), np.minimum(a, 0.25) ** 2
    r = (np.reciprocal(-(np.expm1(-a) / a)) - 1.0 - a * 0.5) / far / far * (a >= 0.25)
    return (r + polynomial(SERIES, square) * (square < 0.0625)) * t + 0.5
