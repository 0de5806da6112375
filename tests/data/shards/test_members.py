"""Images of shards: which lie where, whichever are chosen, and how they are read in turn."""

import pickle

import numpy as np
import torch

from sharded import levels, tars
from synth2real import load
from synth2real.data.reading.images import ImageFiles
from synth2real.data.shards.labels import Wanted
from synth2real.data.shards.loading import indexed
from synth2real.data.shards.members import Members, Opened


def members(folder, counts=(7, 4, 9)) -> Members:
    return indexed(tars(folder, counts), Wanted(False, None, ()), False)


def test_each_image_has_its_place(tmp_path) -> None:
    found = members(tmp_path)
    assert len(found) == 20
    assert [found.name(i) for i in (0, 6, 7, 11)] == [
        "s-000.tar/000000.png",
        "s-000.tar/000006.png",
        "s-001.tar/000007.png",
        "s-002.tar/000011.png",
    ]
    assert str(found[-1]) == f"{tmp_path / 's-002.tar'}: 000019.png"
    assert [str(one) for one in found[6:8]] == [str(found[6]), str(found[7])]
    assert found.root == tmp_path
    assert members(tmp_path / "one", (3,)).root == tmp_path / "one" / "s-000.tar"


def test_runs_end_where_shards_end(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("synth2real.data.shards.tar.RUN", 4)
    found = members(tmp_path)
    assert found.runs().lengths.tolist() == [4, 3, 4, 4, 4, 1]
    assert found.subset(np.array([0, 1, 5, 19])).runs().lengths.tolist() == [2, 1, 1]
    assert found.subset(np.array([0, 1, 5, 19])).runs().order is None
    mixed = found.subset(np.array([19, 0, 5, 1])).runs()
    assert mixed.lengths.tolist() == [2, 1, 1]
    assert mixed.order is not None
    assert mixed.order.tolist() == [1, 3, 2, 0]


def test_a_subset_of_a_subset_is_of_all(tmp_path) -> None:
    found = members(tmp_path).subset(np.array([19, 3, 8])).subset(np.array([2, 0]))
    assert [found.name(i) for i in range(2)] == ["s-001.tar/000008.png", "s-002.tar/000019.png"]


def test_a_large_subset_stays_in_the_shards(tmp_path, monkeypatch) -> None:
    data = load(tars(tmp_path), memory=0)
    monkeypatch.setattr("synth2real.data.reading.images.SUBSET", 0)
    index = torch.tensor([19, 3, 8])
    some = data.subset(index)
    assert isinstance(some.inputs, ImageFiles)
    assert levels(some.inputs[torch.arange(3)]) == [1, 1, 0] == some.labels.tolist()
    assert list(some.names) == ["s-002.tar/000019.png", "s-000.tar/000003.png", "s-001.tar/000008.png"]


def test_a_file_is_read_from_any_place_and_by_other_processes(tmp_path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"0123456789")
    for stays in (True, False):
        opened = Opened(file, stays)
        assert opened.read(3, 4) == b"3456"
        assert opened.read(8, 4) == b"89"
        assert pickle.loads(pickle.dumps(opened)).read(0, 1) == b"0"
