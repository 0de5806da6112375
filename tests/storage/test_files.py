"""Files are written whole or not at all, and an error names the file, the reason and the mend."""

import errno
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

from synth2real.errors import WriteError
from synth2real.storage import append_line, copied, files, make_folder, whole, whole_folder, write_tensors, write_text


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_appears_when_it_is_complete(tmp_path):
    with whole(tmp_path / "a.txt") as partial:
        partial.write_text("new")
        assert not (tmp_path / "a.txt").exists()
        assert partial.parent == tmp_path
        assert partial.name.startswith(".")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError("of the writer"), KeyboardInterrupt()])
def test_after_an_error_the_file_is_as_it_was_and_nothing_else_is_left(tmp_path, error):
    write_text(tmp_path / "a.txt", "old")

    def write():
        with whole(tmp_path / "a.txt") as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(WriteError if isinstance(error, OSError) else type(error)):
        write()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left on device. Free space on the disk, or choose another place"),
        (errno.EDQUOT, "[dD]isk quota exceeded. Free space on the disk"),
        (errno.EROFS, "read-only file system. Choose a place that you can write to"),
        (errno.EACCES, "permission denied. Choose a place that you can write to"),
        (errno.ENOENT, "no such file or directory. Its folder has vanished: check that the disk is still mounted"),
        (errno.EIO, "input/output error. Check the disk"),
    ],
)
def test_an_error_names_the_file_the_reason_and_the_mend(tmp_path, number, message):
    expected = pytest.raises(WriteError, match=f"^{tmp_path / 'a'}: cannot be written: {message}")
    with expected as stop, whole(tmp_path / "a"):
        raise OSError(number, "in the words of a library")
    assert stop.value.errno == number
    assert str(pickle.loads(pickle.dumps(stop.value))) == str(stop.value)  # workers are other processes


def test_images_keep_their_format_and_what_is_too_long_for_a_disk_is_refused(tmp_path):
    with whole(tmp_path / "a.png") as partial:
        Image.new("L", (4, 4)).save(partial)
    assert Image.open(tmp_path / "a.png").format == "PNG"
    if Path("/dev/full").exists():
        with pytest.raises(WriteError, match="no space left on device"), whole(tmp_path / "b"):
            Path("/dev/full").write_text("a")


def test_tensors_are_written_whole(tmp_path, monkeypatch):
    write_tensors(tmp_path / "a.safetensors", {"x": torch.ones(2, 3).T})
    assert torch.equal(load_file(tmp_path / "a.safetensors")["x"], torch.ones(3, 2))

    def save_file(tensors, path):
        Path(path).write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", save_file)
    with pytest.raises(WriteError, match=r"a\.safetensors: cannot be written: no space left on device\."):
        write_tensors(tmp_path / "a.safetensors", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
    assert "x" in load_file(tmp_path / "a.safetensors")
    assert str(files._system_error("Error of another kind")) == "Error of another kind"


class Tight:
    """A file on a disk that takes a part of the next bytes, and then no more."""

    def __init__(self, file):
        self.file, self.left = file, 3

    def write(self, data):
        if self.left == 0:
            full()
        count, self.left = self.file.write(data[: self.left]), 0
        return count

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_line_is_added_whole_or_not_at_all(tmp_path, monkeypatch):
    append_line(tmp_path / "log", "one")
    append_line(tmp_path / "log", "zwei é")
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *rest, **named: Tight(opened(path, *rest, **named)))
    for name in ("log", "new"):
        with pytest.raises(WriteError, match=f"{name}: cannot be written: no space left on device"):
            append_line(tmp_path / name, "three")
    monkeypatch.undo()
    assert (tmp_path / "log").read_text(encoding="utf-8") == "one\nzwei é\n"
    assert not (tmp_path / "new").exists()


def test_copies_and_folders_name_what_cannot_be_written(tmp_path):
    write_text(tmp_path / "a", "text")
    copied(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "text"
    with pytest.raises(WriteError, match=r"gone/c: cannot be written: no such file or directory"):
        copied(tmp_path / "a", tmp_path / "gone" / "c")
    make_folder(tmp_path / "new" / "folder")
    with pytest.raises(WriteError, match=r"a/folder: cannot be written: .*A file is where a folder should be"):
        make_folder(tmp_path / "a" / "folder")


def test_a_name_that_is_not_utf_8_is_written_as_it_is(tmp_path):
    write_text(tmp_path / "a.txt", "caf\udce9")
    assert (tmp_path / "a.txt").read_bytes() == b"caf\xe9"


def test_a_folder_appears_when_it_is_complete_and_replaces_the_earlier_one(tmp_path):
    out = tmp_path / "above" / "out"
    for content in ("old", "new"):
        with whole_folder(out) as partial:
            (partial / f"{content}.txt").write_text(content)
    assert [path.name for path in out.iterdir()] == ["new.txt"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_after_an_error_the_earlier_folder_is_as_it_was(tmp_path):
    with whole_folder(tmp_path / "out") as partial:
        (partial / "a.txt").write_text("a")
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "out") as partial:
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "a.txt").read_text() == "a"
