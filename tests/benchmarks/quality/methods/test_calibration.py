"""The benchmark of calibration: hidden truths and real images, on a small scale."""

import functools

import pytest
import torch

from benchmarks.lib.protocols import CLASSES, Protocol
from benchmarks.quality.methods import calibration
from synth2real import Budget, Labelled, Unlabelled
from synth2real.calibrate import Posterior
from synth2real.simulate import Digits


@pytest.fixture
def quick(monkeypatch):
    """A method that takes a second, and a protocol of small digits."""
    short = functools.partial(Posterior, trials=1, rounds=1, images=40)
    monkeypatch.setitem(calibration.METHODS, "posterior", short)
    monkeypatch.setattr(calibration, "Budget", functools.partial(Budget, n=60))

    def small() -> Protocol:
        made = Digits(size=(8, 8)).sample(60, 9)
        seen = Labelled(made.images, torch.arange(60) % 10, CLASSES)
        return Protocol("small", Digits(size=(8, 8)), Unlabelled(made.images), seen, seen)

    monkeypatch.setitem(calibration.REAL, "fonts", small)


def test_real_images_are_reported_before_and_after(quick, capsys):
    calibration.real("fonts", "posterior", narrow=True, score=False, steps=2, seeds=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("small, narrow, posterior in ")
    assert [line.split()[0] for line in lines[1:]] == ["as", "calibrated"]
    assert all("accuracy 0." in line and "sliced_wasserstein" in line for line in lines[1:])


def test_recovered_centres_are_counted(quick, capsys):
    calibration.recover("digits", 1, "posterior", 0)
    assert " of 5" in capsys.readouterr().out
