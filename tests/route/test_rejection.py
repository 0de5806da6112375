"""Classes of which no image is left after rejection are named, of classes and of masks."""

import torch

from discs import CLASSES, discs
from synth2real.data.domains import Labelled
from synth2real.data.labels import IGNORED, Masks
from synth2real.refine.displacement import Displacement
from synth2real.route.rejection import notes_of


def test_a_class_that_no_kept_mask_has_is_named():
    masks = discs(10, 0).labels.tensor.clone()
    masks[1:][masks[1:] == 1] = IGNORED
    source = Labelled(torch.zeros(10, 1, 32, 32), Masks(masks), classes=CLASSES)
    worst_first = Displacement(torch.linspace(1, 0, 10).double(), "IoU", 0.1)
    assert any("no refined image of the class(es) disc is left" in note for note in notes_of(worst_first, source))
    last = Displacement(torch.linspace(0, 1, 10).double(), "IoU", 0.1)
    assert not any("is left, so" in note for note in notes_of(last, source))
