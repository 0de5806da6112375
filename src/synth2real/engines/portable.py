"""What was trained, on its way to another process."""

from __future__ import annotations

import io
from typing import Any, Generic, TypeVar

import torch

Held = TypeVar("Held")


class Portable(Generic[Held]):
    """Holds a model or a mapping. Its tensors travel as bytes, and are on the same device in the other process.

    Pickled as they are, tensors on a GPU would stay in the memory of this process and of this GPU.

    Args:
        held: the model or mapping.
    """

    def __init__(self, held: Held) -> None:
        self.held = held

    def __reduce__(self) -> tuple[Any, ...]:
        file = io.BytesIO()
        torch.save(self.held, file)
        return _arrived, (file.getvalue(),)


def _arrived(data: bytes) -> Portable[Any]:
    # Whole modules, not only weights: the bytes are those of this process or of its parent, see `transport`.
    return Portable(torch.load(io.BytesIO(data), weights_only=False))
