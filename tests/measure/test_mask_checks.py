"""What is said of masks before a training."""

import torch

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.labels import Masks
from synth2real.measure.data_checks import check, contradicting
from synth2real.measure.mask_checks import described, warnings_of

CLASSES = ("background", "cell", "rare")


def domain(masks: torch.Tensor, classes: tuple[str, ...] = CLASSES) -> Labelled:
    images = torch.rand(len(masks), 1, *masks.shape[1:], generator=torch.Generator().manual_seed(0))
    return Labelled((255 * images).byte(), Masks(masks), classes)


def cells(count: int = 20) -> torch.Tensor:
    masks = torch.zeros(count, 16, 16, dtype=torch.uint8)
    masks[:, 4:8, 4:8] = 1
    return masks


def lines(data: Labelled) -> list[str]:
    return warnings_of({"source": {"count": len(data), **described(data)}})


def test_masks_without_a_fault_are_described_and_nothing_is_warned():
    data = domain(cells(), CLASSES[:2])
    found = described(data)
    assert found["masks"]["cell"] == {"share": 16 / 256, "images": 20, "pixels": 320}
    assert (found["empty"], found["ignored"]) == (0, 0)
    assert lines(data) == []


def test_a_class_without_pixels_is_warned_of():
    (line,) = lines(domain(cells()))
    assert line.startswith("source: the class 'rare' has no pixel in any mask")


def test_a_class_in_few_images_and_one_of_few_pixels_are_warned_of():
    masks = cells()
    masks[:3, 0:4, 0:8] = 2
    (line,) = lines(domain(masks))
    assert line.startswith("source: only 3 of 20 masks show the class 'rare', expected 10 or more")
    masks[:, 0, 0] = 2
    (line,) = lines(domain(masks))
    assert line.startswith("source: the class 'rare' has 6 pixels in an image that shows it")


def test_empty_masks_and_pixels_that_count_nowhere_are_warned_of():
    masks = cells()
    masks[:15] = 0
    masks[0, 0, 0] = 255
    assert any("15 of 20 masks are empty: they hold only 'background'" in line for line in lines(domain(masks)))
    masks[:15] = 255
    assert any("75% of the pixels of its masks count nowhere (255)" in line for line in lines(domain(masks)))


def test_masks_of_one_class_only_are_warned_of():
    found = lines(domain(torch.zeros(20, 16, 16, dtype=torch.uint8), CLASSES[:2]))
    assert len(found) == 2


def test_alike_images_with_other_masks_contradict_each_other():
    masks = cells(4)
    masks[1] = 0
    masks[2] = masks[0].roll(1, 0)
    data = domain(masks, CLASSES[:2])
    same = Labelled(data.inputs[:1].expand(4, -1, -1, -1).clone(), data.labels, data.classes)
    assert contradicting(same, [(0, 1), (0, 2), (0, 3)]) == [(0, 1)]


def test_the_checks_of_the_data_take_masks():
    data = domain(cells(), CLASSES[:2])
    test = domain(cells(), ("background", "stone"))
    found = check(data, Unlabelled(data.inputs[:10]), test)
    assert "cell" in found.domains["source"]["masks"]
    assert any("test holds classes that the source lacks: stone" in line for line in found.warnings)
