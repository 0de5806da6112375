"""Tests that a machine cannot run: each says what it needs, and one line at the end says how to get it.

The reason of every skip begins with "needs".
"""

import importlib
import re
from collections import Counter
from collections.abc import Iterable
from types import ModuleType

import pytest


def optional(module: str, extra: str) -> ModuleType:
    """A module of an optional dependency; the test, or the whole file, is skipped where it cannot be imported."""
    try:
        found = importlib.import_module(module)
        if found.__file__ is None:  # a folder of that name, such as tests/datasets
            raise ImportError(f"No module named '{module}'")
        return found
    except (ImportError, RuntimeError) as error:  # torchvision raises RuntimeError beside another build of torch
        pytest.skip(f"needs the extra {extra} ({error})", allow_module_level=True)


def not_run(reasons: Iterable[str], *, slow_left_out: bool = False) -> str:
    """One line on skipped tests, by what they need; empty if nothing was left out.

    Args:
        reasons: of each skipped test, such as `Skipped: needs a GPU`.
        slow_left_out: whether the slow tests were deselected.
    """
    plain = [reason.removeprefix("Skipped: ") for reason in reasons]
    extras = [found[1] for reason in plain if (found := re.match(r"needs the extra (\w+)", reason))]
    others = Counter(reason for reason in plain if not reason.startswith("needs the extra "))
    parts = [
        f"{_tests(count)} {reason.removeprefix('needs ')}" if reason.startswith("needs ") else f"{count}: {reason}"
        for reason, count in others.items()  # the last are reasons of other libraries, whose checks run here
    ]
    if extras:
        install = f".venv/bin/pip install -c constraints.txt -e '.[{','.join(sorted(set(extras)))}]'"
        parts.insert(0, f"{_tests(len(extras))} optional dependencies: {install}")
    if slow_left_out:
        parts.append("slow tests: make test-all")
    return f"not run: {'; '.join(parts)}" if parts else ""


def _tests(count: int) -> str:
    return "1 test needs" if count == 1 else f"{count} tests need"
