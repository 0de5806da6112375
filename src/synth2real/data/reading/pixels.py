"""One image as pixels: orientation, transparency, images of more than 8 bits, size and channels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, UnidentifiedImageError

from ...errors import InputError
from ..domains import is_count
from ..fitting import MODES, TILES, USUAL, Resize, place
from .png import plain_png

ORIENTATION = 0x0112  # EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TURNED = (5, 6, 7, 8)  # orientations that exchange height and width
PREVIEWS = ("MPO",)  # formats whose further frames belong to the first image
LEAST_TILE = 16  # pixels of the side of a tile
LARGE, RATIO = 2**25, 100  # pixels; an image with more pixels, and with more than so many for each byte, is refused
DEPTHS = (8, 10, 12, 14, 16)  # bits per pixel that cameras have


@dataclass(frozen=True)
class Conversion:
    """Conversion of images on load.

    Args:
        size: height and width to resize to (antialiased). None keeps the original size, which must be the same for all
            images.
        channels: 1 for grey, 3 for RGB. None keeps the original channels, which must be the same for all images.
        skip_bad: skip unreadable images and list them in a warning, instead of raising.
        depth: bits per pixel of images of more than 8 bits; black is 0 and white is 2^depth - 1. None: the least of
            `DEPTHS` that holds the highest pixel of all images. Floats without a depth are in 0..1.
        background: colour behind transparent pixels, as Pillow names it: `white`, `#808080`.
        memory: most bytes of decoded images; a larger set stays on disk. None: see `memory.limit`.
        resize: how images are brought to `size`: `stretch` changes the ratio of their sides, `crop` keeps it and cuts
            off margins, `letterbox` keeps it and pads with the mean colour of the image. Without a size it does
            nothing. `tiles` keeps the scale, and cuts images into overlapping tiles of `size`, for labels that lie in
            the image; it pads images that are smaller than a tile.

    Raises:
        InputError: the size is not a pair of positive whole numbers, or there is none for tiles; the channels are
            neither 1 nor 3; or the depth, the background or the way to resize does not exist.
    """

    size: tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    skip_bad: bool = False
    depth: int | None = None
    background: str = "white"
    memory: int | None = None
    resize: Resize = USUAL

    @property
    def frame(self) -> tuple[int, int] | None:
        """Height and width that each image is brought to when it is read; None if it keeps its own."""
        return None if self.resize == TILES else self.size

    def plain(self) -> dict[str, Any]:
        """Plain data for the files of a run: what concerns the pixels."""
        size = list(self.size) if self.size else None
        kept = {"channels": self.channels, "depth": self.depth, "background": self.background, "resize": self.resize}
        return {"size": size, **kept}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """The conversion of `plain`, whose entries are removed.

        Former files stretch: the first ones have `channels`, and the size under `resize`; later ones lack `resize`.
        """
        resize = plain.pop("resize", None) if "size" in plain else None
        size = plain.pop("size") if "size" in plain else plain.pop("resize")
        depth, background = plain.pop("depth", None), plain.pop("background", cls.background)
        return cls(
            tuple(size) if size else None,
            plain.pop("channels"),
            depth=depth,
            background=background,
            resize=resize or "stretch",
        )

    def __post_init__(self) -> None:
        size = self.size
        if size is not None and not (isinstance(size, tuple) and len(size) == 2 and all(map(is_count, size))):
            raise InputError(f"size is {size!r}, expected (height, width) in pixels, such as (28, 28)")
        if self.channels is not None and self.channels not in (1, 3):
            raise InputError(f"channels is {self.channels!r}, expected 1 (grey) or 3 (colour)")
        if self.depth is not None and not 8 <= self.depth <= 16:
            raise InputError(f"depth {self.depth}: expected 8 to 16 bits per pixel, such as 12")
        if self.resize not in MODES:
            raise InputError(f"resize is {self.resize!r}, expected one of: {', '.join(MODES)}")
        if self.resize == TILES and (size is None or min(size) < LEAST_TILE):
            raise InputError(
                f"resize is 'tiles' and size is {size!r}, expected the height and width of a tile, at least "
                f"{LEAST_TILE} pixels each. Add it, such as size=(640, 640)"
            )
        try:
            ImageColor.getrgb(self.background)
        except ValueError:
            raise InputError(
                f"background '{self.background}': is no colour, expected a name or a code, such as white or #808080"
            ) from None


@dataclass(frozen=True)
class Read:
    """One image.

    Args:
        pixels: (C, H, W) uint8; or float32 levels, if it has more than 8 bits per pixel.
        given: (height, width) on disk.
        most: highest level before resizing; None for 8 bits.
    """

    pixels: NDArray[Any]
    given: tuple[int, int]
    most: float | None = None

    def eight_bits(self, depth: int | None) -> NDArray[np.uint8]:
        """The pixels (C, H, W) uint8. Levels are in 0..2^depth - 1."""
        if self.pixels.dtype == np.uint8:
            return self.pixels
        assert depth is not None
        white = 2**depth - 1
        if self.most is not None and self.most > white:
            raise ValueError(f"found the level {self.most:g}, expected at most {white} for a depth of {depth} bits")
        scaled: NDArray[np.uint8] = (self.pixels * (255 / white)).round().clip(0, 255).astype(np.uint8)
        return scaled


class Held(ABC):
    """An image that is no file: an object of another library, or a row of its data set.

    Args:
        name: what messages call it, such as `image 3`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def read(self, how: Conversion) -> Read:
        """The pixels, resized and with the channels of `how`."""

    def __str__(self) -> str:
        return self.name


