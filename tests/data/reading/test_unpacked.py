"""Decoded images on disk: the same pixels, nothing left behind, and the packed images where they do not fit."""

import pickle

import numpy as np
import pytest
import torch

from synth2real.data.reading.unpacked import Unpacked, Unpacking

IMAGES = torch.arange(5 * 3 * 2 * 4, dtype=torch.uint8).view(5, 3, 2, 4)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "cache"))


def unpacked(images: torch.Tensor) -> Unpacked:
    found = Unpacking.of(len(images), tuple(images.shape[1:]))
    assert found is not None
    for image in images:
        found.add(image.numpy())
    settled = found.settled(len(images), images)
    assert isinstance(settled, Unpacked)
    return settled


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_those_that_were_taken(channels: int) -> None:
    found = unpacked(IMAGES[:, :channels])
    index = torch.tensor([4, 0, 4, 2])
    assert torch.equal(found[index], IMAGES[index, :channels])
    assert found[index].is_contiguous(memory_format=torch.channels_last)
    assert (len(found), found.shape) == (5, IMAGES[:, :channels].shape)
    assert found[index[:0]].shape == (0, channels, 2, 4)
    with pytest.raises(IndexError):
        found[torch.tensor([5])]


def test_no_file_is_left(tmp_path) -> None:
    assert unpacked(IMAGES) is not None
    assert list((tmp_path / "cache").iterdir()) == []


def test_other_processes_and_subsets_take_the_packed_images() -> None:
    found = unpacked(IMAGES)
    assert torch.equal(pickle.loads(pickle.dumps(found)), IMAGES)
    assert torch.equal(found.subset(torch.tensor([3])), IMAGES[3:4])  # type: ignore[arg-type]


def test_too_many_images_stay_packed(monkeypatch) -> None:
    monkeypatch.setattr("synth2real.data.reading.unpacked.FREE", 2**60)
    assert Unpacking.of(5, (3, 2, 4)) is None


def test_levels_stay_packed() -> None:
    found = Unpacking.of(2, (1, 2, 2))
    assert found is not None
    found.add(np.zeros((1, 2, 2), np.uint8))
    found.add(np.zeros((1, 2, 2), np.float32))
    assert found.settled(2, IMAGES) is IMAGES


def test_a_full_disk_leaves_them_packed(monkeypatch) -> None:
    found = Unpacking.of(5, (3, 2, 4))
    assert found is not None

    class Full:
        def write(self, content: object) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    found.file = Full()  # type: ignore[assignment]
    found.add(IMAGES[0].numpy())
    found.add(IMAGES[1].numpy())
    assert found.settled(5, IMAGES) is IMAGES


def test_a_cache_folder_that_cannot_be_made_leaves_them_packed(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "file"))
    assert Unpacking.of(5, (3, 2, 4)) is None
