"""The layout: small files and folders, folders that say what they are for, public names that no module hides."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import synth2real as s2r

ROOT = Path(s2r.__file__).parent
FOLDERS = sorted(path.parent for path in ROOT.rglob("__init__.py"))
FILES = sorted(ROOT.rglob("*.py"))
AT_THE_ROOT = {"__init__.py", "__main__.py", "errors.py", "plugins.py", "settings.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT.parent).as_posix()


def every_module() -> list[str]:
    found = pkgutil.walk_packages(s2r.__path__, "synth2real.")
    return [one.name for one in found if one.name != "synth2real.__main__"]


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_folder_is_small_and_says_what_it_is_for(folder: Path) -> None:
    files = [path for path in folder.iterdir() if path.is_file() and path.name not in ("__init__.py", "py.typed")]
    assert len(files) <= 15
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert doc.partition("\n")[0].endswith("."), "the first line is no sentence"


def test_only_five_files_stand_at_the_root() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == AT_THE_ROOT


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_and_functions_are_short(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 50] == []


def test_no_module_hides_a_public_name() -> None:
    """In a process of its own, in which every module is imported before any public name is asked for."""
    code = f"""
import importlib, types
import synth2real as s2r
for name in {every_module()!r}:
    importlib.import_module(name)
modules = {{"adapt", "aggregate", "calibrate", "estimates", "randomize", "realism", "refine", "simulate", "tasks",
            "validators"}}
for name in s2r.__all__:
    value = getattr(s2r, name)
    assert isinstance(value, types.ModuleType) == (name in modules), name
    assert name in modules or callable(value), name
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_what_a_folder_lists_is_what_it_gives(folder: Path) -> None:
    for name in every_module():
        importlib.import_module(name)
    package = importlib.import_module(name_of(folder).replace("/", "."))
    for name in getattr(package, "__all__", []):
        value = getattr(package, name)
        if isinstance(value, ModuleType):
            assert value.__name__.startswith("synth2real."), name
        else:
            assert f"{package.__name__}.{name}" not in sys.modules, f"{name} is the name of a module, too"


@pytest.mark.parametrize("path", [path for path in Path(__file__).parent.rglob("*") if path.is_dir()], ids=str)
def test_tests_mirror_the_package(path: Path) -> None:
    within = path.relative_to(Path(__file__).parent)
    if within.parts[0] in ("benchmarks", "docs", "examples", "files", "fuzz") or within.name == "__pycache__":
        return
    assert (ROOT / within).is_dir()
