"""Posterior: it finds the hidden ranges, the parameters without effect on the images, and the simulator's error."""

import json
import math
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from ramps import ramps
from synth2real.calibrate import Posterior, Search, identify, method_of
from synth2real.calibrate.base import SearchResult, parted
from synth2real.calibrate.image_statistics import measure
from synth2real.calibrate.moments import Moments
from synth2real.calibrate.response import Response
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.measure.distances import classifier_distance
from synth2real.simulate import Digits, Normal

FAST = Posterior(trials=36, images=100, rounds=6)
SEARCH = Search(trials=20, images=40)
SEEN = Unlabelled(ramps(size=(8, 8), ranges={"level": (0.5, 0.6), "slope": (0.0, 0.3)}).sample(300, 9).images)


def middle(pair):
    return sum(pair) / 2


def test_hidden_centres_are_recovered_and_what_no_image_shows_is_named():
    simulator = ramps(size=(8, 8))
    reported = []
    found = FAST.fit(simulator, SEEN, on_trial=lambda *report: reported.append(report))
    assert middle(found.ranges["level"]) == pytest.approx(0.55, abs=0.02)
    assert middle(found.ranges["slope"]) == pytest.approx(0.15, abs=0.02)
    assert found.after < 0.3 * found.before
    assert found.moved
    assert found.discrepancy < 0.2
    assert reported == [(n + 1, 6, found.trials[n]) for n in range(6)]
    judged = identify(FAST, simulator, SEEN, found)
    assert {one.name: one.verdict for one in judged.constraints} == {
        "level": "constrained",
        "slope": "constrained",
        "nothing": "not",
    }
    assert judged.unreached < 0.1


def test_a_range_grows_to_the_span_of_the_images_and_a_range_without_effect_stays():
    """The slope of real images spans 1.8 times of what is rendered, the level as much."""
    simulator = ramps(size=(8, 8))
    real = ramps(size=(8, 8), ranges={"level": (0.4, 0.6), "slope": (-0.1, 0.26)}).sample(800, 9).images
    ranges = FAST.fit(simulator, Unlabelled(real)).ranges
    width = {name: high - low for name, (low, high) in ranges.items()}
    assert width["level"] == pytest.approx(0.2, abs=0.02)
    assert width["slope"] == pytest.approx(0.36, abs=0.03)
    assert ranges["nothing"] == pytest.approx(simulator.range("nothing"), abs=0.15)


@pytest.mark.parametrize("seed", [7, pytest.param(8, marks=pytest.mark.slow)])
def test_hidden_means_deviations_and_a_correlation_are_recovered(seed):
    """600 digits of 12 by 12. Means within 0.05 initial ranges, deviations within 20 percent."""
    simulator = Digits(size=(12, 12))
    truth = {"contrast": Normal(1.5, 0.25), "height": Normal(0.68, 0.04)}
    hidden = simulator.with_ranges(**truth).with_correlations({"height ~ contrast": -0.7})
    method = Posterior(parameters=("contrast", "height"), distribution="normal", narrowest=0.3, trials=40)
    found = method.fit(simulator, Unlabelled(hidden.sample(600, seed).images))
    assert found.moved
    for name, one in truth.items():
        low, high = simulator.range(name)
        assert abs(found.ranges[name].mean - one.mean) < 0.05 * (high - low), name
        assert found.ranges[name].std == pytest.approx(one.std, rel=0.2), name
    assert found.correlations["height ~ contrast"] == pytest.approx(-0.7, abs=0.2)
    assert found.simulator.all_correlations() == found.correlations


def test_a_deviation_shrinks_only_if_asked():
    simulator = ramps(size=(8, 8), ranges={"level": (0.3, 0.7)})
    real = Unlabelled(ramps(size=(8, 8), ranges={"level": Normal(0.5, 0.03)}).sample(300, 9).images)
    wide, narrow = (
        Posterior(parameters=("level",), distribution="normal", narrowest=share, trials=20).fit(simulator, real)
        for share in (1, 0.2)
    )
    assert wide.ranges["level"].std >= 0.4 / 12**0.5 - 1e-6
    assert narrow.ranges["level"].std == pytest.approx(0.03, rel=0.25)


def test_a_range_may_shrink_too_if_asked():
    simulator = ramps(size=(8, 8), ranges={"level": (0.3, 0.7)})
    real = Unlabelled(ramps(size=(8, 8), ranges={"level": (0.45, 0.55)}).sample(300, 9).images)
    low, high = Posterior(parameters=("level",), narrowest=0.2, trials=20).fit(simulator, real).ranges["level"]
    assert high - low < 0.25


def test_no_range_grows_beyond_twice_its_width():
    simulator = ramps(size=(8, 8))
    wide = Unlabelled(ramps(size=(8, 8), ranges={"level": (0.1, 0.9)}).sample(300, 9).images)
    low, high = FAST.fit(simulator, wide).ranges["level"]
    assert high - low == pytest.approx(0.4)


