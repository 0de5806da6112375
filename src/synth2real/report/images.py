"""Images inside a page: single images and contact sheets, as base64 PNG."""

from __future__ import annotations

import base64
import io

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..data.domains import to_float

COLUMNS, ROWS = 8, 6  # of a contact sheet
SHEET_SIDE, THUMBNAIL_SIDE = 64, 24  # longer side of one image in pixels; small, because a page has hundreds
GREY = 128  # of the lines between images; visible on black and on white


def pixels(images: Tensor, side: int) -> Tensor:
    """Images as (N, 1 or 3, H, W) uint8. An image with a side longer than `side` pixels is shrunk to that size.

    Args:
        images: (N, C, H, W) uint8, or float32 in 0..1. With more than three channels, only the first three are shown.
        side: greatest length of the longer side, in pixels.
    """
    x = to_float(images)[:, : 3 if images.shape[1] >= 3 else 1].contiguous()
    factor = side / max(x.shape[2:])
    if factor < 1:
        x = F.interpolate(x, [max(1, round(length * factor)) for length in x.shape[2:]], mode="area")
    return x.clamp(0, 1).mul(255).round().to(torch.uint8)


def data_uri(image: Tensor) -> str:
    """One image (1 or 3, H, W) uint8 as a `data:` address."""
    array = image.permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def thumbnails(images: Tensor, side: int = THUMBNAIL_SIDE) -> list[str]:
    """Images (N, C, H, W) as `data:` addresses, one per image."""
    return [data_uri(image) for image in pixels(images, side)]


def contact_sheet(images: Tensor) -> str:
    """The first `COLUMNS` x `ROWS` images of (N, C, H, W) in one picture, separated by grey lines."""
    shown = F.pad(pixels(images[: COLUMNS * ROWS], SHEET_SIDE), (0, 1, 0, 1), value=GREY)
    columns = min(COLUMNS, len(shown))
    missing = -len(shown) % columns
    shown = torch.cat([shown, torch.full((missing, *shown.shape[1:]), GREY, dtype=torch.uint8)])
    rows = [torch.cat(list(row), dim=2) for row in shown.split(columns)]
    return data_uri(torch.cat(rows, dim=1)[:, :-1, :-1])
