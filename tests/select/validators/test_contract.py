"""One contract for every validator: it is tested by being listed in METHODS."""

import math
from typing import Any

import pytest
import torch

from pools import pool
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.data.labels import Boxes, Masks
from synth2real.errors import InputError
from synth2real.select.validators import METHODS, Pool, apart, labels_of, observe, serving, validate
from synth2real.tasks import Classification, Detection, Gaze, Keypoints, Regression, Segmentation, Task
from synth2real.training.model import Model

EACH: dict[str, Task] = {
    "classify": Classification(("a", "b", "c")),
    "regress": Regression(("u", "v"), (1.0, 2.0), (1.0, 3.0)),
    "keypoints": Keypoints(("x", "y"), (16, 16)),
    "gaze": Gaze(),
    "segment": Segmentation(("a", "b", "c"), (16, 16)),
    "detect": Detection(("a", "b", "c"), (16, 16), 3.0),
}


def observed(task: Task) -> Pool:
    """Three untrained models, two of one name."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (60, 1, 16, 16), generator=generator, dtype=torch.uint8)
    kinds = task.higher_is_better
    labels = torch.arange(30) % 3 if kinds else torch.rand(30, task.outputs if task.kind != "gaze" else 2)
    if isinstance(task, Detection):
        low = torch.randint(0, 10, (30, 2), generator=generator).repeat(1, 2)
        labels = Boxes.of(list((low + torch.tensor([0, 0, 6, 6]))[:, None]), list((torch.arange(30) % 3)[:, None]))
    elif task.dense:
        labels = Masks(torch.randint(0, 3, (30, 16, 16), generator=generator, dtype=torch.uint8))
    held = Labelled(x[:30], labels, ("a", "b", "c")) if kinds else Labelled(x[:30], labels)
    candidates = []
    for seed, name in enumerate(("one", "one", "two", "two")):
        torch.manual_seed(seed)
        model = Model(task, (1, 16, 16)).eval()
        candidates.append(observe(model, held, Unlabelled(x[30:]), name=name, seed=seed))
    return Pool(candidates, task, labels_of(held, task))


@pytest.fixture(scope="module", params=EACH)
def made(request: pytest.FixtureRequest) -> Pool:
    return observed(EACH[request.param])


@pytest.mark.parametrize("name", METHODS)
def test_one_finite_number_a_candidate_or_a_clear_refusal(made: Pool, name: str) -> None:
    if name not in serving(made.task):
        with pytest.raises(
            InputError, match=rf"validator '{name}' does not support the task {made.task.kind}, expected"
        ):
            validate(name, made)
        return
    scores = validate(name, made)
    assert len(scores) == len(made.candidates)
    assert all(isinstance(score, float) and math.isfinite(score) for score in scores)
    assert scores == validate(name, made)


def test_every_validator_supports_a_task_and_documents_its_assumption() -> None:
    assert set(METHODS) == {name for task in EACH.values() for name in serving(task)}
    for method in METHODS.values():
        assert "ssum" in (method.__doc__ or ""), method


def test_unknown_validators_and_pools_that_do_not_match_are_refused() -> None:
    task = EACH["classify"]
    one = pool(task, [torch.zeros(4, 3)])
    with pytest.raises(InputError, match=r"validator 'best' is unknown, expected one of: source, iwv"):
        validate("best", one)
    with pytest.raises(InputError, match=r"the pool has no candidate"):
        Pool([], task, one.labels)
    with pytest.raises(
        InputError, match=r"'route 0', seed 0: found 8 held-out source and 4 target .* on the same samples"
    ):
        Pool(one.candidates, task, one.labels[:3])


def test_a_function_and_a_validator_of_a_package_are_taken(packages: Any) -> None:
    task = EACH["classify"]
    one = pool(task, [torch.zeros(4, 3), torch.ones(4, 3)])

    def spread(pool: Pool) -> list[float]:
        return [float(one.target.sum()) for one in pool.candidates]

    assert validate(spread, one) == [0.0, 12.0]
    packages.install("sum-validator", "def total(pool): return [1, 2.5]", validators="total = total")
    assert validate("total", one) == [1.0, 2.5]
    for wrong in (lambda pool: [1.0], lambda pool: None, lambda pool: ["high", "low"]):
        with pytest.raises(InputError, match=r"validator '<lambda>' returned .*, expected 2 numbers, one for each"):
            validate(wrong, one)


def test_distances_are_in_the_units_of_the_metric() -> None:
    classes = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1]])
    assert apart(EACH["classify"], classes, torch.tensor([0, 0])).tolist() == [0.0, 1.0]
    a, b = torch.zeros(1, 2), torch.tensor([[3.0, 3.0]])
    assert float(apart(EACH["regress"], a, b)) == pytest.approx((3 / 1 + 3 / 3) / 2)
    assert float(apart(EACH["keypoints"], a, torch.tensor([[3.0, 4.0]]))) == pytest.approx(5.0)
    assert float(apart(EACH["gaze"], a, torch.tensor([[0.1, 0.0]]))) == pytest.approx(math.degrees(0.1), rel=1e-5)
