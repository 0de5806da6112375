"""Fills the tables of the docs from `benchmarks/results`, between marks in the Markdown.

    python -m benchmarks.lib.tables [--check]

`<!-- table: speed/NAME -->` and `<!-- end -->` enclose the latest results of a speed script, with their machine;
`speed/NAME/PART` takes the rows of one part. `<!-- table: quality/NAME -->` encloses a table whose figures come from
`scores.jsonl`, see `quality_tables`. What has no results stays as it is; in a quality table such figures get a dagger.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lib import quality_tables
from benchmarks.lib.results import RESULTS, cells, markdown, source, stored

ROOT = Path(__file__).parents[2]
MARKED = re.compile(r"(?P<mark><!-- table: (?P<name>\S+) -->\n)(?P<body>.*?)(?P<end><!-- end -->)", re.DOTALL)


def pages() -> Iterator[Path]:
    """The pages that may have tables."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def filled(text: str, results: Path = RESULTS) -> str:
    """A page with all of its tables filled.

    Raises:
        ValueError: a mark names no table, or has no end.
    """
    if text.count("<!-- table:") != len(MARKED.findall(text)):
        raise ValueError("found a mark of a table without <!-- end --> after it, or within another table")
    return MARKED.sub(lambda found: found["mark"] + body(found["name"], found["body"], results) + found["end"], text)


def body(name: str, present: str, results: Path) -> str:
    """What stands between the marks of a table. `present` is what stands there now."""
    kind, _, rest = name.partition("/")
    if kind == "quality":
        return quality_tables.filled(rest, present, results / "scores.jsonl")
    if kind != "speed":
        raise ValueError(f"table {name}: expected speed/NAME, speed/NAME/PART or quality/NAME")
    script, _, part = rest.partition("/")
    machines = stored(f"speed/{script}", results)["machines"]
    measured = next(iter(machines.values()), None)
    table = None if measured is None else cells(measured, part or None)
    if measured is None or table is None or len(table) == 1:
        return present
    return "\n".join(["", *markdown(table), "", f"Measured on: {source(measured)}.", "", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a page would change")
    arguments = parser.parse_args()
    changed = []
    for page in pages():
        before = page.read_text(encoding="utf-8")
        try:
            after = filled(before)
        except ValueError as error:
            sys.exit(f"{page.relative_to(ROOT)}: {error}")
        if after != before:
            changed.append(str(page.relative_to(ROOT)))
            if not arguments.check:
                page.write_text(after, encoding="utf-8")
    print("\n".join(changed) or "all tables are as the results have them")
    if arguments.check and changed:
        sys.exit("these pages have other tables than the results. Run: make tables")


if __name__ == "__main__":
    main()
