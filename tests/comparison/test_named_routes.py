"""Baselines of a comparison."""

import pytest
import torch

from synth2real import Labelled, Route, Unlabelled
from synth2real.adapt import DANN, MSDA, SPL, SourceOnly, Teacher
from synth2real.comparison.candidates import SOURCE_ONLY
from synth2real.comparison.named_routes import default_routes, paints_backgrounds, with_baselines, with_network
from synth2real.randomize import Full, Photometric
from synth2real.tasks import Classification, Regression


def test_the_baseline_is_source_only_with_the_randomization_and_network_of_the_others() -> None:
    teacher = Teacher(network="linear", tune="frozen", rate=0.1)
    named, baseline = with_baselines({"teacher": Route(randomize=Full(strength=0.3), adapt=teacher)})
    assert list(named) == [SOURCE_ONLY, "randomized", "teacher"]
    assert baseline == "randomized"
    expected = Route(randomize=Full(strength=0.3), adapt=SourceOnly(network="linear", tune="frozen"))
    assert named["randomized"] == expected


def test_a_route_that_is_the_baseline_is_not_added_again() -> None:
    routes = {"teacher": Route(randomize=Full(), adapt=Teacher()), "own": Route(randomize=Full())}
    named, baseline = with_baselines(routes)
    assert (list(named), baseline) == ([SOURCE_ONLY, "own", "teacher"], "own")


def test_a_taken_name_is_not_replaced() -> None:
    routes = {"teacher": Route(randomize=Full(), adapt=Teacher()), "randomized": Route(randomize=Photometric())}
    named, baseline = with_baselines(routes)
    assert baseline == "source only, randomized"
    assert named["randomized"] == routes["randomized"]


@pytest.mark.parametrize("routes", [{}, {"dann": Route(adapt=DANN())}, {"msda": Route(adapt=MSDA())}])
def test_without_randomization_the_baseline_is_source_only(routes: dict[str, Route]) -> None:
    named, baseline = with_baselines(routes)
    assert (list(named), baseline) == ([SOURCE_ONLY, *routes], SOURCE_ONLY)


def test_the_user_s_own_source_only_stays() -> None:
    own = Route(adapt=SourceOnly(rate=0.5))
    assert with_baselines({SOURCE_ONLY: own})[0] == {SOURCE_ONLY: own}


def test_own_networks_are_trained_in_the_baseline_too() -> None:
    features = torch.nn.Flatten()
    named, _ = with_baselines({"dann": Route(randomize=Full(), adapt=DANN(), features=features)})
    assert named["randomized"].features is features


def test_default_routes_paint_backgrounds_only_where_the_source_lacks_them() -> None:
    photographs = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    plain = torch.full((40, 3, 16, 16), 0.5)
    plain[:, :, 4:12, 4:12] = photographs[:, :, 4:12, 4:12]
    classes = ("a", "b")
    source = Labelled(plain, torch.arange(40) % 2, classes)
    painted = default_routes(Classification(classes), source, Unlabelled(photographs))
    assert painted["teacher"].randomize == Full(background=1.0, clutter=0.0, cutout=0.0)
    assert paints_backgrounds(painted)
    left = default_routes(Classification(classes), source, source.unlabelled())
    assert left["teacher"].randomize == Full()
    assert not paints_backgrounds(left)
    values = Labelled(plain, torch.rand(40, 1), columns=("angle",))
    numbers = default_routes(Regression(("angle",), torch.zeros(1), torch.ones(1)), values, Unlabelled(photographs))
    assert numbers["teacher"].randomize == Photometric(background=1.0, clutter=0.0, cutout=0.0)


def test_a_network_for_all_routes_is_that_of_source_only_too() -> None:
    routes = {"dann": Route(randomize=Full(), adapt=DANN(rate=0.1)), "mapped": Route(adapt=MSDA())}
    named = with_network(routes, {"network": "efficientnet-lite0", "weights": "none"})
    assert list(named) == [SOURCE_ONLY, "dann", "mapped"]
    assert named["dann"].adapt == DANN(rate=0.1, network="efficientnet-lite0", weights="none")
    assert named[SOURCE_ONLY].adapt.network == "efficientnet-lite0"
    assert named["mapped"] == routes["mapped"]
    assert with_baselines(named)[0]["randomized"].adapt.network == "efficientnet-lite0"


def test_a_frozen_network_has_default_routes_of_its_own_for_classes() -> None:
    images = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    task, source, target = Classification(("a", "b")), Labelled(images, torch.arange(40) % 2), Unlabelled(images)
    names = ["spl", "randomized + spl", "randomized", "teacher", "dann", "mcc"]
    assert list(default_routes(task, source, target, frozen=True)) == names
    assert "spl" not in default_routes(task, source, target)


def test_the_baseline_of_a_frozen_network_has_a_bottleneck_even_if_a_closed_form_is_first() -> None:
    routes = {"spl": Route(randomize=Full(), adapt=SPL()), "randomized": Route(randomize=Full(), adapt=SourceOnly())}
    named, baseline = with_baselines(routes)
    assert (baseline, list(named)) == ("randomized", [SOURCE_ONLY, "randomized", "spl"])
