"""Twelve layers as people publish them, each with its backward, and with one real bug in a copy of that backward.

`forward(*inputs)` returns y, `backward(dy, *inputs)` the gradient of ⟨dy, y⟩ for each input of real numbers; `wrong` is
`backward` with the bug. All computes in the precision of its inputs.
"""

from collections.abc import Callable
from math import erf, pi, sqrt
from typing import NamedTuple

import numpy as np

EPS = 1e-5  # of the two normalizations


class Layer(NamedTuple):
    name: str
    source: str
    bug: str
    forward: Callable
    backward: Callable
    wrong: Callable
    draw: Callable  # draw(rng) → inputs


# Layer normalization. Ba, Kiros and Hinton 2016, eq. 4. With n = (x − m)/s, s = √(v + ε):
#   dx = (dn − mean(dn) − n mean(dn n)) / s,   dn = dy g
def layer_norm(x, gain, bias):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPS) * gain + bias


def layer_norm_backward(dy, x, gain, bias, eps=EPS):
    centred = x - x.mean(axis=1, keepdims=True)
    s = np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps)
    n, dn = centred / s, dy * gain
    dx = (dn - dn.mean(axis=1, keepdims=True) - n * (dn * n).mean(axis=1, keepdims=True)) / s
    return dx, (dy * n).sum(axis=0), dy.sum(axis=0)


def layer_norm_wrong(dy, x, gain, bias):
    return layer_norm_backward(dy, x, gain, bias, eps=0.0)


# Batch normalization in training. Ioffe and Szegedy 2015: the same along the other axis.
def batch_norm(x, gain, bias):
    return layer_norm(x.T, 1.0, 0.0).T * gain + bias


def batch_norm_backward(dy, x, gain, bias, divisor=None):
    rows = len(x)
    centred = x - x.mean(axis=0)
    s = np.sqrt((centred**2).mean(axis=0) + EPS)
    n, dn = centred / s, dy * gain
    dx = (dn - dn.mean(axis=0) - n * (dn * n).sum(axis=0) / (divisor or rows)) / s
    return dx, (dy * n).sum(axis=0), dy.sum(axis=0)


def batch_norm_wrong(dy, x, gain, bias):
    return batch_norm_backward(dy, x, gain, bias, divisor=len(x) - 1)


