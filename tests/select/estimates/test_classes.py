"""Estimates of accuracy: exact on examples by hand, and intervals that contain the truth on simulated pools."""

from dataclasses import replace

import pytest
import torch

from pools import logits, pool
from simulated import classifiers, voting
from synth2real.select.estimates import Estimate, NoEstimate, estimate, fit_of_line
from synth2real.select.validators import Pool
from synth2real.tasks import Classification


def test_thresholded_confidence_is_the_source_accuracy_on_the_source_itself() -> None:
    made, _ = classifiers(shift=0.0)
    one = made.candidates[0]
    same = pool(made.task, [one.source], source=[one.source], labels=made.labels)
    accuracy = float((one.source.argmax(1) == made.labels).double().mean())
    assert estimate("atc", same).value == pytest.approx(accuracy)


def test_transport_of_certain_predictions_by_hand() -> None:
    """Half of what is called a must be b: a quarter of all samples moves at full cost."""
    predictions, labels = logits([[1.0, 0.0]] * 60 + [[0.0, 1.0]] * 20), torch.arange(40) % 2
    task, source = Classification(("a", "b")), [logits([[0.9, 0.1], [0.1, 0.9]] * 20)]
    made = pool(task, [predictions], source=source, labels=labels)
    assert estimate("cot", made).value == pytest.approx(0.75)
    known = pool(task, [predictions], source=source, labels=labels, prior=torch.tensor([3.0, 1.0]))
    assert estimate("cot", known).value == pytest.approx(1.0)


def test_the_line_is_followed() -> None:
    made, truth = classifiers(shift=0.7, count=12)
    assert fit_of_line(made) > 0.5
    real = float((made.target[0].argmax(1) == truth).double().mean())
    source = float((made.source[0].argmax(1) == made.labels).double().mean())
    assert abs(estimate("agreement-on-the-line", made).value - real) < abs(source - real) + 0.02
    two, _ = classifiers(shift=0.0, count=2)
    with pytest.raises(NoEstimate, match=r"found 2 candidate\(s\), expected 3 or more to fit a line .*Train more"):
        estimate("agreement-on-the-line", two)


def test_the_interval_of_the_line_is_as_wide_as_agreements_lie_apart() -> None:
    """Of candidates whose agreements lie beside the line the interval is the wider one; so it is of few candidates."""
    made, _ = classifiers(shift=0.0, count=6)
    generator = torch.Generator().manual_seed(3)
    target = [one.target.clone() for one in made.candidates]
    for i, share in ((1, 0.5), (2, 0.1), (4, 0.3)):  # some answer by chance on a part of the target
        part = torch.rand(len(target[i]), generator=generator) < share
        target[i][part] = torch.randn(int(part.sum()), 3, generator=generator)
    spoilt = pool(made.task, target, source=[one.source for one in made.candidates], labels=made.labels)
    assert fit_of_line(spoilt) < 0.5
    few = Pool(spoilt.candidates[:3], spoilt.task, spoilt.labels)
    widths = [found.high - found.low for found in (estimate("agreement-on-the-line", p) for p in (made, spoilt, few))]
    assert widths[1] > 2 * widths[0]
    assert widths[2] > widths[1]


def covered(found: Estimate, real: float, classes: int) -> bool:
    """Whether an interval contains the real accuracy; an end at chance means chance or below."""
    return found.low <= max(real, 1 / classes) <= found.high


@pytest.mark.parametrize("count", [3, 4, 8])
def test_ten_classes_at_chance_are_estimated_at_chance(count: int) -> None:
    """Hardly ever above: an agreement of 0.04, which is above chance here by 2.6 standard errors, is a skill of 0.2."""
    values = []
    for seed in range(3):
        made, real = voting(0.9, [0.1] * count, 10, seed=seed)
        for i in range(count):
            found = estimate("agreement-rates", made, i)
            values.append(found.value)
            assert found.low == pytest.approx(0.1)
            assert covered(found, float(real[i]), 10)
    assert sum(values) / len(values) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.8])
@pytest.mark.parametrize(("classes", "held", "seen"), [(2, 60, 60), (3, 90, 200), (10, 200, 300)])
def test_rates_cover_the_accuracies_however_errors_are_shared(
    shared: float, classes: int, held: int, seen: int
) -> None:
    """Not at all, or on 4 of 5 samples, is more extreme than real pools are: there 0.9 of the intervals hold."""
    inside, off = [], []
    for seed in range(12):
        drawn = torch.rand(4, generator=torch.Generator().manual_seed(seed))
        target = 1 / classes + (1 - 1 / classes) * (0.2 + 0.7 * drawn)
        made, real = voting(0.96, target.tolist(), classes, held=held, seen=seen, shared=shared, seed=seed)
        for i, accuracy in enumerate(real.tolist()):
            found = estimate("agreement-rates", made, i)
            inside.append(covered(found, accuracy, classes))
            off.append(abs(found.value - accuracy))
    assert sum(inside) >= (0.95 if shared == 0.5 else 0.9) * len(inside)
    assert sum(off) / len(off) < 0.16


def test_rates_find_the_candidate_that_others_disagree_with() -> None:
    made, real = voting(0.9, [0.5, 0.85, 0.85, 0.8], 3, held=900, seen=900)
    found = [estimate("agreement-rates", made, i) for i in range(4)]
    assert min(found, key=lambda one: one.value) is found[0]
    for one, accuracy in zip(found, real.tolist(), strict=True):
        assert one.value == pytest.approx(accuracy, abs=0.1)
        assert one.low < accuracy < one.high
    less = estimate("agreement-rates", voting(0.9, [0.5, 0.85, 0.85, 0.8], 3, held=30, seen=30)[0], 1)
    assert less.high - less.low > found[1].high - found[1].low


def test_perfect_agreement_does_not_make_two_classes_certain() -> None:
    """All held-out samples right and nearly equal answers on 60 photos: source only was estimated at 0.986 to 1."""
    made, _ = voting(1.0, [0.5] * 4, 2, held=60, seen=60, shared=0.97)
    assert all(estimate("agreement-rates", made, i).low < 0.85 for i in range(4))


def test_collapsed_and_ignorant_candidates_are_left_out() -> None:
    """With them the others are estimated as without them, until fewer than three are left."""
    made, _ = voting(0.95, [0.9, 0.8, 0.7, 0.6, 0.6], 3)
    *good, collapsed, ignorant = made.candidates
    collapsed = replace(collapsed, target=torch.eye(3)[[0]].repeat(300, 1))
    ignorant = replace(ignorant, source=ignorant.source.roll(1, 0))
    alone, whole = (Pool(candidates, made.task, made.labels) for candidates in (good, [collapsed, *good, ignorant]))
    assert estimate("agreement-rates", whole, 1) == estimate("agreement-rates", alone, 0)
    with pytest.raises(NoEstimate, match=r"found 2 candidate\(s\) that have learnt the source .*, expected 3 or more"):
        estimate("agreement-rates", Pool([collapsed, *good[:2], ignorant], made.task, made.labels), 1)
