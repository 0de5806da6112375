"""How functions, parts and results travel between this process and its own workers: pickled.

Unpickling runs code, and a worker is sent code to run. A worker is started by this process and speaks through a pipe
that nobody else holds, or it is a task of the user's own Ray. Nothing that is read from a file comes this way: models
on disk are safetensors and YAML.
"""

from __future__ import annotations

import pickle
import traceback
from typing import Any

packed = pickle.dumps


def unpacked(data: bytes) -> Any:
    """What the other end has packed. Only for bytes that came from this process or from its own workers."""
    return pickle.loads(data)


def packed_error(error: Exception) -> bytes:
    """An error for the other end. One that cannot travel becomes a RuntimeError with its traceback."""
    try:
        data = packed(error)
        unpacked(data)
    except Exception:
        data = packed(RuntimeError("".join(traceback.format_exception(error))))
    return data
