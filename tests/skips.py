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
    """A module of an optional dependency; the test is skipped where it cannot be imported."""
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # torchvision raises RuntimeError beside another build of torch
        pytest.skip(f"needs the extra {extra} ({error})")


def not_run(reasons: Iterable[str], *, slow_left_out: bool = False) -> str:
    """One line on skipped tests, by what they need; empty if nothing was left out.

    Args:
        reasons: of each skipped test, such as `Skipped: needs a GPU`.
        slow_left_out: whether the slow tests were deselected.
    """
    plain = [reason.removeprefix("Skipped: ") for reason in reasons]
    extras = [found[1] for reason in plain if (found := re.match(r"needs the extra (\w+)", reason))]
    others = Counter(reason.removeprefix("needs ") for reason in plain if not reason.startswith("needs the extra "))
    parts = [f"{_tests(count)} {what}" for what, count in others.items()]
    if extras:
        install = f".venv/bin/pip install -c constraints.txt -e '.[{','.join(sorted(set(extras)))}]'"
        parts.insert(0, f"{_tests(len(extras))} optional dependencies: {install}")
    if slow_left_out:
        parts.append("slow tests: make test-all")
    return f"not run: {'; '.join(parts)}" if parts else ""


def _tests(count: int) -> str:
    return "1 test needs" if count == 1 else f"{count} tests need"
