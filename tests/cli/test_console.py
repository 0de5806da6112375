"""What commands say: strict JSON, silence, and lines about the time that a stage takes."""

import json
import math
from pathlib import Path

import pytest

from synth2real.cli.arguments import MethodsArguments
from synth2real.cli.console import Bars, Pace, ReadingLines, amount, bars, carry_out, console, duration, print_result
from synth2real.errors import InputError, LeftOutWarning


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.01, "1 second"),
        (40.4, "40 seconds"),
        (89, "89 seconds"),
        (104, "1.5 minutes"),
        (240, "4 minutes"),
        (640, "11 minutes"),
        (5000, "83 minutes"),
        (9000, "2.5 hours"),
    ],
)
def test_a_time_is_said_in_its_unit(seconds, words):
    assert duration(seconds) == words


def test_the_estimate_comes_after_a_few_steps_and_once():
    clock = Clock()
    pace = Pace("train", clock)
    estimates = []
    for step in range(1, 41):
        clock.now += 3.0 if step == 1 else 0.12  # the first step prepares the others, and is not counted
        estimates.append(pace.step(step, 2000)[0])
    assert [line for line in estimates if line] == ["train: about 4 minutes for 2,000 steps"]
    assert estimates[Pace.TIMED]


def test_slow_steps_are_estimated_after_some_seconds():
    clock = Clock()
    pace = Pace("train", clock)
    lines = []
    for step in range(1, 4):
        clock.now += 12
        lines.append(pace.step(step, 100)[0])
    assert lines == ["", "train: about 20 minutes for 100 steps", ""]


def test_every_half_minute_there_is_a_line_with_step_losses_and_time_left():
    clock = Clock()
    pace = Pace("dann, seed 0: train", clock)
    pace.losses = "label 0.120"
    lines = []
    for step in range(1, 101):
        clock.now += 1
        lines.append(pace.step(step, 100)[1])
    assert [line for line in lines if line] == [
        "dann, seed 0: train: step 30 of 100, label 0.120, about 70 seconds left",
        "dann, seed 0: train: step 60 of 100, label 0.120, about 40 seconds left",
        "dann, seed 0: train: step 90 of 100, label 0.120, about 10 seconds left",
    ]


def test_a_route_that_is_trained_again_for_more_steps_is_timed_anew():
    clock = Clock()
    pace = Pace("dann, seed 0: train", clock)
    for step in range(1, 11):
        pace.step(step, 10)
    clock.now += 3600  # other routes are trained
    lines = []
    for step in range(1, 41):
        clock.now += 1
        lines.append(pace.step(step, 100)[1])
    assert [line for line in lines if line][-1] == "dann, seed 0: train: step 31 of 100, about 69 seconds left"


def test_bars_print_the_lines_without_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(Pace, "EVERY", 0.0)
    with bars() as shown:
        assert isinstance(shown, Bars)
        for step in range(1, 21):
            shown.step("train", step, 20)
        shown.report("train", 19, 20, {"label": 0.5})
    err = capsys.readouterr().err
    assert "train: about 1 second for 20 steps" in err
    assert "train: step 19 of 20, about 1 second left" in err
    with bars(estimates=False) as shown:
        for step in range(1, 21):
            shown.step("train", step, 20)
    assert "for 20 steps" not in capsys.readouterr().err


def test_amounts_have_a_plural():
    assert (amount(1, "route"), amount(0, "route"), amount(1200, "image")) == ("1 route", "0 routes", "1,200 images")


def test_reading_is_said_at_once_and_then_at_times(capsys):
    clock = Clock()
    lines = ReadingLines(clock)
    for done in range(31):
        lines(Path("photos"), done, 30)
        clock.now += 1
    assert capsys.readouterr().err.splitlines() == [
        "reading 30 images of photos",
        "reading photos: 10 of 30 images",
        "reading photos: 20 of 30 images",
    ]


def said(**found):
    """What `carry_out` prints on stdout for a command that finds this."""

    def command(args):
        console.warn(LeftOutWarning("left out 2 .heic", {".heic": 2}))
        console.warn(LeftOutWarning("skipped 1", {"unreadable": 1}))
        print_result("text")
        return found

    return command


def test_the_object_is_the_last_line_and_strict(capsys):
    found = {"score": math.nan, "most": [math.inf, 1.5], "out": Path("a/b"), "names": ("caf\udce9",), "by": {3: None}}
    carry_out("gap", said(**found), MethodsArguments(as_json=True))
    out = capsys.readouterr().out
    plain = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert out.count("\n") == 1
    assert plain.pop("seconds") >= 0
    assert plain == {
        "command": "gap",
        "score": None,
        "most": [None, 1.5],
        "out": "a/b",
        "names": ["caf\udce9"],
        "by": {"3": None},
        "left_out": {".heic": 2, "unreadable": 1},
        "warnings": ["left out 2 .heic", "skipped 1"],
    }


def test_quiet_prints_the_result_only(capsys):
    carry_out("gap", said(), MethodsArguments(quiet=True))
    assert tuple(capsys.readouterr()) == ("text\n", "")
    carry_out("gap", said(), MethodsArguments())
    assert tuple(capsys.readouterr()) == ("text\n", "warning: left out 2 .heic\nwarning: skipped 1\n")


def test_after_an_error_there_is_no_object(capsys):
    def fails(args):
        raise InputError("no")

    with pytest.raises(InputError):
        carry_out("gap", fails, MethodsArguments(as_json=True))
    assert capsys.readouterr().out == ""
