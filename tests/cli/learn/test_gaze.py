"""Gaze on the command line: trained, scored in degrees, predicted as pitch and yaw."""

import csv
import json

import numpy as np
import pytest
import torch

from helpers import dot, save
from synth2real import load_model
from synth2real.tasks.directions import degrees_between


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    """40 images of 16 by 24 and a metadata.jsonl of `pitch` and `yaw`; a dot is the iris. The first has no pitch."""
    folder = tmp_path_factory.mktemp("eyes")
    angles = np.random.default_rng(0).uniform(-0.4, 0.4, (40, 2))
    rows = [{"file_name": f"{i}.png", "pitch": pitch, "yaw": yaw} for i, (pitch, yaw) in enumerate(angles.tolist())]
    for row in rows:
        save(folder / row["file_name"], dot(11.5 - 12 * np.sin(row["yaw"]), 7.5 - 12 * np.sin(row["pitch"]), (16, 24)))
    rows[0]["pitch"] = None
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_train_evaluate_and_predict(synth2real, tmp_path, eyes):
    run = tmp_path / "run"
    arguments = ("--task", "gaze", "--adapt", "teacher", "--out", run, "--steps", 6)
    code, _, err = synth2real("train", eyes, "--target", eyes, *arguments)
    assert code == 0, err
    assert "randomize full" in err
    assert load_model(run).task.columns == ("pitch", "yaw")

    found = json.loads(synth2real("evaluate", run, "--on", eyes, "--json")[1])
    assert {"mean_degrees", "median_degrees", "within_7_degrees"} <= set(found)

    assert synth2real("predict", run, eyes, "--out", tmp_path / "p.csv")[0] == 0
    with (tmp_path / "p.csv").open(newline="") as file:
        header, *body = list(csv.reader(file))
    assert (header, len(body)) == (["file_name", "pitch", "yaw"], 40)
    rows = [json.loads(line) for line in (eyes / "metadata.jsonl").read_text().splitlines()]
    truth = torch.tensor([[row["pitch"] or float("nan"), row["yaw"]] for row in rows])
    by_name = {row[0]: [float(row[1]), float(row[2])] for row in body}
    errors = degrees_between(torch.tensor([by_name[row["file_name"]] for row in rows]), truth)
    assert found["mean_degrees"] == pytest.approx(float(errors.nanmean()), abs=1e-2)

    code, _, err = synth2real("evaluate", run, "--on", eyes, "--label", "pitch")
    assert code == 2
    assert "--label: found 1 (pitch), expected 2, in the order of the run's own: pitch, yaw" in err


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("pitch",), "gaze needs exactly two label columns, pitch and yaw in radians, found 1 (pitch)"),
        (("pitch", "yaw", "roll"), "found 3 (pitch, yaw, roll)"),
        (("yaw", "pitch"), "expected pitch first, then yaw: --label pitch --label yaw"),
        (("pitch", "roll"), "has no column 'roll'"),
    ],
)
def test_labels_that_are_no_gaze(synth2real, tmp_path, eyes, labels, message):
    named = [argument for label in labels for argument in ("--label", label)]
    code, out, err = synth2real(
        "train", eyes, "--target", eyes, "--task", "gaze", *named, "--out", tmp_path / "run", "--steps", 3
    )
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "run").exists()
