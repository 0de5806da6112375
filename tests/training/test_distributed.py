"""Several processes give the losses and the weights of one, for every method, and end together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import processes_run as cases
import small_trainings as small
from helpers import picture, save
from processes import Group
from small_trainings import Noisy, Trained
from synth2real.adapt import METHODS, SOURCE_FREE
from synth2real.errors import InputError, ProcessError
from synth2real.refine import METHODS as REFINERS
from synth2real.refine.base import TrainedMapping
from synth2real.training.distributed import processes

TRAINED = [name for name, kind in REFINERS.items() if issubclass(kind, TrainedMapping)]


@pytest.fixture(scope="module")
def two() -> Iterator[Group]:
    with Group(2) as group:
        yield group


@pytest.fixture(scope="module")
def three() -> Iterator[Group]:
    with Group(3) as group:
        yield group


def same(found: list[Trained], expected: Trained) -> None:
    """That all processes have the same bits, and those of one process within rounding."""
    for losses, state in found[1:]:
        assert losses == found[0][0]
        assert all(state[name].equal(value) for name, value in found[0][1].items())
    losses, state = found[0]
    assert len(losses) == len(expected[0])
    for row, one in zip(losses, expected[0], strict=True):
        assert row == pytest.approx(one, rel=1e-4, abs=1e-5)
    assert state.keys() == expected[1].keys()
    for name, value in expected[1].items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_give_the_losses_and_weights_of_one(two: Group, name: str) -> None:
    """With batch normalisation, full randomization, a batch of 7 that does not divide, and self-training from the
    start."""
    same(two(small.adapted, name, batch=7), small.adapted(name, batch=7))


@pytest.mark.parametrize("name", TRAINED)
def test_two_processes_train_the_refiner_of_one(two: Group, name: str) -> None:
    same(two(small.refined, name), small.refined(name))


@pytest.mark.parametrize("name", SOURCE_FREE)
def test_two_processes_adapt_without_a_source_as_one(two: Group, name: str) -> None:
    same(two(small.source_free, name), small.source_free(name))


def test_two_processes_train_the_layers_of_a_mapping_as_one(two: Group) -> None:
    same(two(small.denoised), small.denoised())


def test_dropout_and_noise_do_not_depend_on_the_number_of_processes(two: Group) -> None:
    settings: dict[str, Any] = {"network": Noisy, "dropout": 0.5}
    same(two(small.adapted, "dann", **settings), small.adapted("dann", **settings))


def test_parts_of_a_batch_are_accumulated_as_by_one_process(two: Group) -> None:
    same(two(small.adapted, "deepcoral", batch=8, accumulate=2), small.adapted("deepcoral", batch=8, accumulate=2))


def test_a_batch_with_fewer_samples_than_processes_is_computed_by_each(three: Group) -> None:
    same(three(small.adapted, "source-only", batch=2), small.adapted("source-only", batch=2))


def test_a_checkpoint_of_two_processes_is_resumed_by_one_and_by_three(two: Group, three: Group) -> None:
    whole = cases.stopped_and_resumed(None, small.STEPS)
    halfway = two(cases.stopped_and_resumed, None, 2)[0][1]
    assert int(halfway["step"]) == 2
    for resumed in (
        [cases.stopped_and_resumed(halfway, small.STEPS)],
        three(cases.stopped_and_resumed, halfway, small.STEPS),
    ):
        same(resumed, (whole[0][2:], whole[1]))


def test_a_policy_that_knows_no_rows_randomizes_the_whole_batch_everywhere(two: Group) -> None:
    same(two(cases.randomized_by_own_policy), cases.randomized_by_own_policy())


def test_each_process_reads_its_own_samples_alone(two: Group, tmp_path: Path) -> None:
    for i in range(12):
        save(tmp_path / f"{i}.png", picture(i, (9, 9)))
    expected, every = cases.read_from_files(tmp_path)
    found = two(cases.read_from_files, tmp_path)
    same([one for one, _ in found], expected)
    own = (every - 12) // 2  # each reads all of them once, for the statistics of the source
    assert [read - 12 for _, read in found] == [own, own]


def test_the_first_process_decides_when_a_training_ends_early(two: Group) -> None:
    assert two(cases.ended_early) == [3, 3]


def test_a_missing_gradient_is_zero_where_another_process_has_one_and_none_where_all_lack_it(two: Group) -> None:
    torch.manual_seed(0)
    start = nn.Linear(2, 1, bias=False).weight.detach().flatten()
    expected = (start - 0.1 * (4 / 2 + 0.5 * start)).tolist()
    for untouched, weights in two(cases.unused_parameters):
        assert untouched
        assert weights == pytest.approx(expected)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (cases.drifted, ProcessError, "the network 'unused' is not the same on all 2 processes"),
        (cases.drawn_apart, ProcessError, "the state of the random numbers is not the same on all 2 processes"),
    ],
)
def test_processes_that_have_come_apart_stop_and_say_what_differs(
    two: Group, function: Any, error: type[Exception], message: str
) -> None:
    two.begin(function)
    for answer in two.answers():
        assert isinstance(answer, error)
        assert message in str(answer)


@pytest.mark.parametrize("count", [2, 5, 6])
def test_gradients_through_two_networks_and_of_second_order_are_exact(two: Group, count: int) -> None:
    for found in two(cases.differentiated_by_rows, count):
        for one, expected in zip(found, cases.differentiated_twice(count), strict=True):
            torch.testing.assert_close(one, expected)


def test_a_forward_pass_that_fails_leaves_nothing_behind(two: Group) -> None:
    assert all(two(cases.failed_within))


def test_one_process_has_no_group() -> None:
    assert processes() is None


def test_processes_with_other_settings_are_refused(three: Group) -> None:
    three.begin(cases.started_apart)
    _, *others = three.answers()
    for answer in others:
        assert isinstance(answer, InputError)
        assert "the settings of the loop [7" in str(answer) or "[8" in str(answer)
        assert "the first one [6" in str(answer)
        assert "Start all of them with the same command" in str(answer)


def test_a_process_that_dies_ends_the_others_with_a_message() -> None:
    with Group(2) as group:
        group.begin(cases.died, 1)
        first, second = group.answers()
        assert second is None
        assert isinstance(first, ProcessError)
        assert str(first).startswith("another process of this training has ended")
