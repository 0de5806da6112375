"""What the demos compare."""

import pytest
import torch

from synth2real.cli.learn.demos import demo_of
from synth2real.data.labels import Masks
from synth2real.errors import InputError


def test_the_demo_of_masks_has_a_target_that_its_source_does_not_render():
    demo = demo_of("segment", fast=True)
    assert isinstance(demo.test.labels, Masks)
    assert demo.test.classes == ("background", "nucleus")
    ours = demo.source.sample(len(demo.target), 1).images
    assert not torch.equal(ours, demo.target.inputs)
    assert demo.note.startswith("The target is not real: it is rendered")


def test_the_demo_of_classes_is_that_of_real_handwriting():
    demo = demo_of("classify", fast=True)
    assert len(demo.test.classes) == 10
    assert (demo.where, demo.note) == ("real", "")
    assert demo.then is not None


def test_a_task_without_a_demo_is_refused():
    with pytest.raises(InputError, match="--task gaze has no demo, expected one of: classify, segment"):
        demo_of("gaze", fast=True)
