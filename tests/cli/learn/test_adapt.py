"""`synth2real adapt`: a run without its source, read by predict and evaluate; and what it refuses."""

import json

import pytest
import yaml
from safetensors.torch import load_file

from helpers import below, picture, refused, save


@pytest.mark.parametrize("method", ["shot", "tent"])
def test_an_adapted_run_predicts_and_evaluates(synth2real, tmp_path, run, classes, photos, method):
    out = tmp_path / "adapted"
    arguments = ("--target", photos, "--method", method, "--out", out, "--steps", 4, "--set", "adapt.rate=0.0005")
    code, printed, err = synth2real("adapt", run, *arguments)
    assert (code, printed) == (0, ""), err
    assert f"{method}: {run} to {photos} (40 samples), no source" in err
    files = ["config.yaml", "log.txt", "metrics.jsonl", "model.safetensors", "model.yaml", "provenance.json"]
    assert below(out) == [*files, "settings.yaml"]
    kept = yaml.safe_load((out / "settings.yaml").read_text())
    assert (kept["adapt"]["method"], kept["adapt"]["rate"], kept["steps"], kept["run"]) == (method, 5e-4, 4, str(run))
    assert json.loads((out / "metrics.jsonl").read_text())["stage"] == "adapt"
    assert synth2real("predict", out, photos, "--out", tmp_path / "p.csv")[0] == 0
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 41
    code, printed, err = synth2real("evaluate", out, "--on", classes, "--json")
    assert (code, json.loads(printed)["accuracy"] > 0.5) == (0, True), err
    refused(synth2real("adapt", run, *arguments), "the folder is not empty", "--overwrite")
    assert synth2real("adapt", run, *arguments, "--overwrite")[0] == 0


def test_what_cannot_be_adapted_is_refused(synth2real, tmp_path, run, classes, points, photos):
    def adapt(folder, target=photos, *more):
        return synth2real("adapt", folder, "--target", target, "--out", tmp_path / "out", *more)

    refused(adapt(classes), "found no model.yaml, expected a run folder")
    large = save(tmp_path / "large" / "a.png", picture(0, size=(20, 20))).parent
    refused(adapt(run, large), "large has inputs of 1x20x20, the model takes 1x16x16")
    one = save(tmp_path / "one" / "a.png", picture(0)).parent
    refused(adapt(run, one), "the target holds 1 sample, expected two or more")
    refused(adapt(run, photos, "--method", "dann"), "--method 'dann' is unknown, expected one of: shot, tent")
    refused(
        adapt(run, photos, "--set", "refine.steps=3"),
        "--set refine.steps: this command has the stage adapt only",
        "adapt.FIELD=VALUE",
    )
    refused(adapt(run, photos, "--set", "adapt.head=[3]"), "has no setting 'head'", "expected one of: optimize, rate")
    refused(synth2real("adapt", run, "--target", photos, "--out", run), "is the run itself, expected a new folder")
    quick = ("--task", "regress", "--label", "x", "--steps", 3, "--out", tmp_path / "values")
    assert synth2real("train", points, "--target", photos, *quick)[0] == 0
    refused(adapt(tmp_path / "values"), "the model predicts values (regress)", "--task classify")
    assert not (tmp_path / "out").exists()


def test_a_damaged_image_is_refused_or_skipped(synth2real, tmp_path, run):
    for i in range(4):
        save(tmp_path / "photos" / f"{i}.png", picture(i))
    (tmp_path / "photos" / "bad.png").write_bytes(b"no image")
    arguments = ("adapt", run, "--target", tmp_path / "photos", "--out", tmp_path / "out", "--steps", 2)
    refused(synth2real(*arguments), "bad.png")
    code, _, err = synth2real(*arguments, "--skip-bad")
    assert code == 0, err
    assert "bad.png" in err


def test_a_rate_without_bounds_keeps_the_last_good_weights(synth2real, tmp_path, run, photos):
    arguments = ("--target", photos, "--out", tmp_path / "out", "--set", "adapt.rate=1e30", "--steps", 9)
    refused(synth2real("adapt", run, *arguments), "training stopped at step", "--set adapt.rate")
    assert all(weights.isfinite().all() for weights in load_file(tmp_path / "out" / "model.safetensors").values())
    refused(synth2real("predict", tmp_path / "out", photos, "--out", tmp_path / "p.csv"), "its training diverged")


def test_it_says_whether_it_helped(synth2real, tmp_path, run, photos):
    code, _, err = synth2real("adapt", run, "--target", photos, "--out", tmp_path / "out", "--steps", 2)
    assert code == 0
    assert "helped" in err
    assert "helped" in (tmp_path / "out" / "log.txt").read_text()
