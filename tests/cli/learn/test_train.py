"""`synth2real train`: what it takes for granted and what not, and what Ctrl-C leaves."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

from helpers import picture, refused, save


@pytest.mark.skipif(sys.platform == "win32", reason="needs the signal SIGINT")
def test_ctrl_c_ends_a_training_with_one_line_and_keeps_the_checkpoint(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.random.default_rng(0).normal(size=(40, 5)), labels=np.arange(40) % 2)
    arguments = ("train", tmp_path / "a.npz", "--target", tmp_path / "a.npz", "--out", tmp_path / "run")
    arguments = (*arguments, "--steps", 10**6)
    begun = subprocess.Popen(
        [sys.executable, "-m", "synth2real", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    checkpoint, deadline = tmp_path / "run" / "checkpoint.safetensors", time.monotonic() + 60
    while not checkpoint.is_file() and begun.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    begun.send_signal(signal.SIGINT)
    out, err = begun.communicate(timeout=60)
    assert (begun.returncode, out) == (130, ""), err
    step = int(load_file(checkpoint)["step"])
    *before, line = [line for line in err.splitlines() if not line.startswith("train: ")]
    assert line == (
        f"interrupted: the checkpoint of step {step} is kept. The same command with --resume goes on from it"
    )
    assert (tmp_path / "run" / "log.txt").read_text().splitlines() == [*before, line]
    assert not (tmp_path / "run" / "model.yaml").exists()
    assert step >= 200


def test_ctrl_c_before_the_first_checkpoint(synth2real, tmp_path, monkeypatch, classes, photos):
    from synth2real.cli.learn import demo, train

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train_run", interrupt)
    code, _, err = synth2real("train", classes, "--target", photos, "--out", tmp_path / "run", "--steps", 3)
    assert (code, err.splitlines()[-1]) == (
        130,
        "interrupted before the first checkpoint. The same command with --resume begins anew",
    )
    monkeypatch.setattr(demo, "compare_routes", interrupt)
    assert synth2real("demo", "--fast", "--out", tmp_path / "demo") == (130, "", "interrupted\n")


@pytest.mark.parametrize("task", ["keypoints", "regress"])
def test_values_of_a_simulator_are_named_too(synth2real, tmp_path, photos, task):
    """A simulator's first label is an angle: not the points, and perhaps not the values, that were meant."""
    refused(
        synth2real("train", "eyes", "--target", photos, "--task", task, "--out", tmp_path / "run", "--steps", 3),
        f"--task {task} found no --label",
    )
    assert not (tmp_path / "run").exists()


def test_a_simulator_of_values_has_no_classes(synth2real, tmp_path, photos):
    refused(
        synth2real("train", "eyes", "--target", photos, "--out", tmp_path / "run", "--steps", 3),
        "classification needs class labels, found the number columns pitch, yaw",
        "--task gaze, keypoints or regress",
    )


