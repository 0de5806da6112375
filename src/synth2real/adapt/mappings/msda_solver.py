"""Closed-form solution of one layer of a marginalised denoising autoencoder, used by `msda`."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky
from scipy.linalg.blas import get_blas_funcs
from scipy.linalg.lapack import get_lapack_funcs

Array = NDArray[Any]
TOLERANCE = 1e-2  # greatest residual, relative to the solution
PROBES = 4  # random vectors for the residual


class Workspace(NamedTuple):
    """Workspace for the solutions of layers of one shape. It is reused, because the first access to new memory is slow.

    `scaled` and `solved` are (N, F). `system` is (R, R), with R the smaller of N and F.
    """

    scaled: Array
    solved: Array
    system: Array

    @classmethod
    def of(cls, shape: tuple[int, int], dtype: type = np.float32) -> Workspace:
        shapes = (shape, shape, (min(shape),) * 2)
        return cls(*(np.empty(s, dtype) for s in shapes))


class Layer(NamedTuple):
    """A layer x -> q s T' T (x / s) + bias, with `half` T (R, F), R the smaller of N and F, and `scale` s, `bias` (F,).

    T results from the solution. It is never larger than T' T, the weights.
    """

    half: Array
    scale: Array
    bias: Array


def denoise(x: Array, noise: float, ridge: float, workspace: Workspace) -> tuple[Layer, Array]:
    """The affine layer that reconstructs `x` from a corrupted copy, in expectation; and its output for `x`.

    Args:
        x: (N, F) float32.
        noise: probability that a feature is set to zero, in 0..1, both excluded.
        ridge: added to the diagonal of the squares summed over samples.
        workspace: memory for the solution, of the shape of `x`.

    Returns:
        the layer, and its output for `x`, (N, F) float32. The output is valid until the workspace is used again.
    """
    q = 1 - noise
    mean = x.mean(0, dtype=np.float64).astype(np.float32)
    scale = np.sqrt(q * noise * np.einsum("nf,nf->f", x, x, dtype=np.float64) + ridge).astype(np.float32)
    a = np.subtract(x, mean, out=workspace.scaled)
    a /= scale
    half, restored = solution(a, q, workspace)
    shift = q * scale * (half.T @ (half @ (mean / scale)))  # the weights times the mean
    restored *= q * scale
    restored += mean + noise * shift  # x was centred above, and the noise removes the share `noise` of its mean
    return Layer(half, scale, mean - q * shift), restored


def solution(a: Array, q: float, workspace: Workspace) -> tuple[Array, Array]:
    """T (R, F) with T' T = P = A' inv(I + q^2 A A') A, and A P (N, F), float32.

    The linear system has the size of the samples or of the features, whichever is smaller. It is solved in float32 and
    the residual is checked. If the residual is too large, it is solved in float64.
    """
    solve = _by_samples if len(a) <= a.shape[1] else _by_features
    with contextlib.suppress(LinAlgError):  # not positive definite in this precision
        half, product = solve(a, q, workspace)
        if residual(half, a, q) < TOLERANCE:
            return half, product
    half, product = solve(a.astype(np.float64), q, Workspace.of(a.shape, np.float64))
    return half.astype(np.float32), product.astype(np.float32)


def residual(half: Array, a: Array, q: float) -> float:
    """|A' A v - (I + q^2 A' A) P v| / |P v| for a few random v. It bounds the relative error of P v from above."""
    v = np.random.default_rng(0).standard_normal((a.shape[1], PROBES), dtype=np.float32)
    solved = half.T @ (half @ v)
    off = a.T @ (a @ (v - q * q * solved)) - solved
    return float(np.linalg.norm(off)) / max(float(np.linalg.norm(solved)), 1e-30)


def _by_samples(a: Array, q: float, workspace: Workspace) -> tuple[Array, Array]:
    """With I + q^2 A A' = L L', T = inv(L) A and A P = (A - inv(L') T) / q^2."""
    lower = _lower(np.matmul(a, a.T, out=workspace.system), q)
    (solve,) = get_blas_funcs(("trsm",), (lower, a))
    # Solve the transposed system T' = A' inv(L'). Its memory layout needs no copy into column order.
    half = solve(1.0, lower, a.copy().T, side=1, lower=1, trans_a=1, overwrite_b=1).T
    np.copyto(workspace.solved, half)
    product = solve(1.0, lower, workspace.solved.T, side=1, lower=1, overwrite_b=1).T
    np.subtract(a, product, out=product)
    product /= q * q
    return half, product


def _by_features(a: Array, q: float, workspace: Workspace) -> tuple[Array, Array]:
    """P = (I - inv(I + q^2 A' A)) / q^2, and T is its Cholesky factor."""
    lower = _lower(np.matmul(a.T, a, out=workspace.system), q)
    (invert,) = get_lapack_funcs(("potri",), (lower,))
    p, _ = invert(lower, lower=1)
    p = np.tril(p) + np.tril(p, -1).T
    p *= -1 / (q * q)
    p[np.diag_indices(len(p))] += 1 / (q * q)
    product = np.matmul(a, p, out=workspace.solved)
    p[np.diag_indices(len(p))] += 32 * np.finfo(p.dtype).eps / (q * q)  # P is singular if a feature is always 0
    return cholesky(p, lower=False, overwrite_a=True, check_finite=False), product


def _lower(products: Array, q: float) -> Array:
    """The Cholesky factor of I + q^2 times the products. The products are overwritten."""
    products *= q * q
    products[np.diag_indices(len(products))] += 1
    # The products are symmetric, and their transpose has column order without a copy.
    lower: Array = cholesky(products.T, lower=True, overwrite_a=True, check_finite=False)
    return lower
