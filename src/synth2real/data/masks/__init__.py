"""Masks from disk: which mask belongs to which image, what its values mean, and how it is read."""

from .layouts import images_without_masks, masks_of_images
from .legend import FILE as LEGEND
from .legend import Legend, legend_text, read_legend
from .regions import MASK, asked, of_regions, only

__all__ = [
    "LEGEND",
    "MASK",
    "Legend",
    "asked",
    "images_without_masks",
    "legend_text",
    "masks_of_images",
    "of_regions",
    "only",
    "read_legend",
]
