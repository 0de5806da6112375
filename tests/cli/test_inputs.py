"""How commands read images: brought to one size, with labels and predictions in pixels of the images as given."""

import csv
import json

import numpy as np
import pytest
import torch
import yaml

from helpers import dot, picture, refused, save
from synth2real import load_model, load_unlabelled
from synth2real.route.run_folder import read_settings


@pytest.fixture
def mixed(tmp_path):
    """A folder of dots in images of three sizes, with their places."""
    rows = ["file_name,x,y"]
    for i in range(24):
        size = [(24, 40), (40, 24), (32, 32)][i % 3]
        x, y = np.random.default_rng(i).uniform(8, 15, 2).round(2).tolist()
        save(tmp_path / "mixed" / f"{i}.png", dot(x, y, size))
        rows.append(f"{i}.png,{x},{y}")
    (tmp_path / "mixed" / "metadata.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "mixed"


POINTS = ("--task", "keypoints", "--label", "x", "--label", "y", "--steps", 2)


@pytest.mark.parametrize("resize", ["crop", "letterbox"])
def test_a_run_keeps_how_images_are_resized_and_predicts_in_their_own_pixels(
    synth2real, tmp_path, mixed, resize
) -> None:
    out = tmp_path / "run"
    how = ("--size", 16, "--resize", resize)
    code, said, err = synth2real("train", mixed, "--target", mixed, *POINTS, *how, "--out", out, "--json")
    assert code == 0, err
    assert {key: yaml.safe_load((out / "settings.yaml").read_text())[key] for key in ("size", "resize")} == {
        "size": [16, 16],
        "resize": resize,
    }
    found = json.loads(said.splitlines()[-1])
    assert found["speed"]["steps_per_second"] > 0
    assert 0 <= found["speed"]["waiting"] <= 1
    assert "steps a second" in (out / "log.txt").read_text()
    model = load_model(out)
    assert (model.conversion.size, model.conversion.resize) == ((16, 16), resize)
    assert synth2real("predict", out, mixed, "--out", tmp_path / "p.csv")[0] == 0
    with (tmp_path / "p.csv").open() as lines:
        points = torch.tensor([[float(row["x"]), float(row["y"])] for row in csv.DictReader(lines)])
    seen = load_unlabelled(mixed, size=(16, 16), resize=resize)
    raw = model.task.predict(model.outputs(seen.inputs))
    assert torch.allclose(seen.fitting.to_input(points[:, None])[:, 0], raw, atol=1e-3)
    assert synth2real("evaluate", out, "--on", mixed)[0] == 0
    assert synth2real("report", out, "--test", mixed)[0] == 0


def test_runs_of_before_have_stretched(tmp_path) -> None:
    (tmp_path / "settings.yaml").write_text("size: [16, 16]\n")
    assert read_settings(tmp_path)["resize"] == "stretch"


def test_resizing_needs_a_size_and_a_way_that_exists(synth2real, tmp_path, classes, photos) -> None:
    pair = (classes, "--target", photos, "--out", tmp_path / "out")
    refused(synth2real("train", *pair, "--resize", "crop"), "--resize crop", "found no --size", "--size 224")
    refused(
        synth2real("train", *pair, "--size", 8, "--resize", "pad"), "'pad', expected stretch, crop, letterbox or tiles"
    )
    assert not (tmp_path / "out").exists()


def test_padding_is_refused_where_a_simulator_renders_none(synth2real, tmp_path) -> None:
    for i in range(20):
        save(tmp_path / "real" / f"{i}.png", picture(i, (24, 48)))
    how = ("--target", tmp_path / "real", "--size", 16, "--resize", "letterbox")
    parts = (
        "the simulator renders whole images",
        "--resize crop",
        "--size with the ratio of the target, such as 24x48",
    )
    refused(synth2real("train", "digits", *how, "--n", 20, "--out", tmp_path / "run"), *parts)
    refused(synth2real("calibrate", "digits", *how, "--out", tmp_path / "a.yaml"), *parts)
    assert not (tmp_path / "run").exists()


def test_a_batch_is_computed_in_parts(synth2real, tmp_path, classes, photos) -> None:
    pair, short = (classes, "--target", photos, "--adapt", "dann"), ("--steps", 2, "--out", tmp_path / "run")
    assert synth2real("train", *pair, *short, "--accumulate", 4)[0] == 0
    assert yaml.safe_load((tmp_path / "run" / "settings.yaml").read_text())["accumulate"] == 4
    refused(
        synth2real("train", *pair, "--steps", 2, "--out", tmp_path / "more", "--accumulate", 65),
        "accumulate is 65, expected 1 to 64 parts of a batch of 64",
    )
    assert not (tmp_path / "more").exists()
