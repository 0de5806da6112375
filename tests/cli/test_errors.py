"""The command line: what it says of bad input."""

import re

import numpy as np
import pytest
from safetensors.torch import load_file

from helpers import below, picture, refused, save, truncate

QUICK = ("--steps", 3)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--task", "outline"), ("--task 'outline' is unknown", "classify, regress, keypoints")),
        (("--adapt", "dane"), ("adapt 'dane' is unknown", "source-only, dann, cdan")),
        (("--adapt", "shot"), ("--adapt shot: it adapts a trained model", "synth2real adapt RUN --method shot")),
        (("--randomize", "strong"), ("randomize 'strong' is unknown", "photometric, geometric, full")),
        (("--refine", "cyclogan"), ("--refine 'cyclogan' is unknown, expected one of: none, simgan", "cyclegan")),
        (("--set", "adapt"), ("--set 'adapt'", "STAGE.FIELD=VALUE")),
        (("--set", "adopt.rate=1"), ("--set 'adopt.rate=1'", "calibrate, widen, randomize, refine, adapt")),
        (
            ("--set", "adapt.rte=1"),
            ("adapt 'source-only' has no setting 'rte'", "expected one of: rate, optimize, ", "Did you mean 'rate'?"),
        ),
        (("--set", "adapt.rate=-1"), ("adapt.rate", "found -1", "greater than 0")),
        (("--set", "adapt.rate=[1"), ("--set 'adapt.rate=[1'", "not YAML")),
        (("--set", "refine.steps=3"), ("--set refine.steps", "the route has no stage 'refine'", "--refine simgan, ")),
        (
            ("--set", "randomize.mirror=1"),
            ("the route has no stage 'randomize'", "--randomize photometric, geometric, full"),
        ),
        (("--set", "calibrate.trials=3"), ("the route has no stage 'calibrate'", "--calibrate")),
        (("--set", "widen.factor=2"), ("the route has no stage 'widen'", "--widen widen, automatic")),
        (("--widen", "widen"), ("--widen (widen=) needs a simulator", "found 40 labelled samples")),
        (("--set", "adapt.network=resnet"), ("network 'resnet' is unknown", "convolutional")),
        (
            ("--adapt", "teacher", "--set", "adapt.target_prior=[0.5, 0.2, 0.3]"),
            ("adapt.target_prior has 3 shares", "expected 2"),
        ),
        (("--size", "16x"), ("--size", "'16x'", "28x28")),
        (("--size", "0x16"), ("--size", "'0x16'", "28x28")),
        (("--channels", "2"), ("--channels", "1 (grey) or 3 (colour)")),
        (("--channels", "4"), ("--channels", "4, expected 1 (grey)")),
        (("--steps", "0"), ("--steps", "greater than or equal to 1")),
        (("--calibrate",), ("--calibrate (calibrate=) needs a simulator", "found 40 labelled samples")),
        (("--n", "50"), ("--n 50 sets how many images a simulator renders", "is no simulator", "Leave --n out")),
        (("--overwrite", "--resume"), ("--overwrite and --resume exclude each other",)),
        (("--resume",), ("found no settings.yaml", "Leave --resume out")),
        (("--label", "digit"), ("the label column 'digit' was requested", "found no metadata.csv or metadata.jsonl")),
        (("--label", "a", "--label", "b"), ("--task classify takes one --label, found 2: a, b",)),
        (("--task", "regress"), ("--task regress found no --label", "--label iris_x --label iris_y")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and value[0].startswith("--") else "",
)
def test_arguments_that_do_not_fit(synth2real, tmp_path, classes, photos, arguments, parts):
    refused(synth2real("train", classes, "--target", photos, "--out", tmp_path / "run", *arguments), *parts)
    assert not (tmp_path / "run").exists()


