"""Read-ahead: the same batches as without it, errors where a batch is taken, and no thread left."""

import threading

import pytest
import torch

from helpers import picture, save
from synth2real import load_unlabelled
from synth2real.data.batch_sampler import BatchSampler
from synth2real.data.read_ahead import AHEAD, ReadAhead
from synth2real.errors import InputError


class Slow:
    """Inputs that note in which thread they are indexed; the sample 5 is broken."""

    decodes = True

    def __init__(self, count: int, broken: int | None = None) -> None:
        self.shape, self.broken = torch.Size((count, 1)), broken
        self.read: list[str] = []

    def __len__(self) -> int:
        return len(self.read)

    def __getitem__(self, index: torch.Tensor) -> torch.Tensor:
        self.read.append(threading.current_thread().name)
        if self.broken in index.tolist():
            raise InputError(f"{self.broken}.png: cannot be read any more")
        return index[:, None].float()


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_batches_are_the_same_with_and_without() -> None:
    inputs = Slow(10)
    with ReadAhead(inputs, BatchSampler(10, 4, 0), 6) as ahead:
        found = [ahead(step) for step in range(6)]
        assert names()
    assert names() == []
    assert len(inputs.read) == 6  # none is read twice, and none beyond the last step
    assert all(name.startswith("read-ahead") for name in inputs.read)
    plain = ReadAhead(inputs, BatchSampler(10, 4, 0), 6)
    assert all(torch.equal(plain(step), batch) for step, batch in enumerate(found))
    assert inputs.read[-1] == threading.current_thread().name
    assert ahead.waited > 0


def test_the_next_batches_are_read_before_they_are_taken() -> None:
    inputs = Slow(10)
    with ReadAhead(inputs, BatchSampler(10, 2, 0), 100) as ahead:
        ahead(0)
    assert 1 <= len(inputs.read) <= 1 + AHEAD  # those that had not begun are dropped


def test_an_error_is_raised_where_its_batch_is_taken_and_no_thread_is_left() -> None:
    sampler = BatchSampler(12, 2, 0)
    bad = next(step for step in range(6) if 5 in sampler(step).tolist())
    with ReadAhead(Slow(12, broken=5), sampler, 6) as ahead:
        for step in range(bad):
            ahead(step)
        with pytest.raises(InputError, match=r"5\.png"):
            ahead(bad)
    assert names() == []


def test_tensors_in_memory_need_no_thread() -> None:
    with ReadAhead(torch.arange(6.0)[:, None], BatchSampler(6, 3, 0), 2) as ahead:
        assert ahead(0).shape == (3, 1)
        assert names() == []


def test_images_on_disk_decode_ahead(tmp_path) -> None:
    for i in range(5):
        save(tmp_path / f"{i}.png", picture(i))
    disk, memory = (load_unlabelled(tmp_path, memory=memory).inputs for memory in (0, None))
    with ReadAhead(disk, BatchSampler(5, 3, 1), 4) as ahead:
        for step in range(4):
            assert torch.equal(ahead(step), ReadAhead(memory, BatchSampler(5, 3, 1), 4)(step))
