"""COCO JSON, written to cocodataset.org/#format-data."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synth2real.data.formats import format_of
from synth2real.data.formats.coco import COCO
from synth2real.data.formats.record import Point
from synth2real.data.formats.shared.shapes import Polygons, RunLengths
from synth2real.errors import InputError

BOX = {"id": 7, "image_id": 30, "category_id": 90, "bbox": [1, 2, 3, 4], "iscrowd": 0, "area": 12}


def write(folder: Path, **changes: Any) -> Path:
    """Two images, of which the second has a box of a category whose id is 90."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(folder / name)
    content = {
        "images": [
            {"id": 4, "file_name": "a.png", "height": 8, "width": 10},
            {"id": 30, "file_name": "b.png", "height": 8, "width": 10},
        ],
        "annotations": [BOX],
        "categories": [{"id": 90, "name": "car"}],
    }
    (folder / "labels.json").write_text(json.dumps(content | changes))
    return folder


def only(folder: Path, **annotation: Any) -> Any:
    """The instance of the second image, whose annotation has these entries instead."""
    _, second = COCO.read(write(folder, annotations=[BOX | annotation]))
    return second.instances[0]


def test_a_folder_with_a_coco_json_is_found_as_such(tmp_path: Path) -> None:
    found = format_of(write(tmp_path / "images"))
    assert found is not None
    assert found.name == "coco"
    assert format_of(tmp_path) is None


def test_boxes_are_in_our_coordinates_and_ids_need_not_be_in_a_row(tmp_path: Path) -> None:
    first, second = COCO.read(write(tmp_path))
    assert first.instances == ()
    assert second.name == "b.png"
    assert second.size == (8, 10)
    (one,) = second.instances
    assert (one.category, one.box, one.ignored) == ("car", (0.5, 1.5, 3.5, 5.5), False)


def test_a_polygon_holds_the_pixels_whose_centres_are_in_it(tmp_path: Path) -> None:
    mask = only(tmp_path, segmentation=[[1, 2, 4, 2, 4, 6, 1, 6]]).mask
    assert isinstance(mask, Polygons)
    expected = np.zeros((8, 10), bool)
    expected[2:6, 1:4] = True
    assert (mask.pixels(8, 10) == expected).all()


def test_run_lengths_are_read_as_a_list(tmp_path: Path) -> None:
    expected = np.zeros((8, 10), bool)
    expected[2:6, 1:4] = True
    runs = RunLengths.of(expected)
    mask = only(tmp_path, segmentation={"size": [8, 10], "counts": list(runs.counts)}, iscrowd=1)
    assert mask.ignored
    assert (mask.mask.pixels(8, 10) == expected).all()


def test_keypoints_keep_their_visibility_and_their_names(tmp_path: Path) -> None:
    category = {"id": 90, "name": "car", "keypoints": ["front", "back", "top"]}
    folder = write(tmp_path, annotations=[BOX | {"keypoints": [1, 2, 2, 3, 4, 1, 0, 0, 0]}], categories=[category])
    _, second = COCO.read(folder)
    assert second.instances[0].points == {"front": Point(1, 2, 2), "back": Point(3, 4, 1), "top": Point(0, 0, 0)}


def test_an_unknown_category_is_kept_as_its_number(tmp_path: Path) -> None:
    one = only(tmp_path, category_id=5)
    assert (one.category, one.unknown) == (None, "5")


def test_paths_of_another_machine_are_found_by_their_last_parts(tmp_path: Path) -> None:
    images = [{"id": 4, "file_name": "C:\\renders\\day\\a.png"}, {"id": 30, "file_name": "/home/them/B.PNG"}]
    assert [one.name for one in COCO.read(write(tmp_path, images=images))] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 1, "file_name": "c.png"}]}, "names 1 images, of which 1 are not there, such as c.png"),
        ({"images": [{"id": 4, "file_name": "a.png"}, {"id": 4, "file_name": "b.png"}]}, "2 images have the id 4"),
        ({"images": [{"id": 4, "file_name": "a.png"}, {"id": 30, "file_name": "a.png"}]}, "lists the image a.png 2"),
        ({"images": [{"file_name": "a.png"}]}, "1 images have the id None"),
        ({"annotations": [BOX | {"image_id": 5}]}, "the annotation 7 is of the image 5, which is not listed"),
        ({"annotations": [3]}, "'annotations' is no list of objects"),
        ({"annotations": [BOX | {"bbox": [1, 2, 3]}]}, "expected 4 numbers"),
        ({"annotations": [BOX | {"bbox": [1, 2, 3, float("nan")]}]}, "expected finite numbers"),
        ({"annotations": [BOX | {"segmentation": [[1, 2]]}]}, "a polygon of 2 numbers"),
        ({"annotations": [BOX | {"segmentation": {"size": [8, 10], "counts": [3]}}]}, "run lengths of 3 pixels"),
        ({"annotations": [BOX | {"segmentation": {"size": [8, 8], "counts": [64]}}]}, "a mask of 8 x 8"),
        ({"annotations": [BOX | {"keypoints": [1, 2, 3]}]}, "a visibility of 3"),
        ({"annotations": [BOX | {"keypoints": [1, 2]}]}, "2 numbers of keypoints"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(COCO.read(write(tmp_path, **changes)))


def test_a_torn_file_and_several_files_are_refused(tmp_path: Path) -> None:
    text = (write(tmp_path) / "labels.json").read_text()
    (tmp_path / "labels.json").write_text(text[:-5])
    with pytest.raises(InputError, match=r"labels.json: is not JSON"):
        list(COCO.read(tmp_path))
    (tmp_path / "labels.json").write_text(text, encoding="utf-8-sig")
    assert len(list(COCO.read(tmp_path))) == 2
    (tmp_path / "more.json").write_text(text)
    with pytest.raises(InputError, match="found 2 COCO files"):
        list(COCO.read(tmp_path))
    assert len(list(COCO.read(tmp_path / "more.json"))) == 2


def test_one_id_of_two_categories_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, categories=[{"id": 90, "name": "car"}, {"id": 90, "name": "bus"}])
    with pytest.raises(InputError, match=r"the categories 'car' and 'bus' have the id 90, expected one id for each"):
        list(COCO.read(folder))


def test_an_image_that_is_found_in_another_folder_than_it_says_is_said(tmp_path: Path) -> None:
    images = [{"id": 4, "file_name": "train/a.png"}, {"id": 30, "file_name": "C:\\data\\b.png"}]
    with pytest.warns(UserWarning, match=r"labels\.json: 1 images are not where it says; .*a\.png for train/a\.png"):
        records = list(COCO.read(write(tmp_path, images=images)))
    assert [one.name for one in records] == ["a.png", "b.png"]


def test_accents_are_the_same_in_either_form(tmp_path: Path) -> None:
    folder = write(tmp_path, images=[{"id": 30, "file_name": unicodedata.normalize("NFC", "café.png")}])
    (folder / "b.png").rename(folder / unicodedata.normalize("NFD", "café.png"))
    (record,) = COCO.read(folder)
    assert unicodedata.normalize("NFC", record.name) == "café.png"
