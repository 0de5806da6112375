"""All formats: each is found by its marks alone, and reads the boxes, masks and points of the same two scenes."""

import base64
import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foreign import CLASSES, SCENES, WRITERS, image, numbers
from skips import optional
from synth2real import load
from synth2real.data.formats import FORMATS, NATIVE, find_format, format_names, format_of
from synth2real.data.formats.record import Point, Record, image_bytes
from synth2real.errors import InputError

BUILT_IN = sorted(WRITERS)


def written(name: str, folder: Path, **how: Any) -> Path:
    if name == "blenderproc":
        optional("h5py", "formats")
    return WRITERS[name](folder / name, **how)  # type: ignore[operator]


def records(name: str, folder: Path, **how: Any) -> list[Record]:
    return list(find_format(name).read(written(name, folder, **how)))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_folder_is_found_by_its_marks_alone(name: str, tmp_path: Path) -> None:
    found = format_of(written(name, tmp_path))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_format_gives_the_same_classes_and_boxes(name: str, tmp_path: Path) -> None:
    named = CLASSES.get(name, {})
    found = records(name, tmp_path)
    assert len(found) == len(SCENES)
    assert len({one.name for one in found}) == len(SCENES)
    for record, scene in zip(found, SCENES, strict=True):
        assert record.sides == (24, 32)
        expected = {
            (named.get(n, n), (x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5)) for n, (x, y, w, h) in scene.items()
        }
        boxes = {(one.category, tuple(round(edge, 6) for edge in one.box or ())) for one in record.instances}
        assert boxes == expected


@pytest.mark.parametrize("name", ["solo", "replicator", "blenderproc"])
def test_masks_of_instances_and_classes_hold_the_right_pixels(name: str, tmp_path: Path) -> None:
    for record, scene in zip(records(name, tmp_path), SCENES, strict=True):
        expected = numbers(scene)
        for one in record.instances:
            assert one.mask is not None
            assert record.semantic is not None
            number = 1 + [CLASSES.get(name, {}).get(n, n) for n in scene].index(str(one.category))
            assert (one.mask.pixels(24, 32) == (expected == number)).all()
            assert (record.semantic.pixels(str(one.category)) == (expected == number)).all()


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "voc"])
def test_the_pixels_are_those_that_were_written(name: str, tmp_path: Path) -> None:
    for record, scene in zip(records(name, tmp_path), SCENES, strict=True):
        content, suffix = image_bytes(record.image)
        assert suffix == ".png"
        assert (np.asarray(Image.open(BytesIO(content))) == image(scene)).all()


def test_points_of_unity_are_half_a_pixel_from_the_corner_and_keep_their_state(tmp_path: Path) -> None:
    first, _ = records("solo", tmp_path)
    assert first.instances[0].points == {"top_left": Point(3.5, 5.5, 1), "middle": Point(-0.5, -0.5, 0)}


def test_boxes_and_masks_of_replicator_belong_together_also_without_their_places(tmp_path: Path) -> None:
    for record in records("replicator", tmp_path, prims=False):
        assert all(one.mask is not None and one.box is not None for one in record.instances)


def test_a_difficult_object_of_voc_is_ignored(tmp_path: Path) -> None:
    _, second = records("voc", tmp_path)
    assert [one.ignored for one in second.instances] == [False, True]


def test_points_of_a_group_of_labelme_belong_to_its_object(tmp_path: Path) -> None:
    first, second = records("labelme", tmp_path)
    assert first.instances[0].points == {"corner": Point(4, 6)}
    assert [list(one.points) for one in second.instances] == [["corner"], []]


def test_two_formats_in_one_folder_are_both_named(tmp_path: Path) -> None:
    WRITERS["voc"](tmp_path)
    WRITERS["coco"](tmp_path)
    with pytest.raises(InputError, match=r"several formats: coco \(COCO JSON\) and voc .* --format coco"):
        format_of(tmp_path)
    assert format_of(tmp_path, NATIVE) is None
    voc = format_of(tmp_path, "voc")
    assert voc is not None
    assert voc.name == "voc"


def test_a_folder_of_images_or_tables_is_of_no_other_program(tmp_path: Path) -> None:
    (tmp_path / "parameters.yaml").write_text("names: [a]\n")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png"}\n')
    (tmp_path / "other.json").write_text('{"images": 3}')
    assert format_of(tmp_path) is None


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"--format 'cocoa' is unknown, expected one of: images, coco, solo"):
        find_format("cocoa")
    assert set(FORMATS) < set(format_names())


MINE = """
from synth2real.data.formats import Format
FORMAT = Format("mine", "my format", lambda path: (path / "mine.txt").is_file(), lambda path: [])
"""


