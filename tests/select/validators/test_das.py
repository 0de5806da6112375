"""The detection adaptation score: flatness of the minimum, and prototypes of the classes."""

import pytest
import torch

from spots import TASK, spots
from synth2real.select.validators import Candidate, Pool, labels_of, observe, validate
from synth2real.select.validators.das import Probed, flatness, prototype_ratio, prototypes
from synth2real.select.validators.dense import found_boxes
from synth2real.training.model import Model

HELD, TARGET = spots(12, 0), spots(12, 1).unlabelled()


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(TASK, (1, 32, 32)).eval()


def test_without_a_perturbation_the_boxes_stay_and_with_a_large_one_they_do_not(model: Model) -> None:
    before = [weight.clone() for weight in model.parameters()]
    boxes = found_boxes(model, TARGET.inputs)
    assert flatness(model, TARGET.inputs, boxes, reach=0.0) == pytest.approx(1)
    assert flatness(model, TARGET.inputs, boxes, reach=1.0) < 0.7
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))


def test_a_prototype_is_the_mean_feature_at_the_centres_of_the_boxes(model: Model) -> None:
    boxes = HELD.labels.kept(HELD.labels.classes == 1)
    found = prototypes(model, HELD.inputs, boxes)
    assert found.shape == (2, model.width)
    assert found.isnan().all(1).tolist() == [True, False]
    maps = model.features(HELD.inputs.float() / 255)
    one = boxes[torch.tensor([int(boxes.image[0])])]
    x, y = ((one.corners[0, :2] + one.corners[0, 2:]) / 2 * maps.shape[3] / 32).long().clamp(0, 7).tolist()
    first = prototypes(model, HELD.inputs[boxes.image[:1]], one.kept(torch.arange(len(one.scores)) == 0))[1]
    torch.testing.assert_close(first, maps[int(boxes.image[0]), :, y, x].detach(), atol=1e-4, rtol=1e-4)


def test_classes_far_apart_and_close_to_themselves_have_a_high_ratio() -> None:
    source, target = torch.eye(3), torch.eye(3) + 0.1
    assert prototype_ratio(source, target) > prototype_ratio(source, torch.eye(3).roll(1, 0))
    lost = torch.cat([target[:2], torch.full((1, 3), torch.nan)])
    assert prototype_ratio(source, lost) > 1
    assert prototype_ratio(source[:1], target[:1]) == 0


def test_the_score_adds_both_between_the_worst_and_the_best_of_the_pool(model: Model) -> None:
    seen = observe(model, HELD, TARGET)
    assert seen.probed is not None
    assert 0 <= seen.probed.flatness <= 1

    def changed(flat: float, far: float) -> Candidate:
        values = {**vars(seen), "probed": Probed(flat, torch.eye(2), far * torch.eye(2))}
        return Candidate(**{name: values[name] for name in Candidate.__dataclass_fields__})

    made = Pool([changed(0.5, 0.0), changed(0.9, 0.9), changed(0.7, 0.9)], TASK, labels_of(HELD, TASK))
    assert validate("flatness", made) == [0.5, 0.9, 0.7]
    assert validate("das", made) == pytest.approx([0, 2, 1.5])
    assert observe(model, HELD, TARGET, probed=False).probed is None
