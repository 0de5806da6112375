"""Which boxes are asked for: the label `boxes` names all of them, `boxes:car` those of one class (`regions.asked`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...errors import InputError

BOXES = "boxes"  # label of boxes of all classes


def only(classes: Sequence[str], names: Sequence[str], what: str) -> tuple[tuple[str, ...], Tensor]:
    """Boxes of some of the classes; all others are left out.

    Args:
        classes: of the boxes.
        names: of the classes that are kept, in the order of their new indices; none keeps all as they are.
        what: begins the message of an error.

    Returns:
        The classes, and the new index of each, (C,) int64: -1 for one that is left out.

    Raises:
        InputError: there is no such class.
    """
    if not names:
        return tuple(classes), torch.arange(len(classes))
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise InputError(
            f"{what}: has no box of the class '{unknown[0]}', expected some of: {', '.join(classes)}. Name it with "
            "--label (label='boxes:NAME' in Python), or leave that out for all of them"
        )
    kept = tuple(dict.fromkeys(names))
    return kept, torch.tensor([kept.index(name) if name in kept else -1 for name in classes])
