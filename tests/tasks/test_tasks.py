"""Tasks: losses and metrics by hand."""

import math

import pytest
import torch

from synth2real.data.domains import Labelled
from synth2real.data.fitting import Fitting
from synth2real.errors import InputError
from synth2real.tasks import TASKS, Classification, Gaze, Keypoints, Regression
from synth2real.tasks.directions import to_angles, to_vectors
from synth2real.transforms.warp import Warp

NAN = float("nan")
IMAGES = torch.zeros(3, 1, 20, 40, dtype=torch.uint8)
ANIMALS = Classification(("ant", "bee", "cat"))
LENGTH = Regression(("a", "b"), mean=(10.0, 0.0), std=(2.0, 1.0))
POINT = Keypoints(("x", "y"), size=(20, 40))
GAZE = Gaze()
EYES = Keypoints(("left_x", "left_y", "right_x", "right_y"), size=(20, 40))


@pytest.mark.parametrize("task", [ANIMALS, LENGTH, POINT, EYES, GAZE], ids=lambda task: task.kind)
def test_settings_round_trip(task):
    assert TASKS[task.kind](**task.settings()) == task
    if task is not GAZE:
        assert task.outputs == len(task.classes if isinstance(task, Classification) else task.columns)


def test_classification_by_hand():
    outputs = torch.tensor([[math.log(2), math.log(3), math.log(5)], [0.0, 0.0, 0.0]])
    labels = torch.tensor([2, 0])
    assert torch.allclose(ANIMALS.predict(outputs)[0], torch.tensor([0.2, 0.3, 0.5]))
    assert ANIMALS.losses(outputs, labels).tolist() == pytest.approx([math.log(2), math.log(3)])
    assert ANIMALS.loss(outputs, labels).item() == pytest.approx(math.log(6) / 2)
    right = torch.tensor([[0.1, 0.1, 0.8], [0.3, 0.4, 0.3], [0.2, 0.5, 0.3], [1, 0, 0]])
    assert ANIMALS.metrics(right, torch.tensor([2, 0, 1, 0])) == {"accuracy": 0.75}


def test_other_sets_are_aligned_by_the_names_of_classes():
    other = Labelled(IMAGES, torch.tensor([1, 0, 1]), ("ant", "cat"))
    assert ANIMALS.align(other).tolist() == [2, 0, 2]
    with pytest.raises(
        InputError,
        match=r"holds the class 'dog', which is not among the classes of the model, expected only ant, bee, cat",
    ):
        ANIMALS.align(Labelled(IMAGES, torch.tensor([1, 0, 1]), ("cat", "dog")))
    with pytest.raises(InputError, match=r"expected class labels to evaluate on, found columns x"):
        ANIMALS.align(Labelled(IMAGES, torch.zeros(3, 1), columns=("x",)))


def test_regression_by_hand():
    # Huber with beta 0.1 on standardised values: e^2 / 0.2 within 0.1, else |e| - 0.05.
    outputs, labels = torch.tensor([[0.05, 2.0], [1.0, 0.0]]), torch.tensor([[10.0, 1.0], [12.0, 0.0]])
    assert LENGTH.losses(outputs, labels).tolist() == pytest.approx([(0.05**2 / 0.2 + 0.95) / 2, 0])
    assert torch.allclose(LENGTH.predict(outputs), torch.tensor([[10.1, 2.0], [12.0, 0.0]]).double())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Regression(("z", "z"), (0.0, 0.0), (1.0, 1.0)),
        lambda: Keypoints(("z", "z"), (8, 8)),
        lambda: Gaze(("z", "z")),
    ],
)
def test_a_label_column_given_twice_is_refused(make):
    with pytest.raises(InputError, match="the label column 'z' is given twice, expected different columns"):
        make()


def test_regression_metrics_by_hand():
    predictions = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [9.0, 0.0]])
    labels = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, NAN], [NAN, NAN]])
    assert LENGTH.metrics(predictions, labels) == {
        "mean_error": 2.0,  # of 1, 2, 3 and an image without any label
        "median_error": 2.0,
        "columns": {"a": {"mean_error": 2.0, "median_error": 2.0}, "b": {"mean_error": 1.5, "median_error": 1.5}},
    }


