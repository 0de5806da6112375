"""CycleGAN and CUT: their losses are exact, and they move towards the target while structure stays."""

import pytest
import torch

from synth2real.data.domains import Labelled, Unlabelled
from synth2real.refine import CUT, CycleGAN
from synth2real.refine.base import TrainedMapping
from synth2real.refine.cut import contrast
from synth2real.simulate import Digits
from synth2real.training.hardware import Hardware
from synth2real.training.loop import Loop, Progress, SourceBatch, TargetBatch

LOOP = Loop(steps=1, batch=12, seed=0, hardware=Hardware())


def test_the_contrast_is_the_cross_entropy_over_the_patches_of_one_image() -> None:
    keys = torch.eye(3).expand(2, 3, 3)
    expected = -torch.log_softmax(torch.tensor([1.0, 0, 0]) / 0.5, 0)[0]
    assert contrast(keys, keys, 0.5).item() == pytest.approx(expected.item())
    assert contrast(keys, keys.roll(1, 1), 0.5) > contrast(keys, keys, 0.5)


def test_patches_that_stay_are_recognized_and_those_that_move_are_not() -> None:
    method = CUT(maps=8, blocks=1)
    method.prepare((1, 16, 16), LOOP)
    x = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert method.patch_contrast(x, x) < method.patch_contrast(x, x.flip(2, 3))


def test_there_and_back_begins_at_no_loss() -> None:
    method = CycleGAN(maps=8, blocks=1, history=8)
    method.prepare((1, 16, 16), LOOP)
    x = torch.rand(4, 1, 16, 16)
    moves = next(iter(method.updates(SourceBatch(x, torch.zeros(4), x), TargetBatch(x, x, None), Progress(0, 2))))
    assert moves.of == (method.refiner, method.back)
    assert moves.terms["cycle"][1].item() == pytest.approx(0, abs=1e-6)
    assert moves.terms["identity"][1].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "method", [CUT(steps=60, maps=8, blocks=1, rate=2e-3), CycleGAN(steps=60, maps=8, blocks=1, rate=2e-3, cycle=5)]
)
def test_images_move_towards_the_real_ones_and_keep_what_they_are(method: TrainedMapping) -> None:
    """Bright digits, dim real ones: translation dims them, and each stays nearest to its own original."""
    source = Digits(size=(16, 16)).labelled(200, 0)
    raw = source.inputs[torch.arange(200)]
    dim = (Digits(size=(16, 16)).labelled(200, 1).inputs[torch.arange(200)].float() * 0.5 + 60).to(torch.uint8)
    refined = method.fit(source, Unlabelled(dim), LOOP).transform(raw)

    def off(x: torch.Tensor) -> float:
        return abs(float(x.float().mean() - dim.float().mean()))

    assert off(refined) < 0.7 * off(raw)
    flat, ours = (z.float().flatten(1) for z in (raw, refined))
    correlation = torch.corrcoef(torch.cat([flat[:60], ours[:60]]))[:60, 60:]
    assert (correlation.argmax(0) == torch.arange(60)).double().mean() > 0.9


def test_the_rate_falls_to_zero_over_the_second_half() -> None:
    for method in (CUT(), CycleGAN()):
        rates = [method.learning_rate(Progress(step, 100)) for step in (0, 50, 75, 99)]
        assert rates == pytest.approx([method.rate, method.rate, method.rate / 2, method.rate / 50])


def test_domains_of_one_image_are_served() -> None:
    one = torch.zeros(1, 1, 12, 12, dtype=torch.uint8)
    CUT(steps=1, maps=8, blocks=0).fit(Labelled(one, torch.tensor([0])), Unlabelled(one), LOOP)
