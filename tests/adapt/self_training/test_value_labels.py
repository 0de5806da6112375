"""A teacher's values: moved with the image, weighed by agreement, and stopped when they drift."""

import pytest
import torch

from synth2real.adapt.self_training.value_labels import ValueLabels
from synth2real.tasks import Keypoints
from synth2real.training.loop import Progress, TargetBatch
from synth2real.training.model import Model
from synth2real.transforms.warp import Warp


def teacher() -> Model:
    return Model(Keypoints(("x", "y"), (16, 16)), (1, 16, 16))


def test_points_are_warped_and_weighed_by_agreement() -> None:
    model = teacher()
    clean = torch.rand(6, 1, 16, 16)
    warp = Warp.sample(6, (16, 16), rotation=10, shift=0.1, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        known, target = model(clean), TargetBatch(warp.image(clean), clean, warp)
        moved, weight = ValueLabels(model, 1.5).labels(model, known, target)
        said = model.task.predict(model(clean))
    torch.testing.assert_close(moved, warp.points(said.view(6, 1, 2)).flatten(1))
    assert weight.shape == (6,)
    assert ((weight > 0) & (weight <= 1)).all()


def test_a_teacher_that_drifts_stops_the_training_and_the_best_is_shipped() -> None:
    model = teacher()
    method = ValueLabels(model, 1.5)
    method.disagreement.mean.fill_(0.1)
    method.after_step(model, Progress(500, 1000))
    best = [p.clone() for p in method.shipped(model).parameters()]
    assert not method.finished
    assert method.notes() == []
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    method.disagreement.mean.fill_(0.2)
    method.after_step(model, Progress(510, 1000))
    assert method.finished
    for was, now in zip(best, method.shipped(model).parameters(), strict=True):
        assert torch.equal(was, now)
    (note,) = method.notes()
    assert note.startswith("self-training stopped at step 511 of 1000: the teacher disagreed with itself")
    assert note.endswith("the model is the one of step 501")


def test_the_target_weighs_less_as_it_is_learnt() -> None:
    missed, strayed = torch.tensor(0.4), torch.tensor(0.1)
    method = ValueLabels(teacher(), 1.5)
    assert float(method.need(missed, strayed)) == pytest.approx(0.5)  # the root of a quarter
    assert float(method.need(missed, 100 * strayed)) == 1.0
    assert float(ValueLabels(teacher(), 1.5).need(torch.tensor(0.0), strayed)) == 1.0  # the source is learnt by heart
    assert float(ValueLabels(teacher(), 1.5).need(torch.tensor(0.0), torch.tensor(0.0))) == 0.0
