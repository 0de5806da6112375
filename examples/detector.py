"""A detector of one's own, which predicts a set of boxes: a small DETR in the place of the library's network and head.

A network for boxes takes images (N, C, H, W) and returns maps of features (N, F, h, w), on which every method of
adaptation acts. The head that finds boxes on them is the library's, unless the network has a method `set_head`. Needs
`pip install 'synth2real[detection]'`. Larger detectors come by name: `--network transformers:PekingU/rtdetr_v2_r18vd`.

python examples/detector.py [STEPS]
"""

from __future__ import annotations

import itertools
import sys

import torch
from torch import Tensor, nn

from synth2real import Budget, Model, Route
from synth2real.adapt import Teacher
from synth2real.randomize import Full
from synth2real.simulate import Blood

SIZE = (96, 128)  # pixels
STRIDE, WIDTH, QUERIES = 16, 64, 40


class SmallDetr(nn.Module):
    """Maps at stride 16, of which a transformer makes a set of boxes.

    References:
        Carion, Massa, Synnaeve, Usunier, Kirillov & Zagoruyko (2020). End-to-End Object Detection with Transformers.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        widths = (channels, 16, 32, 48, WIDTH)
        pairs = itertools.pairwise(widths)
        self.stages = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.GroupNorm(8, b), nn.ReLU()) for a, b in pairs)
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.stages(x)
        return features

    def set_head(self, classes: int) -> nn.Module:
        """The layers from features to a set of boxes."""
        return Decoder(classes)


class Decoder(nn.Module):
    """Each query attends to all places of the maps and to the other queries, and answers with one box."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes, self.places = classes, SIZE[0] * SIZE[1] // STRIDE**2
        self.queries = nn.Parameter(torch.randn(QUERIES, WIDTH))
        self.positions = nn.Parameter(torch.randn(self.places, WIDTH))
        self.layers = nn.TransformerDecoder(nn.TransformerDecoderLayer(WIDTH, 4, 128, 0.0, batch_first=True), 2)
        self.last = nn.Linear(WIDTH, classes + 4)
        nn.init.constant_(self.last.bias[:classes], -4.0)  # few queries are objects

    def forward(self, features: Tensor) -> Tensor:
        """Of each query a logit of each class, then centre x, y, width and height in 0..1: (N, Q, classes + 4)."""
        memory = features.flatten(2).mT + self.positions
        found = self.last(self.layers(self.queries.expand(len(features), -1, -1), memory))
        return torch.cat([found[..., : self.classes], found[..., self.classes :].sigmoid()], 2)


def adapted(steps: int, count: int = 800) -> Model:
    """A detector from rendered blood to that under a dimmer, less sharp microscope."""
    blood = Blood(size=SIZE)
    target = blood.with_ranges(light=(110, 150), blur=(0.5, 0.9)).labelled(count // 4, 1).unlabelled()
    route = Route(randomize=Full(), adapt=Teacher(), features=SmallDetr())
    return route.run(blood.labelled(count, 0), target, budget=Budget(steps=steps, batch=8)).model


if __name__ == "__main__":
    model = adapted(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
    test = Blood(size=SIZE).with_ranges(light=(110, 150), blur=(0.5, 0.9)).labelled(100, 2)
    print({name: value for name, value in model.evaluate(test).items() if name in ("ap50", "map", "ap50_of")})
