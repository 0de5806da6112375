"""How far the reading of a folder is, told to whoever listens: the library itself prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
OnRead = Callable[[Path, int, int], None]  # the folder, the number of images read, and that of all

_listener: ContextVar[OnRead | None] = ContextVar("listener", default=None)


@contextmanager
def told(listener: OnRead) -> Iterator[None]:
    """While the context lasts, the listener is called before the first image of a folder and after each one."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def counted(images: Iterable[T], folder: Path, total: int) -> Iterator[T]:
    """The images as they come; the listener hears how many of `total` there were."""
    listener = _listener.get()
    if listener is not None:
        listener(folder, 0, total)
    for done, image in enumerate(images, start=1):
        yield image
        if listener is not None:
            listener(folder, done, total)
