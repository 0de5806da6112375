import json
import re

import pytest
import torch

from synth2real.errors import InputError
from synth2real.settings import to_dict
from synth2real.simulate import SIMULATORS, Digits, Empirical, Eyes, Normal, simulator
from synth2real.simulate.base import CHUNK


@pytest.mark.parametrize("name", SIMULATORS)
def test_same_seed_gives_the_same_bits_and_a_shorter_sample_is_the_first_part(name):
    made = simulator(name)
    long, short, other = (made.sample(n, seed) for n, seed in ((CHUNK + 50, 7), (CHUNK + 9, 7), (9, 8)))
    assert torch.equal(long.images[: CHUNK + 9], short.images)
    for kind in ("labels", "masks", "parameters"):
        for key, x in getattr(short, kind).items():
            assert torch.equal(getattr(long, kind)[key][: CHUNK + 9].nan_to_num(-1), x.nan_to_num(-1)), key
    assert not torch.equal(long.images[:9], other.images)


@pytest.mark.parametrize("name", SIMULATORS)
def test_every_label_is_named(name):
    made = simulator(name).sample(3, 0)
    kind = SIMULATORS[name]
    assert list(made.labels) == [*kind.classes, *kind.columns]
    assert tuple(made.masks) == kind.regions
    for label, columns in kind.columns.items():
        assert made.labels[label].shape == (3, len(columns))
        assert made.labels[label].dtype == torch.float32


def test_values_are_sampled_from_their_ranges():
    made = Digits(ranges={"rotation": 5, "blur": (0.5, 0.6)}).sample(300, 0).parameters
    assert set(made) == {parameter.name for parameter in Digits.parameters}
    assert torch.all(made["rotation"] == 5)
    assert 0.5 <= made["blur"].min() < 0.51
    assert 0.59 < made["blur"].max() <= 0.6
    low, high = Digits().range("height")
    assert low <= made["height"].min()
    assert made["height"].max() <= high


@pytest.mark.parametrize("name", SIMULATORS)
def test_defaults_are_within_limits(name):
    assert len({parameter.name for parameter in SIMULATORS[name].parameters}) == len(SIMULATORS[name].parameters)
    for parameter in SIMULATORS[name].parameters:
        assert parameter.limits[0] <= parameter.default[0] <= parameter.default[1] <= parameter.limits[1], parameter


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"hight": 1}, "simulator digits has no parameter 'hight', expected one of: height, aspect"),
        (
            {"height": (0.9, 0.5)},
            "simulator digits: height is [0.9, 0.5], expected a number or [low, high] with 0.2 <= low <= high <= 1",
        ),
        ({"rotation": (-10, 200)}, "rotation is [-10, 200], expected a number or [low, high] with -90 <= low"),
        ({"blur": -1}, "blur is -1"),
        ({"blur": float("nan")}, "blur is nan"),
        ({"blur": "much"}, "blur is 'much'"),
        ({"blur": (1, 2, 3)}, "blur is [1, 2, 3]"),
    ],
)
def test_ranges_that_cannot_be_used_name_the_parameter(ranges, message):
    for build in (lambda: Digits(ranges=ranges), lambda: Digits().with_ranges(**ranges)):
        with pytest.raises(InputError, match=re.escape(message)):
            build()


def test_with_ranges_keeps_the_rest():
    first = Digits(size=(16, 16), ranges={"blur": 0.0, "height": (0.5, 0.6)})
    second = first.with_ranges(blur=(0.0, 1.0))
    assert (second.size, second.range("height"), second.range("blur")) == ((16, 16), (0.5, 0.6), (0.0, 1.0))
    assert first.range("blur") == (0.0, 0.0)
    with pytest.raises(InputError, match="no parameter 'size'"):
        first.range("size")


def test_widened_grows_about_the_centre_within_limits():
    wide = Digits(ranges={"rotation": (-10, 20), "height": (0.8, 1.0), "blur": 0.5}).widened(2)
    assert wide.range("rotation") == (-25, 35)
    assert wide.range("height") == pytest.approx((0.7, 1.0))
    assert wide.range("blur") == (0.5, 0.5)
    narrow = wide.widened(0)
    assert narrow.range("rotation") == (5, 5)
    with pytest.raises(InputError, match=r"factor of widened\(\) is -1"):
        wide.widened(-1)


def test_labelled_carries_classes():
    domain = Digits().labelled(50, 0)
    assert domain.classes == tuple("0123456789")
    assert domain.labels.dtype == torch.int64
    assert domain.shape == (1, 28, 28)
    with pytest.raises(InputError, match="simulator digits has no label 'gaze', expected one of: label"):
        Digits().labelled(5, 0, label="gaze")
    with pytest.raises(InputError, match="cannot render 0 images"):
        Digits().sample(0, 0)


def test_settings_round_trip_and_errors():
    made = Digits(size=(8, 12), channels=3, ranges={"blur": 0.5, "height": (0.5, 0.6)})
    assert simulator("digits", **to_dict(made)) == made
    with pytest.raises(InputError, match="simulator 'eye' is unknown, expected one of: blood, digits, eyes, nuclei"):
        simulator("eye")
    with pytest.raises(InputError, match="channels of 'digits': found 2"):
        simulator("digits", channels=2)
    with pytest.raises(InputError, match="no parameter 'x'"):
        simulator("digits", ranges={"x": 1})
    with pytest.raises(InputError, match=r"--preset infrared: simulator digits has no presets\. Remove --preset"):
        simulator("digits", preset="infrared")


