"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GALLERY = ROOT / "examples" / "gallery"
SCRIPTS = sorted(GALLERY.rglob("plot_*.py"))
BUILT = ("_build", "gallery", "generated")  # folders below docs that `make docs` writes


def pages() -> list[Path]:
    """README, and every Markdown page that is kept in the repository."""
    written = (path for path in DOCS.rglob("*.md") if not set(path.relative_to(DOCS).parts) & set(BUILT))
    return [ROOT / "README.md", *sorted(written)]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and where it begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of all pages in one of these languages."""
    found = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^( *)```(\w+)\n(.*?)^\1```$", text, re.M | re.S):
            if match[2] in languages:
                inner = re.sub(rf"^{match[1]}", "", match[3], flags=re.M)
                found.append(Block(page, text.count("\n", 0, match.start()) + 1, match[2], inner))
    return found


def commands(block: Block) -> Iterator[list[str]]:
    """The words behind `synth2real` of each such command of a block of a console."""
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        found = re.match(r"\$ (?:\w+=\S+ )*(?:\.venv/bin/)?synth2real (.*)", line)
        launched = re.match(r"\$ (?:torchrun|accelerate launch) .*-m synth2real (.*)", line)
        if given := found or launched:
            words = shlex.split(given[1], comments=True)
            cut = next((i for i, word in enumerate(words) if word in ("|", "&&", "&", ">", "2>")), len(words))
            yield words[:cut]