def read_image(image: Path | Held, how: Conversion) -> Read:
    """One image, resized and with the channels of `how`."""
    if isinstance(image, Held):
        return image.read(how)
    plain = plain_png(image.read_bytes()) if image.suffix.lower() == ".png" else None
    if plain is not None:
        return _read(plain, how)
    with Image.open(image) as opened:
        _check_packed(opened, image.stat().st_size)
        return read_opened(opened, how)


def read_bytes(packed: bytes, how: Conversion) -> Read:
    """One image from the bytes of its file."""
    plain = plain_png(packed)
    if plain is not None:
        return _read(plain, how)
    try:
        opened = Image.open(BytesIO(packed))
    except UnidentifiedImageError:  # its message is the address of the bytes
        raise ValueError(f"found {len(packed)} bytes that begin with {packed[:8]!r}, expected an image file") from None
    with opened:
        _check_packed(opened, len(packed))
        return read_opened(opened, how)


def read_opened(opened: Image.Image, how: Conversion) -> Read:
    """One image of Pillow. One that is loaded is not changed; a JPEG that is not may be decoded at a reduced size."""
    _check_frames(opened)
    coarse = _coarse(opened)
    original, reduction = _reduced(opened, how)
    image = _opaque(_upright(opened), how.background)
    most = None
    if image.mode.startswith(("I", "F")):  # more than 8 bits per pixel
        image, most = _levels(image, how.depth)
    elif coarse:
        most = 257.0 * int(np.asarray(image).max())
    return _read(image, how, original, reduction, most)


def _read(
    image: Image.Image,
    how: Conversion,
    original: tuple[int, int] | None = None,
    reduction: int = 1,
    most: float | None = None,
) -> Read:
    """An upright and opaque image with the size and channels of `how`; for the others see `_reduced` and `Read`."""
    given = original or (image.height, image.width)
    grey = how.channels == 1 or (how.channels is None and image.mode in ("1", "L", "LA", "F"))
    if image.mode not in ("F", "L" if grey else "RGB"):
        image = image.convert("L" if grey else "RGB")
    array = np.asarray(image) if how.frame in (None, given) else _fitted(image, given, how, reduction)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    if not grey and len(array) == 1:
        array = np.repeat(array, 3, axis=0)
    return Read(array, given, most)


def _reduced(opened: Image.Image, how: Conversion) -> tuple[tuple[int, int] | None, int]:
    """Let a JPEG that is shrunk to half its size or less be decoded at a half, a quarter or an eighth of its size.

    What is decoded has at least the size that the image is then resized to. The decoder takes the mean of whole blocks
    of pixels, so nothing is aliased.

    Returns:
        The original height and width of the upright image, and by how much its sides are divided; (None, 1) if the
        image is decoded whole.
    """
    if how.frame is None or opened.format not in ("JPEG", *PREVIEWS):
        return None, 1
    turned = opened.getexif().get(ORIENTATION, 1) in TURNED
    given = (opened.width, opened.height) if turned else (opened.height, opened.width)
    (height, width), _ = place(given, how.frame, how.resize)
    before = opened.width
    opened.draft(None, (height, width) if turned else (width, height))
    return (given, round(before / opened.width)) if opened.width != before else (None, 1)


