"""Kept features of a comparison: one pass over the images, shared by all routes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from synth2real import Budget, Labelled, Route, Unlabelled, compare
from synth2real.adapt import DANN, SPL, SourceOnly
from synth2real.comparison.evaluation import Evaluation
from synth2real.comparison.kept_views import is_kept, keep, with_views
from synth2real.networks.layers import Convolutional
from synth2real.randomize import Photometric
from synth2real.tasks import Classification, Keypoints

FROZEN = {"tune": "frozen", "network": "convolutional"}


def striped(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images with stripes across or along: two classes that a network with new weights tells apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    stripes = (torch.arange(16) % 4 < 2).float().expand(16, 16)
    images = torch.where(labels[:, None, None].bool(), stripes, stripes.T)[:, None]
    return (0.8 * images + 0.2 * torch.rand(count, 1, 16, 16, generator=generator)), labels


@pytest.fixture
def domains() -> tuple[Labelled, Unlabelled]:
    return Labelled(*striped(60, 0)), Unlabelled(striped(50, 1)[0])


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of images that pass the feature extractor, a batch each."""
    seen: list[int] = []
    forward = Convolutional.forward

    def counted(self: Convolutional, x: Tensor) -> Tensor:
        seen.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(Convolutional, "forward", counted)
    return seen


def test_all_routes_and_scores_of_a_comparison_share_one_pass(
    domains: tuple[Labelled, Unlabelled], passes: list[int], tmp_path: Path
) -> None:
    source, target = domains
    policy = Photometric()
    routes = {
        name: Route(randomize=policy, adapt=adapt)
        for name, adapt in {
            "spl": SPL(**FROZEN, views=2),
            "dann": DANN(**FROZEN, views=2),
            "randomized": SourceOnly(**FROZEN, views=2),
        }.items()
    }
    routes["source only"] = Route(adapt=SourceOnly(**FROZEN))
    budget = Budget(steps=5)
    compare({name: routes[name] for name in ("source only", "randomized")}, source, target, budget=budget, seeds=(0,))
    two = sum(passes)
    passes.clear()
    made = compare(routes, source, target, budget=budget, seeds=(0,), folder=tmp_path)
    assert sum(passes) < 1.3 * two  # two more routes see no image again, but their first outputs are checked
    assert {candidate.name for candidate in made.candidates} == set(routes)
    assert not (tmp_path / "features").exists()  # they are no result


def test_frozen_routes_are_kept_and_others_are_not(domains: tuple[Labelled, Unlabelled]) -> None:
    source, target = domains
    evaluation = Evaluation(source, target, None, None, Budget())
    assert is_kept(Route(adapt=SourceOnly(**FROZEN)), evaluation, source)
    assert not is_kept(Route(), evaluation, source)
    points = Labelled(source.inputs, torch.rand(60, 2), columns=("a_x", "a_y"))
    moved = Evaluation(points, target, None, Keypoints(("a_x", "a_y"), (16, 16)), Budget())
    assert not is_kept(Route(adapt=SourceOnly(**FROZEN)), moved, points)  # points move with a randomized image


def test_the_number_of_views_follows_from_the_time(domains: tuple[Labelled, Unlabelled]) -> None:
    source, target = domains
    evaluation = Evaluation(source, target, None, None, Budget())
    route = Route(randomize=Photometric(), adapt=SourceOnly(**FROZEN))
    assert keep([route], evaluation, source, 1e-6, print) == 1
    assert keep([route], evaluation, source, 1e6, print) == 8
    assert keep([Route()], evaluation, source, 1e6, print) is None


def test_a_route_that_names_its_views_keeps_them() -> None:
    assert with_views(Route(adapt=SourceOnly(views=3)), 5).learner.views == 3
    assert with_views(Route(adapt=SourceOnly()), 5).learner.views == 5
    assert with_views(Route(), None) == Route()


def test_centring_by_domain_takes_a_shift_of_all_features_away(domains: tuple[Labelled, Unlabelled]) -> None:
    source, target = domains
    darker = Unlabelled(0.4 * target.inputs[torch.arange(50)])
    test = Labelled(darker.inputs, striped(50, 1)[1])
    adapt = SPL(**FROZEN, statistics="none", rounds=0)
    run = Route(adapt=adapt).run(source, darker, task=Classification.of(source), budget=Budget(steps=1))
    assert run.model.evaluate(test)["accuracy"] == 1.0
