"""Locks: one process for one output, stale locks are taken over, workers of one study share a lock."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from synth2real.errors import InputError, WriteError
from synth2real.storage import LOCK, emptied, is_empty, locked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs flock")

HOLD = """
    import sys
    from pathlib import Path
    from synth2real.errors import InputError
    from synth2real.storage import locked
    try:
        with locked(Path(sys.argv[1]), share="share" in sys.argv, join="join" in sys.argv):
            print("held", flush=True)
            sys.stdin.read()
    except InputError as error:
        print(error, flush=True)
"""


@pytest.fixture
def holder(tmp_path):
    """Starts another process that holds the lock of an output until its input ends."""
    begun = []

    def start(out, *how):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLD), out, *how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(sys.modules["synth2real"].__file__).parents[1])},
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def lock_of(out):
    return out.with_name(f".{out.name}{LOCK}")


def test_a_lock_names_its_process_and_goes_with_it(tmp_path):
    out = tmp_path / "new" / "run"
    with locked(out):
        assert json.loads(lock_of(out).read_text()) == {"pid": os.getpid(), "host": socket.gethostname()}
    assert not (tmp_path / "new").exists()
    with pytest.raises(KeyboardInterrupt), locked(out / "inner"):
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()
    with locked(out):
        out.mkdir()
    assert [path.name for path in out.parent.iterdir()] == ["run"]


def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path, holder):
    first = holder(tmp_path / "run")
    assert first.stdout.readline() == "held\n"
    who = f"is in use by process {first.pid} on {socket.gethostname()}. Wait until it has ended, stop it, or choose"
    (tmp_path / "link").symlink_to(tmp_path / "run")
    for out in (tmp_path / "run", tmp_path / "x" / ".." / "run", tmp_path / "link"):
        with pytest.raises(InputError, match=who), locked(out):
            pass
    with pytest.raises(InputError, match=who), locked(tmp_path / "run", join=True):
        pass
    first.kill()
    first.wait()
    assert lock_of(tmp_path / "run").is_file()
    with locked(tmp_path / "run"):
        pass
    assert not lock_of(tmp_path / "run").exists()


def test_of_many_processes_that_find_a_stale_lock_at_once_one_gets_it(tmp_path, holder):
    lock_of(tmp_path / "run").write_text(json.dumps({"pid": 1, "host": socket.gethostname()}))
    lines = [process.stdout.readline() for process in [holder(tmp_path / "run") for _ in range(4)]]
    assert lines.count("held\n") == 1
    assert sum("is in use by process" in line for line in lines) == 3
    assert not any("unknown" in line for line in lines)


def test_a_lock_of_another_host_says_how_to_remove_it(tmp_path):
    lock_of(tmp_path / "run").write_text(json.dumps({"pid": 7, "host": "elsewhere"}))
    refused = pytest.raises(InputError, match=rf"by process 7 on elsewhere.*remove the lock: rm .*run{LOCK}")
    with refused, locked(tmp_path / "run"):
        pass
    lock_of(tmp_path / "run").unlink()
    lock_of(tmp_path / "run").write_text("[")  # its process was killed while it wrote
    with locked(tmp_path / "run"):
        pass


def test_workers_join_one_that_shares_and_the_last_removes_the_lock(tmp_path, holder):
    first = holder(tmp_path / "a.yaml", "share")
    assert first.stdout.readline() == "held\n"
    with locked(tmp_path / "a.yaml", share=True, join=True):
        first.communicate("")
        assert lock_of(tmp_path / "a.yaml").is_file()
        assert "is in use by" in holder(tmp_path / "a.yaml").stdout.readline()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_inside_where_nothing_can_be_written_beside(tmp_path, monkeypatch):
    out = tmp_path / "volume"
    out.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with locked(out):
        assert [path.name for path in out.iterdir()] == [LOCK]
        assert is_empty(out)
        (out / "a").mkdir()
        (out / "b").touch()
        assert not is_empty(out)
        emptied(out)
        assert [path.name for path in out.iterdir()] == [LOCK]
    assert list(out.iterdir()) == []


def test_a_lock_that_cannot_be_written_is_named_and_removed(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    refused = pytest.raises(WriteError, match=rf"run{LOCK}: cannot be written: no space left on device")
    with refused, locked(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file: cannot be written"), locked(tmp_path / "file" / "run"):
        pass
