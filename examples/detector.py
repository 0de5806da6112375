"""A detector of one's own: the encoder of RT-DETRv2 of transformers in the place of the library's network.

A network for boxes takes images (N, C, H, W) and returns maps of features (N, F, h, w). The head that finds boxes on
them is the library's, so every method of adaptation works on the network. Needs `pip install 'synth2real[detection]'`
and `'synth2real[transformers]'`.

python examples/detector.py [STEPS]
"""

from __future__ import annotations

import sys

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import RTDetrResNetBackbone, RTDetrResNetConfig, RTDetrV2Config
from transformers.models.rt_detr_v2.modeling_rt_detr_v2 import RTDetrV2HybridEncoder

from synth2real import Budget, Model, Route
from synth2real.adapt import Teacher
from synth2real.randomize import Full
from synth2real.simulate import Blood

SIZE = (96, 128)  # pixels
MAPS = 64


class RTDetr(nn.Module):
    """RT-DETRv2 up to its decoder: a ResNet and an encoder that mixes its scales, of which one map is made.

    References:
        Lv, Zhao, Chang, Huang, Wang & Liu (2024). RT-DETRv2. arXiv:2407.17140.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        resnet = RTDetrResNetConfig(
            num_channels=channels,
            embedding_size=16,
            hidden_sizes=[16, 32, 64, 128],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        )  # a small one, with new weights; with others: RTDetrResNetBackbone.from_pretrained(...)
        widths = resnet.hidden_sizes[1:]
        self.backbone = RTDetrResNetBackbone(resnet)
        self.project = nn.ModuleList(nn.Conv2d(width, MAPS, 1) for width in widths)
        self.mix = RTDetrV2HybridEncoder(
            RTDetrV2Config(encoder_in_channels=widths, encoder_hidden_dim=MAPS, encoder_ffn_dim=2 * MAPS)
        )
        self.fine = nn.Sequential(nn.Conv2d(MAPS, MAPS, 3, padding=1), nn.GroupNorm(8, MAPS), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        maps = self.backbone(x).feature_maps  # at strides 8, 16 and 32
        mixed = self.mix([project(one) for project, one in zip(self.project, maps, strict=True)]).last_hidden_state
        fine: Tensor = self.fine(F.interpolate(mixed[0], scale_factor=2.0, mode="bilinear", align_corners=False))
        return fine


def adapted(steps: int, count: int = 800) -> Model:
    """A detector from rendered blood to that under a dimmer, less sharp microscope."""
    blood = Blood(size=SIZE)
    target = blood.with_ranges(light=(110, 150), blur=(0.5, 0.9)).labelled(count // 4, 1).unlabelled()
    route = Route(randomize=Full(), adapt=Teacher(), features=RTDetr())
    return route.run(blood.labelled(count, 0), target, budget=Budget(steps=steps, batch=8)).model


if __name__ == "__main__":
    model = adapted(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
    test = Blood(size=SIZE).with_ranges(light=(110, 150), blur=(0.5, 0.9)).labelled(100, 2)
    print({name: value for name, value in model.evaluate(test).items() if name in ("ap50", "map", "ap50_of")})
