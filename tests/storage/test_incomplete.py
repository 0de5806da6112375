"""Folders that say that they are incomplete: after errors, kills at every moment, and on resuming."""

import json

import pytest

from helpers import Killed, below, killed_at
from synth2real import load_unlabelled
from synth2real.errors import InputError, WriteError
from synth2real.storage import INCOMPLETE, Building, building, check_complete, write_text
from synth2real.storage.incomplete import EARLIER, REPLACING, RESTORING


def text_of(folder):
    return {name: (folder / name).read_text() for name in below(folder)}


def make(out, text, count=3, stop=None, error=RuntimeError, **more):
    """Write `count` files; raise `error` before the file number `stop`."""
    with building(out, "render", {"text": text}, **more) as made:
        for i in range(len(made.rows), count):
            if i == stop:
                raise error("stopped")
            write_text(out / f"{i}", text)
            made.add({"file": i})


def kill(out, text, stop, monkeypatch, **more):
    """As `make`, killed before the file number `stop`: what `building` does after an error is left out."""
    with monkeypatch.context() as patch:
        patch.setattr(Building, "restore", lambda self: None)
        with pytest.raises(Killed):
            make(out, text, stop=stop, error=Killed, **more)


def test_a_folder_is_incomplete_until_its_end(tmp_path):
    out = tmp_path / "a" / "out"
    with building(out, "render", {"n": 3}) as made:
        assert below(out) == [INCOMPLETE]
        made.add({"row": 1})
        for read in (check_complete, load_unlabelled):
            with pytest.raises(InputError, match=r"out: is incomplete: `synth2real render` was stopped .*--resume"):
                read(out)
        with pytest.raises(InputError, match=r"out: is incomplete"):
            load_unlabelled(tmp_path)  # in a folder above
    check_complete(out)
    assert below(out) == []


def test_after_an_error_the_folder_stays_and_can_be_resumed(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RuntimeError) as stop:
        make(out, "new", stop=2)
    assert stop.value.__notes__ == [f"{out} is incomplete: the same command with --resume goes on."]
    assert below(out) == ["0", "1", INCOMPLETE]
    with pytest.raises(InputError, match=r"was begun with text new, but --resume found other. Give the same"):
        make(out, "other", resume=True)
    make(out, "new", resume=True)
    assert text_of(out) == dict.fromkeys("012", "new")
    with pytest.raises(KeyboardInterrupt, match=r": .*b is incomplete: the same command with --resume goes on$"):
        make(tmp_path / "b", "new", stop=1, error=KeyboardInterrupt)


@pytest.mark.parametrize("exists", [True, False])
def test_after_an_error_before_the_first_file_nothing_is_left(tmp_path, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    with pytest.raises(RuntimeError) as stop:
        make(out, "new", stop=0)
    assert not hasattr(stop.value, "__notes__")
    assert out.exists() == exists
    assert below(tmp_path) == []


def test_nothing_to_resume_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    for out in (tmp_path / "out", tmp_path / "none"):
        with pytest.raises(InputError, match=rf"found no {INCOMPLETE}, so there is nothing to --resume"):
            make(out, "new", resume=True)
    assert not (tmp_path / "none").exists()


@pytest.fixture
def earlier(tmp_path):
    """A folder with an earlier output of five files, and a file of the user."""
    out = tmp_path / "out"
    make(out, "old", count=5)
    write_text(out / "mine", "mine")
    return out


def test_an_earlier_output_is_replaced_whole(earlier):
    make(earlier, "new", replaces=list("01234"))
    assert text_of(earlier) == {**dict.fromkeys("012", "new"), "mine": "mine"}
    assert not (earlier / EARLIER).exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_earlier_output_is_back_after_an_error(earlier, error):
    before = text_of(earlier)
    with pytest.raises(error):
        make(earlier, "new", stop=2, error=error, replaces=list("01234"))
    assert text_of(earlier) == before


def test_what_was_killed_while_it_replaced_can_be_resumed_or_begun_anew(earlier, monkeypatch):
    before = text_of(earlier)
    kill(earlier, "new", 2, monkeypatch, replaces=list("01234"))
    with pytest.raises(InputError, match="is incomplete"):
        check_complete(earlier)
    with pytest.raises(RuntimeError):  # begun anew, and failed: the earlier output is back
        make(earlier, "newer", stop=1)
    assert text_of(earlier) == before
    kill(earlier, "new", 2, monkeypatch, replaces=list("01234"))
    make(earlier, "new", resume=True)
    assert text_of(earlier) == {**dict.fromkeys("012", "new"), "mine": "mine"}


@pytest.mark.parametrize("moved", range(6))
def test_a_kill_while_the_earlier_output_moves_away_loses_nothing(earlier, monkeypatch, moved):
    with monkeypatch.context() as patch, killed_at(monkeypatch, "rename", moved, forever=True):
        patch.setattr(Building, "restore", lambda self: None)
        make(earlier, "new", replaces=list("01234"), error=Killed, stop=0)
    if moved < 5:
        assert Building.read(earlier).header["doing"] == REPLACING
    make(earlier, "new", resume=True)
    assert text_of(earlier) == {**dict.fromkeys("012", "new"), "mine": "mine"}


@pytest.mark.parametrize("moved", range(5))
def test_a_kill_while_the_earlier_output_moves_back_loses_nothing(earlier, monkeypatch, moved):
    before = text_of(earlier)
    with killed_at(monkeypatch, "rename", 5 + moved, forever=True):
        make(earlier, "new", stop=2, replaces=list("01234"))
    assert Building.read(earlier).header["doing"] == RESTORING
    with pytest.raises(InputError, match="nothing to --resume"):
        make(earlier, "new", resume=True)
    assert text_of(earlier) == before


def test_a_full_disk_brings_the_earlier_output_back(earlier, monkeypatch):
    def full(*_):
        raise WriteError("no space left on device")

    before = text_of(earlier)

    def fill():
        with building(earlier, "render", {}, replaces=list("01234")):
            write_text(earlier / "0", "new")
            monkeypatch.setattr("synth2real.storage.incomplete.write_text", full)
            full()

    with pytest.raises(WriteError):
        fill()
    assert text_of(earlier) == before


def test_a_torn_line_is_dropped_and_a_damaged_journal_named(tmp_path, monkeypatch):
    kill(tmp_path / "out", "new", 2, monkeypatch)
    journal = tmp_path / "out" / INCOMPLETE
    whole = journal.read_text()
    journal.write_text(whole + '{"file": ')
    assert Building.read(tmp_path / "out").rows == [{"file": 0}, {"file": 1}]
    for text in ("", "[1]\n", "{\n", json.dumps({"doing": "x", "made_from": {}}) + "\n"):
        journal.write_text(text)
        with pytest.raises(InputError, match=rf"{INCOMPLETE}: is damaged, so .*out cannot be used. Delete the folder"):
            check_complete(tmp_path / "out")


def test_a_folder_that_cannot_be_begun_is_not_left(tmp_path, monkeypatch):
    def full(*_):
        raise WriteError("no space left on device")

    monkeypatch.setattr("synth2real.storage.incomplete.write_text", full)
    with pytest.raises(WriteError):
        make(tmp_path / "out", "new")
    assert list(tmp_path.iterdir()) == []
