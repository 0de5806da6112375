"""Agreement, calibrated BNM and augmentation consistency as one score."""

import math
from dataclasses import replace

import pytest
import torch

from pools import logits, pool
from synth2real.select.validators import CandidateOutputs, combined_scores, validate
from synth2real.tasks import Classification, Regression

TASK = Classification(("a", "b"))
RIGHT = logits([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
UNSURE = logits([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.6, 0.4]])
ONE = logits([[1.0, 0.0]] * 4)


def test_it_is_the_mean_of_the_three() -> None:
    three = pool(TASK, [RIGHT, UNSURE, ONE])
    agreed, bnm, consistent = (validate(name, three) for name in ("ensv", "calibrated-bnm", "augmentation-consistency"))
    for found, *parts in zip(validate("combined", three), agreed, bnm, consistent, strict=True):
        assert found == pytest.approx((sum(parts) + 1) / 3, abs=1e-6)  # the validator gives minus the inconsistency


def test_consistency_decides_if_the_others_do_not() -> None:
    both = [
        CandidateOutputs(RIGHT.softmax(1), calibrated_bnm=0.8, inconsistency=inconsistency)
        for inconsistency in (0.1, 0.4)
    ]
    better, worse = combined_scores(both, TASK)
    assert (better, worse) == pytest.approx(((1 + 0.8 + 0.9) / 3, (1 + 0.8 + 0.6) / 3))
    assert combined_scores(both, TASK, balanced=False) == pytest.approx([(1 + 0.9) / 2, (1 + 0.6) / 2])
    assert combined_scores(both, TASK, voted=False) == pytest.approx([(0.8 + 0.9) / 2, (0.8 + 0.6) / 2])
    lost = [replace(both[0], inconsistency=2.0), replace(both[0], inconsistency=math.nan)]
    assert combined_scores(lost, TASK) == pytest.approx([1.8 / 3, 0.9])


def test_values_are_ranked_by_agreement_by_the_source_and_by_consistency() -> None:
    task = Regression(("v",), (0.0,), (1.0,))
    predictions = [torch.full((6, 1), value) for value in (0.0, 0.1, 0.3)]  # the median is the second
    known = zip(predictions, [-1.0, -2.0, -3.0], [0.3, 0.1, 0.2], strict=True)
    found = combined_scores(
        [CandidateOutputs(one, source, inconsistency=inconsistency) for one, source, inconsistency in known], task
    )
    shares = [1 / 6, 3 / 6, 5 / 6]
    ranks = [(1, 2, 0), (2, 1, 2), (0, 0, 1)]  # by agreement, source, consistency; 2 is best
    assert found == pytest.approx([sum(shares[rank] for rank in of) / 3 for of in ranks])


def test_for_values_unknown_consistency_is_left_out_and_a_single_candidate_gets_a_half() -> None:
    task = Regression(("v",), (0.0,), (1.0,))
    alike = [CandidateOutputs(torch.zeros(6, 1), source) for source in (-1.0, -2.0)]
    assert combined_scores(alike, task) == pytest.approx([(0.5 + 0.75) / 2, 0.375])
    assert combined_scores(alike[:1], task) == pytest.approx([0.5])
