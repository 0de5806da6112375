"""What is said of boxes before a training."""

import pytest
import torch

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.labels import Boxes
from synth2real.measure.box_checks import described, warnings_of
from synth2real.measure.data_checks import check, contradicting

CLASSES = ("car", "dog")


def domain(
    count: int = 60,
    side: float = 8,
    kinds: tuple[int, ...] = (0, 1),
    ignored: bool = False,
    sizes: torch.Tensor | None = None,
) -> Labelled:
    """Images of 32 by 32 with a box of each of these kinds."""
    images = torch.randint(0, 255, (count, 1, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    box = torch.tensor([[4.0, 4, 4 + side, 14]] * len(kinds))
    boxes = Boxes.of(
        [box] * count, [torch.tensor(kinds)] * count, [torch.full((len(kinds),), ignored, dtype=torch.bool)] * count
    )
    return Labelled(images, boxes, CLASSES, sizes=sizes)


def lines(data: Labelled, name: str = "source") -> list[str]:
    return warnings_of({name: {"count": len(data), **described(data)}})


def test_boxes_without_a_fault_are_described_and_nothing_is_warned():
    data = domain()
    found = described(data)
    assert found["boxes"]["car"] == {"boxes": 60, "share": 0.5, "images": 60, "side": 8, "small": 0}
    assert (found["empty"], found["most"], found["in_an_image"], found["ignored"]) == (0, 2, 2, 0)
    assert lines(data) == []


def test_classes_with_few_boxes_and_unbalanced_ones_are_warned_of():
    assert lines(domain(20))[0] == "source: the class 'car' has 20 boxes, expected 50 or more"
    assert any("'car' has 360 boxes, 'dog' 60" in line for line in lines(domain(kinds=(0, 0, 0, 0, 0, 0, 1))))
    assert lines(domain(kinds=(0, 0, 0, 0, 0, 0, 1)), "test") == []


def test_tiny_boxes_are_those_of_the_loaded_images():
    assert any(
        "100% of the boxes of the class 'car' have a side of less than 4 pixels" in x for x in lines(domain(side=2))
    )
    large = domain(sizes=torch.tensor([[96, 96]] * 60))
    assert described(large)["boxes"]["car"]["side"] == pytest.approx(8 / 3)


def test_ignored_boxes_are_only_counted_and_images_without_boxes_warned_of():
    data = domain(ignored=True)
    found = described(data)
    assert (found["ignored"], found["empty"]) == (120, 60)
    assert any("60 of 60 images have no box. Are they labelled?" in line for line in lines(data))


def test_more_boxes_than_are_predicted_are_warned_of():
    assert any("an image has 101 boxes, but at most 100 are" in line for line in lines(domain(kinds=(0,) * 101)))


def test_alike_images_with_other_boxes_contradict():
    data = domain(2)
    same = Labelled(data.inputs[torch.tensor([0, 0])], data.labels, CLASSES)
    assert contradicting(same, [(0, 1)]) == []
    moved = data.labels.at(data.labels.corners + 10.0 * data.labels.image[:, None])
    assert contradicting(Labelled(same.inputs, moved, CLASSES), [(0, 1)]) == [(0, 1)]


def test_check_takes_boxes_of_all_sets():
    data = domain()
    found = check(data, Unlabelled(data.inputs), domain(20))
    assert found.domains["source"]["boxes"]["car"]["boxes"] == 60
    assert any("test: the class 'car' has 20 boxes" in line for line in found.warnings)
