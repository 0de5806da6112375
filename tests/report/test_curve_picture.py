"""The picture of a learning curve, drawn from scores alone."""

import pytest
import torch
from PIL import Image

from synth2real.comparison.image_curve import CurvePlan, ImageCurve
from synth2real.report.curve_picture import save_curve
from synth2real.select.learning_curve import LearningCurve
from synth2real.tasks import Classification

SIZES = [20, 40, 80, 160, 320]


@pytest.mark.parametrize("slope", [0.1, -0.1], ids=["rising", "falling"])
def test_a_curve_is_drawn(tmp_path, slope):
    scores = torch.rand(2, 5, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    curve = LearningCurve(SIZES, 0.1 * scores + slope * torch.arange(5)[None, :, None] / 5)
    plan = CurvePlan(0.01, SIZES, (0, 1), 300, 60.0)
    found = ImageCurve(plan, curve, curve.gain(1000), [None] * 5, [[]] * 5, Classification(("a", "b")), [])
    save_curve(found, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (840, 540)
        assert len(picture.convert("RGB").getcolors(2**24)) > 10
