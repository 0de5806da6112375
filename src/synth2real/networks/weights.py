"""Tensors from `.safetensors` files. Whatever is wrong with a file is an `InputError` that names it."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import InputError


def read_tensors(file: Path, expected: str) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Args:
        file: a `.safetensors` file.
        expected: what it should contain, and how to mend it; the end of each message.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:  # the last two: unknown dtypes
        raise InputError(f"{file}: is damaged ({error}), expected {expected}") from None
