"""The short way to plain PNG files: the pixels of Pillow, or none."""

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from helpers import picture
from synth2real.data.reading.pixels import Conversion, read_bytes
from synth2real.data.reading.png import plain_png


def packed(image: Image.Image, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **how)
    return out.getvalue()


def grey() -> Image.Image:
    return Image.fromarray(picture(0, (36, 60)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("size", [(36, 60), (1, 1), (200, 3)])
def test_pixels_are_those_of_pillow(channels: int, level: int, size: tuple[int, int]) -> None:
    content = packed(Image.fromarray(picture(1, size, channels)), compress_level=level)
    found = plain_png(content)
    assert found is not None
    np.testing.assert_array_equal(np.asarray(found), np.asarray(Image.open(io.BytesIO(content))))


def other_files() -> dict[str, bytes]:
    text = PngInfo()
    text.add_text("Title", "eye")
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = io.BytesIO()
    grey().save(jpeg, "JPEG")
    return {
        "text": packed(grey(), pnginfo=text),
        "turned": packed(grey(), exif=exif),
        "palette": packed(grey().convert("P")),
        "transparent": packed(grey().convert("LA")),
        "16 bits": packed(Image.fromarray(np.zeros((4, 4), np.uint16))),
        "black and white": packed(grey().convert("1")),
        "jpeg": jpeg.getvalue(),
        "empty": b"",
    }


@pytest.mark.parametrize("name", other_files())
def test_any_other_file_is_left_to_pillow(name: str) -> None:
    assert plain_png(other_files()[name]) is None


@pytest.mark.parametrize("cut", [10, 33, 40, 500, -12])
def test_a_truncated_file_is_left_to_pillow(cut: int) -> None:
    assert plain_png(packed(grey())[:cut]) is None


def test_a_damaged_file_is_left_to_pillow() -> None:
    content = bytearray(packed(grey()))
    content[60] ^= 255
    assert plain_png(bytes(content)) is None
    content = bytearray(packed(grey()))
    content[19] ^= 1  # the width, against its checksum
    assert plain_png(bytes(content)) is None


def test_a_size_that_would_take_much_memory_is_left_to_pillow() -> None:
    content = bytearray(packed(grey()))
    content[16:24] = (2**13).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    assert plain_png(bytes(content)) is None
    with pytest.raises(ValueError, match="expected at most 100 pixels a byte"):
        read_bytes(bytes(content), Conversion())


def test_bytes_that_are_no_image_are_described() -> None:
    with pytest.raises(ValueError, match=r"found 7 bytes that begin with b'no imag', expected an image file"):
        read_bytes(b"no imag", Conversion())
