"""Maps on which candidates are compared are small, in one resolution, and moves are known at that resolution."""

import pytest
import torch

from discs import discs
from synth2real.data.labels import IGNORED, Masks
from synth2real.select.validators.maps import (
    IMAGES,
    VALUES,
    compact_labels,
    compact_maps,
    compact_size,
    moved_masks,
    shrunk,
)
from synth2real.tasks import Segmentation
from synth2real.training.model import Model

TASK = Segmentation(("background", "disc"), (32, 32))


@pytest.mark.parametrize("classes", [2, 5, 20, 60])
@pytest.mark.parametrize("size", [(32, 32), (128, 128), (480, 640)])
def test_the_maps_of_a_thousand_images_are_bounded(classes: int, size: tuple[int, int]) -> None:
    height, width = compact_size(Segmentation(tuple(map(str, range(classes))), size))
    assert IMAGES * classes * height * width <= VALUES
    assert max(height, width) <= max(size)
    assert height / width == pytest.approx(size[0] / size[1], abs=0.05)


def test_finer_maps_are_averaged_and_coarser_ones_enlarged() -> None:
    outputs = torch.tensor([[[[9.0, -9.0], [-9.0, -9.0]], [[-9.0, 9.0], [9.0, 9.0]]]])
    assert shrunk(TASK, outputs, (1, 1)).flatten().tolist() == pytest.approx([0.25, 0.75], abs=1e-6)
    assert tuple(shrunk(TASK, outputs, (4, 4)).shape) == (1, 2, 4, 4)


def test_labels_have_the_largest_share_of_a_point_and_ignored_pixels_no_say() -> None:
    task = Segmentation(("a", "b"), (128, 128))
    index = torch.zeros(1, 128, 128, dtype=torch.uint8)
    index[0, :2, :2] = torch.tensor([[1, IGNORED], [IGNORED, 0]])
    index[0, 0, 2:4], index[0, 1, 2] = 1, 1
    index[0, :2, 4:6] = IGNORED
    found = compact_labels(task, Masks(index))
    assert found.shape == (1, 64, 64)
    assert found[0, 0, 1:4].tolist() == [1, IGNORED, 0]
    assert int(found.sum()) == 1 + IGNORED + int(found[0, 0, 0])


def test_a_model_that_sees_brightness_finds_the_moved_masks() -> None:
    """Thresholding follows every move of the image: what is expected is what it finds, but for border pixels."""
    made = discs(12, 0, noise=0.0)
    model = Model(TASK, (1, 32, 32), features=torch.nn.Conv2d(1, 1, 1), statistics="none").eval()
    with torch.no_grad():
        inner = next(part for part in model.features.modules() if isinstance(part, torch.nn.Conv2d))
        inner.weight.fill_(1.0)
        inner.bias.zero_()
        head = next(part for part in model.head.modules() if isinstance(part, torch.nn.Conv2d))
        head.weight.copy_(torch.tensor([-100.0, 100.0]).view(2, 1, 1, 1))
        head.bias.copy_(torch.tensor([50.0, -50.0]))
    inputs = model.inputs_of(made.unlabelled())
    maps = compact_maps(model, inputs)
    assert maps.dtype == torch.float16
    original = maps.argmax(1).to(torch.uint8)
    assert torch.equal(original, made.labels.tensor)
    expected, predicted = moved_masks(model, inputs, original)
    known = expected != IGNORED
    assert 0.5 < float(known.float().mean()) < 1
    assert float((expected == predicted)[known].float().mean()) > 0.985
    assert float((predicted == original).float().mean()) < 0.95
