"""Fitting: where images of different sizes, their points and their padding lie after they are brought to one size."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import RESIZED, dot, save
from synth2real import load, load_unlabelled
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.fitting import Fitting, fitted, place
from synth2real.data.multi_source import join
from synth2real.errors import InputError
from synth2real.tasks import Keypoints

SIZES = torch.tensor([[48, 64], [64, 48], [30, 97], [200, 40], [24, 24]])
SIZE = (24, 32)


@pytest.mark.parametrize(
    ("resize", "given", "whole", "corner"),
    [
        ("stretch", (480, 640), (224, 224), (0, 0)),
        ("crop", (480, 640), (224, 299), (0, -38)),
        ("letterbox", (480, 640), (168, 224), (28, 0)),
        ("crop", (100, 50), (448, 224), (-112, 0)),
        ("letterbox", (100, 50), (224, 112), (0, 56)),
        ("letterbox", (4, 4000), (1, 224), (111, 0)),
        ("crop", (112, 112), (224, 224), (0, 0)),
    ],
)
def test_where_an_image_lies_in_a_square(resize, given, whole, corner) -> None:
    assert place(given, (224, 224), resize) == (whole, corner)


@pytest.mark.parametrize("resize", RESIZED)
def test_points_come_back_in_pixels_of_the_image_as_given(resize) -> None:
    fitting = Fitting(SIZES, SIZE, resize)
    points = torch.rand(5, 3, 2, dtype=torch.float64) * SIZES.flip(1)[:, None]
    assert torch.allclose(fitting.from_input(fitting.to_input(points)), points, atol=1e-4)
    part = fitting.subset(torch.tensor([3, 1]))
    assert torch.equal(part.to_input(points[[3, 1]]), fitting.to_input(points)[[3, 1]])


@pytest.mark.parametrize("suffix", ["png", "jpg", "npz"])
@pytest.mark.parametrize("resize", RESIZED)
def test_a_dot_is_where_its_label_says_after_every_way_to_resize(tmp_path, resize, suffix) -> None:
    """In both directions of shrinking; JPEGs are decoded at half of their size."""
    rows, dots = ["file_name,x,y"], []
    for i, (x, y, size) in enumerate([(60.3, 40.6, (90, 120)), (45.0, 70.4, (120, 90)), (50.5, 50.2, (100, 100))]):
        pixels = dot(x, y, size)
        if suffix == "npz":
            dots.append(dot(60.3 - 4 * i, 40.6, (90, 120)))
            rows.append(f"{i},{60.3 - 4 * i},40.6")
            continue
        Image.fromarray(pixels).save(tmp_path / f"{i}.{suffix}", **({"quality": 98} if suffix == "jpg" else {}))
        rows.append(f"{i}.{suffix},{x},{y}")
    where = tmp_path
    if suffix == "npz":
        where = tmp_path / "a.npz"
        values = np.array([list(map(float, row.split(",")[1:])) for row in rows[1:]])
        np.savez(where, images=np.stack(dots), labels=values)
    else:
        (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n")
    data = load(where, ["x", "y"], size=(40, 48), resize=resize)
    found = data.inputs[:, 0].double()
    found = (found - found.flatten(1).median(1).values[:, None, None]).clamp(min=0)
    found[found < 20] = 0
    columns, lines = torch.arange(48.0), torch.arange(40.0)
    total = found.sum((1, 2))
    centre = torch.stack([(found.sum(1) * columns).sum(1), (found.sum(2) * lines).sum(1)], 1) / total[:, None]
    expected = Keypoints(("x", "y"), (40, 48)).to_input(data.labels, data.fitting)
    assert float((centre - expected).abs().max()) < 0.15


def test_letterbox_keeps_the_ratio_and_pads_with_the_mean_of_the_image(tmp_path) -> None:
    pixels = np.full((20, 40, 3), (200, 100, 0), dtype=np.uint8)
    pixels[:, :20] = 0
    save(tmp_path / "a.png", pixels)
    np.savez(tmp_path / "a.npz", images=pixels[None])
    for path in (tmp_path / "a.png", tmp_path / "a.npz"):
        found = load_unlabelled(path, size=(20, 20), resize="letterbox")
        assert found.inputs[0, :, 0, 0].tolist() == found.inputs[0, :, 19, 19].tolist() == [100, 50, 0]
        assert found.inputs[0, 0, 5:15].tolist() == [[0] * 10 + [200] * 10] * 10
        assert found.fitting.padded
        assert found.fitting.inside[0].sum() == 200
        assert found.fitting.inside[0, 5:15].all()


def test_crop_takes_the_middle(tmp_path) -> None:
    pixels = np.zeros((20, 40), dtype=np.uint8)
    pixels[:, 10:30] = 255
    save(tmp_path / "a.png", pixels)
    np.savez(tmp_path / "a.npz", images=pixels[None])
    for path in (tmp_path / "a.png", tmp_path / "a.npz"):
        found = load_unlabelled(path, size=(10, 10), resize="crop")
        assert found.inputs.unique().tolist() == [255]
        assert found.sizes.tolist() == [[20, 40]]
        assert not found.fitting.padded
        assert found.fitting.inside.all()


def test_images_of_more_than_8_bits_are_padded_alike(tmp_path) -> None:
    Image.fromarray(np.full((8, 16), 2000, dtype=np.uint16)).save(tmp_path / "a.png")
    found = load_unlabelled(tmp_path, size=(16, 16), depth=12, resize="letterbox").inputs
    assert found.unique().tolist() == [round(255 * 2000 / 4095)]


@pytest.mark.parametrize("resize", RESIZED)
def test_images_on_disk_are_fitted_as_those_in_memory(tmp_path, resize) -> None:
    for i, size in enumerate([(30, 50), (50, 30), (41, 41)]):
        save(tmp_path / f"{i}.png", np.random.default_rng(i).integers(0, 255, (*size, 3), dtype=np.uint8))
    memory = load_unlabelled(tmp_path, size=(16, 20), resize=resize)
    disk = load_unlabelled(tmp_path, size=(16, 20), resize=resize, memory=0)
    assert torch.equal(memory.inputs, disk.inputs[torch.arange(3)])
    assert (disk.resize, disk.fitting.resize) == (resize, resize)


def test_points_that_crop_cuts_off_are_counted_in_a_warning() -> None:
    labels = torch.tensor([[1.0, 5.0, 10.0, 5.0], [18.0, 5.0, torch.nan, torch.nan]], dtype=torch.float64)
    data = Labelled(
        torch.zeros(2, 1, 10, 10),
        labels,
        columns=("a", "b", "c", "d"),
        sizes=torch.tensor([[10, 20]] * 2),
        resize="crop",
    )
    with pytest.warns(UserWarning, match="2 of 4 points lie in the margins that crop cuts off.*letterbox"):
        Keypoints.of(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Keypoints.of(replace(data, resize="letterbox"))


def test_without_padding_the_content_fills_the_frame() -> None:
    images = torch.rand(1, 3, 40, 30)
    inside = fitted(images, (20, 15))
    padded = fitted(images, (20, 24), "letterbox")
    fitting = Fitting(torch.tensor([[40, 30]]), (20, 24), "letterbox")
    assert torch.equal(padded[:, :, :, 4:19], inside)
    assert torch.allclose(fitting.unpadded(padded), fitted(inside, (20, 24)))
    assert torch.allclose(padded.mean((2, 3)), inside.mean((2, 3)), atol=1e-6)
    changed = fitting.keep_padding(torch.zeros_like(padded), padded)
    assert torch.equal(changed[:, :, :, :4], padded[:, :, :, :4])
    assert changed[:, :, :, 4:19].abs().max() == 0


def test_sources_that_were_resized_in_different_ways_are_not_joined() -> None:
    one = Labelled(torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64), ("a",), sizes=torch.tensor([[8, 9]] * 2))
    assert join([replace(one, resize="crop"), replace(one, sizes=None)]).resize == "crop"
    with pytest.raises(InputError, match=r"resized in different ways .crop, stretch.*same resize="):
        join([one, replace(one, resize="crop")])


def test_a_domain_keeps_how_it_was_resized() -> None:
    data = Unlabelled(torch.zeros(2, 1, 8, 8), sizes=torch.tensor([[8, 9]] * 2), resize="letterbox")
    labelled = data.labelled(torch.zeros(2, dtype=torch.int64), ("a",))
    for one in (data.subset(torch.tensor([1])), labelled, labelled.unlabelled()):
        assert one.fitting.resize == "letterbox"
    assert replace(data, sizes=None).fitting is None
