"""Which files of a folder are read, and what is said of the others."""

import numpy as np
import pytest

from helpers import save
from synth2real import load, load_unlabelled
from synth2real.data.reading.discovery import as_spelled, files_below, image_suffixes
from synth2real.errors import InputError, LeftOutWarning

GREY = np.zeros((4, 4), dtype=np.uint8)


def test_links_to_folders_are_followed_and_a_loop_ends(tmp_path):
    save(tmp_path / "disk" / "a.png", GREY)
    source = tmp_path / "source"
    save(source / "dog" / "b.png", GREY)
    (source / "cat").symlink_to(tmp_path / "disk", target_is_directory=True)
    (source / "dog" / "again").symlink_to(source, target_is_directory=True)
    assert load(source).classes == ("cat", "dog")
    assert load_unlabelled(source).names == ("cat/a.png", "dog/b.png")


def test_hidden_files_and_those_of_operating_systems_are_left_out(tmp_path):
    for name in ("a/1.png", "a/._1.png", "b/2.png", ".ipynb_checkpoints/2.png", "__MACOSX/a/1.png", "b/@eaDir/2.png"):
        save(tmp_path / name, GREY)
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    assert load(tmp_path).classes == ("a", "b")
    assert load_unlabelled(tmp_path).names == ("a/1.png", "b/2.png")


@pytest.mark.parametrize("suffix", [".JFIF", ".jp2", ".avif", ".jpe", ".tga"])
def test_whatever_pillow_decodes_is_read(tmp_path, suffix):
    if suffix.lower() not in image_suffixes():
        pytest.skip(f"needs a Pillow that reads {suffix}")
    from PIL import Image

    Image.fromarray(GREY.repeat(4, 0).repeat(4, 1)).convert("RGB").save(tmp_path / f"photo{suffix}")
    assert load_unlabelled(tmp_path).names == (f"photo{suffix}",)


def test_formats_that_are_no_images_are_not_among_them():
    assert {".png", ".jpg", ".jpeg", ".tif", ".webp", ".jfif"} <= image_suffixes()
    assert not {".pdf", ".eps", ".h5", ".mpg", ".npz", ".csv"} & image_suffixes()


def test_what_is_left_out_is_counted_by_suffix(tmp_path):
    save(tmp_path / "a.png", GREY)
    for name in ("b.HEIC", "c.heic", "d.mp4", "README", "metadata.csv", "notes.txt"):
        (tmp_path / name).write_text("x")
    with pytest.warns(UserWarning, match=r"left out 2 \.heic, 1 \.mp4, 1 without a suffix, which are no images"):
        assert len(load_unlabelled(tmp_path)) == 1
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"found no image, expected files such as .*; found 2 \.heic, 1 \.mp4"):
        load_unlabelled(tmp_path)


@pytest.mark.parametrize("names", [("train",), ("train", "val"), ("Train", "test"), ("training", "dev")])
def test_parts_of_a_data_set_are_not_classes(tmp_path, names):
    for name in names:
        save(tmp_path / name / "cat" / "a.png", GREY)
        save(tmp_path / name / "dog" / "a.png", GREY)
    with pytest.raises(
        InputError, match=rf"which are parts of a data set .* Give one of them, such as \S+{min(names)}"
    ):
        load(tmp_path)
    assert load(tmp_path / names[0]).classes == ("cat", "dog")


def test_a_folder_of_images_beside_labels_is_not_a_class(tmp_path):
    save(tmp_path / "images" / "a.png", GREY)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .1 .1")
    with pytest.raises(InputError, match=r"found the subfolders 'images', which are not classes"):
        load(tmp_path)


def test_files_come_in_a_fixed_order(tmp_path):
    for name in ("b/2.png", "a/1.png", "c.png"):
        save(tmp_path / name, GREY)
    assert files_below(tmp_path) == [tmp_path / name for name in ("c.png", "a/1.png", "b/2.png")]


def test_two_links_to_one_folder_are_two_folders(tmp_path):
    save(tmp_path / "elsewhere" / "a.png", GREY)
    for name in ("cat", "dog"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
    assert [file.parent.name for file in files_below(tmp_path / "data")] == ["cat", "dog"]


def test_a_table_may_spell_a_name_in_another_unicode_form(tmp_path):
    composed, decomposed = "caf\u00e9.png", "cafe\u0301.png"
    save(tmp_path / decomposed, GREY)
    find = as_spelled(tmp_path)
    assert find(tmp_path / composed) == tmp_path / decomposed
    assert find(tmp_path / "other.png") == tmp_path / "other.png"


def test_what_is_left_out_of_every_kind_of_folder_is_counted(tmp_path):
    """As counts in the warnings: other suffixes, unreadable images, images without a row."""
    for name in ("a", "b", "c"):
        save(tmp_path / f"{name}.png", GREY)
    (tmp_path / "d.heic").write_text("x")
    (tmp_path / "broken.png").write_text("x")
    (tmp_path / "metadata.csv").write_text("file_name,label\na.png,1\nb.png,2\nbroken.png,1\n")
    for read, expected in (
        (load, [{"without a row": 1}, {".heic": 1}, {"unreadable": 1}]),
        (load_unlabelled, [{".heic": 1}, {"unreadable": 1}]),
    ):
        with pytest.warns(LeftOutWarning) as caught:
            read(tmp_path, skip_bad=True)
        assert [warning.message.counts for warning in caught] == expected
