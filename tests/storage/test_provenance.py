"""Records of what an output was made from: written and read, with the version of the code."""

import pytest

from synth2real.errors import InputError
from synth2real.storage import Content, Record, Source, code_version, keep_record, provenance, read_record, record_file
from synth2real.storage.provenance import commit_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECORD = Record(
    "train",
    "/there/run",
    {"adapt": "dann"},
    [3],
    [Source("source", "digits", simulator={"name": "digits"}), Source("target", "p", "/p", Content("ab", 2, 9))],
    {"version": "1", "commit": None, "hash": "cd"},
    {"torch": "2"},
)


def test_a_record_of_a_folder_is_in_it_and_that_of_a_file_beside_it(tmp_path):
    file = tmp_path / "model.onnx"
    for out, place in ((tmp_path, tmp_path / "provenance.json"), (file, tmp_path / "model.onnx.provenance.json")):
        assert read_record(out) is None
        keep_record(out, RECORD)
        assert record_file(out) == place
        assert place.is_file()
        assert read_record(out) == RECORD


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": 3}', '{"inputs": [{"role": "x"}]}', '"text"', "\\"])
def test_a_damaged_record_is_refused(tmp_path, text):
    (tmp_path / "provenance.json").write_text(text)
    with pytest.raises(InputError, match="is damaged, expected what the output was made from"):
        read_record(tmp_path)


def test_the_code_has_a_version_a_commit_and_a_hash():
    found = code_version()
    assert set(found) == {"version", "commit", "hash"}
    assert len(found["hash"]) == 40


def test_changed_code_has_another_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    found = set()
    for text in ("a = 1", "a = 2"):
        (tmp_path / "module.py").write_text(text)
        found.add(code_version.__wrapped__()["hash"])
    assert len(found) == 2


@pytest.fixture
def checkout(tmp_path):
    """A git checkout on a branch, as its files are."""
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    (tmp_path / "src" / "package").mkdir(parents=True)
    return tmp_path


def test_the_commit_of_a_branch(checkout):
    assert commit_of(checkout / "src" / "package") == COMMIT


def test_the_commit_of_a_packed_branch(checkout):
    (checkout / ".git" / "refs" / "heads" / "main").unlink()
    (checkout / ".git" / "packed-refs").write_text(
        f"# pack-refs\n{'f' * 40} refs/heads/other\n{COMMIT} refs/heads/main\n"
    )
    assert commit_of(checkout) == COMMIT


def test_the_commit_of_a_detached_head(checkout):
    (checkout / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    assert commit_of(checkout) == COMMIT


def test_the_commit_of_a_worktree(checkout, tmp_path):
    place = checkout / ".git" / "worktrees" / "w"
    place.mkdir(parents=True)
    (place / "HEAD").write_text("ref: refs/heads/main\n")
    (place / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {place}\n")
    assert commit_of(tmp_path / "w") == COMMIT


@pytest.mark.parametrize("head", ["", "ref: refs/heads/gone\n"])
def test_a_checkout_without_a_commit_has_none(checkout, head):
    (checkout / ".git" / "HEAD").write_text(head)
    assert not commit_of(checkout)


def test_an_installed_package_is_not_of_the_checkout_around_its_environment(checkout):
    inside = checkout / ".venv" / "lib" / "site-packages" / "synth2real"
    inside.mkdir(parents=True)
    assert commit_of(inside) is None
