"""Folders of other programs as domains: what `load` and `load_unlabelled` take of them, and what they refuse."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from foreign import ONE, TWO, WRITERS, coco, image, labelme, save, solo, voc
from synth2real import load, load_unlabelled
from synth2real.data.reading.progress import told
from synth2real.errors import InputError, LeftOutWarning

SINGLE = (ONE, {"person": (2, 3, 6, 12)})


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "blenderproc"])
def test_the_category_of_the_only_instance_is_the_class(name: str, tmp_path: Path) -> None:
    data = load(WRITERS[name](tmp_path / "set", SINGLE))
    assert data.classes == ("car", "person")
    assert data.labels.tolist() == [0, 1]
    assert data.shape == (3, 24, 32)
    if name != "voc":  # its images are JPEG
        assert torch.equal(data.inputs[torch.tensor([0])][0], torch.from_numpy(image(ONE)).permute(2, 0, 1))


def test_what_a_folder_was_taken_for_is_said_in_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    with told(lambda *_: None, said.append):
        load(solo(tmp_path / "set", SINGLE))
    line = "Unity Perception SOLO, 2 images, classes car, person, points middle, top_left"
    assert said == [f"{tmp_path / 'set'}: {line}"]


def test_points_are_columns_and_those_that_are_not_labelled_are_nan(tmp_path: Path) -> None:
    folder = solo(tmp_path / "set", SINGLE)
    data = load(folder, ["top_left_x", "top_left_y", "middle_x", "middle_y"])
    assert data.labels[:, :2].tolist() == [[3.5, 5.5], [1.5, 2.5]]  # hidden (1) is labelled
    assert data.labels[:, 2:].isnan().all()


def test_several_instances_are_counted_and_the_first_file_is_named(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set")
    message = (
        r"1 of 2 images have several instances, the first is images/1.png with 2, but a class needs one an image. "
        r"Cut them out: synth2real convert .* --crop-instances"
    )
    with pytest.raises(InputError, match=message):
        load(folder)


def test_a_crowd_or_a_difficult_object_does_not_count(tmp_path: Path) -> None:
    data = load(voc(tmp_path / "set"))  # the car of the second image is difficult
    assert [data.classes[i] for i in data.labels] == ["car", "person"]


def test_an_image_without_an_instance_has_no_class(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 of 2 images have no instance, the first is images/1.png"):
        load(coco(tmp_path / "set", (ONE, {})))


def test_an_unnamed_category_is_refused_with_its_number(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set", SINGLE)
    content = json.loads((folder / "annotations.json").read_text())
    (folder / "annotations.json").write_text(json.dumps(content | {"categories": content["categories"][:1]}))
    with pytest.raises(InputError, match=r"1 instances have a category that is not named, .* images/1.png is 44"):
        load(folder)


def attributed(folder: Path, *values: dict[str, Any]) -> Path:
    """A folder of COCO whose images have these image-level labels."""
    coco(folder, SINGLE)
    content = json.loads((folder / "annotations.json").read_text())
    for one, attributes in zip(content["images"], values, strict=True):
        one["attributes"] = attributes
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def test_image_level_labels_are_columns(tmp_path: Path) -> None:
    folder = attributed(tmp_path / "set", {"label": "b", "pitch": 0.5, "head": 2}, {"label": "a", "head": 1})
    assert load(folder).classes == ("a", "b")
    with pytest.warns(LeftOutWarning, match="1 of 2 images have no value of 'pitch': they teach nothing"):
        data = load(folder, ["pitch"], given=["head"])
    assert data.labels[:, 0].tolist()[0] == 0.5
    assert data.given is not None
    assert data.given.tolist() == [[2.0], [1.0]]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("kind", "has no image-level column 'kind', found 'label', 'pitch'"),
        (["yaw"], "has no column 'yaw', found 'label', 'pitch'"),
        (["label"], "the column 'label' of images/0.png contains 'b', expected a number"),
        (["pitch"], "contains inf, expected a finite number"),
    ],
)
def test_a_wrong_column_is_refused(label: Any, message: str, tmp_path: Path) -> None:
    folder = attributed(tmp_path / "set", {"label": "b", "pitch": float("inf")}, {"label": "a"})
    with pytest.raises(InputError, match=message):
        load(folder, label)


def test_a_missing_class_or_given_value_is_refused(tmp_path: Path) -> None:
    folder = attributed(tmp_path / "set", {"label": "b", "head": 1}, {})
    with pytest.raises(InputError, match="1 of 2 images have no class in the column 'label', the first is images/1"):
        load(folder)
    with pytest.raises(InputError, match=r"the given column 'head' of images/1.png has no value"):
        load(folder, "category", given=["head"])


def test_points_of_an_image_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = labelme(tmp_path / "set", SINGLE)
    Image.fromarray(image(ONE)).resize((16, 12)).save(folder / "0.png")
    with pytest.raises(InputError, match=r"0.png: is 12 x 16 pixels, but .*0.json describes it as 24 x 32"):
        load(folder, ["corner_x", "corner_y"], size=(24, 32))


def test_unlabelled_folders_leave_masks_out_and_open_no_labels_that_they_do_not_need(tmp_path: Path) -> None:
    assert len(load_unlabelled(solo(tmp_path / "solo"))) == 2
    folder = coco(tmp_path / "coco", (ONE, TWO))
    (folder / "annotations.json").write_text(
        (folder / "annotations.json").read_text().replace('"bbox"', '"bbox": 3, "b"')
    )
    assert len(load_unlabelled(folder)) == 2


def test_a_format_can_be_named_and_a_folder_read_as_images(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set", SINGLE)
    for name in ("car", "person"):
        save(np.zeros((24, 32, 3), np.uint8), folder / "more" / name / "0.png")
    assert len(load(folder, format="coco")) == 2
    assert load(folder, format="images").classes == ("images", "more")
    assert len(load(folder / "annotations.json")) == 2
    with pytest.raises(InputError, match="--format 'nothing' is unknown"):
        load(folder, format="nothing")


def test_tables_of_the_library_win_over_the_marks_of_another_program(tmp_path: Path) -> None:
    folder = coco(tmp_path / "set", SINGLE)
    rows = [{"file_name": f"images/{i}.png", "label": "one"} for i in range(2)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert load(folder).classes == ("one",)


@pytest.mark.parametrize("value", [[7], {}, {"a": 1}])
@pytest.mark.parametrize("key", ["category_id", "image_id"])
def test_nonsense_where_a_number_should_be_is_an_error_of_the_folder(key: str, value: Any, tmp_path: Path) -> None:
    folder = coco(tmp_path / "set", SINGLE)
    content = json.loads((folder / "annotations.json").read_text())
    content["annotations"][0][key] = value
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"is read as COCO JSON, but is not as that program writes it .*unhashable"):
        load(folder)


def test_suffixes_in_upper_case_are_read(tmp_path: Path) -> None:
    for name, files in {
        "coco": ["images/0.png"],
        "labelme": ["0.json", "0.png"],
        "voc": ["Annotations/2012_0.xml", "JPEGImages/2012_0.jpg"],
        "yolo": ["images/train/0.png"],
        "replicator": ["rgb_0000.png"],
    }.items():
        folder = WRITERS[name](tmp_path / name, SINGLE)
        for file in files:
            path = folder / file
            path.rename(path.with_suffix(path.suffix.upper()))
        assert len(load(folder)) == 2, name


def test_an_image_that_is_listed_twice_under_one_name_is_refused(tmp_path: Path) -> None:
    folder = labelme(tmp_path / "set", SINGLE)
    (folder / "again.json").write_text((folder / "0.json").read_text())
    with pytest.raises(InputError, match=r"holds two images of the name '0.png'"):
        load(folder)
