"""The memory that decoded images may take."""

import torch

from helpers import picture, save
from synth2real import load_unlabelled
from synth2real.data.reading import memory
from synth2real.data.reading.images import ImageFiles, decode
from synth2real.data.reading.pixels import Conversion


def test_the_limit_is_half_of_the_free_memory_of_machine_and_container(tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable:     400 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory.limit() == 200 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert memory.free() == 400 * 1024
    (tmp_path / "memory.max").write_text("5000\n")
    assert memory.free() == 4000


def test_a_system_that_does_not_tell_gets_half_of_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "no")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path / "no")
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert memory.free() == 500 * 4096
    monkeypatch.delattr("os.sysconf")
    assert memory.free() == memory.FALLBACK


def test_a_given_memory_decides_what_stays_on_disk(tmp_path):
    files = [save(tmp_path / f"{i}.png", picture(i, (8, 8))) for i in range(4)]
    assert isinstance(decode(files, Conversion(memory=4 * 64)).images, torch.Tensor)
    assert isinstance(decode(files, Conversion(memory=4 * 64 - 1)).images, ImageFiles)


def test_images_in_memory_are_channels_last_so_that_training_does_not_copy_them(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", picture(i, (8, 8), 3))
    images = load_unlabelled(tmp_path).inputs
    assert images.is_contiguous(memory_format=torch.channels_last)
