"""Shards as domains: in memory and streamed, by folder, file and pattern, with their labels; and what is refused."""

import pytest
import torch

from helpers import picture, save, truncate
from sharded import levels, sample, tars, write_tar
from synth2real import load, load_unlabelled
from synth2real.data.batch_sampler import sampler_of
from synth2real.data.reading.images import ImageFiles
from synth2real.data.reading.unpacked import Unpacked
from synth2real.data.shards import is_sharded
from synth2real.errors import InputError, LeftOutWarning
from synth2real.storage import INCOMPLETE


def test_a_folder_of_archives_is_read_with_its_classes(tmp_path) -> None:
    data = load(tars(tmp_path))
    assert data.shape == (1, 16, 16)
    assert data.classes == ("0", "1")
    assert data.labels.tolist() == [i % 2 for i in range(20)] == levels(data.inputs)
    assert data.names[7] == "s-001.tar/000007.png"


def test_streamed_images_are_those_in_memory(tmp_path) -> None:
    tars(tmp_path)
    whole, streamed = load(tmp_path), load(tmp_path, memory=0)
    assert isinstance(streamed.inputs, Unpacked)
    index = torch.randperm(20)
    assert torch.equal(streamed.inputs[index], whole.inputs[index])
    assert torch.equal(streamed.labels, whole.labels)
    sample = sampler_of(streamed.inputs, 6, 0)
    assert sorted(torch.cat([sample(i) for i in range(4)])[:20].tolist()) == list(range(20))


def test_large_sets_are_streamed_without_being_asked(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("synth2real.data.shards.loading.KEPT", 1000)
    assert isinstance(load(tars(tmp_path)).inputs, Unpacked)


def test_labels_are_fields_of_the_json_or_members(tmp_path) -> None:
    tars(tmp_path)
    assert load(tmp_path, label="kind").classes == ("bolt", "nut")
    assert load(tmp_path, label="class").classes == ("0", "1")
    values = load(tmp_path, label=["x", "cls"], given=["tilt"])
    assert values.labels[:3].tolist() == [[0, 0], [0.5, 1], [1, 0]]
    assert values.given is not None
    assert values.given[:3, 0].tolist() == [0, -1, -2]


def test_labels_are_not_looked_at_without_need(tmp_path) -> None:
    write_tar(tmp_path / "a.tar", [*sample(0, json="x"), *sample(1)])
    assert len(load_unlabelled(tmp_path)) == 2


@pytest.mark.parametrize(("pattern", "count"), [("s-{000..001}.tar", 11), ("s-{000,002}.tar", 16), ("s-*.tar", 20)])
def test_patterns_name_shards(tmp_path, pattern: str, count: int) -> None:
    tars(tmp_path)
    assert len(load_unlabelled(tmp_path / pattern)) == count


def test_a_shard_that_is_missing_in_a_pattern_is_named(tmp_path) -> None:
    tars(tmp_path)
    with pytest.raises(
        InputError, match=r"s-003\.tar: no such shard of the 4 of .*; .* Restore it, or pass --skip-bad"
    ):
        load(tmp_path / "s-{000..003}.tar")
    with pytest.warns(LeftOutWarning, match=r"left out 1 faults of shards:\n.*s-003\.tar: no such shard"):
        assert len(load(tmp_path / "s-{000..003}.tar", skip_bad=True)) == 20
    with pytest.raises(InputError, match=r"t-\*\.tar: found no shard"):
        load(tmp_path / "t-*.tar")
    with pytest.raises(InputError, match=r"t\.tar: no such shard; .*Check the spelling"):
        load(tmp_path / "t.tar")


def test_what_is_a_folder_of_shards(tmp_path) -> None:
    assert is_sharded(tars(tmp_path / "a"))
    for name in ("b", "c", "d"):
        tars(tmp_path / name, (2,))
    save(tmp_path / "b" / "1.png", picture(0))
    save(tmp_path / "c" / "class" / "1.png", picture(0))
    (tmp_path / "d" / "metadata.csv").write_text("file_name,label\n")
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "notes.txt").write_text("")
    assert not any(is_sharded(tmp_path / name) for name in "bcde")
    assert is_sharded(tmp_path / "no.parquet")
    assert not is_sharded(tmp_path / "no.npz")


def test_shards_of_two_kinds_or_of_two_parts_are_refused(tmp_path) -> None:
    tars(tmp_path / "kinds", (2,))
    (tmp_path / "kinds" / "a.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"found s-000\.tar and a\.parquet, expected shards of one kind"):
        load(tmp_path / "kinds")
    for name in ("train-0.tar", "test-0.tar"):
        write_tar(tmp_path / "parts" / name, sample(0))
    with pytest.raises(InputError, match=r"found shards of test and train, which are parts .*Name it: '.*test\*\.tar'"):
        load(tmp_path / "parts")


def test_a_folder_that_is_still_written_is_refused(tmp_path) -> None:
    tars(tmp_path)
    (tmp_path / INCOMPLETE).write_text('{"command": "refine"}')
    with pytest.raises(InputError, match=INCOMPLETE):
        load(tmp_path)


def test_a_sample_without_a_label_is_named(tmp_path) -> None:
    write_tar(tmp_path / "a.tar", [*sample(0, cls=0), *sample(1)])
    with pytest.raises(InputError, match=r"a\.tar/000001\.png: has no column 'label', found none"):
        load(tmp_path)
    write_tar(tmp_path / "a.tar", [*sample(0, json={"x": 1}), *sample(1, json={"x": "far"})])
    with pytest.raises(InputError, match=r"the label column 'x' of 000001\.png contains 'far', expected a number"):
        load(tmp_path, label=["x"])
    write_tar(tmp_path / "a.tar", sample(0, cls=""))
    with pytest.raises(InputError, match=r"the label column 'cls' of 000000\.png contains '', expected a class name"):
        load(tmp_path)
    write_tar(tmp_path / "a.tar", sample(0, json={"x": None}))
    with pytest.raises(InputError, match=r"the given column 'x' of 000000\.png is empty"):
        load_unlabelled(tmp_path, given=["x"])


def test_images_that_cannot_be_read_are_named_with_their_shard(tmp_path) -> None:
    write_tar(tmp_path / "a.tar", [*sample(0, cls=0), ("1.png", b"no image"), ("1.cls", b"1"), *sample(2, cls=2)])
    with pytest.raises(InputError, match=r"a\.tar: 1\.png: unreadable image \(found 8 bytes .*pass --skip-bad"):
        load(tmp_path)
    with pytest.warns(LeftOutWarning, match=r"skipped 1 unreadable images: .*a\.tar: 1\.png"):
        data = load(tmp_path, skip_bad=True, memory=0)
    assert data.classes == ("0", "2")
    assert list(data.names) == ["a.tar/000000.png", "a.tar/000002.png"]


def test_images_that_fill_the_disk_are_decoded_from_the_shards(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("synth2real.data.reading.unpacked.MOST", 0)
    streamed = load(tars(tmp_path), memory=0)
    assert isinstance(streamed.inputs, ImageFiles)
    index = torch.randperm(20)
    assert torch.equal(streamed.inputs[index], load(tmp_path).inputs[index])


def test_a_shard_that_shrinks_later_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("synth2real.data.reading.unpacked.MOST", 0)
    data = load(tars(tmp_path, (3,)), memory=0)
    truncate(tmp_path / "s-000.tar", 0.1)
    with pytest.raises(InputError, match=r"s-000\.tar: 000002\.png: cannot be read any more \(the shard is shorter"):
        data.inputs[torch.tensor([2])]
