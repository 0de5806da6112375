"""Boxes as labels of images in memory."""

import numpy as np
import pytest
import torch

from synth2real import Labelled
from synth2real.data.labels import Boxes
from synth2real.errors import InputError

BOXES = Boxes.of([torch.tensor([[1.0, 1, 5, 5]]), torch.zeros(0, 4)], [torch.tensor([0]), torch.zeros(0)])
IMAGES = np.zeros((2, 16, 16, 3), np.uint8)


def test_boxes_are_taken_with_their_class_names():
    data = Labelled.of(IMAGES, BOXES, classes=["car"])
    assert data.labels is BOXES
    assert data.classes == ("car",)
    assert data.shape == (3, 16, 16)


def test_boxes_without_names_or_of_another_number_are_refused():
    with pytest.raises(InputError, match="boxes without class names"):
        Labelled.of(IMAGES, BOXES)
    with pytest.raises(InputError, match="1 inputs but 2 labels"):
        Labelled.of(IMAGES[:1], BOXES, classes=["car"])