def test_keypoint_loss_by_hand():
    # The middle of a frame of 20 x 40 is the point (19.5, 9.5), output 0; a step of 1 is half a frame.
    outputs = torch.tensor([[0.0, 0.0], [0.5, 0.0]])
    assert POINT.predict(outputs).tolist() == [[19.5, 9.5], [29.5, 9.5]]
    labels = torch.tensor([[19.5, 9.5], [29.5, 9.6]])  # 0.1 px are 0.01 of half a frame: e^2 / 0.04
    assert POINT.losses(outputs, labels).tolist() == pytest.approx([0, 0.01**2 / 0.04 / 2], rel=1e-3)


def test_keypoint_metrics_by_hand():
    predictions = torch.zeros(3, 4)
    labels = torch.tensor([[3.0, 4.0, 0.0, 2.0], [0.0, 1.0, NAN, 5.0], [NAN, NAN, 0.0, 4.0]])
    assert EYES.metrics(predictions, labels) == {  # of 5, 2, 1 and 4 px
        "mean_error": 3.0,
        "median_error": 3.0,
        "within_2px": 0.5,
        "within_4px": 0.75,
    }
    with pytest.raises(InputError, match=r"x, y hold no complete point"):
        POINT.metrics(torch.zeros(2, 2), torch.full((2, 2), NAN))


def test_values_that_are_no_numbers_count_in_no_error():
    task = Regression(("u", "v"), (0.0, 0.0), (1.0, 1.0))
    labels = torch.tensor([[1.0, NAN], [3.0, float("inf")], [NAN, NAN]])
    assert task.metrics(torch.zeros(3, 2), labels) == {
        "mean_error": 2.0,
        "median_error": 2.0,
        "columns": {"u": {"mean_error": 2.0, "median_error": 2.0}, "v": {"mean_error": None, "median_error": None}},
    }
    with pytest.raises(InputError, match=r"u, v hold no number, expected one or more"):
        task.metrics(torch.zeros(2, 2), torch.full((2, 2), NAN))


@pytest.mark.parametrize("task", [LENGTH, POINT], ids=lambda task: task.kind)
def test_unknown_labels_leave_the_loss_and_gradients_stay_finite(task):
    outputs = torch.randn(3, 2, requires_grad=True)
    labels = torch.tensor([[1.0, NAN], [NAN, NAN], [1.0, 2.0]])
    losses = task.losses(outputs, labels)
    assert losses[1] == 0
    losses.mean().backward()
    assert outputs.grad.isfinite().all()
    assert (outputs.grad != 0).tolist() == [[True, False], [False, False], [True, True]]
    known = task.losses(outputs, torch.nan_to_num(labels, nan=2.0))
    assert losses[2] == known[2]


def test_tasks_are_read_off_the_source():
    assert Classification.of(Labelled(IMAGES, torch.tensor([0, 1, 1]), ("a", "b"))).classes == ("a", "b")
    values = torch.tensor([[1.0, 5.0], [3.0, NAN], [2.0, 7.0]])
    task = Regression.of(Labelled(IMAGES, values, columns=("u", "v")))
    assert task.mean == (2.0, 6.0)
    assert task.std == pytest.approx(((2 / 3) ** 0.5, 1.0))
    assert Keypoints.of(Labelled(IMAGES, values, columns=("u", "v"))).size == (20, 40)


