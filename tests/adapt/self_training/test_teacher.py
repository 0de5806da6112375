"""Teacher: one method for classes and values, whose labels are a matter of the task."""

import math

import pytest
import torch

from synth2real.adapt import DSBN, MIC, Teacher
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.tasks import Classification, Detection, Gaze, Keypoints, Segmentation, Task
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model


def prepared(**settings) -> Teacher:
    method = Teacher(**settings)
    method.prepare(Model(Classification(("a", "b", "c")), (3,)), Unlabelled(torch.randn(4, 3)))
    return method


def keypoints() -> Teacher:
    method = Teacher()
    method.prepare(Model(Keypoints(("x", "y"), (16, 16)), (1, 16, 16)), Unlabelled(torch.rand(4, 1, 16, 16)))
    return method


def of_images(method: Teacher, task: Task) -> Teacher:
    norm = "batch" if isinstance(method, DSBN) else "group"
    method.prepare(Model(task, (1, 16, 16), norm=norm), Unlabelled(torch.rand(4, 1, 16, 16)))
    return method


def batches() -> tuple[SourceBatch, TargetBatch]:
    ours, theirs = torch.rand(6, 1, 16, 16), torch.rand(6, 1, 16, 16)
    return SourceBatch(ours, 0.1 * torch.randn(6, 2), ours), TargetBatch(theirs, theirs, None)


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


def dense_batches(task: Task) -> tuple[SourceBatch, TargetBatch]:
    ours, theirs = torch.rand(4, 1, 32, 32), torch.rand(4, 1, 32, 32)
    if isinstance(task, Segmentation):
        labels: Masks | Boxes = Masks(torch.arange(32).div(16).to(torch.uint8).expand(4, 32, 32).contiguous())
    else:
        labels = Boxes.of([torch.tensor([[2.0, 4.0, 20.0, 28.0]])] * 4, [torch.tensor([1])] * 4)
    return SourceBatch(ours, labels, ours), TargetBatch(theirs, theirs, None)


@pytest.mark.parametrize("kind", [Teacher, MIC, DSBN])
@pytest.mark.parametrize("task", [Segmentation(("a", "b"), (32, 32)), Detection(("a", "b"), (32, 32), 8.0)])
def test_what_is_pasted_reaches_the_student_of_every_teacher(kind: type[Teacher], task: Task) -> None:
    torch.manual_seed(1)  # boxes are pasted by chance
    method = kind(paste=1.0, **({"ratio": 0.0} if kind is MIC else {}))
    norm = "batch" if kind is DSBN else "group"
    method.prepare(Model(task, (1, 32, 32), norm=norm), Unlabelled(torch.rand(4, 1, 32, 32)))
    source, target = dense_batches(task)
    seen: list[torch.Tensor] = []
    method.model.features.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    method.features(source, target)
    assert method.pseudo.pasted is not None
    found = torch.cat(seen)[len(source) :]
    shown = (found == source.x).flatten(1).float().mean(1)
    assert ((found == source.x) | (found == target.x)).all()
    assert bool((shown > 0.2).any())


@pytest.mark.parametrize(
    ("settings", "task", "expected"),
    [
        ({"paste": 0.5}, Classification(("a", "b")), "adapt.paste is for masks and boxes, found the task classify"),
        ({"rare": 0.1}, Detection(("a",), (16, 16), 4.0), "adapt.rare is for masks, found the task detect"),
    ],
)
@pytest.mark.parametrize("kind", [Teacher, MIC, DSBN])
def test_pasting_without_masks_or_boxes_is_refused(kind: type[Teacher], settings, task: Task, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        of_images(kind(**settings), task)


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


def test_there_is_a_critic_only_if_it_is_asked_for() -> None:
    for method in (Teacher, MIC, DSBN):
        assert "critic" not in of_images(method(), Gaze()).networks
        assert "critic" in of_images(method(adversary=0.5), Gaze()).networks


def test_the_student_works_against_the_critic_that_the_same_update_trains() -> None:
    torch.manual_seed(0)
    method = of_images(Teacher(adversary=2.0), Gaze())
    (update,) = method.updates(*batches(), Progress(9, 10))
    model, critic = update.of
    assert critic is method.networks["critic"]
    weight, domain = update.terms["domain"]
    assert weight == 1
    label = update.terms["label"][1].detach()
    (bias,) = torch.autograd.grad(domain, [critic[-1].bias], retain_graph=True)
    assert bias.abs() > 0
    first = next(model.features.parameters())
    (against,) = torch.autograd.grad(domain, [first], retain_graph=True)

    torch.manual_seed(0)  # the same networks and batches, and the same loss without reversal
    plain = of_images(Teacher(adversary=2.0), Gaze())
    source, target = batches()
    features = plain.features(source, target)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        plain.networks["critic"](features).flatten(), torch.tensor([1.0] * 6 + [0.0] * 6)
    )
    assert loss.item() == pytest.approx(domain.item(), rel=1e-5)
    (towards,) = torch.autograd.grad(loss, [next(plain.model.features.parameters())])
    strength = 2.0 * (2 / (1 + math.exp(-9)) - 1) * float(label)
    torch.testing.assert_close(against, -strength * towards, rtol=1e-3, atol=1e-6)


def test_without_a_critic_there_is_no_domain_loss() -> None:
    (update,) = of_images(Teacher(), Gaze()).updates(*batches(), Progress(5, 10))
    assert set(update.terms) == {"label", "pseudo"}
