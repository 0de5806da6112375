"""Which mask belongs to which image of a folder.

Three layouts are known: `NAME_mask.png` beside the image `NAME.jpg`; the folders `images/` and `masks/` (or `labels/`)
with the same paths in both; and that of Cityscapes, `leftImg8bit/**/X_leftImg8bit.png` with
`gtFine/**/X_gtFine_labelIds.png`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, LeftOutWarning
from ..reading.class_names import natural_key
from ..reading.discovery import MASK, files_below, is_image, other_kinds, say_left_out

IMAGES = ("images", "image", "imgs", "img", "rgb")  # names of the folder of the images, in small letters
MASKS = ("masks", "mask", "labels", "label", "segmentation", "annotations")  # and of that of their masks
PICTURE, IDS = "_leftImg8bit", ("_gtFine_labelIds", "_gtCoarse_labelIds")  # ends of names in Cityscapes
LAYOUTS = (
    "NAME_mask.png beside each image, the folders images/ and masks/ with the same names, or the layout of Cityscapes"
)


@dataclass(frozen=True)
class Masked:
    """The images of a folder with their masks.

    Args:
        images: in natural order.
        masks: the mask of each image.
        layout: in words.
        folders: where a legend may be.
    """

    images: list[Path]
    masks: list[Path]
    layout: str
    folders: list[Path]


def masked_files(folder: Path) -> Masked | None:
    """The images of a folder with their masks; None if no file there is a mask.

    Raises:
        InputError: an image has no mask or two, or a mask has no image.
    """
    files = files_below(folder)
    pictures = [file for file in files if is_image(file)]
    found = _split(folder, pictures)
    if found is None:
        return None
    images, masks, key, layout = found
    say_left_out(folder, other_kinds(files))
    _say_others(folder, set(pictures) - {*images, *masks}, layout)
    known = _by_key(folder, masks, key)
    keys = {image: key(image) for image in images}
    images = sorted(images, key=lambda file: natural_key(file.relative_to(folder).as_posix()))
    without = [image for image in images if keys[image] not in known]
    if without:
        raise InputError(
            f"{folder}: {len(without):,} of {len(images):,} images have no mask, the first is "
            f"{without[0].relative_to(folder)}, expected one for each ({layout}). Add the masks, or move these images "
            "away; an image that shows only background has a mask of zeros"
        )
    used = set(keys.values())
    left = [mask for name, mask in known.items() if name not in used]
    if left:
        raise InputError(
            f"{folder}: {len(left):,} masks have no image, the first is {left[0].relative_to(folder)}, expected one "
            f"for each ({layout}). Add the images, or move these masks away"
        )
    above = [folder / part for mask in masks for part in reversed(mask.relative_to(folder).parents)]
    return Masked(images, [known[keys[image]] for image in images], layout, list(dict.fromkeys(above)))


def images_without_masks(folder: Path, files: Sequence[Path]) -> list[Path]:
    """The image files of a folder that are no masks of others; all of them where there are no masks."""
    left_out = {mask for mask, _ in masks_of_images(folder, files)}
    return [file for file in files if file not in left_out]


def masks_of_images(folder: Path, files: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each mask among the image files of a folder, with the image that it belongs to; none without any mask."""
    found = _split(folder, files)
    if found is None:
        return []
    images, masks, key, _ = found
    known = {key(image): image for image in images}
    return [(mask, known[key(mask)]) for mask in masks if key(mask) in known]


Split = tuple[list[Path], list[Path], Callable[[Path], str], str]


def _say_others(folder: Path, others: set[Path], layout: str) -> None:
    """Warn of image files that are neither images nor masks of the layout."""
    if others:
        text = (
            f"{folder}: left out {len(others):,} image files that are neither images nor masks ({layout}), for example "
            f"{min(others).relative_to(folder)}"
        )
        warnings.warn(LeftOutWarning(text, {"neither image nor mask": len(others)}), stacklevel=5)


def _split(folder: Path, files: Iterable[Path]) -> Split | None:
    """Images, masks, a function that gives the common name of both, and the layout; None without any mask."""
    files = list(files)
    for layout in (_cityscapes, _parallel, _beside):
        found = layout(folder, files)
        if found is not None:
            return found
    return None


def _cityscapes(folder: Path, files: Sequence[Path]) -> Split | None:
    images = [file for file in files if file.stem.endswith(PICTURE)]
    masks = [file for file in files if file.stem.endswith(IDS)]
    if not images or not masks:
        return None

    def key(file: Path) -> str:
        for end in (PICTURE, *IDS):
            if file.stem.endswith(end):
                return file.stem.removesuffix(end)
        return file.stem

    return images, masks, key, f"X{PICTURE} and X{IDS[0]}"


def _parallel(folder: Path, files: Sequence[Path]) -> Split | None:
    """Files below a folder of images, and files at the same paths below a folder of masks."""
    places = {file: _place(file.relative_to(folder)) for file in files}
    images = [file for file, place in places.items() if place is not None and place[1] == "images"]
    masks = [file for file, place in places.items() if place is not None and place[1] == "masks"]
    if not images or not masks:
        return None

    def key(file: Path) -> str:
        place = places[file]
        assert place is not None
        return place[0] if place[1] == "images" else place[0].removesuffix(MASK)

    of = (
        next(part for part in some[0].relative_to(folder).parts if part.lower() in IMAGES + MASKS)
        for some in (images, masks)
    )
    return images, masks, key, " and ".join(f"{name}/" for name in of)


def _place(file: Path) -> tuple[str, str] | None:
    """The path of a file without its suffix and without the folder that says its kind, and that kind."""
    parts = file.with_suffix("").parts
    for i, part in enumerate(parts[:-1]):
        for kind, names in (("images", IMAGES), ("masks", MASKS)):
            if part.lower() in names:
                return "/".join((*parts[:i], *parts[i + 1 :])), kind
    return None


def _beside(folder: Path, files: Sequence[Path]) -> Split | None:
    """Images, and masks beside them."""
    masks = [file for file in files if file.stem.endswith(MASK)]
    if not masks or len(masks) == len(files):
        return None
    images = [file for file in files if not file.stem.endswith(MASK)]
    return images, masks, lambda file: str(file.with_suffix("")).removesuffix(MASK), f"NAME and NAME{MASK}"


def _by_key(folder: Path, masks: Iterable[Path], key: Callable[[Path], str]) -> Mapping[str, Path]:
    known: dict[str, Path] = {}
    for mask in masks:
        other = known.setdefault(key(mask), mask)
        if other != mask:
            raise InputError(
                f"{folder}: {other.relative_to(folder)} and {mask.relative_to(folder)} are masks of one image, "
                "expected one. Remove one of them"
            )
    return known
