"""The padding of letterboxed images is no part of a domain: statistics, distances and refiners leave it out."""

from dataclasses import replace

import pytest
import torch

from synth2real.calibrate.base import refuse_unfit
from synth2real.data.domains import Labelled, Unlabelled, to_float
from synth2real.data.fitting import fitted
from synth2real.data.unpadded import check_unpadded, unpadded
from synth2real.errors import InputError
from synth2real.measure.backgrounds import lacks_backgrounds
from synth2real.measure.data_checks import check
from synth2real.measure.gap import measure_gap
from synth2real.refine import Reinhard
from synth2real.route.learner import statistics
from synth2real.route.preconditions import check_data
from synth2real.route.route import refine_all
from synth2real.simulate import Digits
from synth2real.training.loop import Loop

GIVEN, SIZE = (24, 12), (24, 24)


def pair(seed: int, count: int = 24, level: float = 0.5) -> tuple[Unlabelled, Unlabelled]:
    """The same images, smooth and with noise: whole, and letterboxed to a square."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(count, 3, 4, 2, generator=generator) * level + 0.1 * seed
    images = (255 * fitted(rough, GIVEN)).clamp(0, 255).round().to(torch.uint8)
    sizes = torch.tensor([GIVEN] * count)
    return Unlabelled(images), Unlabelled(fitted(images, SIZE, "letterbox"), sizes=sizes, resize="letterbox")


def labelled(domain: Unlabelled) -> Labelled:
    return domain.labelled(torch.zeros(len(domain), dtype=torch.int64), ("a",))


def test_statistics_are_those_of_the_images_without_padding() -> None:
    whole, padded = pair(1)
    expected, found = statistics(whole.inputs), statistics(padded.inputs, padded.fitting)
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert not torch.allclose(expected[1], statistics(padded.inputs)[1], atol=1e-3)


def test_a_domain_without_padding_stays_itself() -> None:
    whole, padded = pair(1)
    assert unpadded(whole) is whole
    square = replace(padded, sizes=torch.full_like(padded.sizes, 24))
    assert unpadded(square) is square
    filled = unpadded(padded)
    assert (filled.shape, filled.resize, len(filled)) == (padded.shape, "stretch", len(padded))
    assert torch.equal(filled.subset(torch.tensor([3])).inputs, fitted(whole.inputs[3:4], SIZE))


def test_distances_are_those_of_the_images_without_padding() -> None:
    (a, a_padded), (b, b_padded) = pair(1), pair(2, level=0.4)
    stretched = [Unlabelled(fitted(one.inputs, SIZE)) for one in (a, b)]
    found, expected = measure_gap(a_padded, b_padded), measure_gap(*stretched)
    for name, distance in expected.distances.items():
        assert found.distances[name].value == pytest.approx(distance.value, rel=1e-4, abs=1e-6)


def test_padding_is_no_duplicate_no_outlier_and_no_background() -> None:
    (whole, padded), (_, other) = pair(1), pair(2)
    found = check(labelled(padded), other)
    stretched = [Unlabelled(fitted(one.inputs, SIZE)) for one in (whole, pair(2)[0])]
    expected = check(labelled(stretched[0]), stretched[1])
    assert (found.duplicates, found.outliers) == (expected.duplicates, expected.outliers)
    plain = labelled(Unlabelled(torch.zeros(4, 3, *SIZE, dtype=torch.uint8)))
    busy = Unlabelled(torch.randint(256, (4, 3, *SIZE), dtype=torch.uint8), sizes=padded.sizes[:4], resize="letterbox")
    busy.inputs[:, :, :, :6] = busy.inputs[:, :, :, 18:] = 100
    assert lacks_backgrounds(plain, busy)


def test_a_refiner_learns_without_padding_and_leaves_it_as_it_is() -> None:
    (a, a_padded), (b, b_padded) = pair(1), pair(2)
    stretched = [Unlabelled(fitted(one.inputs, SIZE)) for one in (a, b)]
    loop = Loop(steps=1)
    expected = Reinhard().fit(labelled(stretched[0]), stretched[1], loop).learnt()
    refiner = Reinhard().fit(labelled(a_padded), b_padded, loop)
    assert expected.keys() == refiner.learnt().keys()
    for name, one in refiner.learnt().items():
        assert torch.allclose(one.float(), expected[name].float(), atol=1e-3)
    refined = refine_all(refiner, labelled(a_padded))
    apart = (to_float(refined[:]) - to_float(a_padded.inputs[:])).abs()
    assert apart[:, :, :, :6].max() == apart[:, :, :, 18:].max() == 0
    assert apart[:, :, :, 6:18].mean() > 0.01


def test_a_simulator_renders_no_padding_so_a_padded_target_is_refused() -> None:
    _, padded = pair(1)
    simulator = Digits(size=SIZE, channels=3)
    for refuse in (lambda: check_data(simulator, padded), lambda: refuse_unfit(simulator, padded)):
        with pytest.raises(InputError, match=r"--resize letterbox has padded.*--resize crop, or .* such as 24x12"):
            refuse()
    check_unpadded(replace(padded, resize="stretch"), "the simulator")
