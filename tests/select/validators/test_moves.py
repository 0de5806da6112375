"""Moves of target samples, and the predictions before and after."""

import pytest
import scipy.sparse
import torch
from torch import nn

from synth2real import Labelled, Model, Unlabelled
from synth2real.comparison.evaluation import Evaluation
from synth2real.data.sparse import Sparse
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.select.validators import Moved, move
from synth2real.tasks import Classification, Gaze, Keypoints, Regression
from synth2real.training.featured import EMBEDDED

CLASSES = Classification(("no", "yes"))


def texts(count: int = 200, words: int = 40) -> Sparse:
    """Half of the texts use each of the words of one half of the vocabulary, half those of the other."""
    counts = torch.zeros(count, words)
    counts[: count // 2, : words // 2] = 1
    counts[count // 2 :, words // 2 :] = 1
    return Sparse(scipy.sparse.csr_array(counts.numpy()))


def linear(weights: torch.Tensor) -> Model:
    """A classifier of words by these weights (W,) of the second class."""
    model = Model(CLASSES, (len(weights),), network="linear", statistics="none").eval()
    head = next(module for module in model.head.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        head.weight.copy_(torch.stack([-weights, weights]))
        head.bias.zero_()
    return model


def test_a_model_of_all_words_is_consistent_if_most_are_removed_and_a_model_of_one_word_is_not() -> None:
    inputs = texts()
    side = torch.cat([-torch.ones(20), torch.ones(20)])
    by_all = linear(side)
    one = torch.zeros(40)
    one[0], one[20] = -1, 1
    by_one = linear(one)
    assert inconsistency(by_all, inputs) == 0
    # If the one word is removed, both classes tie, and the first class is predicted.
    flips = 0.7 * 0.5
    others = 2 / 200  # neighbours of different kinds: two in the ring
    assert inconsistency(by_one, inputs) == pytest.approx(flips / others, rel=0.3)


def inconsistency(model: Model, inputs: Sparse) -> float:
    moved = move(model, inputs, model.outputs(inputs))
    assert moved is not None
    return moved.inconsistency(model.task)


def test_dense_features_have_no_move() -> None:
    model = linear(torch.ones(40))
    x = torch.rand(10, 40)
    assert move(model, x, model.outputs(x)) is None


def test_a_constant_prediction_is_not_consistent() -> None:
    same = torch.tensor([[0.9, 0.1]] * 5)
    assert Moved(same, same, same).inconsistency(CLASSES) == 1


@pytest.mark.parametrize("task", [CLASSES, Keypoints(("x", "y"), (16, 16)), Gaze()])
def test_labels_change_with_the_image(task) -> None:
    """Points are shifted by up to 0.16 of the image, gaze is turned, and classes stay."""
    model = Model(task, (3, 16, 16)).eval()
    x = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    moved = move(model, x, model.outputs(x))
    assert moved is not None
    change = (moved.expected - moved.original).abs()
    assert moved.predictions.shape == moved.original.shape == moved.expected.shape
    if isinstance(task, Keypoints):
        assert 0.08 * 16 < float(change.max()) <= 0.16 * 16
    else:
        assert bool((change > 0).any()) == isinstance(task, Gaze)


@pytest.mark.parametrize("kind", ["images", "texts", "features"])
def test_every_trial_of_a_comparison_has_moved_predictions_if_a_move_is_known(kind: str) -> None:
    if kind == "texts":
        inputs, labels = texts(), (torch.arange(200) >= 100).long()
        data = Labelled(inputs, labels, CLASSES.classes)
    else:
        shape = (40, 1, 8, 8) if kind == "images" else (40, 6)
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        data = Labelled(x, x.flatten(1).mean(1, keepdim=True), ())
    task = CLASSES if kind == "texts" else Regression(("u",), (0.5,), (0.1,))
    evaluation = Evaluation(data, data.unlabelled(), None, task, Budget(steps=2, batch=8))
    run = Route().run(evaluation.source, evaluation.target, task=task, budget=evaluation.budget)
    assert (evaluation.measured(run, 0, 2, 0.0).moved is None) == (kind == "features")


def test_a_given_direction_turns_with_the_moved_image() -> None:
    """The model predicts the given direction and looks at nothing else, so that its prediction follows every turn."""
    task = Gaze()
    model = Model(task, (1, 8, 8), given_columns=("head_pitch", "head_yaw", "iso"), statistics="none").eval()
    width = model.width - EMBEDDED - 3
    given = (torch.rand(30, 3, generator=torch.Generator().manual_seed(0)) - 0.5) / 5
    head = next(module for module in model.head.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.weight[0, width + 1] = head.weight[1, width] = -1  # x and y of a small angle
    target = Unlabelled(torch.zeros(30, 1, 8, 8, dtype=torch.uint8), given=given, given_columns=model.given_columns)
    inputs = model.inputs_of(target)
    moved = move(model, inputs, model.outputs(inputs))
    assert moved is not None
    assert moved.correlation() > 0.99
    assert moved.inconsistency(task) < 0.05


def test_words_are_removed_and_given_values_stay() -> None:
    model = Model(CLASSES, (40,), given_columns=("iso",), network="linear", statistics="none").eval()
    head = next(module for module in model.head.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.weight[1, 40] = 1
    given = torch.linspace(-1, 1, 200)[:, None]
    inputs = model.inputs_of(Unlabelled(texts(), given=given, given_columns=("iso",)))
    moved = move(model, inputs, model.outputs(inputs))
    assert moved is not None
    assert torch.equal(moved.predictions, moved.original)
