"""A short way to the pixels of plain PNG files, of which sets of small images consist.

For such an image most of the time goes into what a PNG may hold besides its pixels. A file without anything else is
decoded by Pillow's decoder alone, to the same pixels, in less than half the time.
"""

from __future__ import annotations

import zlib

from PIL import Image

START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
HEAD = 33  # bytes of the signature and the header
MOST = 2**25  # pixels; what a larger file claims is looked at before memory is taken for it
PLAIN = {b"\x08\x00\x00\x00\x00": "L", b"\x08\x02\x00\x00\x00": "RGB"}  # 8 bits, not interlaced: grey, colour


def plain_png(packed: bytes) -> Image.Image | None:
    """The image of a PNG that holds 8 bits of grey or RGB and nothing else; None for any other file, or a damaged one.

    Args:
        packed: the bytes of the file.
    """
    mode = PLAIN.get(packed[24:29])
    if mode is None or not packed.startswith(START) or zlib.crc32(packed[12:29]) != _number(packed, 29):
        return None
    width, height = _number(packed, 16), _number(packed, 20)
    if not 0 < width * height <= MOST:
        return None
    at, parts = HEAD, []
    while (kind := packed[at + 4 : at + 8]) == b"IDAT":
        end = at + 8 + _number(packed, at)
        parts.append(packed[at + 8 : end])
        at = end + 4
    if kind != b"IEND" or not parts:
        return None
    try:
        return Image.frombytes(mode, (width, height), b"".join(parts), "zip", mode, 0)
    except ValueError:  # damaged: Pillow says in which way when it opens the file
        return None


def _number(packed: bytes, at: int) -> int:
    return int.from_bytes(packed[at : at + 4], "big")
