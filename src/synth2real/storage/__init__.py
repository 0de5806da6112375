"""What is written to disk: whole files or none, folders that say that they are incomplete, locks of folders in use."""

from .cache import cache_folder
from .files import append_line, check_writable, copied, make_folder, whole, write_tensors, write_text, writing
from .incomplete import INCOMPLETE, Building, building, check_complete, is_free
from .locks import LOCK, check_unlocked, emptied, is_empty, locked

__all__ = [
    "INCOMPLETE",
    "LOCK",
    "Building",
    "append_line",
    "building",
    "cache_folder",
    "check_complete",
    "check_unlocked",
    "check_writable",
    "copied",
    "emptied",
    "is_empty",
    "is_free",
    "locked",
    "make_folder",
    "whole",
    "write_tensors",
    "write_text",
    "writing",
]
