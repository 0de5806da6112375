"""A comparison of detectors from rendered blood to blood under another microscope."""

import pytest

from synth2real.adapt import DANN
from synth2real.comparison.comparison import compare
from synth2real.randomize import Full
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.simulate import Blood

HERE = Blood(size=(64, 64))
THERE = HERE.with_ranges(light=(110, 150), blur=(0.5, 0.9), red_density=(0.3, 0.5))


@pytest.mark.slow
def test_ap50_is_estimated_without_labels() -> None:
    """A check that the estimate is about right, on three short trainings."""
    target, test = THERE.labelled(100, 1).unlabelled(), THERE.labelled(60, 2)
    routes = {"randomized": Route(randomize=Full()), "dann": Route(randomize=Full(), adapt=DANN())}
    source = HERE.labelled(300, 0)
    found = compare(routes, source, target, test=test, budget=Budget(steps=150, batch=8), seeds=(0,), repeat="chosen")
    errors = []
    for candidate in found.candidates:
        if candidate.estimate is None:
            assert candidate.no_estimate
            continue
        true = candidate.trials[0].test_metrics["ap50"]
        errors.append(abs(candidate.estimate.value - true))
        print(candidate.name, candidate.estimate, true, candidate.score)
    assert errors
    assert sum(errors) / len(errors) <= 0.15