def _fitted(image: Image.Image, given: tuple[int, int], how: Conversion, reduction: int) -> NDArray[Any]:
    """The pixels of an image in the size of `how`; `given` is its original size, of which `reduction` was decoded.

    The padding of `letterbox` is as in `fitting.fitted`.
    """
    assert how.size is not None
    whole, (top, left) = place(given, how.size, how.resize)
    height, width = (min(side, full) for side, full in zip(whole, how.size, strict=True))  # that is seen
    rows = _seen(given[0] / reduction, whole[0], height, top)
    columns = _seen(given[1] / reduction, whole[1], width, left)
    seen = np.asarray(_resized(image, (height, width), rows, columns, _filter(given, whole, reduction)))
    if (height, width) == how.size:
        return seen
    mean = seen.mean((0, 1))
    frame = np.empty((*how.size, *seen.shape[2:]), seen.dtype)
    frame[:] = mean.round() if seen.dtype == np.uint8 else mean
    top, left = max(0, top), max(0, left)
    frame[top : top + height, left : left + width] = seen
    return frame


def _seen(decoded: float, scaled: int, seen: int, corner: int) -> tuple[float, float]:
    """Start and end of what is seen of a side, in decoded pixels: `seen` of its `scaled` pixels, see `place`."""
    if seen == scaled:
        return 0.0, decoded
    start = -corner * decoded / scaled
    return start, min(decoded, start + seen * decoded / scaled)


def _resized(
    image: Image.Image,
    size: tuple[int, int],
    rows: tuple[float, float],
    columns: tuple[float, float],
    how: Image.Resampling,
) -> Image.Image:
    """The rows and columns of the image with another height and width, the width first.

    Both at once would be another image in another version of Pillow: it rounds after each side, and since version 13 it
    chooses which side is first.
    """
    height, width = size
    across = image.resize((width, image.height), how, box=(columns[0], 0, columns[1], image.height))
    return across.resize((width, height), how, box=(0, rows[0], width, rows[1]))


def _filter(given: tuple[int, int], whole: tuple[int, int], reduction: int) -> Image.Resampling:
    """How pixels are interpolated. After a reduction little is left to shrink, where a box would give uneven steps."""
    shrinks = reduction == 1 and whole[0] <= given[0] and whole[1] <= given[1]
    return Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR


def _check_frames(opened: Image.Image) -> None:
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and opened.format not in PREVIEWS:
        raise ValueError(f"found {frames} frames, expected one image; save each frame as a file")


def _check_packed(opened: Image.Image, packed: int) -> None:
    """Raise `ValueError` if an image unpacks to far more than `packed` bytes."""
    pixels = opened.width * opened.height
    if pixels > max(LARGE, RATIO * packed):
        raise ValueError(
            f"found {opened.width} by {opened.height} pixels in {packed} bytes, expected at most {RATIO} pixels a "
            "byte; save it uncompressed if it is yours"
        )


def _coarse(opened: Image.Image) -> bool:
    """Whether it is a colour image of 16 bits, of which Pillow reads the upper 8."""
    return opened.mode in ("RGB", "RGBA") and any(";16" in str(tile[3]) for tile in getattr(opened, "tile", []))


def _upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF orientation says. No other tag is read, because cameras write them in many wrong ways."""
    turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _opaque(image: Image.Image, background: str) -> Image.Image:
    """The image on a background if it is transparent: colours under transparent pixels are hidden and arbitrary."""
    if not image.has_transparency_data:
        return image
    grey = image.mode in ("L", "LA", "1")
    above = image.convert("RGBA")
    behind = Image.new("RGBA", above.size, background)
    return Image.alpha_composite(behind, above).convert("L" if grey else "RGB")


def _levels(image: Image.Image, depth: int | None) -> tuple[Image.Image, float | None]:
    """The levels of an image of more than 8 bits as floats, and the highest one; or 8 bits and None for floats in 0..1.

    Raises:
        ValueError: a pixel is not finite or negative, or floats without a depth exceed 1.
    """
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("found NaN or infinite pixels, expected finite ones")
    low, high = float(values.min()), float(values.max())
    floats = image.mode == "F" and depth is None
    if low < 0 or (floats and high > 1):
        raise ValueError(
            f"found {'floats' if image.mode == 'F' else 'levels'} from {low:.4g} to {high:.4g}, expected "
            + ("0 to 1; say their range with --depth: 12 is 0 to 4095" if floats else "0 or more")
        )
    if floats:
        return Image.fromarray((255 * values).round().astype(np.uint8)), None
    if depth is None and high > 2 ** DEPTHS[-1] - 1:
        raise ValueError(f"found the level {high:.0f}, expected at most 65535 (16 bits)")
    return Image.fromarray(values.astype(np.float32)), high


def try_read(file: Path | Held, how: Conversion) -> Read | str:
    """One image, or why it cannot be read."""
    try:
        read = read_image(file, how)
        if how.depth is not None:
            read.eight_bits(how.depth)  # a level above the depth is an error of this file
        return read
    except Exception as error:  # decoders raise errors of any kind for damaged files
        return str(error).replace(str(file), file.name) or type(error).__name__
