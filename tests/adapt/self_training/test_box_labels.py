"""A teacher's labels for boxes, and objects of the source that are pasted onto the target."""

import copy
import math

import pytest
import torch

from spots import TASK, spots
from synth2real.adapt.self_training.box_labels import BoxLabels
from synth2real.training.loop import Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model
from synth2real.transforms.warp import Warp

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
    shown = region[:, None, ::2, ::2] & region[:, None, 1::2, 1::2] & region[:, None, 1::2, ::2]
    expected = TASK.points_of(pasted, found)
    assert shown.any()
    assert torch.equal(found.centres.where(shown, 0), expected.centres.where(shown, 0))
    own, _ = BoxLabels(model, 0.3).labels(model, torch.zeros(1), target)
    hidden = ~(region[:, None, ::2, ::2] | region[:, None, 1::2, 1::2])
    assert torch.equal(found.centres.where(hidden, 0), own.centres.where(hidden, 0))


def test_images_onto_which_nothing_is_pasted_keep_the_labels_of_the_teacher(model: Model) -> None:
    source, target = batches()
    labels = BoxLabels(model, 0.3, paste=1.0)
    labels.student(SourceBatch(source.x[:3], source.y[torch.arange(3)], source.x[:3], None), target)
    found, _ = labels.labels(model, torch.zeros(1), target)
    own, _ = BoxLabels(model, 0.3).labels(model, torch.zeros(1), target)
    assert torch.equal(found.centres[3:], own.centres[3:])
    assert not torch.equal(found.centres[:3], own.centres[:3])


def test_the_teacher_sees_the_geometry_of_the_student(model: Model) -> None:
    _, target = batches()
    warp = Warp.sample(8, (32, 32), generator=torch.Generator().manual_seed(0), rotation=40.0, mirror=0.5)
    moved = TargetBatch(warp.image(target.clean), target.clean, warp)
    found, _ = BoxLabels(model, 0.3).labels(model, torch.zeros(1), moved)
    assert torch.equal(found.centres, TASK.labels_of_points(model(warp.image(target.clean)), torch.ones(2)).centres)


def test_of_sets_the_certain_boxes_are_labels_and_what_is_pasted_covers_them(model: Model) -> None:
    source, target = batches()
    sets = torch.zeros(8, 3, len(TASK.classes) + 4) - 9
    sets[:, :2, 0] = torch.tensor([9.0, -2.0])
    sets[:, :, -4:] = torch.tensor([0.5, 0.5, 0.25, 0.25])
    labels = BoxLabels(model, 0.5, paste=1.0)
    found, _ = labels.labels(lambda _: sets, torch.zeros(1), target)
    assert found.counts.tolist() == [1] * 8
    assert found.corners[0].tolist() == [12.0, 12.0, 20.0, 20.0]
    torch.manual_seed(1)
    labels.student(source, target)
    labels.pasted = (torch.ones_like(labels.pasted[0]), labels.pasted[1])
    found, _ = labels.labels(lambda _: sets, torch.zeros(1), target)
    assert torch.equal(found.corners, labels.pasted[1].corners)


def test_by_default_nothing_is_pasted(model: Model) -> None:
    source, target = batches()
    labels = BoxLabels(model, 0.3)
    assert labels.student(source, target) is target.x
    assert len(labels.labels(model, torch.zeros(1), target)[0].centres) == len(ALL)


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
def test_self_training_ends_when_boxes_become_many_or_few_or_large_or_small(model: Model, boxes, side, ends) -> None:
    student, teacher = copy.deepcopy(model), copy.deepcopy(model)
    labels = BoxLabels(student, 0.3)
    none = [0.0] * (len(TASK.classes) - 1)
    labels.now.update(torch.tensor([[4.0, *none], [4 * math.log(10.0), *none]]))
    labels.after_step(teacher, Progress(20, 100), started=False)
    labels.now.mean.copy_(torch.tensor([[boxes, *none], [boxes * math.log(side), *none]]))
    with torch.no_grad():
        for one in (student, teacher):
            one.head[-1].boxes[-1].bias += 1
    labels.after_step(teacher, Progress(30, 100))
    assert not labels.finished
    assert labels.need(torch.ones(()), torch.ones(())) == float(not ends)
    for one in (student, teacher):
        assert torch.equal(one.head[-1].boxes[-1].bias, model.head[-1].boxes[-1].bias) is ends
    assert [note.startswith("self-training ended at step 31 of 100") for note in labels.notes()] == [True] * ends


def test_the_threshold_of_a_class_is_a_share_of_its_mean_score_in_the_source(model: Model) -> None:
    _, target = batches()
    labels = BoxLabels(model, 0.5)
    confident = lambda x: torch.cat([model(x)[:, :-4] + 5, model(x)[:, -4:]], 1)  # noqa: E731
    found = TASK.predict(confident(target.clean))
    least = found.scores[found.classes == 0].median()  # of other classes nothing is certain
    means = torch.full((len(TASK.classes),), 2.0)
    means[0] = least / 0.5
    labels.scores.mean.copy_(means)
    dense, _ = labels.labels(confident, torch.zeros(1), target)
    assert torch.equal(dense.weights[:, 0] > 0, dense.centres[:, 0] >= least)
    sure = (found.classes == 0) & (found.scores >= least)
    assert labels.now.mean[0, 0] == pytest.approx(float(sure.sum()) / 8)


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
