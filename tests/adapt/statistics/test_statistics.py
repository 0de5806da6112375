"""Methods without an adversary: MCC's confusion, AFN's step, and which layers DAN and JAN compare."""

import pytest
import torch

from synth2real.adapt import DAN, JAN, MCC, DeepCORAL, Objective
from synth2real.adapt.discrepancy.afn import stepwise
from synth2real.adapt.self_training.mcc import class_confusion
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.measure.discrepancies import coral, joint_mmd, mmd
from synth2real.tasks import Classification, Regression, Task
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model

CLASSES = Classification(("a", "b", "c"))
VALUES = Regression(("width",), (2.0,), (1.0,))


def prepared(method: Objective, task: Task) -> Objective:
    method.prepare(Model(task, (4,)), Unlabelled(torch.randn(8, 4)))
    return method


def batches(task: Task) -> tuple[SourceBatch, TargetBatch]:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 0, 1, 2]) if task is CLASSES else x[:, :1]
    return SourceBatch(x, y, x), TargetBatch(2 * x, 2 * x, None)


def test_confident_predictions_confuse_no_class() -> None:
    certain = torch.eye(4)[torch.tensor([0, 1, 2, 3, 1, 1])] * 1000
    assert class_confusion(certain, 2.5).item() == pytest.approx(0, abs=1e-6)


def test_predictions_that_know_nothing_confuse_every_class_alike() -> None:
    assert class_confusion(torch.zeros(7, 4), 2.5).item() == pytest.approx(3 / 4)


def test_confusion_is_the_papers_matrix() -> None:
    outputs = torch.randn(5, 3)
    said = (outputs / 2.5).softmax(1)
    weight = 1 + torch.exp((said * said.log()).sum(1))
    weight = 5 * weight / weight.sum()
    matrix = torch.zeros(3, 3)
    for w, p in zip(weight, said, strict=True):
        matrix += w * torch.outer(p, p)
    matrix = matrix / matrix.sum(1, keepdim=True)
    expected = (matrix.sum() - matrix.trace()) / 3
    assert class_confusion(outputs, 2.5).item() == pytest.approx(expected.item(), rel=1e-5)


def test_mcc_refuses_values() -> None:
    with pytest.raises(InputError, match=r"adapt: MCC needs classes, since it .*; found the task regress\. Choose a"):
        prepared(MCC(), VALUES)


def test_each_norm_is_asked_to_grow_by_the_step() -> None:
    features = torch.tensor([[3.0, 4.0], [0.0, 0.5]], requires_grad=True)
    loss = stepwise(features, 1.0)
    assert loss.item() == pytest.approx(1.0)  # the step squared, whatever the norms
    (gradient,) = torch.autograd.grad(loss, features)
    torch.testing.assert_close(gradient, -torch.tensor([[0.6, 0.8], [0.0, 1.0]]))  # 2 x step outwards, over 2 samples


def test_a_feature_without_a_norm_has_a_finite_gradient() -> None:
    features = torch.zeros(2, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(stepwise(features, 1.0), features)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("task", [CLASSES, VALUES], ids=lambda task: task.kind)
def test_what_is_compared(task: Task) -> None:
    source, target = batches(task)
    for method, expected in (
        (DAN(outputs=True), lambda f, o: mmd(*f) + mmd(*o)),
        (JAN(outputs=True), lambda f, o: joint_mmd(*zip(f, o, strict=True))),
    ):
        model = prepared(method, task).model
        features = model.features(source.x), model.features(target.x)
        said = [model.head(f).softmax(1) if task is CLASSES else model.head(f) for f in features]
        (update,) = method.updates(source, target, Progress(0, 10))
        assert update.terms["mmd"][1].item() == pytest.approx(expected(features, said).item(), abs=1e-5)
    (update,) = prepared(DAN(outputs=False), task).updates(source, target, Progress(0, 10))
    assert set(update.terms) == {"label", "mmd"}


def test_covariances_of_the_features_are_compared() -> None:
    source, target = batches(VALUES)
    method = prepared(DeepCORAL(weight=3.0), VALUES)
    (update,) = method.updates(source, target, Progress(0, 10))
    features = method.model.features(source.x), method.model.features(target.x)
    assert update.terms["coral"][0] == 3
    assert update.terms["coral"][1].item() == pytest.approx(coral(*features).item(), abs=1e-6)
