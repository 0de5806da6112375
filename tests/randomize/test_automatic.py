"""Automatic randomization: what a model can follow grows to its limits, what it cannot stays narrow."""

from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from synth2real.data.domains import Unlabelled
from synth2real.errors import InputError
from synth2real.randomize import Automatic, Widen
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.route.source_learner import SourceLearner
from synth2real.settings import settings
from synth2real.simulate import Drawn, Parameter, Simulator
from synth2real.tasks import Classification, Keypoints


@settings
class Toy(Simulator):
    """A bright spot at x, of some level, in noise."""

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("x", "pixels", "place", (0, 15), (5, 10)),
        Parameter("level", "", "of the ground", (0, 0.9), (0.3, 0.5)),
        Parameter("fixed", "", "never drawn", (0, 1), (0.5, 0.5)),
    )
    classes: ClassVar[dict[str, tuple[str, ...]]] = {"side": ("left", "right")}
    columns: ClassVar[dict[str, tuple[str, ...]]] = {"spot": ("spot_x", "spot_y")}
    size: tuple[int, int] = (16, 16)

    def render(self, values: dict[str, Tensor], generator: torch.Generator) -> Drawn:
        x, level = values["x"], values["level"]
        grid = torch.arange(16.0)
        spot = torch.exp(-((grid - x[:, None]) ** 2)[:, None] - ((grid - 8.0) ** 2)[:, None])
        images = (level[:, None, None] + 0.5 * spot).clamp(0, 1)[:, None]
        return Drawn(images, {"side": (x > 7.5).long(), "spot": torch.stack([x, torch.full_like(x, 8.0)], 1)})


class Follows:
    """A learner that performs well while `x` stays within `reach` of its centre, whatever `level` is."""

    def __init__(self, reach: float, best: float = 1.0) -> None:
        self.reach, self.best, self.learnt = reach, best, 0

    def learn(self, simulator: Simulator, seed: int) -> None:
        self.learnt += 1

    def performance(self, simulator: Simulator, n: int, seed: int) -> float:
        low, high = simulator.range("x")
        away = max(abs(low - 7.5), abs(high - 7.5)) if low == high else 0
        return self.best * (1.0 if away <= self.reach else 0.5)


@hypothesis_settings(max_examples=20, deadline=None)
@given(reach=st.floats(0.6, 6.5), seed=st.integers(0, 1000), step=st.floats(0.05, 0.3))
def test_each_range_grows_while_the_performance_is_high(reach: float, seed: int, step: float) -> None:
    learner = Follows(reach)
    found = Automatic(rounds=120, seed=seed, step=step, widest=2.4)(Toy(), learner)
    low, high = found.range("x")
    assert learner.learnt == 120
    # Within a step of what can be followed, and never beyond it by more than one: there it shrinks again.
    for end in (7.5 - low, high - 7.5):
        assert min(reach, 6) - 5 * step - 1e-6 <= end <= min(reach, 6) + 5 * step + 1e-6
    assert found.range("level") == pytest.approx((0.4 - 1.2 * 0.2, 0.4 + 1.2 * 0.2))
    assert found.range("fixed") == (0.5, 0.5)


def test_a_stated_distribution_stays_as_it_is() -> None:
    stated = Toy().with_ranges(level={"mean": 0.4, "std": 0.1})
    found = Automatic(rounds=20)(stated, Follows(100.0))
    assert found.sampling("level") == stated.sampling("level")
    assert found.range("x") != Toy().widened(0.2).range("x")


def test_ranges_stay_within_the_limits_of_a_parameter() -> None:
    found = Automatic(rounds=60, widest=50.0)(Toy(), Follows(100.0))
    assert found.range("level") == (0, 0.9)
    assert found.range("x") == (0, 15)


def test_nothing_grows_before_anything_is_learnt() -> None:
    found = Automatic(rounds=20)(Toy(), Follows(100.0, best=0.3))
    assert found.range("x") == pytest.approx(Toy().widened(0.2).range("x"))


def test_one_seed_gives_one_simulator() -> None:
    first, again, other = (Automatic(rounds=3, seed=seed)(Toy(), Follows(3.0)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match=r"widen.shrink=0.9 is above widen.grow=0.5"):
        Automatic(grow=0.5, shrink=0.9)(Toy(), Follows(1.0))
    with pytest.raises(InputError, match=r"every parameter of Toy is fixed"):
        Automatic()(Toy().widened(0).with_ranges(x=5.0, level=0.3), Follows(1.0))


@pytest.mark.parametrize("task", ["classify", "keypoints"])
def test_a_learner_goes_on_learning(task: str) -> None:
    label = None if task == "classify" else "spot"
    toy = Toy(label=label)
    data = toy.labelled(64, 0)
    learner = SourceLearner(
        Classification.of(data) if label is None else Keypoints.of(data), images=64, steps=12, batch=32
    )
    learner.learn(toy, 0)
    first = learner.performance(toy, 100, 9)
    for seed in range(1, 4):
        learner.learn(toy, seed)
    assert learner.performance(toy, 100, 9) > max(0.5, first - 0.1)
    assert learner.performance(toy, 100, 9) <= 1


def test_a_route_widens_by_it_and_a_run_reports_the_ranges() -> None:
    target = Unlabelled(Toy().sample(32, 5).images)
    route = Route(widen=Automatic(rounds=2, tries=2, images=20, threshold=0.0))
    run = route.run(Toy(), target, budget=Budget(steps=2, n=64, batch=8))
    assert run.simulator is not None
    assert run.simulator.range("x") != Toy().range("x")
    assert route.describe()["widen"]["method"] == "automatic"
    narrow = Route(widen=Widen(factor=2)).run(Toy(), target, budget=Budget(steps=1, n=32, batch=8)).simulator
    assert narrow is not None
    assert narrow.range("x") == pytest.approx((2.5, 12.5))
    assert Route().run(Toy(), target, budget=Budget(steps=1, n=32, batch=8)).simulator is None


def test_folders_have_nothing_to_widen() -> None:
    data = Toy().labelled(20, 0)
    with pytest.raises(InputError, match=r"--widen \(widen=\) needs a simulator, found 20 labelled samples"):
        Route(widen=Automatic()).run(data, data.unlabelled())
