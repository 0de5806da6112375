"""The reference: every public name has a page and a docstring, every setting and option a meaning."""

import dataclasses
import inspect
from typing import Any

import pytest

import synth2real as s2r
from command_pages import command_pages
from plain_docstrings import as_rst, short_signature
from reference_pages import package_pages
from settings_pages import STAGES, descriptions, settings_pages
from synth2real.cli.commands import COMMANDS
from synth2real_names import PACKAGES, homes, kind_of, names_of


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return package_pages()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_a_docstring_and_a_page(package: str, written: dict[str, str]) -> None:
    pages = {id(one.value): f"names/{one.path}.rst" for names in homes().values() for one in names}
    for one in names_of(package):
        assert pages[id(one.value)] in written
        assert kind_of(one.value) == "data" or inspect.getdoc(one.value), f"{one.path} has no docstring"


def test_every_module_that_the_package_lists_is_in_the_reference() -> None:
    modules = {getattr(s2r, name).__name__ for name in s2r.__all__ if inspect.ismodule(getattr(s2r, name))}
    assert modules - set(PACKAGES) == set()


@pytest.mark.parametrize(
    ("stage", "name", "kind"), [(s, n, k) for s, kinds in STAGES.items() for n, k in kinds.items()]
)
def test_every_setting_has_a_meaning(stage: str, name: str, kind: type[Any]) -> None:
    fields = {field.name for field in dataclasses.fields(kind)}
    assert fields - set(descriptions(kind)) == set()


def test_a_setting_is_shown_with_its_range_and_default() -> None:
    page = settings_pages()["settings/adapt.md"]
    assert "| `decay` | number > 0, &lt; 1 | `0.998` |" in page
    assert '| `alignment` | `soft`, `exact` | `"soft"` |' in page


def test_every_command_and_option_has_a_page() -> None:
    pages = command_pages()
    assert set(pages) == {"commands.md", *(f"commands/{name}.md" for name in COMMANDS)}
    assert "| `--target` | `PATH` | required |" in pages["commands/train.md"]
    assert "| `--seed` | `N` ≥ 0 | `0` |" in pages["commands/train.md"]
    assert "| `--overwrite` |  |  |" in pages["commands/train.md"]


def test_docstrings_become_restructured_text() -> None:
    text = ["The distance |a - b|**2 of `x | y`.", "", "    example(1)", "", "Args:", "    x: one of:", "        - a;"]
    assert as_rst(text) == [
        r"The distance \|a - b\|\*\*2 of `x | y`.",
        "",
        "::",
        "",
        "    example(1)",
        "",
        "Args:",
        "    x: one of:",
        "",
        "        - a;",
    ]
    assert as_rst(["References:", "    A (2001).", "        Journal."]) == [
        "References:",
        "    - A (2001).",
        "      Journal.",
    ]


def test_signatures_lose_modules_and_limits() -> None:
    field = "~typing.Annotated[int, FieldInfo(annotation=NoneType, required=True, metadata=[Ge(ge=16), Le(le=1024)])]"
    long = (
        f"(*, size: tuple[{field}, {field}] = (36, 60), label: ~collections.abc.Mapping[str, a.b.Normal] = <factory>)"
    )
    assert short_signature(long) == "(*, size: tuple[int, int] = (36, 60), label: Mapping[str, Normal] = ...)"
    assert short_signature(None) is None