def test_a_format_of_a_package_is_found_and_a_faulty_one_breaks_nothing(tmp_path: Path, packages: Any) -> None:
    packages.install("broken-format", "import no_module", formats="broken = FORMAT")
    packages.install("wrong-format", "FORMAT = 3", formats="wrong = FORMAT")
    packages.install("mine-format", MINE, formats="mine = FORMAT\nimages = FORMAT")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "mine.txt").write_text("")
    with pytest.warns(UserWarning, match="left out: ") as caught:
        assert getattr(format_of(folder), "about", None) == "my format"
    said = " | ".join(str(one.message) for one in caught)
    assert "left out: formats 'broken' (broken_format:FORMAT) of the package broken-format 1.2: ModuleNotFound" in said
    assert "it is 3, expected an object of synth2real.data.formats.Format" in said
    assert "registers 'images' under synth2real.formats, which is a name of synth2real itself" in said
    with pytest.raises(InputError, match=r"formats 'broken' .* Mend or remove the package"):
        find_format("broken")
    assert "mine" in format_names()


BROKEN = [
    ("solo", "sequence.0/step0.frame_data.json", "{", "is not JSON"),
    ("solo", "sequence.0/step0.frame_data.json", '{"captures": [{"filename": "step0.camera.png"}]}', "format of SOLO"),
    ("solo", "sequence.0/step0.frame_data.json", '{"captures": [{"filename": "no.png"}]}', "no.png"),
    ("replicator", "bounding_box_2d_tight_0000.npy", "no array", "is no array"),
    ("replicator", "bounding_box_2d_tight_labels_0000.json", "[]", "holds list"),
    ("replicator", "bounding_box_2d_tight_labels_0000.json", '{"a": {"class": "car"}}', "has the key 'a'"),
    ("labelme", "0.json", '{"version": "5", "shapes": [{}], "imagePath": "0.png"}', "not in the format of LabelMe"),
    ("labelme", "0.json", '{"version": "5", "shapes": [], "imagePath": "no.png", "imageHeight": 1}', None),
    ("yolo", "labels/train/0.txt", "0 0.5 0.5\n", "line 1 is not in the format of YOLO"),
    ("yolo", "labels/train/0.txt", "car 0.5 0.5 0.1 0.1\n", "line 1 is not in the format of YOLO"),
    ("voc", "Annotations/2012_0.xml", "<annotation><filename>2012_0.jpg</filename><size>", "is not XML"),
    ("voc", "Annotations/2012_0.xml", "<annotation><filename>x.jpg</filename><size></size></annotation>", "x.jpg"),
]


@pytest.mark.parametrize(("name", "file", "content", "message"), BROKEN)
def test_a_broken_file_is_named(name: str, file: str, content: str, message: str | None, tmp_path: Path) -> None:
    folder = written(name, tmp_path)
    (folder / file).write_text(content)
    with pytest.raises(InputError, match=message or Path(file).name) as caught:
        list(find_format(name).read(folder))
    assert Path(file).name in str(caught.value)


def test_a_file_in_utf_16_and_one_with_a_bom_are_read(tmp_path: Path) -> None:
    folder = written("labelme", tmp_path)
    for name, encoding in (("0.json", "utf-16"), ("1.json", "utf-8-sig")):
        text = (folder / name).read_text()
        (folder / name).write_text(text, encoding=encoding)
    assert len(list(find_format("labelme").read(folder))) == 2


def test_the_image_within_a_json_of_labelme_is_read(tmp_path: Path) -> None:
    folder = written("labelme", tmp_path)
    content = json.loads((folder / "0.json").read_text())
    packed = (folder / "0.png").read_bytes()
    (folder / "0.png").unlink()
    content |= {"imageData": base64.b64encode(packed).decode(), "imagePath": "C:\\away\\elsewhere.png"}
    (folder / "0.json").write_text(json.dumps(content))
    first, _ = find_format("labelme").read(folder)
    assert image_bytes(first.image) == (packed, ".png")


