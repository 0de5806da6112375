"""Tiny detectors of transformers in a folder, in the form of the hub."""

import json
from pathlib import Path
from typing import Any

import torch

from skips import optional

SMALL: dict[str, Any] = {
    "encoder_hidden_dim": 16,
    "encoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "d_model": 16,
    "decoder_ffn_dim": 16,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
    "num_queries": 20,
}
PREPROCESSOR = {"do_normalize": False, "rescale_factor": 1 / 255, "size": {"height": 640, "width": 640}}
DETECTORS = ("RTDetr", "RTDetrV2", "DFine")


def configuration(kind: str) -> Any:
    """A small configuration of one of `DETECTORS`. That of D-FINE has two levels, as its smallest model has."""
    transformers = optional("transformers", "transformers")
    if kind == "DFine":
        net = transformers.HGNetV2Config(
            stem_channels=[3, 8, 8],
            stage_in_channels=[8, 8, 16, 16],
            stage_mid_channels=[8] * 4,
            stage_out_channels=[8, 16, 16, 24],
            stage_num_blocks=[1] * 4,
            stage_numb_of_layers=[1] * 4,
            hidden_sizes=[8, 16, 16, 24],
            depths=[1] * 4,
            embedding_size=8,
            out_features=["stage3", "stage4"],
        )
        levels = {"feat_strides": [16, 32], "encode_proj_layers": [1], "num_feature_levels": 2}
        two = {"encoder_in_channels": [16, 24], "decoder_in_channels": [16] * 2, "decoder_n_points": [2, 2]}
        return transformers.DFineConfig(backbone_config=net, **levels, **two, **SMALL)
    net = transformers.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1] * 4,
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    three = {"encoder_in_channels": [16, 24, 32], "decoder_in_channels": [16] * 3}
    return getattr(transformers, f"{kind}Config")(backbone_config=net, **three, **SMALL)


def saved(folder: Path, kind: str) -> Any:
    """Write a detector with random weights and statistics as the hub has it, and return it in evaluation mode."""
    transformers = optional("transformers", "transformers")
    torch.manual_seed(0)
    made = getattr(transformers, f"{kind}ForObjectDetection")(configuration(kind)).eval()
    for module in made.modules():
        if hasattr(module, "running_var"):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    made.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return made
