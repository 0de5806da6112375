"""Randomization beside other libraries."""

import torch

from benchmarks.speed import randomize


def broken(x: torch.Tensor, kind: str) -> randomize.Run:
    raise ImportError("no such library")


def test_each_library_has_a_row_and_one_that_fails_says_why(monkeypatch) -> None:
    monkeypatch.setattr(randomize, "LIBRARIES", {"synth2real": randomize.ours, "other": broken})
    ours, other = randomize.rows(2, 32, "usual", 1)
    assert (ours["library"], ours["images"]) == ("synth2real", "2 of 32 x 32 x 3")
    assert ours["rate"]["median"] > 0
    assert "ratio" not in ours
    assert other["error"] == "ImportError: no such library"


def test_alone_means_once_for_each_image() -> None:
    seen: list[torch.Size] = []

    def build(x: torch.Tensor, kind: str) -> randomize.Run:
        seen.append(x.shape)
        return lambda: len(x)

    assert randomize.singly(build)(torch.zeros(3, 3, 8, 8), "chosen")() == 3
    assert seen == [(1, 3, 8, 8)] * 3
