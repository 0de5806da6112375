"""`--few-labels` on the command line: what it changes, what it never changes, and what is refused."""

import csv
import inspect
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from helpers import dot, dots, refused, save
from synth2real import compare, load_model


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """12 labelled dots, whose labels are 2 pixels to the right of where they are, of two people."""
    folder = dots(tmp_path_factory.mktemp("few"), count=12)
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    rows = [{**row, "x": row["x"] + 2, "person": "ab"[i % 2]} for i, row in enumerate(rows)]
    write(folder, rows)
    return folder


FOLDERS = (("source", 1.0), ("good", 1.0), ("far", 100.0))  # name, and the unit of the given column


def write(folder, rows):
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def train(synth2real, points, out, *more):
    arguments = ("--target", points, "--task", "keypoints", "--label", "x", "--label", "y", "--steps", 4)
    return synth2real("train", points, *arguments, "--out", out, *more)


@pytest.fixture(scope="module")
def plain(tmp_path_factory, points):
    """A run without few labels."""
    from synth2real import Budget, Route, load
    from synth2real.route.run_folder import RunFolder
    from synth2real.route.run_folder import train as train_run
    from synth2real.tasks import Keypoints

    data = load(points, label=["x", "y"])
    folder = RunFolder(tmp_path_factory.mktemp("plain") / "run", {})
    train_run(folder, Route(), data, data.unlabelled(), task=Keypoints.of(data), budget=Budget(steps=60, batch=16))
    return folder.path


def same_below(corrected, trained):
    """Whether a corrected run has, below its correction, the bits of another run."""
    with_it, without = (load_file(folder / "model.safetensors") for folder in (corrected, trained))
    added = {key for key in with_it if key.split(".")[-1] in ("offset", "affine", "layer") or ".pixels." in key}
    bare = {key.replace("head.0.head.", "head."): value for key, value in with_it.items() if key not in added}
    assert len(added) == 5  # with the mean and the directions of the components of the pixels
    return bare.keys() == without.keys() and all(torch.equal(bare[key], without[key]) for key in without)


def predicted(path):
    with path.open(newline="") as file:
        return torch.tensor([[float(row["x"]), float(row["y"])] for row in csv.DictReader(file)])


def test_training_is_bit_identical_with_and_without_them_and_only_a_correction_is_added(
    synth2real, tmp_path, points, few
):
    assert train(synth2real, points, tmp_path / "without")[0] == 0
    code, out, err = train(synth2real, points, tmp_path / "with", "--few-labels", few, "--json")
    assert code == 0, err
    found = json.loads(out)["few_labels"]
    assert found == json.loads((tmp_path / "with" / "few_labels.json").read_text())
    assert f"12 few labels: mean error {found['before']:.3g} before" in err
    assert (tmp_path / "with" / "metrics.jsonl").read_text() == (tmp_path / "without" / "metrics.jsonl").read_text()
    assert same_below(tmp_path / "with", tmp_path / "without")
    assert not (tmp_path / "without" / "few_labels.json").exists()


def test_predict_corrects_for_a_new_person_without_training(synth2real, tmp_path, plain, points, few):
    for name, more in (("before", ()), ("after", ("--few-labels", few))):
        code, out, err = synth2real("predict", plain, points, "--out", tmp_path / f"{name}.csv", "--json", *more)
        assert code == 0, err
    found = json.loads(out)["few_labels"]
    assert found["count"] == 12
    assert found["after"] < found["before"]
    assert "12 few labels: mean error" in err
    moved = (predicted(tmp_path / "after.csv") - predicted(tmp_path / "before.csv")).mean(0)
    assert 1 < moved[0] < 3
    assert abs(moved[1]) < 1
    assert not load_model(plain).description.get("corrections")


