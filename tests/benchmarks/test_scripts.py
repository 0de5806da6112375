"""Every benchmark answers --help without data, and README.md lists it."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "benchmarks"
FILES = [file for file in sorted(ROOT.rglob("*.py")) if "__main__" in file.read_text()]
SCRIPTS = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in FILES]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_the_docstring_and_the_options(script, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setenv("SYNTH2REAL_DATA", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(f"benchmarks.{script}", run_name="__main__")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    first = (ROOT / f"{script.replace('.', '/')}.py").read_text().partition("\n")[0].strip('"')
    assert first.split() == shown.split()[shown.split().index(first.split()[0]) :][: len(first.split())]
    assert "--" in shown


def test_the_readme_lists_every_script() -> None:
    rows = [line.split("`")[1] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(SCRIPTS)
    assert len(rows) == 41


def test_no_folder_has_more_than_15_files() -> None:
    for folder in (ROOT, *(path for path in ROOT.rglob("*") if path.is_dir() and path.name != "__pycache__")):
        assert len([file for file in folder.iterdir() if file.is_file()]) <= 15, folder
