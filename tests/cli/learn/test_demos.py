"""What the demos compare."""

import pytest
import torch

from synth2real.cli.learn.demos import demo_of
from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError


@pytest.mark.parametrize(
    ("task", "kind", "classes"),
    [("segment", Masks, ("background", "nucleus")), ("detect", Boxes, ("RBC", "WBC", "Platelets"))],
)
def test_the_demo_of_a_dense_task_has_a_target_that_its_source_does_not_render(task, kind, classes):
    demo = demo_of(task, fast=True)
    assert isinstance(demo.test.labels, kind)
    assert demo.test.classes == classes
    ours = demo.source.sample(len(demo.target), 1).images
    assert not torch.equal(ours, demo.target.inputs)
    assert demo.note.startswith("The target is not real: it is rendered")


def test_the_demo_of_classes_is_that_of_real_handwriting():
    demo = demo_of("classify", fast=True)
    assert len(demo.test.classes) == 10
    assert (demo.where, demo.note) == ("real", "")
    assert demo.then is not None


def test_a_task_without_a_demo_is_refused():
    with pytest.raises(InputError, match="--task gaze has no demo, expected one of: classify, segment, detect"):
        demo_of("gaze", fast=True)
