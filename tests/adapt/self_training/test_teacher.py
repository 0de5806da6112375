"""Teacher: its labels for clean images, their confidence, and the control of drift."""

import pytest
import torch
from torch import nn

from synth2real.adapt import Teacher
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.tasks import Classification, Keypoints
from synth2real.training.loop import Progress, TargetBatch
from synth2real.training.model import Model
from synth2real.transforms.warp import Warp


def prepared(**settings) -> Teacher:
    method = Teacher(**settings)
    method.prepare(Model(Classification(("a", "b", "c")), (3,)), Unlabelled(torch.randn(4, 3)))
    return method


class Says(nn.Module):
    """A teacher that predicts the logarithm of its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.log()


def target(probabilities: torch.Tensor) -> TargetBatch:
    return TargetBatch(probabilities, probabilities, None)


def test_labels_are_aligned_with_the_prior() -> None:
    said = torch.tensor([[0.5, 0.4, 0.1]] * 4)
    known, truth = torch.zeros(4, 3), torch.tensor([1, 1, 1, 2])  # source: none of class a
    for prior, expected in (("none", 0), ("source", 1), ((0.05, 0.05, 0.9), 2)):
        method = prepared(target_prior=prior)
        method.teacher = Says()
        method.to_prior.observe(known, truth, known, Progress(0, 10))
        labels, _ = method.pseudo_labels(known, target(said))
        assert labels.tolist() == [expected] * 4


def test_an_exact_alignment_enforces_the_prior() -> None:
    torch.manual_seed(0)
    said = torch.softmax(4 * torch.randn(512, 3), 1)
    truth = torch.tensor([0, 0, 1, 2])  # the source: half of class a
    method = prepared(alignment="exact")
    method.teacher = Says()
    for _ in range(20):
        method.to_prior.observe(torch.zeros(4, 3), truth, torch.zeros(4, 3), Progress(0, 10))
        labels, _ = method.pseudo_labels(torch.zeros(4, 3), target(said))
    assert labels.bincount().div(512).tolist() == pytest.approx([0.5, 0.25, 0.25], abs=0.05)


def test_only_confident_labels_count_relative_to_the_source() -> None:
    said = torch.tensor([[0.98, 0.01, 0.01], [0.5, 0.3, 0.2]])
    method = prepared(target_prior="none", threshold=0.9)
    method.teacher = Says()
    sure = torch.tensor([[9.0, 0.0, 0.0]] * 2)
    assert method.pseudo_labels(sure, target(said))[1].tolist() == [1.0, 0.0]
    unsure = torch.zeros(2, 3)  # a mean source confidence of a third gives a low threshold
    assert method.pseudo_labels(unsure, target(said))[1].tolist() == [1.0, 1.0]


def test_a_prior_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"target_prior has 2 shares, expected 3"):
        prepared(target_prior=(0.5, 0.5))


def test_the_teacher_follows_its_student() -> None:
    method = prepared(decay=0.5)
    before = [p.clone() for p in method.teacher.parameters()]
    with torch.no_grad():
        for parameter in method.model.parameters():
            parameter.add_(1.0)
    method.follow(Progress(500, 1000))
    for was, now in zip(before, method.teacher.parameters(), strict=True):
        torch.testing.assert_close(now, was + 0.5)


def keypoints() -> Teacher:
    method = Teacher()
    method.prepare(Model(Keypoints(("x", "y"), (16, 16)), (1, 16, 16)), Unlabelled(torch.rand(4, 1, 16, 16)))
    return method


def test_points_are_warped_and_weighed_by_agreement() -> None:
    method = keypoints()
    clean = torch.rand(6, 1, 16, 16)
    warp = Warp.sample(6, (16, 16), rotation=10, shift=0.1, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        moved, weight = method.pseudo_values(TargetBatch(warp.image(clean), clean, warp))
        said = method.task.predict(method.teacher(clean))
    torch.testing.assert_close(moved, warp.points(said.view(6, 1, 2)).flatten(1))
    assert weight.shape == (6,)
    assert ((weight > 0) & (weight <= 1)).all()


def test_a_regressor_that_drifts_ends_and_its_best_teacher_is_shipped() -> None:
    method = keypoints()
    method.disagreement.mean.fill_(0.1)
    method.follow(Progress(500, 1000))
    best = [p.clone() for p in method.shipped().parameters()]
    assert not method.finished
    with torch.no_grad():
        for parameter in method.model.parameters():
            parameter.add_(1.0)
    method.disagreement.mean.fill_(0.2)
    method.follow(Progress(510, 1000))
    assert method.finished
    for was, now in zip(best, method.shipped().parameters(), strict=True):
        assert torch.equal(was, now)


def test_a_regressors_teacher_weighs_less_as_the_target_is_learnt() -> None:
    method = keypoints()
    missed, strayed = torch.tensor(0.4), torch.tensor(0.1)
    assert float(method.need(missed, strayed)) == pytest.approx(0.5)  # the root of a quarter
    assert float(method.need(missed, 100 * strayed)) == 1.0
    assert float(keypoints().need(torch.tensor(0.0), strayed)) == 1.0  # the source is learnt by heart
    assert float(keypoints().need(torch.tensor(0.0), torch.tensor(0.0))) == 0.0


def test_what_the_teacher_has_left_to_say_is_kept_for_a_training_that_is_resumed() -> None:
    kept = {name for name, _ in keypoints().networks["strayed"].named_buffers()}
    assert kept == {"mean", "count"}
    assert {"missed", "strayed"} <= set(keypoints().networks)
    assert "missed" not in prepared().networks  # classes are weighed by their confidence
