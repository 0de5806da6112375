"""Hindsight picks on one half of the images and is scored on the other half."""

import pytest
import torch

from benchmarks.quality.selection import hindsight as benchmark


def test_the_better_strength_is_found_and_the_interval_contains_the_difference():
    generator = torch.Generator().manual_seed(0)
    error = {
        name: level + 0.1 * torch.rand(3, 400, generator=generator).double()
        for name, level in (("0.1", 0.5), ("0.5", 0.2))
    }
    found = benchmark.against_hindsight(error, "0.1")
    assert found["hindsight"] == ["0.5", "0.5"]
    assert found["low"] < found["difference"] < found["high"]
    assert found["difference"] == pytest.approx(0.3, abs=0.01)
    assert benchmark.against_hindsight(error, "0.5")["difference"] == 0


def test_hindsight_gains_nothing_from_chance():
    generator = torch.Generator().manual_seed(1)
    error = {str(i): torch.rand(1, 200, generator=generator).double() for i in range(40)}
    found = benchmark.against_hindsight(error, "0")
    assert min(float(each.mean()) for each in error.values()) < 0.46
    assert found["hindsight_error"] > 0.46
    assert found["low"] < 0 < found["high"]


def test_images_of_one_person_count_as_one_sample():
    generator = torch.Generator().manual_seed(2)
    person = torch.arange(300) // 100
    gained = torch.tensor([-0.3, 2.2, 2.3])[person].double()
    error = {
        "0": 5 + gained + 0.1 * torch.rand(1, 300, generator=generator).double(),
        "1": torch.full((1, 300), 5.0).double(),
    }
    found = benchmark.against_hindsight(error, "0", person)
    assert 0 < found["low"] < found["difference"] < found["high"]
    assert found["low_people"] < 0 < found["high"] < found["high_people"]
    assert "low_people" not in benchmark.against_hindsight(error, "0")
