"""How images are resized if nobody says it."""

from pathlib import Path

import pytest
from PIL import Image

from synth2real.measure.ratios import ratios, usual_resize


def folder(path: Path, *sizes: tuple[int, int]) -> Path:
    path.mkdir()
    for i, size in enumerate(sizes):
        Image.new("RGB", size).save(path / f"{i}.png")
    return path


@pytest.mark.parametrize(
    ("second", "resize"), [((64, 48), "stretch"), ((128, 96), "stretch"), ((128, 72), "crop"), ((48, 64), "crop")]
)
def test_images_of_several_ratios_are_cropped(tmp_path: Path, second: tuple[int, int], resize: str) -> None:
    folders = folder(tmp_path / "renders", (64, 48)), folder(tmp_path / "photos", (64, 48), second)
    assert usual_resize(folders) == resize


def test_a_photograph_that_is_turned_counts_as_it_is_seen(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=turned)
    assert ratios(tmp_path) == [pytest.approx(48 / 64)]


def test_what_is_no_folder_of_images_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert ratios(tmp_path) == []
    assert usual_resize([tmp_path, tmp_path / "missing", "digits"]) == "stretch"
