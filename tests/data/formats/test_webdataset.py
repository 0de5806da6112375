"""Webdataset shards as records, and as `convert` writes them: read back whole, also by the package itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import below
from sharded import png, sample, tars, write_tar
from skips import optional
from synth2real import load, load_unlabelled
from synth2real.data.formats import find_format, format_of
from synth2real.data.formats.record import Instance, Packed, Point, Record, image_bytes
from synth2real.data.formats.webdataset import WEBDATASET, key_of, write
from synth2real.errors import InputError


class Bytes(Packed):
    """An image in memory."""

    def __init__(self, content: bytes, suffix: str = ".png") -> None:
        super().__init__("image", suffix)
        self.content = content

    def packed(self) -> bytes:
        return self.content


def records(count: int = 5) -> Iterator[Record]:
    for i in range(count):
        point = {"iris": Point(1.5, 2.0, 1)}
        instance = Instance("eye", (0.0, 1.0, 5.0, 6.5), points=point, ignored=i == 1)
        values = {"label": ("nut", "bolt")[i % 2], "x": i / 2, "note": None}
        yield Record(f"a/{i}.v1.png", Bytes(png(i)), None, values, (instance,) * (i % 3))


def test_it_is_found_by_what_lies_there(tmp_path) -> None:
    assert format_of(tars(tmp_path)) is WEBDATASET is find_format("webdataset")
    assert format_of(tmp_path / "s-000.tar") is WEBDATASET


def test_samples_are_records(tmp_path) -> None:
    found = list(WEBDATASET.read(tars(tmp_path, (2, 1))))
    assert [one.name for one in found] == ["s-000/000000.png", "s-000/000001.png", "s-001/000002.png"]
    assert found[1].values == {"cls": "1", "kind": "nut", "x": 0.5, "tilt": -1}
    assert image_bytes(found[1].image) == (png(1, level=170), ".png")
    assert found[1].sides == (16, 16)


def test_what_is_written_is_read_back(tmp_path) -> None:
    assert write(records(), tmp_path, shard=2) == 5
    assert below(tmp_path) == ["000000.tar", "000001.tar", "000002.tar"]
    for one, back in zip(records(), WEBDATASET.read(tmp_path), strict=True):
        assert back.name.endswith(f"{key_of(one.name)}.png")
        assert one.values == back.values
        assert list(back.instances) == list(one.instances)
        assert image_bytes(back.image) == image_bytes(one.image)
    assert load(tmp_path).classes == ("bolt", "nut")
    assert load(tmp_path, label=["x"]).labels[:, 0].tolist() == [0, 0.5, 1, 1.5, 2]


def test_the_package_reads_what_is_written(tmp_path) -> None:
    webdataset = optional("webdataset", "dev")
    write(records(), tmp_path)
    found = list(webdataset.WebDataset(str(tmp_path / "000000.tar"), shardshuffle=False).decode())
    assert [one["__key__"] for one in found] == [f"a/{i}_v1" for i in range(5)]
    assert found[3]["json"]["x"] == 1.5


def test_the_same_records_give_the_same_bytes(tmp_path) -> None:
    write(records(), tmp_path / "a")
    write(records(), tmp_path / "b")
    assert (tmp_path / "a" / "000000.tar").read_bytes() == (tmp_path / "b" / "000000.tar").read_bytes()


def test_a_shard_is_whole_or_not_there(tmp_path) -> None:
    def broken() -> Iterator[Record]:
        yield from records(3)
        yield Record("x.png", Path("gone.png"))

    with pytest.raises(InputError, match=r"gone\.png: cannot be read"):
        write(broken(), tmp_path, shard=2)
    assert os.listdir(tmp_path) == ["000000.tar"]


def test_two_images_of_one_key_are_refused(tmp_path) -> None:
    twice = [Record("1.v2.png", Bytes(png(0))), Record("1_v2.jpg", Bytes(png(1)))]
    with pytest.raises(InputError, match=r"1_v2\.jpg: the key '1_v2' is that of another image, too"):
        write(twice, tmp_path)


def test_instances_that_are_none_are_named(tmp_path) -> None:
    write_tar(tmp_path / "a.tar", sample(0, json={"instances": [3]}))
    with pytest.raises(InputError, match=r"a\.tar: 000000: the instances are no list of objects"):
        list(WEBDATASET.read(tmp_path))
    assert len(load_unlabelled(tmp_path)) == 1
