"""Every command in the documentation is one that the command line takes."""

from importlib.util import find_spec

import pytest
import typer

from pages import blocks, commands
from synth2real.cli import app
from synth2real.cli.commands import COMMANDS
from synth2real.cli.config_file import option_names

GROUP = typer.main.get_command(app)
CASES = [(str(block), words) for block in blocks("console", "sh", "bash") for words in commands(block)]


def test_commands_are_found() -> None:
    assert len(CASES) > 100


@pytest.mark.parametrize(("where", "words"), CASES, ids=[f"{where} {words[:1]}" for where, words in CASES])
def test_the_command_line_takes_the_command(where: str, words: list[str]) -> None:
    name, *rest = words
    if name.startswith("-"):
        return
    assert name in COMMANDS, f"{where}: no command {name}"
    options = {word.partition("=")[0] for word in rest if word.startswith("--")}
    known = {f"--{one}" for one in option_names(COMMANDS[name][0]).values()} | {"--config", "--help", "--one-based"}
    assert options <= known, f"{where}: {sorted(options - known)}"
    if "--config" in options or "--help" in options or ("ray" in rest and find_spec("ray") is None):
        return
    GROUP.commands[name].make_context(name, list(rest))  # raises where a value is missing or wrong
