"""Instances cut out of their images, with their labels moved along."""

from pathlib import Path

import numpy as np

from foreign import SIZE, TWO, image, numbers, save
from synth2real.data.formats.record import Instance, Picture, Point, Record, Region, Semantic, image_bytes
from synth2real.data.formats.shared.crops import crops, window_of
from synth2real.data.formats.shared.shapes import Polygons


def test_boxes_points_and_masks_move_into_the_window(tmp_path: Path) -> None:
    save(image(TWO), tmp_path / "a.png")
    save(numbers(TWO), tmp_path / "n.png")
    raster = Picture(tmp_path / "n.png")
    corners = np.array([[15.5, 7.5], [27.5, 7.5], [27.5, 17.5], [15.5, 17.5]])
    car = Instance("car", (15.5, 7.5, 27.5, 17.5), Polygons((corners,)), {"nose": Point(17, 9, 1)})
    person = Instance("person", None, Region(raster, 1))
    crowd = Instance("crowd", (0, 0, 5, 5), ignored=True)
    semantic = Semantic(raster, {2: "car"})
    record = Record("day/a.png", tmp_path / "a.png", SIZE, {"pitch": 1}, (car, person, crowd), semantic)
    first, second = crops([record])
    assert (first.name, second.name) == ("day/a_0.png", "day/a_1.png")
    assert (first.sides, second.sides) == ((10, 12), (12, 6))
    assert first.values == {"pitch": 1}
    (one,) = first.instances
    assert (one.box, one.points) == ((-0.5, -0.5, 11.5, 9.5), {"nose": Point(1, 1, 1)})
    assert one.mask is not None
    assert one.mask.pixels(10, 12).all()
    assert first.semantic is not None
    assert first.semantic.pixels("car").all()
    (other,) = second.instances
    assert other.mask is not None
    assert other.mask.pixels(12, 6).all()
    assert image_bytes(first.image)[1] == ".png"


def test_windows_are_whole_pixels_within_the_image() -> None:
    assert window_of((-5, -5, 2.2, 3.5), 24, 32) == (0, 0, 3, 4)
    assert window_of((40, 2, 50, 8), 24, 32) is None
