"""Detectors of transformers up to their decoder, as encoders of maps: RT-DETR, RT-DETRv2 and D-FINE."""

from __future__ import annotations

from typing import Any

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
        size = [-(-side // self.coarsest) * self.coarsest for side in x.shape[2:]]
        if size != list(x.shape[2:]):
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
        found: list[Tensor] = self.network(x)
        return found
