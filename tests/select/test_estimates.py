"""Estimates: right if both domains are equal, and a bound that holds if its assumption does."""

import pytest
import torch
from torch import Tensor

from pools import logits, pool
from synth2real.errors import InputError
from synth2real.select.estimates import CLASSES, METHODS, VALUES, disagreement_bound, estimate, fit_of_line
from synth2real.select.validators import Pool
from synth2real.tasks import Classification, Regression

TASK = Classification(("a", "b", "c"))
VALUE = Regression(("v",), (0.0,), (1.0,))


def blobs(count: int, seed: int, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    """Features (N, 2) of three classes around a triangle, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    return centres[y] + torch.randn(count, 2, generator=generator) + torch.tensor([shift, 0.0]), y


def classifiers(shift: float, count: int = 5) -> tuple[Pool, Tensor]:
    """Linear classifiers, each a little turned, on features that are shifted in the target; and its true labels."""
    (x, y), (z, truth) = blobs(600, 0), blobs(600, 1, shift)
    generator = torch.Generator().manual_seed(2)
    heads = [torch.tensor([[2.0, -1.0, -1.0], [0.0, 1.7, -1.7]]) + 0.3 * torch.randn(2, 3, generator=generator)]
    heads += [heads[0] + 0.6 * torch.randn(2, 3, generator=generator) for _ in range(count - 1)]
    source, target = [x @ head for head in heads], [z @ head for head in heads]
    return pool(TASK, target, source=source, labels=y, features=[(x, z)] * count), truth


@pytest.mark.parametrize("name", CLASSES)
def test_where_both_domains_are_one_the_estimate_is_right(name: str) -> None:
    made, truth = classifiers(shift=0.0)
    real = float((made.target[0].argmax(1) == truth).double().mean())
    found = estimate(name, made)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(real, abs=0.2 if name == "cot" else 0.04)  # cot is as sure as the model


def test_thresholded_confidence_is_the_source_accuracy_on_the_source_itself() -> None:
    made, _ = classifiers(shift=0.0)
    one = made.candidates[0]
    same = pool(TASK, [one.source], source=[one.source], labels=made.labels)
    accuracy = float((one.source.argmax(1) == made.labels).double().mean())
    assert estimate("atc", same).value == pytest.approx(accuracy)


def test_transport_of_certain_predictions_by_hand() -> None:
    """Half of what is called a must be b: a quarter of all samples moves at full cost."""
    predictions = logits([[1.0, 0.0]] * 60 + [[0.0, 1.0]] * 20)
    task = Classification(("a", "b"))
    made = pool(task, [predictions], labels=torch.arange(8) % 2)
    assert estimate("cot", made).value == pytest.approx(0.75)
    known = pool(task, [predictions], labels=torch.arange(8) % 2, prior=torch.tensor([3.0, 1.0]))
    assert estimate("cot", known).value == pytest.approx(1.0)


def test_the_line_is_followed() -> None:
    made, truth = classifiers(shift=0.7, count=12)
    assert fit_of_line(made) > 0.5
    real = float((made.target[0].argmax(1) == truth).double().mean())
    source = float((made.source[0].argmax(1) == made.labels).double().mean())
    assert abs(estimate("agreement-on-the-line", made).value - real) < abs(source - real) + 0.02
    two, _ = classifiers(shift=0.0, count=2)
    with pytest.raises(InputError, match=r"found 2 candidate\(s\), expected 3 or more .*Train more"):
        estimate("agreement-on-the-line", two)


def test_rates_find_the_candidate_that_others_disagree_with() -> None:
    """On the source all are equally accurate. On the target one is right on a half; all err independently."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(900) % 3

    def votes(right: float) -> Tensor:
        wrong = torch.rand(900, generator=generator) >= right
        other = torch.randint(1, 3, (900,), generator=generator)
        return torch.nn.functional.one_hot(torch.where(wrong, (truth + other) % 3, truth), 3).float()

    source = [votes(0.9) for _ in range(4)]
    made = pool(TASK, [votes(share) for share in (0.5, 0.85, 0.85, 0.8)], source=source, labels=truth)
    for i in range(4):
        real = float((made.target[i].argmax(1) == truth).double().mean())
        found = estimate("agreement-rates", made, i)
        assert found.value == pytest.approx(real, abs=0.05)
        assert found.low < real < found.high
    few = pool(TASK, made.target, source=[one[:30] for one in source], labels=truth[:30])
    known, less = (estimate("agreement-rates", each, 1) for each in (made, few))
    assert less.high - less.low > known.high - known.low  # less is known of the source
    with pytest.raises(InputError, match=r"agreement rates: found 2 candidate\(s\), expected 3 or more .*Train more"):
        estimate("agreement-rates", pool(TASK, made.target[:2], source=source[:2], labels=truth))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_bound_holds_and_falls_with_the_gap(shift: float) -> None:
    made, truth = classifiers(shift, count=1)
    real = float((made.target[0].argmax(1) == truth).double().mean())
    bound = disagreement_bound(made, 0)
    assert 0 <= bound <= real
    assert bound > 0.4 if shift == 0 else bound < disagreement_bound(classifiers(0.0, count=1)[0], 0)


def test_disagreement_grows_by_the_ratio_of_pairs() -> None:
    """Every pair is three times as far apart on the target: the error is, too, and the interval holds nothing else."""
    truth, apart = torch.zeros(50, 1), torch.linspace(1, 2, 50)[:, None]
    predictions = [truth + weight * apart for weight in (0.0, 1.0, 2.5, 4.0)]
    alike = pool(VALUE, [3 * one for one in predictions], source=predictions, labels=truth - apart)
    assert estimate("calibrated-disagreement", alike, 1).value == pytest.approx(
        3 * 3.0
    )  # off by twice 1.5 on the source
    found = estimate("calibrated-disagreement", alike, 0)
    assert found.value == pytest.approx(3 * 1.5)
    assert found.high < 1.5 * found.low  # as far as samples differ
    one_off = pool(VALUE, [*alike.target[:3], 30 * predictions[3]], source=predictions, labels=truth - apart)
    other = estimate("calibrated-disagreement", one_off, 0)
    assert min(other.high / other.value, other.value / other.low) > 5
    two = pool(VALUE, [3 * one for one in predictions[:2]], source=predictions[:2], labels=truth - apart)
    assert estimate("calibrated-disagreement", two, 0).value == pytest.approx(3 * 1.5)
    assert estimate("calibrated-disagreement", two, 0).high > 10 * 3 * 1.5  # one pair shows no variance between pairs
    with pytest.raises(InputError, match=r"found 1 candidate\(s\), expected 2 or more to compare .*another estimate"):
        estimate("calibrated-disagreement", pool(VALUE, [truth], source=[truth], labels=truth))


def test_the_interval_of_the_line_is_as_wide_as_agreements_lie_apart() -> None:
    """Of candidates whose agreements lie beside the line the interval is the wider one."""
    made, _ = classifiers(shift=0.0, count=6)
    generator = torch.Generator().manual_seed(3)
    target = [one.target.clone() for one in made.candidates]
    for i, share in ((1, 0.5), (2, 0.1), (4, 0.3)):  # some answer by chance on a part of the target
        part = torch.rand(len(target[i]), generator=generator) < share
        target[i][part] = torch.randn(int(part.sum()), 3, generator=generator)
    spoilt = pool(TASK, target, source=[one.source for one in made.candidates], labels=made.labels)
    assert fit_of_line(spoilt) < 0.5
    one, other = (estimate("agreement-on-the-line", each) for each in (made, spoilt))
    assert other.high - other.low > 2 * (one.high - one.low)


@pytest.mark.parametrize("name", METHODS)
def test_groups_are_resampled_whole(name: str) -> None:
    """Ten groups, in each of which all samples are alike: the interval is that of ten samples, not of many."""
    classes = name in CLASSES
    alike = torch.arange(400) // 40
    generator = torch.Generator().manual_seed(0)
    task = TASK if classes else VALUE
    outputs = [torch.randn(10, task.outputs, generator=generator)[alike] for _ in range(4)]
    labels = alike % 3 if classes else torch.randn(10, 1, generator=generator)[alike]
    features = [(torch.randn(400, 2, generator=generator), torch.randn(400, 2, generator=generator))] * 4
    alone = pool(task, outputs, source=outputs, labels=labels, features=features)
    whole = Pool(alone.candidates, task, labels, source_groups=alike, target_groups=alike)
    one, other = estimate(name, alone), estimate(name, whole)
    assert one.value == other.value
    wider = 1.0 if name == "agreement-rates" else 1.5  # its interval holds what is wrong with the law, too
    assert other.high - other.low > wider * (one.high - one.low)


def test_groups_of_another_number_are_refused() -> None:
    made = pool(VALUE, [torch.zeros(4, 1)], source=[torch.zeros(6, 1)], labels=torch.zeros(6, 1))
    with pytest.raises(InputError, match=r"target_groups holds 6 groups, expected 4, one per sample"):
        Pool(made.candidates, VALUE, made.labels, target_groups=torch.zeros(6, dtype=torch.int64))


@pytest.mark.parametrize("name", VALUES)
def test_values_are_estimated(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(300, 1, generator=generator)
    predictions = [truth + 0.3 * torch.randn(300, 1, generator=generator) for _ in range(4)]
    same = torch.randn(300, 3, generator=generator)
    made = pool(VALUE, predictions, source=predictions, labels=truth, features=[(same, same)] * 4)
    found = estimate(name, made, 1)
    assert found.low <= float((predictions[1] - truth).abs().mean()) <= found.high


def test_unknown_estimates_are_refused() -> None:
    assert set(METHODS) == set(CLASSES) | set(VALUES)
    made = pool(VALUE, [torch.zeros(4, 1)])
    with pytest.raises(
        InputError, match=r"'atc' is unknown or does not support the task regress, expected one of: importance-weig"
    ):
        estimate("atc", made)
