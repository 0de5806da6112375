"""Masks as polygons and run lengths."""

import numpy as np
import pytest

from foreign import SIZE, TWO, numbers
from skips import optional
from synth2real.data.formats.shared.shapes import (
    Polygons,
    RunLengths,
    box_around,
    checked_counts,
    polygon,
    unpacked_counts,
)

RECTANGLE = np.zeros((8, 10), bool)
RECTANGLE[2:6, 1:4] = True


def test_compressed_run_lengths_are_those_of_pycocotools() -> None:
    assert unpacked_counts(":44000^1") == RunLengths.of(RECTANGLE).counts


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_compressed_run_lengths_of_any_mask_are_read(share: float) -> None:
    package = optional("faster_coco_eval.core.mask", "dev")
    pixels = np.random.default_rng(0).random((50, 70)) < share
    pixels[5:45, 10:60] |= share == 0.02
    text = package.encode(np.asfortranarray(pixels.astype(np.uint8)))["counts"].decode()
    runs = checked_counts(unpacked_counts(text), (50, 70))
    assert (runs.pixels(50, 70) == pixels).all()


@pytest.mark.parametrize(("text", "message"), [("4 4", "the character ' '"), ("T", "ends within a number")])
def test_a_torn_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpacked_counts(text)


def test_runs_of_a_mask_that_begins_with_the_instance_begin_with_nothing() -> None:
    runs = RunLengths.of(np.ones((3, 4), bool))
    assert runs.counts == (0, 12)
    assert runs.box == (-0.5, -0.5, 3.5, 2.5)
    assert RunLengths.of(np.zeros((3, 4), bool)).box is None


def test_a_polygon_around_pixels_holds_them_and_may_reach_beyond_the_image() -> None:
    found = Polygons((polygon([16, 8, 40, 8, 40, 18, 16, 18]), polygon([2, 3, 8, 3, 8, 15, 2, 15])))
    expected = numbers(TWO) > 0
    expected[8:18, 28:] = True
    assert (found.pixels(*SIZE) == expected).all()
    assert found.box == (1.5, 2.5, 39.5, 17.5)
    assert not Polygons((polygon([50, 8, 60, 8, 60, 18]),)).pixels(*SIZE).any()


def test_the_box_around_a_mask_has_its_edges() -> None:
    assert box_around(RECTANGLE) == (0.5, 1.5, 3.5, 5.5)
