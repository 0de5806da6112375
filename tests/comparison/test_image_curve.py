"""Learning curves over images: sizes, steps and seconds from the budget, and trainings that differ in images alone."""

import time
from dataclasses import replace

import pytest
import torch

from synth2real.calibrate import Posterior
from synth2real.comparison.image_curve import HELD, SIZES, ImageCurves, check_affordable, seconds_an_image
from synth2real.errors import InputError
from synth2real.randomize import Photometric
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.simulate import Digits, Drawn, Parameter, declared, external
from synth2real.tasks import Classification, Regression

DIGITS = Digits(size=(12, 12))


@pytest.fixture(scope="module")
def target():
    return Digits(size=(12, 12), ranges={"height": (0.7, 0.9)}).labelled(30, 5)


@pytest.fixture(scope="module")
def curves(target):
    task = Classification.of(DIGITS.labelled(200, 0))
    budget = Budget(steps=2, n=320)
    return ImageCurves(Route(randomize=Photometric()), DIGITS, target.unlabelled(), target, task, budget)


@pytest.fixture(scope="module")
def found(curves):
    heard = []
    plan = curves.plan(1e-4, (3, 4), 60.0)
    return curves.run(plan, 10_000, lambda name, seed: heard.append((name, seed))), heard


def test_sizes_are_geometric_and_every_training_has_the_same_steps(found):
    curve, heard = found
    assert curve.plan.sizes == [20, 40, 80, 160, 320]
    assert {one.steps for of_size in curve.trials for one in of_size} == {2}
    assert [one.seed for one in curve.trials[0]] == [3, 4]
    assert heard[0] == ("20 images", 3)
    assert len(heard) == 10


def test_a_smaller_size_is_the_first_part_of_a_larger_one(found):
    curve, _ = found
    small, large = (curve.trials[i][0].run.rendered for i in (0, 4))
    assert (len(small), len(large)) == (20, 320)
    assert torch.equal(small.inputs[torch.arange(20)], large.inputs[torch.arange(20)])
    other = curve.trials[0][1].run.rendered
    assert not torch.equal(small.inputs[torch.arange(20)], other.inputs[torch.arange(20)])


def test_scores_are_of_each_seed_size_and_target_sample(found):
    curve, _ = found
    assert curve.curve.scores.shape == (2, SIZES, 30)
    rows = curve.rows()
    assert [row["images"] for row in rows] == curve.plan.sizes
    assert rows[0]["score"] == pytest.approx(sum(rows[0]["seeds"]) / 2)
    assert rows[0]["interval"][0] < rows[0]["score"] < rows[0]["interval"][1]
    assert len(rows[0]["test"]) == 2


def test_the_plain_form_has_the_gain_and_the_minutes_to_render(found):
    plain = found[0].plain()
    assert plain["minutes_to_render"] == pytest.approx(10_000 * 1e-4 / 60)
    assert plain["gain"]["verdict"] in ("gain", "nothing", "unknown")
    assert plain["words"] == found[0].gain.words


def test_a_far_extrapolation_is_noted(found):
    assert found[0].notes[-1].startswith("10,000 more images are 32 times as many as the largest size")


def test_models_that_have_not_learnt_the_source_are_noted(curves, found):
    trials = [list(of_size) for of_size in found[0].trials]
    trials[-1][0] = replace(trials[-1][0], held=torch.full_like(trials[-1][0].held, 0.1))
    (note,) = curves.unlearnt(trials)
    assert note.startswith("the model of most images has not learnt the source. Train for more steps")


def test_labels_of_the_test_change_nothing(curves, found, target):
    without = ImageCurves(curves.route, DIGITS, target.unlabelled(), None, curves.evaluation.task, curves.budget)
    again = without.run(found[0].plan, 10_000)
    assert torch.equal(again.curve.scores, found[0].curve.scores)
    assert [row["test"] for row in again.rows()] == [None] * SIZES


def test_the_steps_follow_from_the_seconds(curves, target):
    task = curves.evaluation.task
    timed = ImageCurves(Route(), DIGITS, target.unlabelled(), None, task, Budget(n=320))
    short, long = timed.plan(1e-4, (0, 1), 1.0), timed.plan(1e-4, (0, 1), 3600.0)
    assert (short.steps, long.steps) == (40, 500)
    assert "each training has 40 steps, and 300 or more are expected" in short.short
    assert long.short == ""


@pytest.mark.parametrize(
    ("each", "n", "minutes", "expected"), [(1e-4, None, 60, 8000), (0.5, None, 60, 1190), (0.5, 640, 60, 640)]
)
def test_the_largest_size_is_what_the_minutes_allow(each, n, minutes, expected):
    assert check_affordable(each, n, 2, minutes) == expected


def test_too_few_images_and_too_few_minutes_are_refused():
    with pytest.raises(InputError, match="--n 319: a curve of 5 sizes, of which the smallest has 20 images, needs 320"):
        check_affordable(0.1, 319, 2, 60)
    with pytest.raises(
        InputError, match=r"takes 2 s an image, .* do not fit into 5 minutes .* About 95 minutes would do"
    ):
        check_affordable(2.0, None, 2, 5)
    check_affordable(2.0, None, 2, 95.1)
    assert HELD == 500


def test_routes_and_tasks_without_a_curve_are_refused(target):
    task = Classification.of(target)
    with pytest.raises(InputError, match=r"calibrates or widens the simulator.*give the ranges with --params"):
        ImageCurves(Route(calibrate=Posterior()), DIGITS, target.unlabelled(), None, task, Budget())
    regression = Regression(("thickness",), (0.0,), (1.0,))
    with pytest.raises(InputError, match="--task regress: no move of the image changes these values"):
        ImageCurves(Route(), DIGITS, target.unlabelled(), None, regression, Budget())


def test_rendering_is_timed_twice_unless_it_is_slow():
    calls = []

    @declared(Parameter("light", "", "of all", (0, 1), (0, 1)), classes={"kind": ("a", "b")})
    def dim(values, frame, generator):
        calls.append(len(values["light"]))
        time.sleep(0.02)
        count = len(values["light"])
        return Drawn(torch.zeros(count, 1, *frame.size, dtype=torch.uint8), {"kind": torch.zeros(count).long()})

    simulator = dim(size=(4, 4))
    assert seconds_an_image(simulator, 3600) > 5e-5
    assert calls == [200, 200]
    seconds_an_image(simulator, 0.01)
    assert calls == [200] * 3


def test_a_slow_program_is_timed_on_a_few_images(tmp_path, monkeypatch):
    (tmp_path / "slow.yaml").write_text(
        'command: "{python} none.py {parameters} {out}"\nclasses: {kind: [a]}\n'
        "parameters: {light: {limits: [0, 1], default: [0, 1]}}\n"
    )
    kind = external(tmp_path / "slow.yaml")
    asked = []
    monkeypatch.setattr(kind, "labelled", lambda self, count, seed, given=(): [asked.append(count), time.sleep(0.01)])
    assert seconds_an_image(kind(size=(4, 4)), 0.1) > 0.005  # with its start, as it is too slow for a second time
    assert seconds_an_image(kind(size=(4, 4)), 3600) < 0.001  # the start comes once for 200 images
    assert asked == [2, 2, 16]
