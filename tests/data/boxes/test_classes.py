"""Which boxes are asked for."""

import pytest

from synth2real.data.boxes import BOXES, only
from synth2real.data.masks import asked, of_regions
from synth2real.errors import InputError


def test_a_label_asks_for_all_classes_or_for_some():
    assert asked("boxes", BOXES) == ()
    assert asked(["boxes:car", "boxes:dog"], BOXES) == ("car", "dog")
    assert asked("boxes") is None
    assert asked("mask", BOXES) is None
    assert of_regions(["car"], BOXES) == ("boxes:car",)


def test_classes_that_are_not_asked_for_are_left_out():
    classes, table = only(("car", "dog", "cat"), ("cat", "car"), "set")
    assert classes == ("cat", "car")
    assert table.tolist() == [1, -1, 0]
    with pytest.raises(InputError, match="set: has no box of the class 'cow'"):
        only(("car",), ("cow",), "set")
