"""`--dry-run`: every command that writes loads, checks, and says its plan, and leaves nothing behind."""

import json
from pathlib import Path

import pytest

from helpers import picture, refused, save
from synth2real.storage import locked

WRITING = (
    "render", "convert", "calibrate", "refine", "train", "adapt", "compare", "predict", "export", "report", "demo"
)  # fmt: skip


@pytest.fixture
def commands(tmp_path, classes, photos, run):
    """Arguments that each command succeeds with."""
    out = tmp_path / "new" / "out"
    small = ("--set", "calibrate.images=40", "--trials", 8, "--only", "height")
    return {
        "render": ("digits", "--n", 400, "--size", "8x8", "--out", out),
        "convert": (classes, out, "--to", "yolo"),
        "calibrate": ("digits", "--target", photos, "--method", "search", *small, "--out", f"{out}.yaml"),
        "refine": (classes, "--target", photos, "--method", "simgan", "--steps", 50, "--out", out),
        "train": (classes, "--target", photos, "--adapt", "dann", "--steps", 300, "--out", out),
        "adapt": (run, "--target", photos, "--steps", 20, "--out", out),
        "compare": (classes, "--target", photos, "--budget", 1, "--routes", "source only,dann", "--out", out),
        "predict": (run, photos, "--out", out.with_suffix(".csv")),
        "export": (run, "--to", out.with_suffix(".pt2")),
        "report": (run, "--out", out.with_suffix(".html")),
        "demo": ("--fast", "--out", out),
    }


def tree(*folders: Path) -> list[tuple[str, int]]:
    """Everything below the folders, with the time of its last change."""
    return sorted((str(path), path.stat().st_mtime_ns) for folder in folders for path in [folder, *folder.rglob("*")])


@pytest.mark.parametrize("name", WRITING)
def test_every_command_that_writes_has_it(synth2real, name):
    assert "--dry-run" in synth2real(name, "--help")[1]


@pytest.mark.parametrize("name", [name for name in WRITING if name not in ("report", "demo")])
def test_nothing_is_written(synth2real, monkeypatch, tmp_path, commands, run, name):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path, run)
    code, out, err = synth2real(name, *commands[name], "--dry-run", "--json")
    assert code == 0, err
    assert tree(tmp_path, run) == before
    found = json.loads(out)
    assert found["dry_run"] is True
    assert found["minutes"] >= 0
    assert found["plan"]


def test_the_plan_is_said(synth2real, tmp_path, commands):
    code, out, err = synth2real("train", *commands["train"], "--dry-run")
    assert code == 0, err
    assert "route: calibrate none, widen none, randomize full, refine none, adapt dann" in out
    assert "300 steps of 64 + 64" in out
    assert "would take about" in out
    assert f"would write {tmp_path / 'new' / 'out'}: the model, settings.yaml" in out
    assert "dry run: all was checked, and nothing was written" in out


@pytest.mark.parametrize("name", ["render", "refine", "train", "adapt", "demo"])
def test_what_the_command_would_refuse_is_refused(synth2real, tmp_path, commands, name):
    save(tmp_path / "new" / "out" / "mine.png", picture(0))
    refused(synth2real(name, *commands[name], "--dry-run"), "the folder is not empty")
    refused(synth2real(name, *commands[name], "--dry-run", "--overwrite"), "--overwrite")
    assert [path.name for path in (tmp_path / "new" / "out").iterdir()] == ["mine.png"]


@pytest.mark.parametrize("name", ["render", "refine", "train", "calibrate", "predict", "export"])
def test_a_place_that_cannot_be_written_is_refused(synth2real, tmp_path, commands, name):
    (tmp_path / "new").touch()
    refused(synth2real(name, *commands[name], "--dry-run"), "cannot be written", "choose another place")


def test_an_earlier_output_stays_with_overwrite(synth2real, tmp_path, commands):
    out = tmp_path / "new" / "out"
    arguments = ("render", "digits", "--n", 3, "--size", "8x8", "--out", out)
    assert synth2real(*arguments)[0] == 0
    before = tree(out)
    assert synth2real(*arguments, "--overwrite", "--dry-run")[0] == 0
    assert tree(out) == before


def test_an_output_in_use_is_refused(synth2real, tmp_path, commands):
    with locked(tmp_path / "new" / "out"):
        refused(synth2real("train", *commands["train"], "--dry-run"), "is in use by process")


def test_an_earlier_study_is_refused(synth2real, tmp_path, commands):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "out.study.db").touch()
    refused(synth2real("calibrate", *commands["calibrate"], "--dry-run"), "contains a study already", "--resume")
