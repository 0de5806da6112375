"""`--engine` and `--jobs`: the same output as without, also if the command is killed and resumed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import contents
from processes import children, is_running

RENDER = ["render", "eyes", "--n", "1000", "--size", "18x30", "--seed", "3"]


def test_a_killed_render_ends_its_workers_and_is_resumed_with_the_same_bits(synth2real, tmp_path: Path) -> None:
    assert synth2real(*RENDER, "--out", tmp_path / "whole")[0] == 0
    out = tmp_path / "out"
    command = [sys.executable, "-m", "synth2real", *RENDER, "--jobs", "2", "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (out / "000250.png").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(workers) >= 2
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, workers))
    assert (out / "INCOMPLETE.jsonl").exists()
    code, _, err = synth2real(*RENDER, "--out", out, "--resume")
    assert code == 0, err
    whole, found = contents(tmp_path / "whole"), contents(out)
    for name in ("config.yaml", "provenance.json"):  # the name of the folder and the options stand in them
        whole.pop(name), found.pop(name)
    assert found == whole


def test_predictions_of_two_processes_are_those_of_one(synth2real, tmp_path: Path, run, photos) -> None:
    for name, more in (("one", ()), ("two", ("--jobs", 2))):
        assert synth2real("predict", run, photos, "--out", tmp_path / f"{name}.csv", *more)[0] == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_an_engine_that_is_unknown_or_not_installed_is_refused_first(
    synth2real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = synth2real(*RENDER, "--out", tmp_path / "out", "--engine", "dask")
    assert code == 2
    assert "'--engine': 'dask', expected one of: processes, ray" in " ".join(err.split())
    monkeypatch.setattr("synth2real.cli.options.find_spec", lambda name: None)
    code, _, err = synth2real(*RENDER, "--out", tmp_path / "out", "--engine", "ray")
    assert code == 2
    assert "ray is not installed" in err
    assert list(tmp_path.iterdir()) == []
