"""Images with boxes, from the formats of other programs, tables and `.npz`."""

import json

import pytest
import torch
from PIL import Image

from boxed import OBJECTS, SIZE, arrays, coco, images, labelme, table, voc, yolo
from foreign import CLASSES, ONE, TWO
from foreign import WRITERS as FOREIGN
from helpers import picture, save
from skips import optional
from synth2real import load, load_unlabelled
from synth2real.data.labels import Boxes
from synth2real.errors import InputError, LeftOutWarning
from synth2real.simulate import Blood, render

LAYOUTS = [coco, yolo, voc, labelme, table, arrays]


def as_plain(data):
    """For each image its boxes, as in `OBJECTS`, sorted."""
    boxes = data.labels
    assert isinstance(boxes, Boxes)
    found = [boxes[torch.tensor([i])] for i in range(len(boxes))]
    return [
        sorted(
            (data.classes[kind], tuple(round(x, 4) for x in corners))
            for kind, corners in zip(one.classes.tolist(), one.corners.tolist(), strict=True)
        )
        for one in found
    ]


@pytest.mark.parametrize("write", LAYOUTS)
def test_all_layouts_give_the_same_boxes_and_classes(tmp_path, write):
    data = load(write(tmp_path), label="boxes")
    assert data.classes == ("car", "dog")
    assert as_plain(data) == [sorted(one) for one in OBJECTS.values()]
    assert not data.labels.ignored.any()


def test_a_file_and_a_part_of_a_set_are_loaded_as_the_folder_is(tmp_path):
    coco(tmp_path / "coco")
    assert as_plain(load(tmp_path / "coco/annotations.json", label="boxes"))[1] == OBJECTS["b"]
    yolo(tmp_path / "yolo")
    assert as_plain(load(tmp_path / "yolo/data.yaml", label="boxes"))[1] == OBJECTS["b"]


@pytest.mark.parametrize("name", FOREIGN)
def test_every_format_with_boxes_is_read(tmp_path, name):
    if name == "blenderproc":
        optional("h5py", "formats")
    data = load(FOREIGN[name](tmp_path), label="boxes")
    named = CLASSES.get(name, {})
    scenes = [
        sorted((named.get(kind, kind), (x, y, x + wide, y + tall)) for kind, (x, y, wide, tall) in scene.items())
        for scene in (ONE, TWO)
    ]
    assert as_plain(data) == scenes


@pytest.mark.parametrize("part", ["images/train", "images/train/"])
def test_a_part_of_a_set_of_yolo_has_its_names_above_it(tmp_path, part):
    yolo(tmp_path)
    data = load(f"{tmp_path}/{part}", label="boxes")
    assert as_plain(data)[1] == OBJECTS["b"]
    assert data.names == ("a.png", "b.png", "c.png")


def test_a_part_of_a_set_may_hold_its_images_and_labels(tmp_path):
    yolo(tmp_path / "set")
    for folder in ("images", "labels"):
        (tmp_path / f"set/{folder}/train").rename(tmp_path / folder)
        (tmp_path / f"set/{folder}").rmdir()
        (tmp_path / "set/valid").mkdir(exist_ok=True)
        (tmp_path / folder).rename(tmp_path / f"set/valid/{folder}")
    assert as_plain(load(tmp_path / "set/valid", label="boxes"))[1] == OBJECTS["b"]
    assert len(load_unlabelled(tmp_path / "set/valid")) == 3


@pytest.mark.parametrize("to", ["coco", "yolo", "imagefolder", "webdataset"])
def test_what_convert_writes_is_read(synth2real, tmp_path, to):
    code, _, err = synth2real("convert", coco(tmp_path / "in"), tmp_path / "out", "--to", to)
    assert code == 0, err
    assert as_plain(load(tmp_path / "out", label="boxes")) == [sorted(one) for one in OBJECTS.values()]


def test_a_rendered_folder_has_its_boxes_in_coco_beside_its_table(tmp_path):
    render(Blood(size=(24, 32)), 3, tmp_path / "out", 0, masks=True)
    data, drawn = load(tmp_path / "out", label="boxes"), Blood(size=(24, 32)).labelled(3, 0)
    assert torch.equal(data.labels.counts, drawn.labels.counts)
    assert torch.allclose(data.labels.corners, drawn.labels.corners)
    assert load(tmp_path / "out", label="boxes", given=["red_cells"]).given.shape == (3, 1)


def test_some_classes_alone_are_kept(tmp_path):
    data = load(coco(tmp_path), label="boxes:dog")
    assert data.classes == ("dog",)
    assert data.labels.counts.tolist() == [1, 0, 0]
    assert load(tmp_path, label=["boxes:dog", "boxes:car"]).classes == ("dog", "car")
    with pytest.raises(InputError, match="has no box of the class 'cat', expected some of: car, dog"):
        load(tmp_path, label="boxes:cat")


def test_crowds_and_difficult_objects_are_ignored(tmp_path):
    assert load(coco(tmp_path / "a", iscrowd=1), label="boxes").labels.ignored.tolist() == [True, False, False]
    assert load(voc(tmp_path / "b", difficult=1), label="boxes").labels.ignored.all()


