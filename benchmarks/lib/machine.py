"""Describes the machine of a measurement: processor, threads, versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch


def describe(*packages: str) -> str:
    """Describe the machine in one line.

    The line has the name of the GPU, or of the processor with its vector instructions. The number of threads and the
    versions of torch and of `packages` follow.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        flags = names["flags"].split()
        vectors = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
        processor = f"{names['model name']} family {names['cpu family']} ({', '.join(vectors)})"
    except (OSError, KeyError):
        processor = platform.processor() or platform.machine()
    if torch.cuda.is_available():
        processor = torch.cuda.get_device_name()
    parts = [processor, f"{torch.get_num_threads()} threads", f"torch {torch.__version__}"]
    for package in packages:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"{package} not installed")
    return "; ".join(parts)
