"""Writing: what is written is read back, images bit for bit, and what a format cannot hold is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from foreign import ONE, SIZE, TWO, WRITERS, image, numbers, save
from skips import optional
from synth2real import load
from synth2real.data.formats import find_format, native
from synth2real.data.formats.record import Instance, Picture, Point, Record, Region, Semantic, image_bytes
from synth2real.data.formats.shared.shapes import Polygons, RunLengths
from synth2real.data.formats.shared.summary import Summary
from synth2real.data.formats.writing import WRITERS as TARGETS
from synth2real.data.formats.writing import find_writer
from synth2real.errors import InputError

READERS = {"imagefolder": native.IMAGES} | {name: find_format(name) for name in TARGETS if name != "imagefolder"}


def everything(folder: Path) -> list[Record]:
    """Two images with labels of every kind."""
    found = []
    for i, scene in enumerate((ONE, TWO)):
        save(image(scene), folder / "day" / f"{i}.png")
        save(numbers(scene), folder / f"numbers_{i}.png")
        raster = Picture(folder / f"numbers_{i}.png")
        instances = []
        for k, (name, (x, y, w, h)) in enumerate(scene.items(), start=1):
            box = (x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5)
            corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]) - 0.5
            mask = Polygons((corners,)) if k == 1 else Region(raster, k)
            points = {"middle": Point(x + 1.25, y + 2.5, 1), "top": Point(0, 0, 0)} if name == "car" else {}
            instances.append(Instance(name, box, mask, points, ignored=k == 2, id=k))
        semantic = Semantic(raster, {1: "first", 2: "second"})
        values = {"label": "ab"[i], "pitch": 0.25 + i, "yaw": None if i else -1.5, "count": 3 + i}
        found.append(Record(f"day/{i}.png", folder / "day" / f"{i}.png", SIZE, values, tuple(instances), semantic))
    return found


def written(name: str, records: list[Record], out: Path) -> list[Record]:
    """The records, written and read again."""
    out.mkdir()
    find_writer(name).write(iter(records), Summary.of(records), out)
    return list(READERS[name].read(out))


def plain(one: Instance) -> tuple[Any, ...]:
    """What an instance says, with its mask as pixels."""
    mask = None if one.mask is None else one.mask.pixels(*SIZE).tobytes()
    box = None if one.box is None else tuple(round(edge, 6) for edge in one.box)
    points = {name: point if point.visibility else None for name, point in one.points.items()}
    return one.category, box, mask, {n: p for n, p in points.items() if p is not None}, one.ignored


@pytest.mark.parametrize("name", ["coco", "imagefolder"])
def test_labels_of_every_task_are_read_back(name: str, tmp_path: Path) -> None:
    before = everything(tmp_path / "in")
    after = written(name, before, tmp_path / "out")
    assert len(after) == 2
    for one, other in zip(before, after, strict=True):
        assert dict(other.values) == dict(one.values)
        assert [plain(i) for i in other.instances] == [plain(i) for i in one.instances]
        assert one.semantic is not None
        assert other.semantic is not None
        for category in ("first", "second"):
            assert (other.semantic.pixels(category) == one.semantic.pixels(category)).all()
        assert image_bytes(other.image) == image_bytes(one.image)
        assert other.name.endswith(one.name)


def test_yolo_keeps_boxes_and_points_and_says_the_rest(tmp_path: Path) -> None:
    before = everything(tmp_path / "in")
    assert find_writer("yolo").lost(Summary.of(before)) == [
        "2 values of 'label'",
        "2 values of 'pitch'",
        "1 values of 'yaw'",
        "2 values of 'count'",
        "3 masks, as a line of points has a box and no outline",
        "1 crowds and difficult objects, which would be learnt as any other",
        "2 masks of classes",
    ]
    after = written("yolo", before, tmp_path / "out")
    assert [[one.category for one in record.instances] for record in after] == [["car"], ["person"]]
    assert after[0].instances[0].box == pytest.approx(before[0].instances[0].box)
    assert after[0].instances[0].points["middle"] == pytest.approx(Point(5.25, 8.5, 1))
    assert after[0].instances[0].points["top"].visibility == 0
    content = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert content["kpt_shape"] == [2, 3]
    assert content["names"] == {0: "car", 1: "person"}


def test_yolo_holds_outlines_of_masks_if_there_are_no_points(tmp_path: Path) -> None:
    pixels = np.zeros(SIZE, bool)
    pixels[4:10, 5:9] = True
    pixels[6, 6] = False  # a hole, which an outline does not hold
    records = [
        Record("a.png", tmp_path / "a.png", SIZE, {}, (Instance("car", None, RunLengths.of(pixels)),)),
        Record("b.png", tmp_path / "b.png", SIZE, {}, (Instance("car", (0.5, 1.5, 3.5, 4.5)),)),
    ]
    for name in "ab":
        save(image(ONE), tmp_path / f"{name}.png")
    assert find_writer("yolo").lost(Summary.of(records)) == [
        "holes and further parts of masks, as a line has one outline"
    ]
    first, second = written("yolo", records, tmp_path / "out")
    filled = pixels.copy()
    filled[6, 6] = True
    assert (first.instances[0].mask.pixels(*SIZE) == filled).all()
    assert second.instances[0].box == pytest.approx((0.5, 1.5, 3.5, 4.5))


@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize("to", ["coco", "imagefolder"])
def test_every_format_survives_a_conversion(name: str, to: str, tmp_path: Path) -> None:
    if name == "blenderproc":
        optional("h5py", "formats")
    before = list(find_format(name).read(WRITERS[name](tmp_path / "in")))
    after = written(to, before, tmp_path / "out")
    for one, other in zip(before, after, strict=True):
        assert [plain(i) for i in other.instances] == [plain(i) for i in one.instances]


def test_one_instance_an_image_is_written_as_columns_that_load_reads(tmp_path: Path) -> None:
    records = [
        Record(f"{i}.png", tmp_path / f"{i}.png", SIZE, {"pitch": 0.5 * i}, (Instance(name, points={"iris": point}),))
        for i, (name, point) in enumerate({"left": Point(3, 4.5), "right": Point(0, 0, 0)}.items())
    ]
    for i in range(2):
        save(image(ONE), tmp_path / f"{i}.png")
    after = written("imagefolder", records, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert rows[0] == {"file_name": "0.png", "pitch": 0.0, "label": "left", "iris_x": 3, "iris_y": 4.5}
    assert rows[1]["iris_x"] is None
    assert load(tmp_path / "out").classes == ("left", "right")
    points = load(tmp_path / "out", ["iris_x", "iris_y"]).labels
    assert points[0].tolist() == [3.0, 4.5]
    assert points[1].isnan().all()
    assert after[0].instances[0].points == {"iris": Point(3, 4.5)}
    assert after[1].instances[0].points["iris"].visibility == 0


def test_names_that_differ_in_the_suffix_alone_are_parted(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp"):
        save(image(ONE), tmp_path / name)
    records = [Record(name, tmp_path / name, SIZE, {}, (Instance("car", (0, 0, 4, 4)),)) for name in ("a.png", "a.bmp")]
    after = written("yolo", records, tmp_path / "out")
    assert [one.name for one in after] == ["images/a.png", "images/a_bmp.bmp"]


def test_an_instance_without_a_named_category_is_said(tmp_path: Path) -> None:
    records = [Record("a.png", tmp_path / "a.png", SIZE, {}, (Instance(None, (0, 0, 4, 4), unknown="7"),))]
    for name in TARGETS:
        lost = find_writer(name).lost(Summary.of(records))
        assert lost == ["1 instances of a category that is not named"]


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="--to 'voc' is unknown, expected one of: coco, yolo, imagefolder, parquet"):
        find_writer("voc")


def test_colours_of_classes_become_numbers(tmp_path: Path) -> None:
    before = list(find_format("solo").read(WRITERS["solo"](tmp_path / "in")))
    after = written("imagefolder", before, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "mask_classes.json").read_text()) == {"1": "car", "2": "person"}
    for one, other in zip(before, after, strict=True):
        assert one.semantic is not None
        assert other.semantic is not None
        assert (other.semantic.pixels("car") == one.semantic.pixels("car")).all()


@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_shards_keep_instances_columns_and_images(name: str, tmp_path: Path) -> None:
    optional("pyarrow", "parquet")
    before = everything(tmp_path / "in")
    assert find_writer(name).lost(Summary.of(before)) == ["2 masks of classes"]
    after = written(name, before, tmp_path / "out")
    for one, other in zip(before, after, strict=True):
        assert dict(other.values) == dict(one.values)
        assert [plain(i) for i in other.instances] == [plain(i) for i in one.instances]
        assert image_bytes(other.image) == image_bytes(one.image)
    assert load(tmp_path / "out").classes == ("a", "b")


@pytest.mark.parametrize("name", ["webdataset", "parquet"])
def test_the_category_and_the_points_of_one_instance_are_columns_of_shards(name: str, tmp_path: Path) -> None:
    optional("pyarrow", "parquet")
    records = [
        Record(f"{i}.png", tmp_path / f"{i}.png", SIZE, {}, (Instance(kind, points={"iris": Point(3.5, 4, i + 1)}),))
        for i, kind in enumerate(["left", "right"])
    ]
    for i in range(2):
        save(image(ONE), tmp_path / f"{i}.png")
    written(name, records, tmp_path / "out")
    assert load(tmp_path / "out").classes == ("left", "right")
    assert load(tmp_path / "out", ["iris_x", "iris_y"]).labels.tolist() == [[3.5, 4.0], [3.5, 4.0]]


def test_a_table_is_read_by_the_package_datasets(tmp_path: Path) -> None:
    datasets: Any = optional("datasets", "datasets")
    records = everything(tmp_path / "in")
    (tmp_path / "out").mkdir()
    find_writer("parquet").write(iter(records), Summary.of(records), tmp_path / "out")
    files = [str(file) for file in (tmp_path / "out").glob("*.parquet")]
    found = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert found[0]["image"].size == (32, 24)
    assert found.features["label"].names == ["a", "b"]
    assert found[1]["yaw"] is None
