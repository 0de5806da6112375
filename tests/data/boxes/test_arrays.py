"""Boxes in `.npz`."""

import numpy as np
import pytest

from boxed import arrays
from synth2real import load
from synth2real.errors import InputError


def test_ignored_boxes_are_marked(tmp_path):
    data = load(arrays(tmp_path, box_ignored=np.array([1, 0, 0])), label="boxes")
    assert data.labels.ignored.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": np.zeros((3, 5))}, r"'boxes' of shape \(3, 5\), expected finite numbers \(M, 4\)"),
        ({"boxes": np.full((3, 4), np.nan)}, "expected finite numbers"),
        ({"boxes": np.zeros((2, 4))}, "rows, expected as many"),
        ({"box_class": np.array([0, 1, 2])}, "'box_class' .* whole numbers .* from 0 to 1"),
        ({"box_image": np.array([0, 1, -1])}, "'box_image' .* from 0 to 2"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load(arrays(tmp_path, **changes), label="boxes")


def test_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((1, 8, 8), np.uint8), boxes=np.zeros((0, 4)))
    with pytest.raises(InputError, match="but no 'box_class', 'box_image', 'classes'"):
        load(tmp_path / "a.npz", label="boxes")
