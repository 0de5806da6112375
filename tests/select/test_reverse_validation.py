"""Reverse validation: it prefers routes that train back well, and refuses data that it cannot score."""

import pytest
import torch

from synth2real import Budget, InputError, Labelled, Route, Unlabelled
from synth2real.adapt import DANN, SVM, SourceOnly
from synth2real.select.reverse_validation import choose, reverse_accuracy


def domains(count: int = 200) -> tuple[Labelled, Unlabelled]:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(count) % 2
    x = torch.randn(count, 6, generator=generator)
    x[:, 0] += 4.0 * y - 2
    return Labelled(x, y), Unlabelled(x.roll(1, 0) + 0.3)


def test_what_has_learnt_is_preferred():
    source, target = domains()
    bad, good = Route(adapt=SourceOnly(rate=1e-9)), Route(adapt=SVM())
    best, scores = choose([bad, good], source, target, Budget(steps=3))
    assert best is good
    assert scores[1] > 0.9 > scores[0]


def test_the_papers_shallow_dann_is_judged_too():
    route = Route(adapt=DANN(preset="paper", weight=0.1, rate=0.1))
    assert reverse_accuracy(route, *domains(), Budget(steps=150)) > 0.9


def test_what_cannot_be_judged():
    source, target = domains()
    with pytest.raises(InputError, match="the target has 12 samples, expected 20 or more"):
        reverse_accuracy(Route(), source, target.subset(torch.arange(12)))
    with pytest.raises(InputError, match="found a source with the values label_0, expected classes"):
        reverse_accuracy(Route(), Labelled(torch.randn(30, 4), torch.randn(30, 1)), target)
