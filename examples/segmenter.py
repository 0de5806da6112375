"""A segmenter of one's own: SegFormer of transformers in the place of the library's network, adapted by the teacher.

A network for masks takes images (N, C, H, W) and returns maps of features (N, F, h, w). The head that names the classes
is the library's, so every method of adaptation works on the network. Needs `pip install 'synth2real[transformers]'`.

python examples/segmenter.py [STEPS]
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SegformerConfig, SegformerModel

from synth2real import Budget, Model, Route
from synth2real.adapt import Teacher
from synth2real.randomize import Full
from synth2real.simulate import Nuclei

SIDE = 64  # pixels
WIDTHS = [16, 32, 64, 128]  # channels of the four stages: a small one, with new weights
MAPS = 64


class SegFormer(nn.Module):
    """SegFormer up to its classifier: four stages, of which one map of features at stride 4 is made.

    References:
        Xie, Wang, Yu, Anandkumar, Alvarez & Luo (2021). SegFormer. NeurIPS. arXiv:2105.15203.
    """

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        config = SegformerConfig(num_channels=channels, hidden_sizes=WIDTHS, depths=[1, 1, 1, 1])
        self.stages = SegformerModel(config)  # with weights: SegformerModel.from_pretrained("nvidia/mit-b0")
        self.project = nn.ModuleList(nn.Conv2d(width, MAPS, 1) for width in WIDTHS)
        self.fuse = nn.Sequential(nn.Conv2d(MAPS * len(WIDTHS), MAPS, 1), nn.GroupNorm(8, MAPS), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        maps = self.stages(pixel_values=x, output_hidden_states=True).hidden_states
        size = maps[0].shape[2:]
        same = [
            F.interpolate(project(one), size, mode="bilinear", align_corners=False)
            for project, one in zip(self.project, maps, strict=True)
        ]
        fused: Tensor = self.fuse(torch.cat(same, 1))
        return fused


def adapted(steps: int) -> Model:
    """SegFormer from rendered nuclei to those of a dimmer, less sharp microscope."""
    nuclei = Nuclei(size=(SIDE, SIDE))
    elsewhere = nuclei.with_ranges(brightness=(15, 60), defocus=(1.5, 4.0))
    route = Route(randomize=Full(), adapt=Teacher(), features=SegFormer())
    target = elsewhere.labelled(200, 1).unlabelled()
    return route.run(nuclei.labelled(800, 0), target, budget=Budget(steps=steps, batch=8)).model


if __name__ == "__main__":
    model = adapted(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
    test = Nuclei(size=(SIDE, SIDE)).with_ranges(brightness=(15, 60), defocus=(1.5, 4.0)).labelled(100, 2)
    print({name: value for name, value in model.evaluate(test).items() if name != "iou_of"})
