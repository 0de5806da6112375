"""`synth2real export`, and `predict` and `evaluate` of what it wrote."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import below, picture, refused, save
from skips import optional

DOCS = Path(__file__).parents[3] / "docs" / "export.md"


@pytest.fixture(scope="module")
def exported(tmp_path_factory, run):
    """The run as `model.onnx`."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        optional(package, "onnx")
    from synth2real import load_model
    from synth2real.deploy import export_model

    return export_model(load_model(run), tmp_path_factory.mktemp("exports") / "model.onnx").path


def predictions(synth2real, model, images, folder):
    arguments = ("predict", model, images, "--out", folder / "p.csv", "--probabilities", "--overwrite", "--quiet")
    code, _, err = synth2real(*arguments)
    assert code == 0, err
    return [line.split(",") for line in (folder / "p.csv").read_text().splitlines()]


def test_predict_writes_the_same_table_from_the_file_as_from_the_run(synth2real, tmp_path, run, exported, photos):
    ours = predictions(synth2real, run, photos, tmp_path)
    theirs = predictions(synth2real, exported, photos, tmp_path)
    assert [row[:2] for row in theirs] == [row[:2] for row in ours]
    for a, b in zip(ours[1:], theirs[1:], strict=True):
        assert [float(p) for p in a[2:]] == pytest.approx([float(p) for p in b[2:]], abs=2e-6)


def test_evaluate_takes_the_file(synth2real, run, exported, classes):
    found = []
    for model in (run, exported):
        code, out, err = synth2real("evaluate", model, "--on", classes, "--json")
        assert code == 0, err
        found.append({k: v for k, v in json.loads(out).items() if k != "seconds"})
    assert found[0] == found[1]


def test_the_server_of_the_documentation_answers_without_torch(synth2real, tmp_path, run, exported):
    files = [save(tmp_path / "photos" / f"{i}.png", picture(i, (16, 16), level=60 + 30 * i)) for i in range(6)]
    code = re.search(r"```python\n(import json, sys\n.*?)```", DOCS.read_text(), re.DOTALL)[1]
    assert len(code.splitlines()) <= 12
    blocked = "import sys\nsys.modules['torch'] = sys.modules['synth2real'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + code, exported, *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = predictions(synth2real, run, tmp_path / "photos", tmp_path)[1:]
    served = [line.split(" ") for line in done.stdout.splitlines()]
    assert [(Path(file).name, label) for file, label, _ in served] == [(row[0], row[1]) for row in expected]
    assert [float(row[2]) for row in served] == pytest.approx([float(row[2]) for row in expected], abs=2e-6)


def test_a_trained_run_is_checked_with_images_of_its_target(synth2real, tmp_path, points, photos):
    optional("onnxruntime", "onnx")
    optional("onnxscript", "onnx")
    arguments = ("--target", photos, "--task", "keypoints", "--label", "x", "--label", "y", "--steps", 2)
    assert synth2real("train", points, *arguments, "--out", tmp_path / "run")[0] == 0
    out = tmp_path / "new" / "model.onnx"
    code, printed, err = synth2real("export", tmp_path / "run", "--to", out, "--int8", "--calibrate", photos)
    assert (code, printed) == (0, ""), err
    said = err.splitlines()[-3:]
    assert re.fullmatch(rf"checked: 9 inputs of {photos} have the same answers as the run within \d\.\de-\d\d", said[0])
    assert re.fullmatch(
        r"int8: of 40 real inputs, a mean change of [\d.e-]+; [\d.]+ MB before, [\d.]+ MB after", said[1]
    )
    assert re.fullmatch(rf"exported: {out} \([\d.]+ MB\)", said[2])
    assert below(tmp_path / "new") == ["model.onnx", "model.onnx.provenance.json"]


def test_without_the_target_noise_checks_it_and_that_is_said(synth2real, tmp_path, run):
    code, printed, err = synth2real("export", run, "--to", tmp_path / "model.pt2", "--json")
    assert code == 0
    assert re.search(
        r"checked: 9 inputs of noise \(the target of the run was not found; name real images with --check\) have the "
        "same answers as the run within",
        err,
    )
    found = json.loads(printed)
    assert found["checked"]["count"] == 9
    assert (found["checked"]["images"], found["int8"]) == (None, None)
    assert found["bytes"] == (tmp_path / "model.pt2").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "model.tflite"], "model.tflite: found the suffix '.tflite', expected .onnx"),
        (["--to", "model.onnx", "--int8"], "--int8 and --calibrate TARGET need each other"),
        (["--to", "model.onnx", "--calibrate", "photos"], "--int8 and --calibrate TARGET need each other"),
        (["--to", "model.pt2", "--check", "nowhere"], "--check nowhere: no such folder or file"),
        (["--to", "there.pt2"], "there.pt2: the file exists"),
    ],
)
def test_what_cannot_be_exported_is_refused(synth2real, tmp_path, monkeypatch, run, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.pt2").write_text("x")
    refused(synth2real("export", run, *arguments), words)
    assert below(tmp_path) == ["there.pt2"]


def test_a_run_that_is_not_there_is_refused(synth2real, tmp_path):
    refused(
        synth2real("export", tmp_path / "no", "--to", tmp_path / "a.pt2"), "no: found no model.yaml, expected a run"
    )


@pytest.mark.parametrize("option", ["--few-labels", "--group"])
def test_predict_does_not_correct_an_exported_model(synth2real, tmp_path, exported, photos, classes, option):
    value = classes if option == "--few-labels" else "person"
    words = "the exported" if option == "--few-labels" else "the run has no correction by group"
    refused(synth2real("predict", exported, photos, "--out", tmp_path / "p.csv", option, value), option, words)


def test_a_run_of_texts_is_exported_for_dense_rows(synth2real, tmp_path):
    optional("onnxruntime", "onnx")
    optional("onnxscript", "onnx")
    rows = [f"{i % 2} {1 + i % 2}:1 {3 + i % 4}:0.5\n" for i in range(40)]
    for name in ("books", "dvd"):
        (tmp_path / f"{name}.svmlight").write_text("".join(rows))
    target = tmp_path / "dvd.svmlight"
    run, out = tmp_path / "run", tmp_path / "model.onnx"
    assert synth2real("train", tmp_path / "books.svmlight", "--target", target, "--steps", 5, "--out", run)[0] == 0
    code, _, err = synth2real("export", run, "--to", out)
    assert code == 0, err
    assert "checked: 8 inputs of" in err
    ours, theirs = (predictions(synth2real, model, target, tmp_path) for model in (run, out))
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]


def test_images_of_floats_are_refused(synth2real, tmp_path, exported):
    np.savez(tmp_path / "photos.npz", images=np.zeros((3, 16, 16), np.float32))
    result = synth2real("predict", exported, tmp_path / "photos.npz", "--out", tmp_path / "p.csv")
    refused(result, "photos.npz: found images of torch.float32, expected uint8 in 0..255")


def test_an_exported_model_is_computed_on_the_cpu(synth2real, monkeypatch, tmp_path, exported, photos):
    monkeypatch.setattr("synth2real.training.hardware.devices", lambda: ["cpu", "mps"])
    arguments = ("predict", exported, photos, "--out", tmp_path / "p.csv", "--device")
    refused(synth2real(*arguments, "mps"), "--device mps", "onnxruntime on the CPU, expected cpu", "run folder")
    code, _, err = synth2real(*arguments, "cpu")
    assert code == 0, err
