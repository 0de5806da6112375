"""Real data: what a method is for, measured on handwriting. Tolerances are five standard deviations over seeds."""

import numpy as np
import pytest
import torch

from synth2real.adapt import Teacher
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.datasets import handwriting
from synth2real.randomize import Full
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.simulate import Digits, Eyes
from synth2real.tasks import Gaze


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


@pytest.mark.slow
def test_gaze_learnt_from_rendered_eyes_orders_real_ones(shared_data) -> None:
    """Real eyes look to where the iris is: yaw is positive to the image's left, pitch positive up.

    Measured at 400 steps: yaw and x correlate by -0.90, pitch and y by -0.52; with the teacher -0.79 and -0.76.
    """
    with np.load(shared_data / "real_eyes_mpiigaze_p00.npz") as arrays:
        target, labelled = (torch.from_numpy(arrays[key])[:, None] for key in ("unlabelled", "iris_images"))
        iris = torch.from_numpy(arrays["iris_xy"])[:60]
    budget = Budget(steps=300, n=3000)
    run = Route(randomize=Full()).run(Eyes(size=(36, 60), label="gaze"), Unlabelled(target), task=Gaze(), budget=budget)
    pitch, yaw = run.model.predict(Unlabelled(labelled[:60])).values.T
    assert torch.corrcoef(torch.stack([yaw, iris[:, 0]]))[0, 1] < -0.65
    assert torch.corrcoef(torch.stack([pitch, iris[:, 1]]))[0, 1] < -0.15
