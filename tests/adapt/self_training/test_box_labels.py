"""A teacher's labels for boxes, and objects of the source that are pasted onto the target."""

import math
from dataclasses import replace

import pytest
import torch

from spots import TASK, spots
from synth2real.adapt.self_training.box_labels import BoxLabels
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model

ALL = torch.arange(8)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(TASK, (1, 32, 32)).eval()


def batches() -> tuple[SourceBatch, TargetBatch]:
    source, target = spots(8, 0), spots(8, 1)
    ours, theirs = (one.inputs.float() / 255 for one in (source, target))
    return SourceBatch(ours, source.labels, ours, None), TargetBatch(theirs, theirs, None)


def test_pasted_objects_are_labels_of_the_images_that_show_them(model: Model) -> None:
    source, target = batches()
    labels = BoxLabels(model, 0.3, paste=1.0)
    torch.manual_seed(1)
    x = labels.student(source, target)
    region, pasted = labels.pasted
    assert region.any()
    assert torch.equal(x, torch.where(region[:, None], source.x, target.x))
    assert set(map(tuple, pasted.corners.tolist())) & set(map(tuple, source.y.corners.tolist()))
    found, weights = labels.labels(model, torch.zeros(1), target)
    assert weights.tolist() == [1.0] * 8
    for i in range(8):
        ours, theirs = (one[torch.tensor([i])] for one in (found, pasted))
        count = len(theirs.classes)
        assert torch.equal(ours.corners[len(ours.classes) - count :], theirs.corners)
        assert not ours.ignored[len(ours.classes) - count :].any()


def test_what_is_pasted_covers_the_boxes_of_the_target(model: Model) -> None:
    source, target = batches()
    known = replace(TASK, visible=0.5)
    labels = BoxLabels(model, 0.3, paste=1.0)
    assert labels.task == TASK
    torch.manual_seed(1)
    labels.student(source, target)
    labels.pasted = (torch.ones_like(labels.pasted[0]), labels.pasted[1])
    found, _ = labels.labels(model, torch.zeros(1), target)
    assert torch.equal(found.corners, labels.pasted[1].corners)
    assert known.visible == 0.5


def test_by_default_nothing_is_pasted(model: Model) -> None:
    source, target = batches()
    labels = BoxLabels(model, 0.3)
    assert labels.student(source, target) is target.x
    assert len(labels.labels(model, torch.zeros(1), target)[0]) == len(ALL)


@pytest.mark.parametrize(
    ("boxes", "side", "ends"),
    [
        (4.0, 10.0, False),
        (11.0, 11.0, False),
        (13.0, 10.0, True),
        (1.0, 10.0, True),
        (4.0, 15.0, True),
        (4.0, 6.0, True),
    ],
)
def test_the_training_ends_when_boxes_become_many_or_few_or_large_or_small(model: Model, boxes, side, ends) -> None:
    labels = BoxLabels(model, 0.3)
    none = [0.0] * (len(TASK.classes) - 1)
    labels.now.update(torch.tensor([[4.0, *none], [4 * math.log(10.0), *none]]))
    labels.after_step(model, Progress(20, 100), started=False)
    labels.now.mean.copy_(torch.tensor([[boxes, *none], [boxes * math.log(side), *none]]))
    labels.after_step(model, Progress(30, 100))
    assert labels.finished is ends
    assert len(labels.notes()) == int(ends)


def test_the_threshold_of_a_class_is_a_share_of_its_mean_score_in_the_source(model: Model) -> None:
    _, target = batches()
    labels = BoxLabels(model, 0.5)
    confident = lambda x: torch.cat([model(x)[:, :-4] + 5, model(x)[:, -4:]], 1)  # noqa: E731
    found = TASK.predict(confident(target.clean))
    least = found.scores[found.classes == 0].median()  # of other classes nothing is certain
    means = torch.full((len(TASK.classes),), 2.0)
    means[0] = least / 0.5
    labels.scores.mean.copy_(means)
    kept, _ = labels.labels(confident, torch.zeros(1), target)
    sure = (found.classes == 0) & (found.scores >= least)
    assert (~kept.ignored).sum() == sure.sum() > 0


def test_the_mean_score_of_a_class_is_that_at_the_centres_of_its_boxes(model: Model) -> None:
    source, _ = batches()
    labels = BoxLabels(model, 0.5)
    raw = torch.full_like(model(source.x), -2.0)
    raw[:, 0] = 1.0
    labels.observe(raw, source, raw, Progress(0, 10))
    expected = torch.tensor([1.0, *[-2.0] * (len(TASK.classes) - 1)]).sigmoid()
    seen = torch.bincount(source.y.classes, minlength=len(TASK.classes)) > 0
    torch.testing.assert_close(labels.scores.mean[seen], expected[seen])
    assert (labels.scores.mean[~seen] == 1).all()
