"""Hardware: how many images go through a small network at once."""

import torch

from synth2real.hardware import Hardware


def test_a_processor_takes_what_fits_its_cache_and_an_accelerator_more() -> None:
    assert Hardware().chunk(28 * 28) == 41
    assert Hardware().chunk(1024 * 1024) == 1
    assert Hardware(torch.device("cuda")).chunk(28 * 28) > 1000
