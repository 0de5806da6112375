"""Outlines of nuclei are measured as they were drawn."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.quality.nuclei_outlines import grouped, of_images

SIDE, RADIUS = 128, 10
CENTRES = ((30, 30), (30, 90), (90, 30), (90, 90))


def discs(grown: int = 0, shift: int = 0) -> np.ndarray:
    """Instances (SIDE, SIDE) of four discs, the outlines of which lie further out by `grown` pixels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    found = np.zeros((SIDE, SIDE), np.int32)
    for number, (top, left) in enumerate(CENTRES, start=1):
        found[np.hypot(y - top, x - left - shift) <= RADIUS + grown] = number
    return found


@pytest.mark.parametrize(("grown", "level"), [(0, 0.5), (2, 0.0), (-2, 1.0)])
def test_the_level_is_that_at_the_outline_that_was_drawn(grown: int, level: float) -> None:
    image = 20.0 + 100 * (discs() > 0)
    ((elongation, radius, found),) = of_images([image], [discs(grown)])
    assert elongation == pytest.approx(1, abs=0.02)
    assert radius == pytest.approx(RADIUS + grown, rel=0.03)
    assert found == pytest.approx(level, abs=0.06)


def test_a_soft_edge_is_at_half_of_its_height_where_it_was_sharp() -> None:
    image = ndimage.gaussian_filter(100.0 * (discs() > 0), 1.5)
    assert of_images([image], [discs()])[0, 2] == pytest.approx(0.48, abs=0.06)


def test_nuclei_at_borders_and_beside_others_are_left_out() -> None:
    cut, touching = discs(shift=30), discs()
    touching[25:36, 41:80] = 9  # between the upper two
    for instances in (cut, touching):
        assert of_images([100.0 * (instances > 0)], [instances]).shape == (0, 3), "fewer than three are left"


def test_images_are_grouped_by_shape_and_size() -> None:
    rows = np.array([[1.1, 5.0, 0.2], [1.1, 9.0, 0.1], [1.1, 9.0, 0.3], [1.5, 20.0, 0.5]])
    found = grouped(rows)
    assert [found[name][0] for name in ("round, small", "round, large", "long, small", "long, large")] == [1, 2, 0, 1]
    assert found["round, large"][1][1] == pytest.approx(0.2)
    assert found["long, small"][1] == []
