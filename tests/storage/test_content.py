"""Content hashes: they change with every byte and name, and with nothing else; what was read is kept."""

import os

import pytest

from synth2real.storage import content, content_of
from synth2real.storage.content import Content, size_of


def fill(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


FILES = {"a.png": b"first", "b/c.png": b"second", "b/d/e.csv": b"third"}


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "folder", FILES)


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A cache of its own that keeps everything, and a list of the files that are read."""
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "KEPT_FILES", 1)
    monkeypatch.setattr(content, "SETTLED", -1.0)
    read, own = [], content._of_bytes
    monkeypatch.setattr(content, "_of_bytes", lambda file: [read.append(file.name), own(file)][1])
    return read


def test_a_copy_elsewhere_has_the_same_content(folder, tmp_path):
    found = content_of(folder)
    assert found == content_of(fill(tmp_path / "other name", FILES))
    assert (len(found.hash), found.files, found.bytes) == (40, 3, 16)


@pytest.mark.parametrize(
    "change",
    [{"a.png": b"First"}, {"b/d/e.csv": b"thirD"}, {"new.png": b""}, {"b/a.png": b"first"}],
    ids=["a byte", "a byte below", "an empty file", "a file of the same bytes"],
)
def test_any_change_below_the_folder_changes_the_hash(folder, change):
    before = content_of(folder).hash
    assert content_of(fill(folder, change)).hash != before


def test_a_file_that_is_renamed_or_moved_to_another_subfolder_changes_the_hash(folder):
    before = content_of(folder)
    (folder / "a.png").rename(folder / "z.png")
    renamed = content_of(folder)
    (folder / "z.png").rename(folder / "b" / "z.png")
    assert len({before.hash, renamed.hash, content_of(folder).hash}) == 3


def test_what_commands_write_beside_the_content_does_not_count(folder):
    before = content_of(folder)
    beside = ("provenance.json", "config.yaml", "log.txt", "report.html", "report.html.provenance.json", "model.onnx")
    fill(folder, dict.fromkeys((*beside, ".synth2real.lock", ".partial.x/y.png"), b"anything"))
    (folder / "empty").mkdir()
    assert content_of(folder) == before


def test_later_outputs_in_the_folder_of_an_output_do_not_count(folder):
    before = content_of(folder)
    fill(folder, {"p.csv": b"1", "p.csv.provenance.json": b"{}"})
    assert content_of(folder) != before  # no output: it may be a table that is read
    fill(folder, {"provenance.json": b"{}"})
    assert content_of(folder) == before


def test_the_hash_of_a_file_is_that_of_its_bytes(folder, tmp_path):
    copy = fill(tmp_path, {"copy.npz": b"first"}) / "copy.npz"
    assert content_of(copy) == content_of(folder / "a.png")
    assert content_of(copy).bytes == 5


def test_links_are_followed_but_not_into_their_own_folder(folder, tmp_path):
    (tmp_path / "linked").symlink_to(folder)
    assert content_of(tmp_path / "linked") == content_of(folder)
    before = content_of(folder)
    (folder / "b" / "up").symlink_to(folder)
    assert content_of(folder) == before
    (folder / "there").symlink_to(tmp_path / "linked" / "b" / "d")
    assert content_of(folder).files == 4


def test_names_that_are_not_utf8_are_hashed(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    assert content_of(tmp_path).files == 1


def test_a_folder_that_was_read_is_not_read_again(folder, cached):
    first = content_of(folder)
    assert sorted(cached) == ["a.png", "c.png", "e.csv"]
    cached.clear()
    assert content_of(folder) == first
    assert cached == []


def test_a_changed_folder_is_read_again_and_the_others_are_not(folder, cached):
    before = content_of(folder)
    cached.clear()
    (folder / "b" / "c.png").write_bytes(b"other!")
    assert content_of(folder) != before
    assert cached == ["c.png"]


def test_a_file_of_the_same_size_and_another_time_is_read_again(folder, cached):
    before = content_of(folder / "a.png")
    (folder / "a.png").write_bytes(b"FIRST")
    os.utime(folder / "a.png", ns=(0, 1))
    assert content_of(folder / "a.png") != before


def test_files_that_have_just_changed_are_not_kept(folder, cached, monkeypatch):
    monkeypatch.setattr(content, "SETTLED", 3600.0)
    content_of(folder)
    cached.clear()
    content_of(folder)
    assert len(cached) == 3


def test_small_folders_leave_nothing_in_the_cache(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "cache"))
    content_of(folder)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b"\xff", b'{"of": 1}'])
def test_a_damaged_cache_is_made_again(folder, cached, tmp_path, damage):
    found = content_of(folder)
    for file in (tmp_path / "cache" / "content").iterdir():
        file.write_bytes(damage)
    assert content_of(folder) == found


def test_a_cache_that_cannot_be_written_is_no_error(folder, cached, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "file"))
    assert content_of(folder).files == 3


def test_files_are_told_while_they_are_read(folder):
    told = []
    content_of(folder, lambda files, size: told.append((files, size)))
    assert told == [(1, 5), (2, 11), (3, 16)]


def test_the_size_is_known_without_reading(folder, cached):
    assert size_of(folder, 10) == (3, 16)
    assert size_of(folder / "a.png", 10) == (1, 5)
    assert size_of(folder, 1)[0] <= 2
    assert cached == []


def test_a_folder_that_is_gone_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="gone"):
        content_of(tmp_path / "gone")


def test_contents_are_joined_in_any_order():
    one, two = Content("1", 1, 10), Content("2", 2, 20)
    assert Content.joined([("a", one), ("b", two)]) == Content.joined([("b", two), ("a", one)])
    assert Content.joined([("a", one), ("b", two)]).bytes == 30