def test_sources_and_targets_that_cannot_be_used(synth2real, tmp_path, classes, points, photos):
    (tmp_path / "empty").mkdir()
    one, colour, large, torn, mixed = (tmp_path / name for name in ("one", "colour", "large", "torn", "mixed"))
    for i in range(4):
        save(one / "dark" / f"{i}.png", picture(i))
        save(colour / f"{i}.png", picture(i, channels=3))
        save(large / f"{i}.png", picture(i, (20, 16)))
        save(torn / f"{i}.png", picture(i))
        save(mixed / f"{i}.png", picture(i, (16, 16 + i)))
    truncate(torn / "2.png")

    def train(source, target, *arguments):
        return synth2real("train", source, "--target", target, "--out", tmp_path / "run", *QUICK, *arguments)

    refused(train(tmp_path / "gone", photos), f"{tmp_path / 'gone'}: no such folder", "Check the spelling")
    refused(train(classes, tmp_path / "gone"), f"{tmp_path / 'gone'}: no such folder")
    refused(train(tmp_path / "empty", photos), f"{tmp_path / 'empty'}: found no image", ".png")
    refused(train(classes, tmp_path / "empty"), f"{tmp_path / 'empty'}: found no image")
    refused(train(photos, photos), "found no labels", "subfolder per class", "metadata.csv")
    refused(train(points, photos), "metadata.jsonl: row 1 has no column 'label'", "'x', 'y'", "--label")
    refused(train(points, photos, "--task", "regress", "--label", "z"), "no column 'z'", "found the columns", "--label")
    refused(train(one, photos), "one class only (dark)", "expected two or more")
    refused(train(classes, colour), "of 1x16x16, the target of 3x16x16", "--channels 1 or --channels 3")
    refused(train(classes, large), "of 1x16x16, the target of 1x20x16", "--size 20x16")
    refused(train(classes, torn), f"{torn / '2.png'}: unreadable image", "--skip-bad")
    refused(train(classes, mixed), "images differ in size", mixed / "1.png", "is 16x17", "--size 16x16")
    refused(train(points, photos, "--task", "keypoints", "--label", "x"), "an x and a y column", "found 1 (x)")
    refused(
        train("digits", photos, "--task", "keypoints", "--label", "x", "--label", "y"),
        "no label 'x'",
        "expected one of: label",
    )
    refused(train("digits", photos, "--calibrate", "--set", "calibrate.parameters=[hight]"), "has no parameter 'hight'")
    assert not (tmp_path / "run").exists()
    assert train(classes, torn, "--skip-bad")[0] == 0


def test_a_run_is_not_replaced_unasked(synth2real, tmp_path, classes, photos):
    arguments = ("train", classes, "--target", photos, "--out", tmp_path / "run", *QUICK)
    assert synth2real(*arguments)[0] == 0
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    refused(synth2real(*arguments), f"{tmp_path / 'run'}: the folder is not empty", "--out", "--overwrite", "--resume")
    refused(synth2real(*arguments, "--resume"), "has already finished")
    refused(synth2real(*arguments, "--overwrite", "--set", "adapt.network=resnet"), "network 'resnet' is unknown")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights
    assert synth2real(*arguments, "--overwrite", "--seed", 1)[0] == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() != weights


def test_places_that_cannot_be_written(synth2real, tmp_path, run, classes, photos):
    (tmp_path / "file").touch()
    inside = tmp_path / "file" / "run"
    for command in (
        ("train", classes, "--target", photos, "--out", inside, *QUICK),
        ("predict", run, photos, "--out", inside),
        ("render", "digits", "--n", 5, "--out", inside),
    ):
        refused(synth2real(*command), inside.parent, "cannot be written", "choose another place")


