"""`synth2real report`: what it says of folders that it cannot make a page of."""

import json
import os

import pytest
import yaml

from helpers import refused


def test_a_run_that_names_no_data_is_one_message(synth2real, tmp_path):
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"route": {}, "steps": 3}))
    refused(synth2real("report", tmp_path), "names no source and no target", "synth2real train")
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"source": "digits", "target": "photos", "seed": 0}))
    refused(synth2real("report", tmp_path), "names no route; it is an aggregate", "the chosen one of `compare`")
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"source": "digits", "routes": {}}))
    refused(synth2real("report", tmp_path), "found no comparison.json", "Repeat its command with --resume")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("arguments", [(), ("--out", "page.txt")])
def test_what_is_no_run_or_no_page_is_one_message(synth2real, tmp_path, arguments):
    if arguments:
        (tmp_path / "settings.yaml").write_text("{}")
    refused(synth2real("report", tmp_path, *arguments), "an HTML file" if arguments else "found no settings.yaml")


def test_a_comparison_is_reported_from_its_trainings(synth2real, tmp_path, classes, photos):
    compared = tmp_path / "compared"
    arguments = ("compare", classes, "--target", photos, "--routes", "dann", "--budget", 0.02, "--out", compared)
    code, out, err = synth2real(*arguments, "--json", "--quiet")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert made["report"] == str(compared / "report.html")
    trials = {path: path.stat().st_mtime_ns for path in (compared / "trials").rglob("*.safetensors")}
    (compared / "report.html").unlink()
    code, out, err = synth2real("report", compared, "--json", "--quiet")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["chosen"], set(found["routes"])) == (
        made["chosen"],
        {one["name"] for one in made["routes"] if one["steps"]},
    )
    assert (compared / "report.html").is_file()
    assert {path: path.stat().st_mtime_ns for path in (compared / "trials").rglob("*.safetensors")} == trials
    code, out, err = synth2real("report", compared, "--test", classes, "--out", tmp_path / "tested.html")
    assert code == 0, err
    assert "Largest errors" in (tmp_path / "tested.html").read_text()
    assert synth2real("report", compared / "chosen")[0] == 0


def test_a_report_of_data_whose_names_are_not_utf_8(synth2real, tmp_path, classes, photos):
    target = tmp_path / os.fsdecode(b"t\xe9")
    target.mkdir()
    for file in photos.rglob("*.png"):
        (target / os.fsdecode(os.fsencode(file.stem) + b"\xe9.png")).write_bytes(file.read_bytes())
    run = tmp_path / "run"
    assert synth2real("train", classes, "--target", target, "--steps", 2, "--out", run)[0] == 0
    code, _, err = synth2real("report", run)
    assert code == 0, err
    assert (run / "report.html").stat().st_size > 1000
