"""A detector as `.onnx`: the boxes of the run, by the program of docs/export.md, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import picture, save
from skips import optional
from small_models import scrambled
from synth2real import InputError, load_unlabelled
from synth2real.data.reading.pixels import Conversion
from synth2real.deploy import export_model, load_onnx
from synth2real.tasks import Detection
from synth2real.training.model import Model

DOCS = Path(__file__).parents[2] / "docs/export.md"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        optional(package, "onnx")
    torch.manual_seed(0)
    model = scrambled(Model(Detection(("car", "dog"), (24, 32), 4.0), (3, 24, 32)))
    model.conversion = Conversion((24, 32), 3, resize="letterbox")
    path = tmp_path_factory.mktemp("exports") / "model.onnx"
    return model, export_model(model, path).path


@pytest.fixture
def photos(tmp_path):
    for i in range(3):
        save(tmp_path / f"photos/{i}.png", picture(i, (40 + i, 48), 3))
    return tmp_path / "photos"


def test_the_boxes_of_the_file_are_those_of_the_run(exported, photos):
    model, path = exported
    ours, theirs = model.predict(photos).values, load_onnx(path).predict(photos).values
    assert torch.equal(ours.counts, theirs.counts)
    torch.testing.assert_close(ours.corners, theirs.corners, atol=1e-2, rtol=1e-4)
    assert load_onnx(path).facts["classes"] == ["car", "dog"]
    assert load_onnx(path).facts["task"]["scale"] == 4.0


def test_the_program_of_the_docs_gives_the_same_boxes(exported, tmp_path, capsys, monkeypatch):
    model, path = exported
    save(tmp_path / "one.png", picture(5, (24, 32), 3))
    (code,) = re.findall(r"```python\n(import json, sys\n[^`]*maps[^`]*)```", DOCS.read_text(encoding="utf-8"))
    monkeypatch.setattr("sys.argv", ["serve.py", str(path), str(tmp_path / "one.png")])
    exec(compile(code, "serve.py", "exec"), {})
    found = [line.split()[1:] for line in capsys.readouterr().out.splitlines()]
    boxes = model.predict(load_unlabelled(tmp_path / "one.png", size=(24, 32))).values
    assert len(found) == len(boxes.corners)
    names = [("car", "dog")[i] for i in boxes.classes.tolist()]
    assert sorted(row[0] for row in found) == sorted(names)
    assert np.allclose(sorted(float(row[1]) for row in found), sorted(boxes.scores.tolist()), atol=1e-3)
    assert Image.open(tmp_path / "one.png").size == (32, 24)


def test_int8_is_refused(exported, photos, tmp_path):
    target = load_unlabelled(photos, size=(24, 32), resize="letterbox")
    with pytest.raises(InputError, match="--int8 serves classes, values, points and gaze, found boxes"):
        export_model(exported[0], tmp_path / "small.onnx", calibrate=target)
    assert not (tmp_path / "small.onnx").exists()
