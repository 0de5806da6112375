"""The scripts for Slurm: bash can read them, their options exist, and the README explains each of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from synth2real.cli.commands import COMMANDS
from synth2real.cli.config_file import option_names

FOLDER = Path(__file__).parents[2] / "examples" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.slurm"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_bash_can_read_the_script(script: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_command_has_the_options(script: Path) -> None:
    text = script.read_text().replace("\\\n", " ")
    (command, options) = next(found.groups() for found in re.finditer(r"synth2real ([a-z]+) (.*)", text))
    known = set(option_names(COMMANDS[command][0]).values())
    assert {option[2:] for option in re.findall(r"--[a-z-]+", options)} <= known


def test_each_script_is_explained() -> None:
    explained = (FOLDER / "README.md").read_text()
    assert len(SCRIPTS) == 4
    for script in SCRIPTS:
        assert f"`{script.name}`" in explained
