"""Outputs on disk: locked while a command writes them, and whole or absent on a full disk."""

import errno
import json
import os
import shutil
import socket
import sys
from pathlib import Path

import pytest
import yaml

from helpers import below, refused
from synth2real.cli.commands import COMMANDS, LOCKING, READING
from synth2real.storage import LOCK, locked


@pytest.fixture
def commands(classes, photos, run, tmp_path):
    """Arguments of each command that locks its output, and the output."""
    out = tmp_path / "out"
    source = (classes, "--target", photos)
    return {
        "render": (("digits", "--n", 3), out),
        "convert": ((classes, out, "--to", "coco"), out),
        "refine": ((*source, "--method", "histogram"), out),
        "train": ((*source, "--steps", 3), out),
        "compare": (source, out),
        "plan": (("digits", "--target", photos), out),
        "adapt": ((run, "--target", photos, "--steps", 3), out),
        "calibrate": (("digits", "--target", photos), tmp_path / "out.yaml"),
        "predict": ((run, photos), tmp_path / "out.csv"),
        "demo": ((), out),
    }


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
@pytest.mark.parametrize("name", LOCKING)
def test_an_output_in_use_is_refused_before_anything_is_read(synth2real, tmp_path, commands, name, monkeypatch):
    arguments, out = commands[name]
    monkeypatch.setattr("synth2real.cli.commands.import_module", None)
    place = () if name == "convert" else ("--out", out)  # whose output is an argument
    who = (f"{out}: is in use by process {os.getpid()} on {socket.gethostname()}", "choose another --out")
    with locked(out):
        refused(synth2real(name, *arguments, *place), *who)
        refused(synth2real(name, *arguments, *place, "--overwrite"), *who)
    assert below(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_workers_of_one_study_share_it_and_others_are_refused(synth2real, tmp_path, photos):
    study = (
        "calibrate",
        "digits",
        "--target",
        photos,
        "--method",
        "search",
        "--trials",
        2,
        "--out",
        tmp_path / "a.yaml",
    )
    stored = ("--storage", tmp_path / "a.db")
    with locked(tmp_path / "a.yaml", share=True):
        refused(synth2real(*study, *stored), "a.yaml: is in use by")
        code, _, err = synth2real(*study, *stored, "--resume")
        assert code == 0, err
    with locked(tmp_path / "a.db", share=True):
        refused(synth2real(*study, *stored, "--overwrite"), "a.db: is in use by")
    assert not list(tmp_path.glob(f".*{LOCK}"))


def test_a_stale_lock_is_taken_over(synth2real, tmp_path):
    (tmp_path / f".out{LOCK}").write_text(json.dumps({"pid": 1, "host": socket.gethostname()}))
    assert synth2real("render", "digits", "--n", 3, "--out", tmp_path / "out")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_commands_that_lock_or_read_runs_have_the_options_for_it():
    assert all(hasattr(COMMANDS[name][0], "trust") for name in READING)
    assert all("out" in COMMANDS[name][0].__annotations__ for name in LOCKING)


@pytest.mark.parametrize(
    "name", ["render", "refine", "train", "adapt", "calibrate", "predict", "show", "turing", "report"]
)
def test_a_full_disk_is_one_message_and_leaves_nothing(
    synth2real, tmp_path, commands, classes, photos, run, name, monkeypatch
):
    """Every file goes through `Path.replace`, which finds the disk full here."""
    single = {
        "predict": ((run, photos), tmp_path / "out.csv"),
        "show": ((classes,), tmp_path / "out.png"),
        "turing": ((photos, photos, "--n", 4), tmp_path / "out.html"),
        "report": ((described(run, classes, photos, tmp_path / "run"),), tmp_path / "out.html"),
    }
    arguments, out = (commands | single)[name]

    def full(self, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(self), None, str(target))

    before = below(tmp_path)
    monkeypatch.setattr(Path, "replace", full)
    more = ("--trials", 2, "--method", "search") if name == "calibrate" else ()
    err = refused(
        synth2real(name, *arguments, *more, "--out", out), "cannot be written: no space left on device. Free space"
    )
    assert str(out.with_suffix("")) in err
    left = set(below(tmp_path)) - set(before)
    assert left <= {"out.study.db"}  # the trials, to go on from
    assert not out.exists()


def described(run, source, target, folder):
    """A copy of the run with the settings that `train` writes."""
    shutil.copytree(run, folder)
    settings = dict.fromkeys(("more", "label", "preset", "params", "n", "size", "channels", "zero_based"))
    settings |= {"source": str(source), "target": str(target), "task": {"kind": "classify"}, "route": {}}
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings | {"seed": 0, "steps": 3}))
    return folder
