"""Agreement on examples small enough to check by hand."""

import pytest
import torch

from pools import pool
from synth2real.errors import InputError
from synth2real.select.validators import ensemble_agreement, expected_agreement, near_ties, together, validate
from synth2real.select.validators.agreement import weights_of
from synth2real.tasks import Classification, Regression

CLASSES = Classification(("a", "b"))
VALUE = Regression(("v",), (0.0,), (1.0,))


def test_the_candidate_that_agrees_with_the_mean_scores_highest() -> None:
    right = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]])
    also = torch.tensor([[0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    wrong = torch.tensor([[0.45, 0.55], [0.1, 0.9], [0.6, 0.4]])
    assert ensemble_agreement([right, also, wrong], CLASSES) == pytest.approx([1.0, 2 / 3, 2 / 3])


def test_expected_agreement_is_the_others_probability_of_its_class() -> None:
    confident = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    uncertain = torch.tensor([[0.8, 0.2], [0.6, 0.4]])
    assert torch.allclose(together([confident, uncertain], CLASSES), torch.tensor([[0.9, 0.1], [0.3, 0.7]]))
    assert expected_agreement([confident, uncertain], CLASSES) == pytest.approx([(0.9 + 0.7) / 2, (0.9 + 0.3) / 2])


def test_where_votes_tie_probabilities_decide() -> None:
    """One disagrees where the others are confident, one where they are uncertain: equal votes, other probabilities."""
    base = torch.tensor([[0.99, 0.01], [0.55, 0.45]])
    at_confident, at_uncertain = torch.tensor([[0.4, 0.6], [0.9, 0.1]]), torch.tensor([[0.99, 0.01], [0.4, 0.6]])
    predictions = [base, base, at_confident, at_uncertain]
    votes, expected = ensemble_agreement(predictions, CLASSES), expected_agreement(predictions, CLASSES)
    assert votes[2] == votes[3]
    assert expected[3] > expected[2]


def test_one_sample_is_a_near_tie_and_many_are_none() -> None:
    """One dissent in 100 is one standard error of its share; 9 are more than three."""
    predictions = torch.tensor([[0.9, 0.1]]).repeat(100, 1)

    def dissent(count: int) -> torch.Tensor:
        return torch.cat([predictions[:count].flip(1), predictions[count:]])

    made = [predictions, predictions, predictions, dissent(1), dissent(9)]
    assert near_ties(made, CLASSES) == [True, True, True, True, False]
    assert near_ties(made, CLASSES, confidence=0.9999) == [True] * 5
    assert near_ties(made, CLASSES, confidence=0.0) == [True, True, True, False, False]


def test_a_difference_in_one_group_of_a_few_is_a_tie() -> None:
    """Nine dissents in one of five videos: another video could show none."""
    predictions = torch.tensor([[0.9, 0.1]]).repeat(100, 1)
    other = torch.cat([predictions[:9].flip(1), predictions[9:]])
    made, videos = [predictions, predictions, predictions, other], torch.arange(100) // 20
    assert near_ties(made, CLASSES) == [True, True, True, False]
    assert near_ties(made, CLASSES, videos) == [True] * 4
    assert near_ties(made, CLASSES, torch.arange(100)) == near_ties(made, CLASSES)
    assert near_ties(made, CLASSES, torch.zeros(100, dtype=torch.int64)) == [True] * 4  # a single group: unknown


def test_values_are_compared_with_the_median() -> None:
    middle = torch.tensor([[0.0], [1.0], [2.0]])
    scores = ensemble_agreement([middle, middle + 0.5, middle - 0.5], VALUE)
    assert scores == pytest.approx([0.0, -0.5, -0.5])


def test_one_outlier_changes_nothing() -> None:
    middle = torch.tensor([[0.0], [1.0], [2.0]])
    for off in (10.0, 1e6):
        assert ensemble_agreement([middle, middle + 0.5, middle - 0.5, middle, middle + off], VALUE)[:4] == [
            0.0,
            -0.5,
            -0.5,
            0.0,
        ]


def test_seeds_of_one_name_are_compared_with_each_other() -> None:
    values = [torch.tensor([[0.0], [0.0]]), torch.tensor([[0.0], [2.0]]), torch.tensor([[9.0], [9.0]])] * 2
    made = pool(VALUE, values[:2] + values[2:3] * 2, names=("a", "a", "b", "b"), seeds=(0, 1, 0, 1))
    assert validate("seed-agreement", made) == pytest.approx([-1.0, -1.0, 0.0, 0.0])
    alone = pool(VALUE, values[:3], names=("a", "a", "b"), seeds=(0, 1, 0))
    with pytest.raises(InputError, match=r"found one seed of 'b' \(0\), expected two or more .*Train it with more"):
        validate("seed-agreement", alone)


def test_a_candidate_weighs_by_its_merit() -> None:
    """Three that have learnt little outvote two that have, unless these weigh more: 5 + 4 against 2 + 2 + 2."""
    good, poor = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.2, 0.8]])
    predictions, merit = [good, good, poor, poor, poor], [0.9, 0.8, 0.5, 0.5, 0.5]
    assert ensemble_agreement(predictions, CLASSES) == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert ensemble_agreement(predictions, CLASSES, merit=merit) == [1.0, 1.0, 0.0, 0.0, 0.0]
    expected = (9 * 0.9 + 6 * 0.2) / 15
    assert expected_agreement(predictions, CLASSES, merit=merit) == pytest.approx(
        [*[expected] * 2, *[1 - expected] * 3]
    )


def test_no_candidate_of_three_or_more_is_the_median_by_itself() -> None:
    assert weights_of([0.1, 0.2, 0.4, 0.3]).tolist() == pytest.approx([0.1, 0.2, 0.4, 0.3])
    assert weights_of([0.1, 0.3, 0.2]).tolist() == pytest.approx([4 / 15, 0.4, 1 / 3])
    assert weights_of([0.1, 0.1, 0.1]).tolist() == pytest.approx([1 / 3] * 3)
    assert weights_of([0.1, 0.2]).tolist() == pytest.approx([1 / 3, 2 / 3])  # two predictions decide nothing
    far, near = torch.zeros(4, 1), [torch.ones(4, 1), torch.full((4, 1), 1.2)]
    scores = ensemble_agreement([far, *near], VALUE, merit=[3.0, 2.0, 1.0])  # best on the source, alone on the target
    assert scores[1] == max(scores)


def test_the_median_is_weighted_too() -> None:
    values = [torch.tensor([[value]]) for value in (0.0, 1.0, 5.0)]
    assert together(values, VALUE).item() == 1.0
    assert together(values, VALUE, torch.tensor([1.0, 1.0, 3.0])).item() == 5.0
    assert together(values, VALUE, torch.tensor([2.0, 1.0, 1.0])).item() == 0.0  # half of the weight: the lower one
    assert expected_agreement(values, VALUE, merit=[0, 0, 1]) == ensemble_agreement(values, VALUE, merit=[0, 0, 1])


def test_the_default_weighs_by_the_source() -> None:
    labels = torch.zeros(1, dtype=torch.int64)
    right, wrong = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    each = [right, right, wrong, wrong, wrong]
    made = pool(CLASSES, each, source=each, labels=labels)
    scores = validate("ensv-weighted", made)
    assert scores[0] == scores[1] > scores[2] == scores[3] == scores[4]
