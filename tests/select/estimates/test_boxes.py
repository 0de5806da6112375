"""The estimates of AP50, on simulated candidates whose truth is known, and on detectors of rendered blood."""

import pytest
import torch

from spots import TASK, field, found
from synth2real.data.labels import Boxes
from synth2real.errors import InputError
from synth2real.select.estimates import NoEstimate, estimate
from synth2real.select.estimates.boxes import SHARED
from synth2real.select.validators import Candidate, Pool, against_labels, averages

SOURCE, TARGET = field(60, 0), field(70, 1)
NAMES = ["box-agreement", "box-confidence"]


def candidate(name: str, source: Boxes, target: Boxes) -> Candidate:
    features = torch.zeros(len(source), 2), torch.zeros(len(target), 2)
    return Candidate(name, 0, source, target, *features, None, (0.5, 0.5), None)


def pool(on_target: float, on_source: float = 0.1, count: int = 4, **groups: torch.Tensor) -> Pool:
    seen = [
        candidate(f"route {k}", found(SOURCE, on_source, k), found(TARGET, on_target, 50 + k)) for k in range(count)
    ]
    return Pool(seen, TASK, SOURCE, **groups)


def truth(of: Pool, index: int = 0) -> float:
    return float(averages(against_labels(of.candidates[index].target, TARGET, 2)).mean())


@pytest.mark.parametrize("on_target", [0.05, 0.15, 0.25])
def test_it_is_near_the_truth_and_covers_it_if_errors_are_independent(on_target: float) -> None:
    made = pool(on_target)
    one = estimate("box-agreement", made)
    assert one.value == pytest.approx(truth(made), abs=0.12)
    assert one.low <= truth(made) <= one.high


def test_more_disagreement_on_the_target_lowers_it() -> None:
    values = [estimate("box-agreement", pool(share)).value for share in (0.05, 0.2, 0.4)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_change_it_is_the_ap50_on_the_source_less_what_all_miss(name: str) -> None:
    same = found(SOURCE, 0.2, 0)
    made = Pool([candidate(one, same, same) for one in "ab"], TASK, SOURCE)
    known = averages(against_labels(same, SOURCE, 2))
    assert estimate(name, made).value == pytest.approx(float((known.logit() - SHARED).sigmoid().mean()), abs=1e-6)


def test_a_candidate_with_more_errors_than_the_others_is_estimated_lower() -> None:
    worse = candidate("worse", found(SOURCE, 0.1, 9), found(TARGET, 0.4, 9))
    made = Pool([*pool(0.1).candidates, worse], TASK, SOURCE)
    values = [estimate("box-agreement", made, i).value for i in range(5)]
    assert min(values) == values[4]


def test_few_groups_widen_the_interval() -> None:
    groups = torch.arange(70) // 14
    alone, grouped = (estimate("box-agreement", made) for made in (pool(0.2), pool(0.2, target_groups=groups)))
    assert grouped.high - grouped.low > 0.9 * (alone.high - alone.low)


def test_what_the_pool_does_not_determine_is_refused_with_the_reason() -> None:
    with pytest.raises(NoEstimate, match=r"found 0 other candidate\(s\) that have learnt the source, expected 1"):
        estimate("box-agreement", pool(0.1, count=1))
    assert estimate("box-confidence", pool(0.1, count=1)).value > 0.5
    nothing = SOURCE.kept(torch.zeros_like(SOURCE.ignored))
    made = Pool([*pool(0.1).candidates, candidate("none", nothing, TARGET)], TASK, SOURCE)
    with pytest.raises(NoEstimate, match=r"'none' has not learnt the source: AP50 is 0.00 on held-out images"):
        estimate("box-agreement", made, 4)
    gone = TARGET.kept(torch.zeros_like(TARGET.ignored))
    made = Pool([*pool(0.1).candidates, candidate("gone", SOURCE, gone)], TASK, SOURCE)
    with pytest.raises(NoEstimate, match=r"'gone': it finds 0 boxes an image on the target"):
        estimate("box-agreement", made, 4)
    with pytest.raises(InputError, match=r"does not support the task detect, expected one of: box-agreement"):
        estimate("mask-agreement", pool(0.1))
