"""A comparison of masks: compact predictions, a choice, estimates, and the same again from its folder."""

from dataclasses import replace

import pytest
import torch

from discs import discs, hot
from synth2real.adapt import DANN
from synth2real.comparison.comparison import compare
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.randomize import Photometric
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.select.aggregate import aggregate, serving


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    source, test = discs(40, 0), discs(12, 1, noise=0.1, level=0.6)
    target = discs(24, 2, noise=0.1, level=0.6).unlabelled()
    routes = {"randomized": Route(randomize=Photometric()), "dann": Route(adapt=DANN())}
    folder = tmp_path_factory.mktemp("masks")
    budget = Budget(steps=3, batch=4)

    def again(**changed):
        return compare(
            routes, changed.get("source", source), target, test=test, budget=budget, seeds=(0,), folder=folder
        )

    return again(), again, source


def test_predictions_are_compact_and_scored_by_image(made):
    found = made[0]
    for candidate in found.candidates:
        trial = candidate.trials[0]
        assert trial.target.shape == (24, 2, 32, 32)
        assert trial.target.dtype == torch.float16
        assert trial.moved.predictions.dtype == torch.uint8
        assert candidate.samples.shape == (24,)
        assert 0 <= candidate.score <= 1
        assert 0 <= trial.gap_after <= 2
    assert found.metric == "mean_iou"
    assert {row["name"] for row in found.ranking()} == {"source only", "randomized", "dann", "ensemble"}


def test_it_is_the_same_again_from_its_folder(made):
    found, again, source = made
    repeated = again()
    assert [one.trials[0].source_metrics for one in repeated.candidates] == [
        one.trials[0].source_metrics for one in found.candidates
    ]
    assert [one.score for one in repeated.candidates] == pytest.approx([one.score for one in found.candidates])
    with pytest.raises(InputError, match="found trainings with another source"):
        again(source=replace(source, labels=discs(40, 9).labels))


def test_importance_weighted_aggregation_does_not_serve_masks(made):
    found = made[0]
    assert serving(found.task) == ["ensemble"]

    class Masked:
        task = found.task

    with pytest.raises(InputError, match="aggregation 'iwa' does not support the task segment, expected: ensemble"):
        aggregate("iwa", [], Masked())


def test_doubtful_images_of_a_large_target_are_named_by_their_place(made):
    """Only evenly spaced images are observed; the index of a doubtful one is its place in the whole target."""
    found, one = made[0], made[0].candidates[0]
    unsure = hot(torch.zeros(1000, 32, 32))
    unsure[-1, 1] = 0.4  # no mask, where one is likely
    trial = replace(one.trials[0], target=unsure, held=hot(discs(5, 0).labels.tensor))
    whole = Unlabelled(torch.zeros(2001, 1, 32, 32, dtype=torch.uint8))
    large = replace(found, target=whole, candidates=[replace(one, trials=[trial], learnt=True)])
    assert large.in_doubt == [2000]
