"""Masks in the report: colours over images, a table by class, and galleries of pairs."""

import re

import pytest
import torch

from discs import CLASSES, discs
from synth2real.comparison.comparison import compare
from synth2real.data.labels import IGNORED, Masks
from synth2real.randomize import Photometric
from synth2real.report import write_report
from synth2real.report.dense.masks import beside, class_table, image_errors, legend, overlaid, shares_text
from synth2real.report.gallery import randomized
from synth2real.report.overlay import COLOURS
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.tasks import Segmentation

TASK = Segmentation(CLASSES, (32, 32))
ORANGE = torch.tensor([255, 138, 31])


def test_a_mask_is_half_transparent_and_its_border_is_not() -> None:
    assert COLOURS[0] == "#FF8A1F"
    mask = torch.zeros(1, 16, 16, dtype=torch.uint8)
    mask[0, 4:12, 4:12] = 1
    drawn = overlaid(torch.zeros(1, 1, 16, 16, dtype=torch.uint8), mask, TASK)[0]
    assert drawn[:, 0, 0].tolist() == [0, 0, 0]
    assert torch.equal(drawn[:, 4, 4].long(), ORANGE)
    assert torch.equal(drawn[:, 8, 8].long(), (0.45 * ORANGE).round().long())


def test_ignored_pixels_are_grey_and_count_in_no_share() -> None:
    mask = torch.full((4, 4), IGNORED, dtype=torch.uint8)
    mask[0], mask[1, :2] = 0, 1
    assert shares_text(TASK, mask) == "disc 33.3 %"
    assert shares_text(TASK, torch.zeros(2, 2, dtype=torch.uint8)) == "only background"
    red, green, blue = overlaid(torch.zeros(1, 1, 4, 4), mask[None], TASK)[0][:, 3, 3].tolist()
    assert max(red, green, blue) - min(red, green, blue) < 8


def test_pairs_stand_side_by_side() -> None:
    assert beside(*torch.zeros(2, 3, 3, 8, 8, dtype=torch.uint8)).shape == (3, 3, 8, 18)


def test_the_worst_images_have_the_lowest_iou_and_wrong_objects_count() -> None:
    truth = discs(3, 0).labels.tensor.clone()
    predicted = truth.clone()
    predicted[0] = 0
    truth[2] = 0
    assert image_errors(predicted, Masks(truth), TASK).tolist() == [0, 1, 0]
    assert image_errors(0 * truth, Masks(0 * truth), TASK).isnan().all()


@pytest.fixture(scope="module")
def comparison():
    source, test = discs(40, 0), discs(12, 1, noise=0.1)
    target = discs(24, 2, noise=0.1).unlabelled()
    routes = {"randomized": Route(randomize=Photometric())}
    return compare(routes, source, target, test=test, budget=Budget(steps=3, batch=4), seeds=(0,))


def test_the_page_has_masks_a_legend_and_a_table_by_class(comparison, tmp_path) -> None:
    write_report(comparison, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in ("Masks on real images", "Classes", "Largest errors", "mean IoU on real data", 'class="swatch"'):
        assert part in page
    assert "The mean IoU of the masks of 12 real test images is" in page
    assert re.search(r"<td><i class=\"swatch\" style=\"background: #FF8A1F\"></i> disc</td><td>\d+\.\d %</td>", page)
    assert "accuracy" not in re.sub(r"(?s)<script.*?</script>", "", page)
    assert (tmp_path / "report.html").stat().st_size < 8e6


def test_the_table_says_what_is_not_known(comparison) -> None:
    rows = class_table(comparison)
    assert [row.name for row in rows] == list(CLASSES)
    assert [row.colour for row in rows] == ["", COLOURS[0]]
    assert "IoU on real labels, randomized" in rows[1].cells
    assert legend(comparison) == [("disc", COLOURS[0])]


def test_the_sheet_of_randomized_images_shows_what_the_training_sees() -> None:
    """For masks nothing is inverted: a bright disc on a dark ground stays brighter than the ground."""
    source, target = discs(24, 0), discs(24, 1)
    routes = {"randomized": Route(randomize=Photometric(blur=0, noise=0, clutter=0))}
    comparison = compare(routes, source, target.unlabelled(), task=TASK, budget=Budget(steps=2, batch=4), seeds=(0,))
    found = next(one for one in comparison.candidates if one.name == "randomized")
    shown, trained = randomized(found)[:, 0], found.trials[0].run.trained_on
    masks = trained.labels.tensor[: len(shown)].bool()
    bright = trained.inputs[: len(shown), 0].float()
    for image, before, mask in zip(shown, bright, masks, strict=True):
        if mask.any():
            assert (image[mask].mean() - image[~mask].mean()) * (before[mask].mean() - before[~mask].mean()) >= 0
