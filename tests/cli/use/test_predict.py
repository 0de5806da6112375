"""`synth2real predict`: the warning about answers of one class, and the cells of the table."""

import os
import re

import pytest
import torch

from helpers import picture, save
from synth2real.cli.use.predict import harmless, rows
from synth2real.tasks import Regression
from synth2real.training.model import Predictions


def test_a_folder_of_one_class_is_answered_with_a_warning(synth2real, tmp_path, run, photos):
    for i in range(12):
        save(tmp_path / "same" / f"{i}.png", picture(0))
    code, _, err = synth2real("predict", run, tmp_path / "same", "--out", tmp_path / "same.csv")
    assert code == 0
    assert re.match(r"warning: 12 of 12 images are '(dark|light)'. If they hold other classes, too, do not", err)
    assert len((tmp_path / "same.csv").read_text().splitlines()) == 13


def test_values_are_written_at_full_precision_and_formulas_as_text():
    task = Regression(("time", "=SUM(A1)"), (1.7e9, 0.0), (1.0, 1.0))
    values = torch.tensor([[1700000123.125, 1e-9]], dtype=torch.float64)
    table = rows(Predictions(values, task, ("=cmd|' /C calc'!A0.png",)), probabilities=False)
    assert table == [["file_name", "time", "'=SUM(A1)"], ["'=cmd|' /C calc'!A0.png", "1700000123.125", "1e-09"]]


@pytest.mark.parametrize(
    ("cell", "written"), [("-1", "-1"), ("+1.5e-3", "+1.5e-3"), ("-a.png", "'-a.png"), ("@x", "'@x"), ("a=b", "a=b")]
)
def test_only_text_that_a_spreadsheet_runs_is_escaped(cell, written):
    assert harmless(cell) == written


def test_names_that_are_not_utf_8_are_written_as_they_are(synth2real, tmp_path, run):
    folder = tmp_path / "photos"
    save(folder / "a.png", picture(0))
    (folder / "a.png").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    code, _, err = synth2real("predict", run, folder, "--out", tmp_path / "out.csv")
    assert code == 0, err
    assert b"caf\xe9.png," in (tmp_path / "out.csv").read_bytes()
