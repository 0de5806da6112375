"""The benchmark of the choice compares routes as the command does, and prints the difference from hindsight."""

from pathlib import Path

import pytest
import torch

from benchmarks.lib import protocols
from benchmarks.lib.protocols import Protocol
from benchmarks.quality.selection import choice as benchmark
from synth2real import Labelled


def bars(count: int, seed: int) -> Labelled:
    """Vertical or horizontal bars in images of 8 by 8 pixels."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 90, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    images[labels == 0, :, 3:5, :] += 140
    images[labels == 1, :, :, 3:5] += 140
    return Labelled(images, labels, ("lies", "stands"))


def test_the_choice_is_compared_with_hindsight(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small = Protocol("bars", bars(120, 0), bars(80, 1).unlabelled(), bars(60, 2), bars(60, 3))
    monkeypatch.setitem(benchmark.PROTOCOLS, "fonts", lambda: small)
    monkeypatch.setattr("synth2real.comparison.halving.LEAST", 10)  # steps
    monkeypatch.setattr(protocols, "SCORES", tmp_path / "scores.jsonl")
    assert benchmark.main(["--protocols", "fonts", "--minutes", "0.001", "--score", "--keep", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.count("<- chosen without real labels") == 1
    assert "source only" in output
    assert "difference" in output
    assert (
        output.count("; regret: ensv ") == len({line for line in output.splitlines() if "candidates of" in line}) >= 1
    )
    kept = (tmp_path / "scores.jsonl").read_text()
    assert '"protocol": "choice, fonts"' in kept
