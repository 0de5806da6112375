"""The example of a segmenter of one's own."""

import importlib
import sys
from pathlib import Path

import torch

from skips import optional
from synth2real.tasks import Segmentation
from synth2real.training.saved_model import load_model

optional("transformers", "transformers")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
example = importlib.import_module("segmenter")


def test_it_takes_the_place_of_the_network_and_is_loaded_again(tmp_path: Path) -> None:
    model = example.adapted(steps=3)
    assert isinstance(model.task, Segmentation)
    images = torch.randint(256, (4, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model.save(tmp_path)
    again = load_model(tmp_path, features=example.SegFormer())
    assert torch.equal(model.predict(images).values, again.predict(images).values)
    assert model.embed(images).shape == (4, 64)
