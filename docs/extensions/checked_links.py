"""Checks every link of the built pages that leads to a page of the documentation, also those of raw HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.util import logging

logger = logging.getLogger(__name__)
BUILT_LATER = ("searchindex.js",)


class Page(HTMLParser):
    """The links of a page, and the ids that links may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src", "xlink:href") and value:
                self.links.add(value)


def broken_links(folder: Path) -> list[str]:
    """Links of the HTML pages below a folder whose file or place does not exist: `PAGE: LINK`."""
    pages = {
        path.resolve(): Page(path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.html")
        if "_static" not in path.parts
    }
    found = []
    for path, page in sorted(pages.items()):
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or parts.path.endswith(BUILT_LATER):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (parts.fragment and target in pages and not named(pages[target], parts.fragment)):
                found.append(f"{path.relative_to(folder.resolve())}: {link}")
    return found


def named(page: Page, fragment: str) -> bool:
    return unquote(fragment) in page.ids


def check(app: Any, failure: Exception | None) -> None:
    if failure is None and app.builder.format == "html":
        for link in broken_links(Path(app.outdir)):
            logger.warning("broken link: %s", link)


def setup(app: Any) -> dict[str, bool]:
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
