"""Estimates by name: right if both domains are equal, over whole groups, and refused with a reason."""

from dataclasses import replace

import pytest
import torch

from pools import pool
from simulated import blobs, classifiers, voting
from synth2real.errors import InputError
from synth2real.select.estimates import BOXES, CLASSES, MASKS, METHODS, VALUES, NoEstimate, estimate
from synth2real.select.validators import Pool
from synth2real.tasks import Classification, Regression

TASK = Classification(("a", "b", "c"))
VALUE = Regression(("v",), (0.0,), (1.0,))


@pytest.mark.parametrize("name", CLASSES)
def test_where_both_domains_are_one_the_estimate_is_right(name: str) -> None:
    made, truth = classifiers(shift=0.0)
    real = float((made.target[0].argmax(1) == truth).double().mean())
    found = estimate(name, made)
    assert found.low <= found.value <= found.high
    assert found.low <= real <= found.high or name == "cot"  # cot is as sure as the model
    assert found.value == pytest.approx(real, abs={"cot": 0.2, "agreement-rates": 0.06}.get(name, 0.04))


@pytest.mark.parametrize("name", VALUES)
def test_values_are_estimated(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(300, 1, generator=generator)
    predictions = [truth + 0.3 * torch.randn(300, 1, generator=generator) for _ in range(4)]
    same = torch.randn(300, 3, generator=generator)
    made = pool(VALUE, predictions, source=predictions, labels=truth, features=[(same, same)] * 4)
    found = estimate(name, made, 1)
    assert found.low <= float((predictions[1] - truth).abs().mean()) <= found.high


@pytest.mark.parametrize("name", {**CLASSES, **VALUES})  # for masks see test_masks.py
def test_groups_are_resampled_whole(name: str) -> None:
    """Ten groups, in each of which all samples are alike: the interval is that of ten samples, not of many."""
    classes, alike = name in CLASSES, torch.arange(400) // 40
    generator = torch.Generator().manual_seed(0)
    if classes:
        labels = (torch.arange(10) % 3)[alike]
        heads = [torch.randn(10, 3, generator=generator)[alike] for _ in range(4)]
        outputs = [head + 1.5 * torch.nn.functional.one_hot(labels, 3) for head in heads]
    else:
        labels = torch.randn(10, 1, generator=generator)[alike]
        outputs = [(1 + torch.rand(10, 1, generator=generator))[alike] * weight for weight in (1.0, 2.5, 4.0, 6.0)]
    features = [(torch.randn(400, 2, generator=generator), torch.randn(400, 2, generator=generator))] * 4
    alone = pool(TASK if classes else VALUE, outputs, source=outputs, labels=labels, features=features)
    whole = replace(alone, source_groups=alike, target_groups=alike)
    one, other = estimate(name, alone), estimate(name, whole)
    wider = 1.0 if name == "agreement-rates" else 1.5  # its interval holds what is wrong with the law, too
    assert other.high - other.low > wider * (one.high - one.low)
    if name != "agreement-rates":  # agreements with larger errors count less
        assert one.value == other.value
    for domain, single in (("target", "target_groups"), ("held-out source", "source_groups")):
        with pytest.raises(NoEstimate, match=f"all {domain} samples are of one group, expected two or more. Give"):
            estimate(name, replace(alone, **{single: torch.zeros(400, dtype=torch.int64)}))


def test_no_estimate_is_below_chance() -> None:
    """Two classes that are interchanged on the target: the confident answers are wrong."""
    (x, y), (z, _) = blobs(300, 0), blobs(300, 1)
    head = torch.tensor([[2.0, -1.0, -1.0], [0.0, 1.7, -1.7]])
    far = [(x, z + torch.tensor([0.0, 9.0]))] * 3
    made = pool(TASK, [z @ head] * 3, source=[(x @ head).roll(1, 1), x @ head, x @ head], labels=y, features=far)
    made = replace(made, labels=torch.where(torch.arange(300) % 2 == 0, y, (y + 1) % 3))
    for name in CLASSES:
        found = estimate(name, made, 1)
        assert 1 / 3 <= found.low <= found.value <= found.high <= 1


def test_few_held_out_samples_give_no_estimate() -> None:
    made, _ = voting(0.9, [0.8] * 3, 10, held=49)
    with pytest.raises(NoEstimate, match=r"found 49 held-out source samples, expected 50 or more\. Give more source"):
        estimate("cot", made)
    assert estimate("cot", voting(0.9, [0.8] * 3, 10, held=50)[0])
    few = pool(VALUE, [torch.zeros(8, 1)] * 2, source=[torch.zeros(29, 1)] * 2, labels=torch.ones(29, 1))
    with pytest.raises(NoEstimate, match="found 29 held-out source samples, expected 30 or more"):
        estimate("calibrated-disagreement", few)


def test_a_candidate_that_knows_nothing_has_no_estimate() -> None:
    made, _ = voting(0.95, [0.8] * 4, 3)
    one, *others = made.candidates
    ignorant, single = replace(one, source=one.source.roll(1, 0)), replace(one, target=torch.eye(3)[[0]].repeat(300, 1))
    with pytest.raises(NoEstimate, match=r"'route 0' has not learnt the source: it predicts \d+% .*Train it longer"):
        estimate("atc", Pool([ignorant, *others], made.task, made.labels))
    with pytest.raises(
        NoEstimate, match=r"'route 0' predicts one class for nearly all target samples, .*another route"
    ):
        estimate("cot", Pool([single, *others], made.task, made.labels))


def test_unknown_estimates_are_refused() -> None:
    assert set(METHODS) == set(CLASSES) | set(VALUES) | set(MASKS) | set(BOXES)
    made = pool(VALUE, [torch.zeros(4, 1)])
    with pytest.raises(
        InputError, match=r"'atc' is unknown or does not support the task regress, expected one of: importance-weig"
    ):
        estimate("atc", made)


def test_groups_of_another_number_are_refused() -> None:
    made = pool(VALUE, [torch.zeros(4, 1)], source=[torch.zeros(6, 1)], labels=torch.zeros(6, 1))
    with pytest.raises(InputError, match=r"target_groups holds 6 groups, expected 4, one per sample"):
        Pool(made.candidates, VALUE, made.labels, target_groups=torch.zeros(6, dtype=torch.int64))