def test_each_person_gets_its_correction_and_a_run_remembers_the_column(synth2real, tmp_path, points, few):
    target = tmp_path / "target"
    shutil.copytree(points, target)
    rows = [json.loads(line) for line in (target / "metadata.jsonl").read_text().splitlines()]
    write(target, [{**row, "person": "abc"[i % 3]} for i, row in enumerate(rows)])
    arguments = ("--target", target, "--task", "keypoints", "--label", "x", "--label", "y", "--steps", 4)
    run = tmp_path / "run"
    more = ("--few-labels", few, "--group", "person", "--out", run)
    code, _, err = synth2real("train", points, *arguments, *more)
    assert code == 0, err
    assert load_model(run).description["corrections"] == [{"groups": ["a", "b"], "labels": 12, "pixels": 52}]
    assert synth2real("predict", run, target, "--out", tmp_path / "a.csv")[0] == 0
    assert synth2real("predict", run, target, "--out", tmp_path / "b.csv", "--group", "person")[0] == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    again = synth2real("predict", run, target, "--out", tmp_path / "e.csv", "--few-labels", few)
    assert f"warning: {run} was corrected by few labels before. If some of these are among them" in again[2]
    code, _, err = synth2real("predict", run, points, "--out", tmp_path / "c.csv")
    assert f"warning: {points} has no column 'person', so every image gets the common correction" in err
    refused(
        synth2real("predict", run, points, "--out", tmp_path / "d.csv", "--group", "person"),
        f"--group 'person': {points} has no such column in a metadata table, .npz or shard",
    )
    assert synth2real("evaluate", run, "--on", target)[0] == 0
    assert synth2real("report", run)[0] == 0
    page = (run / "report.html").read_text()
    assert "Few real labels" in page
    assert "Then 12 real labels corrected it" in page
    assert "<dt>corrected groups</dt><dd>a, b</dd>" in page
    (run / "few_labels.json").write_text("{}")
    refused(synth2real("report", run), f"{run / 'few_labels.json'}: is damaged (figures are missing)")


def test_compare_corrects_what_it_has_chosen_without_them_and_warns_of_a_shared_test(
    synth2real, tmp_path, classes, photos
):
    out = tmp_path / "compared"
    arguments = ("--target", photos, "--routes", "source only", "--budget", 0.03, "--seeds", 1, "--test", classes)
    code, printed, err = synth2real("compare", classes, *arguments, "--few-labels", classes, "--out", out, "--json")
    assert code == 0, err
    assert "40 of 40 few labels are also in --test, for example dark/1.png: the test of the corrected model" in err
    found = json.loads(printed)
    assert found["few_labels"]["count"] == 40
    assert found["few_labels"] == json.loads((out / "chosen" / "few_labels.json").read_text())
    assert any(same_below(out / "chosen", file.parent) for file in (out / "trials").glob("*/model.safetensors"))
    assert "Few real labels" in (out / "report.html").read_text()
    scores = {row["name"]: row["test_score"] for row in found["routes"]}
    assert found["few_labels"]["before"] == pytest.approx(scores[found["chosen"]])  # of the route as it was chosen
    assert not [name for name in inspect.signature(compare).parameters if "few" in name]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no such folder or file"),
        (lambda folder: save(folder / "a" / "1.png", dot(3, 3, (16, 16))), "found no metadata"),
        (lambda folder: dots(folder, count=3, size=(20, 16)), "--few-labels {}: the few labels have inputs of 1x20x16"),
        (lambda folder: dots(folder, count=201), "{}: 201 few labels, expected at most 200"),
        (
            lambda folder: write(dots(folder, 2), [{"file_name": "0.png", "x": 1}, {"file_name": "1.png", "x": 2}]),
            "--few-labels {}: has no column 'y' in a metadata table, expected the labels of the task keypoints",
        ),
        (
            lambda folder: write(dots(folder, 1), [{"file_name": "0.png", "x": 1, "y": None}]),
            "the few label 'y' of 0.png is not a number",
        ),
    ],
)
def test_wrong_ones_are_refused(synth2real, tmp_path, plain, points, make, message):
    make(tmp_path / "few")
    arguments = ("--few-labels", tmp_path / "few", "--out", tmp_path / "p.csv")
    if message != "found no metadata":
        refused(synth2real("predict", plain, points, *arguments), message.format(tmp_path / "few"))
    else:
        refused(synth2real("predict", plain, points, *arguments), "metadata")
    assert not (tmp_path / "p.csv").exists()


