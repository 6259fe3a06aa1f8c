"""The plane through the latent space in which the codes are drawn.

A plane is spanned by two orthonormal directions P (Z, 2). A code z is drawn at Pᵀ z. If the point is moved by d in the
plane, the code becomes z + P d: the point is then where it was moved to, because Pᵀ P = I, and the parts of z across
the plane stay as they are.
"""

from __future__ import annotations

import numpy as np

from scratchvae.backend import Array

SMALLEST = 1e-9  # a share of the largest eigenvalue, below which a direction separates nothing


def separating_plane(codes: Array, variance: Array, labels: Array) -> Array:
    """Orthonormal directions (Z, 2) along which the classes of the codes (N, Z) lie apart most. Fisher 1936.

    variance   (Z,) the mean variance of q(z | x) in each dimension
    labels     (N,) the classes, −1 for none

    Codes are points of q(z | x), and so the scatter within a class has two parts: that of the means, and the mean
    variance. The second makes unused dimensions wide, whose means are nearly constant, and would otherwise seem to
    separate.
    """
    known = labels >= 0
    classes = np.unique(labels[known])
    means = np.stack([codes[labels == k].mean(axis=0) for k in classes])
    counts = np.array([(labels == k).sum() for k in classes])
    within = codes[known] - means[np.searchsorted(classes, labels[known])]
    W = within.T @ within / known.sum() + np.diag(variance)
    between = (means - codes[known].mean(axis=0)) * np.sqrt(counts / known.sum())[:, None]
    # maximize vᵀ B v / vᵀ W v: with W = U Λ Uᵀ and v = U Λ^(−½) w, it is wᵀ (Λ^(−½) Uᵀ B U Λ^(−½)) w / wᵀ w
    values, vectors = np.linalg.eigh(W + np.eye(len(W)) * (SMALLEST * np.trace(W) + np.finfo(float).tiny))
    whiten = vectors / np.sqrt(values)
    separation, w = np.linalg.eigh(whiten.T @ (between.T @ between) @ whiten)
    useful = separation[::-1] > SMALLEST * max(separation[-1], SMALLEST)
    directions = (whiten @ w)[:, ::-1][:, useful][:, :2]
    return _orthonormal(directions, codes)


def widest_plane(codes: Array) -> Array:
    """Orthonormal directions (Z, 2) along which the codes (N, Z) vary most: the first two principal components."""
    return _orthonormal(np.empty((codes.shape[1], 0)), codes)


def _orthonormal(directions: Array, codes: Array) -> Array:
    """Two orthonormal directions (Z, 2): those given (Z, ≤ 2), and those of greatest variance across them.

    Each has a positive largest component, so that the picture is not mirrored by chance.
    """
    basis, _ = np.linalg.qr(directions)
    rest = codes - codes.mean(axis=0)
    rest = rest - rest @ basis @ basis.T
    covariance = rest.T @ rest / len(rest)
    # the directions of `basis` have the variance 0 now; with −1 they come last even if all others have it too
    _, components = np.linalg.eigh(covariance - basis @ basis.T)
    basis = np.concatenate([basis, components[:, ::-1]], axis=1)[:, :2]
    largest = basis[np.abs(basis).argmax(axis=0), [0, 1]]
    signed: Array = basis * np.where(largest < 0, -1.0, 1.0)
    return signed
