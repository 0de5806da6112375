"""Accuracies from agreements: exact where the law holds, and as known where agreements show nothing."""

import math

import pytest
import torch
from torch import Tensor

from simulated import votes
from synth2real.select.agreement_rates import (
    CHANGE,
    CHANGE_OFF,
    LOOSENED,
    ON_SOURCE,
    SKILL_OFF,
    Agreements,
    Known,
    accuracy_of,
    agreements,
    known_from_source,
    pairs,
    skill_of,
    skills_from_agreements,
)


def by_the_law(skill: Tensor, dependence: float) -> Tensor:
    one, other = pairs(len(skill))
    rest = (1 - skill.square()).sqrt()
    return skill[one] * skill[other] + dependence * rest[one] * rest[other]


def fitted(values: Tensor, known: Known, classes: int = 10) -> Tensor:
    """Skills from agreements without sampling error."""
    return skills_from_agreements(Agreements(values, torch.zeros(len(values), 1000)), known, classes, None).z.tanh()


def test_pairs_are_in_order() -> None:
    one, other = pairs(3)
    assert (one.tolist(), other.tolist()) == ([0, 0, 1], [1, 2, 2])


def test_skill_is_accuracy_above_chance() -> None:
    accuracy = torch.tensor([0.1, 0.55, 1.0], dtype=torch.float64)
    assert skill_of(accuracy, 10).tolist() == pytest.approx([0, 0.5, 1])
    assert skill_of(accuracy[:1], 2).tolist() == [0]
    z = skill_of(accuracy, 10).clamp(max=0.999999).atanh()
    assert accuracy_of(z, 10).tolist() == pytest.approx([0.1, 0.55, 1.0], abs=1e-5)
    assert float(accuracy_of(torch.tensor(-2.0), 4)) == 0.25


def test_agreement_by_hand() -> None:
    """Two classes: the correlation of 0 and 1. A constant prediction agrees with nothing, however often it is equal."""
    made = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]])
    found = agreements(made, 2)
    assert found.values.tolist() == pytest.approx([1 / math.sqrt(3), 0, -1, 0, -1 / math.sqrt(3), 0], abs=1e-9)
    assert found.influence.mean(1).abs().max() < 1e-9


def test_the_influence_of_samples_gives_the_standard_error() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 4, (200,), generator=generator)
    found = [agreements(votes(truth, (0.8, 0.6), 4, generator), 4) for _ in range(300)]
    spread = float(torch.cat([one.values for one in found]).std())
    claimed = [float(one.influence.std(correction=0)) / math.sqrt(200) for one in found]
    assert sum(claimed) / 300 == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(("shared", "classes"), [(0.0, 2), (0.0, 10)])
def test_classifiers_that_err_independently_follow_the_law(shared: float, classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(60000) % classes
    accuracy = torch.tensor([0.95, 0.8, 0.7], dtype=torch.float64)
    found = agreements(votes(truth, accuracy.tolist(), classes, generator, shared), classes)
    assert torch.allclose(found.values, by_the_law(skill_of(accuracy, classes), 0.0), atol=0.02)


def knowing(skill: Tensor, dependence: float) -> Known:
    """A source from which these skills and this dependence on the target are what is expected."""
    count = len(pairs(len(skill))[0])
    on_source = math.log(1 - dependence) / (1 + LOOSENED * CHANGE)
    return Known(skill.atanh() - CHANGE, torch.zeros_like(skill), torch.full((count,), on_source, dtype=torch.float64))


@pytest.mark.parametrize("dependence", [0.0, 0.4])
def test_agreements_by_the_law_give_the_skills(dependence: float) -> None:
    """Exactly those that the source lets expect; one that is lower is found, too."""
    skill = torch.tensor([0.9, 0.8, 0.6, 0.85], dtype=torch.float64)
    known = knowing(skill, dependence)
    assert torch.allclose(fitted(by_the_law(skill, dependence), known), skill, atol=1e-3)
    lower = skill.clone()
    lower[0] = 0.3
    found = fitted(by_the_law(lower, dependence), known)
    assert float(found[0]) < 0.6
    assert torch.allclose(found[1:], skill[1:], atol=0.1)


def test_skills_that_agreements_do_not_determine_are_those_of_the_source() -> None:
    """With a single group of samples the agreements are unknown."""
    skill = torch.full((3,), 0.8, dtype=torch.float64)
    agreed = Agreements(torch.full((3,), 0.2, dtype=torch.float64), torch.zeros(3, 50, dtype=torch.float64))
    found = skills_from_agreements(agreed, knowing(skill, 0.4), 10, torch.zeros(50, dtype=torch.int64))
    assert torch.allclose(found.z.tanh(), skill, atol=1e-4)
    assert torch.allclose(found.errors, torch.tensor(1.2 * math.hypot(CHANGE_OFF, SKILL_OFF)).double(), rtol=1e-3)


def test_many_classifiers_do_not_make_the_skills_certain() -> None:
    def error(count: int) -> float:
        skill = torch.full((count,), 0.8, dtype=torch.float64)
        values = by_the_law(skill, 0.4)
        agreed = Agreements(values, torch.zeros(len(values), 1000))
        return float(skills_from_agreements(agreed, knowing(skill, 0.4), 10, None).errors[0])

    assert error(3) > 1.1 * error(6)
    assert error(24) == pytest.approx(error(12), rel=0.1)


def test_without_a_change_of_skill_the_source_is_repeated() -> None:
    """Agreements equal to those on the source, where errors depend strongly on each other: skills are equal, too."""
    skill = torch.tensor([0.7, 0.65, 0.6], dtype=torch.float64)
    shared = torch.full((3,), math.log(1 - 0.9), dtype=torch.float64)
    found = fitted(by_the_law(skill, 0.9), Known(skill.atanh(), torch.zeros_like(skill), shared))
    assert torch.allclose(found, skill, atol=0.12)


def test_the_source_tells_skills_and_how_errors_depend_on_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3000) % 5
    for shared in (0.0, 0.5):
        found = known_from_source(votes(labels, [0.7] * 3, 5, generator, shared), labels, 5, None)
        assert torch.allclose(found.z.tanh(), torch.tensor(0.625).double(), atol=0.03)
        expected = math.log(1 - shared**2)  # both must be among the shared ones
        assert torch.allclose(found.dependence, torch.tensor(expected).double(), atol=0.08)
    twice = votes(labels, [0.7, 0.7], 5, generator)[[0, 0, 1]]
    assert known_from_source(twice, labels, 5, None).dependence.argmin() == 0  # the pair of equal ones
    perfect = known_from_source(labels[:30].repeat(3, 1), labels[:30], 5, None)
    assert torch.allclose(perfect.dependence, torch.tensor(1 - ON_SOURCE).log().double())
    assert float(perfect.z[0].tanh()) < 0.985  # 30 of 30 right is not an accuracy of 1
    assert float(perfect.errors[0]) > 0.3
