"""SPL: labels by rounds, and clusters only where they are the classes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from synth2real import Budget, InputError, Labelled, Route, Unlabelled
from synth2real.adapt import SPL
from synth2real.adapt.mappings.spl import class_means, clusters, most_confident

CLASSES, WIDTH = 4, 20


def groups(count: int, shift: float, seed: int, spread: float = 0.35) -> tuple[Tensor, Tensor]:
    """Samples about one direction a class, turned by `shift` towards directions that the classes do not use."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    directions = torch.eye(WIDTH)[:CLASSES] + shift * torch.eye(WIDTH)[CLASSES : 2 * CLASSES]
    return directions[labels] + spread * torch.randn(count, WIDTH, generator=generator), labels


def accuracy(settings: dict[str, float], target: Tensor, labels: Tensor, source: tuple[Tensor, Tensor]) -> float:
    model = Route(adapt=SPL(**settings)).run(Labelled(*source), Unlabelled(target), budget=Budget(steps=1)).model
    return float((model.predict(Unlabelled(target)).values.argmax(1) == labels).float().mean())


def test_labelling_by_rounds_and_clusters_cross_a_gap() -> None:
    target, labels = groups(400, 1.5, 1)
    source = groups(200, 0.0, 0)
    alone = accuracy({"rounds": 0}, target, labels, source)
    assert accuracy({}, target, labels, source) > alone + 0.03


def test_clusters_that_are_not_the_classes_are_not_used() -> None:
    generator = torch.Generator().manual_seed(2)
    target, labels = groups(400, 0.0, 3)
    colour = torch.randint(
        CLASSES, (400,), generator=generator
    )  # a strong grouping that has nothing to do with classes
    target = target + 3 * torch.eye(WIDTH)[2 * CLASSES :][colour]
    source = groups(200, 0.0, 0)
    guarded, unguarded = (accuracy({"agreement": least}, target, labels, source) for least in (0.85, 0.0))
    assert guarded > 0.7
    assert unguarded < 0.5


def test_each_round_labels_its_share_of_every_predicted_class() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    labels, chosen = most_confident(probabilities, 0.5)
    assert labels.tolist() == [0, 0, 0, 1]
    assert chosen.tolist() == [0, 2, 3]  # two of three, and one of one


def test_cluster_centres_have_length_one_and_a_class_without_samples_has_no_mean() -> None:
    x = F.normalize(torch.randn(30, 5, generator=torch.Generator().manual_seed(0)))
    means = class_means(x, torch.arange(30) % 2, 3)
    assert means[2].tolist() == [0.0] * 5
    centres = clusters(x, torch.full((30, 3), 1 / 3), means)
    assert torch.allclose(centres.norm(dim=1), torch.ones(3), atol=1e-5)


def test_a_source_that_is_not_learnt_labels_nothing_and_says_so() -> None:
    generator = torch.Generator().manual_seed(0)
    source = Labelled(torch.randn(400, 3, generator=generator), torch.randint(4, (400,), generator=generator))
    run = Route(adapt=SPL()).run(source, Unlabelled(torch.randn(50, 3, generator=generator)))
    assert any("never labelled the target" in note for note in run.notes)


def test_a_class_without_source_samples_is_never_predicted() -> None:
    x, y = groups(200, 0.0, 0)
    source = Labelled(x[y < 3], y[y < 3], classes=("a", "b", "c", "d"))
    model = Route(adapt=SPL()).run(source, Unlabelled(x)).model
    assert (model.predict(Unlabelled(x)).values.argmax(1) < 3).all()


def test_two_classes() -> None:
    x, y = groups(200, 0.0, 0)
    kept = y < 2
    model = Route(adapt=SPL()).run(Labelled(x[kept], y[kept]), Unlabelled(x[kept])).model
    assert model.evaluate(Labelled(x[kept], y[kept]))["accuracy"] > 0.9


def test_images_with_a_trained_network_are_refused() -> None:
    images = torch.rand(20, 3, 16, 16)
    with pytest.raises(InputError, match="needs features"):
        Route(adapt=SPL()).run(Labelled(images, torch.arange(20) % 2), Unlabelled(images))