# Softmax and cross-entropy: L = −(1/N) Σ_n log softmax(t_n)[c_n],  dt = (softmax(t) − one-hot)/N
def cross_entropy(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


def cross_entropy_backward(dy, logits, labels):
    return cross_entropy_wrong(dy, logits, labels) / len(labels)


def cross_entropy_wrong(dy, logits, labels):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return dy * p


# A 3×3 convolution by im2col: every patch of x becomes a row, and y = patches W + b.
def patches_of(x, size=3):
    B, C, H, W = x.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(B, H - size + 1, W - size + 1, C * size * size)


def convolution(x, W, b):
    out, *_ = W.shape
    return (patches_of(x) @ W.reshape(out, -1).T + b).transpose(0, 3, 1, 2)


def convolution_backward(dy, x, W, b):
    dy = dy.transpose(0, 2, 3, 1)
    out, C, size, _ = W.shape
    dW = np.einsum("bhwo,bhwi->oi", dy, patches_of(x)).reshape(W.shape)
    dpatches = (dy @ W.reshape(out, -1)).reshape(*dy.shape[:3], C, size, size)
    dx = np.zeros_like(x)
    for i in range(size):
        for j in range(size):
            dx[:, :, i : i + dy.shape[1], j : j + dy.shape[2]] += dpatches[..., i, j].transpose(0, 3, 1, 2)
    return dx, dW, dy.sum(axis=(0, 1, 2))


def convolution_wrong(dy, x, W, b):
    dx, dW, db = convolution_backward(dy, x, W, b)
    dW[1, 0, 2, 1] *= 1.0001
    return dx, dW, db


# Max-pooling over windows of 2×2: the gradient goes to the largest number of each window.
def windows_of(x):
    B, C, H, W = x.shape
    return x.reshape(B, C, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(B, C, H // 2, W // 2, 4)


def max_pool(x):
    return windows_of(x).max(axis=-1)


def max_pool_backward(dy, x, rows_first=True):
    winner = np.eye(4)[windows_of(x).argmax(axis=-1)] * dy[..., None]
    B, C, H, W = x.shape
    axes = (0, 1, 2, 4, 3, 5) if rows_first else (0, 1, 2, 5, 3, 4)
    return winner.reshape(B, C, H // 2, W // 2, 2, 2).transpose(axes).reshape(x.shape)


def max_pool_wrong(dy, x):
    return max_pool_backward(dy, x, rows_first=False)


# An LSTM cell. Hochreiter and Schmidhuber 1997, with the forget gate of Gers, Schmidhuber and Cummins 2000:
#   c′ = σ(f) c + σ(i) tanh(g),  h′ = σ(o) tanh(c′),  [i, f, g, o] = x W + h U + b
def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm_gates(x, h, W, U, b):
    i, f, g, o = np.split(x @ W + h @ U + b, 4, axis=1)
    return sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)


def lstm_cell(x, h, c, W, U, b):
    i, f, g, o = lstm_gates(x, h, W, U, b)
    c_next = f * c + i * g
    return o * np.tanh(c_next), c_next


def lstm_cell_backward(dy, x, h, c, W, U, b, through_h=True):
    dh, dc_next = dy
    i, f, g, o = lstm_gates(x, h, W, U, b)
    tanh_c = np.tanh(f * c + i * g)
    dc = dc_next + (dh * o * (1 - tanh_c**2) if through_h else dh * o)
    da = np.concatenate(
        [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)], axis=1
    )
    return da @ W.T, da @ U.T, dc * f, x.T @ da, h.T @ da, da.sum(axis=0)


def lstm_cell_wrong(dy, x, h, c, W, U, b):
    return lstm_cell_backward(dy, x, h, c, W, U, b, through_h=False)


# Scaled dot-product attention. Vaswani et al. 2017, eq. 1:  A = softmax(Q Kᵀ/√d),  y = A V
def softmax(a):
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(Q, K, V):
    return softmax(Q @ K.T / sqrt(Q.shape[1])) @ V


def attention_backward(dy, Q, K, V):
    A, dA = softmax(Q @ K.T / sqrt(Q.shape[1])), dy @ V.T
    dS = A * (dA - (dA * A).sum(axis=1, keepdims=True)) / sqrt(Q.shape[1])
    return dS @ K, dS.T @ Q, A.T @ dy


def attention_wrong(dy, Q, K, V):
    A, dA = softmax(Q @ K.T / sqrt(Q.shape[1])), dy @ V.T
    dS = A * (dA - (dA * A).sum(axis=1, keepdims=True)) / sqrt(Q.shape[1])
    return dS @ K, dS @ Q, A.T @ dy


# GELU. Hendrycks and Gimpel 2016: y = x Φ(x). The wrong derivative is that of their approximation by tanh.
def gelu(x):
    return x * (1 + np.vectorize(erf, otypes=[float])(np.asarray(x, float) / sqrt(2))) / 2


def gelu_backward(dy, x):
    phi = np.exp(-(x**2) / 2) / sqrt(2 * pi)
    return dy * ((1 + np.vectorize(erf, otypes=[float])(x / sqrt(2))) / 2 + x * phi)


def gelu_wrong(dy, x):
    t = np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))
    return dy * ((1 + t) / 2 + x * (1 - t**2) * sqrt(2 / pi) * (1 + 3 * 0.044715 * x**2) / 2)


# A bilinear form with a bias that is the same for all rows: y_bo = Σ_ij x_bi W_oij z_bj + b_o
def bilinear(x, z, W, b):
    return np.einsum("bi,oij,bj->bo", x, W, z) + b


def bilinear_backward(dy, x, z, W, b):
    dx, dz, dW, _ = bilinear_wrong(dy, x, z, W, b)
    return dx, dz, dW, dy.sum(axis=0, keepdims=True)


def bilinear_wrong(dy, x, z, W, b):
    dx, dz = np.einsum("bo,oij,bj->bi", dy, W, z), np.einsum("bo,oij,bi->bj", dy, W, x)
    return dx, dz, np.einsum("bo,bi,bj->oij", dy, x, z), dy[:1]