def test_notes_and_answers_of_one_class_are_warnings_and_kept(synth2real, tmp_path):
    for i in range(12):
        save(tmp_path / "same" / f"{i}.png", picture(0))
        save(tmp_path / "alike" / "ab"[i % 2] / f"{i}.png", picture(0))
    out = tmp_path / "run"
    code, _, err = synth2real("train", tmp_path / "alike", "--target", tmp_path / "same", "--out", out, "--steps", 1)
    assert code == 0, err
    (note,) = (out / "notes.txt").read_text().splitlines()
    assert note.startswith("the source was not learnt: on batches of the source, accuracy 0.")
    log = (out / "log.txt").read_text()
    for line in (note, "12 of 12 images are '"):
        assert f"warning: {line}" in err
        assert f"warning: {line}" in log


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--network", "resnett", "network 'resnett' is unknown"),
        ("--network", "no_such_module:Net", "Python cannot import 'no_such_module'"),
        ("--adapt", "dan-n", "dan-n"),
        ("--refine", "simgam", "simgam"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_before_anything_is_read(synth2real, tmp_path, option, value, message):
    """The source is no folder, which would be the error of reading it."""
    arguments = ("train", tmp_path / "none", "--target", tmp_path / "none", "--out", tmp_path / "run")
    refused(synth2real(*arguments, option, value), message)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def given(tmp_path):
    """Features whose class depends on a given column alone: `source.npz`, `target.npz` and `test.npz`."""
    generator = np.random.default_rng(0)
    for name in ("source", "target", "test"):
        count = 400 if name == "source" else 80
        iso = generator.uniform(0, 1, count)
        labels = {} if name == "target" else {"labels": (iso > 0.5).astype(int)}
        np.savez(tmp_path / f"{name}.npz", features=generator.normal(size=(count, 2)), iso=iso, **labels)
    return tmp_path


@pytest.mark.parametrize("adapt", ["source-only", "svm", "msda"])
def test_given_columns_are_inputs_of_the_model(synth2real, given, adapt):
    arguments = ("train", given / "source.npz", "--target", given / "target.npz", "--given", "iso", "--adapt", adapt)
    code, _, err = synth2real(*arguments, "--steps", 150, "--out", given / "run")
    assert code == 0, err
    assert "given, as inputs of the model: iso\n" in err
    assert yaml.safe_load((given / "run" / "settings.yaml").read_text())["given"] == ["iso"]
    code, out, _ = synth2real("evaluate", given / "run", "--on", given / "test.npz", "--json")
    assert json.loads(out)["accuracy"] > 0.9
    assert synth2real("predict", given / "run", given / "target.npz", "--out", given / "p.csv")[0] == 0
    code, _, err = synth2real("report", given / "run")
    assert code == 0, err
    assert "iso" in (given / "run" / "report.html").read_text()


def test_a_comparison_gives_the_columns_to_every_route(synth2real, given):
    arguments = ("compare", given / "source.npz", "--target", given / "target.npz", "--given", "iso", "--seeds", 1)
    (given / "routes.yaml").write_text("svm: {adapt: svm}\nteacher: {adapt: teacher}\n")
    arguments = (*arguments, "--test", given / "test.npz", "--routes", given / "routes.yaml", "--budget", 0.05)
    code, out, err = synth2real(*arguments, "--out", given / "compared", "--json")
    assert code == 0, err
    tested = [one["test_score"] for one in json.loads(out)["routes"] if one["name"] == "svm"]
    assert tested[0] > 0.9
    assert synth2real("predict", given / "compared" / "chosen", given / "test.npz", "--out", given / "p.csv")[0] == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("iso", "iso"), "the given column 'iso' is named twice"),
        (("gain",), "target.npz: has no array 'gain' for the given column, found 'features', 'iso'"),
        (("labels",), "the given column 'labels' is a label column too"),
    ],
)
def test_wrong_given_columns_are_refused(synth2real, given, columns, message):
    options = [part for column in columns for part in ("--given", column)]
    arguments = ("train", given / "source.npz", "--target", given / "target.npz", *options, "--out", given / "run")
    refused(synth2real(*arguments), message)
    assert not (given / "run").exists()


def test_a_model_with_given_columns_refuses_images_without_a_table(synth2real, tmp_path):
    rows = [f"{i}.png,{i / 10},{i % 2}\n" for i in range(20)]
    for i in range(20):
        for folder in ("real", "bare"):
            save(tmp_path / folder / f"{i}.png", picture(i))
    (tmp_path / "real" / "metadata.csv").write_text("file_name,iso,label\n" + "".join(rows))
    arguments = ("train", tmp_path / "real", "--target", tmp_path / "real", "--given", "iso", "--steps", 2)
    code, _, err = synth2real(*arguments, "--out", tmp_path / "run")
    assert code == 0, err
    assert synth2real("predict", tmp_path / "run", tmp_path / "real", "--out", tmp_path / "p.csv")[0] == 0
    found = synth2real("predict", tmp_path / "run", tmp_path / "bare", "--out", tmp_path / "q.csv")
    refused(found, "bare: needs the given columns 'iso', but found no metadata.csv or metadata.jsonl. Write")
    assert not (tmp_path / "q.csv").exists()
    code, _, err = synth2real(
        "adapt", tmp_path / "run", "--target", tmp_path / "real", "--steps", 2, "--out", tmp_path / "b"
    )
    assert code == 0, err
    code, _, err = synth2real("gap", tmp_path / "real", tmp_path / "bare", "--features", tmp_path / "run")
    assert code == 0, err
