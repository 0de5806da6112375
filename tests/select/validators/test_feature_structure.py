"""Structure of features and predictions on known matrices."""

import math

import pytest
import torch

from pools import logits, pool
from synth2real.select.validators import validate
from synth2real.select.validators.feature_structure import hopkins, neighbourhood_density
from synth2real.tasks import Classification, Regression

TASK = Classification(("a", "b"))
VALUE = Regression(("v",), (0.0,), (1.0,))


def test_density_of_known_matrices() -> None:
    """Four alike: each has three neighbours, log 3. Two pairs: each has one, 0 up to what is left of the others."""
    assert neighbourhood_density(torch.tensor([[0.6, 0.4]]).expand(4, 2)) == pytest.approx(math.log(3))
    pairs = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    e = math.exp(-1 / 0.05)
    shares = [1 / (1 + 2 * e), e / (1 + 2 * e), e / (1 + 2 * e)]
    assert neighbourhood_density(pairs) == pytest.approx(-sum(share * math.log(share) for share in shares))


def test_clusters_score_higher_than_uniform_features() -> None:
    generator = torch.Generator().manual_seed(0)
    ends = torch.tensor([[0.0, 0.0], [9.0, 9.0]]).repeat(50, 1)
    clusters = ends + 0.1 * torch.randn(100, 2, generator=generator)
    uniform = 9 * torch.rand(100, 2, generator=generator)
    predictions = logits([[0.9, 0.1], [0.1, 0.9]]).repeat(50, 1)
    made = pool(TASK, [predictions, predictions], features=[(clusters[:8], clusters), (uniform[:8], uniform)])
    good, bad = validate("silhouette", made)
    assert good > 0.95
    assert abs(bad) < 0.1
    assert hopkins(clusters.numpy()) > 0.9
    assert hopkins(uniform.numpy()) == pytest.approx(0.5, abs=0.2)
    good, bad = validate("transfer-score", made)
    assert good > bad


def test_one_class_has_no_silhouette() -> None:
    assert validate("silhouette", pool(TASK, [logits([[0.9, 0.1]] * 4)])) == [-1.0]


def test_scale_and_subspace_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.cat([torch.randn(50, 2, generator=generator), torch.zeros(50, 2)], 1)
    turned = flat[:, [2, 3, 0, 1]]  # the two other directions
    target = torch.zeros(50, 1)
    made = pool(VALUE, [target] * 3, source=[target] * 3, features=[(flat, flat), (flat, 2 * flat), (flat, turned)])
    assert validate("feature-scale", made) == pytest.approx([0.0, -math.log(2), 0.0], abs=1e-6)
    assert validate("subspace", made) == pytest.approx([0.0, 0.0, -1.0], abs=1e-5)
