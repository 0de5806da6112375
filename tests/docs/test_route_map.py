"""The decision map: both pictures and the text hold the same leaves, and each leaf is a section of the page."""

import importlib
import re
from typing import Any

import pytest
import yaml

from pages import DOCS
from skips import optional

optional("sphinx", "docs")
route_map = importlib.import_module("route_map")


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    return yaml.safe_load((DOCS / "which-route.yaml").read_text(encoding="utf-8"))


def leaves(node: dict[str, Any]) -> list[str]:
    return [node["leaf"]] if "leaf" in node else [leaf for one in node["answers"] for leaf in leaves(one)]


def test_pictures_and_text_have_the_same_leaves(tree: dict[str, Any]) -> None:
    expected = leaves(tree)
    for picture in (route_map.wide(tree), route_map.narrow(tree)):
        assert re.findall(r'href="#([\w-]+)"', picture) == expected
        assert 'aria-hidden="true"' in picture
    assert re.findall(r'refuri="#([\w-]+)"', route_map.as_text(tree).pformat()) == expected


def test_every_leaf_is_a_section_with_a_command(tree: dict[str, Any]) -> None:
    sections = re.split(r"^\(([\w-]+)\)=$", (DOCS / "which-route.md").read_text(encoding="utf-8"), flags=re.M)
    text = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert set(text) == set(leaves(tree))
    assert all("$ synth2real " in section for section in text.values())
