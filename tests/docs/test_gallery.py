"""The examples run, and so do the commands of the page on starting."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pages import DOCS, GALLERY, SCRIPTS, blocks, commands

LONGEST = 600  # seconds; on two free cores each takes two minutes at most


def test_there_are_ten_examples_and_five_failures() -> None:
    assert len([path for path in SCRIPTS if path.parent == GALLERY]) >= 10
    assert len(list((GALLERY / "failures").glob("plot_*.py"))) == 5


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_runs(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_commands_of_the_start_run(tmp_path: Path) -> None:
    """In the order of the page, with less time for the comparison, and labelled data to evaluate on."""
    ran = []
    for block in blocks("console"):
        if block.page != DOCS / "start.md":
            continue
        for words in commands(block):
            if words[0] in ("--help", "demo", "export"):
                continue
            words = [re.sub("^labelled$", "photos", word) for word in words]
            if "--budget" in words:
                words[words.index("--budget") + 1] = "0.2"
            done = subprocess.run(
                [sys.executable, "-m", "synth2real", *words], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (words, done.stderr)
            ran.append(words[0])
    assert ran == ["render", "render", "check", "gap", "show", "compare", "predict", "evaluate"]