def test_resume_goes_on_with_the_same_arguments_only(synth2real, tmp_path, monkeypatch, classes, photos):
    from synth2real.route import run_folder as runs

    arguments = ("train", classes, "--target", photos, "--out", tmp_path / "run", "--steps", 40)
    assert synth2real(*arguments)[0] == 0
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    monkeypatch.setattr(runs, "CHECKPOINT_EVERY", 20)
    finish = runs.RunFolder.finish
    monkeypatch.setattr(runs.RunFolder, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    code, _, err = synth2real(*arguments, "--overwrite")
    assert code == 130
    assert err.splitlines()[-1].startswith("interrupted: the checkpoint of step 40 is kept.")
    monkeypatch.setattr(runs.RunFolder, "finish", finish)
    refused(synth2real(*arguments, "--resume", "--seed", 1), "started with seed 0, but --resume found 1")
    assert synth2real(*arguments, "--resume")[0] == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights


def test_divergence_is_told_and_the_last_good_weights_are_kept(synth2real, tmp_path, classes, photos):
    arguments = ("--set", "adapt.rate=1e30", "--steps", 20)
    code, _, err = synth2real("train", classes, "--target", photos, "--out", tmp_path / "run", *arguments)
    assert code == 2
    assert re.search(
        r"^error: training stopped at step \d+: the term '.*label.*' is (nan|inf), expected a finite", err, re.M
    )
    assert "Traceback" not in err
    assert "Warning" not in err
    assert all(weights.isfinite().all() for weights in load_file(tmp_path / "run" / "model.safetensors").values())


def test_broken_features_are_refused_before_the_training(synth2real, tmp_path):
    features = np.random.default_rng(0).normal(size=(40, 5))
    features[3, 2] = np.nan
    np.savez(tmp_path / "a.npz", features=features, labels=np.arange(40) % 2)
    arguments = ("train", tmp_path / "a.npz", "--target", tmp_path / "a.npz", "--out", tmp_path / "run")
    refused(synth2real(*arguments, *QUICK), tmp_path / "a.npz", "'features' contains NaN, first in row 3, column 2")


def test_what_a_run_cannot_be_used_on(synth2real, tmp_path, run, classes, points, photos):
    for name in ("dark", "purple"):
        save(tmp_path / "other" / name / "a.png", picture(0))
    save(tmp_path / "colour" / "a.png", picture(0, channels=3))
    save(tmp_path / "large" / "a.png", picture(0, (20, 16)))
    (tmp_path / "empty").mkdir()

    def predict(images, model=run, out=tmp_path / "p.csv"):
        return synth2real("predict", model, images, "--out", out)

    refused(synth2real("evaluate", run, "--on", tmp_path / "other"), "the class 'purple'", "expected only dark, light")
    refused(synth2real("evaluate", run, "--on", points), "no column 'label'", "--label")
    refused(synth2real("evaluate", photos, "--on", classes), f"{photos}: found no model.yaml", "run folder")
    refused(predict(tmp_path / "colour"), f"{tmp_path / 'colour'} has 3 channels, the model takes 1", "--channels")
    refused(predict(tmp_path / "large"), f"{tmp_path / 'large'} has inputs of 1x20x16", "--size")
    refused(predict(tmp_path / "empty"), f"{tmp_path / 'empty'}: found no image")
    refused(predict(photos, model=tmp_path / "gone"), f"{tmp_path / 'gone'}: found no model.yaml")
    refused(predict(photos, out=tmp_path), f"{tmp_path}: found a folder, expected the name of a CSV file")
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("letters",), ("simulator 'letters' is unknown", "digits")),
        (("digits", "--size", "4x4"), ("size", "found 4", "8")),
        (("digits", "--params", "gone.yaml"), ("gone.yaml: cannot be read",)),
        (("digits", "--n", "0"), ("--n", "greater than or equal to 1")),
        (("digits", "--preset", "infrared"), ("--preset infrared: simulator digits has no presets. Remove --preset",)),
        (("eyes", "--preset", "thermal"), ("preset", "found 'thermal'", "'webcam' or 'infrared'")),
        (("digits", "--masks"), ("--masks: simulator digits renders no masks. Remove --masks",)),
        (("digits", "--format", "zip"), ("--format 'zip' is unknown", "folder, webdataset, parquet")),
    ],
)
def test_what_cannot_be_rendered(synth2real, tmp_path, arguments, parts):
    given = arguments if "--n" in arguments else (*arguments, "--n", 5)
    refused(synth2real("render", *given, "--out", tmp_path / "r"), *parts)
    assert not (tmp_path / "r").exists()


def test_the_demo_does_not_replace_files_unasked(synth2real, tmp_path):
    (tmp_path / "thesis.tex").touch()
    refused(synth2real("demo", "--fast", "--out", tmp_path), f"{tmp_path}: the folder is not empty", "--overwrite")
    refused(synth2real("demo", "--fast", "--out", tmp_path, "--overwrite"), "found no results.json")
    assert below(tmp_path) == ["thesis.tex"]