def test_an_error_that_no_parameter_explains_changes_the_simulator_very_little():
    """A dark spot that no setting renders counts as simulator discrepancy, and does not change the level."""
    spotted = SEEN.inputs.clone()
    spotted[:, :, 1:4, 1:4] = 0
    simulator = ramps(size=(8, 8), ranges={"level": (0.45, 0.65), "slope": (0.0, 0.3)})
    right, wrong = (FAST.fit(simulator, Unlabelled(images)) for images in (SEEN.inputs, spotted))
    assert wrong.discrepancy > 5 * right.discrepancy
    low, high = wrong.ranges["level"]
    assert low < 0.55 < high


def test_ranges_that_are_no_nearer_are_not_taken():
    simulator = ramps(size=(8, 8), ranges={"level": (0.3, 0.8)})

    class FixedResult(Posterior):
        """Returns a fixed point, and compares the means of the images."""

        def find(self, *arguments):
            return SearchResult({"level.centre": self.centre, "level.width": self.width}, (1.0,))

        def distance_to(self, space, simulator, hardware=None):
            return lambda real: lambda made: abs(float(made.float().mean() - real.float().mean()))

    def toward(centre, width):
        method = FixedResult(parameters=("level",), images=50)
        method.centre, method.width = centre, width
        return method.fit(simulator, SEEN)

    refused, taken = toward(0.8, 0.2), toward(0.0, 0.04)
    assert refused.ranges == {"level": (0.3, 0.8)} == refused.ranges_before
    assert refused.after == refused.before
    assert not refused.moved
    assert refused.simulator is simulator
    assert taken.moved
    assert taken.after < taken.before


@pytest.mark.parametrize("prior", [0.3, None])
def test_the_posterior_of_the_centres_follows_bayes_rule(prior):
    """Compared with the textbook's other form: precisions add, and the mean is weighted with them."""
    generator = torch.Generator().manual_seed(0)
    slope = torch.randn(6, 3, generator=generator).double()
    moments = Moments(torch.ones(3), torch.eye(3), torch.eye(3), torch.ones(3))
    offset, noise = torch.randn(6, generator=generator).double(), torch.eye(6).double() * 0.01
    response = Response(slope, offset, noise, torch.ones(6), torch.ones(3), moments)
    centres = response.infer_centres(prior)
    assert prior is None or centres.prior == prior
    precision = (torch.eye(6).double() * (0.01 + centres.discrepancy**2)).inverse()
    inverse = slope.T @ precision @ slope + torch.eye(3).double() / centres.prior**2
    torch.testing.assert_close(centres.covariance, inverse.inverse())
    torch.testing.assert_close(centres.mean, inverse.inverse() @ slope.T @ precision @ response.offset)
    whole = torch.distributions.MultivariateNormal(
        torch.zeros(6).double(), precision.inverse() + centres.prior**2 * slope @ slope.T
    )
    density = float(whole.log_prob(response.offset))
    assert centres.evidence == pytest.approx(density + 3 * math.log(2 * math.pi))


def test_images_that_no_setting_renders_are_found():
    images = SEEN.inputs.clone()
    images[7] = torch.eye(8, dtype=torch.uint8) * 255
    simulator = ramps(size=(8, 8))
    target = Unlabelled(images)
    judged = identify(FAST, simulator, target, FAST.fit(simulator, target))
    assert judged.farthest[0] == 7
    assert judged.nearest.shape == (24, 1, 8, 8)


def test_parameters_with_similar_effects_are_all_found():
    names = ("stroke", "blur", "height")
    truth = {"stroke": (0.12, 0.2), "blur": (0.3, 0.6), "height": (0.7, 0.85)}
    target = Unlabelled(Digits(ranges=truth).sample(400, 7).images)
    found = Posterior(parameters=names, trials=36).fit(Digits(), target)
    for name in names:
        low, high = Digits().range(name)
        assert abs(middle(found.ranges[name]) - middle(truth[name])) < 0.15 * (high - low), name