def changed(file: Path, change: Any) -> None:
    """Change the content of a JSON file."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_objects_of_solo_without_an_id_are_objects_of_their_own(tmp_path: Path) -> None:
    folder = written("solo", tmp_path, scenes=({"car": (2, 3, 5, 6), "person": (10, 3, 5, 6)},))
    frame = folder / "sequence.0" / "step0.frame_data.json"

    def without_ids(content: Any) -> None:
        capture = content["captures"][0]
        capture["annotations"] = capture["annotations"][:1]
        for value in capture["annotations"][0]["values"]:
            del value["instanceId"]

    changed(frame, without_ids)
    (record,) = find_format("solo").read(folder)
    assert [one.category for one in record.instances] == ["car", "person"]

    def with_one_id(content: Any) -> None:
        for value in content["captures"][0]["annotations"][0]["values"]:
            value["instanceId"] = 5

    changed(frame, with_one_id)
    with pytest.raises(InputError, match=r"two objects of one annotator with the instanceId 5"):
        list(find_format("solo").read(folder))


def test_an_image_of_replicator_without_a_file_that_others_have_is_no_empty_image(tmp_path: Path) -> None:
    folder = written("replicator", tmp_path)
    next(folder.rglob("bounding_box_2d_tight_0001.npy")).unlink()
    with pytest.raises(
        InputError, match=r"rgb_0001\.png: has no bounding_box_2d_tight, as 1 of 2 images, but the others"
    ):
        list(find_format("replicator").read(folder))


def test_a_mask_of_labelme_is_the_pixels_of_its_object(tmp_path: Path) -> None:
    folder = written("labelme", tmp_path)
    part, packed = np.zeros((4, 6), bool), BytesIO()
    part[1:3, 2:5] = True
    Image.fromarray(part).save(packed, "PNG")
    shape = {"label": "cell", "shape_type": "mask", "points": [[10.0, 3.0], [15.0, 6.0]], "group_id": None}
    shape["mask"] = base64.b64encode(packed.getvalue()).decode()
    changed(folder / "0.json", lambda content: content.update(shapes=[shape]))
    first, _ = find_format("labelme").read(folder)
    (one,) = first.instances
    assert one.mask is not None
    pixels = one.mask.pixels(24, 32)
    assert np.argwhere(pixels).min(0).tolist() == [4, 12]
    assert pixels.sum() == 6
    assert one.box == (11.5, 3.5, 14.5, 5.5)
    for points, packed_mask in (
        ([[10, 3], [16, 6]], shape["mask"]),
        ([[27, 3], [32, 6]], shape["mask"]),
        ([[10, 3], [15, 6]], "x"),
    ):
        changed(folder / "0.json", lambda content: content["shapes"][0].update(points=points, mask=packed_mask))  # noqa: B023
        with pytest.raises(InputError, match=r"0\.json: is not in the format of LabelMe"):
            list(find_format("labelme").read(folder))


def test_an_image_of_labelme_in_a_folder_beside_is_found_and_one_outside_is_not(tmp_path: Path) -> None:
    folder = written("labelme", tmp_path)
    (folder / "labels").mkdir()
    (folder / "images").mkdir()
    for i in range(2):
        (folder / f"{i}.json").rename(folder / "labels" / f"{i}.json")
        (folder / f"{i}.png").rename(folder / "images" / f"{i}.png")
        changed(folder / "labels" / f"{i}.json", lambda content: content.update(imagePath=f"..\\images\\{i}.png"))  # noqa: B023
    assert [one.name for one in find_format("labelme").read(folder)] == ["images/0.png", "images/1.png"]
    with pytest.raises(InputError, match="are not there"):
        list(find_format("labelme").read(folder / "labels"))


def test_a_map_of_blenderproc_of_another_size_than_its_image_is_no_label_of_it(tmp_path: Path) -> None:
    folder = written("blenderproc", tmp_path)
    h5py = optional("h5py", "formats")
    with h5py.File(folder / "0.hdf5", "a") as container:
        small = np.asarray(container["instance_segmaps"])[:12]
        del container["instance_segmaps"]
        container["instance_segmaps"] = small
    with pytest.raises(InputError, match=r"0\.hdf5:colors: is 24 x 32 pixels, but .* describes it as 12 x 32"):
        load(folder, "boxes")


def test_polygons_and_poses_of_yolo_are_read(tmp_path: Path) -> None:
    folder = written("yolo", tmp_path, lines="1 0.125 0.25 0.5 0.25 0.5 0.5\n")
    first, _ = find_format("yolo").read(folder)
    assert first.instances[0].category == "person"
    assert first.instances[0].box == (3.5, 5.5, 15.5, 11.5)
    posed = WRITERS["yolo"](
        tmp_path / "pose",
        lines="0 0.5 0.5 0.5 0.5 0.25 0.25 2 0 0 0\n",  # type: ignore[call-arg]
        kpt_shape=[2, 3],
    )
    first, _ = find_format("yolo").read(posed)
    assert first.instances[0].points == {"0": Point(7.5, 5.5, 2), "1": Point(-0.5, -0.5, 0)}


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'synth2real\[formats\]'"):
        list(find_format("blenderproc").read(tmp_path))
