"""The folder of what can be made again: downloads, and files that last as long as their process."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The cache folder: SYNTH2REAL_CACHE, or else that of the platform. It may not exist yet."""
    if "SYNTH2REAL_CACHE" in os.environ:
        return Path(os.environ["SYNTH2REAL_CACHE"])
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "synth2real"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "synth2real" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "synth2real"
