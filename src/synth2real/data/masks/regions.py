"""Which regions of masks are asked for: the label `mask` names all of them, `mask:pupil` one of them.

So do `boxes` and `boxes:car` name the classes of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...errors import InputError
from ..labels import IGNORED

MASK = "mask"  # label of masks with all their classes
BACKGROUND = "background"


def asked(label: str | Sequence[str] | None, kind: str = MASK) -> tuple[str, ...] | None:
    """The regions that a label names, `mask:NAME` or several of these; none for `mask`. None for another label.

    Args:
        label: as in `load`.
        kind: the word before the colon, `MASK` or `boxes.BOXES`.
    """
    names = [label] if isinstance(label, str) else list(label or ())
    if names == [kind]:
        return ()
    if names and all(name.startswith(f"{kind}:") for name in names):
        return tuple(name.removeprefix(f"{kind}:") for name in names)
    return None


def of_regions(names: Sequence[str], kind: str = MASK) -> tuple[str, ...]:
    """The label of these regions, the inverse of `asked`."""
    return tuple(f"{kind}:{name}" for name in names) or (kind,)


def only(classes: Sequence[str], names: Sequence[str], what: str) -> tuple[tuple[str, ...], Tensor]:
    """Masks of some of the classes: all others become the background.

    Args:
        classes: of the masks.
        names: of the classes that are kept, in the order of their new indices; none keeps all as they are.
        what: begins the message of an error.

    Returns:
        The classes, and the new index of each value, (256,) uint8.

    Raises:
        InputError: there is no such class, or none besides the background.
    """
    table = torch.arange(256, dtype=torch.uint8)
    if not names:
        return tuple(classes), table
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise InputError(
            f"{what}: has no region '{unknown[0]}', expected some of: {', '.join(classes)}. Name it with --label "
            "(label='mask:NAME' in Python), or leave that out for all of them"
        )
    kept = (BACKGROUND, *dict.fromkeys(name for name in names if name != BACKGROUND))
    if len(kept) == 1:
        raise InputError(
            f"{what}: only the region '{BACKGROUND}' is asked for, expected another one, because all others become "
            "the background"
        )
    table[: len(classes)] = torch.tensor([kept.index(name) if name in kept else 0 for name in classes])
    table[IGNORED] = IGNORED
    return kept, table
