"""Given columns of a domain: what they must be, and what keeps them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synth2real import Labelled, Unlabelled, join
from synth2real.data.given import check_both, check_given_names, direction_columns, scale_of
from synth2real.errors import InputError

X, ANGLES, NAMES = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(8.0).view(4, 2), ("head_pitch", "head_yaw")


def labelled(**given) -> Labelled:
    return Labelled(X, torch.zeros(4, 1), columns=("pitch",), **given)


def test_domains_keep_what_is_given_of_each_sample() -> None:
    index = torch.tensor([3, 0])
    for domain in (
        labelled(given=ANGLES, given_columns=NAMES),
        labelled(given=ANGLES, given_columns=NAMES).unlabelled(),
        Unlabelled(X, given=ANGLES, given_columns=NAMES),
    ):
        assert torch.equal(domain.given, ANGLES)
        part = domain.subset(index)
        assert torch.equal(part.given, ANGLES[index])
        assert part.given_columns == NAMES
    assert Unlabelled(X).subset(index).given is None


def test_joined_sources_keep_them_too() -> None:
    one = labelled(given=ANGLES, given_columns=NAMES)
    assert torch.equal(join([one, one]).given, torch.cat([ANGLES, ANGLES]))
    assert join([one, one]).given_columns == NAMES
    with pytest.raises(InputError, match="source 2: has the given columns none, source 1 has 'head_pitch', 'head_yaw'"):
        join([one, labelled()])


@pytest.mark.parametrize("make", [labelled, lambda **given: Unlabelled(X, **given)])
@pytest.mark.parametrize(
    ("given", "columns", "message"),
    [
        (ANGLES[:3], NAMES, r"given is torch.float32 \(3, 2\) with 2 given_columns, expected float32 \(4, G\)"),
        (ANGLES.double(), NAMES, r"given is torch.float64 \(4, 2\)"),
        (ANGLES, ("head_pitch",), r"given is torch.float32 \(4, 2\) with 1 given_columns"),
        (ANGLES[:, :0], (), r"given is torch.float32 \(4, 0\) with 0 given_columns"),
        (None, NAMES, "given is NoneType with 2 given_columns"),
        (np.zeros((4, 2)), NAMES, "given is ndarray with 2 given_columns"),
        (ANGLES / 0, NAMES, r"given is \[nan, inf\] in row 0, expected finite numbers. Leave the sample out"),
        (ANGLES, ("head_pitch", "head_pitch"), "the given column 'head_pitch' is named twice"),
        (ANGLES, ("head_pitch", "label"), "the given column 'label' is a label column too"),
    ],
)
def test_given_values_that_do_not_fit_are_refused(make, given, columns, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(given=given, given_columns=columns)


def test_a_label_is_never_given() -> None:
    message = r"the given column 'pitch' is a label column too, expected a quantity .* Remove it from --given"
    with pytest.raises(InputError, match=message):
        labelled(given=ANGLES, given_columns=("pitch", "head_yaw"))
    with pytest.raises(InputError, match=message):
        check_given_names(["pitch"], ["pitch", "yaw"])


def test_one_name_is_given_as_a_list() -> None:
    with pytest.raises(InputError, match=r"given is the text 'exposure', .* Write given=\['exposure'\]"):
        check_given_names("exposure")


def pair(ours: torch.Tensor, theirs: torch.Tensor, column: str = "iso") -> tuple[Labelled, Unlabelled]:
    """Two domains with these values (N,) of one given column."""

    def images(count: int) -> torch.Tensor:
        return torch.zeros(count, 1, 8, 8, dtype=torch.uint8)

    source = Labelled(
        images(len(ours)), torch.zeros(len(ours), 1), columns=("y",), given=ours[:, None], given_columns=(column,)
    )
    return source, Unlabelled(images(len(theirs)), given=theirs[:, None], given_columns=(column,))


def test_a_direction_is_found_by_its_name() -> None:
    columns = ("iso", "head_yaw", "yaw", "head_pitch", "pitch", "camera_left_pitch", "yawning")
    assert direction_columns(columns) == [(3, 1), (4, 2), (5, None)]


def test_domains_that_differ_in_their_given_columns_are_refused() -> None:
    source, target = pair(torch.arange(5.0), torch.arange(5.0))
    plain = Unlabelled(target.inputs)
    with pytest.raises(InputError, match="the given column 'iso' is in the source only, expected it in both domains"):
        check_both(source, plain)
    with pytest.raises(InputError, match="the given column 'iso' is in the target only"):
        check_both(replace(source, given=None, given_columns=()), target)
    two = torch.rand(5, 2)
    with pytest.raises(
        InputError, match=r"\('a', 'b'\) in the source and \('b', 'a'\) in the target, expected one order"
    ):
        check_both(
            replace(source, given=two, given_columns=("a", "b")), replace(target, given=two, given_columns=("b", "a"))
        )
    check_both(source, target)
    check_both(source.unlabelled(), target)


@pytest.mark.parametrize(
    ("ours", "theirs", "column", "message"),
    [
        (
            (-0.2, 0.3),
            (-20, 30),
            "head_pitch",
            "'head_pitch' is -20 to 30 in the target, expected radians, at",
        ),
        ((-20, 30), (-0.2, 0.3), "yaw", "'yaw' is -20 to 30 in the source, expected radians"),
        ((0, 1), (900, 1100), "iso", r"'iso' is 900 to 1100 in the target, but 0.5 on average with a deviation of 0.3"),
        ((7, 7), (6, 8), "iso", "'iso' is 7 for every sample of the source, so that a model cannot learn what it says"),
    ],
)
def test_values_that_are_no_input_of_one_model_are_refused(ours, theirs, column: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_both(*pair(torch.linspace(*ours, 50), torch.linspace(*theirs, 50), column))


def test_a_spread_that_may_be_another_unit_is_said_with_both_ranges() -> None:
    message = r"'tilt' is -20 to 20 in the source and -0.3 to 0.3 in the target: one spreads 67 times as wide"
    with pytest.warns(UserWarning, match=message):
        check_both(*pair(torch.linspace(-20, 20, 50), torch.linspace(-0.3, 0.3, 50), "tilt"))
    for theirs in (torch.linspace(-4, 5, 50), torch.full((50,), 3.0), torch.tensor([3.0])):
        check_both(*pair(torch.linspace(-20, 20, 50), theirs, "tilt"))


def test_a_constant_column_has_the_scale_one() -> None:
    mean, std = scale_of(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    assert (mean.tolist(), std.tolist()) == ([2, 5], [1, 1])
    assert scale_of(torch.tensor([[1.0], [5.0]]))[1].tolist() == [2]
