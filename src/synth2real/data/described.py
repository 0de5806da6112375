"""Domains in one readable line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from .subsets import Part

if TYPE_CHECKING:
    from .domains import Inputs

SHOWN = 3  # names


def line(kind: str, inputs: Inputs, *more: str) -> str:
    """`Labelled(300 images of 3x224x224 uint8; 10 classes: bolt, gear, nut, ...; in memory)`.

    Args:
        kind: name of the class.
        inputs: of the domain.
        more: what else is said, such as the classes. Empty texts are left out.
    """
    shape = inputs.shape[1:]
    held = inputs.inputs if isinstance(inputs, Part) else inputs
    where = "in memory" if isinstance(held, Tensor) else "sparse" if hasattr(held, "dense") else "decoded on access"
    what = f"{len(inputs)} samples of {shape[0]} features"
    if len(shape) == 3:
        values = f" {str(held.dtype).removeprefix('torch.')}" if isinstance(held, Tensor) else ""
        what = f"{len(inputs)} images of {'x'.join(map(str, shape))}{values}"
    return f"{kind}({'; '.join([what, *filter(None, more), where])})"


def some(names: Sequence[str], what: str) -> str:
    """`10 classes: bolt, gear, nut, ...`; empty without names."""
    if not names:
        return ""
    shown = [*names[:SHOWN], "..."] if len(names) > SHOWN else list(names)
    return f"{len(names)} {what}: {', '.join(shown)}"
