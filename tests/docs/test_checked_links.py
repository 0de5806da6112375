"""The check of the built pages finds links that lead nowhere."""

import importlib
from pathlib import Path

from skips import optional

optional("sphinx", "docs")
broken_links = importlib.import_module("checked_links").broken_links


def test_links_to_missing_pages_and_places_are_found(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here">1</a><a href="#gone">2</a><a href="sub/b.html#there">3</a>'
        '<a href="sub/b.html#gone">4</a><img src="gone.png"><a href="https://example.org/gone">5</a>'
    )
    (tmp_path / "sub" / "b.html").write_text('<svg><a id="there" href="../a.html">6</a></svg>')
    assert broken_links(tmp_path) == ["a.html: #gone", "a.html: gone.png", "a.html: sub/b.html#gone"]