@pytest.mark.parametrize("name", ["FAST", "SEARCH"])
def test_a_killed_calibration_is_resumed_with_the_same_result(tmp_path, name):
    method, kills = {"FAST": (FAST, (3,)), "SEARCH": (SEARCH, (3, 14))}[name]
    whole = method.fit(ramps(size=(8, 8)), SEEN)
    script = tmp_path / "killed.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, sys
            sys.path.insert(0, sys.argv[1])
            from test_posterior_kill import FAST, SEARCH, SEEN, ramps
            def die(done, trials, distance):
                if done == int(sys.argv[3]):
                    os.kill(os.getpid(), 9)
            method = {"FAST": FAST, "SEARCH": SEARCH}[sys.argv[4]]
            method.fit(ramps(size=(8, 8)), SEEN, storage=sys.argv[2], resume=True, on_trial=die)
            """
        )
    )
    (tmp_path / "test_posterior_kill.py").write_text(Path(__file__).read_text(encoding="utf-8"))
    shutil.copy(Path(__file__).parent.parent / "ramps.py", tmp_path)
    for at in kills:
        run = subprocess.run([sys.executable, script, tmp_path, tmp_path / "study.db", str(at), name], check=False)
        assert run.returncode == -9
    resumed = method.fit(ramps(size=(8, 8)), SEEN, storage=str(tmp_path / "study.db"), resume=True)
    assert json.dumps(resumed.ranges) == json.dumps(whole.ranges)
    assert resumed.trials == whole.trials


def test_a_trial_that_was_left_running_is_taken_over(tmp_path):
    search = Search(trials=5, images=20, parameters=("level",))
    whole = search.fit(ramps(size=(8, 8)), SEEN)

    counts = []

    class Stopped(Exception):
        pass

    class Breaking(ramps):
        def render(self, values, generator):
            counts.append(1)
            if len(counts) == 3:
                raise Stopped
            return super().render(values, generator)

    storage = str(tmp_path / "s.db")
    Breaking.__name__ = "ramps"
    with pytest.raises(Stopped):
        search.fit(Breaking(size=(8, 8)), SEEN, storage=storage)
    assert search.fit(ramps(size=(8, 8)), SEEN, storage=storage, resume=True).trials == whole.trials


@pytest.mark.parametrize("distance", ["mmd", "classifier"])
def test_every_distance_finds_a_level(distance):
    found = Search(distance=distance, trials=40, images=60, parameters=("level",)).fit(ramps(size=(8, 8)), SEEN)
    assert middle(found.ranges["level"]) == pytest.approx(0.55, abs=0.05)


def test_statistics_are_finite_and_differentiable():
    images = torch.rand(3, 3, 20, 17, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = measure(images)
    assert found.isfinite().all()
    (gradient,) = torch.autograd.grad(found.sum(), images)
    assert gradient.isfinite().all()
    assert measure(torch.zeros(2, 1, 8, 8, dtype=torch.uint8)).isfinite().all()


def test_the_classifier_distance_is_large_for_different_images():
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    y = torch.randn(200, 5, generator=torch.Generator().manual_seed(1))
    assert classifier_distance(x, y) < 0.15
    assert classifier_distance(x, y + 3) > 0.99


def test_a_search_of_nothing_and_a_foreign_study_are_refused(tmp_path):
    simulator = ramps(size=(8, 8), ranges={"level": 0.5, "slope": 0.0, "nothing": 0.5})
    with pytest.raises(InputError, match="calibrate found no parameter to search"):
        FAST.fit(simulator, SEEN)
    storage = str(tmp_path / "s.db")
    Search(trials=1, images=20).fit(ramps(size=(8, 8)), SEEN, storage=storage)
    with pytest.raises(InputError, match=r"contains a study already, expected a new storage\. Pass --resume"):
        Search(trials=1, images=20).fit(ramps(size=(8, 8)), SEEN, storage=storage)
    with pytest.raises(InputError, match=r"the study was started with calibrate .*, but --resume found"):
        Search(trials=1, images=30).fit(ramps(size=(8, 8)), SEEN, storage=storage, resume=True)


def test_the_method_is_the_one_that_has_the_settings():
    assert method_of(()) == method_of(("trials", "seed")) == "posterior"
    assert method_of(("trials", "optimizer")) == method_of(("distance",)) == "search"


def test_a_study_of_the_other_method_is_named(tmp_path):
    storage = str(tmp_path / "s.db")
    Search(trials=1, images=20).fit(ramps(size=(8, 8)), SEEN, storage=storage)
    with pytest.raises(InputError, match="started with method search, but --resume found posterior"):
        FAST.fit(ramps(size=(8, 8)), SEEN, storage=storage, resume=True)


def test_evaluation_images_are_not_used_to_calibrate_and_too_few_are_refused():
    numbered = Unlabelled(torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1).expand(10, 1, 8, 8).contiguous())
    for most, held, sizes in ((100, 1, (9, 1)), (4, 1, (4, 1)), (100, 100, (9, 1))):
        seen, unseen = (set(part[:, 0, 0, 0].tolist()) for part in parted(numbered, most, held, 0))
        assert (len(seen), len(unseen)) == sizes
        assert not seen & unseen
    with pytest.raises(InputError, match=r"the target holds 3 images, expected at least 8. Add images to --target"):
        FAST.check(ramps(size=(8, 8)), Unlabelled(SEEN.inputs[:3]))
    assert FAST.fit(ramps(size=(8, 8)), Unlabelled(SEEN.inputs[:8])).ranges
