"""The command line: what it makes. What it says of bad input stands in `test_cli_errors.py`."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

from helpers import below, dots, refused, truncate
from synth2real import load, load_model, load_unlabelled
from synth2real.cli.commands import COMMANDS
from synth2real.simulate import load_parameters

QUICK = ("--steps", 3)


def shell(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "synth2real", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def table(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def copied(tmp_path, classes):
    """A copy of the source that a test may spoil."""
    import shutil

    return shutil.copytree(classes, tmp_path / "source")


# Starting


def test_help_through_a_shell():
    done = shell("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(synth2real, name):
    code, out, _ = synth2real(name, "--help")
    assert code == 0
    assert f"synth2real {name}" in out


def test_methods_lists_every_room(synth2real):
    code, out, _ = synth2real("methods")
    assert code == 0
    names = (
        "search",
        "photometric",
        "geometric",
        "full",
        "simgan",
        "source-only",
        "dann",
        "teacher",
        "shot",
        "tent",
        "digits",
    )
    assert all(name in out for name in names)


# Good paths


def test_train_evaluate_and_predict(synth2real, tmp_path, classes, photos):
    code, out, err = synth2real(
        "train", classes, "--target", photos, "--out", tmp_path / "run", "--steps", 60, "--seed", 5
    )
    assert (code, out) == (0, "")
    assert "adapt source-only" in err
    assert "randomize none" in err
    assert "60 steps of 64 + 64" in err
    assert "60 steps of 64 + 64, seed 5" in (tmp_path / "run" / "log.txt").read_text()
    files = ["config.yaml", "log.txt", "metrics.jsonl", "model.safetensors", "model.yaml", "provenance.json"]
    assert below(tmp_path / "run") == [*files, "settings.yaml"]
    assert yaml.safe_load((tmp_path / "run" / "settings.yaml").read_text())["seed"] == 5

    code, out, _ = synth2real("evaluate", tmp_path / "run", "--on", classes, "--json")
    found = json.loads(out)
    assert (code, found["count"]) == (0, 40)
    assert found["accuracy"] > 0.9
    assert synth2real("evaluate", tmp_path / "run", "--on", classes)[1].startswith(
        f"accuracy: {found['accuracy']:.4f}\n"
    )

    code, out, _ = synth2real("predict", tmp_path / "run", photos, "--out", tmp_path / "new" / "p.csv")
    header, *body = table(tmp_path / "new" / "p.csv")
    assert (code, out, header) == (0, "", ["file_name", "label", "confidence"])
    predictions = load_model(tmp_path / "run").predict(photos)
    assert [row[0] for row in body] == list(load_unlabelled(photos).names)
    assert [row[1] for row in body] == predictions.labels
    assert [float(row[2]) for row in body] == pytest.approx(predictions.values.amax(1).tolist(), abs=1e-6)

    arguments = ("predict", tmp_path / "run", photos, "--out", tmp_path / "new" / "p.csv", "--probabilities")
    refused(synth2real(*arguments), "p.csv: the file exists", "--overwrite")
    assert synth2real(*arguments, "--overwrite")[0] == 0
    header, *body = table(tmp_path / "new" / "p.csv")
    assert header == ["file_name", "label", "confidence", "p_dark", "p_light"]
    assert all(float(row[3]) + float(row[4]) == pytest.approx(1, abs=1e-5) for row in body)
    assert below(tmp_path / "new") == ["p.csv", "p.csv.provenance.json"]


def test_train_and_an_error_through_a_shell(tmp_path, classes, photos):
    done = shell("train", classes, "--target", photos, "--out", tmp_path / "run", *QUICK)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    done = shell("evaluate", tmp_path / "run", "--on", tmp_path / "nowhere")
    refused((done.returncode, done.stdout, done.stderr), tmp_path / "nowhere", "no such folder")


def test_keypoints_are_in_pixels_of_the_image_as_given(synth2real, tmp_path, photos):
    big = dots(tmp_path / "big", size=(32, 24))
    arguments = ("--task", "keypoints", "--label", "x", "--label", "y", "--size", "16x16")
    code, _, err = synth2real("train", big, "--target", photos, *arguments, "--out", tmp_path / "run", *QUICK)
    assert code == 0, err
    assert synth2real("predict", tmp_path / "run", big, "--out", tmp_path / "p.csv")[0] == 0
    header, *body = table(tmp_path / "p.csv")
    assert header == ["file_name", "x", "y"]

    source = load(big, label=["x", "y"], size=(16, 16))
    seen = load_model(tmp_path / "run").predict(source.inputs).values  # in pixels of 16 by 16
    given = (seen + 0.5) * torch.tensor([24 / 16, 32 / 16]) - 0.5
    byname = {row[0]: [float(v) for v in row[1:]] for row in body}
    rows = torch.tensor([byname[name] for name in source.names])
    assert torch.allclose(rows, given, atol=1e-3)

    errors = (rows - source.labels).norm(dim=1).numpy()
    code, out, _ = synth2real("evaluate", tmp_path / "run", "--on", big, "--json")
    found = json.loads(out.splitlines()[-1])
    expected = {
        "mean_error": pytest.approx(errors.mean(), abs=1e-3),
        "median_error": pytest.approx(np.median(errors), abs=1e-3),
        "within_2px": pytest.approx((errors <= 2).mean()),
        "within_4px": pytest.approx((errors <= 4).mean()),
        "mean_error_percent": pytest.approx(100 * errors.mean() / 40, abs=1e-2),  # 24 by 32 has a diagonal of 40
    }
    assert {name: found[name] for name in expected} == expected


def test_regression(synth2real, tmp_path, points, photos):
    arguments = ("--task", "regress", "--label", "y", "--adapt", "dann")
    code, _, err = synth2real("train", points, "--target", photos, *arguments, "--out", tmp_path / "run", *QUICK)
    assert code == 0, err
    assert "randomize photometric" in err
    found = json.loads(synth2real("evaluate", tmp_path / "run", "--on", points, "--json")[1])
    assert found["count"] == 40
    assert found["columns"] == {"y": {"mean_error": found["mean_error"], "median_error": found["median_error"]}}
    assert synth2real("predict", tmp_path / "run", points, "--out", tmp_path / "p.csv")[0] == 0
    header, *body = table(tmp_path / "p.csv")
    assert (header, len(body), len(body[0])) == (["file_name", "y"], 40, 2)
    refused(
        synth2real("predict", tmp_path / "run", points, "--out", tmp_path / "q.csv", "--probabilities"),
        "--probabilities: the run predicts values (regress)",
    )


def test_features_from_arrays(synth2real, tmp_path):
    labels = np.arange(40) % 2
    features = np.random.default_rng(0).normal(size=(40, 5)) + 3 * labels[:, None]
    np.savez(tmp_path / "a.npz", features=features, labels=labels)
    arguments = (tmp_path / "a.npz", "--target", tmp_path / "a.npz", "--out", tmp_path / "run")
    refused(synth2real("train", *arguments, "--refine", "simgan"), "refine simgan needs images, found features")
    assert not (tmp_path / "run").exists()
    assert synth2real("train", *arguments, "--adapt", "teacher", "--steps", 40)[0] == 0
    assert (
        json.loads(synth2real("evaluate", tmp_path / "run", "--on", tmp_path / "a.npz", "--json")[1])["accuracy"] > 0.9
    )


def test_rendered_digits_are_a_source(synth2real, tmp_path):
    (tmp_path / "ranges.yaml").write_text("rotation: 0\nheight: [0.6, 0.8]\n")
    arguments = ("--n", 200, "--size", "16x16", "--seed", 3)
    assert (
        synth2real("render", "digits", "--out", tmp_path / "r", *arguments, "--params", tmp_path / "ranges.yaml")[0]
        == 0
    )
    rows = [json.loads(line) for line in (tmp_path / "r" / "metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 200
    assert set(rows[0]) >= {"file_name", "label"}
    data = load(tmp_path / "r")
    assert (data.shape, data.classes) == ((1, 16, 16), tuple("0123456789"))
    refused(synth2real("render", "digits", "--out", tmp_path / "r", *arguments), "the folder is not empty")

    short = (part for one in ("steps=2", "pretrain_critic=2", "maps=8") for part in ("--set", f"refine.{one}"))
    arguments = ("--randomize", "geometric", "--refine", "simgan", *short, "--channels", 3, *QUICK)
    code, _, err = synth2real(
        "train", tmp_path / "r", "--target", tmp_path / "r", "--out", tmp_path / "run", *arguments
    )
    assert code == 0, err
    assert "randomize geometric, refine simgan" in err
    stages = [json.loads(line)["stage"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(stages)) == ["refine", "train"]
    code, out, err = synth2real("evaluate", tmp_path / "run", "--on", tmp_path / "r", "--json")
    assert (code, 0 <= json.loads(out)["accuracy"] <= 1) == (0, True), err


def test_a_simulator_is_calibrated_and_trained_on(synth2real, tmp_path, photos):
    arguments = ("--n", 50, "--calibrate", "--set", "calibrate.trials=3", "--set", "calibrate.images=40")
    code, _, err = synth2real("train", "digits", "--target", photos, "--out", tmp_path / "run", *arguments, *QUICK)
    assert code == 0, err
    assert "calibrate posterior" in err
    kept = yaml.safe_load((tmp_path / "run" / "settings.yaml").read_text())
    assert "source digits (50 samples)" in err
    assert (kept["n"], kept["route"]["calibrate"]["trials"]) == (50, 3)
    found = ("--params", tmp_path / "run" / "parameters.yaml", "--size", "16x16", "--out", tmp_path / "more")
    assert synth2real("render", "digits", "--n", 5, *found)[0] == 0
    files = (tmp_path / "more" / "parameters.yaml", found[1])
    drawn, ranges = (load_parameters(file)["ranges"] for file in files)
    assert ranges
    assert {name: drawn[name] for name in ranges} == ranges
    assert load_model(tmp_path / "run").task.classes == tuple("0123456789")


def test_eyes_are_rendered_and_trained_on_by_their_columns(synth2real, tmp_path):
    code, _, err = synth2real(
        *("render", "eyes", "--preset", "infrared", "--size", "24x32", "--n", 8, "--masks", "--out", tmp_path / "r")
    )
    assert code == 0, err
    assert {"000007.png", "000007_mask.png", "metadata.jsonl", "parameters.yaml"} < set(below(tmp_path / "r"))
    for i in range(8):
        (tmp_path / "r" / f"{i:06d}_mask.png").unlink()
    points = ("--task", "keypoints", "--label", "iris_x", "--label", "iris_y")
    where = ("--target", tmp_path / "r", "--size", "18x30", "--channels", 3)
    code, _, err = synth2real("train", "eyes", *points, *where, "--n", 30, "--steps", 1, "--out", tmp_path / "run")
    assert code == 0, err
    task = load_model(tmp_path / "run").task
    assert (task.columns, task.size) == (("iris_x", "iris_y"), (18, 30))
    kept = yaml.safe_load((tmp_path / "run" / "settings.yaml").read_text())
    assert (kept["label"], kept["preset"]) == (["iris_x", "iris_y"], None)
    refused(
        synth2real("train", "eyes", *points, "--label", "nose", *where, "--out", tmp_path / "no"),
        "simulator eyes has no label 'nose', expected one of: gaze, gaze_vector",
    )
    refused(
        synth2real("train", tmp_path / "r", *points, *where, "--preset", "infrared", "--out", tmp_path / "no"),
        "--preset 'infrared' is for simulators",
    )
    ranges = tmp_path / "ranges.yaml"
    ranges.write_text("skin: [0.2, 0.3]\n")
    refused(
        synth2real("train", tmp_path / "r", *points, *where, "--params", ranges, "--out", tmp_path / "no"),
        "is for simulators",
    )
    ranges.write_text("skun: [0.2, 0.3]\n")
    refused(synth2real("train", "eyes", *points, *where, "--params", ranges, "--out", tmp_path / "no"), "skun", "skin")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--adapt", "none"), ("source-only", None)),
        (("--adapt", "dann"), ("dann", "full")),
        (("--adapt", "teacher"), ("teacher", "full")),
        (("--adapt", "teacher", "--randomize", "none"), ("teacher", None)),
        (("--adapt", "dann", "--set", "adapt.preset=paper"), ("dann", None)),
        (("--randomize", "geometric", "--set", "randomize.strength=0.1"), ("source-only", "geometric")),
    ],
)
def test_what_is_left_out_is_filled_in_and_kept(synth2real, tmp_path, classes, photos, arguments, expected):
    code, _, err = synth2real("train", classes, "--target", photos, "--out", tmp_path / "run", *arguments, "--steps", 1)
    assert code == 0, err
    route = yaml.safe_load((tmp_path / "run" / "settings.yaml").read_text())["route"]
    assert (route["adapt"]["method"], (route["randomize"] or {}).get("method")) == expected


def test_paths_with_brackets_are_printed_as_they_are(synth2real, tmp_path, photos, copied):
    source = copied.rename(tmp_path / "[red]a[b]")
    truncate(source / "dark" / "1.png")
    code, _, err = synth2real("train", source, "--target", photos, "--out", tmp_path / "run", "--skip-bad", *QUICK)
    assert code == 0, err
    assert f"source {source} (39 samples)" in err
    assert f"skipped 1 unreadable images: {source / 'dark' / '1.png'}" in err


def test_skipped_images_are_listed(synth2real, tmp_path, run, copied):
    bad = truncate(copied / "dark" / "1.png")
    for command in (("evaluate", run, "--on", copied), ("predict", run, copied, "--out", tmp_path / "p.csv")):
        refused(synth2real(*command), f"{bad}: unreadable image", "--skip-bad")
        assert not (tmp_path / "p.csv").exists()
        code, _, err = synth2real(*command, "--skip-bad")
        assert code == 0
        assert f"warning: skipped 1 unreadable images: {bad}" in err
    assert len(table(tmp_path / "p.csv")) == 40
