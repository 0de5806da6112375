"""Real data: what a method is for, measured on handwriting. Tolerances are five standard deviations over seeds."""

import numpy as np
import pytest
import torch

from synth2real.adapt import Teacher
from synth2real.datasets import handwriting
from synth2real.domains import Labelled, Unlabelled
from synth2real.randomize import Full
from synth2real.route import Budget, Route
from synth2real.simulate import Digits


def test_rendered_digits_teach_something_of_real_ones() -> None:
    target, test = handwriting()
    assert (len(target), len(test)) == (1198, 599)
    filling = Digits(size=(8, 8)).with_ranges(height=(0.9, 1.0), aspect=(0.5, 1.1), centring=0.0)
    model = Route().fit(filling, target, steps=120)
    assert model.evaluate(test)["accuracy"] > 0.6


@pytest.mark.slow
def test_a_teacher_carries_plain_digits_to_coloured_ones(shared_data) -> None:
    with np.load(shared_data / "mnist.npz") as plain, np.load(shared_data / "mnist_m.npz") as blended:
        images = torch.from_numpy(plain["images"][:4000])[:, None].expand(-1, 3, -1, -1).contiguous()
        labels = torch.from_numpy(plain["labels"].astype(np.int64))
        real = torch.from_numpy(blended["images"]).permute(0, 3, 1, 2).contiguous()
        truth = torch.from_numpy(blended["labels"].astype(np.int64))
    source = Labelled(images, labels[:4000], tuple("0123456789"))
    dev = Labelled(real[4000:5000], truth[4000:5000], source.classes)
    run = Route(adapt=Teacher(), randomize=Full()).run(source, Unlabelled(real[4000:7000]), budget=Budget(steps=600))
    assert run.model.evaluate(dev)["accuracy"] > 0.90