@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        ("classify", Labelled(IMAGES, torch.tensor([1, 1, 1]), ("a", "b")), r"one class only \(b\), expected two"),
        (
            "classify",
            Labelled(IMAGES, torch.zeros(3, 1), columns=("x",)),
            "needs class labels, found the number columns x",
        ),
        (
            "regress",
            Labelled(IMAGES, torch.tensor([0, 1, 1]), ("a", "b")),
            r"needs number columns, found class labels \(a, b\)",
        ),
        ("regress", Labelled(IMAGES, torch.full((3, 1), NAN), columns=("x",)), "column 'x' holds no number"),
        (
            "regress",
            Labelled(IMAGES, torch.tensor([[0.0, 7.0], [1.0, 7.0], [2.0, 7.0]]), columns=("x", "y")),
            "column 'y' is 7 everywhere, expected numbers that differ",
        ),
        ("keypoints", Labelled(IMAGES, torch.zeros(3, 3), columns=("x", "y", "z")), r"found 3 \(x, y, z\)"),
        ("gaze", Labelled(IMAGES, torch.zeros(3, 3), columns=("p", "y", "r")), r"exactly two .* found 3 \(p, y, r\)"),
        ("gaze", Labelled(IMAGES, torch.zeros(3, 1), columns=("pitch",)), r"exactly two .* --label pitch --label yaw"),
        ("gaze", Labelled(IMAGES, torch.zeros(3, 2), columns=("yaw", "pitch")), "expected pitch first, then yaw"),
        ("gaze", Labelled(IMAGES, torch.full((3, 2), NAN), columns=("pitch", "yaw")), "hold no direction"),
        ("gaze", Labelled(IMAGES, torch.full((3, 2), 20.0), columns=("pitch", "yaw")), "hold 20, expected radians"),
        ("gaze", Labelled(IMAGES, torch.tensor([0, 1, 1]), ("a", "b")), "gaze needs number columns, found class"),
        ("keypoints", Labelled(torch.zeros(3, 5), torch.zeros(3, 2)), "keypoints need images, found features"),
    ],
)
def test_labels_that_do_not_fit_are_refused(kind, source, message):
    with pytest.raises(InputError, match=message):
        TASKS[kind].of(source)


def test_points_scale_with_the_image_and_back():
    given = torch.tensor([[20, 40], [40, 40]])
    labels = torch.tensor([[-0.5, -0.5, 9.5, 19.5], [0.0, 0.0, 39.0, 39.0]])
    small = EYES.to_input(labels, Fitting(given, (10, 20), "stretch"))
    # x -> (x + 0.5) s - 0.5: the frame's corner stays its corner.
    assert small.tolist() == [[-0.5, -0.5, 4.5, 9.5], [-0.25, -0.375, 19.25, 9.375]]
    assert torch.equal(EYES.from_input(small, Fitting(given, (10, 20), "stretch")), labels)
    odd = Fitting(given, (7, 13), "stretch")
    assert torch.allclose(EYES.from_input(EYES.to_input(labels, odd), odd), labels, atol=1e-5)
    assert torch.equal(EYES.to_input(labels, None), labels)
    assert torch.equal(LENGTH.to_input(labels, odd), labels)


def test_a_warp_transforms_points_but_not_numbers():
    warp = Warp.sample(
        3, (20, 40), rotation=30, shift=0.1, elastic=0.05, mirror=0.5, generator=torch.Generator().manual_seed(0)
    )
    labels = torch.rand(3, 4) * 20
    moved = EYES.move(labels, warp)
    expected = warp.points(labels.view(3, 2, 2))
    assert torch.equal(moved.view(3, 2, 2), expected)
    assert not torch.equal(moved, labels)
    assert torch.equal(EYES.move(labels, None), labels)
    assert torch.equal(LENGTH.move(labels, warp), labels)


def test_gaze_by_hand():
    # The head predicts how the unit vector departs from (0, 0, -1); the loss is sqrt(1 + (chord / 0.05) ** 2) - 1.
    outputs = torch.tensor([[0.0, 0.0, 0.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 1.0]])
    assert GAZE.predict(outputs).rad2deg().tolist() == pytest.approx(torch.tensor([[0.0, 0], [45, 0], [0, 90]]))
    labels = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, math.pi / 2]])
    chord = 2 * math.sin(math.pi / 8)
    expected = [0, math.sqrt(1 + (chord / 0.05) ** 2) - 1, 0]
    assert GAZE.losses(outputs, labels).tolist() == pytest.approx(expected, abs=1e-4)
    assert GAZE.outputs == 3


def test_gaze_metrics_by_hand():
    labels = torch.tensor([[0.0, 0.0], [0.0, 3.0], [0.0, 8.0], [10.0, NAN], [NAN, 0.0]]).deg2rad()
    found = GAZE.metrics(torch.zeros(5, 2), labels)
    assert found == {
        "mean_degrees": pytest.approx(11 / 3),
        "median_degrees": pytest.approx(3),
        "within_7_degrees": pytest.approx(2 / 3),
    }
    with pytest.raises(InputError, match="pitch, yaw hold no direction"):
        GAZE.metrics(torch.zeros(2, 2), torch.tensor([[NAN, 1.0], [1.0, NAN]]))


