"""Device, precision and memory format. A fixed table selects them from the processor flags, without timing runs."""

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
from ..data.labels import Labels
from ..errors import InputError

Precision = Literal["float32", "bfloat16"]
CPUINFO = Path("/proc/cpuinfo")
VERSIONS = ("synth2real", "torch", "numpy", "pillow", "scikit-learn", "optuna")


@functools.cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:  # not Linux: the portable row of the table
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def devices() -> list[str]:
    """The devices of this machine, by the names that torch has for them."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    return [*found, "mps"] if torch.backends.mps.is_available() else found


@dataclass(frozen=True)
class Hardware:
    """Device, precision and memory format. They are stored with the run and used again when it is resumed.

    Args:
        device: `cpu`, or an accelerator.
        precision: of convolutions and matrix products. bfloat16 is four times as fast if the processor has matrix
            instructions for it. Without them it is eight times as slow.
        channels_last: memory format of images. It is faster on every processor and GPU that was measured.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: Precision = "float32"
    channels_last: bool = True

    @classmethod
    def detect(cls, device: str | None = None) -> Self:
        """The settings for this machine.

        Args:
            device: `cpu`, `cuda`, `cuda:1` or `mps`. None: an accelerator if there is one.

        Raises:
            InputError: this machine does not have the device.
        """
        here = devices()
        if device is not None and device not in here:
            raise InputError(
                f"device '{device[:50]}' (--device): this machine has {', '.join(here)}, expected one of them. Choose "
                "another device, or leave it out"
            )
        chosen = torch.device(device or next((name for name in ("cuda", "mps") if name in here), "cpu"))
        if chosen.type == "cuda":
            return cls(chosen, "bfloat16" if torch.cuda.is_bf16_supported() else "float32")
        fast = chosen.type == "cpu" and "amx_bf16" in _cpu_flags()
        return cls(chosen, "bfloat16" if fast else "float32")

    def labels(self, labels: Labels) -> Labels:
        """Labels on the device. Float64 values become float32 where the device has no float64."""
        if not isinstance(labels, Tensor):
            return labels.to(self.device)
        narrow = self.device.type == "mps" and labels.dtype == torch.float64
        return (labels.float() if narrow else labels).to(self.device)

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Self:
        """The hardware that `settings` described. Uses `detect` if this machine does not have the stored device."""
        if settings["device"] not in devices():
            return cls.detect()
        return cls(torch.device(settings["device"]), settings["precision"], settings["channels_last"])

    def settings(self) -> dict[str, Any]:
        """Plain data for the settings file of the run."""
        return {"device": str(self.device), "precision": self.precision, "channels_last": self.channels_last}

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory format of networks and image batches."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def chunk(self, pixels: int) -> int:
        """Number of images per batch for a small network, for images of `pixels` pixels.

        Use it if the batch size does not change the result. A processor is fastest if the feature maps of one layer fit
        into its cache. An accelerator is fastest with large batches.
        """
        most = 32_768 if self.device.type == "cpu" else 4_194_304
        return max(1, most // pixels)

    @property
    def own_gpus(self) -> int:
        """GPUs that each of several workers has for itself: 1, unless there is none or the user has named one."""
        return int(self.device.type == "cuda" and self.device.index is None)

    def at_hand(self, inputs: Inputs) -> Inputs:
        """The same inputs. They are copied to the GPU if they fill at most a quarter of its free memory."""
        if self.device.type != "cuda" or not isinstance(inputs, Tensor):
            return inputs
        free, _ = torch.cuda.mem_get_info(self.device)
        return inputs.to(self.device) if inputs.nbytes <= free // 4 else inputs

    def applying(self) -> Self:
        """The hardware settings for inference with a trained convolutional network.

        Vector instructions for bfloat16 make inference one third to two thirds faster. In training they gain almost
        nothing.
        """
        vectors = self.device.type == "cpu" and "avx512_bf16" in _cpu_flags()
        return replace(self, precision="bfloat16") if vectors else self

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Context for the computation of losses, with this precision."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect results, and the machine type."""
    return {"python": platform.python_version(), "machine": platform.machine(), **{p: _version(p) for p in VERSIONS}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout
        return "not installed"
