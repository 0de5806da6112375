"""Each fault of labels is found where it is, counted, and named with its first file; clean sets have none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foreign import ONE, SIZE, WRITERS, image, numbers, save
from skips import optional
from synth2real.data.formats import find_format
from synth2real.data.formats.record import Instance, Picture, Point, Record, Region, Semantic
from synth2real.data.formats.shared.shapes import RunLengths
from synth2real.measure.label_checks import LabelFinding, check_labels, shared

BOX = (3.5, 5.5, 13.5, 13.5)  # of the car of ONE
CAR = Instance("car", BOX)


def record(folder: Path, *instances: Instance, name: str = "a.png", **facts: Any) -> Record:
    """An image with one bright rectangle on noise."""
    if not (folder / name).exists():
        save(image(ONE, seed=len(name)), folder / name)
    return Record(name, folder / name, SIZE, {}, instances, **facts)


def found(*records: Record) -> dict[str, LabelFinding]:
    return {one.kind: one for one in check_labels(records)}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_clean_set_of_any_format_has_no_fault(name: str, tmp_path: Path) -> None:
    if name == "blenderproc":
        optional("h5py", "formats")
    assert [one.kind for one in check_labels(find_format(name).read(WRITERS[name](tmp_path)))] == []


def with_mask(**changes: Any) -> Instance:
    return replace(Instance("car", BOX, RunLengths.of(numbers(ONE) == 1)), **changes)


@pytest.mark.parametrize(
    ("kind", "instances"),
    [
        ("unknown category", [Instance(None, BOX, unknown="7")]),
        ("mask without a box", [CAR, with_mask(box=None)]),
        ("empty mask", [with_mask(mask=RunLengths.of(np.zeros(SIZE, bool)))]),
        ("box on plain background", [with_mask(box=(20.5, 0.5, 29.5, 4.5))]),
        ("box outside the image", [Instance("car", (20.5, 2.5, 40.5, 9.5))]),
        ("box outside the image", [Instance("car", (-60.5, 2.5, -40.5, 9.5))]),
        ("box without an area", [Instance("car", (9.5, 2.5, 4.5, 9.5))]),
        ("box without an area", [Instance("car", (4.5, 2.5, 4.5, 9.5))]),
        ("box twice", [CAR, CAR]),
        ("tiny box", [Instance("car", (4.5, 5.5, 5.5, 9.5))]),
        ("point at 0, 0", [replace(CAR, points={"nose": Point(0, 0, 2)})]),
        ("point at 0, 0", [replace(CAR, points={"nose": Point(-0.5, -0.5, 1)})]),
        ("point outside the image", [replace(CAR, points={"nose": Point(40, 3)})]),
    ],
)
def test_a_fault_is_counted_and_its_image_named(kind: str, instances: list[Instance], tmp_path: Path) -> None:
    faults = found(record(tmp_path, *instances), record(tmp_path, CAR, name="clean.png"))
    assert list(faults) == [kind]
    assert faults[kind].count == 1
    assert faults[kind].first == ["a.png"]
    assert faults[kind].text.startswith("1 ")
    assert faults[kind].text.endswith("(a.png)")


def test_a_point_that_is_not_labelled_may_be_anywhere(tmp_path: Path) -> None:
    assert found(record(tmp_path, replace(CAR, points={"nose": Point(0, 0, 0), "tail": Point(99, 0, 0)}))) == {}


def test_the_number_of_an_unknown_category_is_said(tmp_path: Path) -> None:
    unknown = [replace(CAR, category=None, unknown=number, box=(i, 5.5, 13.5, 13.5)) for i, number in enumerate("778")]
    (one,) = found(record(tmp_path, *unknown)).values()
    assert one.text == (
        "3 instances have a category that is not named: 7, 8. Name them, or remove the instances (a.png)"
    )


def test_a_box_on_a_backdrop_of_one_colour_is_found(tmp_path: Path) -> None:
    pixels = np.full((*SIZE, 3), 90, np.uint8)
    pixels[6:14, 4:14] = image(ONE)[6:14, 4:14]
    save(pixels, tmp_path / "a.png")
    faults = found(record(tmp_path, CAR, Instance("car", (19.5, 3.5, 27.5, 9.5))))
    assert list(faults) == ["box on plain background"]


def test_a_region_of_a_mask_that_no_instance_names_is_found(tmp_path: Path) -> None:
    marked = numbers(ONE)
    marked[16:20, 20:26] = 5
    save(marked, tmp_path / "numbers.png")
    one = Instance("car", BOX, Region(Picture(tmp_path / "numbers.png"), 1))
    assert found(record(tmp_path, one))["region without an instance"].count == 1


def test_a_class_outside_all_its_boxes_is_found(tmp_path: Path) -> None:
    marked = numbers(ONE)
    marked[16:20, 20:26] = 1
    save(marked, tmp_path / "classes.png")
    semantic = Semantic(Picture(tmp_path / "classes.png"), {1: "car", 5: "sky"})
    fault = found(record(tmp_path, CAR, semantic=semantic))["class outside its boxes"]
    assert (fault.count, dict(fault.details)) == (1, {"car": 1})


def test_an_image_of_another_size_than_its_labels_say_is_found(tmp_path: Path) -> None:
    assert list(found(replace(record(tmp_path, CAR), size=(48, 64)))) == ["another size"]


def test_images_of_one_content_are_found_within_a_set_and_between_its_parts(tmp_path: Path) -> None:
    for name in ("train/a.png", "val/b.png", "train/c.png", "train/d.png"):
        save(image(ONE, seed=name in ("train/c.png", "train/d.png")), tmp_path / name)
    names = [record(tmp_path, CAR, name=name) for name in ("train/a.png", "val/b.png", "train/c.png", "train/d.png")]
    faults = found(*names)
    assert faults["shared by parts"].first == ["train/a.png and val/b.png"]
    assert faults["image twice"].first == ["train/c.png and train/d.png"]


def test_images_that_two_sets_share_are_pairs_of_names() -> None:
    assert shared({"a": "1", "b": "2"}, {"c": "2", "d": "3"}) == [("b", "c")]
