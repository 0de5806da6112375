"""Links between the pages, quickly; `make docs` checks them all again, with those of the built pages."""

import re
from pathlib import Path

import pytest

from pages import DOCS, GALLERY, ROOT, pages

PAGES = pages()


def slug(heading: str) -> str:
    """The anchor of a heading, as on GitHub."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text.strip()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = set(re.findall(r"^\(([\w-]+)\)=$", text, re.M))
    return targets | {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def built_from(path: Path) -> Path | None:
    """The file from which a page or picture that `make docs` writes is made; None if it is kept as it is."""
    within = path.relative_to(DOCS)
    if within.parts[0] == "gallery":
        name = re.sub(r"^sphx_glr_(plot_\w+)_\d{3}$", r"\1", path.stem)
        return GALLERY.joinpath(*(part for part in within.parts[1:-1] if part != "images"), f"{name}.py")
    return DOCS / "extensions" / "reference_pages.py" if "generated" in within.parts else None


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        if "://" in name or name.startswith("mailto:"):
            continue
        target = (page.parent / name).resolve() if name else page
        source = built_from(target) if target.is_relative_to(DOCS) else None
        if target == DOCS / "gallery" / "index.rst":
            continue
        assert (source or target).exists(), link
        if anchor and target.suffix == ".md" and source is None:
            assert anchor in anchors(target), link


def test_every_page_is_in_one_table_of_contents() -> None:
    listed = []
    for page in PAGES:
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed += [(page.parent / f"{name}.md").resolve() for name in names]
    kept = [page for page in PAGES if page.is_relative_to(DOCS) and page != DOCS / "index.md"]
    assert [page for page in kept if listed.count(page) != 1] == []
