"""Image files of every format and mode that the installed Pillow writes, damaged."""

import io
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fuzzing import check_domain, fuzzed, mutated, read
from synth2real import Labelled, load, load_unlabelled
from synth2real.data.reading.discovery import image_suffixes

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
COMPRESSIONS = ("tiff_deflate", "tiff_lzw", "packbits", "jpeg", "group4")
MAGIC = (b"8BPS\0\1", b"SIMPLE  =", b"\0\0\1\0", b"RIFF", b"DDS ", b"icns", b"BLP2", b"FTEX", b"\x0a\5\1", b"IIII",
         b"#?RADIANCE", b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x1cftypavif", b"II*\0", b"\x89PNG\r\n\x1a\n", b"qoif",
         b"P6 9999 9999 255\n", b"Pf\n", b"/* XPM */", b"#define a_width 9")  # fmt: skip


@cache
def written() -> tuple[tuple[str, bytes], ...]:
    """A small valid file in every format and mode, with its suffix."""
    Image.init()
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    found = []
    one_of_each_format = {Image.EXTENSION[suffix]: suffix for suffix in sorted(image_suffixes())}
    for name, suffix in one_of_each_format.items():
        variants: list[dict[str, Any]] = [{}]
        variants += [{"exif": exif.tobytes()}] * (name in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"))
        variants += [{"compression": one} for one in COMPRESSIONS if name == "TIFF"]
        for mode, more in product(MODES, variants):
            image = Image.fromarray(pixels[..., :3]).convert("L" if mode in ("I;16", "LAB") else "RGB")
            file = io.BytesIO()
            try:
                image.convert(mode).save(file, name, **more)
            except (OSError, ValueError, KeyError, SystemError):
                continue  # this format does not have this mode
            found.append((suffix, file.getvalue()))
    return tuple(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    suffix, whole = draw(st.sampled_from(written()))
    return suffix, draw(mutated([whole]))


def check(folder: Path, suffix: str, data: bytes, **conversion) -> None:
    file = folder / f"image{suffix}"
    file.write_bytes(data)
    try:
        if domain := read(lambda: load_unlabelled(file, **conversion), file):
            check_domain(domain)
            assert len(domain) == 1
    finally:
        file.unlink()


def test_many_formats_and_modes_are_written() -> None:
    assert len({suffix for suffix, _ in written()}) >= 15
    assert len(written()) >= 100


@pytest.mark.filterwarnings("ignore")
def test_most_of_the_files_to_be_damaged_are_valid(folder) -> None:
    readable = 0
    for suffix, data in written():
        (folder / f"whole{suffix}").write_bytes(data)
        domain = read(lambda: load_unlabelled(folder / f"whole{suffix}"), folder)  # noqa: B023
        readable += domain is not None
    assert readable > 0.8 * len(written())


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damage
@fuzzed(100)
@given(image=damaged(), channels=st.sampled_from([None, 1, 3]), size=st.sampled_from([None, (8, 8), (3, 40)]))
def test_a_damaged_image_is_read_or_refused(folder, image, channels, size) -> None:
    check(folder, *image, channels=channels, size=size)


@pytest.mark.filterwarnings("ignore")
@fuzzed(30)
@given(suffix=st.sampled_from(sorted(image_suffixes())), magic=st.sampled_from(MAGIC), rest=st.binary(max_size=300))
def test_random_bytes_with_the_name_of_an_image_are_refused(folder, suffix, magic, rest) -> None:
    check(folder, suffix, magic + rest)


@pytest.mark.filterwarnings("ignore")
@fuzzed(10)
@given(image=damaged())
def test_a_damaged_image_of_a_class_is_named_or_skipped(tmp_path_factory, image) -> None:
    folder = tmp_path_factory.mktemp("classes")
    for name in ("a/0.png", "b/1.png"):
        (folder / name).parent.mkdir()
        Image.new("L", (9, 7), 99).save(folder / name)
    bad = folder / "a" / f"bad{image[0]}"
    bad.write_bytes(image[1])

    def loaded(**how: bool) -> Labelled | None:
        return read(lambda: load(folder, size=(8, 8), channels=1, **how), bad)

    if domain := loaded():
        check_domain(domain)
    left = loaded(skip_bad=True)
    assert left is not None
    assert len(left) == (2 if domain is None else 3)


@pytest.mark.filterwarnings("ignore")
def test_a_small_file_of_many_pixels_is_refused(folder) -> None:
    file = folder / "bomb.png"
    Image.new("P", (9000, 9000)).save(file, transparency=0)
    assert file.stat().st_size < 2**17
    assert read(lambda: load_unlabelled(file, size=(8, 8)), file) is None
