"""Locks: two processes never write to one output.

A lock is a hidden file beside the output. It names the process and the host. The operating system holds the lock
itself (`flock`), and releases it when the process ends in whatever way. So a lock whose process was killed is free, and
two processes that find it at once do not both get it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError
from .files import make_folder, writing

try:
    import fcntl
except ImportError:  # Windows has no flock: outputs are not locked there
    fcntl = None  # type: ignore[assignment]

LOCK = ".synth2real.lock"  # suffix of a lock beside the output; name of one inside it
SIGNING = 50  # looks at a lock whose owner has just taken it and writes its name
HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@contextmanager
def locked(out: Path, *, join: bool = False, share: bool = False) -> Iterator[None]:
    """Hold the lock of an output, a folder or a file, while the context lasts.

    Folders above it are created, and removed at the end if they are still empty.

    Args:
        out: the output, which need not exist.
        join: join the processes that share the lock.
        share: let other processes join.

    Raises:
        InputError: another process uses `out`; or a process of another host has left its lock.
        WriteError: the lock cannot be written, because the disk is full or the folder is read-only.
    """
    if fcntl is None:
        yield
        return
    out = out.resolve()
    made = _made_parents(out)
    try:
        file = _file(out)
        descriptor = _acquired(file, out, join=join)
        if share or join:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            yield
        finally:
            _released(file, descriptor)
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def check_unlocked(out: Path) -> None:
    """Raise `InputError` if another process uses an output. Nothing is locked or written."""
    file = _file(out.resolve())
    if fcntl is None or not file.is_file():
        return
    descriptor = os.open(file, os.O_RDONLY)
    try:
        if not _flocked(descriptor, fcntl.LOCK_SH):
            raise _in_use(descriptor, out)
    finally:
        os.close(descriptor)


def _made_parents(out: Path) -> list[Path]:
    """Create the folders above `out`. Returns those that did not exist, the deepest first."""
    missing = [folder for folder in out.parents if not folder.exists()]
    make_folder(out.parent)
    return missing


def _file(out: Path) -> Path:
    """The lock's file: beside the output, or inside a folder that stands where nothing can be written."""
    inside = out.is_dir() and (out == out.parent or not os.access(out.parent, os.W_OK))
    return out / LOCK if inside else out.with_name(f".{out.name}{LOCK}")


def _acquired(file: Path, out: Path, *, join: bool) -> int:
    """The open lock, with the name of this process in it."""
    while True:
        with writing(file):
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _flocked(descriptor, fcntl.LOCK_SH if join else fcntl.LOCK_EX):
                raise _in_use(descriptor, out)
            if not _is_at(file, descriptor):  # its last owner has just removed it
                os.close(descriptor)
                continue
            owner = _owner(descriptor)
            if not join and owner.get("host", socket.gethostname()) != socket.gethostname():
                raise _of_another_host(owner, out, file)
            with writing(file):
                _sign(descriptor, file)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _flocked(descriptor: int, kind: int) -> bool:
    """Whether the lock could be taken. A file system without locks never refuses one."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in HELD
    return True


def _is_at(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _owner(descriptor: int) -> dict[str, Any]:
    """Process and host in a lock; empty if its process was killed before it wrote them."""
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sign(descriptor: int, file: Path) -> None:
    """Write this process and host into the lock. A lock that cannot be signed is removed."""
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text, 0)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def _released(file: Path, descriptor: int) -> None:
    """Remove the lock, unless other processes share it, and let it go."""
    with suppress(OSError):  # the folder may have vanished or become read-only
        if _flocked(descriptor, fcntl.LOCK_EX) and _is_at(file, descriptor):
            file.unlink()
    os.close(descriptor)


def _in_use(descriptor: int, out: Path) -> InputError:
    owner = _owner(descriptor)
    for _ in range(SIGNING):
        if owner:
            break
        time.sleep(0.02)
        owner = _owner(descriptor)
    who = f"process {owner.get('pid', 'unknown')} on {owner.get('host', 'this host')}"
    return InputError(f"{out}: is in use by {who}. Wait until it has ended, stop it, or choose another --out")


def _of_another_host(owner: dict[str, Any], out: Path, file: Path) -> InputError:
    who = f"process {owner.get('pid', 'unknown')} on {owner['host']}"
    return InputError(
        f"{out}: is locked by {who}, another host. If that process has ended, remove the lock: rm {file}. Else wait, "
        "or choose another --out"
    )


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but a lock."""
    return all(path.name == LOCK for path in folder.iterdir())


def emptied(folder: Path) -> None:
    """Delete all that is in a folder, except a lock."""
    with writing(folder):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