def test_boxes_are_in_pixels_of_the_images_on_disk_whatever_their_size(tmp_path):
    yolo(tmp_path)
    save(tmp_path / "images/train/b.png", picture(1, (40, 60)))
    with pytest.raises(InputError, match="images differ in size"):
        load(tmp_path, label="boxes")
    data = load(tmp_path, label="boxes", size=(16, 16), resize="letterbox")
    assert data.sizes.tolist() == [[20, 30], [40, 60], [20, 30]]
    assert as_plain(data)[1] == [("car", (10, 10, 30, 30))]  # shares of a larger image
    assert data.shape == (1, 16, 16)


def test_boxes_are_cut_off_at_the_frame_and_those_without_an_area_left_out(tmp_path):
    data = load(coco(tmp_path / "a", bbox=[-5, -5, 10, 100]), label="boxes")
    assert as_plain(data)[0][1] == ("dog", (0, 0, 5, 20))
    for i, box in enumerate(([12, 4, -8, 12], [40, 4, 8, 12], [12, 4, 8, 0])):
        with pytest.warns(
            LeftOutWarning, match="left out 1 objects without an area in their image, the first in images/a"
        ):
            data = load(coco(tmp_path / f"b{i}", bbox=box), label="boxes")
        assert data.labels.counts.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bbox": ["wide", 4, 8, 12]}, "annotation 0 of the image 0 is not in the format of COCO"),
        ({"bbox": "12 4 8 12"}, "expected 4 numbers"),
        ({"bbox": [float("nan"), 4, 8, 12]}, "expected finite numbers"),
        ({"category_id": 3}, r"1 objects have a category that is not named \(3\), the first is in images/a.png"),
        ({"image_id": 77}, "the annotation 0 is of the image 77, which is not listed"),
    ],
)
def test_a_broken_annotation_is_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load(coco(tmp_path, **changes), label="boxes")


def test_a_class_of_yolo_that_has_no_name_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"not named \(5\), the first is in images/train/a.png"):
        load(yolo(tmp_path / "a", first="5 0.5 0.5 0.1 0.1"), label="boxes")
    assert load(yolo(tmp_path / "b", names={0: "car", 1: "dog"}), label="boxes").classes == ("car", "dog")


def test_an_outline_is_the_box_around_it(tmp_path):
    data = load(yolo(tmp_path, first="0 0.1 0.1 0.5 0.1 0.3 0.9"), label="boxes")
    assert as_plain(data)[0][0] == ("car", (2, 3, 10, 9))
    assert as_plain(data)[0][1] == ("car", (3, 2, 15, 18))


def test_a_set_without_a_box_is_refused(tmp_path):
    coco(tmp_path / "a")
    content = json.loads((tmp_path / "a/annotations.json").read_text()) | {"annotations": []}
    (tmp_path / "a/annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="COCO JSON holds no box in 3 images"):
        load(tmp_path / "a", label="boxes")


def test_an_image_that_its_exif_tag_turns_is_refused_if_its_labels_were_not(tmp_path):
    coco(tmp_path)
    picture_ = Image.open(tmp_path / "images/a.png").copy()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture_.save(tmp_path / "images/a.png", exif=exif)
    with pytest.raises(InputError, match=r"a.png: is 30 x 20 pixels.*describes it as 20 x 30.*turned by its EXIF tag"):
        load(tmp_path, label="boxes", size=(8, 8))


def test_the_target_is_read_without_its_labels(tmp_path):
    coco(tmp_path)
    (tmp_path / "annotations.json").write_text("{broken")
    assert len(load_unlabelled(tmp_path)) == 3


def test_images_stay_on_disk_with_boxes_in_memory(tmp_path):
    data = load(coco(tmp_path), label="boxes", memory=1)
    assert not isinstance(data.inputs, torch.Tensor)
    part = data.subset(torch.tensor([1]))
    assert as_plain(part) == [OBJECTS["b"]]
    assert part.shape == (1, *SIZE)


def test_objects_without_box_and_outline_are_left_out(tmp_path):
    labelme(tmp_path)
    content = json.loads((tmp_path / "b.json").read_text())
    content["shapes"] += [{"label": "dog", "points": [[1, 2]], "shape_type": "point", "group_id": 4}]
    (tmp_path / "b.json").write_text(json.dumps(content))
    with pytest.warns(LeftOutWarning, match="left out 1 objects without a box, the first in b.png"):
        assert load(tmp_path, label="boxes").labels.counts.tolist() == [2, 1, 0]


def test_a_folder_without_boxes_is_refused_with_where_they_may_be(tmp_path):
    images(tmp_path / "plain")
    with pytest.raises(InputError, match="plain: found no boxes, expected COCO JSON, a YOLO folder"):
        load(tmp_path / "plain", label="boxes")
    coco(tmp_path / "coco")
    with pytest.raises(InputError, match=r"images: found no boxes, but .*annotations.json above it. Give the folder"):
        load(tmp_path / "coco/images", label="boxes")
    with pytest.raises(InputError, match="no such folder or file"):
        load(tmp_path / "nowhere", label="boxes")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: found no boxes"):
        load(tmp_path / "empty", label="boxes")
    with pytest.raises(InputError, match="boxes are read from folders, files and shards"):
        load("hf:cats", label="boxes")
