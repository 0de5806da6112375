"""Sets of boxes: matching, losses, scores and predictions."""

import itertools

import pytest
import torch

from synth2real.data.labels import Boxes
from synth2real.tasks import Detection
from synth2real.tasks.box_sets import matched_outputs, stages

SIZE = (40, 80)
TASK = Detection(("a", "b"), SIZE, 8.0)
TRUTH = Boxes.of(
    [torch.tensor([[8.0, 4.0, 24.0, 20.0], [40.0, 10.0, 72.0, 30.0]]), torch.zeros(0, 4)],
    [torch.tensor([0, 1]), torch.zeros(0)],
)
SURE = 6.0


def said(*rows: tuple[float, ...]) -> torch.Tensor:
    """Outputs (1, Q, 6): logits of two classes, and the corners of a box in pixels."""
    found = []
    for one, two, left, top, right, bottom in rows:
        centre = (left + right) / 2 / SIZE[1], (top + bottom) / 2 / SIZE[0]
        found.append([one, two, *centre, (right - left) / SIZE[1], (bottom - top) / SIZE[0]])
    return torch.tensor([found])


RIGHT = said((-SURE, -SURE, 0, 0, 9, 9), (-SURE, SURE, 40, 10, 72, 30), (SURE, -SURE, 8, 4, 24, 20))
NOTHING = said(*[(-SURE, -SURE, 0, 0, 9, 9)] * 3)
BOTH = torch.cat([RIGHT, NOTHING])


def test_stages_are_the_logits_and_corners_of_each_the_last_first() -> None:
    two = torch.cat([RIGHT, NOTHING], 2)
    (logits, corners), (other, _) = stages(two, 2)
    assert torch.equal(logits, RIGHT[..., :2])
    assert torch.equal(other, NOTHING[..., :2])
    pixels = corners[0, 2] * torch.tensor([SIZE[1], SIZE[0], SIZE[1], SIZE[0]])
    torch.testing.assert_close(pixels, TRUTH.corners[0])


def test_the_match_is_the_cheapest_of_all() -> None:
    torch.manual_seed(0)
    outputs = torch.rand(2, 4, 6)
    logits, corners = stages(outputs, 2)[0]
    found = matched_outputs(logits, corners, TRUTH, SIZE)
    single = [[matched_cost(logits, corners, k, query) for query in range(4)] for k in range(2)]
    best = min(itertools.permutations(range(4), 2), key=lambda two: single[0][two[0]] + single[1][two[1]])
    assert found.tolist() == list(best)


def matched_cost(logits: torch.Tensor, corners: torch.Tensor, k: int, query: int) -> float:
    """The cost of RT-DETR, written out for one pair."""
    p = float(logits[0, query, TRUTH.classes[k]].double().sigmoid())
    cost = 2 * (0.25 * (1 - p) ** 2 * -torch.tensor(p).log() - 0.75 * p**2 * -torch.tensor(1 - p).log())
    ours, theirs = corners[0, query], TRUTH.corners[k] / torch.tensor([SIZE[1], SIZE[0], SIZE[1], SIZE[0]])
    centres = ((ours[:2] + ours[2:] - theirs[:2] - theirs[2:]) / 2).abs().sum()
    sides = (ours[2:] - ours[:2] - theirs[2:] + theirs[:2]).abs().sum()
    low, high = torch.maximum(ours[:2], theirs[:2]), torch.minimum(ours[2:], theirs[2:])
    common = (high - low).clamp(min=0).prod()
    union = (ours[2:] - ours[:2]).prod() + (theirs[2:] - theirs[:2]).prod() - common
    around = (torch.maximum(ours[2:], theirs[2:]) - torch.minimum(ours[:2], theirs[:2])).prod()
    return float(cost + 5 * (centres + sides) - 2 * (common / union - (around - union) / around))


def test_right_boxes_cost_nearly_nothing_and_each_stage_counts() -> None:
    right, wrong = TASK.losses(BOTH, TRUTH), TASK.losses(torch.cat([NOTHING, RIGHT]), TRUTH)
    assert float(right.sum()) < 0.05
    assert (wrong > 2).all()
    torch.testing.assert_close(TASK.losses(torch.cat([BOTH, BOTH], 2), TRUTH), 2 * right)


def test_more_boxes_than_are_predicted_leave_some_unmatched() -> None:
    one = BOTH[:, :1]
    logits, corners = stages(one, 2)[0]
    assert sorted(matched_outputs(logits, corners, TRUTH, SIZE).tolist()) == [-1, 0]
    assert TASK.losses(one, TRUTH).isfinite().all()


def test_a_set_of_images_without_any_box_has_a_loss() -> None:
    none = Boxes.of([torch.zeros(0, 4)] * 2, [torch.zeros(0)] * 2)
    losses = TASK.losses(BOTH, none)
    assert losses.isfinite().all()
    assert losses[0] > 1 > losses[1]


def test_boxes_within_ignored_ones_count_nowhere() -> None:
    ignored = Boxes(TRUTH.corners + torch.tensor([-1.0, -1, 1, 1]), TRUTH.classes, TRUTH.offsets, torch.ones(2) > 0)
    assert float(TASK.losses(BOTH, ignored)[0]) < 1e-3
    assert float(TASK.losses(BOTH, Boxes.of([torch.zeros(0, 4)] * 2, [torch.zeros(0)] * 2))[0]) > 1


def test_a_box_counts_as_its_score() -> None:
    outputs = torch.cat([NOTHING, NOTHING])
    half = Boxes(TRUTH.corners, TRUTH.classes, TRUTH.offsets, scores=torch.tensor([0.5, 0.5]))
    whole, less = TASK.losses(outputs, TRUTH)[0], TASK.losses(outputs, half)[0]
    # Divided by the sum of the scores, at least 1: 2 and 1.
    torch.testing.assert_close(less, whole, atol=1e-3, rtol=1e-3)


def test_scores_are_those_of_the_boxes_that_show_an_object() -> None:
    assert TASK.scores_of(BOTH, TRUTH).tolist() == pytest.approx([torch.tensor(SURE).sigmoid().item()] * 2)
    assert TASK.scores_of(torch.cat([NOTHING, RIGHT]), TRUTH).tolist() == [0, 0]


def test_predictions_are_boxes_in_pixels_by_falling_scores_within_the_frame() -> None:
    outside = said((SURE, -SURE, -8, 4, 24, 50), (1.0, -SURE, 8, 4, 24, 20))
    found = TASK.predict(torch.cat([BOTH, torch.cat([outside, outside[:, :1]], 1)]))
    assert found.counts.tolist() == [2, 0, 3]
    torch.testing.assert_close(found.corners[found.classes[:2].argsort()], TRUTH.corners)
    assert found.corners[2].tolist() == pytest.approx([0, 4, 24, 40], abs=1e-4)
    assert found.scores[2] > found.scores[4]
