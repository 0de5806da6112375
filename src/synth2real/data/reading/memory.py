"""How much memory decoded images may take."""

import os
from pathlib import Path

SHARE = 0.5  # of the free memory, for one set of images
FALLBACK = 4 * 2**30  # bytes, where the operating system does not tell
MEMINFO = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")  # a container's own limit (cgroup v2)


def limit() -> int:
    """Most bytes of a set of images that is kept in memory: half of the free memory."""
    return int(SHARE * free())


def free() -> int:
    """Bytes of memory that can be taken without swapping, on this machine or in this container."""
    return min(_of_machine(), _of_container())


def _of_machine() -> int:
    try:
        return 1024 * int(MEMINFO.read_text().partition("MemAvailable:")[2].split()[0])
    except (OSError, ValueError, IndexError):  # systems without this file: half of all memory
        return _half()


def _half() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError, AttributeError):
        return FALLBACK


def _of_container() -> int:
    try:
        most, used = ((CONTAINER / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return max(0, int(most) - int(used))
    except (OSError, ValueError):  # no limit
        return 2**63