def test_unknown_gaze_leaves_the_loss_and_gradients_stay_finite():
    outputs = torch.zeros(3, 3, requires_grad=True)  # the first is right to the bit, where an arc cosine has no slope
    losses = GAZE.losses(outputs, torch.tensor([[0.0, 0.0], [0.1, NAN], [0.3, -0.2]]))
    assert losses[1] == 0
    losses.sum().backward()
    assert outputs.grad.isfinite().all()
    assert (outputs.grad != 0).any(1).tolist() == [False, False, True]


def test_gaze_turns_with_the_image_and_with_nothing_else():
    labels = (torch.rand(64, 2, generator=torch.Generator().manual_seed(1)) - 0.5) * 1.2
    labels[3] = NAN

    def warp(**amplitudes):
        return Warp.sample(64, (36, 60), **amplitudes, generator=torch.Generator().manual_seed(0))

    mirrored = GAZE.move(labels, warp(mirror=1.0))
    torch.testing.assert_close(mirrored, labels * torch.tensor([1.0, -1.0]), equal_nan=True)
    same = GAZE.move(labels, warp(shift=0.2, scale=0.3, aspect=0.3, shear=0.3, elastic=0.05))
    torch.testing.assert_close(same, labels, equal_nan=True)
    turn = warp(rotation=30.0)
    before, after = to_vectors(labels), to_vectors(GAZE.move(labels, turn))
    assert after[3].isnan().all()
    known = labels.isfinite().all(1)
    torch.testing.assert_close(after[:, 2][known], before[:, 2][known])  # as far from the camera's axis as before
    # In the image, gaze turns as a line drawn along it does.
    middle = torch.tensor([29.5, 17.5])
    tip = turn.points((middle + 5 * before[:, None, :2]).nan_to_num()) - turn.points(middle.expand(64, 1, 2))
    torch.testing.assert_close(5 * after[known][:, :2], tip[known, 0], atol=1e-4, rtol=0)
    assert torch.equal(GAZE.move(labels[:3], None), labels[:3])
    torch.testing.assert_close(to_angles(before)[known], labels[known])


def test_precision_recall_and_confusion_by_hand():
    """True ant, ant, bee; predicted ant, bee, bee: no sample is a cat, and none is called one."""
    predictions, labels = torch.eye(3)[[0, 1, 1]], torch.tensor([0, 0, 1])
    found = ANIMALS.details(predictions, labels, None)
    assert found["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found["per_class"]["ant"] == {"precision": 1.0, "recall": 0.5, "count": 2}
    assert found["per_class"]["bee"] == {"precision": 0.5, "recall": 1.0, "count": 1}
    assert math.isnan(found["per_class"]["cat"]["recall"])
    assert found["most_confused"] == [{"true": "ant", "predicted": "bee", "count": 1}]


def test_of_many_classes_the_most_confused_are_listed():
    many = Classification(tuple(f"c{i}" for i in range(30)))
    labels = torch.arange(30).repeat(2)
    guesses = labels.clone()
    guesses[[3, 33, 7]] = torch.tensor([4, 4, 8])
    found = many.details(torch.eye(30)[guesses], labels, None)
    assert found["confusion"] is None
    assert found["most_confused"] == [
        {"true": "c3", "predicted": "c4", "count": 2},
        {"true": "c7", "predicted": "c8", "count": 1},
    ]
    assert len(found["per_class"]) == 30


def test_errors_of_points_in_percent_of_the_diagonal_of_each_image():
    predictions, sizes = torch.zeros(2, 2), torch.tensor([[30, 40], [300, 400]])
    found = POINT.details(predictions, torch.tensor([[3.0, 4.0], [3.0, 4.0]]), sizes)
    assert found == {"mean_error_percent": pytest.approx(5.5), "median_error_percent": pytest.approx(5.5)}
    assert POINT.details(predictions, predictions, None) == {}


def test_points_in_the_corner_are_said():
    images, points = torch.zeros(4, 1, 8, 8), torch.tensor([[0.0, 0.0, 3.0, 3.0]] * 2 + [[1.0, 0.0, 3.0, 3.0]] * 2)
    with pytest.warns(UserWarning, match=r"2 of 8 points are exactly at 0, 0, the corner of the image\. If that"):
        Keypoints.of(Labelled(images, points, columns=("ax", "ay", "bx", "by")))
