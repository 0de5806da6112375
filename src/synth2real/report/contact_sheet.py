"""Contact sheets of randomized images with their labels.

Labels are drawn on the images, so that a label that does not follow its image is easy to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..data.labels import Boxes, Masks
from ..tasks import Classification, Gaze, Keypoints, Segmentation, Task
from ..tasks.dense import DenseTask
from ..tasks.directions import to_vectors
from ..transforms.mix import Mix, Mosaic
from ..transforms.warp import Warp
from .overlay import framed, legend, overlaid

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

TILE = 144  # minimum length of the longer side of a tile, in pixels
GAP, STRIP = 6, 18  # space between tiles, and height of a line of text, in pixels
COLOURS = ("#ffd400", "#00c8ff", "#ff4fa3", "#54e346", "#ff8a1f", "#b38cff", "#ffffff")
EDGE = "#000000"


class Policy(Protocol):
    """The methods of a randomization policy that a sheet uses."""

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Warp | None]: ...

    def mix(self, x: Tensor, generator: torch.Generator) -> Mix | Mosaic | None: ...


@dataclass(frozen=True)
class Column:
    """One version of every image.

    Args:
        title: text above the column.
        images: (N, 1 or 3, H, W) float32 in 0..1.
        labels: of the task. Points, masks and boxes are in pixels of these images.
        masks: (N, R, H, W) bool. Their outlines are drawn. R may be 0.
    """

    title: str
    images: Tensor
    labels: Tensor | Masks | Boxes
    masks: Tensor


def randomized(original: Column, title: str, policy: Policy, task: Task, generator: torch.Generator) -> Column:
    """A randomized version of the images. Labels and masks are transformed with the images, as in training."""
    images, warp = policy.draw(original.images, generator)
    labels = task.move(original.labels, warp)
    masks = original.masks if warp is None else warp.mask(original.masks)
    mix = policy.mix(images, generator)
    if mix is not None:
        images, labels = mix.image(images), task.mix(labels, mix)
    return Column(title, images, labels, masks)


def sheet(columns: list[Column], task: Task) -> Image.Image:
    """All columns side by side in one RGB picture, with one row per image."""
    height, width = columns[0].images.shape[2:]
    scale = max(1, -(-TILE // max(height, width)))
    wide, tall = width * scale + GAP, height * scale + GAP
    below = 0 if isinstance(task, Keypoints | Gaze | DenseTask) else STRIP
    rows = len(columns[0].images)
    whole = Image.new("RGB", (len(columns) * wide + GAP, STRIP + rows * (tall + below) + GAP), "#ffffff")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(12)
    for i, column in enumerate(columns):
        left = GAP + i * wide
        draw.text((left, 4), column.title, EDGE, font)
        for row in range(rows):
            top = STRIP + GAP + row * (tall + below)
            whole.paste(tile(column, row, scale, task), (left, top))
            if below and isinstance(column.labels, Tensor):
                text = _fitting(caption(column.labels[row], task), width * scale, font)
                draw.text((left, top + height * scale + 2), text, EDGE, font)
    return _with_legend(whole, task) if isinstance(task, DenseTask) else whole


def _with_legend(picture: Image.Image, task: DenseTask) -> Image.Image:
    """The picture with the colours of the classes below it; that of masks does not show the background."""
    strip = legend(task.classes[1:] if isinstance(task, Segmentation) else task.classes, picture.width)
    whole = Image.new("RGB", (picture.width, picture.height + strip.height + GAP), "#ffffff")
    whole.paste(picture, (0, 0))
    whole.paste(strip, (0, picture.height))
    return whole


def tile(column: Column, row: int, scale: int, task: Task) -> Image.Image:
    """One image, enlarged `scale` times, with its label drawn on it."""
    pixels = (column.images[row].clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
    pixels = pixels.expand(-1, -1, 3).repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    if isinstance(column.labels, Masks):
        mask = column.labels[torch.tensor([row])].tensor.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        pixels = overlaid(pixels.movedim(-1, 0)[None], mask, task.outputs)[0].movedim(0, -1)
    picture = Image.fromarray(pixels.contiguous().numpy())
    draw = ImageDraw.Draw(picture)
    for i, mask in enumerate(column.masks[row]):
        _outline(picture, mask.repeat_interleave(scale, 0).repeat_interleave(scale, 1), COLOURS[i % len(COLOURS)])
    if isinstance(column.labels, Masks):
        return picture
    if isinstance(column.labels, Boxes):
        framed(picture, column.labels[torch.tensor([row])], scale)
        return picture
    label = column.labels[row]
    if isinstance(task, Keypoints):
        for i, (x, y) in enumerate(label.view(-1, 2).tolist()):
            if x == x and y == y:  # not nan
                _cross(draw, (x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5, COLOURS[i % len(COLOURS)])
    if isinstance(task, Gaze) and label.isfinite().all():
        x, y = (to_vectors(label[None])[0, :2] * 0.45 * max(picture.size)).tolist()
        _arrow(draw, (picture.width - 1) / 2, (picture.height - 1) / 2, x, y)
    return picture


def caption(label: Tensor, task: Task) -> str:
    """A label without a position in the image, as text: a class, the shares of mixed classes, or numbers."""
    if isinstance(task, Classification):
        shares = task.shares(label[None])[0]
        seen: list[int] = [i for i in shares.argsort(descending=True).tolist() if shares[i] > 0.005][:3]
        if len(seen) == 1:
            return task.classes[seen[0]]
        return " + ".join(f"{float(shares[i]):.0%} {task.classes[i]}" for i in seen)
    return ", ".join(f"{value:.4g}" for value in label.tolist())


def _fitting(text: str, width: int, font: FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, shortened to at most `width` pixels."""
    while font.getlength(text) > width:
        text = text.rstrip("…")[:-1] + "…"
    return text


def _outline(picture: Image.Image, mask: Tensor, colour: str) -> None:
    """Paint the border pixels of a mask (H, W) bool."""
    wide = torch.nn.functional.pad(mask[None].float(), (1, 1, 1, 1), mode="replicate")[0].bool()
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    picture.paste(colour, mask=Image.fromarray((mask & ~inner).byte().mul(255).numpy()))


def _cross(draw: ImageDraw.ImageDraw, x: float, y: float, colour: str) -> None:
    for width, fill in ((4, EDGE), (2, colour)):
        draw.line((x - 7, y, x + 7, y), fill, width)
        draw.line((x, y - 7, x, y + 7), fill, width)


def _arrow(draw: ImageDraw.ImageDraw, x: float, y: float, right: float, down: float) -> None:
    """Draw an arrow from x, y by `right` and `down` pixels. An arrow without length becomes a dot."""
    length = max((right**2 + down**2) ** 0.5, 1e-6)
    along, tip = (right / length, down / length), (x + right, y + down)
    size = min(9.0, length / 2)
    sides = [
        (tip[0] - size * (along[0] + turn * along[1]), tip[1] - size * (along[1] - turn * along[0]))
        for turn in (0.6, -0.6)
    ]
    for width, fill in ((5, EDGE), (2, COLOURS[0])):
        draw.ellipse((x - width, y - width, x + width, y + width), fill)
        draw.line((x, y, *tip), fill, width)
        for side in sides:
            draw.line((*tip, *side), fill, width)
