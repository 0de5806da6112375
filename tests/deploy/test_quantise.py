"""int8: smaller files, answers that hardly change, and how many did."""

import pytest
import torch

from skips import optional
from small_models import CLASSES, TIME
from synth2real import Unlabelled
from synth2real.deploy import export_model, load_onnx
from synth2real.training.model import Model


@pytest.mark.parametrize("task", [CLASSES, TIME], ids=lambda task: task.kind)
def test_it_is_smaller_and_says_how_the_answers_changed(tmp_path, task):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        optional(package, "onnx")
    torch.manual_seed(0)
    model = Model(task, (1, 16, 16))
    target = Unlabelled(torch.randint(0, 256, (30, 1, 16, 16), dtype=torch.uint8, generator=torch.manual_seed(0)))
    made = export_model(model, tmp_path / "small.onnx", calibrate=target)
    found, exact = load_onnx(tmp_path / "small.onnx").predict(target).values, model.predict(target).values
    int8 = made.quantised
    assert int8.after == made.path.stat().st_size < int8.before / 2
    assert int8.count == 30
    assert int8.mean_change == pytest.approx(float((found - exact).abs().mean()), abs=1e-4)
    assert 0 < int8.mean_change < (0.1 if task is CLASSES else 10)
    if task is CLASSES:
        assert int8.changed == float((found.argmax(1) != exact.argmax(1)).double().mean())
        assert f"int8: of 30 real inputs, {round(30 * int8.changed)} answers changed; " in int8.words
    else:
        assert int8.changed is None
        assert "a mean change of " in int8.words
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]
