"""Route: its defaults, and the inputs that it refuses."""

import pytest
import torch

from synth2real import Labelled, Route, Unlabelled
from synth2real.calibrate import Search
from synth2real.data.domains import check_domains
from synth2real.errors import InputError
from synth2real.route.route import default_steps, default_task
from synth2real.simulate import Digits, Eyes
from synth2real.tasks import Classification, Keypoints


def values(*columns, shape=(1, 8, 8)):
    return Labelled(torch.zeros(4, *shape), torch.arange(4.0)[:, None].expand(4, len(columns)), columns=columns)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (("pitch", "yaw"), "gaze"),
        (("iris_x", "iris_y"), "keypoints"),
        (("a_x", "a_y", "b_x", "b_y"), "keypoints"),
        (("a_x", "b_y"), "regress"),
        (("a_x", "a_y", "depth"), "regress"),
        (("yaw",), "regress"),
        (("x", "y"), "regress"),
    ],
)
def test_the_task_follows_from_the_columns(columns, kind):
    assert default_task(values(*columns)).kind == kind


def test_points_need_an_image():
    assert default_task(values("iris_x", "iris_y", shape=(5,))).kind == "regress"


def test_the_task_follows_from_the_labels_of_a_simulator():
    assert default_task(Digits(size=(8, 8)).labelled(10, 0)).kind == "classify"
    assert default_task(Eyes().labelled(2, 0)).kind == "gaze"
    assert default_task(Eyes(label="iris").labelled(2, 0)).kind == "keypoints"


def test_steps_follow_the_larger_domain():
    digits, iris = Classification(("a", "b")), Keypoints(("x", "y"), (16, 16))
    asked = [(64, 1000), (2000, 64), (10**6, 1), (10, 10)]
    assert [default_steps(*each, digits) for each in asked] == [937, 1875, 4000, 500]
    assert [default_steps(*each, iris) for each in [(8000, 100), (100, 10**6), (10, 10)]] == [625, 4000, 500]
    assert default_steps(2000, 64, iris, images=False) == 1875


def test_shapes_must_agree():
    def source(*shape):
        return Labelled(torch.zeros(4, *shape), torch.zeros(4, dtype=torch.int64), ("a",))

    check_domains(source(1, 8, 8), Unlabelled(torch.zeros(2, 1, 8, 8)))
    for shape, mend in {(3, 8, 8): "--channels 1", (1, 8, 9): "--size 8x9", (7,): "features of the same width"}.items():
        with pytest.raises(InputError, match=mend):
            check_domains(source(1, 8, 8), Unlabelled(torch.zeros(2, *shape)))


def test_only_a_simulator_can_be_calibrated():
    source = Labelled(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), ("a",))
    with pytest.raises(
        InputError, match=r"--calibrate \(calibrate=\) needs a simulator, found 4 labelled samples. Give a simulator"
    ):
        Route(calibrate=Search()).fit(source, Unlabelled(torch.zeros(2, 1, 8, 8)))