def given(folder, rows, iso=1.0):
    write(folder, [{**row, "iso": iso * (1 + i % 5)} for i, row in enumerate(rows)])
    return folder


def test_their_given_columns_are_read_and_checked_before_anything_is_trained(synth2real, tmp_path, few):
    rows = [json.loads(line) for line in (few / "metadata.jsonl").read_text().splitlines()]
    source, good, far = (given(dots(tmp_path / name, count=12), rows, iso) for name, iso in FOLDERS)
    code, _, err = train(synth2real, source, tmp_path / "run", "--given", "iso", "--few-labels", good)
    assert code == 0, err
    assert "12 few labels: " in err
    message = f"the given column 'iso' is 100 to 500 in --few-labels {far}, but "
    refused(train(synth2real, source, tmp_path / "none", "--given", "iso", "--few-labels", far), message)
    assert not (tmp_path / "none").exists()
    predict = ("predict", tmp_path / "run", source, "--out", tmp_path / "p.csv", "--few-labels")
    refused(synth2real(*predict, far), message)
    refused(synth2real(*predict, few), "has no column 'iso'")
    refused(
        synth2real("predict", tmp_path / "run", far, "--out", tmp_path / "p.csv"),
        f"the given column 'iso' is 100 to 500 in {far}, but ",
    )


def test_nothing_is_trained_or_written_if_they_do_not_fit(synth2real, tmp_path, points, few, classes):
    refused(
        train(synth2real, points, tmp_path / "run", "--few-labels", few, "--group", "person"),
        f"--group 'person': {points} has no such column in a metadata table, .npz or shard, expected the group of each",
    )
    refused(
        train(synth2real, points, tmp_path / "run", "--group", "person"),
        "--group 'person' names the groups of --few-labels, found none. Add them or leave it out",
    )
    refused(
        train(synth2real, points, tmp_path / "run", "--few-labels", few, "--group", "camera"),
        f"{few}: has no column 'camera' in a metadata table, .npz or shard",
    )
    assert not (tmp_path / "run").exists()


def test_a_classifier_is_adapted_and_corrected_and_refuses_one_label(synth2real, tmp_path, run, classes, photos):
    out = tmp_path / "adapted"
    arguments = ("adapt", run, "--target", photos, "--method", "tent", "--steps", 2, "--out", out)
    code, printed, err = synth2real(*arguments, "--few-labels", classes, "--json")
    assert code == 0, err
    assert json.loads(printed)["few_labels"]["metric"] == "accuracy"
    assert load_model(out).description["corrections"]
    save(tmp_path / "one" / "dark" / "1.png", dot(3, 3, (16, 16)))
    refused(
        synth2real("predict", run, photos, "--few-labels", tmp_path / "one", "--out", tmp_path / "p.csv"),
        "the only few label is of the class 'dark', expected labels of two classes or more",
    )
    refused(
        synth2real("predict", run, photos, "--group", "person", "--out", tmp_path / "p.csv"),
        "--group 'person': the run has no correction by group. Leave it out, or correct the run with --few-labels",
    )


def test_fine_tuning_is_measured_by_two_halves_and_refused_before_the_training(synth2real, tmp_path, points, few):
    code, out, err = train(
        synth2real, points, tmp_path / "run", "--few-labels", few, "--fine-tune", 2, "--group", "person"
    )
    assert code == 2  # the target has no persons
    code, out, err = train(synth2real, points, tmp_path / "run", "--few-labels", few, "--fine-tune", 2, "--json")
    assert code == 0, err
    assert json.loads(out)["few_labels"]["shares"] == {"fine-tuning": 1.0}
    assert synth2real("predict", tmp_path / "run", points, "--out", tmp_path / "p.csv")[0] == 0
    refused(
        train(synth2real, points, tmp_path / "other", "--fine-tune", 2),
        "--fine-tune 2: found no --few-labels to train on with. Add them or leave it out",
    )
    refused(
        train(synth2real, points, tmp_path / "other", "--few-labels", dots(tmp_path / "3", 3), "--fine-tune", 2),
        "3 few label(s), expected 4 or more to fine-tune",
    )
    assert not (tmp_path / "other").exists()
