"""Which files of a folder are read: images, masks and metadata tables, and what is left out."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from ...errors import InputError, LeftOutWarning
from ...storage import check_complete
from .tables import TABLES, is_file, listed

MASK = "_mask"  # `000000_mask.png` is the segmentation mask of `000000.png`, not an image
SYSTEM = ("__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")  # written by operating systems, besides hidden files
NO_IMAGES = {".eps", ".ps", ".wmf", ".emf", ".bufr", ".grib", ".h5", ".hdf", ".mpg", ".mpeg", ".fli", ".flc"}
UNSAID = {
    ".yaml",
    ".yml",
    ".json",
    ".jsonl",
    ".csv",
    ".txt",
    ".md",
    ".html",
    ".log",
    ".safetensors",
}  # descriptions beside images
PARTS = ("train", "training", "val", "valid", "validation", "test", "testing", "dev")  # folders of a split data set
LAYOUT = ("images", "labels", "masks", "annotations")  # folders of a data set with one file of labels for each image


@cache
def image_suffixes() -> frozenset[str]:
    """Lower-case suffixes of the image files that the installed Pillow reads, such as `.png`.

    Vector graphics, films and formats that need another program are not among them.
    """
    Image.init()
    return frozenset(suffix for suffix, name in Image.EXTENSION.items() if name in Image.OPEN) - NO_IMAGES


def is_image(file: Path) -> bool:
    """Whether the name is that of an image file."""
    return file.suffix.lower() in image_suffixes()


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and its subfolders, in a fixed order.

    Links to folders are followed, but not into a folder that they are in. Hidden files and folders
    (`.ipynb_checkpoints`, `._000.png`) and those of operating systems (`__MACOSX`) are left out.

    Raises:
        InputError: a folder is incomplete, because the command that writes it has not finished.
    """
    found: list[Path] = []
    above: dict[str, tuple[str, ...]] = {}  # for each folder, the real paths of those that it is in
    for root, folders, names in os.walk(folder, followlinks=True):
        check_complete(Path(root))
        real, within = os.path.realpath(root), above.get(os.path.dirname(root), ())
        if real in within:
            folders.clear()
            continue
        above[root] = (*within, real)
        folders[:] = sorted(name for name in folders if _ours(name))
        found += [Path(root, name) for name in sorted(names) if _ours(name)]
    return [file for file in found if file.is_file()]


def as_spelled(folder: Path) -> Callable[[Path], Path]:
    """A function that gives the file below `folder` of a path that a table lists.

    It finds a file whose name is the same text in another Unicode form: macOS writes `é` as two characters (NFD), most
    editors as one (NFC). A path that is not there stays as it is.
    """
    known: dict[str, Path] = {}

    def find(path: Path) -> Path:
        if is_file(path):
            return path
        if not known:
            known.update((_composed(file), file) for file in files_below(folder))
        return known.get(_composed(path), path)

    return find


def _composed(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path))


def _ours(name: str) -> bool:
    return not name.startswith(".") and name not in SYSTEM


def without_masks(images: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The images that are no mask of another one, and the masks, sorted."""
    stems = {file.with_suffix("") for file in images}
    masks = {f for f in images if f.stem.endswith(MASK) and f.with_name(f.stem.removesuffix(MASK)) in stems}
    return [file for file in images if file not in masks], sorted(masks)


def images_below(folder: Path) -> list[Path]:
    """All image files in a folder and its subfolders.

    Raises:
        InputError: there is none.

    Warns:
        LeftOutWarning: with the number of files of each other kind.
    """
    files = files_below(folder)
    images = [file for file in files if is_image(file)]
    counts = other_kinds(files)
    if not images:
        found = f"; found {counted(counts)}" if counts else ""
        raise InputError(
            f"{folder}: found no image, expected files such as .png or .jpg in it or in its subfolders{found}"
        )
    say_left_out(folder, counts)
    return images


def other_kinds(files: Iterable[Path]) -> Counter[str]:
    """Number of files that are neither images nor descriptions, by suffix."""
    others = (file for file in files if not is_image(file) and file.suffix.lower() not in UNSAID)
    return Counter(file.suffix.lower() or "without a suffix" for file in others)


def say_left_out(folder: Path, counts: Counter[str]) -> None:
    """Warn of the files that `other_kinds` has counted, if there are any."""
    if counts:
        text = f"{folder}: left out {counted(counts)}, which are no images that can be read"
        warnings.warn(LeftOutWarning(text, counts), stacklevel=5)


def metadata_tables(folder: Path) -> list[Path]:
    """All metadata tables in a folder and its subfolders; none for a file."""
    return sorted(file for file in files_below(folder) if file.name in TABLES)


def counted(counts: Mapping[str, int]) -> str:
    """`2 .heic, 1 without a suffix`, the most frequent first."""
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def check_classes(folder: Path, names: Iterable[str]) -> None:
    """Raise `InputError` if the subfolders are parts of a data set and not classes.

    Args:
        folder: the folder.
        names: of its subfolders with images.
    """
    found = sorted(set(names))
    plain = {name.lower() for name in found}
    if plain <= set(PARTS):
        raise InputError(
            f"{folder}: found the subfolders {listed(found)}, which are parts of a data set and not classes. "
            f"Give one of them, such as {folder / found[0]}"
        )
    if plain <= set(LAYOUT):
        raise InputError(
            f"{folder}: found the subfolders {listed(found)}, which are not classes. Expected one subfolder per class, "
            f"or a table {' or '.join(TABLES)} with file_name and label"
        )
