"""Images with masks, from folders in three layouts, from `.npz` and from COCO."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import below, picture, save
from synth2real import load, load_unlabelled
from synth2real.data.masks.files import MaskFiles
from synth2real.data.reading.progress import told
from synth2real.errors import InputError, LeftOutWarning

SIZE = (12, 16)
NAMES = "{0: background, 1: cell, 2: nucleus}"


def mask(seed: int, size: tuple[int, int] = SIZE, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, size).astype(np.uint8)


def beside(folder: Path, count: int = 3, scale: int = 1) -> Path:
    for i in range(count):
        save(folder / f"{i}.png", picture(i, SIZE))
        save(folder / f"{i}_mask.png", mask(i) * np.uint8(scale))
    return folder


def parallel(folder: Path, images: str = "images", masks: str = "masks") -> Path:
    for i in range(3):
        save(folder / images / f"part/{i}.jpg", picture(i, SIZE))
        save(folder / masks / f"part/{i}.png", mask(i))
    return folder


def cityscapes(folder: Path) -> Path:
    for i in range(3):
        save(folder / f"leftImg8bit/val/ulm/ulm_{i}_leftImg8bit.png", picture(i, SIZE))
        save(folder / f"gtFine/val/ulm/ulm_{i}_gtFine_labelIds.png", mask(i))
    return folder


def expected() -> torch.Tensor:
    return torch.from_numpy(np.stack([mask(i) for i in range(3)]))


@pytest.mark.parametrize("write", [beside, parallel, cityscapes])
def test_the_three_layouts_give_the_same_masks(tmp_path, write):
    (write(tmp_path) / "classes.yaml").write_text(NAMES)
    data = load(tmp_path, label="mask")
    assert data.classes == ("background", "cell", "nucleus")
    assert torch.equal(data.labels.tensor, expected())
    assert all("mask" not in name and "gtFine" not in name for name in data.names)


@pytest.mark.parametrize("names", [("images", "labels"), ("imgs", "annotations"), ("Images", "Masks")])
def test_folders_of_images_and_masks_have_several_names(tmp_path, names):
    assert torch.equal(load(parallel(tmp_path, *names), label="mask").labels.tensor, expected())


def test_images_of_masks_are_read_without_them_where_there_are_no_labels(tmp_path):
    assert len(load_unlabelled(parallel(tmp_path), masks=False)) == 3
    assert len(load_unlabelled(tmp_path)) == 6


def test_without_a_legend_ids_are_counted_and_gaps_are_closed(tmp_path):
    data = load(beside(tmp_path, scale=10), label="mask")
    assert data.classes == ("0", "10", "20")
    assert torch.equal(data.labels.tensor, expected())


def test_255_counts_nowhere_beside_other_ids(tmp_path):
    save(tmp_path / "a.png", picture(0, SIZE))
    save(tmp_path / "a_mask.png", np.where(mask(0) == 2, 255, mask(0)).astype(np.uint8))
    data = load(tmp_path, label="mask")
    assert data.classes == ("0", "1")
    assert data.labels.tensor.unique().tolist() == [0, 1, 255]


def test_black_and_white_masks_are_background_and_foreground_and_that_is_said(tmp_path):
    said: list[str] = []
    for i in range(2):
        save(tmp_path / f"{i}.png", picture(i, SIZE))
        save(tmp_path / f"{i}_mask.png", mask(i, classes=2) * np.uint8(255))
    with told(lambda *_: None, said.append):
        data = load(tmp_path, label="mask")
    assert data.classes == ("background", "mask")
    assert data.labels.tensor.unique().tolist() == [0, 1]
    assert "0 is background, 255 is mask" in said[0]
    assert load(tmp_path, label="mask:pupil").classes == ("background", "pupil")
    assert load(tmp_path, label="mask", classes=("nothing", "cell")).classes == ("nothing", "cell")
    with pytest.raises(InputError, match="black and white, but the classes are a, b, c"):
        load(tmp_path, label="mask", classes=("a", "b", "c"))


def test_masks_of_one_bit_are_black_and_white(tmp_path):
    save(tmp_path / "a.png", picture(0, SIZE))
    Image.fromarray(mask(0, classes=2).astype(bool)).save(tmp_path / "a_mask.png")
    assert load(tmp_path, label="mask").classes == ("background", "mask")
    (tmp_path / "classes.yaml").write_text("{0: background, 1: cell}")
    assert load(tmp_path, label="mask").labels.tensor.unique().tolist() == [0, 1]


def test_some_regions_are_asked_for_and_others_become_the_background(tmp_path):
    (beside(tmp_path) / "classes.yaml").write_text(NAMES)
    data = load(tmp_path, label=["mask:nucleus"])
    assert data.classes == ("background", "nucleus")
    assert torch.equal(data.labels.tensor, (expected() == 2).byte())
    with pytest.raises(InputError, match="has no region 'iris', expected some of: background, cell, nucleus"):
        load(tmp_path, label="mask:iris")


def test_masks_on_disk_stay_there_like_their_images_and_are_the_same(tmp_path):
    (beside(tmp_path) / "classes.yaml").write_text(NAMES)
    on_disk = load(tmp_path, label="mask", memory=100, size=(9, 9), resize="letterbox")
    in_memory = load(tmp_path, label="mask", size=(9, 9), resize="letterbox")
    assert isinstance(on_disk.labels.index, MaskFiles)
    assert torch.equal(on_disk.labels.tensor, in_memory.labels.tensor)
    index = torch.tensor([2, 0])
    assert torch.equal(on_disk.subset(index).labels.tensor, in_memory.labels.tensor[index])


def test_masks_are_cropped_and_padded_with_their_images(tmp_path):
    save(tmp_path / "a.png", np.tile(np.arange(0, 160, 10, dtype=np.uint8), (8, 1)))  # 8 x 16
    save(tmp_path / "a_mask.png", np.tile(np.arange(16, dtype=np.uint8), (8, 1)))
    crop = load(tmp_path, label="mask", size=(8, 8), resize="crop")
    assert crop.labels.tensor[0, 0].tolist() == list(range(4, 12))
    assert (crop.inputs[0, 0] // 10).tolist() == crop.labels.tensor[0].tolist()
    boxed = load(tmp_path, label="mask", size=(16, 16), resize="letterbox").labels.tensor[0]
    assert (boxed[:4] == 255).all()
    assert (boxed[12:] == 255).all()
    assert boxed[4].tolist() == list(range(16))


def test_an_npz_has_masks_beside_its_images(tmp_path):
    images = np.stack([picture(i, SIZE) for i in range(3)])
    np.savez(tmp_path / "a.npz", images=images, masks=expected().numpy(), classes=np.array(["background", "b", "c"]))
    data = load(tmp_path / "a.npz", label="mask", size=(6, 8))
    assert data.classes == ("background", "b", "c")
    assert data.labels.size == (6, 8)
    np.savez(tmp_path / "b.npz", images=images, masks=expected().numpy()[:, :4])
    with pytest.raises(InputError, match=r"'masks' of shape \(3, 4, 16\), expected \(3, 12, 16\), as the images"):
        load(tmp_path / "b.npz", label="mask")
    np.savez(tmp_path / "c.npz", images=images)
    with pytest.raises(InputError, match=r"found the arrays 'images', expected 'images' and 'masks' \(N, H, W\)"):
        load(tmp_path / "c.npz", label="mask")


def coco(folder: Path, **annotation: object) -> Path:
    save(folder / "a.png", picture(0, (8, 10)))
    of = {"image_id": 1, "iscrowd": 0, "area": 1}
    polygons = [
        {"id": 1, "category_id": 1, "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8]]},
        {"id": 2, "category_id": 2, "segmentation": [[2, 2, 4, 2, 4, 4, 2, 4]]},
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 10}],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "nucleus"}],
        "annotations": [{**of, "bbox": [0, 0, 8, 8], **one, **annotation} for one in polygons],
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def test_instances_of_coco_are_drawn_small_ones_above_large_ones(tmp_path):
    data = load(coco(tmp_path), label="mask")
    drawn = data.labels.tensor[0]
    assert data.classes == ("background", "cell", "nucleus")
    assert drawn.flatten().bincount().tolist() == [16, 60, 4]
    assert (drawn[2:4, 2:4] == 2).all()


def test_crowds_of_coco_count_nowhere(tmp_path):
    drawn = load(coco(tmp_path, iscrowd=1), label="mask").labels.tensor
    assert drawn.unique().tolist() == [0, 255]


def test_boxes_of_coco_without_masks_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"in 1 of 1 images of COCO JSON an object has no mask, the first is a.png"):
        load(coco(tmp_path, segmentation=[]), label="mask")


def test_an_image_without_a_mask_is_refused_with_the_count_and_the_first_name(tmp_path):
    beside(tmp_path)
    for name in ("7.png", "8.png"):
        save(tmp_path / name, picture(7, SIZE))
    with pytest.raises(InputError, match=r"2 of 5 images have no mask, the first is 7.png.*has a mask of zeros"):
        load(tmp_path, label="mask")


def test_a_mask_without_an_image_is_refused(tmp_path):
    save(beside(tmp_path) / "9_mask.png", mask(9))
    with pytest.raises(InputError, match=r"1 masks have no image, the first is 9_mask.png"):
        load(tmp_path, label="mask")


def test_two_masks_of_one_image_are_refused(tmp_path):
    save(parallel(tmp_path) / "masks/part/1.tif", mask(1))
    with pytest.raises(InputError, match=r"1.png and .*1.tif are masks of one image"):
        load(tmp_path, label="mask")


def test_a_mask_of_another_size_is_refused_with_both_names(tmp_path):
    save(beside(tmp_path) / "1_mask.png", mask(1, (6, 8)))
    with pytest.raises(InputError, match=r"1_mask.png: is a mask of 6x8 for .*1.png of 12x16 \(height x width\)"):
        load(tmp_path, label="mask")


def test_a_folder_without_masks_is_refused_with_the_layouts(tmp_path):
    save(tmp_path / "a.png", picture(0))
    with pytest.raises(InputError, match=r"found no masks, expected NAME_mask.png beside each image, the folders"):
        load(tmp_path, label="mask")
    parallel(tmp_path / "set")
    with pytest.raises(InputError, match=r"found no masks, but .*masks beside it. Give the folder of both"):
        load(tmp_path / "set/images", label="mask")


def test_an_id_that_the_legend_lacks_is_refused_with_its_file(tmp_path):
    (beside(tmp_path) / "classes.yaml").write_text("{0: background, 1: cell}")
    with pytest.raises(InputError, match=r"\d_mask.png: holds the id 2, which is not in .*classes.yaml, expected 0, 1"):
        load(tmp_path, label="mask")


def test_files_that_are_neither_image_nor_mask_are_left_out_with_a_warning(tmp_path):
    save(cityscapes(tmp_path) / "gtFine/val/ulm/ulm_0_gtFine_color.png", mask(0))
    with pytest.warns(LeftOutWarning, match="left out 1 image files that are neither images nor masks"):
        assert len(load(tmp_path, label="mask")) == 3


def test_unreadable_images_are_skipped_with_their_masks(tmp_path):
    (beside(tmp_path) / "1.png").write_bytes(b"nothing")
    with pytest.warns(LeftOutWarning, match="skipped 1 unreadable"):
        data = load(tmp_path, label="mask", skip_bad=True)
    assert torch.equal(data.labels.tensor, expected()[[0, 2]])
    assert len(below(tmp_path)) == 6
