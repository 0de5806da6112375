"""A segmenter as `.onnx`: its maps, and the masks that `predict` and `evaluate` make of them."""

import numpy as np
import pytest
import torch

from helpers import picture, save
from skips import optional
from synth2real import load_unlabelled
from synth2real.data.reading.pixels import Conversion
from synth2real.deploy import export_model, load_onnx
from synth2real.deploy.facts import facts_of
from synth2real.deploy.graph import Graph
from synth2real.tasks import Segmentation
from synth2real.training.model import Model


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = Model(Segmentation(("background", "car", "dog"), (24, 32)), (3, 24, 32)).eval()
    made.conversion = Conversion((24, 32), 3, resize="letterbox")
    return made


def test_the_graph_gives_the_maps_of_images_as_they_are_and_says_what_they_are(model):
    graph = Graph(model)
    images = torch.from_numpy(np.stack([picture(i, (24, 32), 3) for i in range(2)]))
    with torch.no_grad():
        maps = graph(images)
    torch.testing.assert_close(maps, model.outputs(images.permute(0, 3, 1, 2)), atol=1e-4, rtol=1e-4)
    assert torch.equal(model.task.predict(maps), model.predict(images.permute(0, 3, 1, 2)).values)
    facts = facts_of(graph, {})
    assert (facts["output"], facts["classes"]) == ("maps", ["background", "car", "dog"])
    assert facts["units"].startswith("logits of the classes over the resized image")


@pytest.mark.slow
def test_the_masks_of_the_file_are_those_of_the_run_and_the_command_writes_them(model, tmp_path, synth2real):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        optional(package, "onnx")
    for i in range(3):
        save(tmp_path / f"photos/{i}.png", picture(i, (40 + i, 48), 3))
    found = load_onnx(export_model(model, tmp_path / "model.onnx", images=tmp_path / "photos").path)
    photos = load_unlabelled(tmp_path / "photos", size=(24, 32), channels=3, resize="letterbox")
    assert (found.predict(photos).values == model.predict(photos).values).float().mean() > 0.999
    torch.testing.assert_close(found.maps(photos), model.outputs(model.inputs_of(photos)), atol=1e-3, rtol=1e-3)
    code, _, _ = synth2real("predict", tmp_path / "model.onnx", tmp_path / "photos", "--out", tmp_path / "masks")
    assert code == 0
    written = sorted(file.name for file in (tmp_path / "masks").iterdir())
    assert written == ["0.png", "1.png", "2.png", "classes.yaml", "provenance.json"]
