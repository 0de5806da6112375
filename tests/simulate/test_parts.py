"""Parts of a rendered set: however many, together they are the whole to the bit; and what is not joined."""

import json
import shutil

import pytest

from helpers import below, contents, killed_at
from skips import optional
from synth2real import load
from synth2real.errors import InputError
from synth2real.simulate import Blood, Digits, render, writers
from synth2real.simulate.parts import PART, Part

ONCE = ("parameters.yaml", "metadata.jsonl", "annotations.json", "classes.yaml", PART)  # files of every part
SMALL = Digits(size=(8, 8))


def parts_of(simulator, n, folder, count, **how):
    """Render a set in parts."""
    for i in range(1, count + 1):
        render(simulator, n, folder / f"part-{i}", 5, part=Part(i, count), **how)
    return folder


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 11])
def test_all_parts_are_the_whole_whatever_their_number(tmp_path, count) -> None:
    digits, n = Digits(size=(8, 8)), 450  # three pieces of 200, the last one smaller
    render(digits, n, tmp_path / "whole", 5)
    parts = parts_of(digits, n, tmp_path / "parts", count)
    found, rows = {}, []
    for i in range(1, count + 1):
        part = contents(parts / f"part-{i}")
        found |= {name: content for name, content in part.items() if name not in ONCE}
        rows += part["metadata.jsonl"].splitlines(keepends=True)
        assert (PART in part) == (count > 1)
    whole = contents(tmp_path / "whole")
    assert found == {name: content for name, content in whole.items() if name not in ONCE}
    assert b"".join(rows) == whole["metadata.jsonl"]
    if count > 1:
        render(digits, n, tmp_path / "joined", 5, join=parts)
        assert contents(tmp_path / "joined") == whole
    assert load(parts).labels.tolist() == load(tmp_path / "whole").labels[order(parts, count)].tolist()


def order(parts, count):
    """The images of all parts in the order in which their folders are read, by name."""
    named = [(parts / f"part-{i}" / "metadata.jsonl") for i in sorted(range(1, count + 1), key=str)]
    return [int(json.loads(line)["file_name"][:6]) for table in named for line in table.read_text().splitlines()]


def test_masks_and_objects_are_joined_to_the_same_file_of_coco(tmp_path) -> None:
    blood = Blood(size=(48, 48))
    render(blood, 20, tmp_path / "whole", 5, masks=True)
    parts = parts_of(blood, 20, tmp_path / "parts", 3, masks=True)
    render(blood, 20, tmp_path / "joined", 5, masks=True, join=parts)
    assert contents(tmp_path / "joined") == contents(tmp_path / "whole")
    described = json.loads((parts / "part-2" / "annotations.json").read_text())
    assert [one["id"] for one in described["images"]] == list(range(6, 13))
    assert {one["image_id"] for one in described["annotations"]} <= set(range(6, 13))


