"""Given columns of a domain: what they must be, and what keeps them."""

import numpy as np
import pytest
import torch

from synth2real import Labelled, Unlabelled, join
from synth2real.data.given import check_given_names
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
