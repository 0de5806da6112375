"""The estimate of the mean IoU, on simulated candidates whose truth is known."""

import pytest
import torch
from torch import Tensor

from discs import CLASSES, discs, hot
from synth2real.errors import InputError
from synth2real.select.estimates import NoEstimate, estimate
from synth2real.select.estimates.masks import SHARED
from synth2real.select.validators import Candidate, Pool
from synth2real.tasks import Segmentation
from synth2real.tasks.metrics.masks import confusions, ious

TASK = Segmentation(CLASSES, (32, 32))
SOURCE, TARGET = (discs(60, seed).labels.tensor for seed in (0, 1))


def candidate(name: str, source: Tensor, target: Tensor) -> Candidate:
    features = torch.zeros(len(source), 2), torch.zeros(len(target), 2)
    return Candidate(name, 0, hot(source, 2, 0.97), hot(target, 2, 0.97), *features, None, (0.5, 0.5), None)


def wrong(masks: Tensor, share: float, seed: int) -> Tensor:
    """Masks whose pixels are changed independently, within a frame around the discs."""
    generator = torch.Generator().manual_seed(seed)
    near = torch.nn.functional.max_pool2d(masks[:, None].float(), 5, 1, 2)[:, 0].bool()
    return torch.where(near & (torch.rand(masks.shape, generator=generator) < share), 1 - masks, masks)


def pool(on_target: float, on_source: float = 0.05, count: int = 4, **groups: Tensor) -> Pool:
    seen = [
        candidate(f"route {k}", wrong(SOURCE, on_source, k), wrong(TARGET, on_target, 50 + k)) for k in range(count)
    ]
    return Pool(seen, TASK, SOURCE, **groups)


def truth(of: Pool, index: int = 0) -> float:
    masks = of.target[index].argmax(1).to(torch.uint8)
    return float(ious(confusions(masks, TARGET, 2).sum(0)).mean())


@pytest.mark.parametrize("on_target", [0.05, 0.1, 0.2, 0.3])
def test_it_is_near_the_truth_and_covers_it_if_errors_are_independent(on_target: float) -> None:
    made = pool(on_target)
    found = estimate("mask-agreement", made)
    assert found.value == pytest.approx(truth(made), abs=0.08)
    assert found.low <= truth(made) <= found.high


def test_more_disagreement_on_the_target_lowers_it() -> None:
    values = [estimate("mask-agreement", pool(share)).value for share in (0.05, 0.15, 0.3)]
    assert values == sorted(values, reverse=True)


def test_without_a_change_it_is_the_iou_on_the_source_less_what_all_miss() -> None:
    same = wrong(SOURCE, 0.1, 0)
    made = Pool([candidate(name, same, same) for name in "ab"], TASK, SOURCE)
    each = ious(confusions(same, SOURCE, 2).sum(0))
    expected = float((each.logit() - SHARED).sigmoid().mean())
    assert estimate("mask-agreement", made).value == pytest.approx(expected, abs=1e-6)


def test_a_candidate_with_more_errors_than_the_others_is_estimated_lower() -> None:
    made = pool(0.05)
    worse = candidate("worse", wrong(SOURCE, 0.05, 9), wrong(TARGET, 0.3, 9))
    made = Pool([*made.candidates, worse], TASK, SOURCE)
    values = [estimate("mask-agreement", made, i).value for i in range(5)]
    assert min(values) == values[4]


def test_few_groups_widen_the_interval() -> None:
    groups = torch.arange(60) // 12
    alone, grouped = (estimate("mask-agreement", made) for made in (pool(0.2), pool(0.2, target_groups=groups)))
    assert grouped.high - grouped.low > alone.high - alone.low


def test_what_the_pool_does_not_determine_is_refused_with_the_reason() -> None:
    with pytest.raises(NoEstimate, match=r"found 0 other candidate\(s\) that have learnt the source, expected 1"):
        estimate("mask-agreement", pool(0.1, count=1))
    empty = torch.zeros_like(SOURCE)
    with pytest.raises(NoEstimate, match=r"'none' has not learnt the source: the IoU of the foreground is 0.00"):
        estimate("mask-agreement", Pool([*pool(0.1).candidates, candidate("none", empty, TARGET)], TASK, SOURCE), 4)
    with pytest.raises(NoEstimate, match=r"'gone': it predicts 'disc' for 0.00% of the target's pixels"):
        estimate("mask-agreement", Pool([*pool(0.1).candidates, candidate("gone", SOURCE, empty)], TASK, SOURCE), 4)
    with pytest.raises(InputError, match=r"does not support the task segment, expected one of: mask-agreement"):
        estimate("agreement-rates", pool(0.1))
