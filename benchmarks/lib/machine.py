"""Describes the machine of a measurement: processor, threads, versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch


def processor() -> str:
    """The name of the GPU, or of the processor with its vector instructions."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        flags = names["flags"].split()
        vectors = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
        return f"{names['model name']} family {names['cpu family']} ({', '.join(vectors)})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def versions(*packages: str) -> dict[str, str]:
    """Versions of torch and of `packages`, by name; `not installed` for one that is missing."""
    found = {"torch": str(torch.__version__)}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def describe(*packages: str) -> str:
    """Describe the machine in one line: processor, number of threads, versions of torch and of `packages`."""
    named = [f"{package} {found}" for package, found in versions(*packages).items()]
    return "; ".join([processor(), f"{torch.get_num_threads()} threads", *named])
