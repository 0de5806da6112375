"""`synth2real gap`: the table, the line of JSON, and what it refuses."""

import json
import shutil

import numpy as np

from helpers import picture, refused, save


def test_a_table_and_one_line_of_json(synth2real, tmp_path, run, classes, photos):
    code, out, err = synth2real("gap", classes, photos)
    assert code == 0, err
    assert "40 source and 40 target samples, pixels of 1x8x8" in out
    assert all(name in out for name in ("proxy_a_distance", "mmd", "coral", "sliced_wasserstein", "kid"))
    code, out, err = synth2real("gap", classes, photos, "--features", run, "--json")
    assert (code, out.count("\n")) == (0, 1), err
    found = json.loads(out)
    assert (found["on"], found["source"], found["target"]) == ("features (128)", 40, 40)
    assert found["kid"]["low"] <= found["kid"]["value"] <= found["kid"]["high"]


def test_a_simulator_and_arrays(synth2real, tmp_path):
    np.savez(tmp_path / "target.npz", images=np.random.default_rng(0).integers(0, 255, (30, 8, 8), dtype=np.uint8))
    code, out, err = synth2real("gap", "digits", tmp_path / "target.npz", "--n", 24, "--json")
    assert code == 0, err
    assert (json.loads(out)["source"], json.loads(out)["target"]) == (24, 30)


def test_groups_widen_the_intervals_and_must_be_there(synth2real, tmp_path):
    random, who = np.random.default_rng(0), np.arange(40) % 4
    images = (60 * who[:, None, None] + random.integers(0, 20, (40, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "target.npz", images=images, person=who)
    arguments = ("gap", "digits", tmp_path / "target.npz", "--n", 40, "--json")
    alone, whole = (json.loads(synth2real(*arguments, *more)[1])["coral"] for more in ((), ("--group", "person")))
    assert whole["value"] == alone["value"]
    assert whole["high"] - whole["low"] > alone["high"] - alone["low"]
    refused(synth2real(*arguments, "--group", "video"), "--group 'video'", "neither digits nor", "Name the column")


def test_groups_of_a_folder_named_as_the_simulator_are_not_read(synth2real, tmp_path, classes, photos, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(classes, tmp_path / "digits")
    rows = [f"{file.relative_to(tmp_path / 'digits').as_posix()},a" for file in (tmp_path / "digits").rglob("*.png")]
    (tmp_path / "digits" / "metadata.csv").write_text("\n".join(["file_name,person", *rows]) + "\n")
    refused(synth2real("gap", "digits", photos, "--group", "person"), "--group 'person'", "neither digits nor")


def test_sparse_files_are_read_at_one_width(synth2real, tmp_path):
    for name, last in (("books", 30), ("dvd", 25)):
        rows = [f"{i % 2} {1 + i % 7}:1 {last}:{1 + i % 3}" for i in range(24)]
        (tmp_path / f"{name}.svmlight").write_text("\n".join(rows) + "\n")
    books, dvd, run = tmp_path / "books.svmlight", tmp_path / "dvd.svmlight", tmp_path / "run"
    code, out, err = synth2real("gap", books, dvd, "--json")
    assert (code, json.loads(out)["on"]) == (0, "features (30)"), err
    arguments = ("--target", books, "--task", "classify", "--out", run, "--steps", 2)
    assert synth2real("train", books, *arguments)[0] == 0
    assert synth2real("gap", books, dvd, "--features", run, "--json")[0] == 0
    adapted = ("adapt", run, "--target", dvd, "--method", "shot", "--out", tmp_path / "adapted", "--steps", 2)
    code, out, err = synth2real(*adapted)
    assert code == 0, err
    code, out, err = synth2real("predict", tmp_path / "adapted", dvd, "--out", tmp_path / "said.csv")
    assert code == 0, err


def test_a_folder_named_as_a_simulator_is_told_from_it(synth2real, tmp_path, classes, photos, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(classes, tmp_path / "digits")
    code, out, err = synth2real("gap", "digits", photos, "--n", 24, "--json")
    assert (code, json.loads(out)["source"]) == (0, 24)
    assert "'digits' is the simulator; for the folder of that name write ./digits" in err
    code, out, err = synth2real("gap", "./digits", photos, "--json")
    assert (code, json.loads(out)["source"], "warning" in err) == (0, 40, False)


def test_what_cannot_be_compared_is_refused(synth2real, tmp_path, run, classes, photos):
    for i in range(20):
        save(tmp_path / "large" / f"{i}.png", picture(i, size=(20, 20)))
    refused(synth2real("gap", classes, tmp_path / "large"), "resize both with --size 20x20")
    assert synth2real("gap", classes, tmp_path / "large", "--size", "8x8", "--json")[0] == 0
    refused(synth2real("gap", classes, photos, "--n", 10), "--n 10 sets how many images a simulator renders")
    refused(
        synth2real("gap", classes, photos, "--features", run, "--size", "8x8"),
        "--size, --resize, --channels, --depth and --background apply to pixels",
    )
    refused(synth2real("gap", classes, photos, "--features", photos), "found no model.yaml")
    np.savez(tmp_path / "rows.npz", features=np.zeros((30, 3)))
    refused(synth2real("gap", "digits", tmp_path / "rows.npz"), "'digits' renders images, the target has features")
    few = save(tmp_path / "few" / "a.png", picture(0)).parent
    refused(synth2real("gap", few, photos), "the source holds 1 samples, expected 20 or more")
