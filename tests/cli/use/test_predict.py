"""`synth2real predict`: the warning about answers of one class, and the cells of the table."""

import json
import os
import re

import torch

from helpers import picture, save
from synth2real.cli.use.predict import rows
from synth2real.tasks import Regression
from synth2real.training.model import Predictions


def test_a_folder_of_one_class_is_answered_with_a_warning(synth2real, tmp_path, run, photos):
    for i in range(12):
        save(tmp_path / "same" / f"{i}.png", picture(0))
    code, _, err = synth2real("predict", run, tmp_path / "same", "--out", tmp_path / "same.csv")
    assert code == 0
    assert re.search(r"warning: 12 of 12 images are '(dark|light)'. If they hold other classes, too, do not", err)
    assert len((tmp_path / "same.csv").read_text().splitlines()) == 13


def test_values_are_written_at_full_precision_and_formulas_as_text():
    task = Regression(("time", "=SUM(A1)"), (1.7e9, 0.0), (1.0, 1.0))
    values = torch.tensor([[1700000123.125, 1e-9]], dtype=torch.float64)
    table = list(rows(Predictions(values, task, ("=cmd|' /C calc'!A0.png",)), probabilities=False))
    assert table == [["file_name", "time", "'=SUM(A1)"], ["'=cmd|' /C calc'!A0.png", "1700000123.125", "1e-09"]]


def test_names_that_are_not_utf_8_are_written_as_they_are(synth2real, tmp_path, run):
    folder = tmp_path / "photos"
    save(folder / "a.png", picture(0))
    (folder / "a.png").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    code, _, err = synth2real("predict", run, folder, "--out", tmp_path / "out.csv")
    assert code == 0, err
    assert b"caf\xe9.png," in (tmp_path / "out.csv").read_bytes()


def test_it_ends_with_how_many_there_are_of_each_class_and_what_was_left_out(synth2real, tmp_path, run, photos):
    for i in range(6):
        save(tmp_path / "some" / f"{i}.png", picture(i, level=80 if i % 3 else 200))
    (tmp_path / "some" / "film.mp4").write_text("x")
    (tmp_path / "some" / "torn.png").write_text("x")
    out = tmp_path / "p.csv"
    code, printed, err = synth2real("predict", run, tmp_path / "some", "--out", out, "--skip-bad")
    assert (code, printed) == (0, "")
    last = err.splitlines()[-3:]
    assert re.fullmatch(r"predicted 6 images \((dark|light): \d(, (dark|light): \d)?\)", last[0])
    assert last[1:] == ["left out: 1 .mp4, 1 unreadable", f"predictions: {out}"]
    arguments = ("predict", run, tmp_path / "some", "--out", out, "--skip-bad", "--overwrite", "--json", "--quiet")
    code, printed, err = synth2real(*arguments)
    found = json.loads(printed)
    assert (code, err, found["count"], sum(found["classes"].values())) == (0, "", 6, 6)
    assert found["left_out"] == {".mp4": 1, "unreadable": 1}
    assert found["out"] == str(out)


def test_of_values_it_says_the_range_and_of_points_the_count(synth2real, tmp_path, points, photos):
    for task, labels, words in (
        ("regress", ("--label", "y"), r"predicted 40 images \(y -?[\d.]+ to -?[\d.]+\)"),
        ("keypoints", ("--label", "x", "--label", "y"), "predicted 40 images"),
    ):
        run = tmp_path / task
        arguments = ("train", points, "--target", photos, "--task", task, *labels, "--steps", 2, "--out", run)
        assert synth2real(*arguments)[0] == 0
        code, _, err = synth2real("predict", run, photos, "--out", tmp_path / f"{task}.csv")
        assert code == 0
        assert re.fullmatch(words, err.splitlines()[-2]), err
