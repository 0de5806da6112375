"""Detectors of transformers, RT-DETR, RT-DETRv2 and D-FINE: up to their decoder, or whole, with a head of their own."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dense import HiddenMaps

KINDS = ("rt_detr", "rt_detr_v2", "d_fine")  # `model_type` in their configurations


def is_detector(config: Any) -> bool:
    """Whether a configuration of transformers is that of a detector which this file serves."""
    return getattr(config, "model_type", None) in KINDS


def adjusted(config: Any, channels: int) -> Any:
    """The configuration of a detector, changed for images of any size and for batch normalisation of torch itself.

    By default its backbone has layers in the place of batch normalisation whose statistics are fixed for ever. Here
    `Tuned` decides whether statistics are kept, and `AdaBN` and `DSBN` can adapt them.

    Args:
        config: is changed.
        channels: of the images.
    """
    config.freeze_backbone_batch_norms = False
    config.eval_size = config.anchor_image_size = None
    config.backbone_config.num_channels = channels
    if hasattr(config.backbone_config, "stem_channels"):  # HGNetV2
        config.backbone_config.stem_channels = [channels, *config.backbone_config.stem_channels[1:]]
    return config


class Encoding(nn.Module):
    """The parts of a detector before its decoder, under their own names. It returns maps, see `DetectorMaps`.

    Args:
        network: a model of a configuration for which `is_detector` is true. Its parts are used, not copied.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.config = network.config
        self.backbone: Any = network.backbone
        self.encoder_input_proj, self.encoder = network.encoder_input_proj, network.encoder

    def forward(self, x: Tensor) -> list[Tensor]:
        made = self.backbone.model(x, output_hidden_states=True)
        projected = [layer(part) for layer, part in zip(self.encoder_input_proj, made.feature_maps, strict=True)]
        mixed: list[Tensor] = self.encoder(projected).last_hidden_state
        last = {state.shape[3]: state for state in made.hidden_states}  # of each resolution
        return [*(state for width, state in last.items() if width > mixed[0].shape[3]), *mixed]


class DetectorMaps(HiddenMaps):
    """A detector of transformers up to its decoder: the hybrid encoder mixes the scales of a backbone.

    Its maps are those of the encoder (at strides 8, 16 and 32; of the smallest models 16 and 32) and, before them, the
    finer ones of the backbone, from stride 4. The encoder doubles and halves its maps, so images whose sides are no
    multiples of the coarsest stride are enlarged to the next ones.

    Args:
        network: see `Encoding`.

    References:
        Zhao, Lv, Xu, Wei, Wang, Dang, Liu & Chen (2024). DETRs Beat YOLOs on Real-time Object Detection. CVPR.
        Lv, Zhao, Chang, Huang, Wang & Liu (2024). RT-DETRv2. arXiv:2407.17140.
        Peng, Li, Wu, Zhang, Sun & Wu (2025). D-FINE. ICLR. arXiv:2410.13842.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(Encoding(network))
        self.coarsest = int(max(self.network.config.feat_strides))  # type: ignore[union-attr,arg-type]

    def maps(self, x: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.network(enlarged(x, self.coarsest))
        return found


def enlarged(x: Tensor, stride: int) -> Tensor:
    """Images (N, C, H, W) whose sides are multiples of a stride: enlarged to the next ones, or as they are."""
    size = [-(-side // stride) * stride for side in x.shape[2:]]
    return x if size == list(x.shape[2:]) else F.interpolate(x, size, mode="bilinear", align_corners=False)


class WholeDetector(nn.Module):
    """A detector of transformers with its decoder, see `dense.SetDetector`.

    Its features are the maps of the encoder at the stride of the finest one: the others are repeated to this size.
    Nothing is lost, since the decoder takes each value once.

    Args:
        network: see `Encoding`.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = Encoding(network)
        self.strides = [int(stride) for stride in network.config.feat_strides]

    @property
    def config(self) -> dict[str, Any]:
        """The architecture, as plain data."""
        plain: dict[str, Any] = json.loads(self.network.config.to_json_string())
        return plain

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, L d, h, w) of L levels of d channels each."""
        maps = self.network(enlarged(x, max(self.strides)))[-len(self.strides) :]
        size = maps[0].shape[2:]
        return torch.cat([F.interpolate(one, size, mode="nearest") for one in maps], 1)

    def set_head(self, classes: int) -> nn.Module:
        """The decoder with new weights, for so many classes."""
        transformers, known = importlib.import_module("transformers"), copy.deepcopy(self.network.config)
        known.num_labels, known.num_denoising = classes, 0
        whole = transformers.AutoModelForObjectDetection.from_config(known)
        return SetDecoder(whole.model, [stride // min(self.strides) for stride in self.strides])


class SetDecoder(nn.Module):
    """What follows the encoder of a detector of transformers: it selects points of the maps, and refines their boxes.

    Queries of noisy labels (denoising), which speed up a training from scratch, are left out, and so is what D-FINE
    learns of the distributions of the sides.

    Args:
        network: see `Encoding`; its encoder is removed.
        strides: of each level, in units of the finest one.
    """

    def __init__(self, network: Any, strides: Sequence[int]) -> None:
        super().__init__()
        for part in ("backbone", "encoder_input_proj", "encoder"):
            setattr(network, part, None)
        self.network, self.strides = network, list(strides)

    def forward(self, features: Tensor) -> Tensor:
        """Raw outputs (N, Q, S (C + 4)), see `tasks.box_sets`; only the last stage in evaluation mode."""
        levels = features.chunk(len(self.strides), 1)
        maps = [level[..., ::stride, ::stride] for level, stride in zip(levels, self.strides, strict=True)]
        made = self.network(None, inputs_embeds=maps[0], encoder_outputs=(maps,))
        said, boxes = made.intermediate_logits, made.intermediate_reference_points
        found = [torch.cat([said[:, -1], boxes[:, -1]], 2)]
        if self.training:
            found += torch.cat([said, boxes], 3)[:, :-1].unbind(1)
            found.append(torch.cat([made.enc_topk_logits, made.enc_topk_bboxes], 2))
        return torch.cat(found, 2)
