"""The example of a detector of one's own."""

import importlib
import sys
from pathlib import Path

import torch

from synth2real.tasks import Detection
from synth2real.training.saved_model import load_model

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
example = importlib.import_module("detector")


def test_it_takes_the_place_of_the_network_and_is_loaded_again(tmp_path: Path) -> None:
    model = example.adapted(steps=2, count=40)
    assert isinstance(model.task, Detection)
    images = torch.randint(256, (3, 3, 96, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model.save(tmp_path)
    again = load_model(tmp_path, features=example.OneBoxAPlace())
    assert torch.equal(model.predict(images).values.corners, again.predict(images).values.corners)
    assert model.embed(images).shape == (3, 64)
