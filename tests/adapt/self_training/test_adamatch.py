"""AdaMatch and MIC: what the student sees, and what it must say."""

import pytest
import torch

from synth2real.adapt import MIC, AdaMatch
from synth2real.adapt.self_training.adamatch import between
from synth2real.adapt.self_training.mic import masked
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.tasks import Classification, Keypoints
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model


def test_interpolated_logits_lie_between() -> None:
    one, other = torch.randn(200, 5), torch.randn(200, 5)
    found = between(one, other)
    assert ((found >= torch.minimum(one, other)) & (found <= torch.maximum(one, other))).all()
    share = (found - other) / (one - other)
    assert share.mean().item() == pytest.approx(0.5, abs=0.05)
    assert share.std().item() == pytest.approx(12**-0.5, abs=0.03)


def batches() -> tuple[SourceBatch, TargetBatch]:
    x, y = torch.rand(8, 1, 16, 16), torch.rand(8, 1, 16, 16)
    return SourceBatch(x, torch.arange(8) % 2, x.flip(3)), TargetBatch(y, y.flip(3), None)


@pytest.mark.parametrize(("norm", "passes"), [("group", 1), ("batch", 2)])
def test_logits_are_interpolated_only_where_batch_statistics_tie_samples_together(norm, passes) -> None:
    method = AdaMatch(norm=norm)
    model = Model(Classification(("a", "b")), (1, 16, 16), norm=norm)
    method.prepare(model, Unlabelled(torch.rand(8, 1, 16, 16)))
    calls: list[int] = []
    model.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    known, unknown = method.outputs(*batches())
    assert calls == [32, 16][:passes]
    assert known.shape == unknown.shape == (16, 2)


def test_only_confident_targets_count() -> None:
    method = AdaMatch(target_prior="none")
    method.prepare(Model(Classification(("a", "b")), (1, 16, 16)), Unlabelled(torch.rand(8, 1, 16, 16)))
    sure, unsure = torch.tensor([[9.0, 0.0]] * 16), torch.tensor([[0.1, 0.0]] * 16)

    def pseudo(known: torch.Tensor, unknown: torch.Tensor) -> float:
        method.outputs = lambda source, target: (known, unknown)
        method.burn_in.started.fill_(0)
        update = next(method.updates(*batches(), Progress(5, 10)))
        assert update.terms["pseudo"][0] == pytest.approx(1.0)
        return update.terms["pseudo"][1].item()

    assert pseudo(sure, unsure) == 0
    mean = torch.tensor([0.1, 0.0]).softmax(0)
    assert pseudo(unsure, unsure) == pytest.approx(float(-mean[0].log())), "the label is the first class"


def test_values_are_refused() -> None:
    with pytest.raises(InputError, match=r"AdaMatch needs classes, .* found the task keypoints\. Choose a method that"):
        AdaMatch().prepare(Model(Keypoints(("x", "y"), (16, 16)), (1, 16, 16)), Unlabelled(torch.rand(4, 1, 16, 16)))


def test_a_share_of_squares_is_hidden_behind_the_images_mean() -> None:
    torch.manual_seed(0)
    x = torch.rand(400, 3, 14, 30)
    seen = masked(x, 0.7, 1 / 7)
    hidden = seen != x
    mean = x.mean((2, 3), keepdim=True).expand_as(x)
    assert torch.equal(seen[hidden], mean[hidden])
    assert hidden.float().mean().item() == pytest.approx(0.7, abs=0.02)
    squares = hidden.unfold(2, 2, 2).unfold(3, 2, 2).float().mean((-1, -2))
    assert set(squares.unique().tolist()) == {0.0, 1.0}, "a square of 2 by 2 pixels is hidden whole or not at all"
    assert torch.equal(hidden[:, 0], hidden[:, 1]), "in all channels"


def test_nothing_or_single_features_are_hidden() -> None:
    x = torch.rand(6, 1, 9, 9)
    assert torch.equal(masked(x, 0.0, 0.2), x)
    features = torch.randn(500, 4)
    seen = masked(features, 0.5, 0.2)
    hidden = seen != features
    assert hidden.float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(seen[hidden], features.mean(0).expand_as(seen)[hidden])


def test_the_teacher_of_mic_sees_the_whole_image_and_the_student_the_masked_one() -> None:
    method = MIC(ratio=0.5)
    model = Model(Classification(("a", "b")), (1, 16, 16))
    method.prepare(model, Unlabelled(torch.rand(8, 1, 16, 16)))
    seen: list[torch.Tensor] = []
    for network in (model.features, method.average.features):
        network.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    source, target = batches()
    next(method.updates(source, target, Progress(0, 10)))
    students, teachers = seen
    assert torch.equal(students[:8], source.x)
    assert not torch.equal(students[8:], target.x)
    assert torch.equal(teachers, target.clean)
