"""Tiles of images: their pixels, the padding of small images, few decodings, and the order of reading."""

import pickle
from collections import Counter

import numpy as np
import pytest
import torch

from synth2real.data.batch_sampler import ShardSampler, sampler_of
from synth2real.data.fitting import Fitting, fitted
from synth2real.data.labels import IGNORED
from synth2real.data.tiles import inputs as tiles_module
from synth2real.data.tiles import wholes as wholes_module
from synth2real.data.tiles.inputs import Tiles, cut_into
from synth2real.data.tiles.tiling import Tiling
from synth2real.data.tiles.wholes import HeldWholes

SIDE = (16, 20)
SIZES = [(40, 70), (16, 20), (17, 21), (5, 100), (9, 7)]


def pictures(channels: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 255, (channels, *size), dtype=np.uint8) for size in SIZES]


class Counted:
    """Images on disk, of which each reading is counted."""

    runs = None

    def __init__(self, images):
        self.images, self.read = images, Counter()
        self.shape = torch.Size((len(images), *images[0].shape[:-2], *SIDE))

    def __len__(self):
        return len(self.images)

    def wholes(self, index):
        self.read.update(index)
        return [self.images[i] for i in index]


def tiling_of() -> Tiling:
    return Tiling.of(torch.tensor(SIZES), SIDE)


@pytest.mark.parametrize("kind", [HeldWholes, Counted])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_show_their_part_of_the_image_in_the_middle_of_padding(kind, channels) -> None:
    images, tiling = pictures(channels), tiling_of()
    wholes = HeldWholes(images, SIDE) if kind is HeldWholes else Counted(images)
    tiles = Tiles(wholes, tiling.image, tiling.corner)
    index = torch.randperm(len(tiles), generator=torch.Generator().manual_seed(0))
    found = tiles[index]
    assert found.dtype == torch.uint8
    assert found.is_contiguous(memory_format=torch.channels_last)
    inside = Fitting(tiling.content, SIDE, "tiles").subset(index).inside
    for tile, one, seen in zip(index.tolist(), found, inside, strict=True):
        (top, left), (tall, wide) = tiling.corner[tile].tolist(), tiling.content[tile].tolist()
        part = torch.from_numpy(images[int(tiling.image[tile])][:, top : top + tall, left : left + wide])
        assert torch.equal(one[:, seen].reshape(channels, tall, wide), part)
        mean = part.double().mean((1, 2)).round()
        assert torch.equal(one[:, ~seen].double(), mean[:, None].expand(-1, int((~seen).sum())))


def test_the_padding_is_that_of_a_letterbox() -> None:
    image = pictures()[0][:, :7, :16]  # as wide as a tile, so that a letterbox does not enlarge it
    tiling = Tiling.of(torch.tensor([[7, 16]]), (16, 16))
    found = Tiles(HeldWholes([image], (16, 16)), tiling.image, tiling.corner)[torch.arange(1)]
    assert torch.equal(found, fitted(torch.from_numpy(image.copy())[None], (16, 16), "letterbox"))


def test_masks_have_padding_that_counts_nowhere() -> None:
    masks, tiling = [one[0] % 3 for one in pictures()], tiling_of()
    found = Tiles(HeldWholes(masks, SIDE), tiling.image, tiling.corner)[torch.arange(len(tiling))]
    inside = Fitting(tiling.content, SIDE, "tiles").inside
    assert bool((found[~inside] == IGNORED).all())
    assert int(found[inside].max()) == 2


def test_floats_stay_floats() -> None:
    images = [one.astype(np.float32) / 255 for one in pictures()]
    tiling = tiling_of()
    assert Tiles(HeldWholes(images, SIDE), tiling.image, tiling.corner)[torch.arange(4)].dtype == torch.float32


def test_an_image_is_decoded_once_for_all_its_tiles_in_a_row() -> None:
    wholes, tiling = Counted(pictures()), tiling_of()
    tiles = Tiles(wholes, tiling.image, tiling.corner)
    for part in torch.arange(len(tiles)).split(3):
        tiles[part]
    assert set(wholes.read.values()) == {1}


def test_the_memory_of_decoded_images_is_bounded(monkeypatch) -> None:
    images = pictures()
    monkeypatch.setattr(wholes_module, "KEPT", images[0].nbytes + 1)
    monkeypatch.setattr(tiles_module, "AT_ONCE", 2)
    wholes, tiling = Counted(images), tiling_of()
    tiles = Tiles(wholes, tiling.image, tiling.corner)
    assert torch.equal(
        tiles[torch.arange(len(tiles))],
        Tiles(HeldWholes(images, SIDE), tiling.image, tiling.corner)[torch.arange(len(tiles))],
    )
    assert sum(one.nbytes for one in tiles.of._kept.values()) <= images[0].nbytes + 1


def test_an_epoch_reads_each_image_about_once(monkeypatch) -> None:
    monkeypatch.setattr(tiles_module, "TOGETHER", 2)
    wholes, tiling = Counted(pictures()), tiling_of()
    monkeypatch.setattr(wholes_module, "KEPT", 2 * wholes.images[0].nbytes)
    tiles = Tiles(wholes, tiling.image, tiling.corner)
    sampler = sampler_of(tiles, 4, 0)
    assert isinstance(sampler, ShardSampler)
    drawn = [sampler(step) for step in range(len(tiles) // 4)]
    for index in drawn:
        tiles[index]
    assert max(wholes.read.values()) <= 2
    assert torch.cat(drawn).unique().numel() == 4 * len(drawn)
    assert sampler_of(cut_into(HeldWholes(wholes.images, SIDE), tiling), 4, 0).__class__ is not ShardSampler


def test_tiles_of_little_images_in_memory_are_a_tensor_and_others_travel_to_a_process() -> None:
    images, tiling = pictures(), tiling_of()
    held = cut_into(HeldWholes(images, SIDE), tiling)
    assert isinstance(held, torch.Tensor)
    tiles = Tiles(Counted(images), tiling.image, tiling.corner)
    tiles[torch.arange(3)]
    assert torch.equal(pickle.loads(pickle.dumps(tiles))[torch.arange(len(tiles))], held)
    assert torch.equal(tiles.subset(torch.tensor([2, 0])), held[[2, 0]])


def test_a_part_on_disk_stays_there(monkeypatch) -> None:
    monkeypatch.setattr(tiles_module, "COPIED", 0)
    tiling, wholes = tiling_of(), Counted(pictures())
    part = Tiles(wholes, tiling.image, tiling.corner).subset(torch.tensor([5, 1]))
    assert isinstance(part, Tiles)
    assert not wholes.read
    assert len(part[torch.arange(2)]) == 2
    assert part.runs is not None
    assert sorted(part.runs.order.tolist()) == [0, 1]
