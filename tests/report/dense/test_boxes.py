"""Boxes in the report: outlines over images, precision against recall, a table by class, and galleries of pairs."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from spots import CLASSES, TASK, field, found, spots
from synth2real.comparison.comparison import compare
from synth2real.data.labels import Boxes
from synth2real.randomize import Photometric
from synth2real.report import write_report
from synth2real.report.contact_sheet import Column, sheet
from synth2real.report.dense.boxes import class_table, counts_text, drawn, legend, pair, precision_recall, shown
from synth2real.report.overlay import COLOURS
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.select.validators import against_labels

ORANGE, GREY = [255, 138, 31], [154, 160, 166]
ONE = Boxes.of([torch.tensor([[4.0, 6, 12, 16]])], [torch.zeros(1)])


def test_the_frame_of_a_box_is_inside_of_it_in_the_colour_of_its_class() -> None:
    picture = drawn(torch.zeros(1, 1, 32, 32, dtype=torch.uint8), ONE, TASK)[0]
    for x, y in ((4, 6), (11, 15), (4, 15)):
        assert picture[:, y, x].tolist() == ORANGE
    for x, y in ((12, 16), (3, 5), (8, 10)):
        assert picture[:, y, x].tolist() == [0, 0, 0]
    ignored = drawn(torch.zeros(1, 1, 32, 32), replace(ONE, ignored=torch.tensor([True])), TASK)[0]
    assert ignored[:, 6, 4].tolist() == GREY


def test_boxes_shrink_with_a_large_image() -> None:
    picture = drawn(torch.zeros(1, 1, 320, 320, dtype=torch.uint8), ONE.at(10 * ONE.corners), TASK)[0]
    assert picture.shape == (3, 160, 160)
    assert picture[:, 30, 20].tolist() == ORANGE


def test_pairs_stand_side_by_side_and_what_is_shown_is_clear() -> None:
    images = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    assert pair(images, None, ONE, TASK).shape == (1, 3, 32, 66)
    doubtful = replace(field(2, 0), scores=torch.tensor([0.9, 0.1] * 4))
    assert len(shown(doubtful).scores) == 4
    assert len(shown(replace(doubtful, scores=0.1 * doubtful.scores)).scores) == 4
    assert counts_text(TASK, ONE) == "1 disc"
    assert counts_text(TASK, ONE.kept(ONE.ignored)) == "nothing"
    assert legend(TASK) == list(zip(CLASSES, COLOURS, strict=False))


def test_precision_falls_as_recall_rises() -> None:
    truth = field(40, 0)
    for curve in against_labels(found(truth, 0.3, 1), truth, 2):
        recall, precision = precision_recall(curve)
        assert recall[0] == 0
        assert recall == sorted(recall)
        assert precision == sorted(precision, reverse=True)
    nothing = against_labels(truth.kept(truth.classes < 0), truth, 2)[0]
    assert precision_recall(nothing) == ([0.0], [0.0])


def test_the_sheet_of_labels_has_boxes_and_names_their_colours() -> None:
    data = spots(2, 1)
    column = Column("source", data.inputs.float() / 255, data.labels, torch.zeros(2, 0, 32, 32, dtype=torch.bool))
    pixels = np.array(sheet([column], TASK))
    assert (pixels == ORANGE).all(2).any()


@pytest.fixture(scope="module")
def comparison():
    source, test = spots(40, 0), spots(12, 1, noise=0.1)
    target = spots(24, 2, noise=0.1).unlabelled()
    routes = {"randomized": Route(randomize=Photometric())}
    return compare(routes, source, target, test=test, budget=Budget(steps=3, batch=4), seeds=(0,))


def test_the_page_has_boxes_curves_and_a_table_by_class(comparison, tmp_path) -> None:
    write_report(comparison, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in (
        "Boxes on real images",
        "Precision against recall",
        "Largest errors",
        "Most uncertain",
        "AP50 on real data",
        'class="swatch"',
        "boxes an image in the source",
    ):
        assert part in page, part
    assert "AP50 of the boxes in 12 real test images is" in page
    words = re.sub(r"(?s)<script.*?</script>", "", page)
    assert "accuracy" not in words
    assert "mask" not in words.lower()
    assert (tmp_path / "report.html").stat().st_size < 8e6


def test_the_table_has_a_row_for_each_class(comparison) -> None:
    rows = class_table(comparison)
    assert [row.name for row in rows] == list(CLASSES)
    assert "AP50 on real labels, randomized" in rows[0].cells


def test_the_page_of_one_training_without_labels_has_boxes(comparison, tmp_path) -> None:
    alone = replace(comparison, candidates=comparison.candidates[:1], test=None)
    alone.candidates[0].chosen = True
    write_report(alone, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Boxes on real images" in page
    assert "Precision against recall" not in page
