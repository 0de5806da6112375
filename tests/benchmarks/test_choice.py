"""The benchmark of the choice compares as the command does, and says how far the choice is from hindsight."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import choice as benchmark
import protocols
from protocols import Protocol

from synth2real import Labelled


def bars(count: int, seed: int) -> Labelled:
    """Bars that stand or lie in images of 8 by 8, brighter in another domain."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 90, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    images[labels == 0, :, 3:5, :] += 140
    images[labels == 1, :, :, 3:5] += 140
    return Labelled(images, labels, ("lies", "stands"))


def test_the_choice_is_held_against_hindsight(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small = Protocol("bars", bars(120, 0), bars(80, 1).unlabelled(), bars(60, 2), bars(60, 3))
    monkeypatch.setitem(benchmark.PROTOCOLS, "fonts", lambda: small)
    monkeypatch.setattr(protocols, "SCORES", tmp_path / "scores.jsonl")
    assert benchmark.main(["--protocols", "fonts", "--minutes", "0.001", "--score", "--keep", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.count("<- chosen without real labels") == 1
    assert "source only" in said
    assert "difference" in said
    assert said.count("; regret: ensv ") == len({line for line in said.splitlines() if "candidates of" in line}) >= 1
    kept = (tmp_path / "scores.jsonl").read_text()
    assert '"protocol": "choice, fonts"' in kept