# Cosine similarity of rows: y = ⟨a, b⟩ / (‖a‖ ‖b‖);  da = dy (b/‖b‖ − y a/‖a‖) / ‖a‖, likewise for b
def cosine_similarity(a, b):
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def cosine_similarity_backward(dy, a, b, of_both=True):
    norm_a, norm_b = (np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    y, dy = cosine_similarity(a, b)[:, None], dy[:, None]
    db = dy * (a / norm_a - y * b / norm_b) / norm_b if of_both else dy * a / (norm_a * norm_b)
    return dy * (b / norm_b - y * a / norm_a) / norm_a, db


def cosine_similarity_wrong(dy, a, b):
    return cosine_similarity_backward(dy, a, b, of_both=False)


# log Σ_j exp x_bj of each row; its gradient is the softmax of the row
def logsumexp(x):
    largest = x.max(axis=1)
    return largest + np.log(np.exp(x - largest[:, None]).sum(axis=1))


def logsumexp_backward(dy, x):
    return dy[:, None] * softmax(x)


def logsumexp_wrong(dy, x):
    return dy[:, None] * softmax(x.T).T


# Weight normalization. Salimans and Kingma 2016, eq. 2 and 3: y = x W with columns w = g v/‖v‖;
#   dv = g/‖v‖ (dw − (dw · v) v/‖v‖²)
def weight_norm(x, V, g):
    return x @ (g * V / np.linalg.norm(V, axis=0))


def weight_norm_backward(dy, x, V, g, projected=True):
    norm = np.linalg.norm(V, axis=0)
    dW = x.T @ dy
    along_v = (dW * V).sum(axis=0) / norm
    dV = g / norm * (dW - along_v * V / norm) if projected else g / norm * dW
    return dy @ (g * V / norm).T, dV, along_v


def weight_norm_wrong(dy, x, V, g):
    return weight_norm_backward(dy, x, V, g, projected=False)


def normal(*shapes):
    return lambda rng: tuple(rng.standard_normal(shape) for shape in shapes)


def logits_and_labels(rng):
    return rng.standard_normal((6, 4)), rng.integers(0, 4, 6)


def small_variances(rng):
    x, gain, bias = normal((4, 6), 6, 6)(rng)
    return 0.05 * x, gain, bias  # as in a layer whose outputs have hardly been scaled yet


LAYERS = [
    Layer("layer norm", "Ba, Kiros, Hinton 2016", "ε missing in backward",
          layer_norm, layer_norm_backward, layer_norm_wrong, small_variances),
    Layer("batch norm", "Ioffe, Szegedy 2015", "N − 1 for N",
          batch_norm, batch_norm_backward, batch_norm_wrong, normal((5, 3), 3, 3)),
    Layer("cross-entropy", "softmax regression", "1/N missing",
          cross_entropy, cross_entropy_backward, cross_entropy_wrong, logits_and_labels),
    Layer("convolution", "im2col", "one weight off by 0.01 %",
          convolution, convolution_backward, convolution_wrong, normal((2, 2, 5, 5), (3, 2, 3, 3), 3)),
    Layer("max-pooling", "2×2 windows", "wrong axis",
          max_pool, max_pool_backward, max_pool_wrong, normal((2, 2, 4, 4))),
    Layer("LSTM cell", "Hochreiter, Schmidhuber 1997", "tanh′ missing",
          lstm_cell, lstm_cell_backward, lstm_cell_wrong, normal((2, 3), (2, 4), (2, 4), (3, 16), (4, 16), 16)),
    Layer("attention", "Vaswani et al. 2017", "transposed scores",
          attention, attention_backward, attention_wrong, normal((4, 3), (4, 3), (4, 2))),
    Layer("GELU", "Hendrycks, Gimpel 2016", "tanh for erf in backward",
          gelu, gelu_backward, gelu_wrong, normal((4, 6))),
    Layer("bilinear", "y = x W z + b", "broadcast sum missing",
          bilinear, bilinear_backward, bilinear_wrong, normal((4, 3), (4, 2), (5, 3, 2), (1, 5))),
    Layer("cosine similarity", "y = cos(a, b)", "one norm constant",
          cosine_similarity, cosine_similarity_backward, cosine_similarity_wrong, normal((4, 6), (4, 6))),
    Layer("logsumexp", "log Σ exp", "softmax along the wrong axis",
          logsumexp, logsumexp_backward, logsumexp_wrong, normal((4, 6))),
    Layer("weight norm", "Salimans, Kingma 2016", "norm treated as a constant",
          weight_norm, weight_norm_backward, weight_norm_wrong, normal((4, 3), (3, 5), 5)),
]  # fmt: skip
