"""How far the reading of a folder is, and what it was taken for: told to listeners, as the library prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
OnRead = Callable[[Path, int, int], None]  # the folder, the number of images read, and that of all

OnNote = Callable[[str], None]  # a line about what is read

_listener: ContextVar[OnRead | None] = ContextVar("listener", default=None)
_notes: ContextVar[OnNote | None] = ContextVar("notes", default=None)


@contextmanager
def told(listener: OnRead, notes: OnNote | None = None) -> Iterator[None]:
    """While the context lasts, the listener is called before the first image of a folder and after each one.

    Args:
        listener: hears how many images were read.
        notes: hears what a folder was taken for.
    """
    token, noted = _listener.set(listener), _notes.set(notes)
    try:
        yield
    finally:
        _listener.reset(token)
        _notes.reset(noted)


def note(line: str) -> None:
    """Tell the listener a line about what is read, such as the format of a folder."""
    notes = _notes.get()
    if notes is not None:
        notes(line)


def counted(images: Iterable[T], folder: Path, total: int) -> Iterator[T]:
    """The images as they come; the listener hears how many of `total` there were."""
    listener = _listener.get()
    if listener is not None:
        listener(folder, 0, total)
    for done, image in enumerate(images, start=1):
        yield image
        if listener is not None:
            listener(folder, done, total)
