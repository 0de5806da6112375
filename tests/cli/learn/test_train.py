"""`synth2real train`: what it takes for granted and what not, and what Ctrl-C leaves."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
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
