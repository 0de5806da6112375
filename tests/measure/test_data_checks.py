"""Checks of the data: near-duplicates are found, outliers are flagged, and correct data is not flagged."""

from typing import Literal

import pytest
import torch

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.groups import held_out, redrawn
from synth2real.measure.data_checks import Findings, alike, check, grey, outliers_among
from synth2real.simulate import Digits, Eyes


@pytest.fixture(scope="module")
def digits() -> Labelled:
    return Digits().labelled(400, 0)


def test_near_duplicates_are_found(digits: Labelled) -> None:
    small = grey(digits.inputs, 16)
    noisy = small[:20] + 0.005 * torch.randn(20, 16, 16, generator=torch.Generator().manual_seed(0))
    found = alike(noisy, small)
    assert {(i, i) for i in range(20)} <= set(found)
    assert len(found) < 24
    assert alike(torch.cat([small[:50], small[:1]])).count((0, 50)) == 1


def test_a_tenth_that_belongs_to_neither_domain_is_flagged(digits: Labelled) -> None:
    eyes = Eyes(size=(28, 28)).labelled(30, 0, "iris").inputs
    noise = torch.randint(0, 256, (30, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    for outliers in (eyes, noise):
        target = torch.cat([digits.inputs[:300], outliers])
        found = set(outliers_among(target, digits.inputs[300:]))
        assert len(found & set(range(300, 330))) >= 27
        assert len(found - set(range(300, 330))) <= 20
    assert len(outliers_among(digits.inputs, None)) <= 30


def test_a_source_without_backgrounds_is_named() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(40, 3, 16, 16, generator=generator)
    plain = torch.full((40, 3, 16, 16), 0.5)
    plain[:, :, 4:12, 4:12] = images[:, :, 4:12, 4:12]
    source = Labelled(plain, torch.arange(40) % 2, ("a", "b"))
    told = [
        any("background of one colour" in line for line in check(source, Unlabelled(x)).warnings)
        for x in (images, plain)
    ]
    assert told == [True, False]


def test_every_finding_has_a_warning(digits: Labelled) -> None:
    noise = torch.randint(0, 256, (30, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    target = Unlabelled(torch.cat([digits.inputs[:270], noise]))
    test = Labelled(digits.inputs[260:300], digits.labels[260:300], digits.classes)
    rare = (digits.labels != 7) | (torch.arange(400) < 40)
    source = digits.subset((rare & (torch.arange(400) >= 300)).nonzero()[:, 0])
    found = check(source, target, test)
    warnings = "\n".join(found.warnings)
    assert "class '7' has" in warnings
    assert "images of target have near-duplicates in test" in warnings
    assert "are outliers" in warnings
    assert "They make the test score too high" in warnings
    assert found.domains["target"] == {"count": 300, "shape": [1, 28, 28]}
    plain = found.plain()
    assert plain["duplicates"]["target and test"]["count"] >= 10
    assert check(digits, Unlabelled(digits.inputs[:, :, :20])).warnings[0].startswith("source has inputs of 1x28x28")


def test_near_duplicates_within_a_group_are_not_reported(digits: Labelled) -> None:
    twice = Unlabelled(torch.cat([digits.inputs[:60], digits.inputs[:60]]))
    person = torch.arange(60).repeat(2)
    assert len(check(digits, twice).duplicates["target"]) >= 60
    assert len(check(digits, twice, target_groups=person).duplicates["target"]) < 5


def test_missing_values_and_unknown_classes_give_a_warning() -> None:
    values = Labelled(torch.rand(20, 3), torch.full((20, 1), torch.nan).index_fill(0, torch.arange(5), 1.0))
    assert "15 of 20 source samples lack a value" in check(values, Unlabelled(torch.rand(20, 3))).warnings[0]
    source = Labelled(torch.rand(40, 3), torch.arange(40) % 2, ("a", "b"))
    test = Labelled(torch.rand(4, 3), torch.arange(4) % 2, ("a", "c"))
    assert "lacks: c" in check(source, Unlabelled(torch.rand(9, 3)), test).warnings[0]


def test_a_group_is_held_out_as_a_whole() -> None:
    groups = torch.arange(100) // 10
    kept, held = held_out(100, 15, groups, 0)
    assert len(held) == 20
    assert not set(groups[kept].tolist()) & set(groups[held].tolist())
    assert len(held_out(100, 15, torch.zeros(100, dtype=torch.int64), 0)[1]) == 15


def test_a_bootstrap_sample_holds_groups_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.tensor([5, 5, 5, 2, 2, 9])
    for _ in range(20):
        counts = torch.bincount(redrawn(6, groups, generator), minlength=6)
        assert len(set(counts[:3].tolist())) == len(set(counts[3:5].tolist())) == 1
        assert int(counts[[0, 3, 5]].sum()) == 3  # as many groups as there are
    alone = redrawn(6, None, generator)
    assert len(alone) == 6
    assert 0 <= int(alone.min()) <= int(alone.max()) < 6


def backdrop(count: int, seed: int = 0) -> torch.Tensor:
    """Renders (N, 1, 64, 64) uint8 of one backdrop, with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    plain = (128 + 60 * torch.linspace(-3, 3, 64).sin()).expand(1, 64, 64)
    return (plain + 2 * torch.randn(count, 1, 64, 64, generator=generator)).round().to(torch.uint8)


def other_scenes(count: int) -> Unlabelled:
    generator = torch.Generator().manual_seed(9)
    return Unlabelled(torch.randint(0, 255, (count, 1, 64, 64), generator=generator).to(torch.uint8))


def test_renders_of_one_backdrop_are_counted_and_not_warned_of() -> None:
    source = Labelled(backdrop(40), torch.zeros(40, dtype=torch.int64), ("a", "b"))
    found = check(source, other_scenes(30))
    assert len(found.duplicates["source"]) > 500
    assert found.contradictions == {"source": []}
    assert not any("near-duplicates" in line for line in found.warnings)


def test_near_duplicates_of_different_labels_give_one_warning() -> None:
    source = Labelled(backdrop(40), torch.arange(40) % 2, ("a", "b"))
    found = check(source, other_scenes(30))
    assert 200 < len(found.contradictions["source"]) < len(found.duplicates["source"])
    assert all((a + b) % 2 for a, b in found.contradictions["source"])
    (line,) = [line for line in found.warnings if "near-duplicates" in line]
    assert "pairs of near-duplicates have different labels (image 0 and image" in line
    assert "correct their labels" in line


def test_a_small_object_on_one_backdrop_explains_the_label() -> None:
    images = backdrop(40)
    images[1::2, :, 30:34, 30:34] = 255
    found = check(Labelled(images, torch.arange(40) % 2, ("a", "b")), other_scenes(30))
    assert found.duplicates["source"]
    assert found.contradictions["source"] == []


def test_values_of_near_duplicates_contradict_if_they_are_far_apart() -> None:
    images, values = backdrop(40), torch.linspace(0, 1, 40)[:, None]
    found = check(Labelled(images, values, columns=("x",)), other_scenes(30))
    apart = [abs(float(values[a] - values[b])) for a, b in found.contradictions["source"]]
    assert min(apart) > float(values.std())
    assert len(apart) > 50


def test_images_of_both_domains_give_a_warning() -> None:
    source = Labelled(backdrop(20), torch.zeros(20, dtype=torch.int64), ("a", "b"))
    found = check(source, Unlabelled(torch.cat([backdrop(1, 1), other_scenes(30).inputs])))
    assert any("20 images of source have near-duplicates in target" in line for line in found.warnings)


def test_each_section_is_said_when_it_is_known() -> None:
    sections: list[tuple[str, Findings]] = []
    source = Labelled(backdrop(20), torch.arange(20) % 2, ("a", "b"))
    found = check(source, other_scenes(30), on_section=lambda *section: sections.append(section))
    assert [name for name, _ in sections] == ["domains", "duplicates", "outliers"]
    assert not sections[0][1].duplicates
    assert sections[1][1].duplicates == found.duplicates
    assert sections[-1][1] == found


@pytest.mark.parametrize(
    ("height", "resize", "told"), [(720, "stretch", True), (720, "crop", False), (960, "stretch", False)]
)
def test_images_of_different_ratios_that_are_stretched_are_told(
    height: int, resize: Literal["stretch", "crop"], told: bool
) -> None:
    images = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    renders, photographs = (torch.tensor([sides] * 40) for sides in ([480, 640], [height, 1280]))
    found = check(
        Labelled(images, torch.arange(40) % 2, sizes=renders, resize=resize),
        Unlabelled(images.flip(0), sizes=photographs, resize=resize),
    )
    assert any("--resize crop" in warning for warning in found.warnings) == told
