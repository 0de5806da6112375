"""One layer of a marginalised denoising autoencoder, solved: the algebra of `msda`."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky
from scipy.linalg.blas import get_blas_funcs
from scipy.linalg.lapack import get_lapack_funcs

Array = NDArray[Any]
TOLERANCE = 1e-2  # of the residual, relative to the solution
PROBES = 4


class Room(NamedTuple):
    """What layers of one shape are solved in, one after another: memory costs most when it is first touched.

    `scaled` and `solved` (N, F), `system` (R, R), R the lesser of N and F.
    """

    scaled: Array
    solved: Array
    system: Array

    @classmethod
    def of(cls, shape: tuple[int, int], dtype: type = np.float32) -> Room:
        shapes = (shape, shape, (min(shape),) * 2)
        return cls(*(np.empty(s, dtype) for s in shapes))


class Layer(NamedTuple):
    """A layer x -> q s T' T (x / s) + bias: `half` T (R, F), R the lesser of N and F; `scale` s, `bias` (F,).

    T is what the solution leaves, and is never larger than its square, the weights.
    """

    half: Array
    scale: Array
    bias: Array


def denoise(x: Array, noise: float, ridge: float, stage: Room) -> tuple[Layer, Array]:
    """The affine layer that restores `x` from itself with features struck out, in expectation; and what it restores.

    Args:
        x: (N, F) float32.
        noise: chance of a feature to be struck out, in 0..1, both excluded.
        ridge: added to the diagonal of the squares summed over samples.
        room: to solve in, of the shape of `x`.

    Returns:
        the layer, and its output for `x`, (N, F) float32, which holds until the room is used again.
    """
    q = 1 - noise
    mean = x.mean(0, dtype=np.float64).astype(np.float32)
    scale = np.sqrt(q * noise * np.einsum("nf,nf->f", x, x, dtype=np.float64) + ridge).astype(np.float32)
    a = np.subtract(x, mean, out=stage.scaled)
    a /= scale
    half, restored = solution(a, q, stage)
    shift = q * scale * (half.T @ (half @ (mean / scale)))  # what the weights make of the mean
    restored *= q * scale
    restored += mean + noise * shift  # x was centred above, and of its mean the share `noise` is struck out
    return Layer(half, scale, mean - q * shift), restored


def solution(a: Array, q: float, stage: Room) -> tuple[Array, Array]:
    """T (R, F) with T' T = P = A' inv(I + q^2 A A') A, and A P (N, F), float32.

    By a system of samples or of features, whichever are fewer; in float32, of which the residual is checked, and in
    float64 where it does not do.
    """
    solve = _by_samples if len(a) <= a.shape[1] else _by_features
    with contextlib.suppress(LinAlgError):  # not positive definite in this precision
        half, product = solve(a, q, stage)
        if residual(half, a, q) < TOLERANCE:
            return half, product
    half, product = solve(a.astype(np.float64), q, Room.of(a.shape, np.float64))
    return half.astype(np.float32), product.astype(np.float32)


def residual(half: Array, a: Array, q: float) -> float:
    """|A' A v - (I + q^2 A' A) P v| / |P v| for a few random v: no less than the relative error of P v."""
    v = np.random.default_rng(0).standard_normal((a.shape[1], PROBES), dtype=np.float32)
    solved = half.T @ (half @ v)
    off = a.T @ (a @ (v - q * q * solved)) - solved
    return float(np.linalg.norm(off)) / max(float(np.linalg.norm(solved)), 1e-30)


def _by_samples(a: Array, q: float, stage: Room) -> tuple[Array, Array]:
    """With I + q^2 A A' = L L' it is T = inv(L) A, and A P = (A - inv(L') T) / q^2."""
    lower = _lower(np.matmul(a, a.T, out=stage.system), q)
    (solve,) = get_blas_funcs(("trsm",), (lower, a))
    # Transposed, in rows as they lie: T' = A' inv(L'), so that nothing is copied into columns.
    half = solve(1.0, lower, a.copy().T, side=1, lower=1, trans_a=1, overwrite_b=1).T
    np.copyto(stage.solved, half)
    product = solve(1.0, lower, stage.solved.T, side=1, lower=1, overwrite_b=1).T
    np.subtract(a, product, out=product)
    product /= q * q
    return half, product


def _by_features(a: Array, q: float, stage: Room) -> tuple[Array, Array]:
    """P = (I - inv(I + q^2 A' A)) / q^2, and T its Cholesky factor."""
    lower = _lower(np.matmul(a.T, a, out=stage.system), q)
    (invert,) = get_lapack_funcs(("potri",), (lower,))
    p, _ = invert(lower, lower=1)
    p = np.tril(p) + np.tril(p, -1).T
    p *= -1 / (q * q)
    p[np.diag_indices(len(p))] += 1 / (q * q)
    product = np.matmul(a, p, out=stage.solved)
    p[np.diag_indices(len(p))] += 32 * np.finfo(p.dtype).eps / (q * q)  # of a feature that is always 0 it is singular
    return cholesky(p, lower=False, overwrite_a=True, check_finite=False), product


def _lower(products: Array, q: float) -> Array:
    """The Cholesky factor of I + q^2 times the products; they are overwritten."""
    products *= q * q
    products[np.diag_indices(len(products))] += 1
    lower: Array = cholesky(products.T, lower=True, overwrite_a=True, check_finite=False)  # its columns, as they lie
    return lower
