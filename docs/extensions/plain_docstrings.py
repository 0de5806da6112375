"""Docstrings as reStructuredText: they are plain text with sections, lists and indented examples. Short signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

SECTIONS = ("Args:", "Raises:", "Returns:", "Yields:", "References:", "Labels:", "Attributes:", "Note:", "See also:")


def as_rst(lines: list[str]) -> list[str]:
    """The lines of a docstring for napoleon and docutils."""
    return list(with_blocks(list(with_references([escaped(line) for line in lines]))))


def escaped(line: str) -> str:
    """The line without markup of reStructuredText outside of backticks: `|` and `*` mean themselves."""
    parts = line.split("`")
    return "`".join(re.sub(r"([|*])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts))


def with_references(lines: list[str]) -> Iterator[str]:
    """References as a list: each begins at the indentation of the section, and hangs."""
    inside = False
    for line in lines:
        if line.strip() and not line.startswith(" "):
            inside = line == "References:"
        elif inside and re.match(r"    \S", line):
            yield f"    - {line.strip()}"
            continue
        elif inside and line.strip():
            yield f"      {line.strip()}"
            continue
        yield line


def with_blocks(lines: list[str]) -> Iterator[str]:
    """Blank lines around what is indented, and `::` before examples, which are indented after a blank line."""
    section, before, last = False, "", ""
    for line in lines:
        if line.strip():
            if indent(line) == 0:
                section = line in SECTIONS
            deeper = indent(line) > indent(before)
            if section:
                starts_list = line.lstrip().startswith("- ") and not before.lstrip().startswith("- ")
                if last.strip() and deeper and starts_list and before not in SECTIONS:
                    yield ""
            elif deeper and indent(line) >= 4 and not last.strip():
                yield from ("::", "")
            elif last.strip() and indent(line) != indent(before) and not hangs(before, line):
                yield ""
            before = line
        last = line
        yield line


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def hangs(before: str, line: str) -> bool:
    """Whether a line continues, or follows, an item of a list."""
    starts = before.lstrip().startswith("- ") or line.lstrip().startswith("- ")
    return starts or bool(re.match(r"  \S", before))


def process(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def short_signature(signature: str | None) -> str | None:
    """A signature whose types are named as in the code: no modules before names, no limits of fields."""
    if signature is None:
        return None
    text, before = re.sub(r"~?(?:\w+\.)+(?=[A-Z])|~", "", signature.replace("<factory>", "...")), ""
    while text != before:  # from the inside out
        before = text
        text = re.sub(r"Annotated\[([^][]+), FieldInfo\((?:[^()]|\([^()]*\))*\)\]", r"\1", text)
    return text


def process_signature(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    return short_signature(signature), short_signature(returned)


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process, priority=100)
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
