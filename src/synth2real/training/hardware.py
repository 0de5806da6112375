"""Device, precision and memory format: read off the processor's flags by one fixed table, never timed."""

from __future__ import annotations

import contextlib
import functools
import platform
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor

from ..data.domains import Inputs

Precision = Literal["float32", "bfloat16"]
VERSIONS = ("synth2real", "torch", "numpy", "pillow", "scikit-learn", "optuna")


@functools.cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux: the portable row of the table
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


@dataclass(frozen=True)
class Hardware:
    """Where and how tensors are computed. Stored with the run and reused when it is resumed.

    Args:
        device: `cpu`, or an accelerator.
        precision: of convolutions and products. bfloat16 quadruples speed where the processor has matrix instructions
            for it and divides it by eight where it has none.
        channels_last: memory format of images; faster on every processor and GPU that was measured.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: Precision = "float32"
    channels_last: bool = True

    @classmethod
    def detect(cls) -> Self:
        """The row of the table for this machine."""
        if torch.cuda.is_available():
            precision: Precision = "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
            return cls(torch.device("cuda"), precision)
        if torch.backends.mps.is_available():
            return cls(torch.device("mps"), "float32")
        return cls(torch.device("cpu"), "bfloat16" if "amx_bf16" in _cpu_flags() else "float32")

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Self:
        """The counterpart of `settings`; falls back to `detect` where the device stored is not here."""
        here = cls.detect()
        device = torch.device(settings["device"])
        return cls(device, settings["precision"], settings["channels_last"]) if device == here.device else here

    def settings(self) -> dict[str, Any]:
        """Plain data for the run's settings."""
        return {"device": str(self.device), "precision": self.precision, "channels_last": self.channels_last}

    @property
    def memory_format(self) -> torch.memory_format:
        """What networks and image batches are laid out in."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def chunk(self, pixels: int) -> int:
        """Images of so many pixels to put through a small network at once, where the order is free.

        A processor is fastest where the feature maps of one layer stay in its cache; an accelerator where all is busy.
        """
        most = 32_768 if self.device.type == "cpu" else 4_194_304
        return max(1, most // pixels)

    def at_hand(self, inputs: Inputs) -> Inputs:
        """The same inputs, on a GPU whole where they fill no more than a quarter of what is free there."""
        if self.device.type != "cuda" or not isinstance(inputs, Tensor):
            return inputs
        free, _ = torch.cuda.mem_get_info(self.device)
        return inputs.to(self.device) if inputs.nbytes <= free // 4 else inputs

    def applying(self) -> Self:
        """The same for putting images through a convolutional network that has been trained.

        Vector instructions for bfloat16 gain a third to two thirds there, and next to nothing in training.
        """
        vectors = self.device.type == "cpu" and "avx512_bf16" in _cpu_flags()
        return replace(self, precision="bfloat16") if vectors else self

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Context in which losses are computed."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def versions() -> dict[str, str]:
    """Versions of what a result depends on, and the machine."""
    return {"python": platform.python_version(), "machine": platform.machine(), **{p: _version(p) for p in VERSIONS}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout
        return "not installed"
