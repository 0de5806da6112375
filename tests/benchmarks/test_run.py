"""Benchmarks in turn: one that fails or takes too long does not stop the others."""

import sys
import time
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.run import SCRIPTS, Script, chosen

SPEED = Path(run.__file__).parent / "speed"


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_every_speed_script_is_run_quick() -> None:
    known = {script.name for script in SCRIPTS if script.quick is not None}
    assert {f"speed.{file.stem}" for file in SPEED.glob("[!_]*.py")} <= known


def test_a_script_that_fails_is_named_with_its_message(capfd) -> None:
    ended = run.run("x", python("import sys; print('table'); sys.exit('no data')"), 60)
    assert ended.how == "failed with exit code 1: no data"
    assert not ended.well
    assert "table" in capfd.readouterr().out
    assert run.run("x", python("pass"), 60).well


def test_a_script_that_takes_too_long_is_stopped() -> None:
    start = time.monotonic()
    ended = run.run("x", python("import time; time.sleep(60)"), 0.3)
    assert ended.how == "stopped after 0 s"
    assert time.monotonic() - start < 30


def test_names_may_leave_out_speed_and_unknown_ones_are_refused() -> None:
    assert [script.name for script in chosen(["refine", "quality.gaze_order"], True)] == [
        "speed.refine",
        "quality.gaze_order",
    ]
    assert all(script.quick is not None for script in chosen(None, True))
    with pytest.raises(SystemExit, match=r"--only: found no, expected names of: speed\.render, "):
        chosen(["no"], True)


def test_all_scripts_run_and_the_exit_says_which_failed(monkeypatch, capsys) -> None:
    commands = {"speed.bad": python("raise ValueError('broken')"), "speed.good": python("")}
    monkeypatch.setattr(run, "SCRIPTS", (Script("speed.bad", ""), Script("speed.good", "")))
    monkeypatch.setattr(Script, "command", lambda self, quick: commands[self.name])
    monkeypatch.setattr(sys, "argv", ["run", "--quick"])
    with pytest.raises(SystemExit, match=r"1 of 2 scripts failed: speed\.bad"):
        run.main()
    shown = capsys.readouterr().out
    assert "speed.bad   0        failed with exit code 1: ValueError: broken" in shown
    assert "speed.good  0        done" in shown


def test_the_list_shows_commands_and_runs_none(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--quick", "--list", "--only", "refine"])
    run.main()
    assert capsys.readouterr().out == "python -m benchmarks.speed.refine --n 512\n"
