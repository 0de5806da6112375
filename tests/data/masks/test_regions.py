"""Regions that are asked for by a label."""

import pytest

from synth2real.data.masks.regions import asked, of_regions, only
from synth2real.errors import InputError


@pytest.mark.parametrize("names", [(), ("pupil",), ("pupil", "iris")])
def test_a_label_names_regions(names):
    assert asked(of_regions(names)) == names


@pytest.mark.parametrize("label", [None, "label", ("x", "y"), ("mask", "mask:a"), "masks"])
def test_other_labels_name_none(label):
    assert asked(label) is None


def test_other_classes_become_the_background():
    classes, table = only(("skin", "iris", "pupil"), ("pupil", "iris"), "x")
    assert classes == ("background", "pupil", "iris")
    assert table[[0, 1, 2, 255]].tolist() == [0, 2, 1, 255]


def test_the_background_alone_is_refused():
    with pytest.raises(InputError, match="x: only the region 'background' is asked for"):
        only(("background", "a"), ("background",), "x")
