"""Masks and boxes: what they hold, and how they move with their images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synth2real.data.domains import Labelled
from synth2real.data.labels import IGNORED, Boxes, Masks, joined
from synth2real.errors import InputError
from synth2real.transforms.mix import ClassMix, Mix
from synth2real.transforms.warp import Warp

SIZE = (24, 32)
BOXES = Boxes.of(
    [torch.tensor([[1.0, 2, 5, 6], [0, 0, 32, 24]]), torch.zeros(0, 4), torch.tensor([[3.0, 3, 9, 7]])],
    [torch.tensor([0, 1]), torch.zeros(0), torch.tensor([1])],
)


def discs(centres: torch.Tensor, radius: float) -> torch.Tensor:
    """Masks (N, H, W) uint8 of one disc each."""
    y, x = torch.meshgrid(*(torch.arange(side) for side in SIZE), indexing="ij")
    apart = (x - centres[:, :1, None]) ** 2 + (y - centres[:, 1:, None]) ** 2
    return (apart <= radius**2).to(torch.uint8)


def warps(n: int, seed: int, **amplitudes: float) -> Warp:
    return Warp.sample(n, SIZE, generator=torch.Generator().manual_seed(seed), **amplitudes)


def test_masks_of_some_images_are_taken_in_order():
    masks = Masks(torch.arange(4 * 6).view(4, 2, 3).to(torch.uint8))
    assert torch.equal(masks[torch.tensor([2, 0])].tensor, masks.tensor[[2, 0]])
    assert len(masks) == 4
    assert masks.size == (2, 3)
    assert torch.equal(joined([masks, masks[torch.tensor([1])]]).tensor, masks.tensor[[0, 1, 2, 3, 1]])


@pytest.mark.parametrize("wrong", [torch.zeros(2, 3, 3), torch.zeros(2, 3, dtype=torch.uint8)])
def test_masks_of_another_kind_are_refused(wrong):
    with pytest.raises(InputError, match=r"expected class indices \(N, H, W\) uint8, with 255 for a pixel"):
        Masks(wrong)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_warped_mask_is_the_mask_of_what_was_warped_but_for_its_border(seed):
    """The disc is convex, so a pixel is inside the warped disc where its place before the warp is inside the disc."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(3, 2, generator=generator) * torch.tensor([16.0, 8]) + 8
    warp = warps(3, seed, rotation=30, scale=0.2, shear=0.2, shift=0.1, elastic=0.05, mirror=0.5)
    found = Masks(discs(centres, 5)).warped(warp).tensor.bool()
    y, x = torch.meshgrid(*(torch.arange(side) for side in SIZE), indexing="ij")
    before = warp.inverse_points(torch.stack([x, y], -1).float().view(1, -1, 2).expand(3, -1, -1)).view(3, *SIZE, 2)
    apart = (before - centres[:, None, None]).norm(dim=-1)
    inside = (before >= 0).all(-1) & (before[..., 0] <= SIZE[1] - 1) & (before[..., 1] <= SIZE[0] - 1)
    assert found[(apart < 4.2) & inside].all()
    assert not found[(apart > 5.8) & inside].any()


def test_an_identity_warp_changes_no_mask_and_no_box():
    masks = Masks(torch.randint(0, 4, (3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)))
    same = Warp.identity(3, SIZE)
    assert torch.equal(masks.warped(same).tensor, masks.tensor)
    assert torch.allclose(BOXES.warped(same).corners, BOXES.corners, atol=1e-4)


def test_masks_are_mixed_by_the_patches_of_their_images():
    masks = Masks(torch.arange(2, dtype=torch.uint8).view(2, 1, 1).expand(2, *SIZE).contiguous())
    patch = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]])
    mix = Mix(torch.tensor([1, 0]), torch.ones(2, 1, 1, 1), patch, SIZE)
    mixed = masks.mixed(mix).tensor
    assert (mixed[0, :12, :16] == 1).all()
    assert mixed[0].sum() == 12 * 16
    assert (mixed[1] == 1).all()
    image = mix.image(masks.tensor[:, None].float())[:, 0]
    assert torch.equal(image, mixed.float())


