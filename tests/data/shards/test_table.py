"""Parquet shards: columns of images in all their forms, labels, row groups, and what is refused."""

import pickle

import pytest
import torch

from helpers import truncate
from sharded import levels, png, write_parquet
from skips import optional
from synth2real import load, load_unlabelled
from synth2real.data.reading.images import ImageFiles
from synth2real.data.shards.table import Groups, ParquetShard, Table
from synth2real.errors import InputError, LeftOutWarning

optional("pyarrow", "parquet")
CLASS = {"_type": "ClassLabel", "names": ["nut", "bolt"]}


def pictures(count: int = 12) -> list[bytes]:
    return [png(i, level=80 + 90 * (i % 2)) for i in range(count)]


def structs(count: int = 12) -> list[dict[str, object]]:
    return [{"bytes": one, "path": f"{i}.png"} for i, one in enumerate(pictures(count))]


def rows(count: int = 12) -> dict[str, list[object]]:
    numbers = list(range(count))
    labels = [i % 2 for i in numbers]
    return {"image": structs(count), "label": labels, "x": [i / 2 for i in numbers], "kind": [f"k{i}" for i in labels]}


def test_images_and_labels_are_read_as_hugging_face_writes_them(tmp_path) -> None:
    path = write_parquet(tmp_path / "a.parquet", rows(), features={"image": {"_type": "Image"}, "label": CLASS})
    data = load(path)
    assert data.classes == ("nut", "bolt")  # in the order of the data set
    assert data.labels.tolist() == [i % 2 for i in range(12)] == levels(data.inputs)
    assert list(data.names)[:2] == ["a.parquet/000000", "a.parquet/000001"]
    assert load(path, label="kind").classes == ("k0", "k1")
    values = load(path, label=["x"], given=["label"][:0])
    assert values.labels[:3, 0].tolist() == [0, 0.5, 1]


def test_a_file_that_the_package_writes_is_read(tmp_path) -> None:
    datasets = optional("datasets", "datasets")
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["nut", "bolt"])})
    made = datasets.Dataset.from_dict({"image": structs(), "label": [i % 2 for i in range(12)]}, features=kinds)
    made.to_parquet(str(tmp_path / "a.parquet"), batch_size=5)
    data = load(tmp_path, memory=0)
    assert data.classes == ("nut", "bolt")
    assert levels(data.inputs[torch.arange(12)]) == data.labels.tolist()


def test_plain_bytes_are_images(tmp_path) -> None:
    data = load(write_parquet(tmp_path / "a.parquet", {"scan": pictures(), "class": ["a", "b"] * 6}))
    assert data.classes == ("a", "b")


