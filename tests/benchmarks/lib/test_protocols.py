"""What protocols of classes share: the folder of the data, class shares, and stored results."""

import json

import pytest
import torch

from benchmarks.lib import protocols
from synth2real import Labelled


def test_missing_data_ends_the_program_with_its_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SYNTH2REAL_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"found no mnist.npz, expected the real data there. Set SYNTH2REAL_DATA"):
        protocols.data_folder()


def test_a_result_is_stored_with_its_date_and_machine(tmp_path) -> None:
    file = tmp_path / "scores.jsonl"
    protocols.keep({"protocol": "fonts", "accuracy": 0.5}, file)
    protocols.keep({"protocol": "usps", "accuracy": 0.25}, file)
    first, second = (json.loads(text) for text in file.read_text().splitlines())
    assert list(first) == ["date", "protocol", "accuracy", "machine"]
    assert (second["protocol"], second["accuracy"]) == ("usps", 0.25)
    assert "torch" in second["machine"]


def test_stored_results_lie_in_the_results_folder() -> None:
    assert protocols.SCORES.is_file()
    assert protocols.SCORES.parts[-3:] == ("benchmarks", "results", "scores.jsonl")


def test_class_shares_are_reversed_for_the_second_half_of_the_classes() -> None:
    labels = torch.arange(4000) % 10
    data = Labelled(torch.zeros(4000, 1, 2, 2, dtype=torch.uint8), labels, protocols.CLASSES)
    kept = protocols._unbalanced(data, 0.1).labels
    assert float((kept < 5).double().mean()) == pytest.approx(0.1, abs=0.03)
