"""Masks over images."""

import torch

from synth2real.data.labels import Boxes, Masks
from synth2real.report.contact_sheet import Column, randomized, sheet, tile
from synth2real.report.overlay import colours, legend, overlaid
from synth2real.tasks import Detection, Segmentation

TASK = Segmentation(("background", "cell", "nucleus"), (24, 24))


def mask() -> torch.Tensor:
    masks = torch.zeros(1, 24, 24, dtype=torch.uint8)
    masks[:, 4:20, 4:20] = 1
    return masks


def test_the_background_stays_and_a_region_has_its_colour_with_an_outline():
    images = torch.full((1, 3, 24, 24), 100, dtype=torch.uint8)
    drawn = overlaid(images, mask(), 3)[0]
    assert (drawn[:, :3] == 100).all()
    assert drawn[:, 4, 4].tolist() == [255, 138, 31] == [int(colours(3)[0][i : i + 2], 16) for i in (1, 3, 5)]
    assert 100 < drawn[0, 10, 10] < 255


def test_more_classes_than_colours_repeat_them():
    assert len(colours(30)) == 29


def test_a_legend_takes_as_many_lines_as_it_needs():
    assert legend(TASK.classes[1:], 800).height < legend(TASK.classes[1:], 90).height


class Still:
    """A policy that changes nothing."""

    def draw(self, x, generator):
        return x, None

    def mix(self, x, generator):
        return None


def test_a_sheet_draws_masks_and_a_legend():
    column = Column("original", torch.full((1, 1, 24, 24), 0.4), Masks(mask()), torch.zeros(1, 0, 24, 24).bool())
    moved = randomized(column, "1", Still(), TASK, torch.Generator())
    drawn = tile(column, 0, 6, TASK)
    assert drawn.getpixel((4 * 6, 4 * 6)) == (255, 138, 31)
    assert drawn.getpixel((2, 2)) == (102, 102, 102)
    assert sheet([column, moved], TASK).height > 18 + 24 * 6 + 12


def test_a_sheet_draws_boxes_that_moved_with_their_images():
    boxes = Boxes.of(
        [torch.tensor([[4.0, 6, 12, 20], [14, 2, 22, 10]])], [torch.tensor([1, 0])], [torch.tensor([0, 1])]
    )
    task = Detection(("car", "dog"), (24, 24), 4.0)
    column = Column("original", torch.full((1, 1, 24, 24), 0.4), boxes, torch.zeros(1, 0, 24, 24).bool())
    drawn = tile(column, 0, 3, task)
    colour = tuple(int(colours(3)[1][i : i + 2], 16) for i in (1, 3, 5))
    assert drawn.getpixel((12, 18)) == drawn.getpixel((35, 59)) == colour
    assert drawn.getpixel((36, 60)) == (102, 102, 102)
    assert drawn.getpixel((42, 6)) == (0x9A, 0xA0, 0xA6)  # ignored
    assert sheet([column, randomized(column, "1", Still(), task, torch.Generator())], task).height > 24 * 6
