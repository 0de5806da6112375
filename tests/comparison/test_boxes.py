"""A comparison of detectors: boxes, a choice, estimates, and the same again from its folder."""

from dataclasses import replace

import pytest
import torch

from spots import CLASSES, spots
from synth2real.adapt import DANN, SourceOnly
from synth2real.comparison.comparison import compare
from synth2real.data.labels import Boxes
from synth2real.errors import InputError
from synth2real.networks.dense import SmallEncoder
from synth2real.randomize import Photometric
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.select.aggregate import serving


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    source, test = spots(40, 0), spots(12, 1, noise=0.1, level=0.6)
    target = spots(24, 2, noise=0.1, level=0.6).unlabelled()
    routes = {"randomized": Route(randomize=Photometric()), "dann": Route(adapt=DANN())}
    folder = tmp_path_factory.mktemp("boxes")
    budget = Budget(steps=3, batch=4)

    def again(**changed):
        return compare(
            routes, changed.get("source", source), target, test=test, budget=budget, seeds=(0,), folder=folder
        )

    return again(), again, source


def test_predictions_are_boxes_and_scored_by_image(made):
    found = made[0]
    for candidate in found.candidates:
        trial = candidate.trials[0]
        assert isinstance(trial.target, Boxes)
        assert len(trial.target) == 24
        assert len(trial.moved.expected) == len(trial.moved.predictions) == 24
        assert candidate.samples.shape == (24,)
        assert 0 <= candidate.score <= 1
        assert 0 <= trial.gap_after <= 2
        assert set(trial.test_metrics["ap50_of"]) == set(CLASSES)
    assert found.metric == "ap50"
    assert {row["name"] for row in found.ranking()} == {"source only", "randomized", "dann", "ensemble"}
    assert serving(found.task) == ["ensemble"]


def test_it_is_the_same_again_from_its_folder(made):
    found, again, source = made
    repeated = again()
    for one, two in zip(found.candidates, repeated.candidates, strict=True):
        assert one.trials[0].source_metrics == two.trials[0].source_metrics
        assert torch.equal(one.trials[0].target.corners, two.trials[0].target.corners)
        assert one.score == pytest.approx(two.score)
    with pytest.raises(InputError, match="found trainings with another source"):
        again(source=replace(source, labels=spots(40, 9).labels))


def test_a_pyramid_on_a_frozen_network_predicts_from_images(tmp_path):
    source, target = spots(24, 0), spots(12, 2, noise=0.1, level=0.6).unlabelled()
    frozen = Route(randomize=Photometric(), adapt=SourceOnly(tune="frozen"), features=SmallEncoder(source.shape))
    found = compare({"frozen": frozen}, source, target, budget=Budget(steps=2, batch=4), seeds=(0,), folder=tmp_path)
    trial = next(one for one in found.candidates if one.name == "frozen").trials[0]
    assert trial.run.model.description["tune"] == "frozen"
    assert len(trial.target) == 12