def test_row_groups_are_read_in_turn(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("synth2real.data.reading.unpacked.MOST", 0)
    path = write_parquet(tmp_path / "a.parquet", rows(), group=5)
    streamed = load(path, memory=0).inputs
    assert isinstance(streamed, ImageFiles)
    assert streamed.runs is not None
    assert streamed.runs.lengths.tolist() == [5, 5, 2]
    index = torch.randperm(12)
    assert torch.equal(streamed[index], load(path).inputs[index])


def test_few_row_groups_are_in_memory(tmp_path) -> None:
    path = write_parquet(tmp_path / "a.parquet", rows(), group=3)
    groups = Groups(most=2500)
    shard = ParquetShard(Table(path), groups)
    for place in range(12):
        assert shard.packed(place) == pictures()[place]
        assert sum(one.nbytes for one in groups.held.values()) <= 2500 or len(groups.held) == 1
    assert 1 <= len(groups.held) < 4
    assert pickle.loads(pickle.dumps(groups)).held == {}


def test_row_groups_that_are_too_large_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("synth2real.data.shards.table.GROUP_BYTES", 1000)
    path = write_parquet(tmp_path / "a.parquet", rows())
    with pytest.raises(InputError, match=r"a\.parquet: has row groups with up to .* MB of images, .*row_group_size="):
        load(path)


def test_paths_start_from_the_folder_of_the_file(tmp_path) -> None:
    for i, one in enumerate(pictures()):
        (tmp_path / f"{i}.png").write_bytes(one)
    paths = [f"{i}.png" for i in range(12)]
    path = write_parquet(tmp_path / "a.parquet", {"image": paths, "label": ["a", "b"] * 6})
    assert levels(load(path).inputs) == [0, 1] * 6
    path = write_parquet(tmp_path / "b.parquet", {"image": [{"bytes": None, "path": one} for one in paths]})
    assert levels(load_unlabelled(path).inputs) == [0, 1] * 6


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"bytes": None, "path": None}, "found None, expected an image"),
        (None, "found None, expected an image"),
        ({"bytes": None, "path": "gone.png"}, r"found the path gone\.png, expected bytes, or a file below"),
        ({"bytes": None, "path": "/etc/hostname"}, "found the path /etc/hostname"),
        ({"bytes": b"no image", "path": None}, "found 8 bytes .*expected an image file"),
    ],
)
def test_rows_without_an_image_are_named(tmp_path, cell: object, said: str) -> None:
    held = structs()
    held[7] = cell  # type: ignore[call-overload]
    path = write_parquet(tmp_path / "a.parquet", {**rows(), "image": held})
    with pytest.raises(InputError, match=rf"a\.parquet: 000007: unreadable image \({said}.*--skip-bad"):
        load(path)
    with pytest.warns(LeftOutWarning, match=r"a\.parquet: 000007"):
        data = load(path, skip_bad=True)
    assert data.labels.tolist() == levels(data.inputs)
    assert len(data) == 11


def test_columns_that_are_not_there_are_named(tmp_path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"image": pictures(), "x": list(range(12))})
    with pytest.raises(InputError, match=r"a\.parquet: has no column 'label', found 'image', 'x'\. Name the label"):
        load(path)
    with pytest.raises(InputError, match=r"has no column 'y', 'z'"):
        load(path, label=["x", "y"], given=["z"])


def test_columns_of_images_that_are_ambiguous_or_missing_are_named(tmp_path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"left": pictures(), "right": pictures()})
    with pytest.raises(InputError, match=r"found the columns 'left', 'right' that may all be images"):
        load_unlabelled(path)
    path = write_parquet(tmp_path / "b.parquet", {"x": [1, 2]})
    with pytest.raises(InputError, match=r"found no column of images among 'x'.*Call it 'image'"):
        load_unlabelled(path)


@pytest.mark.parametrize("label", [None, -1, 2])
def test_labels_that_are_not_published_are_named(tmp_path, label: int | None) -> None:
    held = {**rows(), "label": [0, 1, label, *[0] * 9]}
    path = write_parquet(tmp_path / "a.parquet", held, features={"image": {"_type": "Image"}, "label": CLASS})
    with pytest.raises(InputError, match=rf"the label column 'label' is {label} in row 2, expected the number of a"):
        load(path)
    assert len(load_unlabelled(path)) == 12


def test_values_that_are_missing_are_unknown(tmp_path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {**rows(), "x": [None, *range(11)]})
    assert load(path, label=["x"]).labels[0, 0].isnan()
    with pytest.raises(InputError, match=r"the given column 'x' of row 0 is empty"):
        load_unlabelled(path, given=["x"])


@pytest.mark.parametrize("left", [0.5, 0.99])
def test_a_damaged_file_is_refused_or_left_out(tmp_path, left: float) -> None:
    truncate(write_parquet(tmp_path / "a.parquet", rows()), left)
    write_parquet(tmp_path / "b.parquet", rows())
    with pytest.raises(InputError, match=r"a\.parquet: is no whole Parquet file \(.*\), .*Write it again"):
        load(tmp_path)
    with pytest.warns(LeftOutWarning, match=r"a\.parquet: is no whole Parquet file"):
        assert len(load(tmp_path, skip_bad=True)) == 12


def test_an_empty_file_has_no_image(tmp_path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"image": [b"x"], "label": [0]})
    import pyarrow.parquet as parquet

    parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    with pytest.raises(InputError, match="found no image in 1 shards"):
        load(path)
