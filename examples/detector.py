"""A detector of one's own that predicts a set of boxes, in the place of the library's network and head.

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
WIDTH = 64  # of the features


class OneBoxAPlace(nn.Module):
    """Maps at stride 8, each place of which answers with one box. No box is suppressed by another afterwards.

    References:
        Sun, Jiang, Xie, Shao, Yuan, Wang & Luo (2021). What Makes for End-to-End Object Detection? ICML.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        pairs = itertools.pairwise((channels, 24, 48, WIDTH))
        self.stages = nn.Sequential(*(_convolution(a, b, 2) for a, b in pairs), _convolution(WIDTH, WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.stages(x)
        return features

    def set_head(self, classes: int) -> nn.Module:
        """The layers from features to a set of boxes."""
        return Head(classes)


class Head(nn.Module):
    """Of each place a logit of each class, then centre x, y, width and height as shares of the image."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_convolution(WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, classes + 4, 1))
        self.classes, start = classes, torch.tensor([-4.0] * classes + [0.0, 0.0, -2.0, -2.0])
        self.layers[-1].bias = nn.Parameter(start)  # few places have objects, and most of these are small

    def forward(self, features: Tensor) -> Tensor:
        """(N, h w, classes + 4)."""
        height, width = features.shape[2:]
        found = self.layers(features)
        y, x = torch.meshgrid(*((torch.arange(side).to(found) + 0.5) / side for side in (height, width)), indexing="ij")
        step = found.new_tensor([1 / width, 1 / height])[:, None, None]
        said, moves, sides = found.split([self.classes, 2, 2], 1)
        centre = torch.stack([x, y]) + step * moves
        return torch.cat([said, centre, sides.sigmoid()], 1).flatten(2).mT


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(8, outputs), nn.ReLU())


def adapted(steps: int, count: int = 800) -> Model:
    """A detector from rendered blood to that under a dimmer, less sharp microscope."""
    blood = Blood(size=SIZE)
    target = blood.with_ranges(light=(110, 150), blur=(0.5, 0.9)).labelled(count // 4, 1).unlabelled()
    route = Route(randomize=Full(), adapt=Teacher(), features=OneBoxAPlace())
    return route.run(blood.labelled(count, 0), target, budget=Budget(steps=steps, batch=8)).model


if __name__ == "__main__":
    model = adapted(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
    test = Blood(size=SIZE).with_ranges(light=(110, 150), blur=(0.5, 0.9)).labelled(100, 2)
    print({name: value for name, value in model.evaluate(test).items() if name in ("ap50", "map", "ap50_of")})
