"""Images whose labels lie in them: the label `mask` or `boxes` of `load`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ..boxes.classes import BOXES
from ..domains import Labelled
from ..masks.regions import asked
from .pixels import Conversion
from .places import existing, is_hub, is_packed
from .read_given import with_given


def load_pictured(
    path: str | Path,
    label: str | Sequence[str] | None,
    classes: Sequence[str],
    where: tuple[str | None, str | None],
    how: Conversion,
    given: tuple[str, ...],
) -> Labelled | None:
    """Images with masks or boxes; None for any other label.

    Args:
        path, label, classes, given: as in `load`.
        where: the split and the format.
        how: the images are converted.
    """
    if asked(label) is not None:
        return _masked(path, asked(label) or (), classes, where, how, given)
    if asked(label, BOXES) is not None:
        return _boxed(path, asked(label, BOXES) or (), where, how, given)
    return None


def _masked(
    path: str | Path,
    regions: Sequence[str],
    classes: Sequence[str],
    where: tuple[str | None, str | None],
    how: Conversion,
    given: tuple[str, ...],
) -> Labelled:
    from ..masks.loading import load_masks

    if is_hub(path) or is_packed(path, *where):
        raise InputError(
            f"{path}: masks are read from folders and .npz, found shards or a data set of Hugging Face. Write its "
            "images and masks into a folder"
        )
    found, kind = existing(path, *where)
    return with_given(load_masks(found, kind, regions, classes, how), found, given)


def _boxed(
    path: str | Path,
    names: Sequence[str],
    where: tuple[str | None, str | None],
    how: Conversion,
    given: tuple[str, ...],
) -> Labelled:
    from ..boxes.loading import load_boxes

    if is_hub(path):
        raise InputError(
            f"{path}: boxes are read from folders, files and shards, found a data set of Hugging Face. Convert it: "
            "synth2real convert FOLDER OUT --to coco, with the folder of save_to_disk"
        )
    found, _ = existing(path, *where)
    return with_given(load_boxes(found, where[1], names, how), found, given)
