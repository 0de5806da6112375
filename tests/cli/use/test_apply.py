"""`synth2real evaluate`: which labels it reads, and what it prints where there are none."""

import json
import math
import re
import shutil

import pytest
import yaml

from helpers import picture, refused, save
from synth2real.cli.use.evaluate import matrix

QUICK = ("--steps", 3)


def test_a_column_without_numbers_is_null_in_json(synth2real, tmp_path, points, photos):
    arguments = ("--task", "regress", "--label", "x", "--label", "y", "--out", tmp_path / "run")
    assert synth2real("train", points, "--target", photos, *arguments, *QUICK)[0] == 0
    for name in ("half", "blank"):
        places = [json.loads(line) for line in (points / "metadata.jsonl").read_text().splitlines()]
        kept = [{**row, "y": None} if name == "half" else {**row, "x": None, "y": None} for row in places]
        for row in kept:
            save(tmp_path / name / row["file_name"], picture(0))
        (tmp_path / name / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))

    code, out, err = synth2real("evaluate", tmp_path / "run", "--on", tmp_path / "half", "--json")
    assert code == 0, err
    found = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert found["columns"]["y"] == {"mean_error": None, "median_error": None}
    assert found["columns"]["x"]["mean_error"] == pytest.approx(found["mean_error"])
    refused(synth2real("evaluate", tmp_path / "run", "--on", tmp_path / "blank", "--json"), "x, y hold no number")


def test_the_label_column_of_a_classifier_is_remembered(synth2real, tmp_path, classes, photos):
    copied = shutil.copytree(classes, tmp_path / "source")
    rows = [f"{path.relative_to(copied)},{path.parent.name}" for path in sorted(copied.rglob("*.png"))]
    (copied / "metadata.csv").write_text("\n".join(["file_name,shade", *rows]) + "\n")
    run = tmp_path / "run"
    code, _, err = synth2real("train", copied, "--target", photos, "--out", run, "--label", "shade", *QUICK)
    assert code == 0, err
    assert yaml.safe_load((run / "settings.yaml").read_text())["label"] == ["shade"]
    by_column, by_folder, named = (
        synth2real("evaluate", run, "--on", on, "--quiet", *more)
        for on, more in ((copied, ()), (classes, ()), (copied, ("--label", "shade")))
    )
    assert by_column == by_folder == named
    assert by_column[0] == 0
    refused(synth2real("evaluate", run, "--on", copied, "--label", "tone"), "no column 'tone'", "'shade'")


def test_classes_and_confusion_are_printed(synth2real, run, classes):
    code, out, err = synth2real("evaluate", run, "--on", classes, "--quiet")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("accuracy: ")
    assert any("class" in line and "precision" in line and "recall" in line for line in lines)
    assert "confusion: one row for each true class, one column for each predicted class" in lines
    assert lines[-1] == "40 images"
    found = json.loads(synth2real("evaluate", run, "--on", classes, "--json")[1])
    assert [sum(row) for row in found["confusion"]] == [20, 20]
    assert found["per_class"]["dark"]["count"] == 20
    assert found["per_class"]["dark"]["recall"] == found["confusion"][0][0] / 20


def test_points_are_also_in_percent_of_the_diagonal(synth2real, tmp_path, points, photos):
    arguments = ("--task", "keypoints", "--label", "x", "--label", "y", "--out", tmp_path / "run")
    assert synth2real("train", points, "--target", photos, *arguments, *QUICK)[0] == 0
    code, out, _ = synth2real("evaluate", tmp_path / "run", "--on", points)
    assert code == 0
    pixels, percent = (
        float(re.search(rf"^{name}: ([\d.]+)", out, re.M)[1]) for name in ("mean_error", "mean_error_percent")
    )
    assert percent == pytest.approx(100 * pixels / math.hypot(16, 16), abs=0.01)
    assert "of the diagonal of the image" in out


def test_a_matrix_of_long_names_has_numbered_columns():
    assert matrix(["a", "bb"], [[1, 0], [10, 2]])[1:] == ["    a bb", " a  1  0", "bb 10  2"]
    names = [f"{'x' * 20}{i}" for i in range(6)]
    lines = matrix(names, [[0] * 6] * 6)
    assert lines[1].split() == ["(1)", "(2)", "(3)", "(4)", "(5)", "(6)"]
    assert lines[2].startswith(f"{names[0]} (1)")
    assert max(map(len, lines[1:])) < 60
