"""Masks and boxes drawn over images: half-transparent colours with an outline, frames, and a legend."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

import torch
from PIL import Image, ImageColor, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from ..data.labels import IGNORED, Boxes

# Bright on the grey images of cameras and microscopes, and told apart by colour-blind readers.
COLOURS = ("#FF8A1F", "#00C8FF", "#FF4FA3", "#54E346", "#FFD400", "#B38CFF", "#C8553D", "#2489C9")
SEEN = 0.45  # opacity of a mask; its outline is drawn at full strength
UNKNOWN = "#9AA0A6"  # of pixels that count nowhere
FRAME = 2  # pixels of the frame of a box
SQUARE, LINE, MARGIN = 10, 18, 6  # pixels of a legend


def colours(classes: int) -> list[str]:
    """A colour for each class of the foreground."""
    return list(islice(cycle(COLOURS), classes - 1))


def overlaid(images: Tensor, masks: Tensor, classes: int) -> Tensor:
    """Images under their masks, (N, 3, H, W) uint8.

    Args:
        images: (N, 3, H, W) uint8.
        masks: (N, H, W) uint8. The background, class 0, is not coloured.
        classes: their number.
    """
    table = torch.zeros(IGNORED + 1, 3)
    for index, colour in [*enumerate(colours(classes), start=1), (IGNORED, UNKNOWN)]:
        table[index] = torch.tensor(ImageColor.getrgb(colour))
    below, paint = images.float(), table[masks.int()].movedim(-1, 1)
    opacity = torch.where(outlines(masks), 1.0, SEEN) * (masks > 0)
    return (below + opacity[:, None] * (paint - below)).round().to(torch.uint8)


def outlines(masks: Tensor) -> Tensor:
    """Pixels (N, H, W) bool that have a neighbour of another class."""
    around = F.pad(masks[:, None].float(), (1, 1, 1, 1), mode="replicate")[:, 0]
    inner = around[:, 1:-1, 1:-1]
    sides = (around[:, :-2, 1:-1], around[:, 2:, 1:-1], around[:, 1:-1, :-2], around[:, 1:-1, 2:])
    return torch.stack([side != inner for side in sides]).any(0)


def framed(picture: Image.Image, boxes: Boxes, scale: float = 1) -> None:
    """Draw the boxes of one image as frames in the colours of their classes; ignored ones in grey.

    Args:
        picture: the image, enlarged `scale` times.
        boxes: of that one image, in its pixels.
        scale: of the picture.
    """
    draw, painted = ImageDraw.Draw(picture), colours(1 + int(boxes.classes.max()) + 1) if len(boxes.classes) else []
    rows = zip((boxes.corners * scale).tolist(), boxes.classes.tolist(), boxes.ignored.tolist(), strict=True)
    for (left, top, right, bottom), kind, ignored in rows:
        # The last pixel inside, so that the frame covers what the box does.
        ends = (left, top, max(left, right - 1), max(top, bottom - 1))
        draw.rectangle(tuple(round(end) for end in ends), None, UNKNOWN if ignored else painted[kind], FRAME)


def legend(names: Sequence[str], width: int) -> Image.Image:
    """A strip of `width` pixels with name and colour of each class that is drawn, in several lines if needed."""
    font, places, x, y = ImageFont.load_default(12), [], MARGIN, 0
    for name, colour in [*zip(names, colours(len(names) + 1), strict=True), ("not known", UNKNOWN)]:
        wide = int(SQUARE + 4 + font.getlength(name) + 2 * MARGIN)
        if x > MARGIN and x + wide > width:
            x, y = MARGIN, y + LINE
        places.append((x, y, name, colour))
        x += wide
    strip = Image.new("RGB", (width, y + LINE), "#ffffff")
    draw = ImageDraw.Draw(strip)
    for left, top, name, colour in places:
        draw.rectangle((left, top + 4, left + SQUARE, top + 4 + SQUARE), colour, "#000000")
        draw.text((left + SQUARE + 4, top + 2), name, "#000000", font)
    return strip