def test_shards_and_rows_of_parts_are_those_of_the_whole(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(writers, "SHARD", 30)
    render(SMALL, 100, tmp_path / "whole", 5, format="webdataset")
    parts = parts_of(SMALL, 100, tmp_path / "parts", 3, format="webdataset")
    found = {name.name: name.read_bytes() for name in parts.glob("*/*.tar")}
    assert found == {name.name: name.read_bytes() for name in (tmp_path / "whole").glob("*.tar")}
    assert len(load(f"{parts}/part-*/*.tar")) == 100
    with pytest.raises(InputError, match=r"--part 1/5: found 4 shards of 30 images, expected as many as parts or more"):
        render(SMALL, 100, tmp_path / "out", 5, format="webdataset", part=Part(1, 5))
    optional("pyarrow", "parquet")
    render(SMALL, 100, tmp_path / "whole.parquet", 5)
    for i in (1, 2, 3):
        render(SMALL, 100, tmp_path / "tables" / f"{i}.parquet", 5, part=Part(i, 3))
    assert load(tmp_path / "tables").labels.tolist() == load(tmp_path / "whole.parquet").labels.tolist()
    folders = parts_of(SMALL, 100, tmp_path / "folders", 2)
    render(SMALL, 100, tmp_path / "joined", 5, format="webdataset", join=folders)
    assert contents(tmp_path / "joined") == contents(tmp_path / "whole")


@pytest.mark.parametrize("format", ["folder", "webdataset"])
def test_an_interrupted_part_goes_on_with_the_same_bits(tmp_path, monkeypatch, format) -> None:
    monkeypatch.setattr(writers, "SHARD", 30)
    render(SMALL, 100, tmp_path / "whole", 5, format=format, part=Part(2, 2))
    after = 20 if format == "folder" else 3
    with killed_at(monkeypatch, "replace", after):
        render(SMALL, 100, tmp_path / "out", 5, format=format, part=Part(2, 2))
    with pytest.raises(InputError, match=r"was begun with part 2/2, but --resume found 1/2"):
        render(SMALL, 100, tmp_path / "out", 5, format=format, part=Part(1, 2), resume=True)
    with pytest.raises(InputError, match=r"was begun with part 2/2, but --resume found None"):
        render(SMALL, 100, tmp_path / "out", 5, format=format, resume=True)
    render(SMALL, 100, tmp_path / "out", 5, format=format, part=Part(2, 2), resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    render(SMALL, 100, tmp_path / "out", 5, format=format, part=Part(2, 2), overwrite=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_an_interrupted_join_goes_on(tmp_path, monkeypatch) -> None:
    render(SMALL, 30, tmp_path / "whole", 5)
    parts = parts_of(SMALL, 30, tmp_path / "parts", 4)
    with killed_at(monkeypatch, "replace", 17):
        render(SMALL, 30, tmp_path / "out", 5, join=parts)
    render(SMALL, 30, tmp_path / "out", 5, join=parts, resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_parts_that_are_no_whole_are_not_joined(tmp_path, monkeypatch) -> None:
    parts = parts_of(SMALL, 30, tmp_path / "parts", 3)

    def fails(message, n=30, seed=5, out="out", **how):
        with pytest.raises(InputError, match=message):
            render(SMALL, n, tmp_path / out, seed, join=parts, **how)
        assert not (tmp_path / "out").exists()

    fails(r"part-1: was rendered with n 30, but --join found 31. Give the same arguments", n=31)
    fails(r"part-1: was rendered with seed 5, but --join found 6", seed=6)
    fails(r"--part 1/3 and --join exclude each other", part=Part(1, 3))
    shutil.copytree(parts / "part-1", parts / "copy")
    fails(r"part-1: is part 1/3, and so is .*copy, expected one")
    shutil.rmtree(parts / "copy")
    render(SMALL, 30, parts / "other", 5, part=Part(2, 4))
    fails(r"part-1: is one of 3 parts, and .*other one of 4, expected one cut")
    shutil.rmtree(parts / "other")
    (parts / "part-2" / "000011.png").unlink()
    fails(r"part-2/000011.png: cannot be read \(No such file or directory\). Render the part again", out="begun")
    shutil.rmtree(parts / "part-2")
    fails(r"found 2 of 3 parts, missing are 2/3. Render them with the same arguments: --part I/N")
    with killed_at(monkeypatch, "replace", 4):
        render(SMALL, 30, parts / "part-2", 5, part=Part(2, 3))
    fails(r"part-2: is incomplete: `synth2real render` was stopped")
    shutil.rmtree(parts / "part-2")
    (parts / "part-3" / PART).write_text("{}")
    fails(r"part-3/part.json: is damaged, expected what `render --part` writes")
    shutil.rmtree(parts)
    fails(r"parts: found no part, expected folders that `render --part I/N` has written")


def test_rows_that_are_missing_or_torn_are_said(tmp_path) -> None:
    parts = parts_of(SMALL, 20, tmp_path / "parts", 2)
    table = parts / "part-1" / "metadata.jsonl"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(rows[:4] + rows[5:]))
    with pytest.raises(InputError, match=r"metadata.jsonl: has 4 of the rows of images 0 to 9, expected all, in order"):
        render(SMALL, 20, tmp_path / "out", 5, join=parts)
    table.write_text("".join(rows)[:-9])
    with pytest.raises(InputError, match=r"metadata.jsonl: cannot be read"):
        render(SMALL, 20, tmp_path / "out2", 5, join=parts)


def test_annotations_that_were_edited_are_said(tmp_path) -> None:
    blood = Blood(size=(32, 32))
    parts = parts_of(blood, 4, tmp_path / "parts", 2)
    file = parts / "part-1" / "annotations.json"
    text = file.read_text()
    for i, edited in enumerate(
        (json.dumps(json.loads(text)), text[:-4], text.replace('"image_id": 1', '"image_id": 7'))
    ):
        file.write_text(edited)
        with pytest.raises(InputError, match=r"annotations.json: is not as it was rendered \(.*\). Render it again"):
            render(blood, 4, tmp_path / f"out-{i}", 5, join=parts)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "a/b", "3", "", "-1/2"])
def test_a_part_is_one_of_several(text) -> None:
    with pytest.raises(InputError, match=f"--part {text}: expected I/N with I from 1 to N"):
        Part.of_text(text)


def test_more_parts_than_images_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"--part 1/4: found 3 images, expected as many as parts or more"):
        render(SMALL, 3, tmp_path / "out", 5, part=Part(1, 4))
    assert below(tmp_path) == []
