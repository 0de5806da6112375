"""How the speed of routes is measured, and what a plan says of its time."""

import time
from dataclasses import replace

import pytest
import torch

from synth2real import Budget, Labelled, Route, Unlabelled
from synth2real.adapt import DANN, MCC
from synth2real.comparison.comparison import planned
from synth2real.comparison.halving import FEWEST_ROUTES, LATER, Plan, Speed, measure, timed_steps
from synth2real.tasks import Classification


@pytest.fixture
def training(monkeypatch):
    """A training of 3 seconds once and 2 for each step; and the numbers of steps asked for."""
    now, asked = [0.0], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def run(steps, on_step):
        asked.append(steps)
        now[0] += 3
        for step in range(steps):
            now[0] += 2
            on_step("train", step + 1, steps)

    return run, asked


def test_what_occurs_once_is_in_no_step(training):
    run, asked = training
    assert timed_steps(run) == (3.0, 2.0)
    assert asked == [2, LATER]


def test_a_slow_training_is_timed_once(training):
    run, asked = training
    assert timed_steps(run, patience=6.0) == (3.0, 2.0)
    assert asked == [2]


def data() -> tuple[Labelled, Unlabelled]:
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    return Labelled(x, (x[:, 0] > 0).long(), ("no", "yes")), Unlabelled(x + 0.1)


def test_without_time_the_last_routes_are_not_measured():
    source, target = data()
    routes = {"source only": Route(), "dann": Route(adapt=DANN()), "mcc": Route(adapt=MCC()), "more": Route()}
    heard: list[str] = []
    arguments = (routes, source, target, Classification.of(source), Budget(batch=8), 0.0)
    assert list(measure(*arguments, seconds=0.0, on_route=heard.append)) == heard == list(routes)[:FEWEST_ROUTES]
    assert list(measure(*arguments)) == list(routes)


def test_a_plan_says_how_long_its_rounds_take():
    speeds = {name: Speed(1.0, 0.01) for name in ("source only", "a", "b")}
    few = Plan(100.0, 1, 1000, speeds, pinned=("source only",))
    assert few.expected((0,)) == pytest.approx(3 * (1 + 10))  # as many steps as the data asks for
    assert few.expected((0, 1)) == pytest.approx(2 * 33)  # two seeds fit in
    short = replace(few, seconds=6.0)
    assert short.expected((0,)) <= 6.0
    none = replace(few, seconds=0.0)
    assert none.expected((0,)) == pytest.approx(3 * 1.4)  # the fewest steps, though there is no time for them
    many = replace(few, speeds={name: Speed(0.0, 0.01) for name in ("source only", *"abcd")})
    assert many.expected((0,)) == pytest.approx(42 + 30, abs=1)


def test_a_comparison_is_planned_without_a_training():
    source, target = data()
    heard: list[str] = []
    routes = {"source only": Route(), "dann": Route(adapt=DANN())}
    made, seconds = planned(routes, source, target, minutes=1.0, budget=Budget(batch=8), on_timing=heard.append)
    assert list(made.speeds) == ["source only", "dann"]
    assert heard == ["scores and report", "a few steps of source only", "a few steps of dann"]
    assert 0 < seconds < 90
