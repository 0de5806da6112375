"""Code blocks of the documentation: they compile, what they import exists, and those that stand alone run."""

import ast
import importlib
from types import ModuleType

import pytest

import synth2real as s2r
from pages import DOCS, SCRIPTS, Block, blocks

BLOCKS = blocks("python")
ALONE = (
    "python-simulator.md",
    "own-network.md",
    "own-method.md",
    "own-metric.md",
    "own-loader.md",
)  # need nothing else


def check_names(tree: ast.AST) -> None:
    """Every import of synth2real, and every `s2r.a.b`, exists."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "synth2real":
            module = importlib.import_module(str(node.module))
            for one in node.names:
                assert hasattr(module, one.name), f"{node.module} has no {one.name}"
        elif isinstance(node, ast.Attribute):
            check_path(ast.unparse(node))


def check_path(path: str) -> None:
    """Names of modules in a path such as `s2r.adapt.DANN`; what follows a class or function is not looked at."""
    first, *names = path.split(".")
    found: object = s2r
    if first != "s2r" or not all(name.isidentifier() for name in names):
        return
    for name in names:
        assert hasattr(found, name), f"{path}: no {name}"
        found = getattr(found, name)
        if not isinstance(found, ModuleType):
            return


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_compiles_and_its_names_exist(block: Block) -> None:
    check_names(ast.parse(block.text))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_compiles_and_its_names_exist(script) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    check_names(tree)
    title, rule, *_ = (ast.get_docstring(tree) or "").splitlines()
    assert rule == "=" * len(title)


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.page.name in ALONE], ids=str)
def test_a_block_that_stands_alone_runs(block: Block) -> None:
    module = ModuleType("documented")
    exec(compile(block.text, str(block), "exec"), vars(module))


def test_the_pages_that_stand_alone_exist() -> None:
    assert all((DOCS / "how-to" / name).exists() for name in ALONE)
