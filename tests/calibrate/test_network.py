"""Network features instead of pixels: they find the hidden settings, and missing features are refused."""

import pytest
import torch

from discs import Strokes
from synth2real import Budget, Model, Route
from synth2real.calibrate import METHODS, Search
from synth2real.calibrate.image_statistics import describe
from synth2real.calibrate.network import feature_function, learnt
from synth2real.calibrate.ranges import Space
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.settings import build, to_dict
from synth2real.simulate import Digits
from synth2real.tasks import Classification

SIZE = (12, 12)
SMALL = Digits(size=SIZE, ranges={"height": (0.5, 0.7)})
REAL = Unlabelled(Digits(size=SIZE, ranges={"height": (0.95, 1.0)}).sample(300, 7).images)


def found_by(features: str, distance: str) -> float:
    """The centre of the range of `height` after the search. It is 0.975 for the images and 0.6 initially."""
    search = Search(
        parameters=("height",), trials=20, images=80, learn=600, prior=0, distance=distance, features=features
    )
    found = search.fit(SMALL, REAL)
    assert found.after < 0.6 * found.before
    return sum(found.ranges["height"]) / 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder of a classifier of digits, trained on all heights."""
    folder = tmp_path_factory.mktemp("run")
    simulator = Digits(size=SIZE, ranges={"height": (0.5, 1.0)})
    Route().run(simulator, REAL, budget=Budget(steps=200, n=600)).model.save(folder)
    return str(folder)


@pytest.mark.parametrize("distance", ["sliced-wasserstein", "mmd"])
def test_a_hidden_height_is_recovered_by_features_learnt_on_the_simulator(distance: str) -> None:
    assert found_by("learnt", distance) == pytest.approx(0.975, abs=0.1)


def test_a_hidden_height_is_recovered_by_the_features_of_a_run(run: str) -> None:
    assert found_by(run, "sliced-wasserstein") == pytest.approx(0.975, abs=0.1)


def test_what_is_compared_is_the_last_layer_of_the_network_or_pixels(run: str) -> None:
    space = Space.of(SMALL, ("height",), 0.4)
    images = REAL.inputs[torch.arange(5)]
    assert feature_function(None, space, SMALL, 200, 0) is describe
    first, again, other = (feature_function("learnt", space, SMALL, 200, seed)(images) for seed in (0, 0, 1))
    assert first.shape == (5, 128)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert feature_function(run, space, SMALL, 200, 0)(images).shape == (5, 128)


def test_features_that_cannot_be_had_are_refused(tmp_path, run: str) -> None:
    with pytest.raises(InputError, match=r"nowhere: found no model.yaml, expected a run folder"):
        Search(features="nowhere").check(SMALL, REAL)
    Model(Classification(("a", "b")), (3, 9, 9)).save(tmp_path)
    expected = r"its model takes inputs of \(3, 9, 9\), the simulator renders \(1, 12, 12\)\. Expected a run on images"
    with pytest.raises(InputError, match=expected):
        Search(features=str(tmp_path)).check(SMALL, REAL)
    with pytest.raises(InputError, match=r"needs a distance between samples, but calibrate\.optimizer is"):
        Search(features="learnt", optimizer="gradient").check(SMALL, REAL)


def test_settings_survive_a_round_trip(run: str) -> None:
    search = Search(features=run)
    assert build(METHODS, "search", to_dict(search)) == search


def test_features_are_learnt_from_masks_too():
    simulator = Strokes(size=(16, 16))
    model = learnt(Space.of(simulator, ("height",), 0.4), simulator, 20, 0)
    assert model.task.kind == "segment"
    assert model.embed(simulator.labelled(5, 1).inputs).shape == (5, model.width)
