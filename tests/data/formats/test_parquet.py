"""Parquet files as records, and as `convert` writes them: read back whole, also by the package `datasets`."""

import os

import pytest

from data.formats.test_webdataset import Bytes, records
from helpers import below
from sharded import png, write_parquet
from skips import optional
from synth2real import load
from synth2real.data.formats import find_format, format_of
from synth2real.data.formats.parquet import PARQUET_FILES, Columns, write
from synth2real.data.formats.record import Record, image_bytes
from synth2real.errors import InputError

optional("pyarrow", "parquet")


def test_it_is_found_by_what_lies_there(tmp_path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"image": [png(0)]})
    assert format_of(tmp_path) is PARQUET_FILES is find_format("parquet")
    assert format_of(path) is PARQUET_FILES


def test_rows_are_records(tmp_path) -> None:
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["nut", "bolt"]}}
    cells = [{"bytes": png(i), "path": f"{i}.png"} for i in range(3)]
    path = write_parquet(tmp_path / "a.parquet", {"image": cells, "label": [1, 0, -1], "x": [0.5, 1, 2]}, 2, features)
    found = list(PARQUET_FILES.read(path))
    assert [one.name for one in found] == ["a/000000.png", "a/000001.png", "a/000002.png"]
    assert [one.values for one in found] == [
        {"label": "bolt", "x": 0.5},
        {"label": "nut", "x": 1},
        {"label": None, "x": 2},
    ]
    assert image_bytes(found[1].image) == (png(1), ".png")


def test_what_is_written_is_read_back(tmp_path) -> None:
    columns = Columns.of(records())
    assert columns == Columns(("label", "x", "note", "instances"), ("bolt", "nut"))
    assert write(records(), tmp_path, columns, shard=2) == 5
    assert below(tmp_path) == ["000000.parquet", "000001.parquet", "000002.parquet"]
    for one, back in zip(records(), PARQUET_FILES.read(tmp_path), strict=True):
        assert {name: back.values[name] for name in one.values} == one.values
        assert image_bytes(back.image) == image_bytes(one.image)
        assert list(back.instances) == list(one.instances)
    data = load(tmp_path)
    assert data.classes == ("bolt", "nut")
    assert data.labels.tolist() == [1, 0, 1, 0, 1]


def test_the_package_reads_what_is_written(tmp_path) -> None:
    datasets = optional("datasets", "datasets")
    write(records(), tmp_path / "out", Columns.of(records()))
    found = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out" / "*.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert found.features["label"].names == ["bolt", "nut"]
    assert found[1]["image"].size == (16, 16)


def test_a_column_that_was_not_named_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"0\.v1\.png: has the column 'label', expected one of \('x',\)"):
        write(records(), tmp_path, Columns(("x",)))
    assert os.listdir(tmp_path) == []


def test_a_column_of_numbers_and_texts_is_refused(tmp_path) -> None:
    mixed = [Record(f"{i}.png", Bytes(png(0)), None, {"x": value}) for i, value in enumerate([1.0, "far"])]
    with pytest.raises(InputError, match=r"0\.png and those after it: a column has values of two kinds"):
        write(mixed, tmp_path, Columns.of(mixed))
