"""What is written to disk: whole files or none, incomplete folders, locks, and what each output was made from."""

from .cache import cache_folder
from .content import PROVENANCE, Content, content_of
from .files import (
    append_line,
    check_writable,
    copied,
    make_folder,
    whole,
    whole_folder,
    write_tensors,
    write_text,
    writing,
)
from .incomplete import INCOMPLETE, Building, building, check_complete, is_free
from .lineage import Node, trace
from .locks import LOCK, check_unlocked, emptied, is_empty, locked
from .provenance import Record, Source, code_version, keep_record, read_record, record_file

__all__ = [
    "INCOMPLETE",
    "LOCK",
    "PROVENANCE",
    "Building",
    "Content",
    "Node",
    "Record",
    "Source",
    "append_line",
    "building",
    "cache_folder",
    "check_complete",
    "check_unlocked",
    "check_writable",
    "code_version",
    "content_of",
    "copied",
    "emptied",
    "is_empty",
    "is_free",
    "keep_record",
    "locked",
    "make_folder",
    "read_record",
    "record_file",
    "trace",
    "whole",
    "whole_folder",
    "write_tensors",
    "write_text",
    "writing",
]
