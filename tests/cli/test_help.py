"""The help of each command comes at once: nothing heavy is imported for it."""

import os
import subprocess
import sys

import pytest

from synth2real.cli.commands import COMMANDS

MOST = 0.5  # seconds of the processor
HEAVY = {"torch", "numpy", "scipy", "sklearn", "PIL", "optuna", "bokeh", "matplotlib", "synth2real.adapt"}
EVERY = f"""
import sys
from synth2real import cli
for name in {list(COMMANDS)!r}:
    sys.argv = ["synth2real", name, "--help"]
    try:
        cli.main()
    except SystemExit as end:
        assert not end.code, name
print(sorted({HEAVY!r} & set(sys.modules)))
"""


def test_the_help_of_no_command_imports_anything_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", EVERY], capture_output=True, text=True, check=True)
    *said, last = done.stdout.splitlines()
    assert last == "[]"
    assert all(any(f"synth2real {name}" in line for line in said) for name in COMMANDS)


def spent(*arguments: str) -> float:
    """Seconds of the processor that a command takes, which other programs hardly lengthen."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "synth2real", *arguments], capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize("arguments", [("--help",), ("compare", "--help")], ids=" ".join)
def test_help_takes_less_than_half_a_second(arguments: tuple[str, ...]) -> None:
    assert min(spent(*arguments) for _ in range(3)) < MOST
