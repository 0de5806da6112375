"""A detector as `.onnx`: its maps, the program of docs/export.md that makes boxes of them, and what is refused."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers import picture, save
from skips import optional
from synth2real import InputError, Unlabelled, load_unlabelled
from synth2real.data.reading.pixels import Conversion
from synth2real.deploy import export_model, load_onnx
from synth2real.deploy.facts import facts_of
from synth2real.deploy.graph import Graph
from synth2real.tasks import Detection
from synth2real.training.model import Model

DOCS = Path(__file__).parents[2] / "docs/export.md"


@pytest.fixture(scope="module")
def model():
    """A detector that finds something here and there."""
    torch.manual_seed(0)
    made = Model(Detection(("car", "dog"), (24, 32), 4.0), (3, 24, 32)).eval()
    for branch in (made.head[-1].classes, made.head[-1].boxes):
        torch.nn.init.normal_(branch[-1].weight, std=0.5)
        torch.nn.init.zeros_(branch[-1].bias)
    made.conversion = Conversion((24, 32), 3, resize="letterbox")
    return made


@pytest.fixture
def photos(tmp_path):
    for i in range(3):
        save(tmp_path / f"photos/{i}.png", picture(i, (40 + i, 48), 3))
    return tmp_path / "photos"


def test_the_graph_gives_the_maps_of_images_as_they_are_and_says_what_they_are(model):
    graph = Graph(model)
    images = torch.from_numpy(np.stack([picture(i, (24, 32), 3) for i in range(2)]))
    with torch.no_grad():
        maps = graph(images)
    torch.testing.assert_close(maps, model.outputs(images.permute(0, 3, 1, 2)), atol=1e-4, rtol=1e-4)
    facts = facts_of(graph, {})
    assert (facts["output"], facts["classes"], facts["task"]["scale"]) == ("maps", ["car", "dog"], 4.0)
    assert facts["units"].startswith("logits of the classes")


def test_the_program_of_the_docs_makes_the_boxes_of_the_run(model, tmp_path, capsys, monkeypatch):
    graph, file = Graph(model), tmp_path / "one.png"
    texts = {f"synth2real.{name}": json.dumps(value) for name, value in facts_of(graph, {}).items()}

    class Session:
        def __init__(self, _: str) -> None: ...

        def get_modelmeta(self):
            return SimpleNamespace(custom_metadata_map=texts)

        def run(self, _, batch):
            with torch.no_grad():
                return [graph(torch.from_numpy(batch["images"].copy())).numpy()]

    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=Session))
    monkeypatch.setattr("sys.argv", ["serve.py", "model.onnx", str(save(file, picture(5, (24, 32), 3)))])
    (code,) = re.findall(r"```python\n(import json[^`]*maps[^`]*)```", DOCS.read_text(encoding="utf-8"))
    exec(compile(code, "serve.py", "exec"), {})
    found = sorted(line.split()[1:] for line in capsys.readouterr().out.splitlines())
    boxes = model.predict(load_unlabelled(file, size=(24, 32))).values
    rows = zip(boxes.classes.tolist(), boxes.scores.tolist(), boxes.corners.tolist(), strict=True)
    expected = sorted([("car", "dog")[kind], f"{score:.6f}", *corners] for kind, score, corners in rows)
    assert len(found) == len(expected) > 3
    for one, other in zip(found, expected, strict=True):
        assert one[0] == other[0]
        assert np.allclose(np.array(one[1:], float), np.array(other[1:], float), atol=0.01)


@pytest.mark.slow
def test_the_boxes_of_the_file_are_those_of_the_run(model, photos, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        optional(package, "onnx")
    found = load_onnx(export_model(model, tmp_path / "model.onnx", images=photos).path)
    ours, theirs = model.predict(photos).values, found.predict(photos).values
    assert torch.equal(ours.counts, theirs.counts)
    torch.testing.assert_close(ours.corners, theirs.corners, atol=0.01, rtol=1e-3)


def test_int8_is_refused(model, tmp_path):
    target = Unlabelled(torch.zeros(2, 3, 24, 32, dtype=torch.uint8))
    with pytest.raises(InputError, match="--int8 serves classes, values, points and gaze, found detect"):
        export_model(model, tmp_path / "small.onnx", calibrate=target)
    assert not (tmp_path / "small.onnx").exists()