def test_a_simulator_with_distributions_survives_a_round_trip_of_its_settings():
    ranges = {"rotation": Normal(9, 10), "blur": Empirical([0, 0.2, 1]), "height": {"mean": 0.6, "std": 0.1}}
    made = Digits(ranges=ranges, correlations={"blur~rotation": 0.5, "height ~ blur": -0.2})
    assert made.sampling("height") == Normal(0.6, 0.1)
    assert simulator("digits", **to_dict(made)) == made
    assert json.loads(json.dumps(to_dict(made))) == to_dict(made)
    assert made.all_correlations() == {"rotation ~ blur": 0.5, "height ~ blur": -0.2}


def test_the_range_of_a_distribution_is_where_most_of_its_values_are():
    made = Digits(ranges={"rotation": Normal(9, 10), "height": Normal(0.9, 0.1), "blur": Empirical([0, 0.2, 1])})
    assert made.range("rotation") == (-11, 29)
    assert made.range("height") == pytest.approx((0.7, 1))
    assert made.range("blur") == (0, 1)


def test_widened_scales_a_distribution_about_its_mean():
    made = Digits(ranges={"rotation": Normal(9, 10), "height": Normal(0.9, 0.5), "blur": Empirical([0, 0.2, 1])})
    wide = made.widened(2)
    assert wide.sampling("rotation") == Normal(9, 20)
    assert wide.sampling("height") == Normal(0.9, 0.8)  # the distance of its limits
    assert wide.sampling("blur").quantiles == pytest.approx((0, 0.05, 1.65))
    assert made.widened(0).range("rotation") == (9, 9)


def test_a_correlation_changes_no_other_parameter_and_no_distribution():
    plain, correlated = Digits(), Digits(correlations={"rotation ~ blur": 0.9})
    first, second = (made.sample(CHUNK + 9, 3).parameters for made in (plain, correlated))
    assert {name for name in first if not torch.equal(first[name], second[name])} == {"rotation", "blur"}
    torch.testing.assert_close(first["rotation"], second["rotation"], atol=1e-3, rtol=0)
    assert torch.corrcoef(torch.stack([second["rotation"], second["blur"]]))[0, 1] > 0.8
    low, high = plain.range("blur")
    assert low <= second["blur"].min() <= second["blur"].max() <= high
    short = correlated.sample(5, 3)
    assert torch.equal(short.parameters["blur"], second["blur"][:5])


def test_default_correlations_of_a_class_hold_until_they_are_replaced():
    kind = type("Tilted", (Digits,), {"default_correlations": {"blur ~ rotation": 0.6}})
    made = kind()
    assert made.all_correlations() == {"rotation ~ blur": 0.6}
    assert made.with_correlations({"rotation~blur": 0}).all_correlations() == {}
    both = made.with_correlations({"height ~ blur": 0.3})
    assert both.all_correlations() == {"rotation ~ blur": 0.6, "height ~ blur": 0.3}
    assert both.correlations == {"height ~ blur": 0.3}
    with pytest.raises(InputError, match=r"the correlation 'height ~ blur' is 0\.9, which contradicts the others"):
        made.with_correlations({"height ~ blur": 0.9})


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (
            {"height": {"mean": 2, "std": 0.1}},
            "simulator digits: height is {'mean': 2.0, 'std': 0.1}, expected {mean, std} with 0.2 <= mean <= 1 and "
            "0 <= std <= 0.8",
        ),
        ({"height": Normal(0.5, 3)}, "height is {'mean': 0.5, 'std': 3.0}, expected {mean, std} with 0.2 <= mean"),
        ({"height": {"mean": 0.5}}, "height is {'mean': 0.5}, expected a number or [low, high], or {mean: ..., std: "),
        ({"height": {"mean": "a", "std": 1}}, "height: Normal has mean 'a' and std 1, expected two finite numbers"),
        ({"height": {"quantiles": [0, 0.5]}}, "height is {'quantiles': [0.0, 0.5]}, expected quantiles from 0.2 to 1"),
        ({"height": {"quantiles": 3}}, "height: Empirical has quantiles 3, expected 2 or more finite numbers"),
    ],
)
def test_distributions_that_cannot_be_used_name_the_parameter(ranges, message):
    for build in (lambda: simulator("digits", ranges=ranges), lambda: Digits().with_ranges(**ranges)):
        with pytest.raises(InputError, match=re.escape(message)):
            build()


def test_given_columns_are_labels_or_else_parameters():
    made = Eyes(size=(24, 40), label=("pitch", "yaw"))
    drawn, data = made.sample(20, 3), made.labelled(20, 3, given=["head_yaw", "exposure"])
    assert (data.columns, data.given_columns) == (("pitch", "yaw"), ("head_yaw", "exposure"))
    assert torch.equal(data.given[:, 0], drawn.labels["head"][:, 1])  # radians
    assert torch.allclose(data.given[:, 0].rad2deg(), drawn.parameters["head_yaw"], atol=1e-4)
    assert torch.equal(data.given[:, 1], drawn.parameters["exposure"])
    assert torch.equal(data.inputs, made.labelled(20, 3).inputs)
    assert Digits().labelled(5, 0, given=["rotation"]).given.shape == (5, 1)


def test_a_given_column_that_is_a_label_or_unknown_is_refused():
    made = Eyes(size=(24, 40), label=("pitch", "yaw"))
    with pytest.raises(InputError, match="the given column 'yaw' is a label column too"):
        made.labelled(2, 0, given=["yaw"])
    with pytest.raises(InputError, match="the given column 'label' is a label column too"):
        Digits().labelled(2, 0, given=["label"])
    with pytest.raises(InputError, match=r"simulator eyes has no column or parameter 'iso' to give, .* some of: pitch"):
        made.labelled(2, 0, given=["iso"])
    closed = made.with_ranges(closed=0, opening=0)
    with pytest.raises(InputError, match="simulator eyes: 'iris_x' is not known of every image, so that it cannot be"):
        closed.labelled(2, 0, given=["iris_x"])
