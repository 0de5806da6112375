"""Masks are placed back into the images as given."""

import pytest
import torch

from synth2real.data.fitting import Fitting
from synth2real.data.masks.pixels import fitted_index
from synth2real.tasks import original_size
from synth2real.tasks.original_size import original_masks

SIZE = (32, 32)


def regions(height: int, width: int) -> torch.Tensor:
    """A mask of three classes with large regions."""
    mask = torch.zeros(height, width, dtype=torch.uint8)
    mask[:, width // 2 :] = 1
    mask[height // 4 : height // 2, width // 3 : 2 * width // 3] = 2
    return mask


def outputs(masks: list[torch.Tensor]) -> torch.Tensor:
    """Maps of outputs that say the classes of fitted masks; padding is class 0."""
    known = torch.stack([mask.where(mask != 255, 0) for mask in masks]).long()
    return torch.nn.functional.one_hot(known, 3).movedim(-1, 1).float()


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("given", [(64, 96), (50, 20), (16, 16)])
def test_a_mask_that_was_fitted_is_nearly_itself_again(resize, given):
    mask = regions(*given)
    fitted = torch.from_numpy(fitted_index(mask.numpy(), SIZE, resize))
    (found,) = original_masks(outputs([fitted]), Fitting(torch.tensor([given]), SIZE, resize))
    assert found.shape == mask.shape
    known = found != 255
    assert (found == mask)[known].float().mean() > 0.94  # all but pixels at outlines
    assert bool(known.all()) == (resize != "crop" or given == (16, 16))


def test_images_of_different_sizes_have_masks_of_their_sizes():
    sizes = torch.tensor([[40, 50], [7, 9]])
    masks = original_masks(torch.rand(2, 3, 8, 8), Fitting(sizes, SIZE, "stretch"))
    assert [tuple(mask.shape) for mask in masks] == [(40, 50), (7, 9)]


def test_large_images_in_parts_have_the_same_masks(monkeypatch):
    maps, fitting = torch.rand(1, 3, 8, 8), Fitting(torch.tensor([[40, 50]]), SIZE, "letterbox")
    (whole,) = original_masks(maps, fitting)
    monkeypatch.setattr(original_size, "VALUES", 500)
    assert torch.equal(original_masks(maps, fitting)[0], whole)
