"""Teacher: one method for classes and values, whose labels are a matter of the task."""

import pytest
import torch

from synth2real.adapt import Teacher
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.errors import InputError
from synth2real.route.route import Budget, Route
from synth2real.tasks import Classification, Keypoints
from synth2real.training.loop import Progress
from synth2real.training.model import Model


def prepared(**settings) -> Teacher:
    method = Teacher(**settings)
    method.prepare(Model(Classification(("a", "b", "c")), (3,)), Unlabelled(torch.randn(4, 3)))
    return method


def keypoints() -> Teacher:
    method = Teacher()
    method.prepare(Model(Keypoints(("x", "y"), (16, 16)), (1, 16, 16)), Unlabelled(torch.rand(4, 1, 16, 16)))
    return method


def test_a_prior_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"target_prior has 2 shares, expected 3"):
        prepared(target_prior=(0.5, 0.5))


def test_the_teacher_is_the_average_of_its_student_and_is_shipped() -> None:
    method = prepared(decay=0.5)
    before = [p.clone() for p in method.average.parameters()]
    with torch.no_grad():
        for parameter in method.model.parameters():
            parameter.add_(1.0)
    method.after_step(Progress(500, 1000))
    assert method.shipped() is method.average
    for was, now in zip(before, method.average.parameters(), strict=True):
        torch.testing.assert_close(now, was + 0.5)


def test_what_a_resumed_training_needs_is_among_the_networks() -> None:
    assert set(prepared().networks) == {"model", "average", "burn_in", "to_prior", "watch"}
    assert set(keypoints().networks) == {
        "model", "average", "burn_in", "best", "disagreement", "lowest", "missed", "strayed",
    }  # fmt: skip


def test_a_source_that_is_not_learnt_is_no_base_for_self_training() -> None:
    """Labels without any relation to the features."""
    torch.manual_seed(0)
    source = Labelled(torch.randn(4000, 2), torch.randint(3, (4000,)), ("a", "b", "c"))
    run = Route(adapt=Teacher()).run(source, source.unlabelled(), budget=Budget(steps=30, batch=32))
    started, learnt = run.notes
    assert started.startswith("self-training never started, as the source was not fitted well enough: accuracy 0.")
    assert learnt.startswith("the source was not learnt: on batches of the source, accuracy 0.")
    assert {row["pseudo"] for row in run.history["train"]} != {0.0}, "it is measured"
