"""Given columns fix what the simulator samples: quantiles and correlations of the target, in the simulator's unit."""

import re
import warnings

import pytest
import torch

from ramps import ramps
from synth2real import Route
from synth2real.calibrate import Posterior, identify, with_given
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.simulate import Drawn, Empirical, Eyes, Normal, Parameter, declared

EYES = Eyes(size=(24, 40))
REAL = EYES.with_ranges(head_pitch=Normal(9, 10), head_yaw=Normal(-3, 5)).with_correlations(
    {"head_pitch ~ head_yaw": 0.6}
)
QUICK = Posterior(parameters=("level",), trials=4, images=50, rounds=2)
RAMPS = ramps(size=(8, 8))


def target(given, *columns, simulator=RAMPS):
    images = torch.zeros(len(given), simulator.channels, *simulator.size, dtype=torch.uint8)
    return Unlabelled(images, given=torch.tensor(given).float().view(len(given), -1), given_columns=columns)


def test_a_label_column_in_radians_fixes_the_parameter_in_degrees():
    drawn = REAL.sample(600, 5)
    heads = drawn.labels["head"]
    known = Unlabelled(drawn.images, given=heads, given_columns=("head_pitch", "head_yaw"))
    found = with_given(EYES, known)
    made = found.sample(600, 6).parameters
    for name in ("head_pitch", "head_yaw"):
        assert isinstance(found.sampling(name), Empirical)
        real = drawn.parameters[name]
        assert found.sampling(name).mean == pytest.approx(float(real.mean()), abs=0.5)
        assert found.sampling(name).std == pytest.approx(float(real.std()), rel=0.05)
        assert float(made[name].mean()) == pytest.approx(float(real.mean()), abs=1)
    quantiles = drawn.parameters["head_yaw"].quantile(torch.linspace(0, 1, 41))  # the label is this angle alone
    assert found.sampling("head_yaw").quantiles == pytest.approx(quantiles.tolist(), abs=1e-2)
    real = torch.corrcoef(torch.stack([drawn.parameters[name] for name in ("head_pitch", "head_yaw")]))
    assert found.all_correlations()["head_pitch ~ head_yaw"] == pytest.approx(float(real[0, 1]), abs=0.06)
    assert torch.corrcoef(torch.stack([made["head_pitch"], made["head_yaw"]]))[0, 1] == pytest.approx(0.6, abs=0.15)
    assert found.sampling("gaze_yaw") == EYES.sampling("gaze_yaw")


def test_a_parameter_without_a_label_column_keeps_its_unit():
    found = with_given(RAMPS, target([0.1, 0.2, 0.6] * 4, "slope"))
    assert found.range("slope") == pytest.approx((0.1, 0.6))
    assert with_given(RAMPS, target([0.2] * 12, "slope")).sampling("slope") == pytest.approx((0.2, 0.2))
    assert with_given(RAMPS, Unlabelled(torch.zeros(9, 1, 8, 8, dtype=torch.uint8))) == RAMPS


def test_given_parameters_are_not_searched_and_are_in_the_result():
    drawn = ramps(size=(8, 8), ranges={"level": (0.5, 0.6), "slope": (0.0, 0.9)}).sample(200, 5)
    known = Unlabelled(drawn.images, given=drawn.parameters["slope"][:, None], given_columns=("slope",))
    method = Posterior(trials=8, images=100, rounds=3)
    assert method.check(RAMPS, known).names == ("level", "nothing")
    found = method.fit(RAMPS, known)
    assert set(found.ranges) == {"level", "nothing"}
    assert sum(found.ranges["level"]) / 2 == pytest.approx(0.55, abs=0.02)
    assert found.given == {"slope": found.simulator.sampling("slope")}
    assert found.simulator.range("slope")[1] == pytest.approx(0.9, abs=0.02)
    assert {one.name for one in identify(method, RAMPS, known, found).constraints} == {"level", "nothing"}


def test_a_route_calibrates_to_the_given_columns_of_its_target():
    known = target([0.1, 0.2, 0.6] * 4, "slope")
    changed, calibration = Route(calibrate=QUICK).simulator(RAMPS, known)
    assert changed.range("slope") == pytest.approx((0.1, 0.6))
    assert calibration.given["slope"] == changed.sampling("slope")


@declared(
    Parameter("turn", "degrees", "of the disc", (-90, 90), (-10, 10)),
    Parameter("grey", "", "of all pixels", (0, 1), (0.2, 0.8)),
    columns={"way": ("turn", "grey")},
)
def mirrored(values, frame, generator):
    """Grey images whose column `turn` says how far the disc is turned, without the side."""
    images = values["grey"][:, None, None, None].expand(-1, 1, *frame.size)
    return Drawn(images, {"way": torch.stack([values["turn"].abs(), values["grey"] / 100], 1)})


@pytest.mark.parametrize(
    ("known", "simulator", "message"),
    [
        (
            target([[0.1, 3, 4]] * 9, "slope", "iso", "lens"),
            RAMPS,
            "calibrate: the given columns iso, lens are no parameters of the simulator ramps, expected some of: level, "
            "slope, nothing. Leave them out of --given",
        ),
        (
            target([0.1, 0.1, 7.5, 9], "slope"),
            RAMPS,
            "calibrate: the given column 'slope' has 7.5 in row 2. This is 7.5 intensity for the simulator ramps, "
            "expected -1 to 1. Convert the column",
        ),
        (
            target([0.1, 9.0], "head_pitch", simulator=EYES),
            EYES,
            "degrees for the simulator eyes, expected -60 to 60. Convert the column to the unit of the simulator's",
        ),
        (
            target([1.0, 2.0], "turn", simulator=mirrored(size=(8, 8))),
            mirrored(size=(8, 8)),
            "the label column 'turn' of the simulator mirrored is not in proportion to its parameter 'turn'",
        ),
    ],
)
def test_columns_that_do_not_say_what_to_render_are_refused(known, simulator, message):
    with pytest.raises(InputError, match=re.escape(message)):
        with_given(simulator, known)


def test_a_parameter_cannot_be_searched_and_given():
    known = target([0.1] * 9, "level")
    with pytest.raises(InputError, match=r"calibrate.parameters \(--only\) has 'level', which the target gives"):
        QUICK.check(RAMPS, known)
    with pytest.raises(InputError, match="each has a fixed value or is given"):
        Posterior().check(ramps(size=(8, 8), ranges={"slope": 0, "nothing": 0.3}), known)


def test_a_spread_that_shows_another_unit_gives_a_warning():
    with pytest.warns(
        UserWarning, match=r"'slope' has a standard deviation of 0.001 intensity, the .* default 0.058 in"
    ):
        QUICK.check(RAMPS, target([-0.001, 0.001] * 5, "slope"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        QUICK.check(RAMPS, target([-0.05, 0, 0.02, 0.2] * 3, "slope"))


def test_a_unit_is_that_of_the_label_column_even_if_the_parameter_is_fixed():
    fixed = mirrored(size=(8, 8), ranges={"grey": 0.5})
    assert with_given(fixed, target([0.002, 0.006], "grey", simulator=fixed)).range("grey") == pytest.approx((0.2, 0.6))
