"""The score that a comparison chooses by, on hand-made and simulated candidates."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pools import pool
from synth2real.errors import InputError
from synth2real.select.validators import (
    CandidateOutputs,
    Moved,
    has_learnt,
    mutual_information,
    sample_scores,
    validate,
)
from synth2real.select.validators.combined import class_scores, equivariance_scores
from synth2real.tasks import Classification, Keypoints, Regression

TASK = Classification(("a", "b", "c"))
VALUES = Regression(("v",), (0.0,), (1.0,))
POINTS = Keypoints(("x", "y"), (8, 8))
LABELS = torch.arange(60) % 3
TRUTH = torch.arange(300) % 3
LEARNT = F.one_hot(LABELS, 3).float()


def classes(wrong: float, seed: int, truth: Tensor = TRUTH) -> Tensor:
    """Classes of which a share is wrong at random."""
    generator = torch.Generator().manual_seed(seed)
    changed = (truth + torch.randint(1, 3, (len(truth),), generator=generator)) % 3
    return torch.where(torch.rand(len(truth), generator=generator) < wrong, changed, truth)


def candidate(predicted: Tensor, moved: Tensor | None = None, held_out: Tensor = LEARNT) -> CandidateOutputs:
    target = F.one_hot(predicted, 3) * 0.9 + 0.1 / 3
    again = None if moved is None else Moved(target, target, F.one_hot(moved, 3) * 0.9 + 0.1 / 3)
    return CandidateOutputs(target, held_out, again)


def test_a_perfect_candidate_among_perfect_ones_has_the_highest_score() -> None:
    perfect = CandidateOutputs(F.one_hot(TRUTH, 3).float(), LEARNT, Moved(*[F.one_hot(TRUTH, 3).float()] * 3))
    scores = class_scores([perfect, perfect], TASK, LABELS)
    assert scores.mean(1).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


@pytest.mark.parametrize("others", [0, 3])
def test_a_constant_answer_scores_nothing(others: int) -> None:
    """And hardly more if a few answers differ: the near-constant one was chosen by every former score."""
    same = torch.where(torch.arange(300) < others, 0, 2)
    found = class_scores([candidate(classes(0.3, 0), classes(0.3, 1)), candidate(same, same)], TASK, LABELS).mean(1)
    assert float(found[1]) == pytest.approx(0, abs=0.05)
    assert float(found[0]) > float(found[1]) + 0.1


def test_each_term_decides_if_the_others_do_not() -> None:
    steady, unsteady = (candidate(classes(0.3, 0), classes(0.3 + more, 0)) for more in (0.0, 0.3))
    first, second = class_scores([steady, unsteady], TASK, LABELS).mean(1).tolist()
    assert first > second
    alone = class_scores([steady, unsteady], TASK, LABELS, voted=False, balanced=False).mean(1)
    assert float(alone[0]) > float(alone[1])
    unsure = CandidateOutputs(steady.target * 0.5 + 0.5 / 3, LEARNT, steady.moved)
    sure, doubtful = class_scores([steady, unsure], TASK, LABELS, voted=False).mean(1).tolist()
    assert sure > doubtful


def test_unknown_moves_are_left_out() -> None:
    """The held-out source is predicted without error, so that the temperature makes the probabilities certain."""
    moved = torch.where(torch.arange(300) < 90, torch.tensor([1, 2, 0])[TRUTH], TRUTH)
    found = class_scores([candidate(TRUTH, moved), candidate(TRUTH)], TASK, LABELS).mean(1)
    consistency = 0.7 - 0.3 / 2  # a changed class lies on the other side of the mean
    assert found.tolist() == pytest.approx([(1 + 2 * consistency) / 3, 1.0], abs=1e-4)


def test_confidence_counts_no_more_than_consistency() -> None:
    """However confident a candidate is on the target, the term is what stays the same under a move."""
    wrong, moved = classes(0.4, 0), classes(0.4, 1)
    confident = F.one_hot(wrong, 3).float()
    sharp = CandidateOutputs(confident, LEARNT, Moved(confident, confident, F.one_hot(moved, 3).float()))
    both = class_scores([sharp], TASK, LABELS, voted=False).mean(1)
    steady = class_scores([sharp], TASK, LABELS, voted=False, balanced=False).mean(1)
    assert both.tolist() == pytest.approx(steady.tolist(), abs=1e-9)


def test_candidates_that_have_not_learnt_the_source_do_not_vote() -> None:
    lost = candidate(torch.tensor([1, 2, 0])[TRUTH], held_out=F.one_hot((LABELS + 1) % 3, 3).float())
    good = [candidate(classes(0.1, seed)) for seed in (0, 1)]
    among = class_scores([*good, lost, lost, lost], TASK, LABELS)[:2]
    assert torch.equal(among, class_scores(good, TASK, LABELS))


def test_has_learnt_needs_half_of_the_best_merit_above_chance() -> None:
    held = [F.one_hot(classes(wrong, 0, LABELS), 3).float() for wrong in (0.0, 0.2, 0.6)]
    assert has_learnt(held, LABELS, TASK) == [True, True, False]
    assert has_learnt([torch.ones(60, 3)], LABELS, TASK) == [False]  # one class
    uneven = torch.where(torch.arange(12) < 9, 0, 1)  # the more frequent class alone is right in 75 percent
    assert has_learnt([F.one_hot(uneven, 3).float()], uneven, TASK) == [True]
    assert has_learnt([F.one_hot(torch.zeros(12, dtype=torch.int64), 3).float()], uneven, TASK) == [False]
    values = torch.linspace(0, 1, 60)[:, None]
    offsets = [values, values + 0.05, values.roll(30, 0), torch.full_like(values, 0.5)]
    assert has_learnt(offsets, values, VALUES) == [True, True, False, False]


def test_information_is_zero_for_equal_and_one_for_confident_and_balanced_probabilities() -> None:
    assert float(mutual_information(torch.full((9, 3), 1 / 3).double()).mean()) == pytest.approx(0)
    assert float(mutual_information(F.one_hot(TRUTH, 3).double()).mean()) == pytest.approx(1)


def test_the_right_candidate_has_the_best_score_in_simulated_pools() -> None:
    """Four candidates that err independently, one of which has collapsed and is steady."""
    right = 0
    for seed in range(20):
        wrong = (0.5, 0.4, 0.1)
        several = [candidate(classes(w, 9 * seed + k), classes(w, 9 * seed + k + 4)) for k, w in enumerate(wrong)]
        collapsed = candidate(torch.ones(300).long(), torch.ones(300).long())
        right += int(class_scores([*several, collapsed], TASK, LABELS).mean(1).argmax()) == 2
    assert right == 20


def moved_points(slope: float, noise: float, count: int = 4000, offset: float = 0.0) -> Moved:
    """A point with a deviation of 3 px, predicted as offset + slope * point + noise, before and after a move."""
    generator = torch.Generator().manual_seed(1)
    truth, shift = (torch.randn(count, 2, generator=generator) * scale for scale in (3.0, 4.0))
    errors = torch.randn(2, count, 2, generator=torch.Generator().manual_seed(2)) * noise
    before, after = (offset + slope * x + e for x, e in zip((truth, truth + shift), errors, strict=True))
    return Moved(before, before + shift, after)


def test_points_score_by_the_share_of_a_move_that_they_follow() -> None:
    exact, half, noisy = equivariance_scores(
        [moved_points(1.0, 0.0), moved_points(0.5, 0.0), moved_points(1.0, 1.0)], POINTS
    )
    assert float(exact.mean()) == pytest.approx(1.0)
    # Moves of a mean of 5.0 px, cut at it, are 3.96 px in the mean; half a move, cut, is 2.47 px.
    assert float(half.mean()) == pytest.approx(1 - 2.47 / 3.96, abs=0.02)
    assert float(noisy.mean()) == pytest.approx(1 - math.sqrt(math.pi) / 3.96, abs=0.02)  # two errors of 1 px


def test_a_point_that_does_not_follow_scores_nothing_though_it_varies() -> None:
    constant, random = equivariance_scores([moved_points(0.0, 0.0), moved_points(0.0, 2.0)], POINTS).mean(1)
    assert float(constant) == pytest.approx(0, abs=1e-6)
    assert -0.1 < float(random) < 0.1


def test_a_few_failures_do_not_decide() -> None:
    sound = moved_points(1.0, 0.5)
    outliers = sound.predictions.clone()
    outliers[:40] += 1000
    rare = equivariance_scores([sound, Moved(sound.original, sound.expected, outliers)], POINTS).mean(1)
    assert float(rare[0] - rare[1]) == pytest.approx(0.01, abs=0.003)


def test_values_without_known_moves_cannot_be_decided() -> None:
    one = CandidateOutputs(torch.rand(6, 1), torch.rand(6, 1))
    assert sample_scores([one, one], VALUES, torch.rand(6, 1)) is None
    assert sample_scores([CandidateOutputs(torch.rand(6, 2), torch.rand(6, 2))], POINTS, torch.rand(6, 2)) is None
    with pytest.raises(InputError, match=r"validator 'combined' does not support the task regress"):
        validate("combined", pool(VALUES, [torch.rand(6, 1)] * 2))
    with pytest.raises(InputError, match=r"found candidates without moved predictions"):
        validate("combined", pool(POINTS, [torch.rand(6, 2)] * 2, moved=False))


def test_the_validator_gives_the_mean_over_samples() -> None:
    raw = [torch.randn(20, 3, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    three = pool(TASK, raw)
    candidates = [
        CandidateOutputs(t, s, c.moved) for t, s, c in zip(three.target, three.source, three.candidates, strict=True)
    ]
    expected = sample_scores(candidates, TASK, three.labels)
    assert expected is not None
    assert validate("combined", three) == pytest.approx(expected.mean(1).tolist())
