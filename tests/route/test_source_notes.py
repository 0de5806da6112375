"""Whether the source was learnt: it is measured after the training, and said."""

import pytest
import torch

from synth2real import Budget, Labelled, Route
from synth2real.adapt import SourceOnly
from synth2real.randomize import Photometric


def source(noise: bool) -> Labelled:
    """Images whose brightness is their class, or classes by chance."""
    labels = torch.arange(60) % 2
    images = (labels[:, None, None, None] * 120 + 60 + torch.zeros(60, 1, 8, 8)).to(torch.uint8)
    if noise:
        labels = torch.randint(2, (60,), generator=torch.Generator().manual_seed(0))
    return Labelled(images, labels, ("dark", "bright"))


def notes(data: Labelled, **route) -> list[str]:
    adapt = SourceOnly(statistics="source", rate=0.01)
    return Route(adapt=adapt, **route).run(data, data.unlabelled(), budget=Budget(steps=20, batch=16)).notes


def test_nothing_is_said_of_a_source_that_was_learnt() -> None:
    assert notes(source(noise=False)) == []


def test_a_source_that_was_not_learnt_is_named_with_the_mend() -> None:
    (note,) = notes(source(noise=True))
    assert note.startswith("the source was not learnt: on batches of the source, accuracy 0.")
    assert note.endswith("To mend it, train longer")
    (note,) = notes(source(noise=True), randomize=Photometric())
    assert note.startswith("the source was not learnt: on batches of the randomized source, accuracy 0.")
    assert note.endswith("To mend it, use a weaker randomization, or train longer")


def test_fit_gives_the_notes_as_warnings() -> None:
    data = source(noise=True)
    with pytest.warns(UserWarning, match="the source was not learnt"):
        Route(adapt=SourceOnly()).fit(data, data.unlabelled(), steps=3)
