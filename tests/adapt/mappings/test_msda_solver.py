"""The closed form of a denoising layer: the authors' solution, and what sampled noise comes to."""

import numpy as np
import pytest

from synth2real.adapt.mappings import msda_solver
from synth2real.adapt.mappings.msda_solver import Workspace, denoise


def reference(x: np.ndarray, noise: float, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """The authors' code (Chen et al. 2012) in float64: weights (F, F + 1) with the bias last, and outputs (N, F)."""
    bordered = np.hstack([x, np.ones((len(x), 1))]).T.astype(np.float64)
    d = len(bordered) - 1
    scatter = bordered @ bordered.T
    keep = np.full(d + 1, 1 - noise)
    keep[-1] = 1
    q = scatter * np.outer(keep, keep)
    q[np.diag_indices(d + 1)] = keep * np.diag(scatter)
    penalty = ridge * np.eye(d + 1)
    penalty[-1, -1] = 0
    weights = np.linalg.solve(q + penalty, (scatter[:-1] * keep).T).T
    return weights, (weights @ bordered).T


def counts(n: int, f: int) -> np.ndarray:
    x = (np.random.default_rng(0).random((n, f)) < 0.1).astype(np.float32)
    x[:, 3] = 0  # a word that never occurs
    return x


@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (50, 50)])
@pytest.mark.parametrize("noise", [0.1, 0.5, 0.9])
def test_the_layer_is_the_authors(shape, noise):
    x = counts(*shape)
    weights, outputs = reference(x, noise, 1e-5)
    (half, scale, bias), restored = denoise(x, noise, 1e-5, Workspace.of(x.shape))
    ours = (1 - noise) * scale[:, None] * (half.T @ half) / scale
    np.testing.assert_allclose(ours, weights[:, :-1], atol=2e-4)
    np.testing.assert_allclose(bias, weights[:, -1], atol=2e-5)
    np.testing.assert_allclose(restored, outputs, atol=2e-4)
    assert half.shape == (min(shape), shape[1])


def test_the_expectation_is_that_of_sampled_noise():
    x, noise, many = counts(40, 12), 0.4, 4000
    random = np.random.default_rng(1)
    struck = np.vstack([x * (random.random(x.shape) >= noise) for _ in range(many)])
    bordered = np.hstack([struck, np.ones((len(struck), 1))])
    sampled = np.linalg.lstsq(bordered, np.tile(x, (many, 1)), rcond=None)[0]
    _, restored = denoise(x, noise, 1e-5, Workspace.of(x.shape))
    np.testing.assert_allclose(np.hstack([x, np.ones((len(x), 1))]) @ sampled, restored, atol=0.02)


def test_what_float32_does_not_solve_is_solved_in_float64(monkeypatch):
    x = counts(60, 90)
    asked = []
    monkeypatch.setattr(msda_solver, "residual", lambda *a: asked.append(1) or 1.0)
    kinds = []
    solve = msda_solver._by_samples
    monkeypatch.setattr(msda_solver, "_by_samples", lambda a, *rest: kinds.append(a.dtype) or solve(a, *rest))
    _, restored = denoise(x, 0.5, 1e-5, Workspace.of(x.shape))
    assert kinds == [np.float32, np.float64]
    assert len(asked) == 1
    np.testing.assert_allclose(restored, reference(x, 0.5, 1e-5)[1], atol=1e-5)


def test_the_residual_detects_a_wrong_solution():
    a = np.random.default_rng(0).standard_normal((30, 40), dtype=np.float32)
    half, _ = msda_solver.solution(a, 0.5, Workspace.of(a.shape))
    assert msda_solver.residual(half, a, 0.5) < 1e-3
    assert msda_solver.residual(half * 1.05, a, 0.5) > 0.05


@pytest.mark.parametrize("shape", [(60, 90), (90, 60)])
def test_a_reused_workspace_gives_the_same_result(shape):
    first, second = counts(*shape), np.random.default_rng(2).random(shape, dtype=np.float32)
    workspace = Workspace.of(shape)
    kept, _ = denoise(first, 0.5, 1e-5, workspace)
    before = [value.copy() for value in kept]
    again, restored = denoise(second, 0.5, 1e-5, workspace)
    fresh, expected = denoise(second, 0.5, 1e-5, Workspace.of(shape))
    np.testing.assert_array_equal(restored, expected)
    for ours, theirs in zip((*again, *kept), (*fresh, *before), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any(np.shares_memory(restored, part) for part in workspace)
    assert not any(np.shares_memory(half, part) for half in (kept.half, again.half) for part in workspace)
