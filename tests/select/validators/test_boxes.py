"""Label-free scores of boxes, exact on known errors."""

from dataclasses import replace

import pytest
import torch

from spots import SIDE, TASK, field, found, together
from synth2real.data.labels import Boxes
from synth2real.select.decision import certainty, in_doubt
from synth2real.select.validators import Moved, boxes_collapsed
from synth2real.select.validators.box_curves import averages
from synth2real.select.validators.boxes import box_scores, boxes_learnt, consistency_curves, own_curves, pairs
from synth2real.tasks import Detection

TRUTH, SOURCE = field(60, 0), field(50, 1)
HELD = found(SOURCE, 0.1, 9)
JUNK = [(TRUTH, field(60, seed)) for seed in (7, 8)]
NOTHING = TRUTH.kept(torch.zeros_like(TRUTH.ignored))


def scores(*targets: Boxes, moved: list[Moved | None] | None = None, held: list[Boxes] | None = None) -> list[float]:
    every = moved or [Moved(one, one, one) for one in targets]
    made = box_scores(targets, held or [HELD] * len(targets), every, TASK, SOURCE)
    assert made.shape == (len(targets), len(TRUTH))
    return made.mean(1).tolist()


def test_candidates_with_few_errors_score_nearly_one() -> None:
    assert min(scores(*(found(TRUTH, 0.02, seed) for seed in range(3)))) > 0.85


def test_the_candidate_with_the_fewer_errors_has_the_better_score() -> None:
    made = scores(*(found(TRUTH, share, seed) for seed, share in enumerate((0.05, 0.15, 0.15, 0.5))))
    assert made[0] == max(made)
    assert made[3] == min(made)


def test_boxes_that_do_not_follow_moves_score_less() -> None:
    one = found(TRUTH, 0.05, 0)
    away = one.at(one.corners + 5)
    made = scores(one, one, one, moved=[Moved(one, away, away), Moved(one, away, one), None])
    assert made[0] > made[1] + 0.2


def test_a_candidate_that_never_predicts_a_class_does_not_gain_by_it() -> None:
    others = [found(TRUTH, 0.1, seed) for seed in range(2)]
    one = others[0].kept(others[0].classes == 0)
    made = scores(*others, one)
    assert made[2] < min(made[:2]) - 0.2


def test_a_candidate_that_is_only_more_confident_does_not_win() -> None:
    """Its boxes are as certain as none on the source is, and change with every move."""
    honest = [found(TRUTH, 0.15, seed) for seed in range(3)]
    wrong = found(TRUTH, 0.3, 7)
    sure = replace(wrong, scores=torch.full_like(wrong.scores, 0.99))
    again = found(TRUTH, 0.3, 8)
    moved = [*(Moved(one, one, one) for one in honest), Moved(sure, sure, again)]
    made = scores(*honest, sure, moved=moved)
    assert made[3] == min(made)


def test_where_nobody_finds_anything_all_images_score_zero() -> None:
    assert scores(NOTHING, NOTHING) == [0, 0]


def test_who_has_not_learnt_the_source_does_not_vote() -> None:
    chance = field(50, 5)
    assert boxes_learnt([HELD, chance, SOURCE.kept(SOURCE.classes < 0)], SOURCE, TASK) == [True, False, False]
    agreeing = field(60, 6)
    good = found(TRUTH, 0.1, 0)
    with_them = scores(good, agreeing, agreeing, agreeing, held=[HELD, chance, chance, chance])
    assert with_them[0] > max(with_them[1:])


def test_the_boxes_of_a_candidate_are_right_by_the_mean_over_the_others() -> None:
    one = replace(TRUTH, scores=torch.full_like(TRUTH.scores, 0.6))
    known = pairs([TRUTH, one, NOTHING], 2)
    right, objects = known.by(0, [1, 2])
    assert right.tolist() == pytest.approx([0.3] * len(TRUTH.scores))
    assert float(objects.sum()) == pytest.approx(0.3 * len(TRUTH.scores), rel=1e-5)
    weighted, _ = known.by(0, [1, 2], torch.tensor([3.0, 1.0]))
    assert weighted.tolist() == pytest.approx([0.45] * len(TRUTH.scores))


def test_objects_that_are_never_found_on_the_source_are_missed_on_the_target_too() -> None:
    half = SOURCE.kept(torch.arange(len(SOURCE.scores)) % 2 == 0)
    own = replace(TRUTH, scores=torch.full_like(TRUTH.scores, 0.999))
    assert float(averages(own_curves(own, half, SOURCE, 2)).mean()) == pytest.approx(0.5, abs=0.1)


def test_boxes_that_may_be_wrong_are_in_no_consistency() -> None:
    expected = found(TRUTH, 0.2, 0)
    doubtful = replace(expected, scores=expected.scores.where(expected.scores > 0.7, 0.01))
    each = consistency_curves(Moved(expected, doubtful, expected), SOURCE, SOURCE, 2)
    assert averages(each).tolist() == pytest.approx([1, 1])


def test_a_detector_that_has_failed_is_said() -> None:
    held = replace(SOURCE, scores=torch.full_like(SOURCE.scores, 0.6))
    good = replace(TRUTH, scores=torch.full_like(TRUTH.scores, 0.6))
    assert boxes_collapsed(good, held, TASK) is None
    assert "it finds 0 boxes an image on the target, and 4 on" in str(boxes_collapsed(NOTHING, held, TASK))
    faint = replace(good, scores=0.1 * good.scores)
    assert "it finds 0 boxes an image" in str(boxes_collapsed(faint, held, TASK))
    only = good.kept(good.classes == 1)
    assert "100.0% of its boxes on the target are of the class 'square', and 5" in str(
        boxes_collapsed(only, held, TASK)
    )
    large = good.at(10 * good.corners)
    assert "its boxes are 70 pixels long on the target, and 7 on" in str(boxes_collapsed(large, held, TASK))
    same = good[torch.zeros(60).long()]
    assert "the same boxes in every image" in str(boxes_collapsed(same, held, TASK))
    flood = Boxes.of([torch.rand(90, 2).repeat(1, 2) + torch.tensor([0.0, 0, 7, 7])] * 4, [torch.arange(90) % 2] * 4)
    assert "it finds 90 boxes an image" in str(boxes_collapsed(flood, held, TASK))


def test_one_class_is_no_collapse_if_there_is_no_other() -> None:
    task = Detection(("disc",), (SIDE, SIDE), 4.0)
    good, held = (replace(one, classes=0 * one.classes) for one in (TRUTH, SOURCE))
    assert boxes_collapsed(good, held, task) is None


def test_images_on_which_the_routes_differ_are_in_doubt() -> None:
    shifted = TRUTH.at(torch.where((TRUTH.image < 3)[:, None], TRUTH.corners + 5, TRUTH.corners))
    sure = certainty([TRUTH, shifted, TRUTH], TASK)
    assert sure[:3].tolist() == pytest.approx([1 / 3] * 3)
    assert sure[3:].tolist() == pytest.approx([1] * 57)
    assert sorted(in_doubt([TRUTH, shifted, TRUTH], TASK)) == [0, 1, 2]
    assert certainty([NOTHING, NOTHING], TASK).isnan().all()
    faint = [together(one.kept(one.image > 0), replace(two, scores=0.02 * two.scores)) for one, two in JUNK]
    assert certainty(faint, TASK).nan_to_num(1.0).tolist() == pytest.approx([1] * 60)  # an image without objects, too
    alone = replace(TRUTH, scores=torch.full_like(TRUTH.scores, 0.4))
    assert certainty([alone], TASK).tolist() == pytest.approx([0.4] * 60)
