"""Subsets of inputs in memory."""

import torch

from synth2real import Budget, Labelled, Route, Unlabelled
from synth2real.data import subsets


def test_a_large_part_of_a_set_in_memory_is_not_copied(monkeypatch):
    images = torch.randint(0, 256, (12, 1, 4, 4), dtype=torch.uint8)
    whole, index = Labelled(images, torch.arange(12) % 2), torch.tensor([7, 0, 3, 3, 11])
    copied = whole.subset(index)
    monkeypatch.setattr(subsets, "COPIED", 64)
    part = whole.subset(index)
    assert isinstance(part.inputs, subsets.Part)
    assert part.inputs.inputs is images
    assert (len(part), part.shape) == (5, (1, 4, 4))
    assert torch.equal(part.inputs[torch.arange(5)], copied.inputs)
    few = part.subset(torch.tensor([4, 1]))
    assert isinstance(few.inputs, torch.Tensor)
    assert torch.equal(few.inputs, images[[11, 0]])


def test_a_training_on_a_part_gives_the_same_model(monkeypatch):
    images = torch.randint(0, 256, (80, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole, target = Labelled(images, torch.arange(80) % 2), Unlabelled(images)
    trained = []
    for copied in (subsets.COPIED, 64):
        monkeypatch.setattr(subsets, "COPIED", copied)
        part = whole.subset(torch.arange(0, 80, 2) + torch.arange(40) % 2)
        model = Route().run(part, target, budget=Budget(steps=2, batch=8)).model
        trained.append(model.predict(target).values)
    assert torch.equal(*trained)
