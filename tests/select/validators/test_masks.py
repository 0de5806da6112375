"""Label-free scores of masks, exact on tiny masks and known probabilities."""

import pytest
import torch

from discs import CLASSES, discs, hot
from synth2real.data.labels import IGNORED
from synth2real.select.validators import Moved, collapsed
from synth2real.select.validators.agreement import mean_maps, together
from synth2real.select.validators.masks import (
    calibrated,
    expected_ious,
    mask_scores,
    masks_learnt,
    overlaps,
    pair_overlaps,
)
from synth2real.tasks import Segmentation

TASK = Segmentation(CLASSES, (32, 32))
THREE = Segmentation(("background", "a", "b"), (32, 32))
TRUTH = discs(40, 0).labels.tensor


def shifted(masks: torch.Tensor, by: int) -> torch.Tensor:
    return masks.roll(by, 2)


def test_the_expected_iou_of_known_probabilities() -> None:
    mask = torch.tensor([[[1, 1], [0, 0]]], dtype=torch.uint8)
    of_disc = torch.tensor([[[1.0, 0.5], [0.5, 0.0]]])
    found = overlaps(mask, torch.stack([1 - of_disc, of_disc], 1))
    assert found.common[0].tolist() == [1.5, 1.5]
    assert found.union[0].tolist() == [2.5, 2.5]
    assert float(expected_ious(mask, torch.stack([1 - of_disc, of_disc], 1))) == pytest.approx(0.6)


def test_the_agreement_of_known_masks_is_their_iou() -> None:
    a, b = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    a[0, :2], b[0, 1:3] = 1, 1
    assert float(expected_ious(a, hot(b))) == pytest.approx(1 / 3)
    assert float(expected_ious(a, hot(a))) == 1


def test_an_image_without_foreground_says_nothing_but_a_missed_object_is_an_error() -> None:
    empty, disc = torch.zeros_like(TRUTH[:1]), TRUTH[:1]
    assert expected_ious(empty, hot(empty)).isnan().all()
    assert float(expected_ious(empty, hot(disc))) == 0
    assert float(expected_ious(disc, hot(empty))) == 0


def test_the_mean_over_classes_leaves_out_those_that_are_absent() -> None:
    mask = torch.zeros(1, 4, 4, dtype=torch.uint8)
    mask[0, 0] = 2
    assert float(expected_ious(mask, hot(mask, 3))) == 1


def test_overlaps_with_the_mean_of_probabilities_are_the_mean_of_overlaps() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.rand(5, 3, 8, 8, generator=generator).softmax(1) for _ in range(3)]
    masks = [one.argmax(1).to(torch.uint8) for one in maps]
    found, mean = pair_overlaps(masks, maps), overlaps(masks[0], mean_maps(maps))
    assert found.common.shape == (3, 3, 5, 3)
    torch.testing.assert_close(found.common[0].mean(0), mean.common, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.union[0].mean(0), mean.union, atol=1e-4, rtol=0)


def test_the_ensemble_of_masks_is_the_mean_of_probabilities() -> None:
    maps = [hot(TRUTH).half(), hot(shifted(TRUTH, 1)).half()]
    torch.testing.assert_close(together(maps, TASK), (maps[0].float() + maps[1].float()) / 2)
    torch.testing.assert_close(together(maps, TASK, torch.tensor([3.0, 1.0]))[:, 1].amax(), torch.tensor(1.0))


def test_calibration_takes_the_confidence_from_the_source() -> None:
    """Certain about everything, right about nine tenths of the source: its probabilities become about 0.9."""
    generator = torch.Generator().manual_seed(0)
    wrong = torch.where(torch.rand(TRUTH.shape, generator=generator) < 0.1, 1 - TRUTH, TRUTH)
    sure = hot(wrong, sure=0.999)
    found = calibrated(sure, sure, TRUTH)
    assert float(found.amax(1).mean()) == pytest.approx(0.9, abs=0.02)
    assert torch.equal(found.argmax(1), sure.argmax(1))


def scores(*masks: torch.Tensor, moved: list[Moved | None] | None = None, task: Segmentation = TASK) -> list[float]:
    maps = [hot(one, task.outputs, 0.98) for one in masks]
    held = [hot(TRUTH, task.outputs, 0.98)] * len(maps)
    found = mask_scores(maps, held, moved or [Moved(one, one, one) for one in masks], task, TRUTH)
    assert found.shape == (len(masks), len(TRUTH))
    return found.mean(1).tolist()


def test_perfect_candidates_among_perfect_ones_score_nearly_one() -> None:
    assert scores(TRUTH, TRUTH, TRUTH) == pytest.approx([1, 1, 1], abs=0.05)


def test_the_candidate_with_the_fewer_errors_has_the_better_score() -> None:
    found = scores(TRUTH, shifted(TRUTH, 1), shifted(TRUTH, -1), shifted(TRUTH, 4))
    assert found[0] == max(found)
    assert found[3] == min(found)


def test_a_mask_that_does_not_follow_moves_scores_less() -> None:
    follows, stays = Moved(TRUTH, shifted(TRUTH, 3), shifted(TRUTH, 3)), Moved(TRUTH, shifted(TRUTH, 3), TRUTH)
    found = scores(TRUTH, TRUTH, TRUTH, moved=[follows, stays, None])
    assert found[0] > found[1] + 0.2


def test_a_candidate_that_never_predicts_a_class_does_not_gain_by_it() -> None:
    """The class would be in neither its mask nor its moved mask, so that all it predicts is consistent."""
    both = torch.where(shifted(TRUTH, 10).bool(), 2, TRUTH.long()).to(torch.uint8)
    one = torch.where(both == 2, 0, both)
    found = scores(both, shifted(both, 1), one, task=THREE)
    assert found[2] < min(found[:2]) - 0.2


def test_images_in_which_nobody_finds_anything_score_one() -> None:
    empty = torch.zeros_like(TRUTH)
    assert scores(empty, empty) == [1, 1]


def test_who_has_learnt_the_source_beats_the_masks_of_other_images() -> None:
    ignoring = TRUTH.roll(1, 0)
    assert masks_learnt([hot(TRUTH), hot(ignoring), hot(shifted(TRUTH, 1))], TRUTH, TASK) == [True, False, True]
    assert masks_learnt([hot(torch.zeros_like(TRUTH))], TRUTH, TASK) == [False]


def test_ignored_pixels_of_labels_do_not_count() -> None:
    labels = TRUTH.clone()
    labels[:, :16] = IGNORED
    assert masks_learnt([hot(torch.where(labels == IGNORED, 1 - TRUTH, TRUTH))], labels, TASK) == [True]


def test_a_vanished_foreground_or_background_and_one_mask_for_all_are_said() -> None:
    held = hot(TRUTH)
    assert collapsed(hot(TRUTH), held, TASK) is None
    assert "'disc' for 0.00% of the target's pixels" in str(collapsed(hot(torch.zeros_like(TRUTH)), held, TASK))
    assert "'background' for 0.00%" in str(collapsed(hot(torch.ones_like(TRUTH)), held, TASK))
    assert "the same mask for every image" in str(collapsed(hot(TRUTH[:1].expand(9, -1, -1)), held, TASK))
