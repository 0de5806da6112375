"""What this library writes, as records."""

import json
from pathlib import Path
from typing import Any

import pytest

from foreign import ONE, image, numbers, save
from synth2real.data.formats.native import IMAGES
from synth2real.data.formats.record import Point, Record
from synth2real.errors import InputError


def rows(folder: Path, *found: dict[str, Any]) -> list[Record]:
    for i, row in enumerate(found):
        save(image(ONE, i), folder / f"{i}.png")
        row.setdefault("file_name", f"{i}.png")
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    return list(IMAGES.read(folder))


def test_columns_are_labels_and_pairs_of_numbers_are_points(tmp_path: Path) -> None:
    first, second = rows(
        tmp_path,
        {"label": 3, "pitch": 0.5, "iris_x": 1.5, "iris_y": 2, "side_x": "left", "side_y": 1},
        {"label": 4, "pitch": None, "iris_x": None, "iris_y": None},
    )
    assert first.values == {"label": 3, "pitch": 0.5, "side_x": "left", "side_y": 1}
    assert [(one.category, one.points) for one in first.instances] == [("3", {"iris": Point(1.5, 2.0)})]
    assert second.instances[0].points["iris"].visibility == 0


def test_cells_of_a_csv_are_numbers_where_they_are(tmp_path: Path) -> None:
    save(image(ONE), tmp_path / "0.png")
    (tmp_path / "metadata.csv").write_text("file_name,label,pitch,more\n0.png,3,0.5,\n")
    (one,) = IMAGES.read(tmp_path)
    assert one.values == {"label": 3, "pitch": 0.5, "more": None}


def test_class_folders_and_masks_are_read(tmp_path: Path) -> None:
    save(image(ONE), tmp_path / "car" / "a.png")
    save(numbers(ONE), tmp_path / "car" / "a_mask.png")
    (one,) = IMAGES.read(tmp_path)
    assert (one.name, one.values) == ("car/a.png", {"label": "car"})
    assert one.semantic is not None
    assert one.semantic.classes == {0: "0", 1: "1"}
    (tmp_path / "mask_classes.json").write_text('{"1": "paint"}')
    (one,) = IMAGES.read(tmp_path)
    assert one.semantic is not None
    assert (one.semantic.pixels("paint") == (numbers(ONE) == 1)).all()


def test_loose_images_have_no_labels(tmp_path: Path) -> None:
    save(image(ONE), tmp_path / "a.png")
    (one,) = IMAGES.read(tmp_path)
    assert one.values == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"file_name": "b.png"}, "b.png: listed in .*metadata.jsonl, but there is no such file"),
        ({"objects": {"bbox": [[1, 2, 3]], "category": ["a"]}}, "'objects' of 0.png is wrong .*expected 4 numbers"),
        ({"objects": {"bbox": [], "category": ["a"]}}, "'objects' of 0.png is wrong .*'bbox' has 0 entries"),
        ({"objects": 3}, "'objects' of 0.png is wrong"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(tmp_path, row)


def test_a_wrong_key_of_mask_classes_is_named(tmp_path: Path) -> None:
    save(image(ONE), tmp_path / "a.png")
    (tmp_path / "mask_classes.json").write_text('{"one": "paint"}')
    with pytest.raises(InputError, match=r"mask_classes.json: found a key that is no number"):
        list(IMAGES.read(tmp_path))
