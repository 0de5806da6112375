"""Large images as domains of tiles: read from any data, cut with their labels, and refused for other labels."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from boxed import coco
from helpers import picture, save
from synth2real import InputError, Labelled, Unlabelled, load, load_unlabelled
from synth2real.data.groups import read_groups
from synth2real.data.labels import Boxes
from synth2real.data.tiles.cutting import as_samples, count_of, names_of
from synth2real.data.tiles.inputs import Tiles

HOW = {"size": (16, 20), "resize": "tiles"}
SIZES = {"a": (40, 70), "b": (16, 20), "c": (5, 33)}


def masked(folder: Path) -> Path:
    for i, (name, size) in enumerate(SIZES.items()):
        save(folder / f"{name}.png", picture(i, size))
        save(folder / f"{name}_mask.png", 255 * (picture(i, size) > 128).astype(np.uint8))
    return folder


def pixels(folder: Path, name: str) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(folder / name)).copy())


@pytest.mark.parametrize("memory", [None, 0], ids=["in memory", "on disk"])
def test_images_and_masks_are_cut_alike(tmp_path, memory) -> None:
    data = load(masked(tmp_path), label="mask:dot", memory=memory, **HOW)
    assert isinstance(data.inputs, Tiles) is (memory == 0)
    assert data.classes == ("background", "dot")
    assert count_of(data) == 3
    assert len(data) == data.tiling.counts.sum() == 3 * 5 + 1 + 2
    assert data.names[1] == "a.png [12, 0]"
    assert names_of(data) == ("a.png", "b.png", "c.png")
    assert data.sizes[-1].tolist() == [5, 20]
    images, masks = data.inputs[torch.arange(len(data))], data.labels.tensor
    assert torch.equal((images[:, 0] > 128)[masks < 255], masks[masks < 255] == 1)
    for i, name in enumerate(SIZES):
        assert torch.equal(data.truth[i], (pixels(tmp_path, f"{name}.png") > 128).to(torch.uint8))


def test_boxes_are_cut_and_kept_whole(tmp_path) -> None:
    data = load(coco(tmp_path), label="boxes", size=(16, 16), resize="tiles")
    assert count_of(data) == 3
    assert data.truth.counts.tolist() == [2, 1, 0]
    assert data.unlabelled().tiling is data.tiling
    for tile, (image, (top, left)) in enumerate(
        zip(data.tiling.image.tolist(), data.tiling.corner.tolist(), strict=True)
    ):
        here, whole = data.labels[torch.tensor([tile])], data.truth[torch.tensor([image])]
        inside = whole.at(whole.corners - torch.tensor([left, top, left, top])).clipped((16, 16))
        assert torch.equal(here.corners, inside.corners)


def test_samples_and_parts_of_images_are_images_of_their_own(tmp_path) -> None:
    data = load(coco(tmp_path), label="boxes", size=(16, 16), resize="tiles")
    alone = as_samples(data)
    assert alone.tiling is None
    assert alone.truth is data.labels
    assert as_samples(data.unlabelled()).names == data.names
    part = data.subset(torch.tensor([1, 0]))
    assert part.tiling is None
    assert part.whole is None
    last = data.subset(data.tiling.tiles_of(torch.tensor([1])))
    assert last.truth.counts.tolist() == [1]
    assert names_of(last) == (names_of(data)[1],)


def test_masks_of_a_part_are_those_of_its_images(tmp_path) -> None:
    data = load(masked(tmp_path), label="mask:dot", **HOW)
    part = data.subset(data.tiling.tiles_of(torch.tensor([2, 0])))
    assert torch.equal(part.truth[0], data.truth[2])
    assert len(part.truth) == 2


def test_arrays_lists_and_npz_are_cut_as_files_are(tmp_path) -> None:
    images = [picture(i, size) for i, size in enumerate(SIZES.values())]
    for i, image in enumerate(images):
        save(tmp_path / f"{i}.png", image)
    files = load_unlabelled(tmp_path, **HOW)
    every = torch.arange(len(files))
    of_list = Unlabelled.of([Image.fromarray(image) for image in images], **HOW)
    assert torch.equal(of_list.inputs[every], files.inputs[every])
    stacked = np.stack([picture(i, (40, 70)) for i in range(3)])
    np.savez(tmp_path / "a.npz", images=stacked, masks=(stacked > 128).astype(np.uint8))
    of_array = Unlabelled.of(stacked, **HOW)
    of_npz = load(tmp_path / "a.npz", label="mask:dot", **HOW)
    every = torch.arange(len(of_array))
    assert len(of_array) == 45
    assert torch.equal(of_npz.inputs[every], of_array.inputs[every])
    labelled = Labelled.of(stacked, (stacked > 128).astype(np.uint8), classes=["background", "dot"], **HOW)
    assert torch.equal(labelled.labels.tensor, of_npz.labels.tensor)
    floats = Unlabelled.of(stacked.astype(np.float32) / 255, **HOW)
    assert floats.inputs[every].dtype == torch.float32


def test_a_list_of_pictures_with_boxes_is_cut(tmp_path) -> None:
    boxes = Boxes.of([torch.tensor([[2.0, 3, 10, 9]]), torch.zeros(0, 4)], [torch.zeros(1), torch.zeros(0)])
    data = Labelled.of([Image.fromarray(picture(i, (40, 70))) for i in range(2)], boxes, classes=["car"], **HOW)
    assert data.truth.counts.tolist() == [1, 0]


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_converted(tmp_path, channels) -> None:
    assert load_unlabelled(masked(tmp_path), channels=channels, masks=False, **HOW).shape == (channels, 16, 20)


def test_deep_images_are_cut_with_one_depth(tmp_path) -> None:
    for i in range(2):
        Image.fromarray(picture(i, (40, 30)).astype(np.uint16) * 16).save(tmp_path / f"{i}.png")
    held, stored = (load_unlabelled(tmp_path, memory=memory, depth=12, **HOW) for memory in (None, 0))
    assert held.depth == 12
    every = torch.arange(len(held))
    assert torch.equal(held.inputs[every], stored.inputs[every])


def test_groups_and_given_columns_are_those_of_the_image(tmp_path) -> None:
    masked(tmp_path)
    rows = [{"file_name": f"{name}.png", "person": f"p{i % 2}", "light": i} for i, name in enumerate(SIZES)]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = load_unlabelled(tmp_path, masks=False, given=["light"], **HOW)
    assert torch.equal(data.given[:, 0], data.tiling.image.float())
    assert torch.equal(read_groups(tmp_path, "person", data), data.tiling.image % 2)


def test_labels_of_whole_images_are_refused(tmp_path) -> None:
    for name in ("x/a.png", "y/b.png"):
        save(tmp_path / name, picture(0, (40, 70)))
    with pytest.raises(InputError, match="a class, a number or a point of a whole image is not that of its tiles"):
        load(tmp_path, **HOW)
    with pytest.raises(InputError, match="the data has classes or numbers of whole images, but --resize tiles"):
        Labelled.of(np.zeros((4, 40, 70), np.uint8), [0, 1, 0, 1], **HOW)


@pytest.mark.parametrize("size", [None, (8, 32)])
def test_a_tile_needs_a_size(tmp_path, size) -> None:
    with pytest.raises(InputError, match="expected the height and width of a tile, at least 16 pixels"):
        load_unlabelled(masked(tmp_path), size=size, resize="tiles")


def test_channels_that_differ_are_refused(tmp_path) -> None:
    save(tmp_path / "a.png", picture(0, (40, 70)))
    save(tmp_path / "b.png", picture(0, (50, 60), 3))
    with pytest.raises(InputError, match="images differ in channels"):
        load_unlabelled(tmp_path, **HOW)
