"""Each object of a user is one readable line."""

import pytest
import torch
from scipy.sparse import csr_array

from synth2real import Ensemble, FewLabels, Labelled, Model, Unlabelled
from synth2real.data import subsets
from synth2real.data.sparse import Sparse
from synth2real.simulate import Digits
from synth2real.tasks import Classification, Regression

IMAGES, TABLE = torch.zeros(6, 3, 16, 16, dtype=torch.uint8), torch.zeros(6, 4)
PARTS = Labelled(IMAGES, torch.arange(6) % 4, ("bolt", "gear", "nut", "washer"))
SIZES = Labelled(TABLE, torch.zeros(6, 2), columns=("x", "y"), given=torch.zeros(6, 1), given_columns=("heat",))
MODEL = Model(Classification(PARTS.classes), (3, 16, 16))
FOUR = "4 classes: bolt, gear, nut, ..."


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (PARTS, f"Labelled(6 images of 3x16x16 uint8; {FOUR}; in memory)"),
        (PARTS.unlabelled(), "Unlabelled(6 images of 3x16x16 uint8; in memory)"),
        (SIZES, "Labelled(6 samples of 4 features; 2 values: x, y; 1 given: heat; in memory)"),
        (Unlabelled(Sparse(csr_array((6, 9)))), "Unlabelled(6 samples of 9 features; sparse)"),
        (
            FewLabels.of(PARTS, "ababab"),
            f"FewLabels(6 images of 3x16x16 uint8; {FOUR}; 2 groups: a, b; in memory)",
        ),
        (MODEL, f"Model(classify; {FOUR}; images 3x16x16; network convolutional; 546,052 parameters)"),
        (Ensemble([MODEL, MODEL]), f"Ensemble(classify; {FOUR}; images 3x16x16; 2 members; 546,052 parameters)"),
        (MODEL.predict(PARTS), f"Predictions(6 samples; {FOUR})"),
        (
            Model(Regression(("x",), (0.0,), (1.0,)), (4,)).predict(TABLE),
            "Predictions(6 samples; 1 values: x)",
        ),
        (
            Digits(ranges={"height": 0.7}),
            "Digits(images of 1x28x28; 1 labels: label; 18 parameters: height, aspect, rotation, ...; 1 with other "
            "ranges: height)",
        ),
    ],
)
def test_an_object_is_one_readable_line(value, line):
    assert repr(value) == line


def test_a_part_and_images_that_are_decoded_later_say_so(monkeypatch):
    monkeypatch.setattr(subsets, "COPIED", 0)
    assert repr(PARTS.subset(torch.arange(2))) == f"Labelled(2 images of 3x16x16 uint8; {FOUR}; in memory)"
    pillow = pytest.importorskip("PIL.Image")
    later = Unlabelled.of([pillow.new("RGB", (16, 16), "red")], memory=1)
    assert repr(later) == "Unlabelled(1 images of 3x16x16; decoded on access)"