def test_a_class_mix_pastes_whole_classes_and_the_background_last():
    masks = torch.tensor([[[0, 0, 1, 2], [0, IGNORED, 1, 2]]], dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        region = ClassMix.sample(masks, IGNORED, 1.0, generator).region[0, 0]
        pasted = {int(value) for value in masks[0][region]}
        assert pasted == {1, 2}  # half of three classes, rounded up, and not the background
        assert all(region[masks[0] == value].all() for value in pasted)
    assert not ClassMix.sample(masks, IGNORED, 0.0, generator).region.any()


def test_boxes_of_some_images_are_taken_in_order():
    taken = BOXES[torch.tensor([2, 1, 0])]
    assert taken.counts.tolist() == [1, 0, 2]
    assert taken.corners[0].tolist() == [3, 3, 9, 7]
    assert taken.classes.tolist() == [1, 0, 1]
    assert taken.image.tolist() == [0, 2, 2]
    assert joined([BOXES, taken]).counts.tolist() == [2, 0, 1, 1, 0, 2]


def test_boxes_are_cut_at_the_frame_and_dropped_when_little_is_left():
    moved = BOXES.scaled(torch.ones(3, 2), torch.tensor([[-4.0, 0], [0, 0], [0, 0]]))
    assert moved.clipped(SIZE).corners.tolist() == [[0, 2, 1, 6], [0, 0, 28, 24], [3, 3, 9, 7]]
    assert moved.clipped(SIZE, visible=0.3).counts.tolist() == [1, 0, 1]
    assert moved.clipped(torch.tensor([SIZE, SIZE, (4, 5)])).corners.tolist()[2] == [3, 3, 5, 4]


def test_boxes_of_classes_that_are_left_out_are_dropped():
    found = BOXES.mapped(torch.tensor([-1, 4]))
    assert found.classes.tolist() == [4, 4]
    assert found.counts.tolist() == [1, 0, 1]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_warped_box_is_around_the_warped_mask_of_the_ellipse_in_the_box(seed):
    generator = torch.Generator().manual_seed(seed)
    corners = (torch.rand(3, 2, generator=generator) * torch.tensor([12.0, 8]) + 6).round()
    corners = torch.cat([corners, corners + torch.randint(4, 9, (3, 2), generator=generator)], 1)
    boxes = Boxes.of(list(corners[:, None]), [torch.zeros(1)] * 3)
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in SIZE), indexing="ij")
    centre, half = (corners[:, :2] + corners[:, 2:]) / 2, (corners[:, 2:] - corners[:, :2]) / 2
    away = (torch.stack([x, y], -1)[None] - centre[:, None, None]) / half[:, None, None]
    masks = (away.square().sum(-1) <= 1).to(torch.uint8)
    warp = warps(3, seed, rotation=20, scale=0.2, shift=0.05, mirror=0.5)
    moved, drawn = boxes.warped(warp, visible=0.0), Masks(masks).warped(warp).tensor
    for box, mask in zip(moved.corners, drawn, strict=True):
        y, x = mask.nonzero().unbind(1)
        around = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]).float()
        assert (box - around).abs().max() <= 1.5


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((torch.zeros(2, 3), torch.zeros(2).long(), torch.tensor([0, 2])), r"corners of boxes are .* expected"),
        ((torch.zeros(2, 4), torch.zeros(2), torch.tensor([0, 2])), "classes of boxes are torch.float32"),
        ((torch.zeros(2, 4), torch.zeros(2).long(), torch.tensor([0, 1])), "offsets of boxes are .* rise from 0 to 2"),
    ],
)
def test_boxes_of_other_shapes_are_refused(parts, message):
    with pytest.raises(InputError, match=message):
        Boxes(*parts)


def test_labelled_checks_masks_and_boxes():
    images = torch.zeros(3, 1, *SIZE, dtype=torch.uint8)
    masks = Masks(torch.full((3, *SIZE), IGNORED, dtype=torch.uint8))
    assert len(Labelled(images, masks, ("ground", "thing")).subset(torch.tensor([1])).labels) == 1
    with pytest.raises(InputError, match="masks of 24x32 for images of 24x16, expected the same size"):
        Labelled(images[..., :16], masks, ("ground", "thing"))
    with pytest.raises(InputError, match="masks without class names"):
        Labelled(images, masks)
    with pytest.raises(InputError, match="boxes with the classes 0 to 1, expected 0 to 0"):
        Labelled(images, BOXES, ("cell",))
    with pytest.raises(InputError, match=r"boxes for features of shape \(4,\)"):
        Labelled(torch.zeros(3, 4), BOXES, ("cell", "other"))
