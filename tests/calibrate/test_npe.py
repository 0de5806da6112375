"""NPE: it finds ranges from the settings of each image, its checks detect wrong results, and it names the extra."""

import math

import pytest
import torch

from ramps import ramps
from skips import optional
from synth2real.calibrate import NPE, npe
from synth2real.calibrate.npe import Summary, likeliest
from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.simulate import Digits, Eyes

HIDDEN = {"level": (0.5, 0.6), "slope": (0.0, 0.3)}
FAST = NPE(parameters=("level", "slope"), trials=24, images=100, rounds=2, epochs=20)


def test_hidden_centres_and_widths_are_found_and_the_checks_hold():
    optional("sbi", "sbi")
    seen = Unlabelled(ramps(size=(8, 8), ranges=HIDDEN).sample(200, 9).images)
    reported = []
    found = FAST.fit(ramps(size=(8, 8)), seen, on_trial=lambda *report: reported.append(report[:2]))
    (low, high), (left, right) = found.ranges["level"], found.ranges["slope"]
    assert (low + high) / 2 == pytest.approx(0.55, abs=0.02)
    assert (left + right) / 2 == pytest.approx(0.15, abs=0.03)
    assert high - low == pytest.approx(0.1, abs=0.04)
    assert right - left == pytest.approx(0.3, abs=0.08)
    assert found.after < 0.3 * found.before
    assert reported == [(1, 2), (2, 2)]
    assert found.checks["misspecification"] > 0.01
    assert 0 <= found.checks["simulation_based_calibration"] <= 1


def test_images_of_another_kind_are_detected_and_no_file_is_left(tmp_path, monkeypatch):
    optional("sbi", "sbi")
    monkeypatch.chdir(tmp_path)
    other = Unlabelled((255 * torch.rand(100, 1, 8, 8)).to(torch.uint8))
    assert FAST.fit(ramps(size=(8, 8)), other).checks["misspecification"] < 0.05
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_resumed(tmp_path):
    optional("sbi", "sbi")
    seen = Unlabelled(ramps(size=(8, 8), ranges=HIDDEN).sample(60, 9).images)
    simulator, storage = ramps(size=(8, 8)), str(tmp_path / "study.db")
    first = FAST.fit(simulator, seen, storage=storage)
    again = FAST.fit(simulator, seen, storage=storage, resume=True)
    assert again.ranges == first.ranges
    assert again.checks == first.checks


def test_the_ranges_behind_blurred_posteriors_are_found():
    generator = torch.Generator().manual_seed(0)
    truth = torch.tensor([0.4, -0.2]) + torch.tensor([0.5, 1.5]) * (torch.rand(400, 2, generator=generator) - 0.5)
    blur = 0.3 * torch.randn(400, 2, generator=generator)
    samples = truth + blur + 0.3 * torch.randn(500, 400, 2, generator=generator)
    centre, width = likeliest(samples)
    assert centre.tolist() == pytest.approx([0.4, -0.2], abs=0.06)
    assert width.tolist() == pytest.approx([0.5, 1.5], abs=0.3)
    assert samples.mean(0).std(0)[0] * math.sqrt(12) > 1.1, "the plain spread of the posterior means is much wider"


def test_a_summary_is_of_unit_deviation_and_holds_what_was_regressed():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(400, 2, generator=generator)
    statistics = torch.cat([values, torch.randn(400, 60, generator=generator)], 1)
    found = Summary.learn(values, statistics)(statistics)
    assert found.std(0).tolist() == pytest.approx([1.0] * found.shape[1], abs=0.02)
    assert torch.corrcoef(torch.stack([found[:, 0], values[:, 0]]))[0, 1] > 0.95


def test_without_the_extra_the_error_names_what_to_install(monkeypatch):
    def missing(_):
        raise ImportError("No module named 'sbi'")

    monkeypatch.setattr(npe, "import_module", missing)
    with pytest.raises(InputError, match=r"npe needs sbi .*pip install 'synth2real\[sbi\]'"):
        NPE().fit(Digits(), Unlabelled(torch.zeros(20, 1, 28, 28)))


def test_more_parameters_than_it_can_find_are_refused(monkeypatch):
    monkeypatch.setattr(npe, "library", lambda module: None)
    with pytest.raises(InputError, match=r"npe has \d+ parameters to find, expected 20 or fewer.*--only"):
        NPE().fit(Eyes(), Unlabelled(torch.zeros(20, 1, 36, 60)))
