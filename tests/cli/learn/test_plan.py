"""`synth2real plan`: a table, a verdict, plan.json and a picture; and what it refuses."""

import json

import pytest
from PIL import Image

from helpers import below, refused
from synth2real.storage import read_record

FAST = ("--n", 320, "--steps", 2, "--minutes", 5, "--size", "12x12")


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    return tmp_path_factory.mktemp("planned") / "plan"


def test_a_plan_is_printed_and_written(synth2real, planned, photos, classes):
    code, out, err = synth2real("plan", "digits", "--target", photos, *FAST, "--seed", 3, "--out", planned)
    assert code == 0, err
    assert "ms an image" in err
    assert "20, 40, 80, 160, 320 images, 2 seeds of each; route: randomize full, adapt source-only" in err
    assert "each training takes the same 2 steps, so that only the number of images differs" in err
    assert "warning: 10,000 more images are 32 times as many as the largest size" in err
    assert "another 10,000 images" in out
    assert "to render them takes" in out
    assert below(planned) == [
        "config.yaml",
        "curve.png",
        "log.txt",
        "plan.json",
        "provenance.json",
        "settings.yaml",
    ]
    kept = json.loads((planned / "plan.json").read_text())
    assert [one["images"] for one in kept["sizes"]] == [20, 40, 80, 160, 320]
    assert kept["seeds"] == [3, 4]
    assert kept["words"] in out.replace("\n", " ")
    assert kept["words"] in (planned / "log.txt").read_text()
    with Image.open(planned / "curve.png") as picture:
        assert picture.size == (840, 540)
    record = read_record(planned)
    assert (record.command, record.seeds) == ("plan", [3, 4])
    assert [one.role for one in record.inputs] == ["simulator", "target"]


def test_json_has_the_whole_plan_and_no_folder_is_needed(synth2real, tmp_path, photos, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = (*FAST, "--more", 500, "--route", "source only", "--json", "--quiet")
    code, out, err = synth2real("plan", "digits", "--target", photos, *arguments)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["command"], found["more"], found["steps"]) == ("plan", 500, 2)
    assert found["gain"]["verdict"] in ("gain", "nothing", "unknown")
    assert below(tmp_path) == []


def test_a_dry_run_says_the_plan_and_writes_nothing(synth2real, tmp_path, photos):
    code, out, err = synth2real("plan", "digits", "--target", photos, *FAST, "--dry-run", "--out", tmp_path / "out")
    assert code == 0, err
    assert "20, 40, 80, 160, 320 images" in out
    assert f"would write {tmp_path / 'out'}: plan.json, curve.png, config.yaml" in out
    assert below(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("digits", "--minutes", 0), "--minutes is 0, expected minutes above 0"),
        (("digits", "--minutes", "inf"), "--minutes is inf"),
        (("digits", "--n", 100), "--n 100: a curve of 5 sizes"),
        (("digits", "--route", "teacher,dann"), "--route teacher,dann: found 2 routes, expected one"),
        (("digits", "--route", "none"), "'none' is not a route for this data"),
        (("digits", "--route", "calibrated"), "calibrates or widens the simulator"),
        (("digits", "--minutes", 1e-5), "do not fit into 1e-05 minutes"),
        (("digits", "eyes"), "plan takes one source, found 2"),
    ],
)
def test_what_cannot_be_planned_is_refused(synth2real, tmp_path, photos, arguments, words):
    out = tmp_path / "out"
    refused(synth2real("plan", *arguments, "--target", photos, "--size", "12x12", "--out", out), words)
    assert not out.exists()


def test_a_folder_is_no_simulator(synth2real, photos, classes):
    refused(synth2real("plan", classes, "--target", photos), classes, "is no simulator", "Give the name of a simulator")


def test_a_folder_in_use_is_refused_before_anything_is_trained(synth2real, photos, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    refused(synth2real("plan", "digits", "--target", photos, *FAST, "--out", tmp_path), "the folder is not empty")
