"""Live score: confidence for classes, inconsistency for values; the training continues unchanged."""

import pytest
import torch
from torch import nn

from synth2real import Budget, Labelled, Model, Route
from synth2real.adapt import MSDA, SourceOnly
from synth2real.cli.console import Watch, bars
from synth2real.select.validators import live_score
from synth2real.tasks import Classification, Gaze, Keypoints, Regression, Task

EACH: tuple[Task, ...] = (
    Classification(("a", "b")),
    Regression(("u",), (0.0,), (1.0,)),
    Keypoints(("x", "y"), (16, 16)),
    Gaze(),
)


@pytest.mark.parametrize("task", EACH, ids=lambda task: task.kind)
def test_each_task_of_images_has_a_score_and_the_model_stays_in_training(task: Task) -> None:
    torch.manual_seed(0)
    model = Model(task, (1, 16, 16), dropout=0.5).train()
    found = live_score(model, torch.rand(20, 1, 16, 16))
    assert found is not None
    assert found[0] == ("confidence" if task.kind == "classify" else "inconsistency")
    assert found[1] >= (0.5 if task.kind == "classify" else 0)
    assert model.training
    assert model.head.training


class Place(nn.Module):
    """Features: where the light is, in -1..1 as the keypoints' head takes it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mass = x.mean(1) / x.mean(1).sum((1, 2), keepdim=True).clamp(min=1e-6)
        along = (torch.arange(16) + 0.5) / 8 - 1
        return torch.stack([(mass.sum(1) * along).sum(1), (mass.sum(2) * along).sum(1)], 1)


def test_a_model_that_finds_the_point_is_consistent_and_one_that_ignores_the_image_is_not() -> None:
    images = torch.zeros(30, 1, 16, 16)
    generator = torch.Generator().manual_seed(0)
    for image, (x, y) in zip(images, torch.randint(5, 10, (30, 2), generator=generator).tolist(), strict=True):
        image[0, y : y + 2, x : x + 2] = 1
    model = Model(EACH[2], (1, 16, 16), features=Place(), statistics="none").eval()
    head = next(module for module in model.head.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        head.weight.copy_(torch.eye(2))
        head.bias.zero_()
    found = live_score(model, images)
    assert found is not None
    assert found[1] < 0.15
    with torch.no_grad():
        head.weight.mul_(0.05)  # predicts nearly the same for every image
    constant = live_score(model, images)
    assert constant is not None
    assert constant[1] > 0.5


def test_values_of_features_have_no_score() -> None:
    assert live_score(Model(EACH[1], (4,)), torch.randn(10, 4)) is None


@pytest.mark.parametrize("mapped", [False, True])
def test_a_training_is_watched_and_ends_in_the_same_bits(mapped: bool) -> None:
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    data = Labelled(x, (x[:, 0] > 0).long(), ("no", "yes"))
    route = Route(adapt=MSDA(then=SourceOnly()) if mapped else SourceOnly())
    seen: list[tuple[int, dict[str, float]]] = []
    with bars() as shown:
        watch = Watch(shown, lambda stage, step, steps, terms: seen.append((step, terms)))
        runs = [
            route.run(data, data.unlabelled(), budget=Budget(steps=200, batch=8), checkpoint=look)
            for look in (watch.look, None)
        ]
    assert [step for step, _ in seen] == [100, 200]
    assert shown.note == f"confidence on real {seen[-1][1]['confidence on real']:.3f}"
    assert torch.equal(*(run.model.predict(x).values for run in runs))
